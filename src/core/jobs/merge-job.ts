import type { JobRecord } from './job-fact.ts';

/** Hooks on the controller and on the nodes, and the scheduler's own clock, see one start at different moments, µs apart. */
export const SAME_START_US_MAX = 600 * 1e6;

/**
 * Makes one row out of what several tellers know of one run of a job: the controller, its first node, the scheduler's
 * accounting. The row keeps the start under which it was first stored, since that is its key; what the newer telling
 * knows replaces what was known, and what it does not know stays.
 */
export function mergeJob(stored: readonly JobRecord[], fresh: JobRecord): JobRecord {
  const known = stored
    .filter(
      (row) =>
        row.jobId === fresh.jobId && row.run === fresh.run && startGapUs(row, fresh) <= SAME_START_US_MAX,
    )
    .sort((a, b) => startGapUs(a, fresh) - startGapUs(b, fresh))[0];
  if (known === undefined) return fresh;
  const { state: knownState, ...knownRest } = known;
  const { state: freshState, ...freshRest } = fresh;
  const state = stateOf(known, fresh, knownState, freshState);
  return { ...knownRest, ...freshRest, startUs: known.startUs, ...(state === undefined ? {} : { state }) };
}

/** A job that has ended does not run again under the same key; and "running" is no news of one that has ended since. */
function stateOf(
  known: JobRecord,
  fresh: JobRecord,
  knownState?: string,
  freshState?: string,
): string | undefined {
  if (freshState === 'RUNNING' && known.endUs !== undefined) return knownState;
  if (freshState !== undefined) return freshState;
  return fresh.endUs !== undefined && knownState === 'RUNNING' ? undefined : knownState;
}

function startGapUs(a: JobRecord, b: JobRecord): number {
  return Math.abs(a.startUs - b.startUs);
}
