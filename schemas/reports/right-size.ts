/** `gpuledger report right-size --json`: who could have done with less. */
import { z } from 'zod';
import { count, momentUs, ratio, us } from './parts.ts';

const size = z.strictObject({
  profile: z.string().optional().describe('Left out of the whole GPU'),
  slices: count,
  wholeSlices: count,
  memoryBytes: count,
});
const stays = z.strictObject({ runs: count, ownedUs: us });

/** What would have been. */
export const whatIf = z.discriminatedUnion('of', [
  z.strictObject({
    of: z.literal('mig'),
    profile: z.string(),
    count,
    models: z.array(z.string()),
    fitting: count.describe('Jobs for which the profile would have done, of those of which that is known'),
    known: count,
    usedUs: us,
    neededUs: us,
    neededMost: count,
  }),
  z.strictObject({
    of: z.literal('idle_limit'),
    limitUs: us,
    runs: count.describe('Jobs that idled at their end for longer'),
    freedUs: us,
    stoppedBefore: count.describe('Jobs that idled for longer before they worked'),
    maybeStopped: count.describe('Jobs whose pauses are longer together'),
    unknown: count,
    known: count,
  }),
]);

/** Sizes that would have done, and what packing them would have freed. */
export const rightSizeReport = z.strictObject({
  fromUs: momentUs,
  toUs: momentUs,
  cluster: z.string().optional(),
  isSynthetic: z.boolean(),
  groups: z.array(
    z.strictObject({
      cluster: z.string().optional(),
      account: z.string().optional(),
      name: z.string().optional(),
      model: z.string(),
      runs: count,
      ownedUs: us.describe('GPU time, MIG instances by slices'),
      memoryPeakBytes: z.number().nonnegative(),
      smP95: ratio.describe('95th percentile of SM activity, of the whole GPU'),
      had: size,
      size,
      sizedUs: us.describe('GPU time that this size would have taken'),
    }),
  ),
  sized: stays,
  unsized: z.partialRecord(
    z.enum(['several_gpus', 'shared', 'no_memory', 'no_activity', 'partly_seen', 'no_device', 'id_again']),
    stays,
  ),
  usedUs: us.describe('Time of whole GPUs of which anything was in use'),
  neededUs: us.describe('Time of whole GPUs that would have sufficed'),
  usedMost: count,
  neededMost: count,
  weeks: z.array(
    z.strictObject({ fromUs: momentUs, toUs: momentUs, freedUs: us, runs: count, failed: count }),
  ),
  whatIfs: z.array(whatIf),
});
