import type { Cause } from '../../core/analysis/causes.ts';
import type { Costs } from '../../core/costs/costs.ts';
import type { HostDoing } from '../../core/analysis/host-doing.ts';
import type { FindingLimitName } from '../../core/analysis/finding-limits.ts';
import type { Sharing } from '../../core/jobs/device-parts.ts';
import type { IdleLimit, IdleLimits } from '../../core/fields/idle-limits.ts';
import type { PipeKey } from '../../core/fields/well-known.ts';
import type { CostBasis } from '../cost-basis.ts';
import type { GaugeKey } from '../gauges.ts';
import type { InvalidRollup } from '../invalid-rollups.ts';
import type { Energy, Quantity } from '../quantity.ts';
import type { Bounds } from './analysis/bounds.ts';
import type { JobAnalysis, Slowest } from './analysis/figures.ts';
import type { Timeline } from './timeline/figures.ts';
import type { JobHardware, NarrowLink } from './hardware/figures.ts';
import type { JobCauses, NoCauses } from './causes/figures.ts';
import type { HistoryFound, JobHistory } from './history/figures.ts';
import type { HostFigures } from './host/figures.ts';
import type { JobCells } from './told-runs.ts';

/**
 * One gauge over owned time, in its base unit. A share divides amounts (hours, energy), not levels: a level is what the
 * device did while the job owned it, whoever else was there.
 */
export interface GaugeFigures {
  /** Σ x·dt / Σ dt over the samples that had a value: a blank dilutes nothing. Undefined when those speak for no time. */
  readonly mean: Quantity | undefined;
  /** Undefined where what is kept does not tell. */
  readonly min: Quantity | undefined;
  readonly max: Quantity;
  /** Smallest x below or at which half (95 %) of the known time lies, not interpolated. Of few gauges. */
  readonly p50: Ranked | undefined;
  readonly p95: Ranked | undefined;
}

export interface Ranked extends Quantity {
  /** It is the middle of a bar of a histogram that is so wide, in the unit; undefined where it is exact. */
  readonly barWidth: number | undefined;
}

/** A gauge over all devices of the job. */
export interface JobGauge extends GaugeFigures {
  readonly key: GaugeKey;
  /** Largest mean of a device − smallest; undefined of fewer than two devices with a mean. */
  readonly spread: Quantity | undefined;
  /** Means of equal parts of the job's interval, in order and in the unit of `max`; null where nothing was sampled. */
  readonly series: readonly (number | null)[];
}

export interface JobEvent {
  readonly tsUs: number;
  /** Undefined for an instant, or while a span lasts. */
  readonly endUs?: number;
  readonly node: string;
  /** Undefined when it concerns the node as a whole. */
  readonly gpu?: string;
  readonly kind: string;
  readonly code?: number;
  readonly subject: string;
  /** As it was recorded. */
  readonly text: string;
}

/** A stretch of owned time for which no sample speaks. */
export interface Gap {
  readonly gpu: string;
  readonly fromUs: number;
  readonly toUs: number;
}

/** Gaps that are known by their length, not by their time: what would tell that has aged out, or is too much to look at. */
export interface UnplacedGaps {
  /** Buckets of rollups that have holes. */
  readonly count: number;
  /** Σ over them of the time for which no sample speaks. */
  readonly us: number;
}

/** What the samples say of owned time: of one device, or of all that a job had. */
export interface OwnedFigures {
  /** Length of the ownership intervals, not reduced by shares. */
  readonly ownedUs: number;
  /** Σ dt of the samples in them, not reduced by shares. */
  readonly sampledUs: number;
  /** The same in GPU time: that of a MIG instance by its slices. An instance of which those are not known counts as a GPU. */
  readonly ownedGpuUs: number;
  /** Σ dt·share, in GPU time. Equals `sampledUs` unless a device was shared, or is a MIG instance. */
  readonly attributedUs: number;
  readonly samples: number;
  /** sampledUs / ownedUs; undefined without any sample: `no data` is not 0. */
  readonly coverage: Quantity<'ratio'> | undefined;
  readonly energy: Energy;
  /** Σ dt·share of the samples whose SM activity lay below the limit of idleness; `knownUs` is Σ dt·share of those that tell. */
  readonly idle: Quantity<'microseconds'> | undefined;
  /** Σ SM activity·dt·share, over the time in which that was known: what is left of `knownUs` was allocated and not used. */
  readonly used: Quantity<'microseconds'> | undefined;
  /** What part of the SM activity each pipe's activity was, over the time in which both were known. Not of kept figures. */
  readonly smShares: Readonly<Partial<Record<PipeKey, Quantity<'ratio'>>>>;
  /** Time of the last sample whose SM activity reached that limit. */
  readonly lastActiveUs: number | undefined;
  /** Undefined where kept figures do not tell. */
  readonly lastSampleUs: number | undefined;
}

