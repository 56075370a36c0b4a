/**
 * GPUs that nobody used beside jobs that waited for them. A cell is the GPUs of one model on one node: what a job asks for on
 * one node it gets from one cell. Times are epoch µs.
 */

/** GPUs of a cell that are there to be had, for a time: fromUs < t ≤ toUs. Spans of one cell add up where they overlap. */
export interface HadSpan {
  readonly cell: number;
  readonly fromUs: number;
  readonly toUs: number;
  readonly gpus: number;
}

/** Jobs that wait and ask for the same. */
export interface AskedJobs {
  readonly jobs: number;
  /** That one of them asks for, over all of its nodes. */
  readonly gpus: number;
  readonly nodes: number;
  /** Any of these will do; undefined: whichever there are. */
  readonly models: readonly number[] | undefined;
}

/** Who waited in a time; such times are ascending and do not overlap. */
export interface AskedSpan {
  readonly fromUs: number;
  readonly toUs: number;
  readonly asked: readonly AskedJobs[];
}
