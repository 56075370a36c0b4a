import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dtOf, isGap, riseDtOf, riseOf, stampAfter } from '../../../src/core/sampling/dt-rule.ts';
import { PulledRows } from '../../../src/core/ring/pulled-rows.ts';
import { Ring } from '../../../src/core/ring/ring.ts';

const INTERVAL_US = 1_000;

describe('a step', () => {
  test.each([
    { stepUs: 1, dtUs: 1, gap: false },
    { stepUs: 2_500, dtUs: 2_500, gap: false },
    { stepUs: 2_501, dtUs: 0, gap: true },
    { stepUs: 0, dtUs: 0, gap: false },
    { stepUs: -1, dtUs: 0, gap: false },
    { stepUs: NaN, dtUs: 0, gap: false },
    { stepUs: Infinity, dtUs: 0, gap: true },
  ])('of $stepUs µs: dt $dtUs', ({ stepUs, dtUs, gap }) => {
    expect(dtOf(stepUs, INTERVAL_US)).toBe(dtUs);
    expect(isGap(stepUs, INTERVAL_US)).toBe(gap);
  });

  test('never has length 0: an equal stamp moves by 1 µs', () => {
    expect([stampAfter(5, 5), stampAfter(5, 6), stampAfter(5, 4), stampAfter(NaN, 5)]).toEqual([6, 6, 4, 5]);
  });
});

test.each([
  { from: 1, to: 3, rise: 2 },
  { from: 3, to: 3, rise: 0 },
  { from: 3, to: 1, rise: NaN },
  { from: NaN, to: 3, rise: NaN },
  { from: 1, to: NaN, rise: NaN },
  { from: -Number.MAX_VALUE, to: Number.MAX_VALUE, rise: NaN },
])('the energy from $from J to $to J rises by $rise', ({ from, to, rise }) => {
  expect(riseOf(from, to)).toBe(rise);
});

test.each([
  { of: 'the row before', spanUs: 1_000, seenUs: 1_000, dtUs: 1_000, riseDtUs: 1_000 },
  { of: 'rows without a reading before', spanUs: 3_000, seenUs: 3_000, dtUs: 1_000, riseDtUs: 3_000 },
  { of: 'a gap right before', spanUs: 9_000, seenUs: 0, dtUs: 0, riseDtUs: 9_000 },
  { of: 'a gap before a row without a reading', spanUs: 9_000, seenUs: 1_000, dtUs: 1_000, riseDtUs: 0 },
  { of: 'a clock that was set', spanUs: NaN, seenUs: 0, dtUs: 0, riseDtUs: 0 },
  { of: 'a clock that was set back', spanUs: -5, seenUs: 0, dtUs: 0, riseDtUs: 0 },
])('a rise since $of speaks for $riseDtUs µs', ({ spanUs, seenUs, dtUs, riseDtUs }) => {
  expect(riseDtOf(spanUs, seenUs, dtUs)).toBe(riseDtUs);
});

test('what is pulled has the dt and the energy rise that the ring would have given it', () => {
  const energy = fc.oneof(
    fc.constantFrom(NaN, 0, -Number.MAX_VALUE, Number.MAX_VALUE),
    fc.integer({ min: 0, max: 9 }),
  );
  const samples = fc.array(fc.tuple(fc.integer({ min: -3, max: 4_000 }), energy), {
    minLength: 1,
    maxLength: 30,
  });
  fc.assert(
    fc.property(samples, (steps) => {
      const shape = { deviceCount: 1, columnCount: 1, intervalUs: INTERVAL_US, energyColumn: 0 };
      const pulled = new PulledRows(shape);
      const ring = new Ring({ ...shape, capacityTicks: 64 });
      let tsUs = 1e15;
      for (const [stepUs, joules] of steps) {
        tsUs += stepUs;
        ring.reserve();
        for (const writer of [ring, pulled]) {
          writer.setRow(0, tsUs);
          writer.set(0, 0, joules);
          if (writer === ring) ring.commit();
          else pulled.finish();
        }
      }
      for (const name of ['tsUs', 'dtUs', 'energyRise', 'energyRiseDtUs'] as const)
        expect(pulled[name].slice(0, pulled.count)).toEqual(ring[name].slice(0, pulled.count));
    }),
  );
});
