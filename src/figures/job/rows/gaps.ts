import { quoteName } from '../../../../schemas/tables.ts';
import {
  floorTo,
  LEVELS,
  segmentsOf,
  STEP_US,
  withinSql,
  type KeptLane,
  type Level,
  type Segment,
  type Span,
} from '../../levels.ts';
import { askOwned } from '../../owned-samples.ts';
import { inPortions } from '../../portions.ts';
import { ask, type Asked, type Cells } from '../../query-cells.ts';
import { quotedLists } from '../../sql-text.ts';
import { askLabelled } from './ask-labelled.ts';
import type { JobInterval } from '../facts.ts';
import type { Gap, UnplacedGaps } from '../figures.ts';
import { whoseIs } from './job-rows.ts';
import {
  sampledSpans,
  type DeviceSegments,
  type JobSegments,
  type Stay,
  type LabelledJob,
} from './job-segments.ts';
import type { JobSource } from './scan.ts';
import { gapsBetween, HOLE_US_MAX, type Spoken } from './spoken.ts';

/** Buckets with holes that are looked at more finely, of each level: each costs time, and nobody reads a longer list. */
const LOOKED_AT_MAX = 1000;
/** A query names the buckets that it reads. */
const BUCKETS_PER_QUERY_MAX = 100;

/** A bucket of a rollup as far as one job and device are concerned. */
interface Bucket {
  readonly gpu: string;
  readonly level: Level;
  readonly atUs: number;
  firstUs: number;
  firstDtUs: number;
  lastUs: number;
  dtUs: number;
}

/**
 * Owned time for which no sample speaks. A bucket whose samples speak for all the time between its first and its last has no hole
 * in it; only the others are looked at more finely.
 */
export async function gapsOf(
  db: Asked,
  source: JobSource,
  job: LabelledJob,
  places: JobSegments,
  { intervals, intervalUs }: { readonly intervals: readonly JobInterval[]; readonly intervalUs: number },
): Promise<{ gaps: Gap[]; unplaced: UnplacedGaps }> {
  const spoken = await spokenInSpans(db, job, places.groups);
  const left: Bucket[] = [];
  spoken.push(...(await spokenInBuckets(db, source, job, places.groups, left)));
  const unplaced = { count: 0, us: 0 };
  const intervalsOf = Map.groupBy(intervals, ({ gpu }) => gpu);
  for (const bucket of left) {
    const awayUs = awaysIn(bucket, intervalsOf.get(bucket.gpu) ?? []);
    const missingUs = awayUs.reduce((us, away) => us - away, holeUs(bucket));
    // At both ends of the time away up to one interval is no gap, as in `gapsBetween`.
    if (missingUs <= Math.max(HOLE_US_MAX, 2 * awayUs.length * intervalUs)) continue;
    unplaced.count += 1;
    unplaced.us += missingUs;
  }
  return { gaps: gapsBetween(spoken, intervals, intervalUs), unplaced };
}

/** How long each time was, between a bucket's samples, in which the run did not have the device: that is no hole. */
function awaysIn({ firstUs, firstDtUs, lastUs }: Bucket, own: readonly JobInterval[]): number[] {
  const ascending = own.toSorted((a, b) => a.startUs - b.startUs);
  return ascending.slice(1).flatMap(({ startUs }, index) => {
    const fromUs = Math.max(ascending[index]!.endUs, firstUs - firstDtUs);
    const toUs = Math.min(startUs, lastUs);
    return toUs > fromUs ? [toUs - fromUs] : [];
  });
}

async function spokenInBuckets(
  db: Asked,
  source: JobSource,
  job: LabelledJob,
  groups: readonly DeviceSegments[],
  unplaced: Bucket[],
): Promise<Spoken[]> {
  const spoken: Spoken[] = [];
  const buckets = await bucketsOf(db, job, groups);
  const holed: Bucket[] = [];
  for (const bucket of buckets) {
    if (holeUs(bucket) > HOLE_US_MAX) holed.push(bucket);
    else spoken.push(spokenOf(bucket));
  }
  for (const [level, own] of Map.groupBy(holed, (bucket) => bucket.level)) {
    const { finer, left } = finerOf(source, level, own);
    unplaced.push(...left);
    spoken.push(...left.map(spokenOf));
    // Devices are asked about together; of a bucket that had no hole of its own the answer is the same again.
    for (const some of finer) {
      spoken.push(...(await spokenInMinutes(db, some)));
      spoken.push(...(await spokenInBuckets(db, source, job, [some], unplaced)));
    }
  }
  return spoken;
}

/** Time between the samples of a bucket for which none of them speaks. */
function holeUs({ firstUs, firstDtUs, lastUs, dtUs }: Bucket): number {
  return lastUs - firstUs + firstDtUs - dtUs;
}

function spokenOf({ gpu, firstUs, firstDtUs, lastUs }: Bucket): Spoken {
  return { gpu, fromUs: firstUs - firstDtUs, toUs: lastUs };
}

