import type { StepFigures } from '../analysis/figures.ts';
import type { CauseAmounts, JobCauses, NoCauses, WaitingRange } from '../causes/figures.ts';

/** What a report concludes from the samples of a run, as `job_figures` keeps it of one device. */
export interface DeviceConclusions {
  /** What of the device's time they are of, not reduced by parts and slices. */
  readonly ownedUs: number;
  readonly causes: KeptCauses | NoCauses;
  /** The next two are the whole run's. */
  readonly steps: StepFigures | undefined;
  /** Ids of the rules that had something to say. */
  readonly rules: readonly string[];
}

export interface KeptCauses extends Pick<JobCauses, 'origin' | 'isCut' | 'waiting'> {
  readonly causes: CauseAmounts;
  readonly waiting: WaitingRange | undefined;
}

/** The same of a run: what its devices tell together. */
export interface RunConclusions {
  readonly causes: JobCauses | NoCauses;
  readonly steps: StepFigures | undefined;
  readonly rules: readonly string[];
}

/** `causes_origin` of a run without samples: nothing can be concluded, now or later. */
export const NOTHING_SEEN = 'no_samples';
