import type { GaugeKey } from '../gauges.ts';

/**
 * One gauge over owned time, in its base unit. A share divides amounts (hours, energy), not levels: a level is what the
 * device did while the job owned it, whoever else was there.
 */
export interface GaugeFigures {
  /** Σ x·dt / Σ dt over the samples that had a value; NaN when those speak for no time. */
  readonly mean: number;
  readonly max: number;
  /** Σ dt of the samples that had a value: a blank does not dilute a mean. */
  readonly knownUs: number;
}

/** A gauge over all devices of the job. */
export interface JobGauge extends GaugeFigures {
  readonly key: GaugeKey;
  readonly column: string;
  /** Smallest x below or at which half (95 %) of the known time lies; exact, not interpolated. */
  readonly p50?: number;
  readonly p95?: number;
  /** Means of equal parts of the job's interval, in order; null where nothing was sampled. */
  readonly series: readonly (number | null)[];
}

/** Energy over owned time, by the share. */
export interface Energy {
  /** Σ rises of the device's energy counter, times share; undefined when no rise was known. */
  readonly counterJoules?: number;
  /** Σ dt over which the rises were known, not reduced by shares. */
  readonly counterUs: number;
  /** Σ power·dt, times share: the check, and the fallback; undefined when power was not sampled. */
  readonly powerJoules?: number;
  readonly powerUs: number;
}

export interface JobEvent {
  readonly tsUs: number;
  /** Undefined for an instant, or while a span lasts. */
  readonly endUs?: number;
  readonly node: string;
  readonly gpu?: string;
  readonly kind: string;
  readonly code?: number;
  readonly subject: string;
  readonly text: string;
}

/** A stretch of owned time for which no sample speaks. */
export interface Gap {
  readonly gpu: string;
  readonly fromUs: number;
  readonly toUs: number;
}

export interface JobInterval {
  readonly gpu: string;
  readonly node: string;
  readonly startUs: number;
  /** The time up to which the report looks, when the interval is open. */
  readonly endUs: number;
  readonly isOpen: boolean;
  /** Undefined when nobody told: the owners of a moment then have equal parts. */
  readonly share?: number;
  readonly source: string;
}

export interface JobDevice {
  readonly gpu: string;
  readonly node: string;
  /** Position among the node's GPUs; undefined when the inventory does not know the device. */
  readonly index?: number;
  readonly model?: string;
  readonly memoryBytes?: number;
  readonly migProfile?: string;
  /** Length of the ownership intervals, not reduced by shares. */
  readonly ownedUs: number;
  /** Σ dt of the samples in them, not reduced by shares. */
  readonly sampledUs: number;
  /** Σ dt·share. Equals `sampledUs` unless the device was shared. */
  readonly attributedUs: number;
  readonly samples: number;
  readonly gauges: Readonly<Partial<Record<GaugeKey, GaugeFigures>>>;
  readonly energy: Energy;
  /** Time of the last sample whose SM activity reached the limit of idleness. */
  readonly lastActiveUs?: number;
  /** Σ dt·share of the samples whose SM activity lay below that limit; undefined when SM activity was not sampled. */
  readonly idleUs?: number;
  readonly events: readonly JobEvent[];
}

/** A regular fall of the whole job's SM activity. */
export interface Dips {
  readonly count: number;
  /** Mean activity inside. */
  readonly floorRatio: number;
  /** Median length and median distance from begin to begin. */
  readonly lengthUs: number;
  readonly periodUs: number;
  /** Part of the sampled time that lies in dips. */
  readonly timeRatio: number;
}

/** What a device did while it was throttled, beside the job's other devices in the same time. */
export interface ThrottleEffect {
  readonly event: JobEvent;
  readonly gpu: string;
  readonly smRatio: number;
  readonly othersSmRatio: number;
}

/** Everything that `gpuledger report job` shows, as numbers in base units; times are epoch µs. */
export interface JobFigures {
  readonly jobId: string;
  readonly run: number;
  /** Other runs of the same job id (requeues), ascending. */
  readonly otherRuns: readonly number[];
  readonly name?: string;
  readonly user?: string;
  readonly account?: string;
  readonly partition?: string;
  readonly qos?: string;
  readonly state?: string;
  readonly exitCode?: number;
  /** True when any of the devices came from the synthetic source. */
  readonly isSynthetic: boolean;
  readonly startUs: number;
  /** For a running job the time up to which it was looked at. */
  readonly endUs: number;
  readonly isOpen: boolean;
  /** A boundary inside a tick costs at most this much: the lane's interval. */
  readonly boundaryUs: number;
  /** `whole`: one owner; `stated`: shares as the scheduler told; `equal`: at least one unknown, read as equal parts. */
  readonly sharing: 'whole' | 'stated' | 'equal';
  readonly ownedUs: number;
  readonly sampledUs: number;
  readonly attributedUs: number;
  readonly samples: number;
  /** sampledUs / ownedUs; undefined when nothing was sampled: `no data` is not 0. */
  readonly coverageRatio?: number;
  /** Time of the oldest sample of the table, when the job began before it: older ones have aged out or never were. */
  readonly oldestSampleUs?: number;
  /** True when figures are from `job_figures`: no percentiles, series, gaps, dips or throttle effects. */
  readonly isFromKeptFigures?: true;
  readonly gapCount: number;
  readonly gapUs: number;
  /** The first of them, by time. */
  readonly gaps: readonly Gap[];
  readonly devices: readonly JobDevice[];
  readonly gauges: readonly JobGauge[];
  readonly energy: Energy;
  readonly idleUs?: number;
  readonly lastActiveUs?: number;
  /** Events of the nodes that concern no single device. */
  readonly nodeEvents: readonly JobEvent[];
  readonly dips?: Dips;
  readonly throttleEffects: readonly ThrottleEffect[];
  /** Gauges that are left out, with the reason. */
  readonly notMeasured: readonly { readonly keys: readonly GaugeKey[]; readonly reason: string }[];
}
