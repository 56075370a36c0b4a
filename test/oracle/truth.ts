import type { Field } from '../../src/core/fields/field.ts';
import type { ScenarioJob } from '../../src/core/synthetic/scenario.ts';

/** What was sampled: the fields of one lane at given times. */
export interface TruthWindow {
  readonly fields: readonly Field[];
  readonly intervalMs: number;
  /** Times of the ticks, epoch µs, rising: an array, or `count` of them from `firstUs` on, one each interval. */
  readonly ticks: Float64Array | { readonly firstUs: number; readonly count: number };
  /** The report's window (fromUs, toUs]; default: from one interval before the first tick to the last tick. */
  readonly fromUs?: number;
  readonly toUs?: number;
}

/** One field over some rows. Rows in which it is blank do not count. */
export interface FieldTruth {
  /** Σ x·dt, in the field's unit times microseconds. */
  readonly sumXDt: number;
  /** Σ dt over rows in which x was known, microseconds, exact. */
  readonly knownDtUs: number;
  /** Rows in which x was known, also those with dt 0. */
  readonly knownSamples: number;
  /** Largest known x, also in rows with dt 0; NaN when none was known. */
  readonly max: number;
  /** dt-weighted nearest rank: the smallest x whose cumulative dt reaches the part q of `knownDtUs`; NaN when that is 0. */
  readonly p50: number;
  readonly p95: number;
}

/** Some rows of a lane: of one job on one device, of a device nobody owned, of a whole job … */
export interface Figures {
  readonly samples: number;
  /** Σ dt, microseconds, exact. */
  readonly dtUs: number;
  /** By column name, gauges only. */
  readonly fields: ReadonlyMap<string, FieldTruth>;
  /** Σ of the energy counter's rises; NaN when no rise was known (also when the lane has no energy counter). */
  readonly energyJoules: number;
  /** Σ dt over the rows whose rise was known. */
  readonly energyDtUs: number;
  /** Σ power·dt in joules; NaN when power was never known over any dt. */
  readonly powerJoules: number;
  /** Σ dt over the rows with sm_active below 5 %. */
  readonly idleDtUs: number;
}

/** The same sums with every row counted by the job's share of the device (NaN shares: equal parts of what the others leave). */
export interface Attributed {
  readonly dtUs: number;
  /** Owned time × share, microseconds, from the intervals and not from the samples; of groups, within the window. */
  readonly ownedUs: number;
  readonly idleDtUs: number;
  /** NaN when nothing was known. */
  readonly energyJoules: number;
  /** Σ of the time of its rises · share. */
  readonly energyDtUs: number;
  /** NaN when nothing was known. */
  readonly powerJoules: number;
  /** Σ sm_active·dt·share and the Σ dt·share over which it was known. */
  readonly smActiveDt: number;
  readonly smKnownDtUs: number;
}

/** One job run on one device: rows with start < ts ≤ end. */
export interface OwnershipTruth {
  readonly gpu: string;
  readonly node: string;
  readonly share: number;
  readonly ownedUs: number;
  readonly figures: Figures;
  readonly attributed: Attributed;
}

export interface JobTruth {
  readonly job: ScenarioJob;
  readonly devices: readonly OwnershipTruth[];
  /** Σ over devices of end − start, microseconds. */
  readonly ownedUs: number;
  /** All rows of all devices pooled. */
  readonly figures: Figures;
  readonly attributed: Attributed;
  /** figures.dtUs / ownedUs; NaN when there are no samples (`no data`). */
  readonly coverage: number;
}

export interface DeviceTruth {
  readonly gpu: string;
  readonly node: string;
  readonly model: string;
  /** Every row of the device. */
  readonly all: Figures;
  /** Rows that nobody owned. */
  readonly unowned: Figures;
  /** Rows by number of owners: samplesByOwners[2] had two. */
  readonly samplesByOwners: readonly number[];
}

/** One group of a capacity report. */
export interface GroupTruth extends Attributed {
  readonly group: string;
  /** Owned time, each device counted once however many jobs of the group share it, microseconds. */
  readonly physicalOwnedUs: number;
  /** Σ dt of rows with at least one owner in the group, each counted once. */
  readonly physicalDtUs: number;
  /** Distinct job ids, and job runs. */
  readonly jobs: number;
  readonly jobRuns: number;
}

export type Grouping = 'user' | 'account' | 'partition' | 'node' | 'model' | 'cluster';

/** The exact figures that a report over these ticks should show. */
export interface Truth {
  readonly jobs: readonly JobTruth[];
  readonly devices: readonly DeviceTruth[];
  readonly groups: Readonly<Record<Grouping, readonly GroupTruth[]>>;
  /** Everything that was sampled: Σ over devices of `all`, and of `unowned`. */
  readonly all: Figures;
  readonly unowned: Figures;
  /** Σ dt of owned rows that no share covers: the free half of a GPU of which one job owns a half. */
  readonly unattributedDtUs: number;
}
