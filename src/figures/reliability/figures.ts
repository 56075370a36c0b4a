import type { XidClass } from '../../core/reliability/xid-classes.ts';
import type { Verdict } from './lemons.ts';

/** How often something happens, with the bounds between which that lies 95 times of 100 (Poisson, exact). */
interface YearlyRate {
  readonly perYear: number;
  readonly low: number;
  readonly high: number;
}

/** XIDs of one class on the GPUs of one model. */
export interface ClassRate {
  readonly name: XidClass;
  /** Rows of `gpu_events`. */
  readonly events: number;
  /** Those of one GPU that came soon after each other count once. */
  readonly incidents: number;
  /** Incidents of a GPU in a year of seen time. */
  readonly perGpu: YearlyRate;
}

export interface ModelRates {
  /** Undefined where the inventory does not tell. */
  readonly model: string | undefined;
  /** Whole GPUs that were seen, and for how long, µs. */
  readonly gpus: number;
  readonly seenUs: number;
  /** Those that came. */
  readonly classes: readonly ClassRate[];
}

/** What a failure showed by. */
export const FAILURE_SIGNS = ['xid', 'gpu_lost', 'node_down', 'node_fail'] as const;
export type FailureSign = (typeof FAILURE_SIGNS)[number];

export interface NodeReliability extends Verdict {
  readonly node: string;
  readonly cluster: string | undefined;
  /** For how long one of its GPUs was seen, µs. */
  readonly seenUs: number;
  readonly failures: number;
  /** In how many of them each sign was. */
  readonly signs: Readonly<Record<FailureSign, number>>;
  /** Epoch µs; undefined where it never failed. */
  readonly lastFailureUs: number | undefined;
}

/** What runs had that failures ended. GPU time of the window: whole GPUs, also where they are shared; MIG instances by slices. */
export interface LostToFailures {
  readonly runs: number;
  /** Of them, runs that the scheduler started again. */
  readonly requeued: number;
  /** Σ of their time in the window: nobody knows of their checkpoints, so that between nothing and all of it was lost. */
  readonly mostUs: number;
  /** Σ over all jobs. */
  readonly availableUs: number;
}

/** All that `gpuledger report reliability` shows. Epoch µs. */
export interface ReliabilityFigures {
  readonly cluster: string | undefined;
  readonly fromUs: number;
  readonly toUs: number;
  readonly isSynthetic: boolean;
  /** Most GPUs first. */
  readonly models: readonly ModelRates[];
  /** Those that stray most first: by `p`. */
  readonly nodes: readonly NodeReliability[];
  /** All nodes together. */
  readonly seenNodeUs: number;
  /** Those of nodes, and of runs on several nodes of which nobody told which of them failed. */
  readonly failures: number;
  readonly unplacedFailures: number;
  /** Mean time to failure of a node, µs; without a bound where there is none. */
  readonly meanUs: number | undefined;
  readonly lowUs: number | undefined;
  readonly highUs: number | undefined;
  readonly lost: LostToFailures;
  /** XIDs of GPUs that were not seen in the window: in no rate. */
  readonly unseenEvents: number;
  /** Nodes of which a collector told that it does not hear of all XIDs. */
  readonly deafNodes: number;
}
