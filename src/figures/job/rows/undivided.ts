import type { Asked } from '../../query-cells.ts';
import { DEVICES_PER_QUERY_MAX, readStays } from '../../stays.ts';
import type { SummedJob } from './summed-job.ts';

/**
 * Σ dt of rows that are the job's, and nobody knows by which part; and of rows of several owners, from before rows were labelled with
 * owner sets, that may be the job's: of those never more than the time in which it shared its devices.
 * @throws what `ask` throws
 */
export async function undividedUs(db: Asked, { sums, job, window }: SummedJob): Promise<number> {
  if (sums.undividedUs === 0) return sums.unpartedUs;
  const gpus = [...new Set(window.intervals.map(({ gpu }) => gpu))];
  let sharedUs = 0;
  for (let from = 0; from < gpus.length; from += DEVICES_PER_QUERY_MAX) {
    const some = gpus.slice(from, from + DEVICES_PER_QUERY_MAX);
    const stays = await readStays(db, some, { fromUs: window.startUs, toUs: window.endUs });
    const others = Map.groupBy(
      stays.filter(({ jobId }) => jobId !== job.label.jobId),
      ({ gpu }) => gpu,
    );
    for (const { gpu, startUs, endUs } of window.intervals) {
      let atUs = startUs;
      for (const other of (others.get(gpu) ?? []).toSorted((a, b) => a.startUs - b.startUs)) {
        const fromUs = Math.max(atUs, other.startUs);
        const toUs = Math.min(endUs, other.endUs);
        if (some.includes(gpu) && toUs > fromUs) {
          sharedUs += toUs - fromUs;
          atUs = toUs;
        }
      }
    }
  }
  return sums.unpartedUs + Math.min(sums.undividedUs, sharedUs);
}
