/**
 * Folding: a series laid over itself with a supposed period. The right one leaves little difference among the values of one
 * phase. Short stretches are folded, each for itself, so that steps which come a little early or late do not blur it.
 */

export interface Fold {
  /** Part of the variance that the phase explains, adjusted for the number of phases; below 0 where it explains nothing. */
  readonly explained: number;
  /** Amplitude of the first harmonic of the folded shape, in the unit of the values. */
  readonly amplitude: number;
}

const STRETCH_PERIODS = 24;
const BINS_MAX = 12;
/** Fewer phases than this have no shape. */
const BINS_MIN = 2;

/**
 * @param values NaN where nothing is known
 * @param periodTicks > 1
 * @returns undefined where the series is too short for two periods
 */
export function foldSeries(values: Float64Array, periodTicks: number): Fold | undefined {
  const bins = Math.min(BINS_MAX, Math.floor(periodTicks));
  if (bins < BINS_MIN || values.length < 2 * periodTicks) return undefined;
  const sums = new Float64Array(bins);
  const counts = new Float64Array(bins);
  const stretch = Math.max(1, Math.floor(STRETCH_PERIODS * periodTicks));
  const total = { within: 0, withinFree: 0, all: 0, allFree: 0, amplitude: 0, weight: 0 };
  for (let from = 0; from < values.length; from += stretch) {
    const to = Math.min(values.length, from + stretch);
    // A short rest would be explained by anything.
    if (to - from < 2 * periodTicks) break;
    addStretch(values, from, to, periodTicks, sums, counts, total);
  }
  if (total.allFree <= 0 || total.withinFree <= 0 || total.all <= 0) return undefined;
  return {
    explained: 1 - total.within / total.withinFree / (total.all / total.allFree),
    amplitude: total.amplitude / total.weight,
  };
}

interface FoldTotal {
  /** Σ squared distance from the mean of its phase, and its degrees of freedom. */
  within: number;
  withinFree: number;
  /** The same from the mean of the stretch. */
  all: number;
  allFree: number;
  /** Σ amplitude · values. */
  amplitude: number;
  weight: number;
}

function addStretch(
  values: Float64Array,
  from: number,
  to: number,
  periodTicks: number,
  sums: Float64Array,
  counts: Float64Array,
  total: FoldTotal,
): void {
  const bins = sums.length;
  sums.fill(0);
  counts.fill(0);
  const binsPerTick = bins / periodTicks;
  let [sum, squares, count, phase] = [0, 0, 0, 0];
  for (let at = from; at < to; at += 1) {
    const value = values[at]!;
    const bin = Math.min(bins - 1, Math.trunc(phase * binsPerTick));
    phase += 1;
    if (phase >= periodTicks) phase -= periodTicks;
    if (Number.isNaN(value)) continue;
    sums[bin] = sums[bin]! + value;
    counts[bin] = counts[bin]! + 1;
    sum += value;
    squares += value * value;
    count += 1;
  }
  let [between, filled, real, imaginary] = [0, 0, 0, 0];
  for (let bin = 0; bin < bins; bin += 1) {
    if (counts[bin] === 0) continue;
    const mean = sums[bin]! / counts[bin]!;
    between += counts[bin]! * mean * mean;
    filled += 1;
    real += mean * Math.cos((2 * Math.PI * bin) / bins);
    imaginary += mean * Math.sin((2 * Math.PI * bin) / bins);
  }
  if (count <= filled || filled < BINS_MIN) return;
  total.within += squares - between;
  total.withinFree += count - filled;
  total.all += squares - (sum * sum) / count;
  total.allFree += count - 1;
  total.amplitude += (count * 2 * Math.hypot(real, imaginary)) / filled;
  total.weight += count;
}
