import type { JobFigures } from '../figures.ts';
import type { JobWindow } from '../facts.ts';
import type { EarlierRun } from './past-runs.ts';

/** Who fails so soon has hardly begun. */
const SOON_US_MAX = 5 * 60e6;
/** More are not counted. */
const RUNS_MAX = 20;

/**
 * The runs that failed one after the other up to this one, newest first: each had ended before the next began. Of runs at the same
 * time, as tasks of an array are, one counts.
 * @param earlier newest end first
 */
export function failuresBefore(earlier: readonly EarlierRun[], startUs: number): EarlierRun[] {
  const firstOther = earlier.findIndex(({ run }) => run.record.state !== 'FAILED');
  const failed = firstOther === -1 ? earlier : earlier.slice(0, firstOther);
  const chain: EarlierRun[] = [];
  for (const run of failed)
    if (run.window.endUs <= (chain.at(-1)?.window.startUs ?? startUs)) chain.push(run);
  return chain.slice(0, RUNS_MAX);
}

/** Whether a run of that time ended soon whenever it was first active. */
export function isShort({ startUs, endUs }: Pick<JobWindow, 'startUs' | 'endUs'>): boolean {
  return endUs - startUs <= SOON_US_MAX;
}

/** Whether it ended soon after its first activity. Of a longer one of which nobody knows when that was it is not said. */
export function hasEndedSoon(
  window: Pick<JobWindow, 'startUs' | 'endUs'>,
  firstLightUs: number | undefined,
): boolean {
  if (isShort(window)) return true;
  return firstLightUs !== undefined && isShort({ ...window, startUs: window.startUs + firstLightUs });
}

/** Whether the run that is looked at failed soon. */
export function hasFailedSoon({ job, isOpen, analysis, ...window }: JobFigures): boolean {
  return job.state === 'FAILED' && !isOpen && hasEndedSoon(window, analysis.steps?.firstLightUs);
}
