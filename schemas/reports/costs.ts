/** What of costs is in the JSON of reports, where it is configured. */
import { z } from 'zod';
import { joules, momentUs, us } from './parts.ts';

const amount = z.number().nonnegative().optional();
const covered = us.optional();
const rates = z
  .strictObject({ models: z.record(z.string(), z.number()), others: z.number().optional() })
  .optional();

/** Amounts, each with how much it is of. */
export const costs = z
  .strictObject({
    gpuCost: amount.describe('Σ GPU time × price of the model, in the currency'),
    gpuCostUs: covered.describe('GPU time that has a price'),
    energyCost: amount.describe('kWh × PUE × price, in the currency'),
    energyCostUs: covered.describe('GPU time of which the energy is known'),
    co2eGrams: amount.describe('kWh × PUE × g per kWh'),
    co2eJoules: joules.optional().describe('Energy of which the grams are known'),
    rguHours: amount.describe('Σ GPU time × normalised units of the model'),
    rguUs: covered.describe('GPU time of which the normalised units are known'),
    ofUs: covered.describe('All of the GPU time'),
  })
  .optional();

export const costRates = z
  .strictObject({
    currency: z.string().optional(),
    gpuHour: rates,
    kwhPrice: z.number().optional(),
    pue: z.number().optional(),
    gramsPerKwh: z.number().optional(),
    isGramsByHour: z.literal(true).optional(),
    missingHoursUs: z.array(momentUs).optional().describe('Hours of which the file of grams tells nothing'),
    rgu: rates,
  })
  .optional()
  .describe('By what costs were reckoned');
