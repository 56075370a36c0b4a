import { quoteName } from '../../../../schemas/tables.ts';
import { GAUGES_WITH_PERCENTILES, type LaneGauges } from '../../gauges.ts';
import type { DeviceIdleLimits } from '../../idle-limits.ts';
import { keptRollups, type Segment } from '../../levels.ts';
import { askOwned } from '../../owned-samples.ts';
import { ask, type Asked } from '../../query-cells.ts';
import { quoteTime } from '../../sql-text.ts';
import type { JobRun, JobWindow } from '../facts.ts';
import { readLabel } from './job-rows.ts';
import { jobSamples, jobSegments, type JobSegments, type Stay, type LabelledJob } from './job-segments.ts';
import { sumJob, type JobSource, type LabelledSums } from './scan.ts';

/** Up to so many samples of all devices in the job's time it is read from the samples, which tells as much as quickly. */
const SAMPLES_MAX = 50_000;
/** A running job is looked at up to its newest sample, as long as that is not older than this. */
const FRESH_SAMPLE_US_MAX = 60e6;

/** A job, where its rows are, and what they add up to. */
export interface SummedJob {
  readonly job: LabelledJob;
  /** Of a running job, up to its newest sample. */
  readonly window: JobWindow;
  /** All of it was read from the samples. */
  readonly isFromSamples: boolean;
  readonly placesIn: (source: JobSource) => JobSegments;
  readonly sums: LabelledSums;
}

/** The lanes with what is kept of their samples, and of the histograms of their gauges. @throws what `ask` throws */
export async function jobSources(
  db: Asked,
  sources: readonly LaneGauges[],
  idle: DeviceIdleLimits,
): Promise<JobSource[]> {
  const wanted = sources.flatMap(({ lane: { table }, gauges }) => [
    { table, prefix: table },
    ...gauges
      .filter(([key]) => GAUGES_WITH_PERCENTILES.includes(key))
      .map(([, column]) => ({ table, prefix: histogramOf(table, column) })),
  ]);
  const kept = await keptRollups(db, wanted);
  return sources.flatMap((source) => {
    const { lane, times } = source;
    const own = kept.get(lane.table);
    const within = times === undefined ? {} : { times };
    const histograms = new Map(
      source.gauges.flatMap(([key, column]) => {
        const histogram = kept.get(histogramOf(lane.table, column));
        return histogram === undefined ? [] : [[key, { ...histogram, ...within }] as const];
      }),
    );
    return own === undefined ? [] : [{ ...source, kept: { ...own, ...within }, histograms, idle }];
  });
}

/** How its views' names begin. */
function histogramOf(table: string, column: string): string {
  return `${table}_${column}_hist`;
}

/** Time of the oldest sample of a lane; undefined without any. */
export function oldestSampleUs(source: JobSource | undefined): number | undefined {
  return source?.kept.levels.at(-1)!.tables[0]?.firstUs;
}

/** Whether no sample since then has aged out. */
export function isComplete(source: JobSource | undefined, sinceUs: number): boolean {
  if (source === undefined) return true;
  const { kept, lane } = source;
  const fromUs = kept.levels.at(-1)!.completeFromUs;
  const everUs = Math.min(...kept.levels.map(({ completeFromUs }) => completeFromUs));
  return fromUs <= sinceUs + lane.intervalMs * 1000 || fromUs <= everUs;
}

/**
 * The sums over the job's rows. What has not been flushed yet is no gap: a running job ends, for now, at its newest sample.
 * @throws what `ask` throws
 */
export async function sumToNewest(
  db: Asked,
  sources: readonly JobSource[],
  { jobId, foreign }: JobRun,
  asked: JobWindow,
): Promise<SummedJob> {
  const window = await upToNewestSample(db, sources[0], asked);
  const { startUs } = window;
  const isAllLeft = sources.every((source) => isComplete(source, startUs));
  const [label, sampleCount] = await Promise.all([
    readLabel(db, jobId, window),
    isAllLeft ? samplesIn(db, sources, window) : Infinity,
  ]);
  const job: LabelledJob = { label, stays: window.intervals, foreign, sampleCount };
  const isFromSamples = sampleCount <= SAMPLES_MAX;
  const placesIn = ({ kept }: Pick<JobSource, 'kept'>): JobSegments =>
    isFromSamples ? jobSamples(kept, job, window) : jobSegments(kept, job);
  return {
    job,
    window,
    isFromSamples,
    placesIn,
    sums: await sumJob(db, sources, job, placesIn),
  };
}

/**
 * Where the rows of many runs are read, of all devices together: of samples of all their time where those are few, as of one job.
 * @throws what `ask` throws
 */
export async function placesOfAll(
  db: Asked,
  sources: readonly JobSource[],
  stays: readonly Stay[],
): Promise<(source: JobSource) => readonly Segment[]> {
  const startUs = stays.reduce((us, stay) => Math.min(us, stay.startUs), Infinity);
  const endUs = stays.reduce((us, stay) => Math.max(us, stay.endUs), -Infinity);
  const isAllLeft = sources.every((source) => isComplete(source, startUs));
  const isFew = isAllLeft && (await samplesIn(db, sources, { startUs, endUs })) <= SAMPLES_MAX;
  const all = { stays: [{ gpu: '', startUs, endUs }], foreign: [] };
  return ({ kept }) => {
    const { groups } = isFew ? jobSamples(kept, all, { startUs, endUs }) : jobSegments(kept, all);
    return groups.flatMap(({ segments }) => segments);
  };
}

async function samplesIn(
  db: Asked,
  sources: readonly JobSource[],
  { startUs, endUs }: Pick<JobWindow, 'startUs' | 'endUs'>,
): Promise<number> {
  if (sources.length === 0) return 0;
  const counts = sources.map(
    ({ lane: { table } }) =>
      `SELECT count() AS samples FROM ${quoteName(table)} WHERE ts > ${quoteTime(startUs)} AND ts <= ${quoteTime(endUs)}`,
  );
  const rows = await ask(db, `SELECT max(samples) AS samples FROM (${counts.join(' UNION ALL ')})`);
  return rows[0]?.number('samples') ?? 0;
}

async function upToNewestSample(
  db: Asked,
  source: JobSource | undefined,
  window: JobWindow,
): Promise<JobWindow> {
  const { endUs, intervals } = window;
  const open = intervals.filter((interval) => interval.isOpen && interval.endUs === endUs);
  if (source === undefined || open.length === 0) return window;
  const spans = open.map((interval) => ({
    ...interval,
    startUs: Math.max(interval.startUs, endUs - FRESH_SAMPLE_US_MAX),
  }));
  const rows = await askOwned(
    db,
    source.lane.table,
    spans,
    ({ from, where }) => `SELECT s.gpu AS gpu, cast(max(s.ts) AS LONG) AS newest_us ${from} WHERE ${where}`,
  );
  const newestUs = Math.max(-Infinity, ...rows.map((row) => row.number('newest_us') ?? -Infinity));
  if (newestUs === -Infinity) return window;
  return {
    ...window,
    endUs: newestUs,
    intervals: intervals.map((interval) => ({
      ...interval,
      endUs: Math.max(interval.startUs, Math.min(interval.endUs, newestUs)),
    })),
  };
}
