/** `gpuledger report capacity --json`: of the fleet. */
import { z } from 'zod';
import { costRates, costs } from './costs.ts';
import { whatIf } from './right-size.ts';
import { count, energyKeys, idleLimits, invalidRollups, joules, momentUs, ratio, us } from './parts.ts';

const sums = {
  attributedUs: us.describe('GPU time by shares; over all rows that of all GPUs'),
  instanceUs: us.optional().describe('What of it is of MIG instances, not by slices'),
  idleUs: us.optional(),
  idleKnownUs: us,
  wastedUs: us.optional(),
  smActiveMean: ratio.optional(),
  smKnownUs: us,
  ...energyKeys,
  costs,
} as const;

const KINDS = ['group', 'others', 'unresolved', 'unattributed', 'unowned', 'unallocated', 'cut'] as const;

const row = z.strictObject({
  kind: z.enum(KINDS),
  name: z.string().optional(),
  also: z
    .array(z.string().nullable())
    .optional()
    .describe('The further names of a group, one for each of also; null where nobody told it'),
  cluster: z.string().optional(),
  period: z.string().optional(),
  ...sums,
  unownedUs: us.optional().describe("The group's devices while no job owned them: part of the row unowned"),
  unownedJoules: joules.optional(),
  unownedEnergyUs: us.optional(),
  jobs: count,
});

const installedTimes = {
  unseenUs: us.optional().describe('The GPUs were there, and nobody sampled them'),
  downUs: us.optional().describe('Not seen while the scheduler said that the node was down'),
  drainedUs: us.optional().describe('Nobody owned it, and the node took no jobs'),
  fragmentedUs: us
    .optional()
    .describe('Nobody owned it, and a job waited that found as many GPUs, but on more nodes than it can use'),
  freeUs: us.optional().describe('Nobody owned it, and the node took jobs'),
  unownedUs: us.optional().describe('Nobody owned it, and nobody told whether the node took jobs'),
  partlyFreeUs: us.optional().describe('What shares and MIG instances leave of GPUs'),
  idleHeadUs: us.optional(),
  idleUs: us.optional().describe('Idle between work, or nobody told when'),
  idleTailUs: us.optional(),
  stalledUs: us.optional().describe('Waiting for the slowest, or no progress'),
  lowUs: us.optional().describe('Busy with few SMs, or throttled'),
  effectiveUs: us.optional(),
  untoldUs: us.optional().describe('Owned, not idle, and nobody told apart what was done'),
} as const;

const installed = z.strictObject({
  rows: z.array(
    z.strictObject({
      kind: z.enum([...KINDS, 'unseen']),
      name: z.string().optional(),
      also: z.array(z.string().nullable()).optional(),
      cluster: z.string().optional(),
      period: z.string().optional(),
      ...installedTimes,
    }),
  ),
  all: z.strictObject(installedTimes),
  inPieces: z
    .enum(['told', 'queueNotAsked', 'windowTooLong'])
    .optional()
    .describe(
      'Whether `fragmentedUs` is told apart from `freeUs`; a part that is told and took no time is left out',
    ),
});

const billing = z.strictObject({
  compared: count,
  unbilled: count,
  unrecorded: count,
  differences: z.array(
    z.strictObject({
      jobId: z.string(),
      run: count,
      cluster: z.string().optional(),
      ownedUs: us,
      billedUs: us,
      gpus: count,
      devices: count,
    }),
  ),
  isCut: z.boolean(),
});

const period = z.enum(['hour', 'day', 'week', 'month']);
const name = z.enum(['user', 'account', 'partition', 'qos', 'node', 'model', 'cluster']);

/** The account of the fleet. */
export const capacityReport = z.strictObject({
  by: z.union([name, period]),
  also: z.array(name).optional().describe('By what else the groups are told apart'),
  every: period.optional(),
  timeZone: z.string().optional().describe('By whose clocks months begin, where that is not UTC'),
  cluster: z.string().optional(),
  where: z
    .array(z.strictObject({ by: name, names: z.array(z.string()) }))
    .optional()
    .describe('Only what fits all of these is told'),
  top: count.optional().describe('So many groups are told by name, the others are the row others'),
  askedFromUs: momentUs,
  askedToUs: momentUs,
  fromUs: momentUs,
  toUs: momentUs,
  roundedTo: z.enum(['minute', 'hour', 'day']),
  isAged: z.literal(true).optional(),
  devices: count,
  migInstances: count,
  nodes: count,
  knownUs: us.optional().describe('For how long the GPUs were there; not told of some jobs alone'),
  isSynthetic: z.boolean(),
  samples: count,
  sampledUs: us,
  rows: z.array(row),
  installed: installed.describe('Where the time of the GPUs went: each µs is in one part of one row'),
  all: z.strictObject({ ...sums, jobs: count }),
  sharedUs: z.strictObject({ stated: us, measured: us, equal: us }),
  areSharesScaled: z.literal(true).optional(),
  undividedUs: us.optional(),
  unknownSlicesUs: us.optional(),
  lastSigns: z.array(z.strictObject({ gpu: z.string(), node: z.string(), lastUs: momentUs })).optional(),
  reusedIdsLeft: count.optional(),
  billing: billing.optional(),
  closeIdsLeft: count.optional(),
  invalidRollups,
  idleLimits,
  costRates,
  isNarrowed: z
    .literal(true)
    .optional()
    .describe(
      'Of the web server: groups whose names are not for whoever asks are one row, others, and nothing is named but groups',
    ),
  hasActivity: z.boolean(),
  whatIfs: z.array(whatIf).optional().describe('Where `--what-if` asked, as `report right-size` has them'),
});