/** Owned time in which a device was idle without a break. */
export interface IdleStretch {
  readonly lengthUs: number;
  /** Epoch µs; undefined where it is of no length. */
  readonly fromUs: number | undefined;
  /** It is made of whole minutes or hours of rollups, and may have been longer. */
  readonly isAtLeast: boolean;
}

export interface JobDevice extends OwnedFigures {
  readonly gpu: string;
  readonly node: string;
  /** Position among the node's GPUs; this and the next three are undefined when the inventory does not know them. */
  readonly index: number | undefined;
  readonly model: string | undefined;
  readonly memoryBytes: number | undefined;
  /** Of a MIG instance. */
  readonly migProfile: string | undefined;
  /** The part of a GPU that it is: 1, or that of an instance by slices; undefined where those are not known. */
  readonly sliceRatio: number | undefined;
  /** When the job last had it, or up to when it was looked at. */
  readonly endUs: number;
  /** Below it the device counts as idle. */
  readonly idleSmRatio: IdleLimit;
  /** The longest one; undefined where the SM activity was never known, or where rollups cannot tell. */
  readonly longestIdle: IdleStretch | undefined;
  readonly gauges: Readonly<Partial<Record<GaugeKey, GaugeFigures>>>;
  readonly events: readonly JobEvent[];
}

/** A regular fall of the whole job's SM activity. */
export interface Dips {
  readonly count: number;
  /** Mean activity inside. */
  readonly floor: Quantity<'ratio'>;
  /** Median length and median distance from begin to begin. */
  readonly lengthUs: number;
  readonly periodUs: number;
  /** Part of the sampled time that lies in dips. */
  readonly timeRatio: number;
}

/** What a device did while it was throttled, beside the job's other devices in the same time: means of SM activity. */
export interface ThrottleEffect {
  readonly event: JobEvent;
  readonly gpu: string;
  readonly sm: Quantity<'ratio'>;
  readonly othersSm: Quantity<'ratio'>;
}

/** Which run of which job, and what the scheduler told of it. */
export interface JobIdentity extends Omit<JobCells, 'arrayTaskId' | 'gpus'> {
  /** The scheduler's raw id. */
  readonly jobId: string;
  /** As told, else counted from 0. */
  readonly run: number;
  /** Other runs of the same job (requeues), ascending. */
  readonly otherRuns: readonly number[];
  /** Other jobs that bear the id, newest first. */
  readonly otherJobs: readonly OtherJob[];
  readonly cluster: string | undefined;
  /** When this run was given to the scheduler, epoch µs. */
  readonly submitUs: number | undefined;
  /** Slurm's own name of the run. */
  readonly sluid: string | undefined;
  /** Number of the task in the array, or of the component in the heterogeneous job. */
  readonly task: string | undefined;
  /** The step that was asked for: the account is all the same of the whole job. */
  readonly askedStep: string | undefined;
}

/** One that bears the same id and is not shown: another cluster's, or one of another time. Times are epoch µs. */
export interface OtherJob {
  readonly cluster: string | undefined;
  readonly submitUs: number | undefined;
  readonly startUs: number;
  /** Undefined while it runs, or where nobody told. */
  readonly endUs: number | undefined;
  readonly user: string | undefined;
  readonly state: string | undefined;
  /** Of an array or a heterogeneous job. */
  readonly taskCount: number | undefined;
  /** The command that shows it. */
  readonly command: string;
}

/** `no_lane`: no lane of the configuration records them; `blank`: one does, and the devices gave no values. */
export interface NotMeasured {
  readonly keys: readonly GaugeKey[];
  readonly why: 'no_lane' | 'blank';
}

