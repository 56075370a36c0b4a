import type { IdleLimits } from '../../core/fields/idle-limits.ts';
import type { CostBasis } from '../cost-basis.ts';
import type { InvalidRollup } from '../invalid-rollups.ts';
import type { CauseAmounts } from './causes/figures.ts';
import type { TaskAmounts } from './tasks-figures.ts';

/** By which a list of jobs is narrowed: what the scheduler told of them. */
export const JOB_FILTERS = ['user', 'account', 'partition', 'qos', 'cluster', 'state', 'name'] as const;
export type JobFilter = (typeof JOB_FILTERS)[number];

/** By which it is sorted, the largest first; what is not known comes last. */
export const JOB_ORDERS = ['wasted', 'lost', 'idle', 'energy', 'gpu-hours', 'cost', 'start'] as const;
export type JobOrder = (typeof JOB_ORDERS)[number];

/** What a job had and did with it, and what it lost. */
export interface JobAmounts extends TaskAmounts {
  /**
   * GPU time by parts and slices that was owned, less what was effective and less what is not known, µs; undefined where the causes
   * of any of it are not kept.
   */
  readonly lostUs: number | undefined;
}

/** One run of one job, all of it. Times are epoch µs. */
export interface JobsRow extends JobAmounts {
  /** As people type it: `6_1`, `2+1`, `4217`. */
  readonly typedId: string;
  /** The scheduler's raw id. */
  readonly jobId: string;
  readonly run: number;
  readonly runCount: number;
  readonly cluster: string | undefined;
  readonly name: string | undefined;
  readonly user: string | undefined;
  readonly account: string | undefined;
  readonly partition: string | undefined;
  readonly qos: string | undefined;
  readonly state: string | undefined;
  readonly exitCode: number | undefined;
  readonly startUs: number;
  /** For a running one the time up to which it was looked at. */
  readonly endUs: number;
  readonly isOpen: boolean;
  readonly nodes: number;
  /** Where its time went, as was kept of an ended run; undefined where that was not told. */
  readonly causes: CauseAmounts | undefined;
  /** Ids of the rules that had something to say of an ended run; undefined where that was not kept. */
  readonly rules: readonly string[] | undefined;
  /** What beside its id tells it apart from others; an older run is told by its number. `submittedUs`: epoch µs. */
  readonly which: {
    readonly cluster?: string | undefined;
    readonly submittedUs?: number | undefined;
    readonly run?: number | undefined;
  };
  /** The command that shows all of it. */
  readonly command: string;
}

/** Whether a part of some device was somebody else's; an instance is one by its slices. */
export function isShared({ attributedUs, sampledUs, ownedGpuUs, ownedUs }: JobsRow): boolean {
  return attributedUs < sampledUs * (ownedGpuUs / ownedUs) - 1;
}

/** The account of many jobs: of each run that was there in the window, whole. */
export interface JobsFigures {
  readonly fromUs: number;
  readonly toUs: number;
  readonly filters: Readonly<Partial<Record<JobFilter, string>>>;
  readonly order: JobOrder;
  readonly isSynthetic: boolean;
  /** Below which SM activity their devices count as idle. */
  readonly idleLimits: IdleLimits;
  /** Undefined where nothing is configured. */
  readonly costBasis: CostBasis | undefined;
  /** Distinct jobs. */
  readonly jobs: number;
  readonly rows: readonly JobsRow[];
  /** Undefined where there are none. */
  readonly all: JobAmounts | undefined;
  readonly invalidRollups: readonly InvalidRollup[];
}
