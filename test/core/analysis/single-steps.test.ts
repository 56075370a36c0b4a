import { describe, expect, test } from 'vitest';
import { singleSteps } from '../../../src/core/analysis/single-steps.ts';
import { makeSteps, meansOf, measured } from './made-activity.ts';

describe('single steps', () => {
  test('have the lengths that they have', () => {
    const { levels } = makeSteps(1, 600, { stepS: 1.5, jitter: 0.1, accumulation: 1 });
    // A step begins where the level rises from the collective's.
    const starts = levels.flatMap(({ untilS, value }) => (value === 0.2 && untilS > 0 ? [untilS] : []));
    const truth = starts.slice(1).map((start, at) => start - starts[at]!);
    const values = measured(1, meansOf(levels, 0.1, 6000));
    const found = singleSteps({ tickUs: 0.1e6, values }, 1.5e6);
    expect(Math.abs(found.length / truth.length - 1)).toBeLessThan(0.05);
    const rank = (lengths: readonly number[], part: number): number =>
      lengths.toSorted((a, b) => a - b)[Math.floor(part * lengths.length)]!;
    for (const part of [0.5, 0.95])
      expect(Math.abs(rank(found, part) / 1e6 / rank(truth, part) - 1)).toBeLessThan(0.03);
  });

  test('are none where a step has fewer than ten ticks, several rises, or another length', () => {
    const { levels } = makeSteps(2, 600, { stepS: 2, jitter: 0.02, accumulation: 1 });
    const seriesOf = (tickS: number): { tickUs: number; values: Float64Array } => ({
      tickUs: tickS * 1e6,
      values: measured(2, meansOf(levels, tickS, 600 / tickS)),
    });
    expect(singleSteps(seriesOf(0.1), 2e6).length).toBeGreaterThan(250);
    expect(singleSteps(seriesOf(0.2), 2e6).length).toBeGreaterThan(250);
    expect(singleSteps(seriesOf(0.25), 2e6)).toEqual([]);
    expect(singleSteps(seriesOf(0.1), 2.5e6)).toEqual([]);
    // Every other step has five rises.
    const mixed = new Float64Array(6000).map((_, at) =>
      at % 40 < 20 ? (at % 40 < 10 ? 0.9 : 0.1) : at % 4 < 2 ? 0.9 : 0.1,
    );
    expect(singleSteps({ tickUs: 0.1e6, values: mixed }, 2e6)).toEqual([]);
    const several = new Float64Array(6000).map((_, at) => (at % 5 < 3 ? 0.9 : 0.1));
    expect(singleSteps({ tickUs: 0.1e6, values: several }, 2e6)).toEqual([]);
    expect(singleSteps({ tickUs: 0.1e6, values: new Float64Array(100).fill(0.5) }, 2e6)).toEqual([]);
    expect(singleSteps({ tickUs: 0.1e6, values: new Float64Array(0) }, 2e6)).toEqual([]);
  });

  test('do not go over a hole', () => {
    const { levels } = makeSteps(3, 300, { stepS: 2, jitter: 0, accumulation: 1 });
    const values = meansOf(levels, 0.1, 3000).map((value, at) => (at % 150 < 12 ? NaN : value));
    const found = singleSteps({ tickUs: 0.1e6, values }, 2e6);
    expect(found.length).toBeGreaterThan(80);
    expect(found.every((us) => Math.abs(us / 2e6 - 1) < 0.06)).toBe(true);
  });
});
