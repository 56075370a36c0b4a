/** `gpuledger report job ARRAY --json` and `gpuledger report jobs --json`: a row for each run. */
import { z } from 'zod';
import { CAUSES } from '../../src/core/analysis/causes.ts';
import { costRates, costs } from './costs.ts';
import { count, idleLimits, invalidRollups, momentUs, otherJobs, taskAmounts, us } from './parts.ts';

const text = z.string().optional();

const allAmounts = { ...taskAmounts, costs } as const;
const lostUs = us
  .optional()
  .describe(
    'GPU time that was seen and not effective; of ended jobs of which that was kept, and of all where it is of each',
  );

const run = {
  jobId: z.string().describe("The scheduler's raw id"),
  run: count,
  runCount: count,
  state: text,
  exitCode: z.number().int().optional(),
  startUs: momentUs,
  endUs: momentUs,
  isOpen: z.boolean(),
} as const;

/** The account of an array or a heterogeneous job. */
export const tasksReport = z.strictObject({
  family: z.enum(['array', 'het']),
  jobId: z.string().describe('As it was typed'),
  askedStep: text,
  cluster: text,
  name: text,
  user: text,
  account: text,
  partition: text,
  isSynthetic: z.boolean(),
  startUs: momentUs,
  endUs: momentUs,
  isOpen: z.boolean(),
  idleLimits,
  costRates,
  nodes: count,
  otherJobs,
  invalidRollups: invalidRollups.optional(),
  ...allAmounts,
  tasks: z.array(z.strictObject({ task: text, ...run, ...allAmounts, command: z.string() })),
});

/** A run of a list of jobs. */
export const jobsRow = z.strictObject({
  typedId: z.string().describe('As people type it: 6_1, 2+1, 4217'),
  ...run,
  cluster: text,
  name: text,
  user: text,
  account: text,
  partition: text,
  qos: text,
  nodes: count,
  ...allAmounts,
  lostUs,
  causes: z
    .partialRecord(z.enum(CAUSES), us)
    .optional()
    .describe('Where its GPU time went, as was kept of an ended run; causes of no time are left out'),
  findings: z
    .array(z.string())
    .optional()
    .describe('Ids of the rules that had something to say, as was kept of an ended run'),
  command: z.string(),
});

/** The account of many jobs, each run whole. */
export const jobsReport = z.strictObject({
  fromUs: momentUs,
  toUs: momentUs,
  filters: z.partialRecord(
    z.enum(['user', 'account', 'partition', 'qos', 'cluster', 'state', 'name']),
    z.string(),
  ),
  order: z.enum(['wasted', 'lost', 'idle', 'energy', 'gpu-hours', 'cost', 'start']),
  isSynthetic: z.boolean(),
  idleLimits,
  costRates,
  jobs: count.describe('Distinct jobs'),
  invalidRollups: invalidRollups.optional(),
  all: z.strictObject({ ...allAmounts, lostUs }).optional(),
  rows: z.array(jobsRow),
});
