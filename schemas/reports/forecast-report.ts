/** `gpuledger report forecast --json`: demand by week, and what it will be. */
import { z } from 'zod';
import { count, momentUs, us } from './parts.ts';

const method = z.enum(['mean_of_4', 'theil_sen', 'damped_trend']);
const weekStart = momentUs.describe('Monday, UTC');

/** GPU time of weeks; a forecast where it can be told. */
export const forecastReport = z.strictObject({
  cluster: z.string().optional(),
  isSynthetic: z.boolean(),
  devices: count,
  basis: z
    .enum(['owned', 'owned_and_unmet'])
    .describe('owned: what waited is not known of enough weeks, and demand is a lower bound'),
  horizonWeeks: count.describe('Weeks that were asked for'),
  weeks: z
    .array(
      z.strictObject({
        startUs: weekStart,
        ownedUs: us.describe('Sampled time that jobs owned'),
        sampledUs: us,
        knownUs: us.describe('Time of all devices, from the first to the last sign of life of each'),
        unmetUs: us
          .optional()
          .describe('GPUs × time of jobs that waited for GPUs, where the queue was asked'),
        demandUs: us.optional().describe('Left out where less than 80 % of the week was seen'),
      }),
    )
    .describe('Whole weeks, oldest first'),
  capacityUs: us.optional().describe('knownUs of the newest week of which demand is known'),
  step: z
    .strictObject({ startUs: weekStart, beforeUs: us, afterUs: us })
    .optional()
    .describe('Demand of the four weeks before and after it; the forecast is made from what came after'),
  refusal: z.enum(['few_weeks', 'few_since_step', 'end_unknown']).optional().describe('Why nothing is told'),
  weeksUsed: count.describe('Known weeks that a forecast can be made from'),
  weeksNeeded: count,
  method: method.optional(),
  tests: z
    .array(z.strictObject({ method, origins: count, meanAbsoluteErrorUs: us }))
    .describe('How far off each method would have been, from each of so many weeks on'),
  forecast: z.array(
    z.strictObject({
      startUs: weekStart,
      demandUs: us.describe('What is expected'),
      lowUs: us.describe('Nine truths of ten lie between'),
      highUs: us,
    }),
  ),
  shortage: z
    .strictObject({
      startUs: weekStart.optional(),
      earliestUs: momentUs.optional(),
      latestUs: momentUs.optional(),
    })
    .optional()
    .describe(
      'The first week in which more is expected than capacityUs; by the upper bound, and by the lower one. Left out: not in these weeks',
    ),
});
