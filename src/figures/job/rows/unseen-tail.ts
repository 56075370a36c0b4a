import { quoteName } from '../../../../schemas/tables.ts';
import { floorTo, LEVELS, STEP_US, type Segment, type Span } from '../../levels.ts';
import type { Asked, Cells } from '../../query-cells.ts';
import { common } from '../../spans.ts';
import { quoteTime } from '../../sql-text.ts';
import { gaugeSummands, summandSql } from '../../summands.ts';
import type { Tail } from '../idle-tail.ts';
import { askOwn, type Question } from './ask-labelled.ts';
import { jobSamples, jobSegments, type DeviceSegments, type Stay, type LabelledJob } from './job-segments.ts';
import type { ActivityPlace } from './rhythm.ts';
import type { SummedJob } from './summed-job.ts';

/** A sample or bucket: between the two moments the SM activity was known for so long, nobody can tell when. */
interface KnownTime {
  readonly gpu: string;
  fromUs: number;
  toUs: number;
  knownUs: number;
}

/** Minutes of devices that are read for that. */
const MINUTES_MAX = 50_000;

/**
 * For how long nobody knows what a device did in a tail while the job had it, by UUID. Of a bucket that reaches beyond the tail, or
 * into what another table tells, only that is known which must lie within. A device is looked at up to its last sample: what is left
 * to its end is the boundary's ±, where the tail goes further.
 * @throws what `ask` throws
 */
export async function unseenTail(
  db: Asked,
  places: readonly ActivityPlace[],
  { job, window, sums, isFromSamples }: SummedJob,
  tail: Tail,
): Promise<Map<string, number>> {
  const stays = window.intervals.map(({ gpu, startUs, endUs }): Stay => ({
    gpu,
    startUs: Math.max(startUs, tail.fromUs),
    endUs: Math.min(endUs, tail.untilUs),
  }));
  const within: LabelledJob = { ...job, stays };
  const known: KnownTime[] = [];
  // Of two hours that overlap one tells nothing: where one table follows another minutes lose less.
  const finerAtUs = [
    tail.fromUs + 1,
    tail.untilUs,
    ...(places.length > 1 ? hoursOf(tail, stays.length) : []),
  ];
  for (const place of places) {
    const groups = groupsOf(place, within, tail, isFromSamples ? undefined : finerAtUs);
    const rows = await askOwn(db, within, groups, (segment) =>
      questionOf(place, segment, tail, isFromSamples),
    );
    known.push(...knownTimes(rows));
  }
  const knownOf = Map.groupBy(known, ({ gpu }) => gpu);
  const unseen = new Map<string, number>();
  for (const [gpu, own] of Map.groupBy(stays, (stay) => stay.gpu)) {
    const lastUs = sums.devices.get(gpu)?.lastUs ?? -Infinity;
    const held = common(
      own.map(({ startUs, endUs }) => ({ fromUs: startUs, toUs: endUs })),
      [{ fromUs: tail.fromUs, toUs: Number.isFinite(lastUs) ? lastUs : Infinity }],
    );
    unseen.set(gpu, lengthOf(held) - seenUs(held, knownOf.get(gpu) ?? []));
  }
  return unseen;
}

function lengthOf(spans: readonly Span[]): number {
  return spans.reduce((us, { fromUs, toUs }) => us + Math.max(0, toUs - fromUs), 0);
}

/** Buckets in which one of these moments lies are read more finely where that is left. Rollups of an older version do not tell where their samples lie. */
function groupsOf(
  { source: { kept } }: ActivityPlace,
  within: LabelledJob,
  { fromUs, untilUs }: Tail,
  finerAtUs: readonly number[] | undefined,
): readonly DeviceSegments[] {
  if (finerAtUs === undefined) return jobSamples(kept, within, { startUs: fromUs, endUs: untilUs }).groups;
  return jobSegments(kept, within, LEVELS, finerAtUs).groups.map(({ gpus, segments }) => ({
    gpus,
    segments: segments.filter(({ level, columns }) => level === 'raw' || columns.has('first_ts')),
  }));
}

/** All of its hours, where their minutes are not too many. */
function hoursOf({ fromUs, untilUs }: Tail, devices: number): number[] {
  const firstUs = floorTo(fromUs, '1h') + STEP_US['1h'];
  const count = Math.max(0, Math.ceil((untilUs - firstUs) / STEP_US['1h']));
  return count * (STEP_US['1h'] / STEP_US['1m']) * devices > MINUTES_MAX
    ? []
    : Array.from({ length: count }, (_, at) => firstUs + at * STEP_US['1h'] + 1);
}

/** Of a long job samples, which are there where no rollup is yet, come by the minute. */
function questionOf(
  { column }: ActivityPlace,
  segment: Segment,
  { fromUs }: Tail,
  isFromSamples: boolean,
): Question {
  if (segment.level !== 'raw')
    return {
      keys: ['cast(s.ts AS LONG) AS at_us'],
      picks: [
        'min(cast(s.first_ts AS LONG) - s.first_dt_us) AS from_us',
        'max(cast(s.last_ts AS LONG)) AS to_us',
        `sum(${summandSql(gaugeSummands('x', column)[1]!, segment)}) AS known_us`,
      ],
    };
  const tsUs = 'cast(s.ts AS LONG)';
  const beginUs = `CASE WHEN ${tsUs} - s.dt_us < ${fromUs} THEN ${fromUs} ELSE ${tsUs} - s.dt_us END`;
  return {
    keys: [`${isFromSamples ? tsUs : "cast(timestamp_floor('1m', s.ts) AS LONG)"} AS at_us`],
    picks: [`min(${beginUs}) AS from_us`, `max(${tsUs}) AS to_us`, `sum(${tsUs} - ${beginUs}) AS known_us`],
    where: `s.${quoteName(column)} IS NOT NULL AND s.ts > ${quoteTime(fromUs)}`,
  };
}

/** Rows of one bucket are brought together: they differ in whose the device was beside the job. */
function knownTimes(rows: readonly Cells[]): KnownTime[] {
  const buckets = new Map<string, KnownTime>();
  for (const row of rows) {
    const [gpu, fromUs, toUs] = [row.text('gpu') ?? '', row.number('from_us'), row.number('to_us')];
    if (fromUs === undefined || toUs === undefined) continue;
    const knownUs = row.number('known_us') ?? 0;
    const key = `${gpu} ${row.number('at_us')}`;
    const bucket = buckets.get(key);
    if (bucket === undefined) {
      buckets.set(key, { gpu, fromUs, toUs, knownUs });
      continue;
    }
    bucket.fromUs = Math.min(bucket.fromUs, fromUs);
    bucket.toUs = Math.max(bucket.toUs, toUs);
    bucket.knownUs += knownUs;
  }
  return [...buckets.values()].filter(({ knownUs }) => knownUs > 0);
}

/** At least so much of the time that it had: what may lie outside, or in time that was counted already, does not count. */
function seenUs(held: readonly Span[], known: readonly KnownTime[]): number {
  let [sumUs, reachedUs] = [0, -Infinity];
  for (const { fromUs, toUs, knownUs } of known.toSorted((a, b) => a.fromUs - b.fromUs || a.toUs - b.toUs)) {
    const leftUs = lengthOf(common([{ fromUs: Math.max(fromUs, reachedUs), toUs }], held));
    sumUs += Math.max(0, knownUs - (toUs - fromUs - leftUs));
    reachedUs = Math.max(reachedUs, toUs);
  }
  return sumUs;
}
