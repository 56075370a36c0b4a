import type { NoPeriod } from '../../../core/analysis/step-period.ts';
import type { JobSteps } from '../../../core/analysis/job-steps.ts';
import type { StragglerKind } from '../../../core/analysis/straggler.ts';

/** What a closer look at some windows of a job tells. A part is undefined where it could not be looked for. */
export interface JobAnalysis {
  readonly steps: StepFigures | undefined;
  readonly slowest: Slowest | undefined;
  readonly gauge30: Gauge30 | undefined;
}

/**
 * Why no steps are told: what a window says; `disagree`: each window says something else; `coarse`: the interval is too long for any
 * step of some seconds; `shared`: other jobs were on the devices; `inactive`: the job was not active for some minutes;
 * `aged_out`: the samples are gone.
 */
export type NoSteps = NoPeriod | 'disagree' | 'coarse' | 'shared' | 'inactive' | 'aged_out';

/** The steps of a job. Times in µs. */
export interface StepFigures {
  /** Interval of the lane in which they were looked for. */
  readonly intervalUs: number;
  readonly found: FoundSteps | { readonly none: NoSteps };
  /** From the job's start to its first sample with SM activity of 5 % or more; undefined where nothing tells. */
  readonly firstLightUs: number | undefined;
  /** From the last sample above the limit of idleness to the job's end; undefined of a running job. */
  readonly drainUs: number | undefined;
}

export interface FoundSteps extends JobSteps {
  /** How long the job was active. */
  readonly activeUs: number;
  /** Energy of all its devices in one period; undefined where it is not known beside the activity. */
  readonly joulesPerStep: number | undefined;
  /** Of single steps; undefined where a step has fewer than ten ticks, or several rises. */
  readonly single: SingleSteps | undefined;
}

export interface SingleSteps {
  readonly count: number;
  readonly p50Us: number;
  readonly p95Us: number;
}

/** The device that the others wait for. */
export interface Slowest {
  readonly gpu: string;
  readonly kind: StragglerKind;
  /** How many devices were compared. */
  readonly deviceCount: number;
  /** Its mean and the median of the others': of SM activity, or of engine activity where it is fed late. */
  readonly ratio: number;
  readonly othersRatio: number;
  /** Part of the slices of time in which it is the farthest out. */
  readonly leads: number;
  /** `device`: it does the same work in longer time; `work`: it has more of it. Undefined where what is recorded does not tell. */
  readonly why: 'device' | 'work' | undefined;
  /** Σ over the others of the time that they waited for it at most, in their active time; undefined where nothing bounds it. */
  readonly lostUsMax: number | undefined;
  /** Rises of its counters of link errors. */
  readonly linkErrors: number;
  /** PCIe lanes in use, where they are fewer than another device's. */
  readonly pcieLanes: number | undefined;
}

/** What a gauge would have said that is read every 30 s, whenever the first of its readings falls. */
export interface Gauge30 {
  /** Over which time, µs: of a long job the windows alone. */
  readonly windowUs: number;
  /** Phases that were tried, and readings in each. */
  readonly phases: number;
  /** Means of SM activity that it would have said, the least and the greatest, and the one of all samples. */
  readonly meanMin: number;
  readonly meanMax: number;
  readonly mean: number;
  /** Lowest SM activity that it would have seen: of the luckiest and of the unluckiest phase; and the lowest of all. */
  readonly lowMin: number;
  readonly lowMax: number;
  /** The highest power, likewise. Undefined where power is not recorded beside. */
  readonly peak: { readonly min: number; readonly max: number } | undefined;
}
