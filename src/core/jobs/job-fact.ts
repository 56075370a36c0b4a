import type { OperatingError } from '../base/errors.ts';

/**
 * What any input of the job map (synthetic scenario, exporter map directory, journal, gpustat) tells: a job began or
 * ceased to own a device. All inputs end in these two facts, and these in the intervals of `ownership.ts`.
 */
export interface JobFact {
  /** `void` takes back a start that was told for the same time, and now is known to be wrong. */
  readonly kind: 'start' | 'end' | 'void';
  /** Epoch microseconds at which the ownership began or ended. */
  readonly atUs: number;
  /** Time of the start that this end is of, and of no other, epoch µs. Absent: it ends what it finds open. */
  readonly ofStartUs?: number;
  /**
   * Of what is told of one start (itself, its own ends, that it is taken back) the highest revision alone counts, whatever came
   * first. Absent: 0, as what a former life has stored.
   */
  readonly revision?: number;
  /** Absent where nobody told. */
  readonly cluster?: string;
  readonly node: string;
  /** Device UUID. */
  readonly gpu: string;
  readonly jobId: string;
  /** Restart count of the job: 0 for its first run, 1 after the first requeue. NaN when the input has none. */
  readonly run: number;
  /** Part of the device in (0, 1]; NaN when the input cannot know it (read as equal parts, and said so). */
  readonly share: number;
  /** Number of the user on this node, where the input has it. It is not stored. */
  readonly uid?: number;
  /** Which input told: `synthetic`, `map-dir`, `journal`, … The `source` column of `gpu_ownership`. */
  readonly source: string;
}

/** One row of `jobs`: what is known of a job run apart from its devices. Unknown things are absent, never invented. */
export interface JobRecord {
  /** Absent where nobody told. */
  readonly cluster?: string;
  readonly jobId: string;
  /** Restart count; absent where the input has none. */
  readonly run?: number;
  readonly startUs: number;
  readonly endUs?: number;
  /** When the scheduler was given this run: Slurm sets it anew at a requeue. Epoch µs. */
  readonly submitUs?: number;
  /** Slurm's own name of this run, from 25.11 on. */
  readonly sluid?: string;
  readonly name?: string;
  readonly user?: string;
  readonly account?: string;
  readonly partition?: string;
  readonly qos?: string;
  readonly arrayJobId?: string;
  readonly arrayTaskId?: string;
  readonly hetJobId?: string;
  readonly nodes?: number;
  readonly gpus?: number;
  /** `RUNNING`, `COMPLETED`, `FAILED`, `OUT_OF_MEMORY`, … in the scheduler's words. */
  readonly state?: string;
  readonly exitCode?: number;
}

/** The devices (UUIDs) that a job is known to own since exactly `startUs` (epoch µs), whoever told it. */
export type KnownOwners = (jobId: string, startUs: number) => readonly string[];

/** An input of the job map. */
export interface JobInput {
  readonly name: string;
  /** @returns every fact and record with a time ≤ `nowUs` that it has not returned yet. */
  read(nowUs: number, known?: KnownOwners): JobNews;
  /** Settles when a scheduler has answered what it was asked; then `read` tells it. Nothing: it was not asked. */
  answers?(): Promise<unknown> | undefined;
  /** Everything that was read so far is in the store: what was kept only for that may go. */
  acknowledge?(nowUs: number): void;
}

export interface JobNews {
  readonly facts: readonly JobFact[];
  readonly records: readonly JobRecord[];
  /** What the input could not read or resolve, each told once per episode: to be logged, never to stop anything. */
  readonly problems?: readonly OperatingError[];
}
