import { quoteName } from '../../../../schemas/tables.ts';
import type { DeviceIdleLimits } from '../../idle-limits.ts';
import { floorTo, STEP_US, type Segment } from '../../levels.ts';
import type { Asked, Cells } from '../../query-cells.ts';
import { gaugeSummands, summandSql, TIME } from '../../summands.ts';
import type { IdleStretch } from '../figures.ts';
import { askOwn, type Question } from './ask-labelled.ts';
import { jobSegments, type DeviceSegments } from './job-segments.ts';
import type { ActivityPlace } from './rhythm.ts';
import { HOLE_US_MAX, type Spoken } from './spoken.ts';
import type { SummedJob } from './summed-job.ts';

/** Minutes are read of jobs that can have so many idle ones, and of which none have aged out; hours of others. */
const IDLE_MINUTES_MAX = 20_000;

/**
 * How long each device was idle without a break, by UUID. A hole ends a stretch, and so does time in which the activity was not known.
 * Of a job that is read from rollups it is made of buckets that were idle as a whole, so that it may have been longer. Without devices
 * of which nothing is known.
 * @throws what `ask` throws
 */
export async function longestIdle(
  db: Asked,
  places: readonly ActivityPlace[],
  { job, window, sums, isFromSamples, placesIn }: SummedJob,
): Promise<Map<string, IdleStretch>> {
  const idleUs = sums.all.idleUs ?? 0;
  const idle: Spoken[] = [];
  for (const place of idleUs === 0 ? [] : places) {
    const groups = isFromSamples
      ? placesIn(place.source).groups
      : bucketsIn(place, job, { idleUs, ...window });
    const rows = await askOwn(db, job, groups, isFromSamples ? () => idleSamples(place) : idleBuckets(place));
    idle.push(...rows.flatMap((row) => wholeIdle(row, place.source.idle)));
  }
  const byDevice = Map.groupBy(idle, ({ gpu }) => gpu);
  const longest = new Map<string, IdleStretch>();
  for (const [gpu, { idleKnownUs, idleUs: deviceUs }] of sums.devices) {
    if (idleKnownUs === 0) continue;
    const found = longestOf(byDevice.get(gpu) ?? []);
    const isAtLeast = !isFromSamples && (deviceUs ?? 0) > 0;
    if (found !== undefined) longest.set(gpu, { ...found, isAtLeast });
    else if (!isAtLeast) longest.set(gpu, { lengthUs: 0, fromUs: undefined, isAtLeast });
  }
  return longest;
}

/** Rollups of an older version do not tell where in a bucket its samples lie. */
function bucketsIn(
  { source: { kept } }: ActivityPlace,
  job: SummedJob['job'],
  { idleUs, startUs }: { readonly idleUs: number; readonly startUs: number },
): DeviceSegments[] {
  const minutesFromUs = kept.levels.find(({ level }) => level === '1m')!.completeFromUs;
  const isByMinutes =
    idleUs / STEP_US['1m'] <= IDLE_MINUTES_MAX && minutesFromUs <= floorTo(startUs + 1, '1m');
  const { groups } = jobSegments(kept, job, isByMinutes ? ['1m'] : ['1h', '1m']);
  return groups.map(({ gpus, segments }) => ({
    gpus,
    segments: segments.filter(({ level, columns }) => level === 'raw' || columns.has('first_ts')),
  }));
}

/** Below it any of the devices may be idle. */
function highestLimit({ source: { idle } }: ActivityPlace): number {
  return Math.max(...idle.inUse);
}

/** Each by itself: what it speaks for is one stretch. */
function idleSamples(place: ActivityPlace): Question {
  const { column } = place;
  return {
    keys: [
      'cast(s.ts AS LONG) AS first_us',
      'cast(s.ts AS LONG) AS last_us',
      's.dt_us AS first_dt_us',
      's.dt_us AS dt_us',
      's.dt_us AS known_us',
      `s.${quoteName(column)} AS most`,
    ],
    picks: [],
    where: `s.${quoteName(column)} < ${highestLimit(place)}`,
  };
}

/** Samples that are too young for a rollup by the minute, too. */
function idleBuckets(place: ActivityPlace): (segment: Segment) => Question {
  const { column } = place;
  const x = `s.${quoteName(column)}`;
  const known = gaugeSummands('x', column)[1]!;
  return (segment) => {
    const sums = [`sum(${TIME.raw}) AS dt_us`, `sum(${summandSql(known, segment)}) AS known_us`];
    if (segment.level === 'raw')
      return {
        keys: ["cast(timestamp_floor('1m', s.ts) AS LONG) AS bucket_us"],
        picks: [
          'min(cast(s.ts AS LONG)) AS first_us',
          'arg_min(s.dt_us, s.ts) AS first_dt_us',
          'max(cast(s.ts AS LONG)) AS last_us',
          ...sums,
          `max(${x}) AS most`,
        ],
      };
    const most = `s.${quoteName(`${column}_max`)}`;
    return {
      keys: ['cast(s.ts AS LONG) AS bucket_us'],
      picks: [
        'min(cast(s.first_ts AS LONG)) AS first_us',
        'first(s.first_dt_us) AS first_dt_us',
        'max(cast(s.last_ts AS LONG)) AS last_us',
        ...sums,
        `max(${most}) AS most`,
      ],
      where: `${most} < ${highestLimit(place)}`,
    };
  };
}

/** The time of a sample or bucket, where it was idle as a whole and has no hole. */
function wholeIdle(row: Cells, idle: DeviceIdleLimits): Spoken[] {
  const gpu = row.text('gpu') ?? '';
  const [firstUs, lastUs] = [row.number('first_us')!, row.number('last_us')!];
  const [firstDtUs, dtUs] = [row.number('first_dt_us') ?? 0, row.number('dt_us') ?? 0];
  const isKnown = row.number('known_us') === dtUs && (row.number('most') ?? Infinity) < idle.of(gpu);
  if (!isKnown || lastUs - firstUs + firstDtUs - dtUs > HOLE_US_MAX) return [];
  return [{ gpu, fromUs: firstUs - firstDtUs, toUs: lastUs }];
}

/** What follows at once is one stretch. Of several that are as long, the first. */
function longestOf(spoken: readonly Spoken[]): Omit<IdleStretch, 'isAtLeast'> | undefined {
  let longest: { readonly fromUs: number; readonly lengthUs: number } | undefined;
  let stretch: { fromUs: number; toUs: number } | undefined;
  for (const { fromUs, toUs } of spoken.toSorted((a, b) => a.fromUs - b.fromUs || a.toUs - b.toUs)) {
    if (stretch === undefined || fromUs - stretch.toUs > HOLE_US_MAX) stretch = { fromUs, toUs };
    else stretch.toUs = Math.max(stretch.toUs, toUs);
    const lengthUs = stretch.toUs - stretch.fromUs;
    if (lengthUs > (longest?.lengthUs ?? 0)) longest = { fromUs: stretch.fromUs, lengthUs };
  }
  return longest;
}
