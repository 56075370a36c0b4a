/** `gpuledger report queue --json`: who waited for GPUs, and which GPUs nobody used meanwhile. */
import { z } from 'zod';
import { count, idleLimits, momentUs, ratio, us } from './parts.ts';

const beside = {
  besideUs: us.describe('GPU time while a waiting job would have fitted, at most as much as was asked for'),
  hadUs: us.describe('All GPU time of the kind while the queue was asked'),
  fitsUs: us.describe('Time in which a waiting job would have fitted'),
};

export const queueReport = z.strictObject({
  fromUs: momentUs,
  toUs: momentUs,
  cluster: z.string().optional(),
  isSynthetic: z.boolean(),
  devices: count.describe('Whole GPUs'),
  migInstances: count.describe('Left out of all figures but the waits'),
  time: z
    .strictObject({
      knownUs: us.describe('From the first to the last sign of life of each: the sum of the others'),
      ownedUs: us,
      freeUs: us.describe('Of no job, on a node that took jobs'),
      outOfUseUs: us.describe('Of no job, on a node that was drained or down'),
      untoldUs: us.describe('Of no job, and nobody told how the node was'),
    })
    .describe('GPU time'),
  queue: z
    .strictObject({
      askedUs: us.describe('Time for which polls speak, over all clusters that were asked'),
      windowUs: us.describe('The window, once for each cluster that was asked'),
      waitedGpuUs: us.describe('GPUs × time of jobs that waited for GPUs'),
      unknownTypeGpuUs: us.describe('The same of those that ask for a type that no model here bears'),
      unknownTypes: z.array(z.string()),
      lastPollUs: momentUs,
      waitingJobs: count.describe('For GPUs, at the last poll'),
      waitingGpus: count,
      otherJobs: count.describe('That waited for something else then'),
    })
    .optional()
    .describe('Left out where nobody asked the queue'),
  freeBeside: z.strictObject(beside).optional().describe('Left out where it is unknown'),
  idleBeside: z
    .strictObject({
      ...beside,
      bucketUs: us.describe('A GPU counts that was owned and idle for the whole of so long'),
      keptUs: us.describe('Time of the window of which so fine a reading is kept'),
    })
    .optional()
    .describe('Left out where it is unknown'),
  fragmentation: z
    .array(
      z.strictObject({
        gpus: count.describe('Of a request on one node'),
        usableUs: us.describe('Free GPU time that such requests can use'),
        ratio: ratio.optional().describe('1 − usable / free'),
      }),
    )
    .optional()
    .describe('Left out where nobody told how the nodes were'),
  waits: z
    .array(
      z.strictObject({
        account: z.string().optional(),
        model: z.string().optional().describe('Left out where it is not told, or any will do'),
        size: z.enum(['1', '2-4', '5-8', '9+']).describe('GPUs of one job'),
        started: z
          .strictObject({ jobs: count, medianUs: us, p95Us: us })
          .optional()
          .describe('Runs that began in the window: from submission to start'),
        waiting: z
          .strictObject({ jobs: count, gpus: count, meanWaitUs: us })
          .optional()
          .describe('At the last poll, for GPUs'),
      }),
    )
    .describe('Those that waited longest in all first'),
  unknownWaits: count.describe('Runs that began of which nobody told when they were submitted'),
  idleLimits,
});
