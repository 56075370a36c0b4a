import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { divideCutHour, type CutHour, type InstanceRow } from '../../../src/core/devices/mig-division.ts';

const HOUR_US = 3600e6;

function hour(more: Partial<CutHour> = {}): CutHour {
  return { joules: 700_000, knownUs: HOUR_US, powerMinWatts: 70, sampledUs: HOUR_US, slices: 7, ...more };
}

function instance(slices: number, activity: number | undefined, dtUs = HOUR_US): InstanceRow {
  const known = activity === undefined ? undefined : { sum: activity * dtUs, knownUs: dtUs };
  return { slices, dtUs, smActive: known, engineActive: undefined };
}

function joulesOf(parts: ReturnType<typeof divideCutHour>): number[] {
  return [...parts.rows, parts.unallocated].map(({ joules }) => joules);
}

describe('the energy of a cut GPU', () => {
  // The floor is 70 W for an hour, 252 kJ: 36 kJ a slice. The rest is 448 kJ.
  test('is divided by slices up to the floor, then by activity and slices', () => {
    const parts = divideCutHour(hour(), [instance(3, 0.5), instance(2, 0.25)]);
    const weights = [3 * 0.5, 2 * 0.25];
    expect(joulesOf(parts)[0]).toBeCloseTo(3 * 36_000 + (448_000 * weights[0]!) / 2, 6);
    expect(joulesOf(parts)[1]).toBeCloseTo(2 * 36_000 + (448_000 * weights[1]!) / 2, 6);
    expect(parts.unallocated.joules).toBeCloseTo(2 * 36_000, 6);
    expect(parts.rows[0]!.knownUs).toBeCloseTo((3 / 7) * HOUR_US, 0);
  });

  test('goes within an instance by time up to the floor, then by activity', () => {
    const parts = divideCutHour(hour(), [instance(7, 0, HOUR_US / 4), instance(7, 1, (HOUR_US * 3) / 4)]);
    expect(joulesOf(parts)[0]).toBeCloseTo(252_000 / 4, 6);
    expect(parts.unallocated.joules).toBe(0);
  });

  test.each([
    ['nothing was active', [instance(3, 0), instance(4, 0)], 70],
    ['an activity is not known', [instance(3, 0.9), instance(4, undefined)], 70],
    ['the least power is not known', [instance(3, 0.9), instance(4, 0.1)], undefined],
    ['the floor is all of it', [instance(3, 0.9), instance(4, 0.1)], 5000],
  ])('goes by slices alone where %s', (_, rows, powerMinWatts) => {
    const parts = divideCutHour(hour({ powerMinWatts }), rows);
    expect(joulesOf(parts)[0]).toBeCloseTo(300_000, 6);
    expect(joulesOf(parts)[1]).toBeCloseTo(400_000, 6);
  });

  test('goes by engine activity where SM activity is not known of all', () => {
    const rows = [
      { ...instance(1, 0.9), engineActive: { sum: 0.25 * HOUR_US, knownUs: HOUR_US } },
      { ...instance(1, undefined), engineActive: { sum: 0.75 * HOUR_US, knownUs: HOUR_US } },
    ];
    const parts = divideCutHour(hour({ powerMinWatts: 0 }), rows);
    expect(joulesOf(parts)[0]).toBeCloseTo(175_000, 6);
  });

  test('a mean over a part of the time stands for all of it', () => {
    const known = { ...instance(1, 0), smActive: { sum: 0.25 * HOUR_US, knownUs: HOUR_US / 2 } };
    const parts = divideCutHour(hour({ powerMinWatts: 0 }), [known, instance(1, 0.5)]);
    expect(parts.rows[0]!.joules).toBe(parts.rows[1]!.joules);
  });

  test('without any instance is that of unallocated slices', () => {
    expect(joulesOf(divideCutHour(hour(), []))).toEqual([700_000]);
    expect(joulesOf(divideCutHour(hour({ sampledUs: 0 }), []))).toEqual([700_000]);
  });

  test('leaves nothing over where instances were seen longer than their GPU', () => {
    const parts = divideCutHour(hour({ sampledUs: HOUR_US / 2 }), [instance(4, 1), instance(3, 1)]);
    expect(parts.unallocated).toEqual({ joules: 0, knownUs: 0 });
  });
});

const sums = fc.option(
  fc.record({ sum: fc.double({ min: 0, max: HOUR_US, noNaN: true }), knownUs: fc.nat(HOUR_US) }),
  { nil: undefined },
);
const rows = fc.array(
  fc.record({
    slices: fc.integer({ min: 1, max: 7 }),
    dtUs: fc.double({ min: 0, max: HOUR_US, noNaN: true }),
    smActive: sums,
    engineActive: sums,
  }),
  { maxLength: 30 },
);
const hours = fc.record({
  joules: fc.double({ min: 0, max: 1e7, noNaN: true }),
  knownUs: fc.nat(HOUR_US),
  powerMinWatts: fc.option(fc.double({ min: 0, max: 1500, noNaN: true }), { nil: undefined }),
  sampledUs: fc.nat(HOUR_US),
  slices: fc.integer({ min: 1, max: 7 }),
});

test('the parts are never negative and add up to the whole exactly, in any order', () => {
  fc.assert(
    fc.property(hours, rows, (one, instances) => {
      const joules = joulesOf(divideCutHour(one, instances));
      for (const order of [joules, joules.toReversed(), joules.toSorted((a, b) => a - b)])
        expect(order.reduce((sum, each) => sum + each, 0)).toBe(one.joules);
      expect(Math.min(...joules)).toBeGreaterThanOrEqual(0);
    }),
    { numRuns: 2000 },
  );
});

test('the known times add up to that of the whole', () => {
  fc.assert(
    fc.property(hours, rows, (one, instances) => {
      const { rows: parts, unallocated } = divideCutHour(one, instances);
      const knownUs = parts.reduce((sum, part) => sum + part.knownUs, unallocated.knownUs);
      expect(Math.abs(knownUs - one.knownUs)).toBeLessThanOrEqual(1e-12 * one.knownUs);
    }),
  );
});

test('more activity never makes a part smaller, and those of the others never larger', () => {
  const activities = fc.array(
    fc.record({
      slices: fc.integer({ min: 1, max: 7 }),
      activity: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    { minLength: 1, maxLength: 7 },
  );
  fc.assert(
    fc.property(hours, activities, fc.double({ min: 0, max: 1, noNaN: true }), (one, drawn, more) => {
      const [first, ...others] = drawn.map(({ slices, activity }) => ({ slices, activity }));
      const divided = (activity: number): number[] =>
        joulesOf(
          divideCutHour(one, [
            instance(first!.slices, activity),
            ...others.map((other) => instance(other.slices, other.activity)),
          ]),
        );
      const [before, after] = [divided(first!.activity), divided(Math.max(first!.activity, more))];
      const rounding = 1e-12 * one.joules;
      expect(after[0]! - before[0]!).toBeGreaterThanOrEqual(-rounding);
      // Where nothing was active the rest goes by slices, to the unallocated ones too.
      for (const [index, joules] of before.entries())
        if (index > 0) expect(after[index]! - joules).toBeLessThanOrEqual(rounding);
    }),
  );
});
