/** What a forecast tells of histories of which the answer is plain, and where it tells nothing. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backtest } from '../../../src/core/forecast/backtest.ts';
import { forecastOf, KNOWN_WEEKS_MIN } from '../../../src/core/forecast/forecast.ts';
import { METHODS } from '../../../src/core/forecast/methods.ts';
import { shortageOf } from '../../../src/core/forecast/shortage.ts';
import { stepIn } from '../../../src/core/forecast/step.ts';
import { KINDS, madeDemand } from './made-demand.ts';

const knownOf = (history: readonly (number | undefined)[]) =>
  history.flatMap((value, week) => (value === undefined ? [] : [{ week, value }]));
const line = (weeks: number, from = 100, rise = 10): number[] =>
  Array.from({ length: weeks }, (_, week) => from + rise * week);
/** Flat, with a little that no two neighbours have in common. */
const flat = (weeks: number, level = 100): number[] =>
  Array.from({ length: weeks }, (_, week) => level + (week % 3) - 1);

describe('a method', () => {
  test('of the last four known weeks is their mean, however far ahead', () => {
    const ahead = METHODS.mean_of_4(knownOf([900, 1, 2, undefined, 3, 6]));
    expect([ahead(1), ahead(12)]).toEqual([3, 3]);
  });

  test('of the middle slope goes on with a line, and a quarter of the weeks may be anything', () => {
    const history: (number | undefined)[] = line(12);
    for (const week of [1, 5, 9]) history[week] = 10_000;
    history[7] = undefined;
    const ahead = METHODS.theil_sen(knownOf(history));
    expect(ahead(1)).toBeCloseTo(220, 9);
    expect(ahead(12)).toBeCloseTo(330, 9);
  });

  test('of a trend that fades goes up with a line, less each week, and never beyond it', () => {
    const ahead = METHODS.damped_trend(knownOf(line(30)));
    const rises = Array.from({ length: 12 }, (_, at) => ahead(at + 2) - ahead(at + 1));
    expect(ahead(1)).toBeGreaterThan(line(30).at(-1)!);
    expect(ahead(12)).toBeLessThan(100 + 10 * 41);
    for (const [at, rise] of rises.entries()) if (at > 0) expect(rise / rises[at - 1]!).toBeCloseTo(0.9, 9);
  });

  test.each(Object.keys(METHODS) as (keyof typeof METHODS)[])('%s does not care for the unit', (method) => {
    const history = fc.array(fc.option(fc.integer({ min: 1, max: 1e6 })), { minLength: 12, maxLength: 40 });
    fc.assert(
      fc.property(history, fc.integer({ min: 1, max: 12 }), (values, weeks) => {
        const known = knownOf(values.map((value) => value ?? undefined));
        fc.pre(known.length >= 5);
        const larger = known.map(({ week, value }) => ({ week, value: 8 * value }));
        expect(METHODS[method](larger)(weeks)).toBeCloseTo(8 * METHODS[method](known)(weeks), 3);
      }),
    );
  });
});

test('a backtest asks from each week on, from the fifth, and tells what came beside what was told', () => {
  const { origins, residuals, meanAbsoluteError } = backtest(
    knownOf([4, 4, 4, 4, 4, 8, undefined, 4]),
    'mean_of_4',
  );
  expect(origins).toBe(2);
  expect(residuals).toEqual([
    { weeksAhead: 1, error: 4 },
    { weeksAhead: 3, error: 0 },
    { weeksAhead: 2, error: -1 },
  ]);
  expect(meanAbsoluteError).toBeCloseTo(5 / 3, 9);
});

describe('a forecast', () => {
  test('of a line is the line, and leaves no doubt', () => {
    const told = forecastOf(line(20), 12);
    expect(told).toMatchObject({ method: 'theil_sen', step: undefined, weeksUsed: 20, refusal: undefined });
    expect(told.weeks).toHaveLength(12);
    for (const { week, expected, low, high } of told.weeks)
      for (const value of [expected, low, high]) expect(value).toBeCloseTo(100 + 10 * week, 6);
  });

  test('takes the method that would have been off least', () => {
    for (let seed = 0; seed < 20; seed += 1) {
      const { method, tests, refusal } = forecastOf(madeDemand(seed, 26).weeks.slice(0, 26), 12);
      if (refusal !== undefined) continue;
      const least = Math.min(...tests.map(({ meanAbsoluteError }) => meanAbsoluteError));
      expect(tests.find((one) => one.method === method)?.meanAbsoluteError).toBe(least);
    }
  });

  test('takes a week of which nothing is known for no low one', () => {
    const history: (number | undefined)[] = flat(20);
    for (const week of [3, 8, 9, 15]) history[week] = undefined;
    const { weeks, weeksUsed } = forecastOf(history, 12);
    expect(weeksUsed).toBe(16);
    for (const { low, high } of weeks) {
      expect(low).toBeGreaterThan(90);
      expect(high).toBeLessThan(110);
    }
  });

  test('of nothing but zeros is zero', () => {
    expect(forecastOf(new Array<number>(12).fill(0), 2).weeks).toEqual([
      { week: 12, expected: 0, low: 0, high: 0 },
      { week: 13, expected: 0, low: 0, high: 0 },
    ]);
  });

  test('never falls below nothing', () => {
    const { weeks } = forecastOf([...line(12, 120, -10), 1, 0, 0, 0], 12);
    expect(
      weeks.flatMap(({ low, expected, high }) => [low, expected, high]).every((value) => value >= 0),
    ).toBe(true);
  });

  test.each([
    ['no week', [], 'few_weeks', 0],
    ['seven weeks', flat(7), 'few_weeks', 7],
    ['eight weeks', flat(8), undefined, 8],
    ['seven known ones of ten', [...flat(5), undefined, undefined, undefined, 100, 101], 'few_weeks', 7],
    ['eight of ten, the last one not', [undefined, ...flat(8), undefined], undefined, 8],
    [
      'eight, and eight unknown ones since',
      [...flat(8), ...new Array<undefined>(8).fill(undefined)],
      'end_unknown',
      8,
    ],
    [
      'a hole longer than a forecast',
      [...flat(30), ...new Array<undefined>(13).fill(undefined), 100, 101],
      'few_weeks',
      2,
    ],
  ])('of %s', (_, history, refusal, weeksUsed) => {
    expect(forecastOf(history, 12)).toMatchObject({ refusal, weeksUsed });
  });

  test('goes no further than its history is long, nor than twelve weeks, nor than was asked', () => {
    expect(forecastOf(flat(9), 12).weeks.map(({ week }) => week)).toEqual([
      9, 10, 11, 12, 13, 14, 15, 16, 17,
    ]);
    expect(forecastOf(flat(40), 50).weeks).toHaveLength(12);
    expect(forecastOf(flat(40), 3).weeks).toHaveLength(3);
    // Two of the twelve are already past, and nobody saw them.
    expect(forecastOf([...flat(40), undefined, undefined], 12).weeks.map(({ week }) => week)).toEqual([
      42, 43, 44, 45, 46, 47, 48, 49, 50, 51,
    ]);
  });
});

