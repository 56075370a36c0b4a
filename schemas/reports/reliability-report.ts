/** `gpuledger report reliability --json`: how often GPUs and nodes fail, and what that cost jobs. */
import { z } from 'zod';
import { count, momentUs, ratio, us } from './parts.ts';

const rate = z.number().nonnegative();
const expected = z.number().nonnegative();

const node = z.strictObject({
  node: z.string(),
  cluster: z.string().optional(),
  seenUs: us.describe('For how long one of its GPUs was seen'),
  failures: count,
  signs: z
    .strictObject({ xid: count, gpu_lost: count, node_down: count, node_fail: count })
    .describe('In how many failures each sign was'),
  lastFailureUs: momentUs.optional(),
  expected: expected.describe('Failures, if all nodes failed alike'),
  p: ratio.describe('Chance of as many or more then'),
  adjustedP: ratio.describe('The same, where the worst of so many nodes is looked at (Holm)'),
  isLemon: z.boolean().describe('adjustedP below 0.01, and three failures or more'),
});

/** Faults of hardware. */
export const reliabilityReport = z.strictObject({
  cluster: z.string().optional(),
  fromUs: momentUs,
  toUs: momentUs,
  isSynthetic: z.boolean(),
  models: z.array(
    z.strictObject({
      model: z.string().optional(),
      gpus: count,
      seenUs: us.describe('Time of whole GPUs'),
      classes: z
        .array(
          z.strictObject({
            class: z.enum(['gpu', 'memory', 'link', 'application', 'other']),
            events: count,
            incidents: count.describe('Those of one GPU within 15 minutes of each other count once'),
            perGpuYear: rate.describe('Incidents of a GPU in a year of seen time'),
            perGpuYearLow: rate,
            perGpuYearHigh: rate.describe('Bounds of 95 %'),
          }),
        )
        .describe('XIDs by what they are about'),
    }),
  ),
  nodes: z.array(node).describe('Those that stray most first'),
  seenNodeUs: us,
  failures: count,
  unplacedFailures: count.describe('Part of them: nobody told of which node'),
  meanTimeToFailure: z
    .strictObject({ meanUs: us.optional(), lowUs: us.optional(), highUs: us.optional() })
    .describe('Of a node, with bounds of 95 %; without failures there is a lower bound alone'),
  lost: z.strictObject({
    runs: count.describe('Runs of jobs that a failure ended'),
    requeued: count,
    leastUs: us,
    mostUs: us.describe('All that these runs had in the window: nobody tells of their checkpoints'),
    availableUs: us.describe('GPU time that jobs had'),
    productiveRatioLow: ratio.optional(),
    productiveRatioHigh: ratio.optional(),
  }),
  unseenEvents: count.describe('XIDs of GPUs that were not seen: in no rate'),
  deafNodes: count.describe('Nodes on which not all XIDs were heard'),
});
