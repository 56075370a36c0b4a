import { HOUR_US } from '../base/hour.ts';
import { gramsIn, type HourEnergy, type HourlyGrams } from './hourly-grams.ts';
import { rateOf, type ModelRates } from './model-rates.ts';

/** What a site says that its GPUs and its energy cost. What is undefined is in no report. */
export interface CostRates {
  /** Of all prices; undefined where there are none. */
  readonly currency: string | undefined;
  /** Price of an hour of a whole GPU. */
  readonly gpuHour: ModelRates | undefined;
  /** Normalised units of a whole GPU. */
  readonly rgu: ModelRates | undefined;
  /** Price of a kWh. */
  readonly kwhPrice: number | undefined;
  /** Energy of the site / energy of its machines, 1 or more; undefined counts as 1. */
  readonly pue: number | undefined;
  /** g of CO2e a kWh, of all time or by the hour. */
  readonly gramsPerKwh: number | HourlyGrams | undefined;
}

/**
 * An amount, and of how much it is one. Amounts are never rounded, so that those of parts add up to that of the whole; what has no rate
 * adds nothing to `value`, and `of` tells that it was there.
 */
export interface Amount {
  /** Undefined where nothing is covered: not known is not 0. */
  readonly value: number | undefined;
  readonly covered: number;
  readonly of: number;
}

/** What GPU time and its energy cost. A key is there where it is configured. */
export interface Costs {
  /** In the currency; `covered` and `of`: GPU time, µs. */
  readonly gpuHours?: Amount;
  /** Hours of normalised units; `covered` and `of`: GPU time, µs. */
  readonly rguHours?: Amount;
  /** In the currency, PUE included; `covered`: the time for which energy is known, `of`: GPU time, µs. */
  readonly energy?: Amount;
  /** g of CO2e, PUE included; `covered` and `of`: the energy that is known, J. */
  readonly carbon?: Amount;
}

/** GPU time of devices of one model. */
export interface ModelTime {
  readonly model: string | undefined;
  /** By parts of owners, of MIG instances by slices. */
  readonly us: number;
  /** False of a MIG instance of which it is not known how large it is: no rate is its. */
  readonly isSizeKnown: boolean;
}

export interface UsedEnergy {
  /** J; undefined where nothing is known. */
  readonly joules: number | undefined;
  /** GPU time for which it is known, µs. */
  readonly knownUs: number;
  /** When it was drawn, where that is known: needed where grams are by the hour. */
  readonly hours: readonly HourEnergy[] | undefined;
}

const JOULES_PER_KWH = 3.6e6;

/** What this time and this energy cost. */
export function costsOf(rates: CostRates, times: readonly ModelTime[], energy: UsedEnergy): Costs {
  const timeUs = times.reduce((sum, { us }) => sum + us, 0);
  return {
    ...(rates.gpuHour === undefined ? {} : { gpuHours: timeAmount(rates.gpuHour, times) }),
    ...(rates.rgu === undefined ? {} : { rguHours: timeAmount(rates.rgu, times) }),
    ...energyCosts(rates, timeUs, energy),
  };
}

/** Σ hours × rate. */
export function timeAmount(rates: ModelRates, times: readonly ModelTime[]): Amount {
  return addAmounts(
    times.map(({ model, us, isSizeKnown }) => {
      const rate = isSizeKnown ? rateOf(rates, model) : undefined;
      if (rate === undefined || us === 0) return { value: undefined, covered: 0, of: us };
      return { value: (us / HOUR_US) * rate, covered: us, of: us };
    }),
  );
}

/** @param timeUs all GPU time, also that of which energy is not known */
export function energyCosts(
  { kwhPrice, pue = 1, gramsPerKwh }: CostRates,
  timeUs: number,
  energy: UsedEnergy,
): Pick<Costs, 'energy' | 'carbon'> {
  const { joules, knownUs } = energy;
  return {
    ...(kwhPrice === undefined
      ? {}
      : {
          energy: {
            value: joules === undefined ? undefined : (joules / JOULES_PER_KWH) * pue * kwhPrice,
            covered: joules === undefined ? 0 : knownUs,
            of: timeUs,
          },
        }),
    ...(gramsPerKwh === undefined ? {} : { carbon: carbonOf(gramsPerKwh, pue, energy) }),
  };
}

function carbonOf(grams: number | HourlyGrams, pue: number, { joules = 0, hours = [] }: UsedEnergy): Amount {
  const told =
    typeof grams === 'number'
      ? [{ joules, perKwh: grams }]
      : hours.map((hour) => ({ joules: hour.joules, perKwh: gramsIn(grams, hour) }));
  const parts = told.map((part): Amount => {
    const { joules: own, perKwh } = part;
    if (perKwh === undefined || own === 0) return { value: undefined, covered: 0, of: 0 };
    return { value: (own / JOULES_PER_KWH) * pue * perKwh, covered: own, of: 0 };
  });
  return { ...addAmounts(parts), of: joules };
}

function addAmounts(amounts: readonly Amount[]): Amount {
  let sum: Amount = { value: undefined, covered: 0, of: 0 };
  for (const { value, covered, of } of amounts)
    sum = {
      value: value === undefined ? sum.value : (sum.value ?? 0) + value,
      covered: sum.covered + covered,
      of: sum.of + of,
    };
  return sum;
}

const KEYS = ['gpuHours', 'rguHours', 'energy', 'carbon'] as const satisfies readonly (keyof Costs)[];

/** Of several together. */
export function addCosts(all: readonly Costs[]): Costs {
  return Object.fromEntries(
    KEYS.flatMap((key) => {
      const amounts = all.flatMap((costs) => costs[key] ?? []);
      return amounts.length === 0 ? [] : [[key, addAmounts(amounts)] as const];
    }),
  );
}
