import { HOUR_US } from '../base/hour.ts';

/** No grid comes near: lignite alone is some 1,200. */
export const GRAMS_PER_KWH_MAX = 5000;

/** How much CO2e a kWh of the grid is, in g, by the start of the hour in epoch µs. An hour that is missing is not known. */
export type HourlyGrams = ReadonlyMap<number, number>;

/** Energy that was drawn from `fromUs` on within `lengthUs`, which are whole hours. */
export interface HourEnergy {
  readonly fromUs: number;
  readonly lengthUs: number;
  readonly joules: number;
}

/** Hours of a time, each by its start. */
export function hoursOf({ fromUs, lengthUs }: Omit<HourEnergy, 'joules'>): number[] {
  return Array.from({ length: Math.round(lengthUs / HOUR_US) }, (_, hour) => fromUs + hour * HOUR_US);
}

/** The mean of the hours of a time, g per kWh; undefined where any of them is missing. */
export function gramsIn(grams: HourlyGrams, time: Omit<HourEnergy, 'joules'>): number | undefined {
  const hours = hoursOf(time);
  const known = hours.flatMap((hourUs) => grams.get(hourUs) ?? []);
  if (known.length < hours.length || hours.length === 0) return undefined;
  return known.reduce((sum, value) => sum + value, 0) / hours.length;
}
