import { quoteName } from '../../../../schemas/tables.ts';
import type { GaugeKey } from '../../gauges.ts';
import type { Asked, Cells } from '../../query-cells.ts';
import { askOwn } from '../rows/ask-labelled.ts';
import { jobSamples, type JobSegments, type LabelledJob } from '../rows/job-segments.ts';
import type { JobSource } from '../rows/scan.ts';
import { isComplete } from '../rows/summed-job.ts';
import { bandsOf } from './bands.ts';
import type { JobCourse } from './course.ts';
import type { Band } from './figures.ts';

/** A part of a job's time, (fromUs, toUs] in epoch µs. */
export interface LookedAt {
  readonly fromUs: number;
  readonly toUs: number;
}

/** What one gauge of one device read, sample by sample. */
export interface SampleLine {
  readonly key: GaugeKey;
  readonly gpu: string;
  readonly node: string;
  /** Ascending, epoch µs; the same array for all gauges that were sampled together. */
  readonly timesUs: Float64Array;
  /** Time before each that it speaks for; 0 where nothing is known of the time before. */
  readonly dtUs: Float64Array;
  /** NaN for a blank. */
  readonly values: Float64Array;
}

/** A part of a job's time, looked at closely. */
export interface CloseLook extends LookedAt {
  /** The samples themselves; undefined where they are too many, or have aged out. */
  readonly samples: readonly SampleLine[] | undefined;
  /** Where there are no samples: levels, as those of the whole job, in shorter steps. */
  readonly bands: readonly Band[];
}

/** More steps than a screen has dots across would only take longer. */
const STEPS_MAX = 1440;

/**
 * Looks at a part of a job's time as closely as that many numbers can be shown: down to its samples.
 * @param span is cut to the job's time
 * @param valuesMax numbers of samples that are told at most @param gpus only of these devices
 * @throws what `ask` throws
 */
export async function lookClosely(
  db: Asked,
  course: JobCourse,
  span: LookedAt,
  { valuesMax, gpus }: { readonly valuesMax: number; readonly gpus?: ReadonlySet<string> },
): Promise<CloseLook> {
  const fromUs = Math.max(span.fromUs, course.window.startUs);
  const toUs = Math.min(span.toUs, course.window.endUs);
  const intervals = course.window.intervals
    .filter(({ gpu }) => gpus === undefined || gpus.has(gpu))
    .map((interval) => ({
      ...interval,
      startUs: Math.max(interval.startUs, fromUs),
      endUs: Math.min(interval.endUs, toUs),
    }))
    .filter(({ startUs, endUs }) => endUs > startUs);
  if (intervals.length === 0) return { fromUs, toUs, samples: [], bands: [] };
  const window = { startUs: fromUs, endUs: toUs, intervals };
  const { label, run, sources } = course;
  const job: LabelledJob = { label, stays: intervals, foreign: run.foreign, sampleCount: Infinity };
  const shown = sources.filter(({ gauges }) => gauges.length > 0);
  const counts = await Promise.all(
    shown.map(async (source) => await countOf(db, job, jobSamples(source.kept, job, window))),
  );
  const values = shown.reduce((sum, { gauges }, at) => sum + gauges.length * counts[at]!, 0);
  const isAllLeft = shown.every((source) => isComplete(source, fromUs));
  const counted = { ...job, sampleCount: Math.max(0, ...counts) };
  if (isAllLeft && values <= valuesMax) {
    const nodeOf = new Map(intervals.map(({ gpu, node }) => [gpu, node]));
    const read = shown.map(
      async (source) => await samplesIn(db, source, counted, jobSamples(source.kept, job, window), nodeOf),
    );
    return { fromUs, toUs, samples: (await Promise.all(read)).flat(), bands: [] };
  }
  const place = { job: counted, window, isFromSamples: false, placesIn: samplesAlone(window, counted) };
  const boundaryUs = (shown[0]?.lane.intervalMs ?? 0) * 1000;
  return {
    ...{ fromUs, toUs, samples: undefined },
    bands: await bandsOf(db, shown, place, { boundaryUs, countMax: STEPS_MAX }),
  };
}

function samplesAlone(
  window: { readonly startUs: number; readonly endUs: number },
  job: LabelledJob,
): (source: Pick<JobSource, 'kept'>) => JobSegments {
  return ({ kept }) => jobSamples(kept, job, window);
}

async function countOf(db: Asked, job: LabelledJob, { groups }: JobSegments): Promise<number> {
  const rows = await askOwn(db, job, groups, () => ({
    ...{ isPooled: true, keys: [], picks: ['count() AS samples'] },
  }));
  return rows.reduce((sum, row) => sum + (row.number('samples') ?? 0), 0);
}

async function samplesIn(
  db: Asked,
  { gauges }: JobSource,
  job: LabelledJob,
  { groups }: JobSegments,
  nodeOf: ReadonlyMap<string, string>,
): Promise<SampleLine[]> {
  const rows = await askOwn(db, job, groups, () => ({
    keys: [
      'cast(s.ts AS LONG) AS ts_us',
      's.dt_us AS dt_us',
      ...gauges.map(([, column], index) => `s.${quoteName(column)} AS x${index}`),
    ],
    picks: [],
  }));
  const byDevice = Map.groupBy(rows, (row) => row.text('gpu') ?? '');
  return [...byDevice].flatMap(([gpu, own]) =>
    linesOf(own, gauges).map((line) => ({ gpu, node: nodeOf.get(gpu) ?? '', ...line })),
  );
}

/** @param rows of one device */
function linesOf(
  rows: readonly Cells[],
  gauges: JobSource['gauges'],
): Pick<SampleLine, 'key' | 'timesUs' | 'dtUs' | 'values'>[] {
  const sorted = rows.toSorted((a, b) => a.number('ts_us')! - b.number('ts_us')!);
  const timesUs = Float64Array.from(sorted, (row) => row.number('ts_us')!);
  const dtUs = Float64Array.from(sorted, (row) => row.number('dt_us') ?? 0);
  return gauges.flatMap(([key], index) => {
    const values = Float64Array.from(sorted, (row) => row.number(`x${index}`) ?? NaN);
    return values.every(Number.isNaN) ? [] : [{ key, timesUs, dtUs, values }];
  });
}
