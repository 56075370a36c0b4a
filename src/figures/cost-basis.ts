import type { CostRates } from '../core/costs/costs.ts';
import { hoursOf, type HourEnergy } from '../core/costs/hourly-grams.ts';

/** By what the costs of a report were reckoned. */
export interface CostBasis {
  readonly rates: CostRates;
  /** Hours in which energy was drawn, and of which the file of grams tells nothing: their starts in epoch µs, ascending. */
  readonly missingHoursUs: readonly number[];
}

/** Whether it takes knowing in which hour energy was drawn. */
export function needsHours(rates: CostRates): boolean {
  return typeof rates.gramsPerKwh === 'object';
}

/** @param hours in which energy was drawn, in any order */
export function costBasis(rates: CostRates, hours: Iterable<HourEnergy>): CostBasis {
  const { gramsPerKwh } = rates;
  const missing = new Set<number>();
  if (typeof gramsPerKwh === 'object')
    for (const hour of hours)
      if (hour.joules > 0)
        for (const hourUs of hoursOf(hour)) if (!gramsPerKwh.has(hourUs)) missing.add(hourUs);
  return { rates, missingHoursUs: [...missing].sort((a, b) => a - b) };
}

/** For reports that do not look up in which hours energy was drawn: of grams by the hour they tell nothing. */
export function withoutHours(rates: CostRates): CostRates {
  return needsHours(rates) ? { ...rates, gramsPerKwh: undefined } : rates;
}
