/** `/api/v1/nodes/NAME` of `gpuledger serve`: what there is on a node, what it does, and what happened there. */
import { z } from 'zod';
import { jobsRow } from './jobs-report.ts';
import { count, invalidRollups, momentUs, ratio, us } from './parts.ts';

const text = z.string().optional();

const device = z.strictObject({
  cluster: text,
  gpu: z.string().describe('UUID'),
  index: count.optional(),
  model: text,
  memoryBytes: count.optional(),
  migProfile: text,
  driver: text,
  owners: z
    .array(z.strictObject({ typedId: z.string(), jobId: z.string(), run: count, user: text }))
    .describe('Running jobs that have it now'),
  last: z
    .strictObject({
      tsUs: momentUs,
      smActiveRatio: ratio.optional(),
      powerWatts: z.number().optional(),
      memoryUsedBytes: z.number().optional(),
    })
    .optional()
    .describe('Its newest sample of a day'),
});

const event = z.strictObject({
  tsUs: momentUs,
  endUs: momentUs.optional(),
  gpu: text.describe('Left out of what happened to the whole node'),
  kind: z.string(),
  code: z.number().int().optional(),
  subject: text,
  text,
  jobId: text,
});

export const nodeReport = z.strictObject({
  node: z.string(),
  fromUs: momentUs,
  toUs: momentUs,
  isSynthetic: z.boolean(),
  devices: z.array(device),
  coverage: z
    .strictObject({ seenUs: us, knownUs: us })
    .optional()
    .describe('Device time that was seen, of that between the first and the last sign'),
  events: z.array(event).describe('The newest of the window, newest first'),
  eventCount: count,
  jobs: z.array(jobsRow).describe('Runs that had a device of it in the window, each whole'),
  invalidRollups: invalidRollups.optional(),
});
