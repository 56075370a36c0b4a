/** What is usual of values that were measured earlier, and whether a new one is more than that. */
import { medianOf } from './median.ts';

export interface Usual {
  /** How many values it is of. */
  readonly count: number;
  readonly median: number;
  /** Median of how far they are from their median. */
  readonly mad: number;
}

/** Fewer values say nothing of what is usual. */
const VALUES_MIN = 5;
const MADS = 3;

/** @param values without NaN; of none the median is NaN */
export function usualOf(values: readonly number[]): Usual {
  const median = medianOf(values);
  const mad = medianOf(values.map((value) => Math.abs(value - median)));
  return { count: values.length, median, mad };
}

/**
 * Whether a value is above what scatters as those do. Values that are all alike have a deviation of 0, beside which everything is
 * much: it has to be a part of the median above it, too.
 * @param ratioMin that part, 0 to 1
 */
export function isMoreThanUsual(value: number, { count, median, mad }: Usual, ratioMin: number): boolean {
  return count >= VALUES_MIN && value > median + MADS * mad && value >= median * (1 + ratioMin);
}
