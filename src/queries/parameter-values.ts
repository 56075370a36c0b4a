import { formatDuration, parseDurationMs } from '../../schemas/duration.ts';
import { isoTimeUs } from '../../schemas/iso-time.ts';
import { nearestFieldNames } from '../../schemas/nearest.ts';
import type { Parameter } from '../../schemas/query-file.ts';
import { quoteText } from '../../schemas/tables.ts';
import { OperatingError } from '../core/base/errors.ts';
import { FIELD_CATALOGUE } from '../core/fields/field-catalogue.ts';
import { HISTOGRAM_BAR_WIDTHS } from '../core/fields/well-known.ts';
import { isoMicroseconds } from '../figures/sql-text.ts';

/**
 * The one way in which what somebody typed gets into SQL: as a literal of its parameter's type, or not at all. A text is quoted, a
 * number is written by us, and a name of a table or column is one that we know or a plain word.
 */

/** What a value is in SQL, and what it means where that can be compared. */
export interface Value {
  readonly sql: string;
  /** Of a time: epoch µs; of a relative one, as seen now. */
  readonly us?: number;
  /** Of a gauge. */
  readonly barWidth?: number;
}

/** Characters. Longer is no name of anything, and a statement travels in a URL. */
const TEXT_CHARACTERS_MAX = 256;
const NUMBER = /^-?\d{1,18}(\.\d{1,18})?(e-?\d{1,2})?$/i;
const DEVICE = /^[A-Za-z][\w.:-]*(\/\d+\/\d+)?$/;
/** Coarser units first. */
const BUCKET_UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['T', 1],
] as const;
const AGO = /^-(.+)$/;
/** The largest whole number that `dateadd` takes. */
const STEPS_MAX = 2 ** 31 - 1;

/**
 * @param text as it was typed
 * @throws OperatingError `query.parameter` (exit `usage`)
 */
export function valueOf(name: string, parameter: Parameter, text: string, nowUs: number): Value {
  const { type } = parameter;
  switch (type) {
    case 'time':
      return timeValue(name, text, nowUs);
    case 'duration':
      return { sql: String(durationMs(name, parameter, text) * 1000) };
    case 'bucket':
      return { sql: quoteText(bucketOf(durationMs(name, parameter, text))) };
    case 'number':
    case 'count':
      return { sql: numberSql(name, parameter, text) };
    case 'word':
      return wordValue(name, parameter, text);
    case 'gauge':
      return gaugeValue(name, text);
    case 'device':
      if (!DEVICE.test(text)) refuse(name, 'the UUID of a device', text, [DEVICE_HINT]);
      return textValue(name, 'the UUID of a device', parameter, text);
    case 'lane':
      if (!/^[a-z][a-z0-9_]{0,63}$/.test(text))
        refuse(name, 'the name of a lane: lower-case letters, digits and underscores', text);
      return { sql: text };
    case 'job':
    case 'user':
    case 'account':
    case 'node':
    case 'kind':
      return textValue(name, NOUNS[type], parameter, text);
  }
}

const DEVICE_HINT = 'as the column gpu has it (GPU-…, MIG-…): gpuledger devices';

const NOUNS = {
  job: 'a job id',
  user: 'the name of a user',
  account: 'the name of an account',
  node: 'the name of a node',
  kind: 'a kind of event',
} as const;

function refuse(name: string, expected: string, came: string, hints: readonly string[] = []): never {
  const short = came.length > 40 ? `${came.slice(0, 40)}…` : came;
  throw new OperatingError(
    `${name}: expected ${expected}, came ${came === '' ? 'nothing' : JSON.stringify(short)}`,
    { code: 'query.parameter', exit: 'usage', hints },
  );
}

