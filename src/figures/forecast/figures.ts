import type { Forecast } from '../../core/forecast/forecast.ts';
import type { Shortage } from '../../core/forecast/shortage.ts';
import { STEP_US } from '../levels.ts';

/** What was wanted in a week. Times are µs of GPU time, MIG instances by slices. */
export interface DemandWeek {
  /** Monday, epoch µs, UTC. */
  readonly startUs: number;
  /** Σ dt that jobs owned. */
  readonly ownedUs: number;
  /** Σ dt of all samples. */
  readonly sampledUs: number;
  /** Σ over devices of the part of the week from their first to their last sign of life: what there was. */
  readonly knownUs: number;
  /** Σ over jobs that waited for GPUs of GPUs × time; undefined where too little of the week the queue was asked for. */
  readonly unmetUs: number | undefined;
  /** What the forecast is made from; undefined where too little of the week was seen. */
  readonly demandUs: number | undefined;
}

/** What demand is made of: what waited counts where it is known of as many weeks as a forecast takes. */
export type DemandBasis = 'owned' | 'owned_and_unmet';

/** All that `gpuledger report forecast` shows. */
export interface ForecastFigures {
  readonly cluster: string | undefined;
  readonly isSynthetic: boolean;
  readonly devices: number;
  /** Whole weeks, oldest first, from the first one that was seen from its begin on; epoch µs. Empty where there are none. */
  readonly weeks: readonly DemandWeek[];
  readonly basis: DemandBasis;
  /** Weeks that were asked for, 1 to 12. */
  readonly horizonWeeks: number;
  /** Numbers of weeks are positions in `weeks`, and go on after its end. */
  readonly forecast: Forecast;
  /** GPU time that there was in the newest week of which demand is known; undefined where there is none. */
  readonly capacityUs: number | undefined;
  /** Undefined where nothing is told. */
  readonly shortage: Shortage | undefined;
}

export const WEEK_US = 7 * STEP_US['1d'];

/** When a week begins, by its number: epoch µs. */
export function weekStartUs({ weeks }: Pick<ForecastFigures, 'weeks'>, week: number): number {
  return (weeks[0]?.startUs ?? 0) + week * WEEK_US;
}