describe('a step', () => {
  test('is named with its week and both levels, and the forecast is of what came after', () => {
    const { step, weeksUsed, weeks } = forecastOf([...flat(10, 100), ...flat(9, 200)], 12);
    expect(step).toEqual({ week: 10, before: 99.5, after: 199.5 });
    expect(weeksUsed).toBe(9);
    expect(weeks).toHaveLength(9);
    for (const { expected } of weeks) expect(Math.abs(expected - 200)).toBeLessThan(5);
  });

  test('of a sixth is one where weeks hardly differ, also where there is another one', () => {
    const calm = (level: number, weeks: number): number[] => flat(weeks, level);
    const stairs = [...calm(500, 16), ...calm(600, 16), ...calm(720, 16)];
    expect(stepIn(knownOf(stairs))).toMatchObject({ week: 32 });
    expect(stepIn(knownOf(stairs.slice(0, 32)))).toMatchObject({ week: 16 });
    expect(stepIn(knownOf([...calm(500, 16), ...calm(530, 16)]))).toBeUndefined();
  });

  test('too young to go on from leaves nothing to tell', () => {
    const { step, refusal, weeks } = forecastOf([...flat(20, 100), ...flat(KNOWN_WEEKS_MIN - 1, 50)], 12);
    expect(step).toMatchObject({ week: 20 });
    expect(refusal).toBe('few_since_step');
    expect(weeks).toEqual([]);
  });

  test.each([
    ['a line that rises', line(30)],
    ['a line that falls', line(30, 400, -10)],
    ['growth by a tenth each week', Array.from({ length: 20 }, (_, week) => 100 * 1.1 ** week)],
    ['two weeks that are off', [...flat(10), 300, 300, ...flat(10)]],
    ['all alike', new Array<number>(20).fill(7)],
    ['nothing', []],
  ])('there is none in %s', (_, history) => {
    expect(stepIn(knownOf(history))).toBeUndefined();
  });

  test('there is one in the drawn histories that have one, and in no other', () => {
    const lengths = [12, 16, 26, 52];
    const drawn = lengths.flatMap((weeks) =>
      Array.from({ length: 200 }, (_, seed) => ({ ...madeDemand(seed, weeks), history: weeks })),
    );
    const found = drawn.map(({ weeks, history }) => stepIn(knownOf(weeks.slice(0, history))));
    for (const kind of KINDS.filter((one) => one !== 'step')) {
      const accused = drawn.filter((one, at) => one.kind === kind && found[at] !== undefined);
      expect(accused.length, kind).toBeLessThanOrEqual(0.03 * 160);
    }
    // Four weeks on either side are what it takes to see one.
    const seen = drawn.flatMap(({ stepWeek, history }, at) =>
      stepWeek === undefined || stepWeek < 4 || stepWeek > history - 4 ? [] : [{ stepWeek, step: found[at] }],
    );
    expect(seen.length).toBeGreaterThan(80);
    const hit = seen.filter(
      ({ stepWeek, step }) => step !== undefined && Math.abs(step.week - stepWeek) <= 1,
    );
    expect(hit.length / seen.length).toBeGreaterThan(0.9);
  });
});

test('demand passes capacity earliest by its upper bound and latest by its lower one', () => {
  const weeks = [1, 2, 3, 4].map((week) => ({ week, expected: 10 * week, low: 7 * week, high: 15 * week }));
  expect(shortageOf(weeks, 25)).toEqual({ week: 3, earliestWeek: 2, latestWeek: 4 });
  expect(shortageOf(weeks, 30)).toEqual({ week: 4, earliestWeek: 3, latestWeek: undefined });
  expect(shortageOf(weeks, 1000)).toEqual({
    week: undefined,
    earliestWeek: undefined,
    latestWeek: undefined,
  });
});
