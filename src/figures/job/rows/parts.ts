import { STEP_US, type KeptLane, type Segment } from '../../levels.ts';
import type { GaugeKey } from '../../gauges.ts';
import type { Asked, Cells } from '../../query-cells.ts';
import { quoteTime } from '../../sql-text.ts';
import { gaugeSummands, summandSql } from '../../summands.ts';
import { askOwn } from './ask-labelled.ts';
import { jobSegments, type JobSegments, type JobTime } from './job-segments.ts';
import type { JobSource } from './scan.ts';
import type { SummedJob } from './summed-job.ts';

/** Equal parts of the job's time in the little plots; a short job has one per tick. */
const PARTS_MAX = 20;

/** Of each gauge its mean over all devices in equal parts of the job's time, in order; null where nothing is known. */
export type Series = ReadonlyMap<GaugeKey, readonly (number | null)[]>;

/** @param bordersUs there finer levels are read */
export function partSegments(lane: KeptLane, job: JobTime, bordersUs: readonly number[] = []): JobSegments {
  return jobSegments(lane, job, ['1h', '1m'], bordersUs);
}

/**
 * The k-th part ends at its own end. Of a job that is not read from its samples whole hours and minutes come from the rollups, the
 * minutes of the borders from the samples; where those have aged out, a bucket counts to the part in which it begins.
 * @throws what `ask` throws
 */
export async function seriesOf(
  db: Asked,
  sources: readonly JobSource[],
  { job, window: { startUs, endUs }, isFromSamples, placesIn }: SummedJob,
): Promise<Series> {
  const lengthUs = Math.max(1, endUs - startUs);
  const intervalUs = Math.max(1, (sources[0]?.lane.intervalMs ?? 0) * 1000);
  const count = Math.max(1, Math.min(PARTS_MAX, Math.floor(lengthUs / intervalUs)));
  const bordersUs = Array.from(
    { length: count + 1 },
    (_, k) => startUs + Math.floor((k * (endUs - startUs)) / count),
  );
  const numberSql = ({ level }: Segment): string =>
    `cast((s.ts - cast(${quoteTime(startUs)} AS TIMESTAMP)${level === 'raw' ? ' - 1' : ''}) * ${count} / ${lengthUs} AS INT)`;
  const read = sources
    .filter(({ gauges }) => gauges.length > 0)
    .map(async (source) => {
      const places = isFromSamples ? placesIn(source) : partSegments(source.kept, job, bordersUs);
      const rows = await askOwn(db, job, places.groups, (segment) => ({
        isPooled: true,
        keys: [`${numberSql(segment)} AS part_number`],
        picks: source.gauges
          .flatMap(([, column], index) => gaugeSummands(`x${index}`, column))
          .map((one) => `sum(${summandSql(one, segment)}) AS ${one.name}`),
      }));
      return { source, rows };
    });
  const sums = new Map<GaugeKey, PartSums[]>();
  for (const { source, rows } of await Promise.all(read))
    source.gauges.forEach(([key], index) => {
      const own = sums.get(key) ?? Array.from({ length: count }, (): PartSums => ({ sum: 0, knownUs: 0 }));
      sums.set(key, own);
      for (const row of rows) addPart(own, row, `x${index}`);
    });
  const meanOf = ({ sum, knownUs }: PartSums): number | null => (knownUs === 0 ? null : sum / knownUs);
  return new Map([...sums].map(([key, own]) => [key, own.map(meanOf)]));
}

/** Σ x·dt, and Σ dt where x was known, µs. */
interface PartSums {
  sum: number;
  knownUs: number;
}

function addPart(parts: readonly PartSums[], row: Cells, prefix: string): void {
  const number = row.number('part_number') ?? 0;
  const part = parts[Math.max(0, Math.min(parts.length - 1, number))]!;
  part.sum += row.number(`${prefix}_sum`) ?? 0;
  part.knownUs += row.number(`${prefix}_us`) ?? 0;
}

/** Where buckets have aged out, coarser ones are read: the longest of them. */
export function coarsestStepUs({ groups }: JobSegments): number {
  return Math.max(0, ...groups.flatMap(({ segments }) => segments.map(({ level }) => STEP_US[level])));
}
