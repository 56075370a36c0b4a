import * as z from 'zod';
import { asClusterName } from '../core/devices/cluster-name.ts';
import { parseDeviceSelector } from '../core/devices/device-selector.ts';
import { OperatingError } from '../core/base/errors.ts';
import { isTimeZone, timeZones } from '../core/calendar/time-zone.ts';
import type { ModelRates } from '../core/costs/model-rates.ts';
import { IDLE_LIMITS, type IdleLimit } from '../core/fields/idle-limits.ts';
import { parseEngineAddress } from '../source/dcgm/engine-address.ts';
import { shownValue } from './problem.ts';
import { refuse } from './refuse.ts';
import { readCronLine } from '../../schemas/cron-line.ts';
import { nearestWords } from '../../schemas/nearest.ts';
import { formatDuration, parseBytes, parseDurationMs } from '../../schemas/duration.ts';

/**
 * The types of single values: how they are written, and what is said when they are not. Each goes both ways, so that
 * `config print` writes a value as the file would have it.
 */

export { addressRanges, headerName, listenAddress, metricsAddress, publicUrl } from './serve-values.ts';

/** Least and most of a number, as people write it, for `docs/configuration.md`. */
export const ranges = z.registry<{ readonly least: string | number; readonly most: string | number }>();

// Making a type costs a start some tens of microseconds: those without bounds are made once.
const anything = z.unknown();
const number = z.number();

export const truth = z.boolean();

export const text = z
  .string()
  .refine((written) => written.trim() !== '', { error: 'expected text, came nothing' });

/** In lower case, however it is written. */
export const clusterName = text.overwrite(asClusterName);

/** A path; one that is relative starts at the file that holds it. */
export const path = text.refine((written) => !written.includes('\0'), {
  error: 'expected a path, came one with a zero byte in it',
});

export function oneOf<const Words extends readonly string[]>(words: Words) {
  return z.enum(words);
}

export function whole(bounds?: { readonly min: number; readonly max: number }) {
  if (bounds === undefined) return z.int();
  const { min, max } = bounds;
  return z.int().min(min).max(max).register(ranges, { least: min, most: max });
}

interface DurationBounds {
  readonly minMs: number;
  readonly maxMs: number;
  /** Ends the sentence about a value that is too small: `below that …`. */
  readonly whyMin?: string;
}

/** A duration with its unit → milliseconds. */
export function durationMs({ minMs, maxMs, whyMin }: DurationBounds) {
  const type = z.codec(anything, number, {
    decode(value, payload) {
      if (typeof value !== 'string' && typeof value !== 'number')
        return refuse(payload, `expected a duration such as 10s, came ${shownValue(value)}`);
      const ms = quantity(payload, () => parseDurationMs(String(value)));
      if (ms < minMs) {
        const why = whyMin === undefined ? '' : ` (${whyMin})`;
        return refuse(payload, `expected at least ${formatDuration(minMs)}, came ${value}${why}`);
      }
      if (ms > maxMs) return refuse(payload, `expected at most ${formatDuration(maxMs)}, came ${value}`);
      return ms;
    },
    encode: formatDuration,
  });
  return type.register(ranges, { least: formatDuration(minMs), most: formatDuration(maxMs) });
}

/** A size with its unit → bytes. */
export function byteCount({ min, max }: { readonly min: string; readonly max: string }) {
  const [minBytes, maxBytes] = [parseBytes(min), parseBytes(max)];
  const type = z.codec(anything, number, {
    decode(value, payload) {
      if (typeof value !== 'string' && typeof value !== 'number')
        return refuse(payload, `expected a size such as 2GiB, came ${shownValue(value)}`);
      const bytes = quantity(payload, () => parseBytes(String(value)));
      return bytes < minBytes || bytes > maxBytes
        ? refuse(payload, `expected ${minBytes} to ${maxBytes} bytes, came ${value}`)
        : bytes;
    },
    encode: (bytes) => `${bytes}B`,
  });
  return type.register(ranges, { least: min, most: max });
}

type Payload = z.core.ParsePayload;

