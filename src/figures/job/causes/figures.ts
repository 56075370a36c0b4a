import type { Cause } from '../../../core/analysis/causes.ts';
import type { ContextSpan } from '../../../core/analysis/contexts.ts';

/** Device time by the job's part, of MIG instances by slices, in whole µs. */
export interface CauseAmount {
  readonly us: number;
  /** What of the energy that is known was drawn then; undefined where none is. */
  readonly joules: number | undefined;
}

/** In the order of `CAUSES`, without those of no time. They add up to the owned time. */
export type CauseAmounts = ReadonlyMap<Cause, CauseAmount>;

/** Between what and what the time lies that devices waited for each other. */
export interface WaitingRange {
  readonly leastUs: number;
  readonly mostUs: number;
}

/** Where the owned time of a job went. */
export interface JobCauses {
  /**
   * `samples`: all were read; `minutes`: rollups, and samples where they tell more; `minutes_alone`: the samples have aged out, so that
   * all is told by whole minutes.
   */
  readonly origin: 'samples' | 'minutes' | 'minutes_alone';
  /** Pauses of less than a minute were not looked for everywhere: too many minutes may hold one. */
  readonly isCut: boolean;
  /** They were told while the samples were there, and kept. */
  readonly isKept: boolean;
  readonly causes: CauseAmounts;
  /** Undefined of devices that work alone. */
  readonly waiting: WaitingRange | undefined;
  /** By node and position, as far as the inventory knows. */
  readonly devices: readonly DeviceCauses[];
  /** What its devices did together, and when: ascending, without overlaps; all other time is work. That is not kept: none where `isKept`. */
  readonly contexts: readonly ContextSpan[];
}

export interface DeviceCauses {
  readonly gpu: string;
  readonly causes: CauseAmounts;
  readonly waiting: WaitingRange | undefined;
}

/** Why nothing is told: the engine's activity was not recorded, or what tells has aged out. */
export interface NoCauses {
  readonly why: 'no_engine' | 'aged_out';
}
