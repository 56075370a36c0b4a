/**
 * The period of the steps of a job in one window of its activity, or why none can be told. Autocorrelation proposes periods,
 * folding chooses among them, and a bound of the amplitude refuses what may be the beat of shorter steps with the ticks.
 */
import { autocorrelate, findPeaks, type Peak } from './autocorrelation.ts';
import { foldSeries } from './folding.ts';

/** Means of an activity over ticks of one length. */
export interface ActivitySeries {
  /** Length of a tick, µs. */
  readonly tickUs: number;
  /** In [0, 1]; NaN where nothing is known. */
  readonly values: Float64Array;
}

/** `too_short`: no 40 ticks are known. `steady`: it does not move. `aperiodic`: it moves, but not in steps. `too_fine`: perhaps in steps shorter than two ticks. */
export type NoPeriod = 'too_short' | 'steady' | 'aperiodic' | 'too_fine';

export type StepPeriod =
  | {
      /** µs. */
      readonly periodUs: number;
      /** Part of the window's variance that steps of this period explain, 0 to 1. */
      readonly explained: number;
    }
  | { readonly none: NoPeriod };

const TICKS_MIN = 40;
/** The slow part of a series is its mean over an eighth of the window. */
const SLOW_PARTS = 8;
/** Values farther from the median than so many spreads (p95 − p5) are no steps: checkpoints, evaluations. */
const CLIP_SPREADS = 1.5;
/** Below this spread (p95 − p5) of a ratio a series does not move. */
const SPREAD_MIN = 0.01;
const HEIGHT_MIN = 0.3;
/** Correlation of noise alone stays below this, divided by √ticks. */
const NOISE_HEIGHT = 6;
/** At least so many periods in a window. */
const PERIODS_MIN = 20;
/** Peaks of at least this part of the best one propose periods. */
const STRONG_PART = 0.7;
/** The others are multiples of these. */
const PEAKS_MAX = 8;
/** A peak may be at a multiple of the period, up to this one. */
const MULTIPLE_MAX = 12;
/** A proposed period is tried at ± this part of it, in steps of a third; the chosen one once more, finer. */
const TUNING = 0.015;
const FINE_TUNING = 0.0045;
const TUNING_STEPS = 3;
/** The shortest period that explains this part of what the best explains is the one: its multiples explain no more. */
const NEARLY_BEST = 0.8;
const EXPLAINED_MIN = 0.25;

/** @param series of one device, or the mean of all devices of a job per tick */
export function findStepPeriod(series: ActivitySeries): StepPeriod {
  const known = series.values.filter((value) => !Number.isNaN(value));
  if (known.length < TICKS_MIN) return { none: 'too_short' };
  known.sort();
  const spread = quantileOf(known, 0.95) - quantileOf(known, 0.05);
  if (spread < SPREAD_MIN) return { none: 'steady' };
  const moves = fastPart(series.values, quantileOf(known, 0.5), spread);
  const correlation = autocorrelate(moves, Math.floor(moves.length / PERIODS_MIN) + 1);
  const peaks = findPeaks(correlation, Math.max(HEIGHT_MIN, NOISE_HEIGHT / Math.sqrt(known.length)));
  const chosen = chooseByFolding(moves, proposePeriods(peaks));
  if (chosen === undefined) return { none: 'aperiodic' };
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  if (chosen.amplitude <= aliasAmplitude(mean, chosen.periodTicks)) return { none: 'too_fine' };
  return { periodUs: chosen.periodTicks * series.tickUs, explained: chosen.explained };
}

/** @param sorted not empty */
function quantileOf(sorted: Float64Array, part: number): number {
  const at = part * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.min(sorted.length - 1, low + 1);
  return sorted[low]! + (sorted[high]! - sorted[low]!) * (at - low);
}

/** Values less their mean over an eighth of the window, what sticks out cut off. */
function fastPart(values: Float64Array, median: number, spread: number): Float64Array {
  const clipped = values.map((value) =>
    Math.min(median + CLIP_SPREADS * spread, Math.max(median - CLIP_SPREADS * spread, value)),
  );
  const sums = new Float64Array(clipped.length + 1);
  const counts = new Float64Array(clipped.length + 1);
  for (let at = 0; at < clipped.length; at += 1) {
    const isKnown = !Number.isNaN(clipped[at]!);
    sums[at + 1] = sums[at]! + (isKnown ? clipped[at]! : 0);
    counts[at + 1] = counts[at]! + (isKnown ? 1 : 0);
  }
  const half = Math.max(1, Math.floor(clipped.length / SLOW_PARTS / 2));
  return clipped.map((value, at) => {
    const from = Math.max(0, at - half);
    const to = Math.min(clipped.length, at + half + 1);
    return value - (sums[to]! - sums[from]!) / (counts[to]! - counts[from]!);
  });
}

/** The strong peaks and their integer parts, in ticks, from the shortest on. A period of less than two ticks has no shape. */
function proposePeriods(peaks: readonly Peak[]): number[] {
  const best = peaks.reduce((highest, peak) => Math.max(highest, peak.height), 0);
  const strong = peaks.filter((peak) => peak.height >= STRONG_PART * best);
  const periods: number[] = [];
  for (const peak of strong.slice(0, PEAKS_MAX)) {
    for (let part = 1; part <= MULTIPLE_MAX && peak.lag / part >= 2; part += 1) periods.push(peak.lag / part);
  }
  return periods.sort((a, b) => a - b);
}

interface Chosen {
  readonly periodTicks: number;
  readonly explained: number;
  readonly amplitude: number;
}

function chooseByFolding(moves: Float64Array, periods: readonly number[]): Chosen | undefined {
  const tried: Chosen[] = [];
  for (const period of periods) {
    // A period that was already tried, within the tuning, would come out the same.
    if (tried.some((one) => Math.abs(one.periodTicks / period - 1) < TUNING / TUNING_STEPS)) continue;
    const tuned = tunePeriod(moves, period, TUNING);
    if (tuned !== undefined) tried.push(tuned);
  }
  const best = tried.reduce((highest, one) => Math.max(highest, one.explained), 0);
  if (best < EXPLAINED_MIN) return undefined;
  const chosen = tried
    .filter((one) => one.explained >= Math.max(EXPLAINED_MIN, NEARLY_BEST * best))
    .reduce((shortest, one) => (one.periodTicks < shortest.periodTicks ? one : shortest));
  return tunePeriod(moves, chosen.periodTicks, FINE_TUNING);
}

function tunePeriod(moves: Float64Array, period: number, tuning: number): Chosen | undefined {
  let best: Chosen | undefined;
  for (let step = -TUNING_STEPS; step <= TUNING_STEPS; step += 1) {
    const periodTicks = period * (1 + (tuning * step) / TUNING_STEPS);
    const fold = foldSeries(moves, periodTicks);
    if (fold === undefined || fold.explained <= (best?.explained ?? -Infinity)) continue;
    best = { periodTicks, ...fold };
  }
  return best;
}

/**
 * The most that steps shorter than two ticks can leave at a period of k ticks. A ratio with mean m has a first harmonic of at
 * most 2/π·sin(πm); the mean over a tick keeps of an alias at most sin(π/k) / (π(1 − 1/k)).
 */
function aliasAmplitude(mean: number, periodTicks: number): number {
  const angle = Math.PI / periodTicks;
  const kept = Math.sin(angle) / (Math.PI * (1 - 1 / periodTicks));
  return (2 / Math.PI) * Math.sin(Math.PI * Math.min(1, Math.max(0, mean))) * kept;
}