/** What `parse` makes of a written quantity; where it is none, something that is outside of no bound. */
function quantity(payload: Payload, parse: () => number): number {
  try {
    return parse();
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    return refuse(payload, thrown.message, thrown.hints);
  }
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

/** A cron line with six fields. */
export const cronLine = z.codec(anything, z.string(), {
  decode(value, payload) {
    if (typeof value !== 'string')
      return refuse(payload, `expected a cron line with six fields, came ${shownValue(value)}`);
    const reading = readCronLine(value);
    return reading.ok ? reading.cron.line : refuse(payload, reading.problem);
  },
  encode: (line) => line,
});

const TTL_UNITS: Readonly<Record<string, string>> = { d: 'DAYS', w: 'WEEKS', M: 'MONTHS', y: 'YEARS' };

/** How long a table keeps its rows: `14d`, `8w`, `6M`, `3y` or `forever` → QuestDB's TTL (`14 DAYS`), empty for ever. */
export const ttl = z.codec(anything, z.string(), {
  decode(value, payload) {
    if (value === 'forever') return '';
    const match = /^([1-9]\d{0,5})([dwMy])$/.exec(typeof value === 'string' ? value.trim() : '');
    const unit = TTL_UNITS[match?.[2] ?? ''];
    if (match !== null && unit !== undefined) return `${match[1] ?? ''} ${unit}`;
    return refuse(
      payload,
      `expected a time in whole days, weeks, months or years (14d, 8w, 6M, 3y) or forever, came ${shownValue(value)}`,
    );
  },
  encode(kept) {
    const [count = '', word] = kept.split(' ');
    const unit = Object.keys(TTL_UNITS).find((letter) => TTL_UNITS[letter] === word);
    return unit === undefined ? 'forever' : `${count}${unit}`;
  },
});

/** A name that can be part of a table's name without quotes. */
export function tableWord(lengthMax: number) {
  return z.string().refine((word) => new RegExp(`^[a-z][a-z0-9_]{0,${lengthMax - 1}}$`).test(word), {
    error: ({ input }) =>
      `expected at most ${lengthMax} lower-case letters, digits and underscores, a letter first; came ${shownValue(input)}`,
  });
}

/** Names, ids and columns of fields. */
export function fieldNames(countMax: number) {
  return z
    .array(z.union([z.string(), z.int()], { error: 'expected the name, id or column of a field' }))
    .min(1)
    .max(countMax);
}

/** Which devices of a node, as `parseDeviceSelector` reads them; kept as it was written. */
export const deviceSelector = text.superRefine((selector, ctx) => {
  try {
    parseDeviceSelector(selector);
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    ctx.addIssue({ code: 'custom', message: thrown.message, params: { hints: thrown.hints } });
  }
});

/** `embedded`, or where a host engine listens; kept as it was written. */
export const engine = text.superRefine((address, ctx) => {
  if (address === 'embedded') return;
  try {
    parseEngineAddress(address);
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    ctx.addIssue({ code: 'custom', message: thrown.message, params: { hints: thrown.hints } });
  }
});

/** `0=GPU-…, 1=MIG-…` → position in the scheduler's list of GPUs → device UUID. */
export const deviceMap = z.codec(anything, z.custom<ReadonlyMap<number, string>>(), {
  decode(value, payload) {
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
    return refuse(
      payload,
      `expected positions and UUIDs such as "0=GPU-8c2d…, 1=GPU-77aa…", came ${shownValue(value)}`,
      ['each position once; gpuledger devices shows the UUIDs'],
    );
  },
  encode: (map) => [...map].map(([position, uuid]) => `${position}=${uuid}`).join(', '),
});

/** A part of a whole: above 0, up to 1. */
export const part = z
  .codec(anything, number, {
    decode(value, payload) {
      const written = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
      return typeof written === 'number' && written > 0 && written <= 1
        ? written
        : refuse(payload, `expected a part from 0 to 1 such as 0.25, came ${shownValue(value)}`);
    },
    encode: (ratio) => ratio,
  })
  .register(ranges, { least: 0, most: 1 });

/** A limit of idleness, one of `IDLE_LIMITS`. */
export const idleLimit = z.codec(anything, z.custom<IdleLimit>(), {
  decode: (value, payload) =>
    idleLimitIn(value) ??
    refuse(payload, `expected one of ${IDLE_LIMITS.join(', ')}, came ${shownValue(value)}`, [
      'rollups hold the idle time by each of these, and by no other',
    ]),
  encode: (limit) => limit,
});

function idleLimitIn(value: unknown): IdleLimit | undefined {
  const written = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return IDLE_LIMITS.find((limit) => limit === written);
}

/** `NVIDIA A100=0.1, NVIDIA A30=0.02` → beginning of a model's name → limit of idleness. */
export const modelIdleLimits = z.codec(anything, z.custom<ReadonlyMap<string, IdleLimit>>(), {
  decode(value, payload) {
    const entries = typeof value === 'string' ? value.split(',').map((entry) => entry.trim()) : [];
    const map = new Map(
      entries.flatMap((entry): [string, IdleLimit][] => {
        const [, model, written] = /^([^=]*[^=\s])\s*=\s*([^=]+)$/.exec(entry) ?? [];
        const limit = idleLimitIn(written);
        return model === undefined || limit === undefined ? [] : [[model, limit]];
      }),
    );
    if (map.size > 0 && map.size === entries.length) return map;
    return refuse(
      payload,
      `expected models and limits such as "NVIDIA A100=0.1, NVIDIA A30=0.02", came ${shownValue(value)}`,
      [`each model once, limits of ${IDLE_LIMITS.join(', ')}; gpuledger devices shows the models`],
    );
  },
  encode: (map) => [...map].map(([model, limit]) => `${model}=${limit}`).join(', '),
});

/** A price, a factor or a rate: digits, and a point where it is no whole number. */
export function decimal({ min, max }: { readonly min: number; readonly max: number }) {
  const type = z.codec(anything, number, {
    decode(value, payload) {
      const written = decimalIn(value);
      if (written === undefined)
        return refuse(payload, `expected a number such as 0.25, came ${shownValue(value)}`);
      return written >= min && written <= max
        ? written
        : refuse(payload, `expected ${min} to ${max}, came ${shownValue(value)}`);
    },
    encode: (value) => value,
  });
  return type.register(ranges, { least: min, most: max });
}

/** Undefined where it is none: `NaN`, `-1`, `0x10`, `1,5`, `1e3`. */
function decimalIn(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  return typeof value === 'string' && /^\d{1,12}(\.\d{1,12})?$/.test(value.trim())
    ? Number(value)
    : undefined;
}

/** With this name in a table of models all others are meant. */
const OTHER_MODELS = 'other';

/** `NVIDIA H200=3.20, other=0.5` → beginning of a model's name → number. @param max of each */
export function modelRates({ max }: { readonly max: number }) {
  return z.codec(anything, z.custom<ModelRates>(), {
    decode(value, payload) {
      const entries = typeof value === 'string' ? value.split(',').map((entry) => entry.trim()) : [];
      const rates = new Map(
        entries.flatMap((entry): [string, number][] => {
          const [, model, written] = /^([^=]*[^=\s])\s*=\s*([^=]+)$/.exec(entry) ?? [];
          const rate = decimalIn(written);
          return model === undefined || rate === undefined || rate > max ? [] : [[model, rate]];
        }),
      );
      if (rates.size === 0 || rates.size < entries.length)
        return refuse(
          payload,
          `expected models and numbers such as "NVIDIA H200=3.20, other=0.5", came ${shownValue(value)}`,
          [
            `each model once, numbers from 0 to ${max}, other is every other model; gpuledger devices shows the models`,
          ],
        );
      const models = new Map([...rates].filter(([model]) => model !== OTHER_MODELS));
      return { models, others: rates.get(OTHER_MODELS) };
    },
    encode: ({ models, others }) =>
      [...models, ...(others === undefined ? [] : [[OTHER_MODELS, others] as const])]
        .map(([model, rate]) => `${model}=${rate}`)
        .join(', '),
  });
}

/** As it is printed behind each price: `EUR`, `CHF`, `€`. */
export const currency = text.regex(/^[\p{L}\p{Sc}]{1,8}$/u, {
  error: 'expected a currency of 1 to 8 letters, such as EUR',
});

/** As the tz database names it; kept as it was written. */
export const timeZone = text.superRefine((name, ctx) => {
  if (isTimeZone(name)) return;
  const known = timeZones();
  // People write the city alone.
  const ofCity = known.filter((zone) =>
    zone.toLowerCase().endsWith(`/${name.toLowerCase().replaceAll(' ', '_')}`),
  );
  const nearest = ofCity.length > 0 ? ofCity : nearestWords(name, known, 1);
  ctx.addIssue({
    code: 'custom',
    message: `expected a time zone of the tz database such as Europe/Berlin, came ${shownValue(name)}`,
    params: { hints: nearest.length === 0 ? ['UTC is one, too'] : [`did you mean: ${nearest.join(', ')}`] },
  });
});

/** `https`, or `http` where it leaves no machine. What came is not shown: the path of a webhook is its password. */
export const webhookUrl = z.string().superRefine((written, ctx) => {
  const [message, ...hints] = webhookProblem(URL.parse(written));
  if (message !== undefined) ctx.addIssue({ code: 'custom', message, params: { hints } });
});

/** @returns a sentence and ways out; nothing where it may be one */
function webhookProblem(url: URL | null): readonly string[] {
  if (url === null) return ['expected a URL such as https://chat.example.org/hooks/…, came something else'];
  const { hostname, protocol, username, password } = url;
  const isHere = hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
  if (protocol !== 'https:' && !(protocol === 'http:' && isHere))
    return [
      'expected https, or http to this machine, came another way',
      'names of users and jobs are in the messages',
    ];
  if (username !== '' || password !== '')
    return ['expected no password in it, came one', 'put a token into a file: idle_watch.webhook_token_file'];
  return [];
}

/** A program and its arguments: a list, or as text that list in JSON, or the program alone. */
export const commandWords = z.codec(anything, z.custom<readonly [string, ...string[]]>(), {
  decode(value, payload) {
    const words = typeof value === 'string' ? wordsIn(value) : value;
    const areWords =
      Array.isArray(words) && words.every((word) => typeof word === 'string' && !word.includes('\0'));
    if (areWords && (words[0] as string | undefined)?.trim()) return words as [string, ...string[]];
    return refuse(
      payload,
      `expected a program and its arguments as a list of texts, came ${shownValue(value)}`,
      ['as ["/usr/bin/mail", "-s", "idle GPUs", "root"]: no shell reads it'],
    );
  },
  encode: (words) => JSON.stringify(words),
});

function wordsIn(text: string): unknown {
  if (!text.trimStart().startsWith('[')) return [text];
  try {
    return JSON.parse(text) as unknown;
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
    return undefined; // told as what it is
  }
}