/** The account of one run of a job, without what is concluded from it. Times are epoch µs. */
export interface JobFacts {
  readonly job: JobIdentity;
  /** True when any of the devices came from the synthetic source. */
  readonly isSynthetic: boolean;
  readonly startUs: number;
  /** For a running job the time up to which it was looked at. */
  readonly endUs: number;
  readonly isOpen: boolean;
  /** A boundary inside a tick costs at most this much: the lane's interval. */
  readonly boundaryUs: number;
  /** How its part of devices that it shared was found; of several ways the least certain: `equal`, `measured`, `stated`. */
  readonly sharing: Sharing;
  /** The shares that were told were more than a device has, and were made smaller in proportion. */
  readonly areSharesScaled: boolean;
  /**
   * `samples`: all of them are there; `rollups`: they or a part of them have aged out, and the rollups of their time have not;
   * `kept`: from `job_figures`, without percentiles, series, gaps, dips and throttle effects.
   */
  readonly origin: 'samples' | 'rollups' | 'kept';
  /** Time of the oldest sample of the table, when the job began before it: older ones have aged out or never were. */
  readonly oldestSampleUs: number | undefined;
  /** Σ dt of devices that are the job's, or were shared when nobody recorded by whom, by parts that nobody knows: in no other figure. */
  readonly undividedUs: number;
  /** Rollups that it was read from and that the server has stopped keeping up to date: later changes are missing. */
  readonly invalidRollups: readonly InvalidRollup[];
  /** Below which SM activity its devices count as idle. */
  readonly idleLimits: IdleLimits;
  /** Time of devices that is left out: another run of the id had them within the same bucket, and no samples are left. */
  readonly mixedUs: number;
  readonly all: OwnedFigures;
  /** Those that have values, in the order of `GAUGES`. */
  readonly gauges: readonly JobGauge[];
  /** By time; undefined where kept figures do not tell. */
  readonly gaps: readonly Gap[] | undefined;
  readonly unplacedGaps: UnplacedGaps;
  /**
   * By device, of how much of the time that it had in a possible idle tail nobody knows what it did; of a device that is missing
   * there is no such time. Undefined where no tail is possible, or kept figures do not tell.
   */
  readonly tailUnseenUs: ReadonlyMap<string, number> | undefined;
  /** By node and position. */
  readonly devices: readonly JobDevice[];
  /** Events of the nodes that concern no single device. */
  readonly nodeEvents: readonly JobEvent[];
  readonly dips: Dips | undefined;
  readonly throttleEffects: readonly ThrottleEffect[];
  readonly analysis: JobAnalysis;
  readonly hardware: JobHardware;
  /** Where it is to be drawn. */
  readonly timeline: Timeline | undefined;
  /** Where its time went, or why that is not told; undefined without samples, and of kept figures. */
  readonly causes: JobCauses | NoCauses | undefined;
  /** What it did on its nodes, where that was recorded. */
  readonly host: HostFigures | undefined;
  /** Gauges that are left out, with the reason. */
  readonly notMeasured: readonly NotMeasured[];
}

export interface DeviceMean {
  readonly device: JobDevice;
  readonly mean: Quantity;
}

/** A device and its memory peak, also in relation to its size. */
export interface FullDevice {
  readonly device: JobDevice;
  readonly peak: Quantity;
  readonly ratio: number;
}

/** What a rule has found, before anybody puts it into words. What each rule means: docs/reports.md. */
export type Found =
  | {
      readonly rule: 'no-data';
      readonly oldestSampleUs: number | undefined;
      /** There could be no samples: nobody knows its devices, or no tick need fall into its time. Undefined: there should be some. */
      readonly why: 'unresolved' | 'short' | undefined;
      /** What it owned. */
      readonly devices: readonly JobDevice[];
      readonly intervalUs: number;
    }
  | { readonly rule: 'xid'; readonly device: JobDevice; readonly event: JobEvent }
  | {
      readonly rule: 'out-of-memory';
      /** By the scheduler; else it is concluded from a failure with full memory. */
      readonly isTold: boolean;
      /** Undefined when no memory was measured. */
      readonly fullest: FullDevice | undefined;
      /** Whether the memory of that device counts as full. */
      readonly isFull: boolean;
      /** Whether the memory of all devices was measured nearly all of the time. */
      readonly isSeen: boolean;
    }
  | {
      readonly rule: 'throttle';
      readonly device: JobDevice;
      readonly event: JobEvent;
      /** Its SM activity in relation to that of the others in the same time. */
      readonly ratio: number;
    }
  | {
      readonly rule: 'unused';
      readonly devices: readonly JobDevice[];
      /** Of the whole job. */
      readonly deviceCount: number;
      /** Σ dt·share of the unused ones. */
      readonly attributedUs: number;
      /** Of the unused ones, ascending. */
      readonly limits: readonly IdleLimit[];
    }
  | {
      readonly rule: 'idle';
      /** Of the devices that were used at all; its `knownUs` are those of which it is a part. */
      readonly idle: Quantity<'microseconds'>;
      /** How much of their time that is. */
      readonly knownRatio: number;
      readonly devices: readonly JobDevice[];
      readonly areOthersUnused: boolean;
      /** Of these devices, ascending. */
      readonly limits: readonly IdleLimit[];
    }
  | {
      readonly rule: 'idle-tail';
      readonly fromUs: number;
      readonly lengthUs: number;
      /** The samples end before the job does: of the rest nothing is known. */
      readonly isCutOff: boolean;
      readonly isOpen: boolean;
    }
  | { readonly rule: 'computes-longest' | 'fed-late'; readonly device: JobDevice; readonly slowest: Slowest }
  | { readonly rule: 'imbalance'; readonly slowest: DeviceMean; readonly fastest: DeviceMean }
  /** Nothing ran from the start on; a part of the job's time. */
  | { readonly rule: 'idle-head'; readonly fromUs: number; readonly toUs: number; readonly ratio: number }
  | {
      readonly rule: 'hang';
      /** The longest of them. */
      readonly fromUs: number;
      readonly toUs: number;
      readonly count: number;
      /** It is still so. */
      readonly isOpen: boolean;
    }
  /** Parts of the time that was seen, and what the host did meanwhile. */
  | { readonly rule: 'pauses' | 'kernel-gaps'; readonly ratio: number; readonly host?: HostDoing }
  | {
      readonly rule: 'low-occupancy';
      /** What nvidia-smi says: in which part of the time any kernel ran. */
      readonly busy: Quantity;
      readonly sm: Quantity;
    }
  | {
      readonly rule: 'no-tensor';
      readonly sm: Quantity;
      readonly tensor: Quantity;
      readonly fp32Ratio: number;
    }
  | {
      readonly rule: 'power-cap';
      readonly devices: readonly JobDevice[];
      /** Part of their time. */
      readonly ratio: number;
    }
  | { readonly rule: 'dips'; readonly dips: Dips; readonly host?: HostDoing }
  | {
      readonly rule: 'fragmented';
      readonly deviceCount: number;
      readonly nodeCount: number;
      /** So many nodes, each as large as the smallest of them, hold as many GPUs. */
      readonly nodesEnough: number;
      readonly gpusOfNode: number;
    }
  | { readonly rule: 'pcie-degraded'; readonly device: JobDevice; readonly link: NarrowLink }
  | { readonly rule: 'memory-half'; readonly fullest: FullDevice }
  | {
      readonly rule: 'coverage';
      readonly coverage: Quantity<'ratio'>;
      readonly oldestSampleUs: number | undefined;
      /** Samples of the rest are there, and cannot be told to be the job's. */
      readonly isUndivided: boolean;
    }
  | {
      readonly rule: 'energy-check';
      /** Difference of counter and power integral in relation to the larger one. */
      readonly strayRatio: number;
    }
  | HistoryFound;

