/**
 * Goal: every microsecond of a window is read once, from a level that has it. Method: what is kept of a lane drawn at random, and the
 * cases that matter by hand; the store's answers are made here.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  keptLanes,
  LEVELS,
  roundedOutward,
  segmentsOf,
  STEP_US,
  withinSql,
  type KeptLane,
  type Level,
  type Span,
} from '../../src/figures/levels.ts';
import type { Asked } from '../../src/figures/query-cells.ts';

const MINUTE = 60e6;
const HOUR = 3600e6;
const DAY = 86_400e6;

/** First and last bucket of each table that there is. */
type Stored = Readonly<Record<string, readonly [number, number]>>;

async function kept(stored: Stored): Promise<KeptLane> {
  const answer = (columns: readonly string[], rows: unknown[][]): Awaited<ReturnType<Asked['exec']>> => ({
    columns: columns.map((name) => ({ name, type: 'LONG' })),
    rows,
  });
  const lanes = await keptLanes(
    {
      where: 'here',
      exec: async (sql) =>
        await Promise.resolve(
          sql.includes('information_schema')
            ? answer(
                ['table_name', 'column_name'],
                Object.keys(stored).map((name) => [name, 'ts']),
              )
            : answer(
                ['name', 'first_us', 'last_us'],
                Object.entries(stored).map(([name, span]) => [name, ...span]),
              ),
        ),
    },
    ['gpu_x'],
  );
  return lanes[0]!;
}

/** `TABLE from..to`, in the order of time; times in `unit`. */
function shown(
  lane: KeptLane,
  span: Span,
  unit: number,
  ...more: [(readonly Level[])?, number[]?]
): string[] {
  return segmentsOf(lane, span, ...more)
    .flatMap(({ table, spans }) => spans.map((one) => ({ table, ...one })))
    .sort((a, b) => a.fromUs - b.fromUs)
    .map(({ table, fromUs, toUs }) => `${table} ${fromUs / unit}..${toUs / unit}`);
}

/** Ten days of samples, all levels up to date: the last day, hour and minute are still open. */
const FRESH: Stored = {
  gpu_x: [0, 10 * DAY - 1],
  gpu_x_1m: [0, 10 * DAY - 2 * MINUTE],
  gpu_x_1h: [0, 10 * DAY - 2 * HOUR],
  gpu_x_1d: [0, 8 * DAY],
};

