import type { ForecastWeek } from './forecast.ts';

/** When demand passes what there is: numbers of weeks, undefined where it does not within the forecast. */
export interface Shortage {
  readonly week: number | undefined;
  /** By the upper bound of the interval, so never later; and by the lower one. */
  readonly earliestWeek: number | undefined;
  readonly latestWeek: number | undefined;
}

/** @param capacity of a week, in the unit of demand */
export function shortageOf(weeks: readonly ForecastWeek[], capacity: number): Shortage {
  const firstPast = (of: (week: ForecastWeek) => number): number | undefined =>
    weeks.find((week) => of(week) > capacity)?.week;
  return {
    week: firstPast(({ expected }) => expected),
    earliestWeek: firstPast(({ high }) => high),
    latestWeek: firstPast(({ low }) => low),
  };
}
