import { STEP_US, type KeptLane } from '../../levels.ts';
import type { Asked } from '../../query-cells.ts';
import { quoteTime } from '../../sql-text.ts';
import { jobSegments, type JobSegments, type JobTime } from './job-segments.ts';
import { sumJob, type JobSource, type LabelledJob, type Parts, type SampleSums } from './scan.ts';

/** Equal parts of the job's time in the little plots; a short job has one per tick. */
const PARTS_MAX = 20;

interface Period {
  readonly startUs: number;
  readonly endUs: number;
}

/** Equal parts of a job's time: the k-th ends at its own end. A bucket of a rollup counts to that in which it begins. */
export function equalParts({ startUs, endUs }: Period, intervalUs: number): Parts {
  const lengthUs = Math.max(1, endUs - startUs);
  const count = Math.max(1, Math.min(PARTS_MAX, Math.floor(lengthUs / Math.max(1, intervalUs))));
  const start = `cast(${quoteTime(startUs)} AS TIMESTAMP)`;
  return {
    count,
    numberSql: ({ level }) =>
      `cast((s.ts - ${start}${level === 'raw' ? ' - 1' : ''}) * ${count} / ${lengthUs} AS INT)`,
  };
}

/** @param bordersUs there finer levels are read */
export function partSegments(lane: KeptLane, job: JobTime, bordersUs: readonly number[] = []): JobSegments {
  return jobSegments(lane, job, ['1h', '1m'], bordersUs);
}

/** The sums of equal parts: whole hours and minutes of them from the rollups, the minutes of their borders from the samples. */
export async function sumParts(
  db: Asked,
  sources: readonly JobSource[],
  job: LabelledJob,
  period: Period,
): Promise<readonly SampleSums[]> {
  const parts = equalParts(period, (sources[0]?.lane.intervalMs ?? 0) * 1000);
  const lengthUs = period.endUs - period.startUs;
  const bordersUs = Array.from(
    { length: parts.count + 1 },
    (_, k) => period.startUs + Math.floor((k * lengthUs) / parts.count),
  );
  const sums = await sumJob(db, sources, job, ({ kept }) => partSegments(kept, job, bordersUs), parts);
  return sums.parts;
}

/** Where buckets have aged out, coarser ones are read: the longest of them. */
export function coarsestStepUs({ groups }: JobSegments): number {
  return Math.max(0, ...groups.flatMap(({ segments }) => segments.map(({ level }) => STEP_US[level])));
}
