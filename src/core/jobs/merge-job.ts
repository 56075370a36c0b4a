import type { JobRecord } from './job-fact.ts';
import { tellingOfSameRun } from './job-runs.ts';

/**
 * Makes one row out of what several tellers know of one run of a job: the controller, its first node, the scheduler's
 * accounting. The row keeps start and cluster under which it was first stored, since they are its key, also where the cluster
 * was not known then. What the newer telling knows replaces what was known, and what it does not know stays.
 */
export function mergeJob(stored: readonly JobRecord[], fresh: JobRecord): JobRecord {
  const known = tellingOfSameRun(stored, fresh);
  if (known === undefined) return fresh;
  const { startUs, cluster, endUs, state, exitCode } = known;
  const end = isSettled(known, fresh) ? { endUs, state, exitCode } : { state: stateOf(known, fresh) };
  return knowledgeOf({
    ...known,
    ...knowledgeOf(fresh),
    ...end,
    run: countOf(known, fresh),
    startUs,
    cluster,
  }) as JobRecord;
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

/** A job that has ended does not run again under the same key; and "running" is no news of one that has ended since. */
function stateOf(known: JobRecord, fresh: JobRecord): string | undefined {
  if (fresh.state === 'RUNNING' && known.endUs !== undefined) return known.state;
  if (fresh.state !== undefined) return fresh.state;
  return fresh.endUs !== undefined && known.state === 'RUNNING' ? undefined : known.state;
}
