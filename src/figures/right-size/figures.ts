import type { Size } from '../../core/right-size/sizes.ts';

/** Why it is not told which size would have done for a stay. */
export type Unsized =
  'several_gpus' | 'shared' | 'no_memory' | 'no_activity' | 'partly_seen' | 'no_device' | 'id_again';

/** What the jobs of one name and account had, and which size would have done for all of them. Times are µs of GPUs, instances by slices. */
export interface SizedGroup {
  readonly cluster: string | undefined;
  readonly account: string | undefined;
  readonly name: string | undefined;
  /** Of the GPUs. */
  readonly model: string;
  readonly runs: number;
  readonly ownedUs: number;
  /** The most that any of them made of a device. */
  readonly memoryPeakBytes: number;
  readonly smP95: number;
  /** What they had: the largest. */
  readonly had: Size;
  readonly size: Size;
  /** GPU time that this size would have taken. */
  readonly sizedUs: number;
}

/** A week of the window that was held against sizes chosen without it. */
export interface TriedWeek {
  readonly fromUs: number;
  readonly toUs: number;
  /** GPU time that packing by those sizes would have freed. */
  readonly freedUs: number;
  /** Runs that began in it and would have been given a smaller size, and those of them for which it would not have done. */
  readonly runs: number;
  readonly failed: number;
}

/** What would have been, had something been otherwise. */
export type WhatIf =
  | {
      readonly of: 'mig';
      readonly profile: string;
      readonly count: number;
      readonly models: readonly string[];
      /** Runs for which the profile would have done, of those of which it is known. */
      readonly fitting: number;
      readonly known: number;
      readonly usedUs: number;
      readonly neededUs: number;
      readonly neededMost: number;
    }
  | {
      readonly of: 'idle_limit';
      readonly limitUs: number;
      /** Jobs that idled at their end for longer, and the GPU time after the limit. */
      readonly runs: number;
      readonly freedUs: number;
      /** Jobs that idled for longer before they worked, and those whose pauses are longer together: they would, or may, have been stopped. */
      readonly stoppedBefore: number;
      readonly maybeStopped: number;
      /** Ended jobs of which it is not known how they idled. */
      readonly unknown: number;
      readonly known: number;
    };

/** Which smaller parts of GPUs would have done, and what packing them would have freed: without any text of its own. Epoch µs. */
export interface RightSizeFigures {
  readonly fromUs: number;
  readonly toUs: number;
  readonly cluster: string | undefined;
  readonly isSynthetic: boolean;
  /** Those by whose sizes most would be freed first. */
  readonly groups: readonly SizedGroup[];
  /** Stays on a device of which a size is told, and their GPU time. */
  readonly sized: { readonly runs: number; readonly ownedUs: number };
  /** Stays of which none is, by the reason. */
  readonly unsized: ReadonlyMap<Unsized, { readonly runs: number; readonly ownedUs: number }>;
  /** GPUs in use, and those that would have sufficed. */
  readonly usedUs: number;
  readonly neededUs: number;
  readonly usedMost: number;
  readonly neededMost: number;
  /** Whole weeks of the window; none where there are not two. */
  readonly weeks: readonly TriedWeek[];
  readonly whatIfs: readonly WhatIf[];
}
