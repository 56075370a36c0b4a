import type { Amount, Costs, CostRates } from '../core/costs/costs.ts';
import type { CsvRow } from './text/csv-lines.ts';

/** Cells of a row; there are none of what is not configured. @param costs undefined for the names of the columns */
export function costCells(rates: CostRates | undefined, costs: Costs | undefined): CsvRow {
  if (rates === undefined) return {};
  const { currency, gpuHour, kwhPrice, gramsPerKwh, rgu } = rates;
  const cells = (
    configured: unknown,
    [value, covered]: readonly [string, string],
    amount: Amount | undefined,
  ): CsvRow =>
    configured === undefined
      ? {}
      : { [value]: amount?.value, [covered]: costs === undefined ? undefined : (amount?.covered ?? 0) };
  return {
    ...cells(gpuHour, ['gpu_cost', 'gpu_cost_us'], costs?.gpuHours),
    ...cells(kwhPrice, ['energy_cost', 'energy_cost_us'], costs?.energy),
    ...(currency === undefined ? {} : { currency }),
    ...cells(gramsPerKwh, ['co2e_grams', 'co2e_joules'], costs?.carbon),
    ...cells(rgu, ['rgu_hours', 'rgu_us'], costs?.rguHours),
  };
}
