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
  /** A row that cannot be understood, and why: what was expected, what came. */
  | { readonly kind: 'refused'; readonly reason: string };

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
