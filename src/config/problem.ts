import type * as z from 'zod';
import { nearestWords } from '../../schemas/nearest.ts';

/** Where a value stands in the configuration: `['lanes', 0, 'interval']`. */
export type ConfigPath = readonly (string | number)[];

/** One thing that is wrong with a configuration, told to a person. */
export interface ConfigProblem {
  readonly path: ConfigPath;
  /** Begins with the thing it is about: `flush.interval: expected …, came …`. */
  readonly message: string;
  readonly hints: readonly string[];
  /** What stands there is nobody's that we know: it may be a secret that came to the wrong place, and is not shown. */
  readonly isForeign?: true;
}

/** How a leaf schema hands its hints on: `ctx.addIssue({ code: 'custom', message, params: { hints } })`. */
interface CustomParams {
  readonly hints?: readonly string[];
}

/** The value at a path of a raw configuration; undefined where there is none. */
export function valueAt(raw: unknown, path: ConfigPath): unknown {
  let value = raw;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string | number, unknown>)[key];
  }
  return value;
}

/** `lane "profiling": interval`, `flush.interval`: what a message is about. */
function subjectOf(raw: unknown, path: ConfigPath): string {
  const [section, index, ...rest] = path;
  if (section !== 'lanes' || typeof index !== 'number') return path.join('.');
  const name = valueAt(raw, ['lanes', index, 'name']);
  const lane = typeof name === 'string' ? `lane "${name}"` : `lane ${index + 1}`;
  const [key, position] = rest;
  if (key === undefined) return lane;
  return `${lane}: ${key}${typeof position === 'number' ? ` ${position + 1}` : ''}`;
}

/** What came, as a person wrote it: `"dgcm"`, `5`, `a list`. */
export function shownValue(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map of keys';
  if (typeof value === 'string' && isLikelySecret(value)) return sizeOf(value);
  return JSON.stringify(value);
}

/** A configuration string of QuestDB that came to the wrong place, or a URL with a password. */
export function isLikelySecret(text: string): boolean {
  return /(password|token\w*)\s*=|\/\/[^/\s]*@/i.test(text);
}

const PLAIN_KEY = /^[A-Za-z][\w.-]{0,39}$/;

function sizeOf(text: string): string {
  return `text of ${text.length} characters`;
}

/**
 * Turns what zod found into problems.
 * @param raw what was parsed, to show what came
 * @param knownKeys the keys that are allowed in the map at a path, to name the nearest
 */
export function problemsOf(
  issues: readonly z.core.$ZodIssue[],
  raw: unknown,
  knownKeys: (path: ConfigPath) => readonly string[],
): ConfigProblem[] {
  return issues.flatMap((issue): ConfigProblem[] => {
    const path = issue.path.filter((key) => typeof key !== 'symbol');
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => unknownKeyProblem([...path, key], raw, knownKeys(path)));
    }
    const hints = issue.code === 'custom' ? ((issue.params as CustomParams | undefined)?.hints ?? []) : [];
    // A file that is no map at all is something else, and may be a secret.
    const value = valueAt(raw, path);
    const sentence = sentenceOf(issue, value, path.length === 0 && typeof value === 'string');
    const subject = subjectOf(raw, path);
    return [{ path, message: subject === '' ? sentence : `${subject}: ${sentence}`, hints }];
  });
}

function unknownKeyProblem(path: ConfigPath, raw: unknown, known: readonly string[]): ConfigProblem {
  const key = String(path.at(-1));
  const parent = subjectOf(raw, path.slice(0, -1));
  const [nearest] = nearestWords(key, known, 1);
  const place = parent === '' ? 'at the top' : `in ${parent}`;
  return {
    path,
    message: `unknown key ${PLAIN_KEY.test(key) ? `"${key}"` : `(${sizeOf(key)})`} ${place}`,
    hints: [nearest === undefined ? `known ${place}: ${known.join(', ')}` : `did you mean: ${nearest}`],
    isForeign: true,
  };
}

function sentenceOf(issue: z.core.$ZodIssue, value: unknown, isHidden: boolean): string {
  const shown = isHidden ? sizeOf(String(value)) : shownValue(value);
  const came = Array.isArray(value) ? `came ${value.length}` : `came ${shown}`;
  if (issue.code === 'invalid_type')
    return `expected ${TYPE_WORDS[issue.expected] ?? issue.expected}, came ${shown}`;
  if (issue.code === 'invalid_value') return `expected ${oneOf(issue.values.map(String))}, ${came}`;
  if (issue.code === 'too_small') return `expected at least ${issue.minimum}, ${came}`;
  if (issue.code === 'too_big') return `expected at most ${issue.maximum}, ${came}`;
  return issue.message;
}

/** `a, b or c`. */
function oneOf(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}`;
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  // Every number of the configuration is a whole one.
  number: 'a whole number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map of keys',
  array: 'a list',
};
