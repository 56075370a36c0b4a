import { HOUR, MIN, type FleetStay } from '../draw/fleet.ts';
import type { DeviceLedger } from './ledger.ts';

/** What is left of a lane's samples, and of its minutes: those from then on, epoch µs; all of them from −∞. Hours and days are all left. */
export interface Left {
  /** The oldest sample. */
  readonly oldestUs: number;
  readonly samplesFromUs: number;
  readonly minutesFromUs: number;
}

export const ALL_LEFT: Left = { oldestUs: -Infinity, samplesFromUs: -Infinity, minutesFromUs: -Infinity };

/** The bucket in which two stays cannot be told apart at a moment; undefined where its samples are there. */
export interface Bucket {
  readonly fromUs: number;
  readonly toUs: number;
}

/**
 * The bucket of which only a whole is left at a moment: of sums, or of histograms, which have no minutes. An hour is told by its
 * minutes only where all of them are left, a minute by its samples.
 */
export function bucketAt(us: number, left: Left, of: 'sums' | 'histograms'): Bucket | undefined {
  const [hour, minute] = [Math.floor(us / HOUR) * HOUR, Math.floor(us / MIN) * MIN];
  if (hour < (of === 'sums' ? left.minutesFromUs : left.oldestUs)) return { fromUs: hour, toUs: hour + HOUR };
  return of === 'sums' && minute < left.samplesFromUs ? { fromUs: minute, toUs: minute + MIN } : undefined;
}

/** Whether another run under the same id had the device within the bucket: then it is nobody's. */
export function isMixed(bucket: Bucket | undefined, stay: FleetStay, { stays }: DeviceLedger): boolean {
  if (bucket === undefined) return false;
  return stays.some(
    (other) =>
      other.run !== stay.run &&
      other.run.jobId === stay.run.jobId &&
      other.startUs + 1 < bucket.toUs &&
      other.endUs >= bucket.fromUs,
  );
}

/** Σ of the buckets of a stay that are nobody's. */
export function mixedUsOf(stay: FleetStay, ledger: DeviceLedger, left: Left): number {
  let [us, mixedUs] = [stay.startUs + 1, 0];
  while (us <= stay.endUs) {
    const bucket = bucketAt(us, left, 'sums');
    if (bucket === undefined) break;
    if (isMixed(bucket, stay, ledger)) mixedUs += bucket.toUs - bucket.fromUs;
    us = bucket.toUs;
  }
  return mixedUs;
}
