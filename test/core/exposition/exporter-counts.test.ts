/**
 * Goal: XIDs and throttled samples are counted once each, over windows and since the beginning, whatever the clock does. Method: tables, and
 * random samples beside a list that keeps everything.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createExporterCounts } from '../../../src/core/exposition/exporter-counts.ts';

const S = 1e6;
const START_US = 1_700_000_000e6;
const GPU = 'GPU-0';
const at = (s: number): number => START_US + s * S;

describe('XIDs', () => {
  test('each that came after a moment counts, told again it is the same, and another at that time is another', () => {
    const counts = createExporterCounts(60 * S, START_US);
    counts.xid(GPU, at(1), 31);
    counts.xid(GPU, at(1), 31);
    counts.xid(GPU, at(1), 43);
    counts.xid(GPU, at(5), 31);
    counts.xid('GPU-1', at(5), 79);
    expect([...counts.xidsSince(GPU, at(0))]).toEqual([
      [31, 2],
      [43, 1],
    ]);
    expect([...counts.xidsSince(GPU, at(1))]).toEqual([[31, 1]]);
    expect([...counts.xidsSince(GPU, at(5))]).toEqual([]);
    expect([...counts.xidTotals(GPU)]).toEqual([
      [31, 2],
      [43, 1],
    ]);
    expect([counts.lastXid(GPU), counts.lastXid('GPU-1'), counts.lastXid('GPU-2')]).toEqual([
      31,
      79,
      undefined,
    ]);
  });

  test('what happened before the beginning is in the window and in no total', () => {
    const counts = createExporterCounts(60 * S, START_US);
    counts.xid(GPU, at(-30), 79);
    expect([...counts.xidsSince(GPU, at(-60))]).toEqual([[79, 1]]);
    expect([...counts.xidTotals(GPU)]).toEqual([]);
  });

  test('a total goes on when the window has passed', () => {
    const counts = createExporterCounts(S, START_US);
    for (let s = 0; s < 2000; s += 1) counts.xid(GPU, at(s), 13);
    expect([...counts.xidTotals(GPU)]).toEqual([[13, 2000]]);
    expect([...counts.xidsSince(GPU, at(1998))]).toEqual([[13, 1]]);
  });
});

describe('reasons', () => {
  test('only what begins is in the total: not what was there in the first sample, nor what goes on', () => {
    const counts = createExporterCounts(60 * S, START_US);
    const masks = [0x4, 0x4, 0x44, 0x40, 0x44, 0x1ff, 0, 0x200, 0x1];
    for (const [s, mask] of masks.entries()) counts.reasons(GPU, at(s), mask);
    expect(Object.fromEntries(counts.reasonTotals(GPU))).toEqual({
      ...{ hw_thermal: 1, power_cap: 1, gpu_idle: 2, clocks_setting: 1, hw_slowdown: 1 },
      ...{ sync_boost: 1, sw_thermal: 1, hw_power_brake: 1, display_clocks: 1 },
    });
  });

  test('no sample in the window is not the same as samples without a reason', () => {
    const counts = createExporterCounts(60 * S, START_US);
    expect(counts.reasonsSince(GPU, at(0))).toBeUndefined();
    counts.reasons(GPU, at(1), 0);
    expect(counts.reasonsSince(GPU, at(0))?.size).toBe(0);
    expect(counts.reasonsSince(GPU, at(1))).toBeUndefined();
  });

  test('of a clock that was set back the samples of times to come are not counted twice', () => {
    const counts = createExporterCounts(60 * S, START_US);
    for (const s of [10, 11, 12, 13]) counts.reasons(GPU, at(s), 0x1);
    for (const s of [10.5, 11.5]) counts.reasons(GPU, at(s), 0x1);
    expect(Object.fromEntries(counts.reasonsSince(GPU, at(9))!)).toEqual({ gpu_idle: 3 });
  });

  test('are what a list of all samples says', () => {
    const sample = fc.record({
      afterUs: fc.integer({ min: 1, max: 40 }),
      mask: fc.integer({ min: 0, max: 15 }),
    });
    fc.assert(
      fc.property(fc.array(sample, { minLength: 1, maxLength: 200 }), (samples) => {
        const counts = createExporterCounts(100, 0);
        const all: { tsUs: number; mask: number }[] = [];
        for (const { afterUs, mask } of samples) {
          const tsUs = (all.at(-1)?.tsUs ?? 0) + afterUs;
          all.push({ tsUs, mask });
          counts.reasons(GPU, tsUs, mask);
          const sinceUs = tsUs - 100;
          const inWindow = all.filter((one) => one.tsUs > sinceUs);
          expect(counts.reasonsSince(GPU, sinceUs)!.get('power_cap') ?? 0).toBe(
            inWindow.filter((one) => one.mask % 8 >= 4).length,
          );
        }
        const begun = all.filter(({ mask }, k) => k > 0 && mask % 2 === 1 && all[k - 1]!.mask % 2 === 0);
        expect(counts.reasonTotals(GPU).get('gpu_idle') ?? 0).toBe(begun.length);
      }),
    );
  });
});
