import * as z from 'zod';
import { nearestWords } from '../../schemas/nearest.ts';
import { asClusterName } from '../core/devices/cluster-name.ts';
import { OperatingError } from '../core/base/errors.ts';
import { CAPACITY_ROWS_EXPECTED, readCapacityRows, readTop } from '../figures/asked/capacity-rows.ts';
import type { WindowFlags } from '../figures/asked/report-window.ts';
import { JOB_ORDERS } from '../figures/job/jobs-figures.ts';

/** Longer names are mistakes. */
const NAME_LENGTH_MAX = 256;

const name = z
  .string()
  .max(NAME_LENGTH_MAX)
  .refine((text) => text.trim() !== '', 'expected a name, came nothing');
const cluster = name.transform((text) => asClusterName(text));
const shown = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);

/** Which time a report is about: the same words as of the command line. */
const WINDOW = {
  since: name.optional().describe('How far to look back: 12h, 7d, 4w (default: 7d)'),
  from: name.optional().describe('ISO date or time, UTC'),
  to: name.optional().describe('ISO date or time, UTC (default: now)'),
} as const;

export const JOBS_ASKED = {
  user: name.optional().describe('Only those of this user'),
  account: name.optional().describe('Only those of this account'),
  partition: name.optional().describe('Only those of this partition'),
  qos: name.optional().describe('Only those of this QOS'),
  cluster: cluster.optional().describe('Only those of this cluster'),
  state: name.optional().describe('Only those in this state: COMPLETED, FAILED, RUNNING, …'),
  name: name.optional().describe('Only those with this in their name'),
  ...WINDOW,
  sort: z
    .enum(JOB_ORDERS, { error: `expected one of ${JOB_ORDERS.join(', ')}` })
    .optional()
    .describe('Which come first'),
} as const;

export const USER_ASKED = {
  cluster: cluster.optional().describe('Only what is of this cluster'),
  ...WINDOW,
} as const;

export const NODE_ASKED = WINDOW;

export const CAPACITY_ASKED = {
  by: z
    .string()
    .max(NAME_LENGTH_MAX)
    .transform((text, context) => {
      const rows = readCapacityRows(text);
      if (rows === undefined) context.addIssue(CAPACITY_ROWS_EXPECTED);
      return rows ?? z.NEVER;
    })
    .optional()
    .describe('Whose rows, as --by (default: account)'),
  cluster: cluster.optional().describe('Only the GPUs of this cluster'),
  user: name.optional().describe('Only jobs of this user'),
  account: name.optional().describe('Only jobs of this account'),
  partition: name.optional().describe('Only jobs of this partition'),
  qos: name.optional().describe('Only jobs of this QOS'),
  node: name.optional().describe('Only the GPUs of this node'),
  model: name.optional().describe('Only GPUs of this model, as the inventory names it'),
  top: z
    .string()
    .transform((text, context) => {
      const top = readTop(text);
      if (top === undefined) context.addIssue('expected a number of rows, 1 or more');
      return top ?? z.NEVER;
    })
    .optional()
    .describe('So many groups, those with most GPU time, and all others together'),
  ...WINDOW,
} as const;

/** A parameter of an address is called by its name alone. */
export const asParameter = (parameter: string): string => parameter;

/**
 * What was asked for behind the `?` of an address. What is empty was not asked for: a form sends all of its fields.
 * @param query as fastify has read it
 * @throws OperatingError `serve.parameter`
 */
export function askedOf<S extends z.ZodRawShape>(shape: S, query: unknown): z.output<z.ZodObject<S>> {
  const known = Object.keys(shape);
  const given = givenOf(query, known);
  const read = z.object(shape).safeParse(Object.fromEntries(given));
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw wrongParameter(`${String(issue?.path[0] ?? '')}: ${issue?.message ?? 'not as expected'}`, []);
}

/** Texts by parameter. @throws OperatingError `serve.parameter` where one is unknown or given twice */
export function givenOf(query: unknown, known: readonly string[]): Map<string, string> {
  const given = new Map<string, string>();
  for (const [parameter, value] of Object.entries(query as Readonly<Record<string, unknown>>)) {
    if (!known.includes(parameter)) throw unknownParameter(parameter, known);
    if (typeof value !== 'string') throw wrongParameter(`${parameter}: expected one value, came several`, []);
    if (value !== '') given.set(parameter, value);
  }
  return given;
}

function unknownParameter(parameter: string, known: readonly string[]): OperatingError {
  const nearest = nearestWords(parameter, known, 2);
  return wrongParameter(`there is no parameter ${shown(parameter)} here`, [
    ...(nearest.length === 0 ? [] : [`did you mean: ${nearest.join(', ')}`]),
    known.length === 0 ? 'there is none' : `all of them: ${known.join(', ')}`,
  ]);
}

function wrongParameter(sentence: string, hints: readonly string[]): OperatingError {
  return new OperatingError(sentence, { code: 'serve.parameter', exit: 'usage', hints });
}

/** Without keys of which nothing is known, as figures take it. */
export function windowOf({
  since,
  from,
  to,
}: { readonly [K in keyof WindowFlags]?: string | undefined }): WindowFlags {
  return {
    ...(since === undefined ? {} : { since }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  };
}
