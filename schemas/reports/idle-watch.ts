/** `gpuledger watch-idle --json`: which running jobs idle. */
import { z } from 'zod';
import { count, idleLimits, invalidRollups, momentUs, us } from './parts.ts';

const text = z.string().optional();

const key = { cluster: text, jobId: z.string(), run: count } as const;
const since = {
  sinceUs: momentUs,
  untilUs: momentUs.describe('The newest sample'),
  isAtLeast: z.literal(true).optional().describe('It may have been idle before, too: that was not seen'),
} as const;

const idleJob = z.strictObject({
  ...key,
  typedId: z.string().describe('As people type it: 6_1, 2+1, 4217'),
  name: text,
  user: text,
  account: text,
  partition: text,
  startUs: momentUs,
  gpus: count.describe('Devices that it has'),
  idle: z.array(z.strictObject({ node: z.string(), gpu: z.string(), ...since })),
  ...since,
  idleUs: us,
  lostGpuUs: us
    .optional()
    .describe('GPU time that went by on them; left out where the slices of one are not known'),
  command: z.string(),
});

export const idleWatch = z.strictObject({
  nowUs: momentUs,
  afterUs: us,
  isSynthetic: z.boolean(),
  idleLimits,
  running: count,
  idle: z.array(idleJob).describe('All devices idle'),
  partlyIdle: z.array(idleJob).describe('Some devices idle while others work'),
  working: count,
  notSeen: z.array(z.strictObject({ ...key, why: z.enum(['no_samples', 'gaps', 'unrecorded']) })),
  shared: z
    .array(z.strictObject(key))
    .describe('A part of a device, whose activity says nothing of one owner'),
  invalidRollups: invalidRollups.optional(),
});