/** A name that somebody gave to something: any text, but none that cannot be one. */
function textValue(name: string, noun: string, { default: unset }: Parameter, text: string): Value {
  const rule = `${noun} of 1 to ${TEXT_CHARACTERS_MAX} characters without control characters`;
  if (text.trim() === '') refuse(name, rule, '', unset === '' ? ['for every one leave it out'] : []);
  if (text.length > TEXT_CHARACTERS_MAX || /\p{Cc}/u.test(text) || !text.isWellFormed())
    refuse(name, rule, text);
  return { sql: quoteText(text) };
}

function wordValue(name: string, { choices = [] }: Parameter, text: string): Value {
  if (!choices.includes(text)) refuse(name, `one of ${choices.join(', ')}`, text);
  return { sql: quoteText(text) };
}

function numberSql(
  name: string,
  { type, least = -Infinity, most = Infinity }: Parameter,
  text: string,
): string {
  const value = NUMBER.test(text) ? Number(text) : NaN;
  const isFit = type === 'count' ? Number.isSafeInteger(value) && value >= 0 : Number.isFinite(value);
  if (!isFit || value < least || value > most)
    refuse(name, `a ${type === 'count' ? 'whole ' : ''}number${boundsText(least, most, String)}`, text);
  return String(value);
}

function boundsText(least: number, most: number, told: (bound: number) => string): string {
  if (least > -Infinity && most < Infinity) return ` from ${told(least)} to ${told(most)}`;
  if (least > -Infinity) return ` of at least ${told(least)}`;
  return most < Infinity ? ` of at most ${told(most)}` : '';
}

function durationMs(name: string, { least = 1000, most = 366 * 86_400e6 }: Parameter, text: string): number {
  const expected = `a duration${boundsText(least, most, (us) => formatDuration(us / 1000))}`;
  let ms = NaN;
  try {
    ms = parseDurationMs(text);
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    refuse(name, expected, text, thrown.hints);
  }
  if (ms * 1000 < least || ms * 1000 > most) refuse(name, expected, text);
  return ms;
}

/** `5m`, in QuestDB's units. */
function bucketOf(ms: number): string {
  const [unit, size] = BUCKET_UNITS.find(([, each]) => ms % each === 0)!;
  return `${ms / size}${unit}`;
}

/** An ISO date or time, `now`, or how long ago (`-7d`): that stays relative, so that a panel which was made of the SQL moves on. */
function timeValue(name: string, text: string, nowUs: number): Value {
  if (text === 'now') return { sql: 'now()', us: nowUs };
  const hints = [
    `write it like ${name}=2026-11-21, ${name}=2026-11-21T09:00:00Z, ${name}=now or ${name}=-7d`,
  ];
  const [, ago] = AGO.exec(text) ?? [];
  if (ago === undefined) {
    const us = isoTimeUs(text);
    if (us === undefined) refuse(name, 'an ISO date or time in UTC that there is', text, hints);
    return { sql: `${quoteText(isoMicroseconds(us))}::timestamp`, us };
  }
  let ms = NaN;
  try {
    ms = parseDurationMs(ago);
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
  }
  const [unit, size] = BUCKET_UNITS.find(([, each]) => ms % each === 0) ?? (['', 1] as const);
  if (unit === '' || ms === 0 || ms / size > STEPS_MAX || nowUs - ms * 1000 < 0)
    refuse(name, 'a time, or how long ago', text, hints);
  return { sql: `dateadd('${unit}', -${ms / size}, now())`, us: nowUs - ms * 1000 };
}

function gaugeValue(name: string, text: string): Value {
  const gauges = FIELD_CATALOGUE.filter(({ kind }) => kind === 'gauge');
  const field = gauges.find(({ column }) => column === text);
  if (field === undefined) {
    const nearest = nearestFieldNames(text, gauges);
    refuse(
      name,
      'the column of a gauge',
      text,
      nearest.length === 0 ? ['all of them: gpuledger fields'] : [`did you mean: ${nearest.join(', ')}`],
    );
  }
  const barWidth = HISTOGRAM_BAR_WIDTHS.get(field.id);
  return { sql: field.column, ...(barWidth === undefined ? {} : { barWidth }) };
}