/** Where buckets with holes are looked at more finely, and those of which nothing finer is left, or which are too many. */
function finerOf(
  { kept }: JobSource,
  level: Level,
  holed: readonly Bucket[],
): { finer: DeviceSegments[]; left: readonly Bucket[] } {
  const finerLevels = LEVELS.slice(LEVELS.indexOf(level) + 1);
  const byTime = [...Map.groupBy(holed, ({ atUs }) => atUs)].sort(([a], [b]) => a - b);
  const finer: { gpus: Set<string>; segments: Segment[] }[] = [];
  const left: Bucket[] = [];
  for (const [index, [atUs, own]] of byTime.entries()) {
    const span = { fromUs: atUs, toUs: atUs + STEP_US[level] };
    const segments =
      level === '1m' ? samplesIn(kept, span) : segmentsOf(kept, seenIn(own, finerLevels[0]!), finerLevels);
    const isThere = segments.every((segment) => isFiner(segment, level, kept));
    if (index >= LOOKED_AT_MAX || !isThere) {
      left.push(...own);
      continue;
    }
    let last = finer.at(-1);
    if (last === undefined || last.segments.length >= BUCKETS_PER_QUERY_MAX)
      finer.push((last = { gpus: new Set(), segments: [] }));
    for (const { gpu } of own) last.gpus.add(gpu);
    for (const segment of segments) addSegment(last.segments, segment);
  }
  return { finer: finer.map(({ gpus, segments }) => ({ gpus: [...gpus], segments })), left };
}

/** From the first to the last sample of buckets: of the rest of their time nothing finer may be there. */
function seenIn(own: readonly Bucket[], finer: Level): Span {
  const firstUs = own.reduce((us, bucket) => Math.min(us, bucket.firstUs), Infinity);
  const lastUs = own.reduce((us, bucket) => Math.max(us, bucket.lastUs), -Infinity);
  return { fromUs: floorTo(firstUs, finer), toUs: floorTo(lastUs, finer) + STEP_US[finer] };
}

function samplesIn({ table, columns }: KeptLane, span: Span): Segment[] {
  return [{ table, level: 'raw', columns, spans: [span] }];
}

/** Time of which nothing finer is left is read from the level itself, or from samples that have aged out. */
function isFiner({ level: found, spans }: Segment, level: Level, { levels }: KeptLane): boolean {
  if (found === 'raw') return spans.every(({ fromUs }) => fromUs >= levels.at(-1)!.completeFromUs);
  return LEVELS.indexOf(found) > LEVELS.indexOf(level);
}

/** Segments of one table are one. */
function addSegment(segments: Segment[], { spans, ...segment }: Segment): void {
  const at = segments.findIndex(({ table }) => table === segment.table);
  if (at === -1) segments.push({ ...segment, spans });
  else segments[at] = { ...segment, spans: [...segments[at]!.spans, ...spans] };
}

async function bucketsOf(db: Asked, job: LabelledJob, groups: readonly DeviceSegments[]): Promise<Bucket[]> {
  const buckets = new Map<string, Bucket>();
  const rollups = groups.map(({ gpus, segments }) => ({
    gpus,
    segments: segments.filter(({ level }) => level !== 'raw'),
  }));
  const rows = await askLabelled(db, job, rollups, ({ level, columns }) => ({
    keys: ['cast(s.ts AS LONG) AS at_us', `'${level}' AS level`],
    picks: columns.has('first_ts')
      ? [
          'min(cast(s.first_ts AS LONG)) AS first_us',
          'first(s.first_dt_us) AS first_dt_us',
          'max(cast(s.last_ts AS LONG)) AS last_us',
          'sum(s.dt_us) AS dt_us',
        ]
      : NOT_TOLD,
  }));
  for (const row of rows) {
    // A row of which nobody knows whose it is was seen all the same.
    if (whoseIs(job.label, row) !== undefined) addBucket(buckets, row);
  }
  return [...buckets.values()];
}

/** A rollup of an older version does not tell where its samples lie: it is taken for whole, since what is not known is no gap. */
const NOT_TOLD = [
  'cast(null AS LONG) AS first_us',
  'cast(null AS LONG) AS first_dt_us',
  'cast(null AS LONG) AS last_us',
  'sum(s.dt_us) AS dt_us',
];

function addBucket(buckets: Map<string, Bucket>, row: Cells): void {
  const [gpu, level, atUs] = [row.text('gpu') ?? '', row.text('level') as Level, row.number('at_us')!];
  const stepUs = STEP_US[level];
  const told = row.number('first_us');
  const one: Bucket =
    told === undefined
      ? { gpu, level, atUs, firstUs: atUs, firstDtUs: 0, lastUs: atUs + stepUs, dtUs: stepUs }
      : {
          gpu,
          level,
          atUs,
          firstUs: told,
          firstDtUs: row.number('first_dt_us') ?? 0,
          lastUs: row.number('last_us')!,
          dtUs: row.number('dt_us') ?? 0,
        };
  const key = `${gpu} ${atUs}`;
  const known = buckets.get(key);
  if (known === undefined) {
    buckets.set(key, one);
    return;
  }
  known.dtUs += one.dtUs;
  known.lastUs = Math.max(known.lastUs, one.lastUs);
  if (one.firstUs < known.firstUs) Object.assign(known, { firstUs: one.firstUs, firstDtUs: one.firstDtUs });
}

