/**
 * How alike a series is to itself some ticks later. Lags are few (a twentieth of the window), so that plain sums are quicker
 * than a Fourier transform, and a tick without a value just counts for nothing.
 */

export interface Peak {
  /** Ticks; between two of them by the parabola through the three highest. */
  readonly lag: number;
  /** Correlation there, at most about 1. */
  readonly height: number;
}

/** A peak rises at least so much above the lowest correlation before it. */
const PROMINENCE_MIN = 0.15;

/**
 * Unbiased autocorrelation at the lags 0 … lagMax.
 * @param values mean about 0; NaN where nothing is known
 * @returns NaN at a lag of which no two values are known, and everywhere if the series does not move
 */
export function autocorrelate(values: Float64Array, lagMax: number): Float64Array {
  const correlation = new Float64Array(lagMax + 1).fill(Number.NaN);
  let power = 0;
  for (let lag = 0; lag <= lagMax; lag += 1) {
    let sum = 0;
    let pairs = 0;
    for (let at = lag; at < values.length; at += 1) {
      const product = values[at]! * values[at - lag]!;
      if (Number.isNaN(product)) continue;
      sum += product;
      pairs += 1;
    }
    if (pairs === 0) continue;
    if (lag === 0) power = sum / pairs;
    if (power <= 0) return correlation;
    correlation[lag] = sum / pairs / power;
  }
  return correlation;
}

/** The peaks of at least `heightMin`, by lag. */
export function findPeaks(correlation: Float64Array, heightMin: number): Peak[] {
  const peaks: Peak[] = [];
  let lowest = 1;
  for (let lag = 1; lag + 1 < correlation.length; lag += 1) {
    const [before, here, after] = [correlation[lag - 1]!, correlation[lag]!, correlation[lag + 1]!];
    lowest = Math.min(lowest, before);
    if (!(here >= before && here > after)) continue;
    const bend = before - 2 * here + after;
    const shift = bend < 0 ? (0.5 * (before - after)) / bend : 0;
    const height = here - 0.25 * (before - after) * shift;
    if (height < heightMin || height - lowest < PROMINENCE_MIN) continue;
    peaks.push({ lag: lag + shift, height });
    // What comes after is measured against the valley behind this peak.
    lowest = here;
  }
  return peaks;
}
