/** `gpuledger report job ID --json`: of one run of one job. */
import { z } from 'zod';
import { bounds, causes, deviceCauses, gauge30, slowest, steps } from './job-analysis.ts';
import { costRates, costs } from './costs.ts';
import { host, hostDoing } from './job-host.ts';
import { jobHistory } from './job-history.ts';
import {
  amounts,
  count,
  energy,
  GAUGES,
  idleLimits,
  invalidRollups,
  momentUs,
  otherJobs,
  ratio,
  us,
  use,
} from './parts.ts';

const text = z.string().optional();

const identity = {
  jobId: z.string().describe("The scheduler's raw id"),
  run: count,
  otherRuns: z.array(count),
  otherJobs,
  cluster: text,
  submitUs: momentUs.optional(),
  sluid: text,
  arrayJobId: text,
  hetJobId: text,
  task: text,
  askedStep: text,
  name: text,
  user: text,
  account: text,
  partition: text,
  qos: text,
  state: text,
  exitCode: z.number().int().optional(),
} as const;

const gaugeKeys = {
  mean: z.number().nullable().describe('Over the time in which it was known; null over no time'),
  min: z.number().optional(),
  max: z.number(),
  knownUs: us,
  p50: z.number().optional(),
  p95: z.number().optional(),
  barWidth: z.number().optional().describe('The percentiles are middles of bars of a histogram that wide'),
} as const;

const event = z.strictObject({
  tsUs: momentUs,
  endUs: momentUs.optional(),
  node: z.string(),
  gpu: text,
  kind: z.string(),
  code: z.number().int().optional(),
  subject: z.string(),
  text: z.string(),
});

const stretch = {
  lengthUs: us,
  fromUs: momentUs.optional(),
  isAtLeast: z.literal(true).optional(),
} as const;

const smShares = z
  .partialRecord(
    z.enum(['tensor', 'fp64', 'fp32', 'fp16']),
    z.strictObject({ ratio: z.number(), knownUs: us }),
  )
  .optional()
  .describe('What part of the SM activity the activity of each pipe was');

const device = z.strictObject({
  gpu: z.string(),
  node: z.string(),
  index: count.optional(),
  model: text,
  memoryBytes: count.optional(),
  migProfile: text,
  sliceRatio: ratio.optional(),
  ...amounts,
  gauges: z.partialRecord(z.enum(GAUGES), z.strictObject(gaugeKeys)),
  energy,
  lastActiveUs: momentUs.optional(),
  ...use,
  idleSmRatio: ratio,
  smShares,
  longestIdle: z.strictObject(stretch).optional(),
  events: z.array(event),
  causes: deviceCauses.optional(),
  costs,
});

const gap = z.strictObject({ gpu: z.string(), fromUs: momentUs, toUs: momentUs });

const finding = z.strictObject({
  rule: z.string(),
  text: z.string(),
  lostGpuUs: us.optional().describe('GPU time that it took; no time is in two findings'),
  confidence: z.enum(['samples', 'minutes', 'kept', 'told']),
  fromUs: momentUs,
  toUs: momentUs,
  gpus: z.array(z.string()),
  limit: z
    .strictObject({ value: z.number(), unit: z.enum(['ratio', 'microseconds']), source: z.string() })
    .optional()
    .describe('From where on the rule speaks'),
  evidence: z.array(z.enum([...GAUGES, 'gpu_events', 'jobs', 'job_figures', 'gpu_inventory', 'host_jobs'])),
  host: hostDoing.optional(),
  command: z.string().optional().describe('What to type'),
});

/** The account of one run of one job. */
export const jobReport = z.strictObject({
  ...identity,
  isSynthetic: z.boolean(),
  startUs: momentUs,
  endUs: momentUs.describe('Of a running job the time up to which it was looked at'),
  isOpen: z.boolean(),
  boundaryUs: us.describe('A boundary inside a tick costs at most this much'),
  sharing: z.enum(['whole', 'stated', 'measured', 'equal']),
  areSharesScaled: z.literal(true).optional(),
  ...amounts,
  coverageRatio: ratio.optional(),
  oldestSampleUs: momentUs.optional(),
  isFromKeptFigures: z.literal(true).optional(),
  isFromRollups: z.literal(true).optional(),
  undividedUs: us.optional(),
  mixedUs: us.optional(),
  invalidRollups: invalidRollups.optional(),
  gapCount: count.optional(),
  gapUs: us.optional(),
  gaps: z.array(gap).optional().describe('The first of them'),
  unplacedGaps: z.strictObject({ count, us }).optional(),
  causes: causes.optional(),
  devices: z.array(device),
  gauges: z.array(
    z.strictObject({
      key: z.enum(GAUGES),
      column: z.string().describe('Of the sample tables; the unit is in its name'),
      ...gaugeKeys,
      spread: z.number().optional(),
      series: z
        .array(z.number().nullable())
        .describe('Means of equal parts of the time; null where nothing was sampled'),
    }),
  ),
  energy,
  costs,
  costRates,
  ...use,
  idleLimits,
  smShares,
  longestIdle: z.strictObject({ gpu: z.string(), ...stretch }).optional(),
  lastActiveUs: momentUs.optional(),
  nodeEvents: z.array(event),
  dips: z.strictObject({ count, floorRatio: ratio, lengthUs: us, periodUs: us, timeRatio: ratio }).optional(),
  throttleEffects: z.array(z.strictObject({ event, gpu: z.string(), smRatio: ratio, othersSmRatio: ratio })),
  host: host.optional(),
  steps: steps.optional(),
  slowest: slowest.optional(),
  gauge30: gauge30.optional(),
  bounds: bounds.optional(),
  notMeasured: z.array(z.strictObject({ keys: z.array(z.enum(GAUGES)), reason: z.string() })),
  history: jobHistory.optional(),
  verdict: z.string().describe('What the job did, in one sentence'),
  findings: z.array(finding).describe('What broke first, then what cost most'),
  rulesNotTold: z
    .array(z.strictObject({ rule: z.string(), lacks: z.array(z.enum([...GAUGES, 'fp32'])) }))
    .optional()
    .describe('Rules that may have had something to say, and what was not recorded'),
  rulesKept: z
    .array(z.string())
    .optional()
    .describe('Rules that found something while the samples were there, and cannot look any more'),
});
