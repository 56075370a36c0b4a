/**
 * One stay of one job on one device: the time (startUs, endUs], in epoch µs. `endUs` is Infinity while it is open. An
 * interval whose end equals its start owns nothing; it stays, because its row has been written and must be overwritten.
 */
export interface Interval {
  /** Absent where nobody told. */
  readonly cluster?: string;
  readonly node: string;
  /** Device UUID. */
  readonly gpu: string;
  readonly jobId: string;
  readonly run: number;
  /** Part of the device in (0, 1]; NaN when unknown (read as equal parts). */
  readonly share: number;
  readonly source: string;
  readonly startUs: number;
  readonly endUs: number;
}

/** An interval that is new or differs from before: its row of `gpu_ownership` (start, gpu, job) must be written again. */
export interface OwnershipChange {
  readonly interval: Interval;
  /** End of the same interval before this change; null when it is new. Samples between the two ends change owner. */
  readonly previousEndUs: number | null;
  /** Its share became another one: all of its samples belong to another owner set. */
  readonly isShareNew?: true;
}

/** A sample belongs whole to every job with start < ts ≤ end. */
export function owns(interval: Interval, tsUs: number): boolean {
  return interval.startUs < tsUs && tsUs <= interval.endUs;
}