describe('segments', () => {
  test('whole days, then whole hours, minutes, and samples for what is too young', async () => {
    const lane = await kept(FRESH);
    expect(shown(lane, { fromUs: 22 * HOUR, toUs: 10 * DAY }, HOUR)).toEqual([
      'gpu_x_1h 22..24',
      'gpu_x_1d 24..216',
      'gpu_x_1h 216..239',
      `gpu_x_1m 239..${240 - 1 / 60}`,
      `gpu_x ${240 - 1 / 60}..240`,
    ]);
  });

  test('accepted levels only, where they hold the time', async () => {
    const lane = await kept({
      ...FRESH,
      gpu_x: [9 * DAY, 10 * DAY - 1],
      gpu_x_1m: [9 * DAY, 10 * DAY - 2 * MINUTE],
    });
    expect(shown(lane, { fromUs: 7 * DAY, toUs: 10 * DAY }, DAY, ['1m', 'raw'])).toEqual([
      'gpu_x_1h 7..9',
      `gpu_x_1m 9..${10 - 1 / 1440}`,
      `gpu_x ${10 - 1 / 1440}..10`,
    ]);
  });

  test('what was copied of a rollup goes before it', async () => {
    const lane = await kept({
      gpu_x: [3 * DAY, 4 * DAY],
      gpu_x_1h_aged: [0, 2 * DAY],
      gpu_x_1h: [DAY, 3 * DAY],
    });
    expect(shown(lane, { fromUs: DAY, toUs: 3 * DAY }, HOUR)).toEqual([
      'gpu_x_1h_aged 24..49',
      'gpu_x_1h 49..72',
    ]);
  });

  test('the buckets of some moments are read from the finest level that has them', async () => {
    const lane = await kept({ ...FRESH, gpu_x: [5 * DAY, 10 * DAY - 1] });
    const moments = [2 * DAY + 90 * MINUTE, 6 * DAY + 30 * MINUTE];
    expect(shown(lane, { fromUs: 0, toUs: 8 * DAY }, MINUTE, LEVELS, moments)).toEqual([
      'gpu_x_1d 0..2880',
      'gpu_x_1h 2880..2940',
      'gpu_x_1m 2940..3000',
      'gpu_x_1h 3000..4320',
      'gpu_x_1d 4320..8640',
      'gpu_x_1m 8640..8670',
      'gpu_x 8670..8671',
      'gpu_x_1m 8671..8700',
      'gpu_x_1h 8700..10080',
      'gpu_x_1d 10080..11520',
    ]);
  });

  test('one condition for all spans of a table, which QuestDB reads as intervals', async () => {
    const lane = await kept(FRESH);
    const [hours] = segmentsOf(lane, { fromUs: 22 * HOUR, toUs: 50 * HOUR });
    expect(withinSql(hours!)).toBe(
      "(s.ts IN '1970-01-01T22:00:00.000000Z;7200s' OR s.ts IN '1970-01-03T00:00:00.000000Z;7200s')",
    );
  });

  test('any window of any store is read once, from whole buckets that are there', async () => {
    const stored = fc.record({
      firsts: fc.array(fc.integer({ min: 0, max: 4 * 1440 }), { minLength: 4, maxLength: 4 }),
      has: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
      from: fc.integer({ min: 0, max: 9 * 1440 }),
      length: fc.integer({ min: 1, max: 5 * 1440 }),
      moments: fc.array(fc.integer({ min: 0, max: 10 * 1440 }), { maxLength: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(stored, async ({ firsts, has, from, length, moments }) => {
        // The finer the younger. What ages out are whole days, of samples whole hours.
        const [day, hour, minute, raw] = firsts.toSorted((a, b) => a - b).map((first) => first * MINUTE);
        const endUs = 10 * DAY - 90 * MINUTE;
        const floor = (us: number, step: number): number => Math.floor(us / step) * step;
        const lane = await kept({
          gpu_x: [floor(raw!, HOUR), endUs],
          ...(has[0] ? { gpu_x_1m: [floor(minute!, DAY), floor(endUs, MINUTE) - MINUTE] as const } : {}),
          ...(has[1] ? { gpu_x_1h: [floor(hour!, DAY), floor(endUs, HOUR) - HOUR] as const } : {}),
          ...(has[2] ? { gpu_x_1d: [floor(day!, DAY), floor(endUs, DAY) - DAY] as const } : {}),
        });
        const asked = { fromUs: from * MINUTE, toUs: (from + length) * MINUTE };
        const { fromUs, toUs } = roundedOutward([lane], asked, '1m');
        expect(fromUs <= asked.fromUs && toUs >= asked.toUs).toBe(true);
        const all = segmentsOf(
          lane,
          { fromUs, toUs },
          LEVELS,
          moments.map((at) => at * MINUTE),
        );
        let atUs = fromUs;
        const spans = all.flatMap(({ level, spans: own }) => own.map((span) => ({ level, ...span })));
        for (const { level, ...span } of spans.sort((a, b) => a.fromUs - b.fromUs)) {
          expect(span.fromUs).toBe(atUs);
          expect([span.fromUs % STEP_US[level], span.toUs % STEP_US[level]]).toEqual([0, 0]);
          const of = lane.levels.find((one) => one.level === level)!;
          // Samples are asked for where nothing older is kept, too: there is nothing.
          const oldestUs = Math.min(...lane.levels.map(({ completeFromUs }) => completeFromUs));
          expect(
            span.fromUs >= of.completeFromUs || Math.min(span.toUs, of.completeFromUs) <= oldestUs,
            `${level} ${span.fromUs / HOUR}`,
          ).toBe(true);
          if (level !== 'raw') expect(span.toUs).toBeLessThanOrEqual(of.endUs);
          atUs = span.toUs;
        }
        expect(atUs).toBe(toUs);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a window', () => {
  test('is rounded outward to the finest level that still has its ends', async () => {
    const lane = await kept({
      gpu_x: [9 * DAY, 10 * DAY],
      gpu_x_1m: [8 * DAY, 10 * DAY],
      gpu_x_1h: [4 * DAY, 10 * DAY],
      gpu_x_1d: [0, 9 * DAY],
    });
    const window = (from: number, to: number): unknown =>
      roundedOutward([lane], { fromUs: from * HOUR, toUs: to * HOUR }, '1m');
    expect(window(200.5, 201.5)).toEqual({ fromUs: 200.5 * HOUR, toUs: 201.5 * HOUR, roundedTo: '1m' });
    expect(window(150.5, 201.5)).toEqual({ fromUs: 150 * HOUR, toUs: 201.5 * HOUR, roundedTo: '1h' });
    expect(window(30.5, 150.5)).toEqual({ fromUs: 24 * HOUR, toUs: 151 * HOUR, roundedTo: '1d' });
    // Before anything was sampled there is nothing to round for.
    expect(window(-50.5, 201.5)).toEqual({ fromUs: -50.5 * HOUR, toUs: 201.5 * HOUR, roundedTo: '1m' });
  });

  test('is not rounded where the first bucket is short because sampling began in it', async () => {
    const began = 30 * MINUTE;
    const lane = await kept({ gpu_x: [began + 5e6, DAY], gpu_x_1m: [began, DAY], gpu_x_1h: [0, DAY] });
    expect(roundedOutward([lane], { fromUs: 10 * MINUTE, toUs: DAY }, '1m').fromUs).toBe(10 * MINUTE);
    const eight = 8 * HOUR;
    const days = await kept({
      gpu_x: [eight, DAY],
      gpu_x_1m: [eight, DAY],
      gpu_x_1h: [eight, DAY],
      gpu_x_1d: [0, DAY],
    });
    expect(roundedOutward([days], { fromUs: 6.5 * HOUR, toUs: 7 * HOUR }, '1m').fromUs).toBe(6.5 * HOUR);
  });
});