/** What a job cost: its owned time by part, of MIG instances by slices, and the energy of it that is known. */
export interface JobCosts extends CostBasis {
  /** Σ over its devices. */
  readonly all: Costs;
  readonly devices: ReadonlyMap<string, Costs>;
  /** Those of GPU time and of energy; they add up to those of the owned time, and of the energy that causes have. Empty without causes. */
  readonly causes: ReadonlyMap<Cause, Costs>;
}

/**
 * By what a finding is known: all samples of the time; minutes of rollups, with samples where those tell more; figures that were kept; or
 * what the driver or the scheduler told.
 */
export type Confidence = 'samples' | 'minutes' | 'kept' | 'told';

/** Where to look: a gauge, or a table of the store. */
export type Evidence = GaugeKey | 'gpu_events' | 'jobs' | 'job_figures' | 'gpu_inventory' | 'host_jobs';

/** What goes with every finding. */
interface Weight {
  /**
   * GPU time that it took, by parts and slices, µs, of the time that was seen; no time is in two findings. Undefined where it costs
   * none, where that cannot be told, and where all of it is in other findings.
   */
  readonly lostGpuUs: number | undefined;
  readonly confidence: Confidence;
  /** When; of no particular time all of the job's. Epoch µs. */
  readonly fromUs: number;
  readonly toUs: number;
  /** UUIDs of the devices that it is about. */
  readonly gpus: readonly string[];
  /** From where on the rule speaks: none where any is one too many. */
  readonly limit: { readonly name: FindingLimitName; readonly value: number } | undefined;
  readonly evidence: readonly Evidence[];
  /** What to type, for the scheduler that ran the job; undefined where there is nothing, or nobody knows which that is. */
  readonly command: string | undefined;
}

/** Something that a person should know. */
export type Finding = Found & Weight;

export type FindingRule = Found['rule'];

/** A rule that may have had something to say, and the gauges without which it could not. */
export interface RuleNotTold {
  readonly rule: FindingRule;
  readonly lacks: readonly (GaugeKey | 'fp32')[];
}

/** All that `gpuledger report job` shows, as a tree without any text of its own. */
export interface JobFigures extends JobFacts {
  /** Faults of the job first, then those that cost most. */
  readonly findings: readonly Finding[];
  readonly rulesNotTold: readonly RuleNotTold[];
  /** Ids of rules that had something to say while the samples were there, and that what is left does not tell any more. */
  readonly rulesKept: readonly string[];
  /** What it can have computed and moved at most; undefined where its activities are not known. */
  readonly bounds: Bounds | undefined;
  /** Undefined where nothing of costs is configured. */
  readonly costs: JobCosts | undefined;
  /** Undefined where it was not asked for, or no earlier run is known. */
  readonly history: JobHistory | undefined;
}
