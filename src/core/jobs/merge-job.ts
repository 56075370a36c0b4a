import type { JobRecord } from './job-fact.ts';
import { tellingOfSameRun } from './job-runs.ts';

/** A job in one of these has not ended, or how it ended is not told. */
const LIVE_STATES = new Set(['RUNNING', 'SUSPENDED', 'RESIZING', 'COMPLETING']);

/**
 * Makes one row out of what several tellers know of one run of a job: the controller, its first node, the scheduler's
 * accounting. The row keeps start and cluster under which it was first stored, since they are its key, also where the cluster
 * was not known then. What the newer telling knows replaces what was known, and what it does not know stays.
 */
export function mergeJob(stored: readonly JobRecord[], fresh: JobRecord): JobRecord {
  const known = tellingOfSameRun(stored, fresh);
  if (known === undefined) return fresh;
  const { startUs, cluster, state, exitCode } = known;
  const end = isSettled(known, fresh) ? { state, exitCode } : { state: stateOf(known, fresh) };
  return knowledgeOf({
    ...known,
    ...knowledgeOf(fresh),
    ...end,
    run: countOf(known, fresh),
    startUs,
    cluster,
    endUs: endOf(known, fresh),
  }) as JobRecord;
}

/** No row ends before it starts, though one clock may tell its start and another one, in whole seconds, its end. */
function endOf(known: JobRecord, fresh: JobRecord): number | undefined {
  if (fresh.endUs === undefined || isSettled(known, fresh)) return known.endUs;
  if (fresh.endUs >= known.startUs) return fresh.endUs;
  return known.endUs ?? known.startUs + Math.max(0, fresh.endUs - fresh.startUs);
}

/** Without what is not known. */
function knowledgeOf(record: object): object {
  return Object.fromEntries(
    Object.entries(record).filter(([, value]) => value !== undefined && !Number.isNaN(value)),
  );
}

/** Slurm counts up when it puts a job back into its queue, while the run that this ends is still being told of. */
function countOf({ run: known = NaN }: JobRecord, { run: fresh = NaN }: JobRecord): number {
  if (Number.isNaN(known)) return fresh;
  return Number.isNaN(fresh) ? known : Math.min(known, fresh);
}

/** The scheduler has said how it ended. A hook, which sees an exit code and no more, knows it no better. */
function isSettled(known: JobRecord, fresh: JobRecord): boolean {
  return known.submitUs !== undefined && known.endUs !== undefined && fresh.submitUs === undefined;
}

/** A job that has ended does not run again under the same key; and what it did before is no news of how it ended. */
function stateOf(known: JobRecord, fresh: JobRecord): string | undefined {
  if (isLive(fresh.state) && known.endUs !== undefined) return known.state;
  if (fresh.state !== undefined) return fresh.state;
  return fresh.endUs !== undefined && isLive(known.state) ? undefined : known.state;
}

function isLive(state: string | undefined): boolean {
  return state !== undefined && LIVE_STATES.has(state);
}
