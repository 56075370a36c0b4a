import type { Costs } from '../../core/costs/costs.ts';
import type { IdleLimits } from '../../core/fields/idle-limits.ts';
import type { CostBasis } from '../cost-basis.ts';
import type { InstalledTimes } from './installed/parts.ts';
import type { InvalidRollup } from '../invalid-rollups.ts';
import type { Energy, Quantity } from '../quantity.ts';

/** Over what the rows of a capacity report are summed. */
export const CAPACITY_GROUPINGS = [
  'user',
  'account',
  'partition',
  'qos',
  'node',
  'model',
  'cluster',
  'hour',
  'day',
  'week',
  'month',
] as const;
export type CapacityGrouping = (typeof CAPACITY_GROUPINGS)[number];

/** Groups that are times, UTC: hours, days, ISO weeks and calendar months. */
export const CAPACITY_PERIODS = [
  'hour',
  'day',
  'week',
  'month',
] as const satisfies readonly CapacityGrouping[];
export type CapacityPeriod = (typeof CAPACITY_PERIODS)[number];

/** Groups that have names. */
export type CapacityName = Exclude<CapacityGrouping, CapacityPeriod>;
export const CAPACITY_NAMES = CAPACITY_GROUPINGS.filter(
  (by): by is CapacityName => !CAPACITY_PERIODS.some((period) => period === by),
);

/** Names that jobs have, wherever they run. */
const JOB_NAMES = ['user', 'account', 'partition', 'qos'] as const satisfies readonly CapacityName[];
export type JobName = (typeof JOB_NAMES)[number];

/** Only what has one of these names. */
export interface CapacityFilter {
  readonly by: CapacityName;
  readonly names: readonly string[];
}

export function isPeriod(by: CapacityGrouping): by is CapacityPeriod {
  return CAPACITY_PERIODS.some((period) => period === by);
}

export function isJobName(by: CapacityGrouping): by is JobName {
  return JOB_NAMES.some((name) => name === by);
}

/**
 * What a row stands for: a group of jobs (`group`), those whose names are not for whoever asks or that are not among the `top` (`others`), time that belongs to a job nobody could name (`unresolved`), the part
 * of shared devices that no share covers (`unattributed`), time that no job owned (`unowned`), what MIG instances leave of their
 * GPUs (`unallocated`), and GPUs that are cut into instances and could not be divided among them (`cut`).
 */
export type CapacityKind =
  'group' | 'others' | 'unresolved' | 'unattributed' | 'unowned' | 'unallocated' | 'cut';

/** Sums of one row. Times are µs of device time, by share; a row without samples does not exist. */
export interface CapacitySums {
  /** Σ dt·share, of MIG instances by their slices. Over all rows this adds up to the Σ dt of all GPUs. */
  readonly attributedUs: number;
  /** Part of the time in which SM activity was known in which the device was idle; undefined where it never was known. */
  readonly idle: Quantity<'microseconds'> | undefined;
  /** Pooled: Σ SM activity·dt·share / Σ dt·share over the samples that had a value. */
  readonly smActive: Quantity<'ratio'> | undefined;
  /** GPU-hours less SM activity: Σ (1 − SM activity)·dt·share over the samples that had a value. */
  readonly wasted: Quantity<'microseconds'> | undefined;
  readonly energy: Energy;
  /** Σ dt·share of MIG instances alone, not by their slices. */
  readonly instanceUs: number;
  /** Of this time and energy; undefined where nothing is configured. */
  readonly costs: Costs | undefined;
}

