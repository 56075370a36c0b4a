import cron from 'node-cron';
import { formatDuration } from './duration.ts';

/** A cron line that was understood. */
export interface CronLine {
  /** The six fields with single blanks between them. */
  readonly line: string;
  /** The smallest step between two firings, ms. */
  readonly intervalMs: number;
  /** The largest step within a day on which it fires, ms. */
  readonly stepMsMax: number;
}

export type CronReading =
  { readonly ok: true; readonly cron: CronLine } | { readonly ok: false; readonly problem: string };

/** The six fields, in order: node-cron's name, ours, and the range. */
const FIELDS = [
  ['second', 'seconds 0-59'],
  ['minute', 'minutes 0-59'],
  ['hour', 'hours 0-23'],
  ['dayOfMonth', 'days of the month 1-31'],
  ['month', 'months 1-12 or jan-dec'],
  ['dayOfWeek', 'weekdays 0-7 or sun-sat'],
] as const;

const SECONDS_A_DAY = 86_400;

/** Reads a cron line with six fields, seconds first. node-cron decides what is valid. */
export function readCronLine(text: string): CronReading {
  const fields = text.trim().split(/\s+/);
  if (fields.length !== FIELDS.length) {
    const shape = 'six fields (second minute hour day month weekday)';
    const came = text.trim() === '' ? 'nothing' : `${fields.length}: "${text}"`;
    const cure = fields.length === 5 ? `; for once a minute write "0 ${fields.join(' ')}"` : '';
    return { ok: false, problem: `expected ${shape}, came ${came}${cure}` };
  }
  const line = fields.join(' ');
  const { valid, errors } = cron.validateDetailed(line);
  if (!valid)
    return {
      ok: false,
      problem: errors.length === 0 ? `not a cron line: "${line}"` : errors.map(rangeText).join('; '),
    };
  const { second, minute, hour } = cron.parse(line) as unknown as Record<
    'second' | 'minute' | 'hour',
    number[]
  >;
  const [smallest, largest] = stepsOf(second, minute, hour);
  return { ok: true, cron: { line, intervalMs: smallest * 1_000, stepMsMax: largest * 1_000 } };
}

function rangeText(error: {
  readonly field?: string;
  readonly value?: string;
  readonly message: string;
}): string {
  const range = FIELDS.find(([name]) => name === error.field)?.[1];
  return range === undefined ? error.message : `expected ${range}, came ${error.value ?? ''}`;
}

/** Smallest and largest step, in seconds, between the times of day at which the line fires; a lone time has a day. */
function stepsOf(
  seconds: readonly number[],
  minutes: readonly number[],
  hours: readonly number[],
): [number, number] {
  const times = hours.flatMap((h) => minutes.flatMap((m) => seconds.map((s) => h * 3600 + m * 60 + s)));
  times.sort((a, b) => a - b);
  let smallest = SECONDS_A_DAY;
  let largest = 0;
  times.forEach((time, position) => {
    const next = times[position + 1] ?? times[0]! + SECONDS_A_DAY;
    smallest = Math.min(smallest, next - time);
    largest = Math.max(largest, next - time);
  });
  return [smallest, largest];
}

/** What a person should know about a line whose firings are unevenly spaced; undefined when they are not. */
export function unevenness({ line, intervalMs, stepMsMax }: CronLine): string | undefined {
  if (stepMsMax <= intervalMs * 2.5) return undefined;
  return (
    `"${line}" fires in steps from ${formatDuration(intervalMs)} to ${formatDuration(stepMsMax)}: ` +
    `a sample after a step above ${formatDuration(intervalMs * 2.5)} speaks for no time (it counts as a gap)`
  );
}
