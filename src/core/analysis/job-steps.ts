/** The steps of a job, from windows that are spread over its time. One window may err by some per cent, their median does not. */
import { medianOf } from './median.ts';
import type { NoPeriod, StepPeriod } from './step-period.ts';

export interface JobSteps {
  /** Median of the windows that agree, µs. */
  readonly periodUs: number;
  /** Least and greatest of those windows, µs. */
  readonly periodMinUs: number;
  readonly periodMaxUs: number;
  /** Median part of a window's variance that its steps explain, 0 to 1. Low where other work goes on in turns. */
  readonly explained: number;
  readonly windowsAgreed: number;
  readonly windowsSeen: number;
  /** By which part the last third of the windows that agree is longer than the first; undefined of fewer than six. */
  readonly driftRatio: number | undefined;
}

/** Fewer windows than this prove nothing. */
export const WINDOWS_MIN = 3;
const AGREED_PART_MIN = 2 / 3;
/** Windows agree whose periods are within this part of their median. */
const AGREE_WITHIN = 0.05;
const DRIFT_WINDOWS_MIN = 6;

/** So many of a job's windows have to agree. */
export function agreedMin(windowCount: number): number {
  return Math.max(WINDOWS_MIN, Math.ceil(AGREED_PART_MIN * windowCount));
}

/** @param windows of one job in the order of time; not empty */
export function combineWindows(
  windows: readonly StepPeriod[],
): JobSteps | { readonly none: NoPeriod | 'disagree' } {
  const found = windows.filter((window) => 'periodUs' in window);
  if (found.length < WINDOWS_MIN) return { none: mostFrequent(windows) };
  const median = medianOf(found.map((window) => window.periodUs));
  const agreed = found.filter((window) => Math.abs(window.periodUs / median - 1) <= AGREE_WITHIN);
  if (agreed.length < agreedMin(windows.length)) return { none: 'disagree' };
  const periods = agreed.map((window) => window.periodUs);
  return {
    periodUs: medianOf(periods),
    periodMinUs: Math.min(...periods),
    periodMaxUs: Math.max(...periods),
    explained: medianOf(agreed.map((window) => window.explained)),
    windowsAgreed: agreed.length,
    windowsSeen: windows.length,
    driftRatio: driftOf(periods),
  };
}

/** @param periods in the order of time */
function driftOf(periods: readonly number[]): number | undefined {
  if (periods.length < DRIFT_WINDOWS_MIN) return undefined;
  const third = Math.floor(periods.length / 3);
  return medianOf(periods.slice(-third)) / medianOf(periods.slice(0, third)) - 1;
}

function mostFrequent(windows: readonly StepPeriod[]): NoPeriod | 'disagree' {
  const reasons = windows.flatMap((window) => ('none' in window ? [window.none] : []));
  const counts = Map.groupBy(reasons, (reason) => reason);
  let best: NoPeriod | 'disagree' = 'disagree';
  for (const [reason, those] of counts)
    if (those.length > (counts.get(best as NoPeriod)?.length ?? 0)) best = reason;
  return best;
}
