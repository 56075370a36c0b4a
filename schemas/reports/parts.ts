/** What the JSON of several reports has in common: base units with the unit in the name, and no key for what is not known. */
import { z } from 'zod';

/** A length of time in µs; of several devices they add up. */
export const us = z.number().nonnegative();
/** A moment, epoch µs. */
export const momentUs = z.number().int();
export const count = z.number().int().nonnegative();
/** A part of something, 0 to 1, but for rounding in the last digits. */
export const ratio = z
  .number()
  .min(0)
  .max(1 + 1e-9);
/** A length that rounding may have made a little less than nothing. */
const differenceUs = z.number();
export const joules = z.number();

export const GAUGES = [
  'smActive',
  'tensorActive',
  'dramActive',
  'engineActive',
  'gpuUtil',
  'power',
  'memoryUsed',
  'pcieSent',
  'pcieReceived',
  'nvlinkSent',
  'nvlinkReceived',
] as const;

/** Owned and sampled time. */
export const amounts = {
  ownedUs: us.describe('Length of the ownership intervals of all devices, not reduced by shares'),
  ownedGpuUs: us
    .optional()
    .describe('The same in GPU time: MIG instances by slices. Left out where it is the same'),
  sampledUs: us.describe('Time for which samples speak'),
  attributedUs: us.describe('The same in GPU time, reduced by shares'),
  samples: count,
} as const;

/** What was made of the time in which SM activity was known. */
export const use = {
  idleUs: us.optional().describe('GPU time below the limit of idleness'),
  idleKnownUs: us.describe('GPU time of which that is known'),
  usedUs: us.optional().describe('SM activity times GPU time'),
  wastedUs: differenceUs.optional().describe('What was known less what was used'),
} as const;

export const energyKeys = {
  bestJoules: joules
    .optional()
    .describe('By device the counter where that can be believed, else the integral of power, added up'),
  bestUs: us.describe('GPU time of which that is known'),
  counterJoules: joules.optional(),
  counterUs: us,
  powerJoules: joules.optional(),
  powerUs: us,
  dividedJoules: joules.optional().describe('What of it is a part of the energy of a GPU that is cut by MIG'),
  dividedUs: us.optional(),
} as const;
export const energy = z.strictObject(energyKeys);

export const idleLimits = z
  .strictObject({ smRatio: ratio, models: z.record(z.string(), ratio).optional() })
  .describe('SM activity below which devices count as idle: of all, and of models whose names begin so');

/** Rollups that the server has stopped keeping up to date. */
export const invalidRollups = z.array(z.string());

/** Another job that bears the same id. */
const otherJob = z.strictObject({
  cluster: z.string().optional(),
  submitUs: momentUs.optional(),
  startUs: momentUs,
  endUs: momentUs.optional(),
  user: z.string().optional(),
  state: z.string().optional(),
  taskCount: count.optional(),
  command: z.string(),
});
export const otherJobs = z.array(otherJob);

/** Amounts of a job among others, or of several together. */
export const taskAmounts = {
  devices: count,
  ...amounts,
  coverageRatio: ratio.optional(),
  energy,
  ...use,
  smActiveMean: ratio.optional(),
  smKnownUs: us,
} as const;
