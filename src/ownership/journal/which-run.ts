import { CLOCK_SKEW_US_MAX, differ, type RunTold } from '../../core/jobs/job-runs.ts';
import type { JournalEntry } from './entry.ts';

/** Which run of a job a record speaks of, as far as the record itself can tell. */

/** What a record tells of the run that it begins. */
export function toldOf(entry: JournalEntry): RunTold {
  const { job: jobId, restart: run, user, sluid } = entry.record;
  return { cluster: clusterOf(entry), jobId, run, startUs: entry.atUs, user, sluid };
}

/** The controller's hooks run on another machine and know no devices. */
export function isController({ record }: JournalEntry): boolean {
  return record.context?.endsWith('_slurmctld') === true;
}

/**
 * Records of one job id, apart by cluster. One that names no cluster is of the only one that the others name; between two
 * nobody guesses, and it stays for itself.
 */
export function apartByCluster(entries: readonly JournalEntry[]): (readonly JournalEntry[])[] {
  const groups = Map.groupBy(entries, clusterOf);
  const named = groups.size - (groups.has(undefined) ? 1 : 0);
  return named < 2 ? [entries] : [...groups.values()];
}

/** As its hook said; else that of the node, as it is configured. */
export function clusterOf({ record, resolution }: JournalEntry): string | undefined {
  return record.cluster ?? resolution.devices[0]?.cluster;
}

/** Whether the record of an end can be of this run: nothing in it speaks against. */
export function canBeEndOf({ record }: JournalEntry, run: RunTold): boolean {
  if (differ(record.cluster, run.cluster)) return false;
  if (differ(record.user, run.user) || differ(record.sluid, run.sluid)) return false;
  // Slurm counts up before the epilog of a run that goes back into the queue.
  const restarts = (record.restart ?? NaN) - (run.run ?? NaN);
  if (restarts < 0 || restarts > 1) return false;
  return record.start_time === undefined || run.startUs >= record.start_time * 1e6 - CLOCK_SKEW_US_MAX;
}

/** A start that is known from elsewhere than the record that begins the run. */
export interface KnownStart {
  readonly us: number;
  /** NaN where nobody counted. */
  readonly run: number;
}

/** Slurm tells whole seconds, rounded down; a label must not begin before the job did. */
export function saidStartUs({ record, atUs }: JournalEntry): number | undefined {
  const { event, start_time: startS } = record;
  return event === 'start' || startS === undefined ? undefined : Math.min((startS + 1) * 1e6, atUs);
}

/** What the record of an end says itself of the start of its run. @param runs of the same job that are known */
export function saidStartOf(
  end: JournalEntry,
  runs: readonly (Pick<RunTold, 'run' | 'user'> & { readonly isInferred: boolean })[],
): KnownStart | undefined {
  const us = saidStartUs(end);
  if (us === undefined) return undefined;
  const { restart = NaN, user } = end.record;
  // It may have counted up already, unless there is nothing to count, or a start was told of the run before.
  const isRunBefore = (one: (typeof runs)[number]): boolean =>
    !one.isInferred && one.run === restart - 1 && !differ(one.user, user);
  const isCertain = restart === 0 || runs.some(isRunBefore);
  return { us, run: isCertain ? restart : NaN };
}

/**
 * Whether a run that began at `knownUs` is a later one than this. One that has no end yet (Infinity) is the same, unless even
 * wrong clocks cannot make its start this late.
 */
export function isLaterStart(
  knownUs: number,
  { startUs, endedUs }: { readonly startUs: number; readonly endedUs: number },
): boolean {
  return knownUs >= Math.min(endedUs, startUs + CLOCK_SKEW_US_MAX);
}

/** Whether the run that this record ends goes back into the queue. */
export function isRequeued({ record }: JournalEntry, { run }: Pick<RunTold, 'run'>): boolean {
  return record.event === 'end' && (record.restart ?? NaN) > (run ?? NaN);
}

/** By the uptime where both lie in one boot, since the clock may have been set between them. */
export function byTime(a: JournalEntry, b: JournalEntry): number {
  const isOneBoot = a.record.boot_id === b.record.boot_id;
  return (isOneBoot ? a.record.uptime - b.record.uptime : 0) || a.atUs - b.atUs;
}
