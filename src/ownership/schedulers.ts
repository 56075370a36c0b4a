import type { Tell } from '../core/base/notice.ts';
import type { ClusterLoad, LateReply, Scheduler } from './scheduler.ts';

/** Where the job map of this node is told of, as far as it is configured. */
export interface InputPaths {
  readonly journalDir?: string;
  readonly hpcJobMappingDir?: string;
  readonly gpustatDir?: string;
  /** Position in the scheduler's list of GPUs → device UUID, where the site knows better than the scheduler's own files. */
  readonly deviceMap?: ReadonlyMap<number, string>;
}

interface SchedulerEntry {
  /** As `manager=` in a record of the journal. */
  readonly name: string;
  /** The directory in which it tells of jobs, where one is configured. */
  readonly detect: (paths: InputPaths) => string | undefined;
  /** Loaded when it is there: a drain of a fleet has many processes, and mostly no files. */
  readonly load: () => Promise<{ readonly scheduler: Scheduler }>;
}

/** Every scheduler that gpuledger understands. A new one is a folder and a line. */
export const SCHEDULERS: readonly SchedulerEntry[] = [
  { name: 'journal', detect: (paths) => paths.journalDir, load: () => import('./journal/journal.ts') },
  { name: 'slurm', detect: (paths) => paths.journalDir, load: () => import('./slurm/slurm.ts') },
  { name: 'map-dir', detect: (paths) => paths.hpcJobMappingDir, load: () => import('./pictures/map-dir.ts') },
  { name: 'gpustat', detect: (paths) => paths.gpustatDir, load: () => import('./pictures/gpustat.ts') },
];

/** Whether a directory is configured in which some scheduler tells of jobs. */
export function isAnyInputNamed(paths: InputPaths): boolean {
  return SCHEDULERS.some(({ detect }) => detect(paths) !== undefined);
}

/** The cluster of this machine, as the scheduler calls it whose jobs are read here; undefined where none has a name for it. */
export async function readCluster(paths: InputPaths): Promise<string | undefined> {
  for (const { detect, load } of SCHEDULERS) {
    if (detect(paths) === undefined) continue;
    const cluster = (await load()).scheduler.readCluster?.();
    if (cluster !== undefined) return cluster;
  }
  return undefined;
}

/** Every reply of every scheduler on what it knows of its jobs since `sinceUs` (epoch µs). */
export async function readLateJobs(sinceUs: number, tell: Tell): Promise<LateReply[]> {
  const replies: LateReply[] = [];
  for (const { load } of SCHEDULERS) {
    const { scheduler } = await load();
    replies.push(...((await scheduler.readLateJobs?.(sinceUs, tell)) ?? []));
  }
  return replies;
}

/** The scheduler that can be asked how its cluster is, and what it calls that. */
export async function findClusterLoad(): Promise<
  { readonly load: ClusterLoad; readonly cluster: string | undefined } | undefined
> {
  for (const { load } of SCHEDULERS) {
    const { scheduler } = await load();
    if (scheduler.load !== undefined) return { load: scheduler.load, cluster: scheduler.readCluster?.() };
  }
  return undefined;
}
