/** What the report of a job tells of its earlier runs. */
import { z } from 'zod';
import { count, joules, momentUs, us } from './parts.ts';

const amounts = {
  gpuUs: us.optional(),
  joules: joules.optional(),
  periodUs: us.optional(),
  joulesPerStep: joules.optional(),
} as const;

const compared = z
  .strictObject({
    value: z.number().optional().describe('Of this run; absent where it is not known, or not over yet'),
    median: z.number(),
    mad: z.number().describe('Median of how far the earlier values are from their median'),
    runs: count.describe('Of how many earlier runs it is known'),
    isRegressed: z.literal(true).optional(),
  })
  .optional();

export const jobHistory = z
  .strictObject({
    runs: z
      .array(
        z.strictObject({
          job: z.string().describe('As people type it'),
          run: count,
          startUs: momentUs,
          endUs: momentUs,
          ...amounts,
        }),
      )
      .describe('Newest first'),
    compared: z
      .strictObject({ gpuUs: compared, joules: compared, periodUs: compared, joulesPerStep: compared })
      .describe('This run beside them, in the unit of each key'),
  })
  .describe('The last runs of the same user, name and cluster on as many GPUs of the same models');
