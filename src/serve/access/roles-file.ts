import * as z from 'zod';
import { OperatingError } from '../../core/base/errors.ts';
import { parseConfigYaml } from '../../config/reading/yaml.ts';
import type { Viewer } from '../viewer.ts';
import { isName } from './secret-file.ts';

/** Who sees more than own jobs. */
export interface Roles {
  readonly operators: ReadonlySet<string>;
  /** By name of the user: whose jobs he sees beside his own. */
  readonly accounts: ReadonlyMap<string, ReadonlySet<string>>;
  /** As whom somebody signs in → as the scheduler calls him. */
  readonly names: ReadonlyMap<string, string>;
}

export const NO_ROLES: Roles = { operators: new Set(), accounts: new Map(), names: new Map() };

const name = z
  .string({ error: 'expected a name as text' })
  .refine(isName, { error: 'expected a name of 1 to 256 visible characters' });
const names = z.array(name, { error: 'expected a list of names' });

const schema = z.strictObject({
  operators: names.default([]),
  accounts: z.record(name, names, { error: 'expected accounts, and a list of names for each' }).default({}),
  names: z.record(name, name, { error: 'expected names, and the name of the user for each' }).default({}),
});

/**
 * A map in YAML: `operators: [carol]`, `accounts: {physics: [ada, bob]}`, `names: {ada@example.org: ada}`.
 * @throws OperatingError `serve.file`, with the line of what is not as expected
 */
export function parseRoles(text: string, path: string): Roles {
  const yaml = parseConfigYaml(text);
  const [problem] = yaml.problems;
  if (problem !== undefined)
    throw rolesError(problem.message.replace(/^not a configuration: /, ''), path, problem.line);
  const parsed = schema.safeParse(yaml.raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const keys = [...issue.path, ...(issue.code === 'unrecognized_keys' ? issue.keys : [])];
    const at = keys.filter((key) => typeof key !== 'symbol');
    throw rolesError(sentenceOf(issue), path, yaml.locate(at)?.line);
  }
  const accounts = new Map<string, Set<string>>();
  for (const [account, members] of Object.entries(parsed.data.accounts))
    for (const member of members) {
      if (!accounts.has(member)) accounts.set(member, new Set());
      accounts.get(member)!.add(account);
    }
  return {
    operators: new Set(parsed.data.operators),
    accounts,
    names: new Map(Object.entries(parsed.data.names)),
  };
}

function sentenceOf(issue: z.core.$ZodIssue): string {
  const place = issue.path.length === 0 ? '' : `${String(issue.path[0])}: `;
  if (issue.code === 'unrecognized_keys')
    return 'expected operators, accounts and names, came another key beside them';
  if (issue.path.length === 0) return 'expected a map of operators, accounts and names';
  return place + (issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message);
}

function rolesError(sentence: string, path: string, line: number | undefined): OperatingError {
  return new OperatingError(`roles: ${sentence}`, {
    code: 'serve.file',
    exit: 'config',
    where: line === undefined ? path : `${path}, line ${line}`,
    hints: ['as in docs/serve.md: operators: [carol], and below accounts: physics: [ada, bob]'],
  });
}

/** Somebody who has proved who he is, with what he may see. @param signedIn as he signed in */
export function viewerOf(signedIn: string, { operators, accounts, names }: Roles): Viewer {
  const user = names.get(signedIn) ?? signedIn;
  return { name: user, isOperator: operators.has(user), accounts: accounts.get(user) ?? new Set() };
}
