import type { FindingLimits } from '../../core/analysis/finding-limits.ts';
import type { Segment } from '../levels.ts';
import type { Asked } from '../query-cells.ts';
import type { IdleStretch, JobEvent, JobFigures, UnplacedGaps } from './figures.ts';
import { possibleTail } from './idle-tail.ts';
import { gapsOf } from './rows/gaps.ts';
import { jobSamples, jobSegments } from './rows/job-segments.ts';
import { longestIdle } from './rows/longest-idle.ts';
import { partSegments, seriesOf, type Series } from './rows/parts.ts';
import { NO_PERCENTILES, percentilesOf, type JobPercentiles, type RankedGauge } from './rows/percentiles.ts';
import { unseenTail } from './rows/unseen-tail.ts';
import { rhythmOf, throttleEffects, type Activity } from './rows/rhythm.ts';
import type { JobSource } from './rows/scan.ts';
import type { SummedJob } from './rows/summed-job.ts';

/** Up to so many samples of all devices in the job's time its percentiles are exact. */
const EXACT_SAMPLES_MAX = 500_000;
/** Up to so many its rhythm is looked for in the samples: one pass over a few columns. */
const RHYTHM_SAMPLES_MAX = 5_000_000;
/** How a job went, beside what it adds up to. */
export interface Course extends Pick<JobFigures, 'dips' | 'throttleEffects' | 'tailUnseenUs'> {
  readonly percentiles: JobPercentiles;
  /** By device. */
  readonly longestIdle: ReadonlyMap<string, IdleStretch>;
  readonly series: Series;
  /** Undefined where it is not known. */
  readonly gaps: JobFigures['gaps'];
  readonly unplaced: UnplacedGaps;
}

export const NO_COURSE: Course = {
  percentiles: NO_PERCENTILES,
  longestIdle: new Map(),
  series: new Map(),
  gaps: undefined,
  unplaced: { count: 0, us: 0 },
  tailUnseenUs: undefined,
  dips: undefined,
  throttleEffects: [],
};

export interface SampledJob extends SummedJob {
  /** Interval of the first lane as it was observed, µs. */
  readonly boundaryUs: number;
  readonly events: readonly JobEvent[];
  readonly limits: FindingLimits;
}

/** @throws what `ask` throws */
export async function courseOf(
  db: Asked,
  sources: readonly JobSource[],
  summed: SampledJob,
): Promise<Course> {
  const { job, window, sums, placesIn, boundaryUs, events } = summed;
  const activity = activityOf(sources, boundaryUs);
  const [primary] = sources as [JobSource];
  const [series, dips, percentiles, gaps, idle, tailUnseenUs, effects] = await Promise.all([
    seriesOf(db, sources, summed),
    activity && rhythmOf(db, activity, job, window, job.sampleCount <= RHYTHM_SAMPLES_MAX),
    percentilesOf(
      db,
      job,
      sums,
      rankedGauges(sources, summed),
      job.sampleCount <= EXACT_SAMPLES_MAX ? (kept) => jobSamples(kept, job, window) : undefined,
    ),
    gapsOf(db, primary, job, placesIn(primary), { intervals: window.intervals, intervalUs: boundaryUs }),
    activity && longestIdle(db, activity.places, summed),
    tailUnseen(db, activity, summed),
    activity && throttleEffects(db, activity, job, window, events),
  ]);
  return {
    percentiles,
    series,
    ...gaps,
    longestIdle: idle ?? new Map(),
    tailUnseenUs,
    dips,
    throttleEffects: effects ?? [],
  };
}

/** Asked only where there may be a tail. */
async function tailUnseen(
  db: Asked,
  activity: Activity | undefined,
  summed: SampledJob,
): Promise<Course['tailUnseenUs']> {
  const { window, sums, boundaryUs, limits } = summed;
  const devices = [...Map.groupBy(window.intervals, ({ gpu }) => gpu)].map(([gpu, own]) => {
    const lastUs = sums.devices.get(gpu)?.lastUs ?? -Infinity;
    return {
      endUs: own.reduce((us, { endUs }) => Math.max(us, endUs), -Infinity),
      lastSampleUs: Number.isFinite(lastUs) ? lastUs : undefined,
    };
  });
  const tail = possibleTail({ all: sums.all, devices, ...window, boundaryUs }, limits);
  return activity === undefined || tail === undefined
    ? undefined
    : await unseenTail(db, activity.places, summed, tail);
}

/** All that a job is read from, but what a hole or a throttle asks for more finely. */
export function segmentsOf(sources: readonly JobSource[], summed: SummedJob): Segment[] {
  const { job, isFromSamples, placesIn } = summed;
  const parts = isFromSamples ? [] : sources.map(({ kept }) => partSegments(kept, job));
  const places = [
    ...sources.map(placesIn),
    ...rankedGauges(sources, summed).map((gauge) => gauge.places),
    ...parts,
  ];
  return places.flatMap(({ groups }) => groups.flatMap(({ segments }) => segments));
}

function rankedGauges(
  sources: readonly JobSource[],
  { job, isFromSamples, placesIn }: SummedJob,
): RankedGauge[] {
  // A part of the samples has no ranks.
  const untold = new Set(
    sources.flatMap(({ gauges, histograms }) =>
      gauges.flatMap(([key]) => (histograms.has(key) ? [] : [key])),
    ),
  );
  return sources.flatMap((source) =>
    source.gauges.flatMap(([key, column]): RankedGauge[] => {
      const kept = source.histograms.get(key);
      if (kept === undefined || untold.has(key)) return [];
      return [{ key, column, kept, places: isFromSamples ? placesIn(source) : jobSegments(kept, job) }];
    }),
  );
}

/** Where SM activity is read; undefined where no lane holds it. @param primaryIntervalUs as it was observed */
export function activityOf(sources: readonly JobSource[], primaryIntervalUs: number): Activity | undefined {
  const found = sources.flatMap((source) => {
    const column = new Map(source.gauges).get('smActive');
    const intervalUs = source === sources[0] ? primaryIntervalUs : source.lane.intervalMs * 1000;
    return column === undefined ? [] : [{ source, column, intervalUs }];
  });
  if (found.length === 0) return undefined;
  return { places: found, intervalUs: Math.max(...found.map(({ intervalUs }) => intervalUs)) };
}
