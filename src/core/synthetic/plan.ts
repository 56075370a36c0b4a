import type { JobRecord } from '../jobs/job-fact.ts';
import type { Pace, ShapeName } from './shape-catalogue.ts';

/**
 * What is to happen, in microseconds since the plan's origin: whole in itself, without any clock. A plan with a finite
 * cycle repeats for ever, with new job ids each time round.
 */
export interface Plan {
  readonly jobs: readonly PlannedJob[];
  readonly faults: readonly Fault[];
  /** Epoch microseconds at which time 0 of the plan lies. */
  readonly originUs: number;
  /** Microseconds after which everything begins again; Infinity: it happens once. */
  readonly cycleUs: number;
  /** What each cycle adds to the job ids of the one before; 0 when there is but one. */
  readonly idsPerCycle: number;
}

export interface PlannedJob {
  /** Job id; of a repeating plan, the number within the cycle, to which the cycle's first id is added. */
  readonly id: number;
  readonly run: number;
  readonly startUs: number;
  readonly endUs: number;
  readonly shape: ShapeName;
  readonly devices: readonly PlannedShare[];
  readonly details: Omit<JobRecord, 'jobId' | 'run' | 'startUs' | 'endUs' | 'arrayJobId'>;
  /** Number of the array (see `id`). */
  readonly arrayId?: number;
  /** From this time on (since the origin) the job only waits, because one of its ranks is lost. */
  readonly hangsAtUs?: number;
  /** Default: that of the shape. */
  readonly pace?: Pace;
}

export interface PlannedShare {
  readonly device: number;
  /** (0, 1] or NaN. */
  readonly share: number;
  /** Where this device does something else than the job's `shape`. */
  readonly shape?: ShapeName;
  /** By how much longer this device computes than a sound one: 0.1 is a tenth. Default 0. */
  readonly slowness?: number;
}

/** Faults last over (fromUs, toUs]; Infinity: until the end of the plan. */
export type Fault =
  | { readonly kind: 'throttle'; readonly device: number; readonly fromUs: number; readonly toUs: number }
  | {
      readonly kind: 'xid';
      readonly device: number;
      readonly atUs: number;
      readonly code: number;
      readonly text: string;
    }
  | {
      readonly kind: 'absent';
      readonly device: number;
      readonly fromUs: number;
      readonly toUs: number;
      /** The device comes back with its counters at zero. */
      readonly isReset: boolean;
    }
  | {
      readonly kind: 'blank';
      readonly device: number;
      readonly fieldId: number;
      readonly fromUs: number;
      readonly toUs: number;
      readonly text: string;
    }
  | { readonly kind: 'ecc'; readonly device: number; readonly atUs: number };

/** Part of a device's activity that falls to a job: its share, or equal parts where that is unknown. */
export function activityPart(share: number, partners: number): number {
  return Number.isNaN(share) ? 1 / partners : share;
}
