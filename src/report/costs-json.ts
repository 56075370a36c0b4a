import type { Amount, Costs } from '../core/costs/costs.ts';
import type { ModelRates } from '../core/costs/model-rates.ts';
import type { CostBasis } from '../figures/cost-basis.ts';

/** By what costs were reckoned; undefined where nothing is configured. */
export function costRatesJson(basis: CostBasis | undefined): object | undefined {
  if (basis === undefined) return undefined;
  const { currency, gpuHour, rgu, kwhPrice, pue, gramsPerKwh } = basis.rates;
  const isHourly = typeof gramsPerKwh === 'object';
  return {
    currency,
    gpuHour: ratesJson(gpuHour),
    kwhPrice,
    pue,
    gramsPerKwh: isHourly ? undefined : gramsPerKwh,
    isGramsByHour: isHourly ? true : undefined,
    missingHoursUs: isHourly ? basis.missingHoursUs : undefined,
    rgu: ratesJson(rgu),
  };
}

function ratesJson(rates: ModelRates | undefined): object | undefined {
  if (rates === undefined) return undefined;
  return { models: Object.fromEntries(rates.models) as object, others: rates.others };
}

/**
 * Amounts, each with how much it is of: `…Us` is the GPU time that has a rate, or of which the energy is known, `co2eJoules` the
 * energy of which the grams are known.
 */
export function costsJson(costs: Costs | undefined): object | undefined {
  if (costs === undefined) return undefined;
  const { gpuHours, energy, carbon, rguHours } = costs;
  return {
    ...amountJson('gpuCost', 'gpuCostUs', gpuHours),
    ...amountJson('energyCost', 'energyCostUs', energy),
    ...amountJson('co2eGrams', 'co2eJoules', carbon),
    ...amountJson('rguHours', 'rguUs', rguHours),
    ofUs: (gpuHours ?? rguHours ?? energy)?.of,
  };
}

function amountJson(value: string, covered: string, amount: Amount | undefined): object {
  return amount === undefined ? {} : { [value]: amount.value, [covered]: amount.covered };
}
