import * as z from 'zod';
import { nearestWords } from '../../schemas/nearest.ts';
import { asClusterName } from '../core/devices/cluster-name.ts';
import { OperatingError } from '../core/base/errors.ts';
import { capacityRowsExpected, readCapacityRows, readTop } from '../figures/asked/capacity-rows.ts';
import type { WindowFlags } from '../figures/asked/report-window.ts';
import { JOB_ORDERS } from '../figures/job/jobs-figures.ts';

/** Longer names are mistakes. */
const NAME_LENGTH_MAX = 256;

const name = z
  .string()
  .max(NAME_LENGTH_MAX)
  .refine((text) => text.trim() !== '', 'expected a name, came nothing');
/** One that samples may bear. */
export const CLUSTER = name.transform((text) => asClusterName(text));
/** Read by the rule of the command line, which knows nothing of what it does not know. @param expected the sentence of that */
export function asWritten<T>(
  read: (text: string) => T | undefined,
  expected: string | ((text: string) => string),
): z.ZodPipe<z.ZodString, z.ZodTransform<T, string>> {
  return z
    .string('expected a value, came nothing')
    .max(NAME_LENGTH_MAX)
    .transform((text, context) => {
      const value = read(text);
      if (value === undefined) context.addIssue(typeof expected === 'string' ? expected : expected(text));
      return value ?? z.NEVER;
    });
}

const shown = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);

/** Which time a report is about: the same words as of the command line. */
export const WINDOW = {
  since: name.optional().describe('How far to look back: 12h, 7d, 4w (default: 7d)'),
  from: name.optional().describe('ISO date or time, UTC'),
  to: name.optional().describe('ISO date or time, UTC (default: now)'),
} as const;

export const JOBS_ASKED = {
  user: name.optional().describe('Only those of this user'),
  account: name.optional().describe('Only those of this account'),
  partition: name.optional().describe('Only those of this partition'),
  qos: name.optional().describe('Only those of this QOS'),
  cluster: CLUSTER.optional().describe('Only those of this cluster'),
  state: name.optional().describe('Only those in this state: COMPLETED, FAILED, RUNNING, …'),
  name: name.optional().describe('Only those with this in their name'),
  ...WINDOW,
  sort: z
    .enum(JOB_ORDERS, { error: `expected one of ${JOB_ORDERS.join(', ')}` })
    .optional()
    .describe('Which come first'),
} as const;

export const USER_ASKED = {
  cluster: CLUSTER.optional().describe('Only what is of this cluster'),
  ...WINDOW,
} as const;

export const NODE_ASKED = WINDOW;

export const CAPACITY_ASKED = {
  by: asWritten(readCapacityRows, capacityRowsExpected)
    .optional()
    .describe('Whose rows, as --by (default: account)'),
  cluster: CLUSTER.optional().describe('Only the GPUs of this cluster'),
  user: name.optional().describe('Only jobs of this user'),
  account: name.optional().describe('Only jobs of this account'),
  partition: name.optional().describe('Only jobs of this partition'),
  qos: name.optional().describe('Only jobs of this QOS'),
  node: name.optional().describe('Only the GPUs of this node'),
  model: name.optional().describe('Only GPUs of this model, as the inventory names it'),
  top: asWritten(readTop, 'expected a number of rows, 1 or more')
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

/** As `askedOf` reads it. */
export type AskedWindow = { readonly [K in keyof WindowFlags]?: string | undefined };

/** Without keys of which nothing is known, as figures take it. */
export function windowOf({ since, from, to }: AskedWindow): WindowFlags {
  return {
    ...(since === undefined ? {} : { since }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  };
}
