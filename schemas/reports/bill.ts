/** `gpuledger report bill --json`: of a month. */
import { z } from 'zod';
import { count, joules, momentUs, ratio, us } from './parts.ts';

const money = z.number().optional();

const amounts = {
  ownedUs: us.describe('Time for which GPUs were owned, by parts, of MIG instances by slices'),
  seconds: count.describe('The same in whole seconds, which add up to those of all'),
  cost: money.describe('Time × price of the model, in the currency, in whole coins, which add up'),
  unpricedUs: us.optional().describe('Time that has no price'),
  credit: money.describe('What is given back of the cost, for idle time at the end of jobs'),
  idleTailUs: us.optional().describe('That time'),
  toPay: money.describe('Cost less credit'),
  energyJoules: joules.optional().describe('In whole Wh, which add up'),
  energyUs: us.describe('GPU time of which the energy is known'),
  energyCost: money.describe('kWh × PUE × price of a kWh'),
  co2eGrams: count.optional(),
} as const;

const totals = {
  rows: z.array(
    z.strictObject({
      name: z.string().optional(),
      node: z.string().optional(),
      model: z.string().optional(),
      cluster: z.string().optional(),
      ...amounts,
    }),
  ),
  all: z.strictObject(amounts),
  unpricedModels: z.array(z.string().nullable()).optional().describe('null: nobody told the model'),
  unsizedDevices: count.optional(),
} as const;

/** The bill of a month. */
export const billReport = z.strictObject({
  month: z.string(),
  fromUs: momentUs,
  toUs: momentUs,
  untilUs: momentUs,
  state: z.enum(['issued', 'draft', 'provisional']),
  version: count.optional(),
  issuedUs: momentUs.optional(),
  id: z.string().optional(),
  firstUs: momentUs.optional().describe('When the store first heard of an owner of a GPU'),
  isSynthetic: z.boolean(),
  by: z.enum(['account', 'user', 'device']),
  cluster: z.string().optional(),
  terms: z.strictObject({
    timeZone: z.string(),
    currency: z.string().optional(),
    gpuHour: z
      .strictObject({ models: z.record(z.string(), z.number()), others: z.number().optional() })
      .optional(),
    kwhPrice: z.number().optional(),
    pue: z.number().optional(),
    gramsPerKwh: z.number().optional(),
    isGramsByHour: z.literal(true).optional(),
    idleTailCredit: ratio.optional(),
  }),
  openStays: count.describe('Stays of jobs of which nobody has told the end in time'),
  unresolvedUs: us.describe('Time of owners whom nobody could name: in no line'),
  untoldTails: count.optional(),
  missingHours: count.optional(),
  ...totals,
  before: z
    .strictObject({ version: count, issuedUs: momentUs, ...totals })
    .optional()
    .describe('The version before it, by the same groups'),
});
