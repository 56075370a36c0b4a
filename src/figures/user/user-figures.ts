import type { Costs } from '../../core/costs/costs.ts';
import type { CostBasis } from '../cost-basis.ts';
import type { InvalidRollup } from '../invalid-rollups.ts';
import type { CauseAmounts } from '../job/causes/figures.ts';
import type { JobsRow } from '../job/jobs-figures.ts';
import type { Quantity } from '../quantity.ts';

/** What the runs of jobs that ended in a window had and did, each whole. Times are epoch µs. */
export interface EndedRuns {
  readonly fromUs: number;
  /** Those that ended at this very time are in it, those of `fromUs` are not. */
  readonly toUs: number;
  readonly runs: number;
  /** How many runs ended so, most first; of a run of which nobody told it, `undefined`. */
  readonly states: ReadonlyMap<string | undefined, number>;
  /** As of a job: device time, the same in GPU time, and what samples speak for. */
  readonly ownedUs: number;
  readonly ownedGpuUs: number;
  readonly sampledUs: number;
  readonly attributedUs: number;
  /** Some of them had a part of a device: what was used there is of that part, device time is not. */
  readonly isShared: boolean;
  /** Σ SM activity·dt; what is left of `knownUs` was allocated and not used. */
  readonly used: Quantity<'microseconds'> | undefined;
  readonly energy: Quantity<'joules'> | undefined;
  /** Undefined where nothing is configured. */
  readonly costs: Costs | undefined;
}

/** By what jobs are said to have lost most: one measure for all of them. */
export type LostBy = 'lost' | 'wasted';

export interface LosingRun {
  readonly row: JobsRow;
  /** GPU time, µs, more than 0. */
  readonly lostUs: number;
}

/** A rule, and of how many runs it had something to say. */
interface RuleCount {
  readonly rule: string;
  readonly runs: number;
}

/** What a user's jobs of a time did, beside those of the same time before. */
export interface UserFigures {
  readonly user: string;
  /** Undefined: of all. */
  readonly cluster: string | undefined;
  readonly isSynthetic: boolean;
  /** Undefined where nothing is configured. */
  readonly costBasis: CostBasis | undefined;
  readonly ended: EndedRuns;
  readonly before: EndedRuns;
  /** Runs that were there in the window and had not ended when it did. */
  readonly notEnded: number;
  /** Runs of which nobody recorded any GPUs; they are in no other figure. */
  readonly withoutGpus: number;
  /** Where the time of the ended ones went, of those of which that was kept. */
  readonly causes: { readonly runs: number; readonly parts: CauseAmounts };
  /** `lost` is what was seen and not effective; `wasted`, where that is known of too little, GPU time less SM activity. */
  readonly lostBy: LostBy;
  /** Those that lost most, most first. */
  readonly losing: readonly LosingRun[];
  /** What rules had to say of ended ones of which that was kept, those first that speak of most runs. */
  readonly findings: { readonly runs: number; readonly rules: readonly RuleCount[] };
  readonly invalidRollups: readonly InvalidRollup[];
}