export interface CapacityRow extends CapacitySums {
  readonly kind: CapacityKind;
  /** Name of the group; undefined where `jobs` or the inventory does not tell it, and for the other kinds. */
  readonly name: string | undefined;
  /** The further names of the group, one for each of `also` of the figures; empty of the other kinds. */
  readonly also: readonly (string | undefined)[];
  /** Of a node, where it is known. */
  readonly cluster: string | undefined;
  /** `2026-11`, `2026-W09`, `2026-11-20`; undefined where rows are of the whole window, or the period is the group itself. */
  readonly period: string | undefined;
  /** By node, model, cluster, day, week and month: Σ dt of the group's devices while no job owned them; it is part of the row `unowned`, not of this one. */
  readonly unownedUs: number | undefined;
  /** What these devices drew in that time; part of the row `unowned`, too. */
  readonly unownedEnergy: Quantity<'joules'> | undefined;
  /** Jobs that owned a device of the group in the window: an id that was given again counts again, a requeue does not. */
  readonly jobs: number;
}

/** A row without how many jobs it is of. */
export type TimesRow = Omit<CapacityRow, 'jobs'>;

/** What nobody saw of the GPUs of a node. */
export interface UnseenNode {
  /** Where they are last, and its cluster, where those are known. */
  readonly name: string | undefined;
  readonly cluster: string | undefined;
  readonly parts: InstalledTimes;
}

/** Where the time of the GPUs of a group went. */
export interface InstalledRow {
  /** `unseen`: of all GPUs together, where rows are those of jobs. */
  readonly kind: CapacityKind | 'unseen';
  readonly name: string | undefined;
  readonly also: readonly (string | undefined)[];
  readonly cluster: string | undefined;
  readonly period: string | undefined;
  readonly parts: InstalledTimes;
}

/** The time of all GPUs that were there, each µs in one part of one row. */
export interface Installed {
  /** Of groups of devices and times with all of their time, of groups of jobs with what they owned; the other kinds have the rest. */
  readonly rows: readonly InstalledRow[];
  /** Σ over the rows. */
  readonly all: InstalledTimes;
  readonly inPieces: InPieces;
}

/**
 * Whether the part `fragmented` was told apart from `free`: nobody asked who waited, or the window is longer than the 31 days that are
 * read for it. Undefined where nobody's time is told at all.
 */
export type InPieces = 'told' | 'queueNotAsked' | 'windowTooLong' | undefined;

/** When a device was last heard of, by a sample or the inventory. */
export interface LastSign {
  readonly gpu: string;
  readonly node: string;
  readonly lastUs: number;
}

/** A run of which the scheduler counted another time than that for which it owned GPUs here. */
export interface BillingDifference {
  readonly jobId: string;
  readonly run: number;
  readonly cluster: string | undefined;
  /** Σ over its devices of the time for which it owned them, whatever its part. */
  readonly ownedUs: number;
  /** The scheduler's GPUs × elapsed time. */
  readonly billedUs: number;
  readonly gpus: number;
  readonly devices: number;
}

/** Owned time against what the scheduler counted, of job ids of which all that was told lies in the window. */
export interface BillingCheck {
  /** Ids of which both are known. */
  readonly compared: number;
  /** Ids that owned GPUs, of which nobody told how many the scheduler counted. */
  readonly unbilled: number;
  /** Ids that the scheduler says had GPUs, of which nobody here recorded any: their nodes may have no collector. */
  readonly unrecorded: number;
  /** By more than a minute a GPU, largest first. */
  readonly differences: readonly BillingDifference[];
  /** There are more than are looked at. */
  readonly isCut: boolean;
}

