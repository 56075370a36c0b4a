/** Ways to go on from a history of weeks. Each takes weeks of which nothing is known as not there, and never as low ones. */
import { medianOf } from '../analysis/median.ts';

/** A week of which the value is known. */
export interface KnownWeek {
  /** Its number, counted from the first week of the history; those between two known ones are unknown. */
  readonly week: number;
  readonly value: number;
}

export const FORECAST_METHODS = ['mean_of_4', 'theil_sen', 'damped_trend'] as const;
export type ForecastMethod = (typeof FORECAST_METHODS)[number];

/** What is expected so many weeks after the last known one, from 1 on. */
type Ahead = (weeks: number) => number;

/** @param known oldest first, five at least */
export const METHODS: Readonly<Record<ForecastMethod, (known: readonly KnownWeek[]) => Ahead>> = {
  mean_of_4: (known) => {
    const last = known.slice(-4);
    const mean = last.reduce((sum, { value }) => sum + value, 0) / last.length;
    return () => mean;
  },
  theil_sen: (known) => {
    // A quarter of the weeks may be anything.
    const slope = medianOf(slopesOf(known));
    const level = medianOf(known.map(({ week, value }) => value - slope * week));
    const last = known.at(-1)!.week;
    return (weeks) => level + slope * (last + weeks);
  },
  damped_trend: dampedTrend,
};

/** Of all pairs, per week. */
export function slopesOf(known: readonly KnownWeek[]): number[] {
  return known.flatMap((later, at) =>
    known.slice(0, at).map((earlier) => (later.value - earlier.value) / (later.week - earlier.week)),
  );
}

/** What of a trend is left a week later. */
const DAMPING = 0.9;
const LEVEL_WEIGHTS = [0.2, 0.4, 0.6, 0.8];
/** Of the trend, as a part of the level's. */
const TREND_WEIGHTS = [0.05, 0.15, 0.3];

interface Smoothed {
  readonly level: number;
  readonly trend: number;
  /** Σ of the squares of what a week was beside what was expected of it. */
  readonly squares: number;
}

/** Exponential smoothing with a trend that fades (ETS A,Ad,N), with the weights that would have told the next week best. */
function dampedTrend(known: readonly KnownWeek[]): Ahead {
  let best: Smoothed | undefined;
  for (const levelWeight of LEVEL_WEIGHTS)
    for (const trendWeight of TREND_WEIGHTS) {
      const one = smoothed(known, levelWeight, levelWeight * trendWeight);
      if (best === undefined || one.squares < best.squares) best = one;
    }
  const { level, trend } = best!;
  return (weeks) => level + trend * dampedSum(weeks);
}

/** Σ of the trend's parts that so many weeks add. */
function dampedSum(weeks: number): number {
  return (DAMPING * (1 - DAMPING ** weeks)) / (1 - DAMPING);
}

function smoothed(known: readonly KnownWeek[], levelWeight: number, trendWeight: number): Smoothed {
  const first = known.slice(0, 4);
  let level = medianOf(first.map(({ value }) => value));
  let trend = 0;
  let squares = 0;
  let before = known[0]!.week - 1;
  for (const { week, value } of known) {
    const weeks = week - before;
    const expected = level + trend * dampedSum(weeks);
    const faded = trend * DAMPING ** weeks;
    const error = value - expected;
    level = expected + levelWeight * error;
    trend = faded + (trendWeight * error) / weeks;
    squares += error * error;
    before = week;
  }
  return { level, trend, squares };
}
