import { GRAMS_PER_KWH_MAX } from '../../core/costs/hourly-grams.ts';
import type * as values from '../values.ts';

/** Of an hour of a GPU or a kWh, in whatever currency. */
const PRICE_MAX = 1e9;
/** No site wastes so much. */
const PUE_MAX = 10;
const RGU_MAX = 1e6;

/** What GPU time and energy cost. */
export const COST_KEYS = {
  about: 'what GPU time and its energy cost: reports tell what is given here, and nothing where nothing is',
  keys: {
    currency: {
      type: (is: typeof values) => is.currency.exactOptional(),
      doc: 'of all prices; needed where there is one',
      example: 'EUR',
    },
    gpu_hour: {
      type: (is: typeof values) => is.modelRates({ max: PRICE_MAX }).exactOptional(),
      doc: 'price of an hour of a whole GPU (a MIG instance pays its slices), by the beginning of the name of its model in whole words, the longest counts, `other` for every other model: text of pairs (no map), as `NVIDIA H200=3.20, other=0.5`; a model that has none is told to be not priced',
      example: 'NVIDIA H200=3.20, NVIDIA A100=1.10',
    },
    kwh: {
      type: (is: typeof values) => is.decimal({ min: 0, max: PRICE_MAX }).exactOptional(),
      doc: 'price of a kWh',
      as: 'kwhPrice',
      example: 0.19,
    },
    pue: {
      type: (is: typeof values) => is.decimal({ min: 1, max: PUE_MAX }).exactOptional(),
      doc: 'energy of the site / energy of its machines (PUE), by which the price of energy and CO2e are multiplied',
      unset: '1: the energy of the GPUs alone',
      example: 1.3,
    },
    grams_per_kwh: {
      type: (is: typeof values) => is.decimal({ min: 0, max: GRAMS_PER_KWH_MAX }).exactOptional(),
      doc: 'g of CO2e of a kWh, of all time',
      replaces: 'grams_file',
      example: 120,
    },
    grams_file: {
      type: (is: typeof values) => is.path.exactOptional(),
      doc: 'or of each hour: a CSV file with the columns `ts` (start of the hour, UTC) and `grams`, read by each report (`docs/reports.md`)',
      replaces: 'grams_per_kwh',
      example: 'grams.csv',
    },
    rgu: {
      type: (is: typeof values) => is.modelRates({ max: RGU_MAX }).exactOptional(),
      doc: 'normalised units (RGU) of a whole GPU, as `costs.gpu_hour`',
      example: 'NVIDIA H100=12.2, NVIDIA A100=4',
    },
    idle_tail_credit: {
      type: (is: typeof values) => is.decimal({ min: 0, max: 1 }).exactOptional(),
      doc: 'part of the price of the idle time at the end of ended jobs that bills give back (`docs/bill.md`)',
      unset: 'nothing is given back, and bills have no such column',
      example: 0.5,
    },
  },
} as const;