/** By the samples of the job's stays where there are no rollups of them yet. */
async function spokenInSpans(
  db: Asked,
  job: LabelledJob,
  groups: readonly DeviceSegments[],
): Promise<Spoken[]> {
  const spoken: Spoken[] = [];
  for (const { gpus, segments } of groups)
    for (const segment of await inPortions(db, segments, job.sampleCount))
      if (segment.level === 'raw')
        spoken.push(...(await spokenOfSpans(db, segment.table, sampledSpans(segment, gpus, job.stays))));
  return spoken;
}

async function spokenOfSpans(db: Asked, table: string, spans: readonly Stay[]): Promise<Spoken[]> {
  const numbered = spans.map((span, number) => ({ ...span, number }));
  const isNamed = numbered.length !== new Set(numbered.map(({ gpu }) => gpu)).size;
  const more = isNamed
    ? { number: ({ number }: { readonly number: number }): string => `${number}` }
    : undefined;
  const key = isNamed ? 'o.number' : '0';
  const holes = await askOwned(
    db,
    table,
    numbered,
    ({ from, where }) => holesSql(key, `${from} WHERE ${where}`),
    more,
  );
  const edges = await askOwned(
    db,
    table,
    numbered,
    ({ from, where }) => edgesSql(key, `${from} WHERE ${where}`),
    more,
  );
  return spokenBetween(edges, holes);
}

/** By all samples of minutes with holes, whosever they are. */
async function spokenInMinutes(db: Asked, { gpus, segments }: DeviceSegments): Promise<Spoken[]> {
  const spoken: Spoken[] = [];
  for (const segment of segments.filter(({ level }) => level === 'raw')) {
    for (const some of quotedLists(gpus)) {
      const rows = `FROM ${quoteName(segment.table)} s WHERE ${withinSql(segment)} AND s.gpu IN (${some})`;
      const edges = await ask(db, edgesSql(minuteSql('s.ts'), rows));
      spoken.push(...spokenBetween(edges, await ask(db, holesInMinutesSql(rows))));
    }
  }
  return spoken;
}

/** One row per hole between two samples of a span. */
function holesSql(spanKey: string, rows: string): string {
  return (
    `WITH p AS (SELECT s.gpu AS gpu, ${spanKey} AS span, s.ts AS ts, s.dt_us AS dt_us ${rows}),` +
    ' l AS (SELECT gpu, span, ts, dt_us, lag(ts) OVER (PARTITION BY gpu, span ORDER BY ts) AS before_ts FROM p)' +
    ' SELECT gpu, span, cast(before_ts AS LONG) AS from_us, cast(ts AS LONG) - dt_us AS to_us FROM l' +
    ` WHERE cast(ts AS LONG) - dt_us - cast(before_ts AS LONG) > ${HOLE_US_MAX}`
  );
}

/** The same where spans are minutes: the server finds no `ts` beside a key that is made of it. */
function holesInMinutesSql(rows: string): string {
  return (
    `WITH l AS (SELECT gpu, ts, dt_us, lag(ts) OVER (PARTITION BY gpu ORDER BY ts) AS before_ts ${rows})` +
    ` SELECT gpu, ${minuteSql('ts')} AS span, cast(before_ts AS LONG) AS from_us, cast(ts AS LONG) - dt_us AS to_us FROM l` +
    ` WHERE cast(ts AS LONG) - dt_us - cast(before_ts AS LONG) > ${HOLE_US_MAX} AND ${minuteSql('before_ts')} = ${minuteSql('ts')}`
  );
}

function minuteSql(ts: string): string {
  return `cast(${ts} AS LONG) / ${STEP_US['1m']}`;
}

/** One row per span for its first and last sample. */
function edgesSql(spanKey: string, rows: string): string {
  return (
    `SELECT s.gpu AS gpu, ${spanKey} AS span, min(cast(s.ts AS LONG)) AS first_us,` +
    ` max(cast(s.ts AS LONG)) AS last_us, arg_min(s.dt_us, s.ts) AS first_dt_us ${rows}`
  );
}

function spokenBetween(edges: readonly Cells[], holes: readonly Cells[]): Spoken[] {
  const keyOf = (row: Cells): string => `${row.text('gpu') ?? ''} ${row.number('span')}`;
  const holesOf = Map.groupBy(holes, keyOf);
  return edges.flatMap((row) => {
    const gpu = row.text('gpu') ?? '';
    let fromUs = row.number('first_us')! - (row.number('first_dt_us') ?? 0);
    const own = (holesOf.get(keyOf(row)) ?? []).map(
      (hole) => [hole.number('from_us')!, hole.number('to_us')!] as const,
    );
    const spoken: Spoken[] = [];
    for (const [holeFromUs, holeToUs] of own.toSorted(([a], [b]) => a - b)) {
      spoken.push({ gpu, fromUs, toUs: holeFromUs });
      fromUs = holeToUs;
    }
    return [...spoken, { gpu, fromUs, toUs: row.number('last_us')! }];
  });
}
