import { describe, expect, test } from 'vitest';
import { worthReading, type Minute } from '../../../src/core/analysis/worth-reading.ts';

const M = 60e6;

/** Minutes one after the other, of so many samples each, by how far the engines ran. */
function minutesOf(samples: number, engines: readonly number[]): Minute[] {
  return engines.map((engine, at) => ({
    fromUs: at * M,
    toUs: (at + 1) * M,
    samples,
    ...{ engineMin: engine, engineMax: engine, engineMean: engine, engineTop: engine },
    ...{ smMax: engine, smTop: engine, smMean: engine, tensorMax: engine, dramMax: engine, linksMax: 1e9 },
  }));
}

/** So many minutes of work, each a little less busy than the one before it. */
const waning = (count: number): number[] => Array.from({ length: count }, (_, at) => 1 - (at / count) * 0.4);

describe('which minutes of a long job are read from its samples', () => {
  test('the ends of contexts, a deep dip and some minutes of plain work', () => {
    const engines = Array.from({ length: 1000 }, (_, at) =>
      at < 10 || at >= 990 ? 0 : at === 500 ? 0.7 : 0.95,
    );
    const { fromUs, isCut } = worthReading(minutesOf(480, engines), 1_500_000);
    expect(isCut).toBe(false);
    expect(fromUs.map((us) => us / M)).toEqual(expect.arrayContaining([10, 500, 989]));
    expect(fromUs.length).toBeLessThan(30);
  });

  test('no more samples than allowed, the deepest dips first', () => {
    const { fromUs, isCut } = worthReading(minutesOf(480, waning(1000)), 480 * 100);
    expect(fromUs.length).toBe(100);
    expect(isCut).toBe(true);
    expect(fromUs).toContain(999 * M);
  });

  test('of a month of few samples no more minutes than the store answers about at once', () => {
    const { fromUs, isCut } = worthReading(minutesOf(48, waning(43_200)), 1_500_000);
    expect(fromUs.length).toBe(1000);
    expect(isCut).toBe(true);
    expect(fromUs).toContain(43_199 * M);
    expect(fromUs).toEqual([...fromUs].sort((a, b) => a - b));
  });

  test('of a job that never worked none', () => {
    expect(worthReading(minutesOf(480, Array<number>(50).fill(0)), 1_500_000)).toEqual({
      fromUs: [],
      isCut: false,
    });
  });
});
