/** `gpuledger report user NAME --json`: what the jobs of a user did that ended in a window, beside the window before. */
import { z } from 'zod';
import { CAUSES } from '../../src/core/analysis/causes.ts';
import { costRates, costs } from './costs.ts';
import { count, invalidRollups, joules, momentUs, us } from './parts.ts';

const text = z.string().optional();

const endedRuns = z
  .strictObject({
    fromUs: momentUs,
    toUs: momentUs,
    runs: count,
    states: z.array(z.strictObject({ state: text, runs: count })),
    ownedUs: us.describe('Length of the ownership intervals of all devices, not reduced by shares'),
    ownedGpuUs: us.describe('The same in GPU time: MIG instances by slices'),
    sampledUs: us.describe('Time for which samples speak'),
    attributedUs: us.describe('The same in GPU time, reduced by shares'),
    usedUs: us.optional().describe('SM activity times GPU time'),
    wastedUs: z.number().optional().describe('What was known less what was used'),
    usedKnownUs: us.describe('GPU time of which that is known'),
    bestJoules: joules.optional(),
    bestUs: us.describe('GPU time of which that is known'),
    costs,
  })
  .describe('Runs of jobs that ended after fromUs and up to toUs, each whole');

/** The digest of a user. */
export const userReport = z.strictObject({
  user: z.string(),
  cluster: text,
  isSynthetic: z.boolean(),
  costRates,
  ended: endedRuns,
  before: endedRuns,
  notEnded: count.describe('Runs that were there and had not ended when the window did'),
  withoutGpus: count.describe('Runs of which nobody recorded any GPUs: in no other figure'),
  causes: z
    .strictObject({
      runs: count,
      ownedUs: us.describe('What the parts add up to'),
      parts: z.partialRecord(z.enum(CAUSES), z.strictObject({ us, joules: joules.optional() })),
    })
    .optional()
    .describe('Where the GPU time of the ended ones went of which that was kept'),
  lostBy: z
    .enum(['lost', 'wasted'])
    .describe(
      'lost: seen and not effective; wasted, where that is known of too little: GPU time less SM activity',
    ),
  losing: z
    .array(
      z.strictObject({
        typedId: z.string(),
        jobId: z.string().describe("The scheduler's raw id"),
        run: count,
        cluster: text,
        name: text,
        state: text,
        endUs: momentUs,
        ownedGpuUs: us,
        lostUs: us,
        findings: z.array(z.string()).optional(),
        command: z.string(),
      }),
    )
    .describe('Those that lost most, most first'),
  findings: z
    .strictObject({ runs: count, rules: z.array(z.strictObject({ rule: z.string(), runs: count })) })
    .optional()
    .describe(
      'Of how many of the ended ones it was kept which rules had something to say, and of how many each had',
    ),
  invalidRollups: invalidRollups.optional(),
});
