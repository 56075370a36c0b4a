/** What the report of a job tells of its nodes. */
import { z } from 'zod';
import { count, ratio, us } from './parts.ts';

const means = {
  seenUs: us.describe('Time for which rows of host_jobs speak, over all nodes'),
  cpuCores: z.number().nonnegative().optional().describe('CPUs of a node that were busy, on the mean'),
  cpuWaitRatio: ratio.optional().describe('Part of the time in which some process waited for a CPU'),
  ioWaitRatio: ratio.optional().describe('Part of the time in which some process waited for storage'),
  readBytesPerSecond: z.number().nonnegative().optional(),
  writeBytesPerSecond: z.number().nonnegative().optional(),
} as const;

export const host = z
  .strictObject({
    nodes: count,
    ownedUs: us.describe('How long the job had GPUs on its nodes'),
    ...means,
    cpuCoresMax: z.number().nonnegative().optional(),
    memoryPeakBytes: z.number().nonnegative().optional().describe('Of a node, with its page cache'),
    inPauses: z.strictObject(means).optional().describe('While all GPUs rested together'),
    atWork: z.strictObject(means).optional().describe('While they worked'),
  })
  .describe('What the job did with CPUs, storage and memory of its nodes, where that was recorded');

export const hostDoing = z
  .strictObject({
    ioWaitRatio: ratio.optional(),
    cpuCores: z.number().nonnegative().optional(),
    isAtRest: z.literal(true).optional().describe('Its processes hardly ran and hardly waited for storage'),
  })
  .describe('What the host did meanwhile');
