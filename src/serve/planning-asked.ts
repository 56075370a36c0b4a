import * as z from 'zod';
import { readMonth } from '../core/calendar/month.ts';
import { LOOKS_BACK, HORIZON_EXPECTED, readHorizonWeeks, readWhatIf } from '../figures/asked/planning.ts';
import { BILL_GROUPINGS } from '../figures/bill/totals.ts';
import type { WhatIfQuestion } from '../figures/right-size/what-if.ts';
import { asWritten, CLUSTER, WINDOW } from './asked.ts';

/** What reports for planners are asked for, behind the `?` of an address. */

const OF_CLUSTER = CLUSTER.optional().describe('Only what is of this cluster');
const since = (usual: string): z.ZodType<string | undefined> =>
  WINDOW.since.describe(`How far to look back: 12h, 7d, 4w (default: ${usual})`);

export const PLAN_ASKED = { cluster: OF_CLUSTER, ...WINDOW } as const;

export const QUEUE_ASKED = { cluster: OF_CLUSTER, ...WINDOW } as const;

export const FORECAST_ASKED = {
  cluster: OF_CLUSTER,
  since: since(LOOKS_BACK.forecast),
  to: WINDOW.to,
  horizon: asWritten(readHorizonWeeks, HORIZON_EXPECTED)
    .optional()
    .describe('How far to look ahead: 1w to 12w (default: 12w)'),
} as const;

export const RELIABILITY_ASKED = {
  cluster: OF_CLUSTER,
  ...WINDOW,
  since: since(LOOKS_BACK.reliability),
} as const;

export const RIGHT_SIZE_ASKED = {
  cluster: OF_CLUSTER,
  ...WINDOW,
  since: since(LOOKS_BACK.rightSize),
  'what-if': z
    .string()
    .transform((text, context) =>
      text.split(',').flatMap((one): WhatIfQuestion[] => {
        const question = readWhatIf(one);
        if (!('why' in question)) return [question];
        context.addIssue(question.why);
        return [];
      }),
    )
    .optional()
    .describe(
      'Replay the window with mig=PROFILE:COUNT or idle-limit=DURATION; several with commas between them',
    ),
} as const;

export const BILL_ASKED = {
  month: asWritten(readMonth, 'expected a month from 1970-01 on, such as 2026-10').describe(
    'Of the time zone of the configuration',
  ),
  by: z
    .enum(BILL_GROUPINGS, { error: `expected one of ${BILL_GROUPINGS.join(', ')}` })
    .optional()
    .describe('Whose lines (default: account)'),
  cluster: OF_CLUSTER,
  version: asWritten(
    (text) => (/^[1-9]\d{0,5}$/.test(text) ? Number(text) : undefined),
    'a version is a whole number from 1 on',
  )
    .optional()
    .describe('As it was issued (default: the newest)'),
} as const;
