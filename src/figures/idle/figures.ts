import type { IdleLimits } from '../../core/fields/idle-limits.ts';
import type { InvalidRollup } from '../invalid-rollups.ts';

/** Which run of which job. Its start is no part of that: it may be told anew, by another clock. */
export interface JobKey {
  readonly cluster: string | undefined;
  readonly jobId: string;
  readonly run: number;
}

/** A device that has been idle in all of (sinceUs, untilUs], as far as it was seen. Epoch µs. */
export interface IdleDevice {
  readonly node: string;
  readonly gpu: string;
  /** Its last active sample while the job had it, or since when the job has it. */
  readonly sinceUs: number;
  /** Its newest sample. */
  readonly untilUs: number;
  /** It may have been idle before `sinceUs`, too: that was not seen, or is not looked at. */
  readonly isAtLeast: boolean;
}

/** A running job of which devices idle. */
export interface IdleJob extends JobKey {
  /** The id as people type it. */
  readonly typedId: string;
  readonly name: string | undefined;
  readonly user: string | undefined;
  readonly account: string | undefined;
  readonly partition: string | undefined;
  /** Epoch µs. */
  readonly startUs: number;
  /** Devices that it has. */
  readonly gpus: number;
  /** Those that idle, the longest first; one at least. */
  readonly idle: readonly IdleDevice[];
  /** When the last one of those that idle began to, and up to when all of them were seen. Epoch µs. */
  readonly sinceUs: number;
  readonly untilUs: number;
  readonly isAtLeast: boolean;
  /** GPU-time that went by on them, MIG instances by slices; undefined where the slices of one are not known. µs. */
  readonly lostGpuUs: number | undefined;
  /** That shows the job. */
  readonly command: string;
}

/** Why nobody can tell whether a job idles. */
export type NotSeenWhy =
  /** A device has no samples of the last minutes. */
  | 'no_samples'
  /** A device has samples of the last minutes, and too little of the time before them is known. */
  | 'gaps'
  /** The scheduler gave it more devices than anybody recorded. */
  | 'unrecorded';

/** What the running jobs do with their devices. */
export interface IdleWatchFigures {
  /** Where "now" is: the clock of whoever asks, or the newest sample where that is later. Epoch µs. */
  readonly nowUs: number;
  /** For how long a device must have been idle to be told of. */
  readonly afterUs: number;
  readonly isSynthetic: boolean;
  readonly idleLimits: IdleLimits;
  /** All jobs that run. */
  readonly running: number;
  /** All devices idle; those first that lost most. */
  readonly idle: readonly IdleJob[];
  /** Some devices idle while others work. */
  readonly partlyIdle: readonly IdleJob[];
  /** Some device has not been idle for so long. */
  readonly working: readonly JobKey[];
  readonly notSeen: readonly (JobKey & { readonly why: NotSeenWhy })[];
  /** They have a part of a device, whose activity says nothing of one of its owners. */
  readonly shared: readonly JobKey[];
  readonly invalidRollups: readonly InvalidRollup[];
}
