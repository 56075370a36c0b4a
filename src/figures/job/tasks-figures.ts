import type { Costs } from '../../core/costs/costs.ts';
import type { IdleLimits } from '../../core/fields/idle-limits.ts';
import type { CostBasis } from '../cost-basis.ts';
import type { InvalidRollup } from '../invalid-rollups.ts';
import type { Quantity } from '../quantity.ts';
import type { OtherJob, OwnedFigures } from './figures.ts';

/** What was measured of a run of a task, or of all of them. */
export interface TaskAmounts extends OwnedFigures {
  /** Pooled: Σ SM activity·dt / Σ dt. */
  readonly smActive: Quantity | undefined;
  /** Distinct devices. */
  readonly devices: number;
  /** Undefined where nothing is configured; without CO2e where grams are by the hour. */
  readonly costs: Costs | undefined;
}

/** One run of one task of an array, or of one component of a heterogeneous job. Times are epoch µs. */
export interface TaskFigures extends TaskAmounts {
  /** Number of the task or component; undefined where nobody told. */
  readonly task: string | undefined;
  /** The scheduler's raw id. */
  readonly jobId: string;
  /** The id as people type it. */
  readonly typedId: string;
  /** What beside it tells it apart from others; an older run is told by its number. `submittedUs`: epoch µs. */
  readonly which: {
    readonly cluster?: string | undefined;
    readonly submittedUs?: number | undefined;
    readonly run?: number | undefined;
  };
  readonly run: number;
  /** How many runs the task had. */
  readonly runCount: number;
  readonly state: string | undefined;
  readonly exitCode: number | undefined;
  readonly startUs: number;
  /** For a running one the time up to which it was looked at. */
  readonly endUs: number;
  readonly isOpen: boolean;
  /** The command that shows all of it. */
  readonly command: string;
}

/** The account of an array or a heterogeneous job as a whole. */
export interface TasksFigures {
  readonly family: 'array' | 'het';
  /** As it was typed. */
  readonly jobId: string;
  readonly askedStep: string | undefined;
  readonly cluster: string | undefined;
  readonly name: string | undefined;
  readonly user: string | undefined;
  readonly account: string | undefined;
  readonly partition: string | undefined;
  readonly isSynthetic: boolean;
  readonly startUs: number;
  readonly endUs: number;
  readonly isOpen: boolean;
  /** Below which SM activity their devices count as idle. */
  readonly idleLimits: IdleLimits;
  /** Undefined where nothing is configured. */
  readonly costBasis: CostBasis | undefined;
  readonly nodes: number;
  /** Ascending by task and run. */
  readonly tasks: readonly TaskFigures[];
  readonly all: TaskAmounts;
  /** Others that bear the id, newest first. */
  readonly otherJobs: readonly OtherJob[];
  /** As of a job. */
  readonly invalidRollups: readonly InvalidRollup[];
}
