import { parse } from 'yaml';
import * as z from 'zod';
import { messageOf, OperatingError } from '../src/core/base/errors.ts';

/** A named query: a file of SQL behind a comment that says, in YAML, what it answers and what can be asked. */
export interface NamedQuery {
  /** Of the file, without `.sql`. */
  readonly name: string;
  /** One line. */
  readonly title: string;
  /** What it answers, and what it does not. */
  readonly about: string;
  /** Which data there must be. */
  readonly needs: string;
  /** What becomes of devices that several jobs share. */
  readonly shared: keyof typeof SHARING;
  readonly parameters: ReadonlyMap<string, Parameter>;
  /** One statement in which parameters stand as `@name`. */
  readonly sql: string;
}

/** What a query says of shared devices, in the words that people read. */
export const SHARING = {
  divided: 'shared devices count by the parts of their owners',
  whole: 'does not divide: a shared device counts whole for each of its owners',
  device: 'of devices, whoever owns them: nothing is divided',
} as const;

const TYPES = [
  ...['job', 'user', 'account', 'node', 'device', 'kind', 'word'],
  ...['time', 'duration', 'bucket', 'number', 'count', 'gauge', 'lane'],
] as const;

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const PARAMETER_NAME = /^[a-z][a-z0-9]*$/;

const parameter = z.strictObject({
  type: z.enum(TYPES as readonly ParameterType[]),
  meaning: z.string().min(1),
  /** As a person would write it; of a text, empty is every one. Absent: it must be given. */
  default: z.union([z.string(), z.number()]).transform(String).optional(),
  /** Of a word. */
  choices: z.array(z.string()).min(2).optional(),
  /** Of a number; of a duration in µs. */
  least: z.number().optional(),
  most: z.number().optional(),
  /** Columns that a lane must have, one of which a gauge may be. */
  columns: z.array(z.string()).min(1).optional(),
});

/** `kind` is one of events; `bucket` a duration by which times are grouped; `count` a whole number. */
type ParameterType =
  | ('job' | 'user' | 'account' | 'node' | 'device' | 'kind' | 'word')
  | ('time' | 'duration' | 'bucket' | 'number' | 'count' | 'gauge' | 'lane');

export type Parameter = z.infer<typeof parameter>;

const header = z.strictObject({
  title: z.string().min(1).max(80),
  about: z.string().min(1),
  needs: z.string().min(1),
  shared: z.enum(Object.keys(SHARING) as (keyof typeof SHARING)[]),
  parameters: z.record(z.string().regex(PARAMETER_NAME), parameter).default({}),
});

/** What a parameter declares beside `@name`: a word after it and an underscore. */
const DERIVED: Readonly<Partial<Record<ParameterType, readonly string[]>>> = {
  job: ['from', 'to'],
  lane: ['minutes', 'hours', 'days', 'bars'],
  gauge: ['width'],
};

/**
 * Reads the text of a file of queries.
 * @param name of the file, without its ending
 * @throws OperatingError `query.file` (exit `data`): the header is not as expected, a parameter that is used is not in it, or one
 * that is in it is not used
 */
export function readNamedQuery(name: string, text: string): NamedQuery {
  const refuse = (problem: string): never => {
    throw new OperatingError(`the query ${name} is not as expected: ${problem}`, {
      code: 'query.file',
      exit: 'data',
      where: `${name}.sql`,
      hints: ['install gpuledger again'],
    });
  };
  if (!NAME.test(name)) refuse('a name is lower-case letters and digits with - between them');
  const [, yaml, sql] = /^\/\*\n([^]*?)\n\*\/\n([^]+)$/.exec(text) ?? refuse('it does not begin with /*');
  const read = header.safeParse(parsedYaml(yaml!, refuse));
  if (!read.success) return refuse(z.prettifyError(read.error).replaceAll(/\s*\n\s*/g, ' '));
  const parameters = new Map(Object.entries(read.data.parameters));
  const body = sql!.trim();
  if (body.includes(';') || /^\s*declare\b/i.test(body))
    refuse('expected one statement without ; or DECLARE');
  const used = usedVariables(body);
  const known = new Set([...parameters].flatMap(([own, { type }]) => variablesOf(own, type)));
  for (const one of used) if (!known.has(one)) refuse(`@${one} is no parameter`);
  for (const [own, { type }] of parameters)
    if (!variablesOf(own, type).some((one) => used.has(one))) refuse(`the parameter ${own} is not used`);
  return { ...read.data, name, parameters, sql: body };
}

/** Names behind each `@` of a statement. */
export function usedVariables(sql: string): ReadonlySet<string> {
  return new Set([...sql.matchAll(/@([a-z][a-z0-9_]*)/g)].map(([, name]) => name!));
}

function variablesOf(name: string, type: ParameterType): string[] {
  return [name, ...(DERIVED[type] ?? []).map((word) => `${name}_${word}`)];
}

function parsedYaml(text: string, refuse: (problem: string) => never): unknown {
  try {
    return parse(text);
  } catch (thrown) {
    return refuse(messageOf(thrown).split('\n')[0]!);
  }
}
