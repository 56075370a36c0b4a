import * as z from 'zod';
import { parseDeviceSelector } from '../../src/core/devices/device-selector.ts';
import { OperatingError } from '../../src/core/base/errors.ts';
import { shownValue } from './problem.ts';
import { readCronLine } from '../cron-line.ts';
import { formatDuration, parseBytes, parseDurationMs } from '../duration.ts';

/** The leaves of the configuration: how single values are written, and what is said when they are not. */

interface DurationBounds {
  readonly minMs: number;
  readonly maxMs: number;
  /** Ends the sentence about a value that is too small: `below that …`. */
  readonly whyMin?: string;
}

/** A duration with its unit → milliseconds. */
export function durationMs({ minMs, maxMs, whyMin }: DurationBounds) {
  return z.unknown().transform((value, ctx): number => {
    const refuse = (message: string, hints: readonly string[] = []): never => {
      ctx.addIssue({ code: 'custom', message, params: { hints } });
      return z.NEVER;
    };
    if (typeof value !== 'string' && typeof value !== 'number') {
      return refuse(`expected a duration such as 10s, came ${shownValue(value)}`);
    }
    let ms: number;
    try {
      ms = parseDurationMs(String(value));
    } catch (thrown) {
      if (thrown instanceof OperatingError) return refuse(thrown.message, thrown.hints);
      throw thrown;
    }
    if (ms < minMs) {
      const why = whyMin === undefined ? '' : ` (${whyMin})`;
      return refuse(`expected at least ${formatDuration(minMs)}, came ${value}${why}`);
    }
    if (ms > maxMs) return refuse(`expected at most ${formatDuration(maxMs)}, came ${value}`);
    return ms;
  });
}

/** A size with its unit → bytes. */
export function byteCount({ min, max }: { readonly min: number; readonly max: number }) {
  return z.unknown().transform((value, ctx): number => {
    const refuse = (message: string, hints: readonly string[] = []): never => {
      ctx.addIssue({ code: 'custom', message, params: { hints } });
      return z.NEVER;
    };
    if (typeof value !== 'string' && typeof value !== 'number')
      return refuse(`expected a size such as 2GiB, came ${shownValue(value)}`);
    let bytes: number;
    try {
      bytes = parseBytes(String(value));
    } catch (thrown) {
      if (thrown instanceof OperatingError) return refuse(thrown.message, thrown.hints);
      throw thrown;
    }
    if (bytes < min || bytes > max) return refuse(`expected ${min} to ${max} bytes, came ${value}`);
    return bytes;
  });
}

/** `continuous` or a cron line with six fields. */
export const schedule = z.string().transform((value, ctx): string => {
  if (value === 'continuous') return value;
  const reading = readCronLine(value);
  if (reading.ok) return reading.cron.line;
  ctx.addIssue({
    code: 'custom',
    message: reading.problem,
    params: {
      hints: [
        'every ten seconds is "*/10 * * * * *"; without a schedule the lane samples continuously at its interval',
      ],
    },
  });
  return z.NEVER;
});

const TTL_UNITS: Readonly<Record<string, string>> = { d: 'DAYS', w: 'WEEKS', M: 'MONTHS', y: 'YEARS' };

/** How long a table keeps its rows: `14d`, `8w`, `6M`, `3y` or `forever` → QuestDB's TTL (`14 DAYS`), empty for ever. */
export const ttl = z.unknown().transform((value, ctx): string => {
  if (value === 'forever') return '';
  const match = /^([1-9]\d{0,5})([dwMy])$/.exec(typeof value === 'string' ? value.trim() : '');
  const unit = TTL_UNITS[match?.[2] ?? ''];
  if (match !== null && unit !== undefined) return `${match[1] ?? ''} ${unit}`;
  ctx.addIssue({
    code: 'custom',
    message: `expected a time in whole days, weeks, months or years (14d, 8w, 6M, 3y) or forever, came ${shownValue(value)}`,
  });
  return z.NEVER;
});

/** A name that can be part of a table's name without quotes. */
export function tableWord(lengthMax: number) {
  return z.string().refine((text) => new RegExp(`^[a-z][a-z0-9_]{0,${lengthMax - 1}}$`).test(text), {
    error: ({ input }) =>
      `expected at most ${lengthMax} lower-case letters, digits and underscores, a letter first; came ${shownValue(input)}`,
  });
}

export const nonEmptyText = z
  .string()
  .refine((text) => text.trim() !== '', { error: 'expected text, came nothing' });

/** Which devices of a node, as `parseDeviceSelector` reads them; kept as it was written. */
export const deviceSelector = nonEmptyText.superRefine((text, ctx) => {
  try {
    parseDeviceSelector(text);
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    ctx.addIssue({ code: 'custom', message: thrown.message, params: { hints: thrown.hints } });
  }
});

/** `0=GPU-…, 1=MIG-…` → position in the scheduler's list of GPUs → device UUID. */
export const deviceMap = z.unknown().transform((value, ctx): ReadonlyMap<number, string> => {
  const map = new Map<number, string>();
  const entries = typeof value === 'string' ? value.split(',').map((entry) => entry.trim()) : [];
  for (const entry of entries) {
    const match = /^(\d{1,5})=((?:GPU|MIG)-\S+)$/.exec(entry);
    if (match === null || map.has(Number(match[1]))) {
      map.clear();
      break;
    }
    map.set(Number(match[1]), match[2]!);
  }
  if (map.size > 0) return map;
  const message = `expected positions and UUIDs such as "0=GPU-8c2d…, 1=GPU-77aa…", came ${shownValue(value)}`;
  ctx.addIssue({
    code: 'custom',
    message,
    params: { hints: ['each position once; gpuledger devices shows the UUIDs'] },
  });
  return z.NEVER;
});
