import type { Picked } from './job.ts';
import { bucketAt } from './left.ts';

/** (fromUs, toUs] on one device, for which no sample speaks. */
export interface GapTruth {
  readonly gpu: string;
  readonly fromUs: number;
  readonly toUs: number;
}

export interface GapsTruth {
  /** In order of time. */
  readonly gaps: readonly GapTruth[];
  /** Buckets within which something is missing, nobody can tell when any more, and how much that is. */
  readonly unplaced: { readonly count: number; readonly us: number };
}

/** Stamps that were set apart by so much are no hole. */
const HOLE_US_MIN = 10;

/** A sample, or the samples of a bucket of which only that is left. */
interface Spoken {
  readonly fromUs: number;
  toUs: number;
  dtUs: number;
}

/** Owned time for which no sample speaks; at each end of a stay up to one interval is none. @param picked of the lane that decides time */
export function gapsTruth(picked: readonly Picked[], boundaryUs: number): GapsTruth {
  const gaps: GapTruth[] = [];
  const unplaced = { count: 0, us: 0 };
  for (const one of picked) {
    const { gpu, startUs, endUs } = one.stay;
    let reachedUs = startUs;
    const add = (toUs: number, longerThanUs: number): void => {
      if (toUs - reachedUs > longerThanUs) gaps.push({ gpu, fromUs: reachedUs, toUs });
    };
    for (const { fromUs, toUs, dtUs } of spokenOf(one)) {
      const missingUs = toUs - fromUs - dtUs;
      if (missingUs > HOLE_US_MIN) {
        unplaced.count += 1;
        unplaced.us += missingUs;
      }
      add(fromUs, reachedUs === startUs ? boundaryUs : HOLE_US_MIN);
      reachedUs = toUs;
    }
    add(endUs, boundaryUs);
  }
  return { gaps: gaps.sort((a, b) => a.fromUs - b.fromUs), unplaced };
}

function spokenOf({ rows, at, left }: Picked): Spoken[] {
  const spoken: Spoken[] = [];
  let bucketUs: number | undefined;
  for (const row of at) {
    const [tsUs, dtUs] = [rows.tsUs[row]!, rows.dtUs[row]!];
    const bucket = bucketAt(tsUs, left, 'sums');
    const last = spoken.at(-1);
    if (bucket !== undefined && bucket.fromUs === bucketUs && last !== undefined) {
      last.toUs = tsUs;
      last.dtUs += dtUs;
    } else spoken.push({ fromUs: tsUs - dtUs, toUs: tsUs, dtUs });
    bucketUs = bucket?.fromUs;
  }
  return spoken;
}