/** The account of the fleet: all that `gpuledger report capacity` shows, without any text of its own. Epoch µs. */
export interface CapacityFigures {
  readonly by: CapacityGrouping;
  /** By what else the groups are told apart. */
  readonly also: readonly CapacityName[];
  /** Rows are of one period each; undefined where they are of the whole window. */
  readonly every: CapacityPeriod | undefined;
  /** By whose clocks months begin, where that is not UTC. */
  readonly timeZone: string | undefined;
  /** The one that was asked for; undefined where all were. */
  readonly cluster: string | undefined;
  /** Only what fits all of these is in the rows and in `all`. */
  readonly where: readonly CapacityFilter[];
  /** The window that was asked for, and the whole minutes, hours or days around it, which are what was summed. */
  readonly askedFromUs: number;
  readonly askedToUs: number;
  readonly fromUs: number;
  readonly toUs: number;
  readonly roundedTo: 'minute' | 'hour' | 'day';
  /** Shorter buckets have aged out at an end of the window, which is why it is in such long ones. */
  readonly isAged: boolean;
  readonly isSynthetic: boolean;
  readonly nodes: number;
  /** Devices that were known in the window, MIG instances among them, and not the GPUs that are cut into these. */
  readonly devices: number;
  readonly migInstances: number;
  /** Rows of the sample table. */
  readonly samples: number;
  /** Σ dt over all samples, each device counted once, MIG instances and what they leave of their GPUs by slices. */
  readonly sampledUs: number;
  /**
   * Σ over devices of the part of the window from its first to its last sign of life, and never less than `sampledUs`: coverage is
   * `sampledUs / knownUs`. Undefined where only some jobs are asked about: devices were there for others, too.
   */
  readonly knownUs: number | undefined;
  /** Σ dt of MIG instances of which it is not known how many slices they have: in no row, but for `cut`. */
  readonly unknownSlicesUs: number;
  /** Devices whose last sign of life lies before the window's end by more than an hour, oldest first. */
  readonly lastSigns: readonly LastSign[];
  /** So many groups are shown, those with most GPU time, and the others together; undefined where all are. */
  readonly top: number | undefined;
  /** Groups by GPU time of the window, most first, periods in their order; then the other kinds. */
  readonly rows: readonly CapacityRow[];
  /** Where the time of all GPUs that were there went. */
  readonly installed: Installed;
  /** By node, whatever the rows are by. Empty where only some jobs are asked about. */
  readonly unseenNodes: readonly UnseenNode[];
  /** `idle` and `wasted` are of the owned time alone: nobody left the rest unused. */
  readonly all: CapacitySums & { readonly jobs: number };
  /** Part of the sampled time in which several jobs owned a device, and no owner set tells which: it is in no group. */
  readonly undividedUs: number;
  /**
   * Part of the groups' time that is of shared devices, by how the parts of it were found: by shares that were told, by
   * measured use, in equal parts.
   */
  readonly sharedUs: Readonly<Record<'stated' | 'measured' | 'equal', number>>;
  /** The shares that were told of some device were more than it has, and were made smaller in proportion. */
  readonly areSharesScaled: boolean;
  /** Ids that were given again and are more than a query holds: the time of all that had such an id is with one of them. */
  readonly reusedIdsLeft: number;
  /** Ids of which a bucket that holds the end of one job and the beginning of the next is with the later one. */
  readonly closeIdsLeft: number;
  /** Undefined of a window of more than 100 days. */
  readonly billing: BillingCheck | undefined;
  /** Groups whose names whoever asks may not see are one row `others`, and neither devices nor jobs are named. */
  readonly isNarrowed?: true;
  /** Rollups that the server has stopped keeping up to date: later changes are missing. */
  readonly invalidRollups: readonly InvalidRollup[];
  /** Below which SM activity devices count as idle; other limits are of models that there are. */
  readonly idleLimits: IdleLimits;
  /** Undefined where nothing of costs is configured. */
  readonly costBasis: CostBasis | undefined;
  /** Activity by which idleness and the mean are told; undefined when no lane samples it. */
  readonly hasActivity: boolean;
}

/** Whose the time was, and no more: asking for the rest takes longer than for this. */
export type CapacityTimes = Omit<
  CapacityFigures,
  'rows' | 'all' | 'installed' | 'unseenNodes' | 'top' | 'billing'
> & { readonly rows: readonly TimesRow[]; readonly all: CapacitySums };

/** Whether the time of a row was some job's. */
export function isOwned(kind: CapacityKind): boolean {
  return kind === 'group' || kind === 'others' || kind === 'unresolved';
}
