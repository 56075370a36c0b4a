/** What the report of a job concludes from its samples: causes, steps, the slowest device, bounds. */
import { z } from 'zod';
import { CAUSES } from '../../src/core/analysis/causes.ts';
import { costs } from './costs.ts';
import { count, joules, ratio, us } from './parts.ts';

const causeAmounts = {
  ownedUs: us.describe('What the parts add up to'),
  parts: z
    .partialRecord(z.enum(CAUSES), z.strictObject({ us, joules: joules.optional(), costs }))
    .describe('GPU time and energy by cause; causes of no time are left out'),
  waitingLeastUs: us.optional(),
  waitingMostUs: us.optional(),
} as const;

export const causes = z
  .union([
    z.strictObject({ notTold: z.enum(['no_engine', 'aged_out']) }),
    z.strictObject({
      ...causeAmounts,
      origin: z.enum(['samples', 'minutes', 'minutes_alone']).describe('What was read'),
      isKept: z.literal(true).optional().describe('Told while the samples were there'),
      isCut: z.literal(true).optional().describe('Short pauses were not looked for everywhere'),
    }),
  ])
  .describe('Where the owned time went');

export const deviceCauses = z.strictObject(causeAmounts);

const around = { intervalUs: us, firstLightUs: us.optional(), drainUs: us.optional() } as const;

export const steps = z.union([
  z.strictObject({
    none: z.enum([
      'too_short',
      'steady',
      'aperiodic',
      'too_fine',
      'disagree',
      'coarse',
      'shared',
      'inactive',
      'aged_out',
    ]),
    ...around,
  }),
  z.strictObject({
    periodUs: us,
    periodMinUs: us,
    periodMaxUs: us,
    driftRatio: z.number().optional(),
    explainedRatio: ratio,
    windowsAgreed: count,
    windows: count,
    count,
    activeUs: us,
    joulesPerStep: joules.optional(),
    single: z.strictObject({ count, p50Us: us, p95Us: us }).optional(),
    ...around,
  }),
]);

export const slowest = z
  .strictObject({
    gpu: z.string(),
    kind: z.enum(['computes_longest', 'fed_late']),
    deviceCount: count,
    ratio,
    othersRatio: ratio,
    leadsRatio: ratio,
    why: z.enum(['device', 'work']).optional(),
    lostUsMax: us.optional(),
    linkErrors: count.optional(),
    pcieLanes: count.optional(),
  })
  .describe('The device that the others wait for');

export const gauge30 = z
  .strictObject({
    windowUs: us,
    phases: count,
    smMean: ratio,
    smMeanMin: ratio,
    smMeanMax: ratio,
    smLow: ratio,
    smLowMissed: ratio,
    powerPeakWatts: z.number().optional(),
    powerPeakMissedWatts: z.number().optional(),
  })
  .describe('What a gauge would have said that is read every 30 s');

export const bounds = z
  .strictObject({
    class: z.enum([
      'idle',
      'tensor-heavy',
      'tensor',
      'fp64',
      'io',
      'memory-bound',
      'compute-heavy',
      'compute',
      'memory-active',
      'busy-low-sm',
      'low',
      'mixed',
    ]),
    roof: z.enum(['compute', 'memory', 'low']),
    mfuMax: ratio,
    memoryRatio: ratio,
    tensorFlopsMax: z.number().optional(),
    tensorFlopsPeak: z.number().optional(),
    memoryBytesPerSecond: z.number().optional(),
    memoryBytesPerSecondPeak: z.number().optional(),
    peaksOf: z.string().optional(),
    peaksSource: z.string().optional(),
  })
  .describe('Bounds, no measurements: activities times what the data sheet says');
