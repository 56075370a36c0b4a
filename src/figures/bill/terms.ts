import type { CostRates } from '../../core/costs/costs.ts';
import type { ModelRates } from '../../core/costs/model-rates.ts';
import type { BillTerms } from './figures.ts';

/** The terms of the configuration, for a bill that is reckoned for the first time. */
export function termsOf(
  { currency, gpuHour, kwhPrice, pue, gramsPerKwh }: CostRates,
  { timeZone, idleTailCredit }: Pick<BillTerms, 'timeZone' | 'idleTailCredit'>,
): BillTerms {
  return {
    ...{ timeZone, currency, gpuHour, kwhPrice, pue },
    gramsPerKwh: typeof gramsPerKwh === 'object' ? 'hourly' : gramsPerKwh,
    // There is no price of which anything could be given back.
    idleTailCredit: gpuHour === undefined ? undefined : idleTailCredit,
  };
}

/** As `bills` keeps them: always the same text of the same terms. */
export function termsText(terms: BillTerms): string {
  const { timeZone, currency, gpuHour, kwhPrice, pue, gramsPerKwh, idleTailCredit } = terms;
  return JSON.stringify({
    timeZone,
    currency,
    gpuHour: ratesJson(gpuHour),
    kwhPrice,
    pue,
    gramsPerKwh,
    idleTailCredit,
  });
}

export function ratesJson(rates: ModelRates | undefined): object | undefined {
  if (rates === undefined) return undefined;
  const models = [...rates.models].sort(([a], [b]) => (a < b ? -1 : 1));
  return { models: Object.fromEntries(models), others: rates.others };
}

/** @param text of `termsText` */
export function readTerms(text: string): BillTerms {
  const { gpuHour, ...read } = JSON.parse(text) as Partial<Omit<BillTerms, 'gpuHour'>> & {
    readonly timeZone: string;
    readonly gpuHour?: { readonly models: Readonly<Record<string, number>>; readonly others?: number };
  };
  return {
    timeZone: read.timeZone,
    currency: read.currency,
    gpuHour: gpuHour && { models: new Map(Object.entries(gpuHour.models)), others: gpuHour.others },
    kwhPrice: read.kwhPrice,
    pue: read.pue,
    gramsPerKwh: read.gramsPerKwh,
    idleTailCredit: read.idleTailCredit,
  };
}
