/** How long single steps of a known period last: from one rise of the activity to the next. */
import type { ActivitySeries } from './step-period.ts';

/** Fewer ticks in a step, and the time of a rise is not known well enough. */
const TICKS_PER_STEP_MIN = 10;
/** A rise goes from below the middle less this part of the spread to above the middle more that part. */
const HYSTERESIS = 0.15;
/** What is longer or shorter than the period by more than this is no step: an evaluation lies between, or a rise was missed. */
const LENGTH_RATIO_MAX = 1.6;
const LENGTH_RATIO_MIN = 0.4;
/** The rises are the steps' own where the median of their distances is as long as the period, within this part. */
const PERIOD_STRAY_MAX = 0.05;

/**
 * The lengths of the single steps in one window, µs; none where the interval is too coarse, or where a step has several rises.
 */
export function singleSteps({ tickUs, values }: ActivitySeries, periodUs: number): number[] {
  if (periodUs < TICKS_PER_STEP_MIN * tickUs) return [];
  const known = values.filter((value) => !Number.isNaN(value)).sort();
  const [low, high] = [known[Math.floor(0.1 * known.length)], known[Math.floor(0.9 * known.length)]];
  if (low === undefined || high === undefined || high <= low) return [];
  const rises = risesOf(values, (low + high) / 2, HYSTERESIS * (high - low));
  const lengths = rises.slice(1).map((at, index) => (at - rises[index]!) * tickUs);
  const steps = lengths
    .filter((us) => us >= LENGTH_RATIO_MIN * periodUs && us <= LENGTH_RATIO_MAX * periodUs)
    .sort((a, b) => a - b);
  const median = steps[steps.length >> 1];
  // Where a step has several rises most distances are shorter than a step.
  const isOnePerStep = steps.length >= 0.7 * lengths.length;
  if (median === undefined || !isOnePerStep) return [];
  return Math.abs(median / periodUs - 1) <= PERIOD_STRAY_MAX ? steps : [];
}

/** Where the values pass the middle on their way up, in ticks, between two of them by a straight line. */
function risesOf(values: Float64Array, middle: number, stray: number): number[] {
  const rises: number[] = [];
  let isLow = false;
  let crossing = Number.NaN;
  for (let at = 1; at < values.length; at += 1) {
    const [before, here] = [values[at - 1]!, values[at]!];
    if (here <= middle - stray) isLow = true;
    if (before < middle && here >= middle) crossing = at - 1 + (middle - before) / (here - before);
    if (here < middle + stray || !isLow) continue;
    isLow = false;
    if (!Number.isNaN(crossing)) rises.push(crossing);
  }
  return rises;
}
