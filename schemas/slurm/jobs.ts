import type { JobRecord } from '../../src/core/jobs/job-fact.ts';

/** One row of what Slurm says of its jobs. Every row that came is one of these. */
export type SlurmRow =
  | {
      readonly kind: 'job';
      readonly record: JobRecord;
      /** False when Slurm says that it has no GPU; undefined when it does not say. */
      readonly hasGpus: boolean | undefined;
    }
  /** A job that has not begun. */
  | { readonly kind: 'waiting' }
  | RefusedRow;

/** A row that cannot be understood. */
interface RefusedRow {
  readonly kind: 'refused';
  /** Undefined where not even that can be read. */
  readonly jobId: string | undefined;
  /** Of which part of it what was expected: the same for all rows that are refused for this. */
  readonly expected: string;
  /** What came there, short enough for a line. */
  readonly found: string;
}

/** Slurm counts in 32 bits, of which the last two values mean nothing. */
const COUNT_MAX = 0xffff_fffd;
/** Times in µs are exact up to here, the year 2255; the store refuses a row with a later one, and those sent with it. */
const TIME_US_MAX = Number.MAX_SAFE_INTEGER;

const TIME_EXPECTED = 'expected a time from 1970 to 2255';
const COUNT_EXPECTED = `expected a whole number from 0 to ${COUNT_MAX}`;

const NUMBERS: readonly (readonly [keyof JobRecord, number, string])[] = [
  ['startUs', TIME_US_MAX, `start: ${TIME_EXPECTED}`],
  ['endUs', TIME_US_MAX, `end: ${TIME_EXPECTED}`],
  ['submitUs', TIME_US_MAX, `submission: ${TIME_EXPECTED}`],
  ['run', COUNT_MAX, `restarts: ${COUNT_EXPECTED}`],
  ['nodes', COUNT_MAX, `nodes: ${COUNT_EXPECTED}`],
  ['gpus', COUNT_MAX, `GPUs: ${COUNT_EXPECTED}`],
  ['exitCode', COUNT_MAX, `exit code: ${COUNT_EXPECTED}`],
];

/** The row of a job; refused where one of its numbers cannot be Slurm's. @param hasGpus as in `SlurmRow` */
export function jobRow(record: JobRecord, hasGpus: boolean | undefined): SlurmRow {
  for (const [key, max, expected] of NUMBERS) {
    const value = record[key];
    if (value === undefined || (Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= max))
      continue;
    return { kind: 'refused', jobId: record.jobId, expected, found: quoteShort(value) };
  }
  return { kind: 'job', record, hasGpus };
}

/** As a shell says it: 128 and the signal's number where a signal ended the job. */
export function exitCodeOf(status: number | undefined, signal: number | undefined): number | undefined {
  return signal !== undefined && signal > 0 ? 128 + signal : status;
}

/** `3:0`: exit status, and signal. Undefined for what is not so written. */
export function exitCodeOfPair(text: string): number | undefined {
  const match = /^(\d+):(\d+)$/.exec(text);
  return match === null ? undefined : exitCodeOf(Number(match[1]), Number(match[2]));
}

/** What came, short enough for a line. */
export function quoteShort(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

type Known<T> = { [K in keyof T]?: NonNullable<T[K]> };

/** Leaves out what is not known: undefined, and the empty words that Slurm writes for nothing. */
export function present<T extends object>(fields: T): Known<T> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== ''),
  ) as Known<T>;
}
