/** Goal: each sentence on steps, slow devices and slow gauges says what its figures say, and nothing where that is nothing. */
import { describe, expect, test } from 'vitest';
import type {
  FoundSteps,
  Gauge30,
  NoSteps,
  Slowest,
  StepFigures,
} from '../../src/figures/job/analysis/figures.ts';
import type { JobDevice } from '../../src/figures/job/figures.ts';
import { analysisJson } from '../../src/report/analysis-json.ts';
import { analysisLines, slowestText } from '../../src/report/analysis-text.ts';

const found: FoundSteps = {
  periodUs: 6.712e6,
  periodMinUs: 6.7e6,
  periodMaxUs: 6.73e6,
  explained: 0.8,
  windowsAgreed: 12,
  windowsSeen: 12,
  driftRatio: 0.001,
  activeUs: 6712e6,
  joulesPerStep: 3.6e5,
  single: undefined,
};

function linesOf(steps: Partial<StepFigures>, gauge30?: Gauge30): string[] {
  const around = { intervalUs: 1e6, firstLightUs: undefined, drainUs: undefined, found };
  return analysisLines({ steps: { ...around, ...steps }, gauge30, slowest: undefined }, 500).map((line) =>
    line.replaceAll(/\s/g, ' '),
  );
}

describe('steps', () => {
  test('are told with spread, number and energy', () => {
    expect(linesOf({})).toEqual([
      '  steps of 6.71 s (6.7 s to 6.73 s in 12 windows), about 1,000 of them, 0.1 kWh each',
    ]);
    const other = {
      ...found,
      periodUs: 0.512e6,
      windowsAgreed: 9,
      joulesPerStep: undefined,
      periodMaxUs: 125e6,
    };
    expect(linesOf({ found: other })).toEqual([
      '  steps of 512 ms (6.7 s to 2 min 5 s in 9 of 12 windows), about 13,109 of them',
    ]);
  });

  test('with drift, single steps, and what else goes on', () => {
    const single = { count: 100, p50Us: 6.7e6, p95Us: 7.1e6 };
    expect(linesOf({ found: { ...found, single, driftRatio: -0.03, explained: 0.4 } })[0]).toMatch(
      /each; half of single steps within 6\.7 s, 95 % within 7\.1 s; 3 % shorter at the end than at the begin; that is 40 % of how its activity moves: where phases take turns, the period of the shorter one$/,
    );
    expect(linesOf({ found: { ...found, driftRatio: 0.021 } })[0]).toMatch(/; 2 % longer at the end/);
  });

  test('and when the job worked, where that is not all of its time', () => {
    expect(linesOf({ firstLightUs: 63e6, drainUs: 11e6 })[1]).toBe(
      '  first active 1 min 3 s after its start, last active 11 s before its end',
    );
    expect(linesOf({ firstLightUs: 63e6, drainUs: 1e6 })[1]).toBe('  first active 1 min 3 s after its start');
    expect(linesOf({ firstLightUs: 2e6, drainUs: 0 })).toHaveLength(1);
  });

  test.each<[NoSteps, number, string | undefined]>([
    ['inactive', 1e6, undefined],
    ['too_short', 1e6, undefined],
    ['steady', 1e6, 'SM activity hardly moves; those shorter than a sample (1 s) do not show'],
    ['aperiodic', 1e6, 'SM activity moves, but has no period'],
    ['disagree', 1e6, 'parts of its time have different periods'],
    ['shared', 1e6, undefined],
    ['aged_out', 1e6, 'the samples that would tell have aged out'],
    [
      'too_fine',
      1e6,
      'what moves is not told apart from a step shorter than 2 ticks (2 s); a lane of 100 ms sees those of 500 ms and more',
    ],
    [
      'too_fine',
      1e5,
      'what moves is not told apart from a step shorter than 2 ticks (200 ms); no lane is faster',
    ],
    ['coarse', 30e6, 'a sample every 30 s is too coarse; a lane of 1 s sees those of 5 s and more'],
  ])('none: %s at %d µs', (none, intervalUs, text) => {
    expect(linesOf({ found: { none }, intervalUs })).toEqual(
      text === undefined ? [] : [`  no steps: ${text}`],
    );
  });

  test('are in the JSON with the same figures, or with the reason', () => {
    const around = { intervalUs: 1e6, firstLightUs: 5e6, drainUs: undefined };
    const json = (steps: StepFigures): object =>
      analysisJson({ steps, slowest: undefined, gauge30: undefined });
    expect(json({ ...around, found })).toMatchObject({
      steps: { periodUs: 6.712e6, windows: 12, windowsAgreed: 12, count: 1000, firstLightUs: 5e6 },
    });
    expect(json({ ...around, found: { none: 'steady' } })).toEqual({ steps: { none: 'steady', ...around } });
  });
});

test('a slow gauge is told of where it would have been wrong', () => {
  const gauge: Gauge30 = {
    windowUs: 3600e6,
    phases: 30,
    mean: 0.64,
    meanMin: 0.5,
    meanMax: 0.71,
    lowMin: 0.01,
    lowMax: 0.31,
    peak: { min: 640, max: 702 },
  };
  expect(linesOf({}, gauge)[1]).toBe(
    '  the last second read every 30 s, while it was active, would have said by its phase:' +
      ' SM active 50 % to 71 % (it was 64 %), the lowest 1 % to 31 %, the peak 640 W to 702 W',
  );
  const right = { ...gauge, meanMin: 0.63, meanMax: 0.645, lowMax: 0.05, peak: { min: 700, max: 702 } };
  expect(linesOf({}, right)).toHaveLength(1);
  expect(linesOf({}, { ...right, peak: undefined, lowMax: 0.1 })[1]).toMatch(
    /phase: the lowest 1 % to 10 %$/,
  );
});

describe('the device that the others wait for', () => {
  const slowest: Slowest = {
    gpu: 'g',
    kind: 'computes_longest',
    deviceCount: 8,
    ratio: 0.74,
    othersRatio: 0.65,
    leads: 1,
    why: undefined,
    lostUsMax: 3.6e9,
    linkErrors: 0,
    pcieLanes: undefined,
  };
  const device = { gpu: 'g', node: 'n1', index: 3, events: [] } as unknown as JobDevice;
  const textOf = (changes: Partial<Slowest>, events: JobDevice['events'] = []): string =>
    slowestText({
      rule: 'computes-longest',
      device: { ...device, events },
      slowest: { ...slowest, ...changes },
    }).replaceAll(/\s/g, ' ');

  test('computes longest, or is fed late', () => {
    expect(textOf({})).toBe(
      'n1 gpu 3 computes longest: SM activity 74 %, the other 7 65 %, which wait for it (up to 1 GPU-hours).',
    );
    expect(textOf({ kind: 'fed_late', lostUsMax: undefined })).toBe(
      'n1 gpu 3 is fed late: its engine ran 74 % of the time, that of the other 7 65 %, which wait for it.',
    );
  });

  test('for a reason, where one is known', () => {
    expect(textOf({ why: 'work' })).toMatch(/ It has more work than they have\.$/);
    const throttle = { tsUs: 0, endUs: 60e6, node: 'n1', kind: 'throttle', subject: 'hw_thermal', text: '' };
    const blank = { ...throttle, kind: 'blank_begin' };
    expect(
      textOf({ why: 'device', linkErrors: 1, pcieLanes: 4 }, [blank, throttle, throttle, throttle]),
    ).toMatch(
      / It is slower at the same work\. It had: thermal throttle 1 min from 00:00:00, 2 more events, 1 link error, 4 PCIe lanes, fewer than others\.$/,
    );
  });
});
