/**
 * Goal: the interval of a forecast holds nine truths of ten, and is no wider than one around a plain mean. Method: 200 drawn
 * histories of each length, of which what comes after is known; the bounds leave room for the chance of 200 draws (± 4 points).
 */
import { describe, expect, test } from 'vitest';
import { backtest, HORIZON_WEEKS_MAX } from '../../../src/core/forecast/backtest.ts';
import { forecastOf, weeksAfter, type ForecastWeek } from '../../../src/core/forecast/forecast.ts';
import { medianOf } from '../../../src/core/analysis/median.ts';
import { madeDemand } from './made-demand.ts';

const HISTORIES = 200;

interface Tried {
  readonly told: number;
  /** By weeks ahead, less 1. */
  readonly heldRatios: readonly number[];
  readonly pooledRatio: number;
  /** Median width at the farthest week, as a part of the level; and that around the mean of four weeks. */
  readonly width: number;
  readonly plainWidth: number;
}

function triedOf(historyWeeks: number): Tried {
  const held = Array.from({ length: HORIZON_WEEKS_MAX }, () => ({ hits: 0, all: 0 }));
  const widths: number[] = [];
  const plainWidths: number[] = [];
  for (let seed = 0; seed < HISTORIES; seed += 1) {
    const { weeks } = madeDemand(seed, historyWeeks);
    const history = weeks.slice(0, historyWeeks);
    const { weeks: told, step } = forecastOf(history, HORIZON_WEEKS_MAX);
    for (const [at, week] of told.entries()) {
      held[at]!.all += 1;
      if (weeks[week.week]! >= week.low && weeks[week.week]! <= week.high) held[at]!.hits += 1;
    }
    const last = told[HORIZON_WEEKS_MAX - 1];
    if (last === undefined) continue;
    const known = history.map((value, week) => ({ week, value })).slice(step?.week ?? 0);
    const from = { from: historyWeeks, count: HORIZON_WEEKS_MAX };
    const plain = weeksAfter(known, backtest(known, 'mean_of_4'), from)[HORIZON_WEEKS_MAX - 1]!;
    const level = medianOf(history);
    widths.push(widthOf(last) / level);
    plainWidths.push(widthOf(plain) / level);
  }
  const told = held.filter(({ all }) => all > 0);
  return {
    told: held[0]!.all,
    heldRatios: told.map(({ hits, all }) => hits / all),
    pooledRatio: told.reduce((sum, { hits }) => sum + hits, 0) / told.reduce((sum, { all }) => sum + all, 0),
    width: medianOf(widths),
    plainWidth: medianOf(plainWidths),
  };
}

function widthOf({ low, high }: ForecastWeek): number {
  return high - low;
}

describe.each([12, 16, 26, 52])('of %i weeks', (historyWeeks) => {
  const tried = triedOf(historyWeeks);

  test('the interval of nine of ten holds as many', () => {
    const percent = (ratio: number): number => Math.round(1000 * ratio) / 10;
    // What docs/planning.md quotes.
    process.stdout.write(
      `${historyWeeks} weeks, ${tried.told} told: ${tried.heldRatios.map(percent).join(' ')} | ${percent(tried.pooledRatio)}` +
        ` | width ${tried.width.toFixed(3)} of the level, plain ${tried.plainWidth.toFixed(3)}\n`,
    );
    expect(tried.told).toBeGreaterThan(0.85 * HISTORIES);
    expect(tried.heldRatios).toHaveLength(HORIZON_WEEKS_MAX);
    expect(tried.heldRatios.filter((ratio) => ratio < 0.82 || ratio > 0.97)).toEqual([]);
    expect(tried.pooledRatio).toBeGreaterThan(0.85);
    expect(tried.pooledRatio).toBeLessThan(0.95);
  });

  test('and it is no wider than the same around the mean of the last four weeks', () => {
    expect(tried.width).toBeLessThanOrEqual(tried.plainWidth);
  });
});
