import { quoteName } from '../../schemas/tables.ts';
import type { GaugeKey } from './gauges.ts';
import {
  floorTo,
  LEVELS,
  segmentsIn,
  STEP_US,
  wholeSpan,
  withinSql,
  type KeptLane,
  type Level,
  type Segment,
  type Span,
} from './levels.ts';
import { ask, type Asked } from './query-cells.ts';
import { overlap } from './spans.ts';
import { quotedLists } from './sql-text.ts';
import { counterSummands, summandSql } from './summands.ts';

/** What is read of a table: a gauge, or the rises of the energy counter. */
export type Reading = GaugeKey | 'energy';

/** By reading and device: from the first sample with a value to the last one. */
export type Known = ReadonlyMap<Reading, ReadonlyMap<string, Span>>;

/** Buckets that a query names. */
const BUCKETS_PER_QUERY_MAX = 100;

/** The bucket in which a reading of a device is known for the first, or the last time. */
interface Edge {
  us: number;
  level: Level;
}

interface Edges {
  readonly key: Reading;
  readonly gpu: string;
  readonly first: Edge;
  readonly last: Edge;
}

/**
 * When a table knows these readings of each device, whatever was blank in between. Ends that lie in the span are exact, as far as what
 * is kept tells: where samples have aged out it is the minute, hour or day around them. Others are in whole days.
 * @param columns of the readings
 * @param gpus all when absent
 * @throws what `ask` throws
 */
export async function knownTimes(
  db: Asked,
  kept: KeptLane,
  columns: ReadonlyMap<Reading, string>,
  span: Span,
  gpus: readonly string[] | undefined,
): Promise<Known> {
  const whole = wholeSpan(kept);
  const edges = new Map<string, Edges>();
  if (whole === undefined) return new Map();
  for (const found of await seenIn(db, segmentsIn(kept, [whole]), columns, gpus)) {
    const { key, gpu, level, firstUs, lastUs } = found;
    const known = edges.get(idOf(found));
    if (known === undefined)
      edges.set(idOf(found), { key, gpu, first: { us: firstUs, level }, last: { us: lastUs, level } });
    else {
      if (firstUs < known.first.us) Object.assign(known.first, { us: firstUs, level });
      if (lastUs > known.last.us) Object.assign(known.last, { us: lastUs, level });
    }
  }
  for (const level of LEVELS.slice(0, -1)) {
    const buckets = bucketsToRefine(kept, edges.values(), level, span);
    for (let from = 0; from < buckets.length; from += BUCKETS_PER_QUERY_MAX) {
      const spans = buckets
        .slice(from, from + BUCKETS_PER_QUERY_MAX)
        .map((us) => ({ fromUs: us, toUs: us + STEP_US[level] }));
      const seen = await seenIn(db, finerSegments(kept, level, spans), columns, gpus);
      for (const [id, own] of Map.groupBy(seen, idOf)) refine(edges.get(id), own, level);
    }
  }
  const known = new Map<Reading, Map<string, Span>>();
  for (const { key, gpu, first, last } of edges.values()) {
    const own = known.get(key) ?? new Map<string, Span>();
    known.set(key, own);
    own.set(gpu, { fromUs: first.us, toUs: last.us + STEP_US[last.level] });
  }
  return known;
}

function idOf({ key, gpu }: Pick<Edges, 'key' | 'gpu'>): string {
  return `${key} ${gpu}`;
}

/** The next finer level that holds anything. */
function finerThan({ levels }: KeptLane, level: Level): KeptLane['levels'][number] | undefined {
  return levels.slice(LEVELS.indexOf(level) + 1).find(({ completeFromUs }) => completeFromUs < Infinity);
}

/** Starts of buckets of a level that hold an end, lie in the span, and of which something finer is left; ascending. */
function bucketsToRefine(kept: KeptLane, edges: Iterable<Edges>, level: Level, span: Span): number[] {
  const finerFromUs = finerThan(kept, level)?.completeFromUs ?? Infinity;
  const buckets = new Set<number>();
  for (const { first, last } of edges)
    for (const edge of [first, last]) {
      if (edge.level !== level || edge.us < finerFromUs) continue;
      if (overlap({ fromUs: edge.us, toUs: edge.us + STEP_US[level] }, span)) buckets.add(edge.us);
    }
  return [...buckets].sort((a, b) => a - b);
}

/** The same time from finer levels. */
function finerSegments(kept: KeptLane, level: Level, spans: readonly Span[]): Segment[] {
  const { table, columns } = kept;
  if (finerThan(kept, level)?.level === 'raw') return [{ table, level: 'raw', columns, spans }];
  return segmentsIn(kept, spans, LEVELS.slice(LEVELS.indexOf(level) + 1));
}

/** Ends that lie in buckets of the level are told by what was seen in them. */
function refine(edges: Edges | undefined, seen: readonly Seen[], level: Level): void {
  if (edges === undefined) return;
  const [{ us: firstUs }, { us: lastUs }] = [edges.first, edges.last];
  const within = (us: number, bucketUs: number): boolean => floorTo(us, level) === bucketUs;
  const firsts = seen.filter((one) => edges.first.level === level && within(one.firstUs, firstUs));
  const lasts = seen.filter((one) => edges.last.level === level && within(one.lastUs, lastUs));
  for (const one of firsts.toSorted((a, b) => b.firstUs - a.firstUs))
    Object.assign(edges.first, { us: one.firstUs, level: one.level });
  for (const one of lasts.toSorted((a, b) => a.lastUs - b.lastUs))
    Object.assign(edges.last, { us: one.lastUs, level: one.level });
}

/** First and last bucket, or sample, in which a reading of a device is known. */
interface Seen {
  readonly key: Reading;
  readonly gpu: string;
  readonly level: Level;
  readonly firstUs: number;
  readonly lastUs: number;
}

async function seenIn(
  db: Asked,
  segments: readonly Segment[],
  columns: ReadonlyMap<Reading, string>,
  gpus: readonly string[] | undefined,
): Promise<Seen[]> {
  const seen: Seen[] = [];
  for (const segment of segments)
    for (const [key, column] of columns)
      for (const some of gpus === undefined ? [undefined] : quotedLists(gpus)) {
        const only = some === undefined ? '' : ` AND s.gpu IN (${some})`;
        const rows = await ask(
          db,
          'SELECT s.gpu AS gpu, cast(min(s.ts) AS LONG) AS first_us, cast(max(s.ts) AS LONG) AS last_us' +
            ` FROM ${quoteName(segment.table)} s WHERE ${withinSql(segment)} AND ${valueSql(key, column, segment)} IS NOT NULL${only}`,
        );
        for (const row of rows) {
          const [gpu, firstUs, lastUs] = [row.text('gpu'), row.number('first_us'), row.number('last_us')];
          if (gpu === undefined || firstUs === undefined || lastUs === undefined) continue;
          seen.push({ key, gpu, level: segment.level, firstUs, lastUs });
        }
      }
  return seen;
}

/** NULL where a row `s` has no value of a reading. */
function valueSql(key: Reading, column: string, segment: Segment): string {
  if (key === 'energy') return summandSql(counterSummands()[1]!, segment);
  const max = `${column}_max`;
  return summandSql({ name: max, rollup: max, raw: `s.${quoteName(column)}` }, segment);
}
