import type { HadSpan } from '../../core/queue/had-and-asked.ts';
import { quoteName } from '../../../schemas/tables.ts';
import { gaugeReadings, type StoredLane } from '../gauge-lanes.ts';
import { alikeDevices, type AlikeDevices, type DeviceIdleLimits } from '../idle-limits.ts';
import { placesOf, STEP_US, wholeSpan, withinSql, type Segment, type Span } from '../levels.ts';
import { ask, type Asked } from '../query-cells.ts';
import { overlap } from '../spans.ts';
import { quotedLists } from '../sql-text.ts';
import { idleSummands, summandSql, TIME } from '../summands.ts';

/** Minutes of longer windows are too many: of a thousand GPUs a day has 1.4 million. */
const MINUTES_WINDOW_US_MAX = 24 * 3600e6;
/** What rounding leaves of a whole. */
const WHOLE_RATIO_MIN = 0.999;
/** A tick at a border, and one that came late. */
const SEEN_RATIO_MIN = 0.95;
/** Of a thousand GPUs that all idle these are 7,000 rows by the hour. */
const PORTION_US = 7 * 24 * 3600e6;
/** Each row of an answer tells of so many buckets: a row for each would be most of what a page of the fleet reads. */
const BUCKETS_PER_ROW = { '1m': 30, '1h': 24 } as const;

export interface OwnedIdle {
  readonly spans: readonly HadSpan[];
  readonly bucketUs: number;
  /** Time of the window of which so fine a reading is kept. */
  readonly keptUs: number;
}

/**
 * Buckets (minutes, in longer windows hours) for the whole of which a device was somebody's and idle.
 * @returns undefined where no table has SM activity of this time
 * @throws what `ask` throws
 */
export async function readOwnedIdle(
  db: Asked,
  stored: readonly StoredLane[],
  window: Span,
  limits: DeviceIdleLimits,
  cellOf: ReadonlyMap<string, number>,
): Promise<OwnedIdle | undefined> {
  const level = window.toUs - window.fromUs <= MINUTES_WINDOW_US_MAX ? '1m' : '1h';
  const bucketUs = STEP_US[level];
  const whole = {
    fromUs: Math.floor(window.fromUs / bucketUs) * bucketUs,
    toUs: Math.ceil(window.toUs / bucketUs) * bucketUs,
  };
  const readings = (await gaugeReadings(db, stored, window, { keys: ['smActive'] })).flatMap((reading) => {
    const column = reading.gauges.find(([key]) => key === 'smActive')?.[1];
    const kept = stored.find(({ lane }) => lane.table === reading.lane.table)?.kept;
    if (column === undefined || kept === undefined) return [];
    return [{ column, kept: reading.times === undefined ? kept : { ...kept, times: reading.times } }];
  });
  if (readings.length === 0) return undefined;
  const spans: HadSpan[] = [];
  let keptUs = 0;
  for (let atUs = whole.fromUs; atUs < whole.toUs; atUs += PORTION_US) {
    const portion = { fromUs: atUs, toUs: Math.min(atUs + PORTION_US, whole.toUs) };
    const idle = new Map<number, Uint32Array>();
    let portionKeptUs = 0;
    for (const { column, kept } of readings)
      for (const { gpus, segments } of placesOf(kept, portion, level === '1m' ? ['1m'] : ['1h', '1m'])) {
        const fine = segments.filter((segment) => STEP_US[segment.level] <= bucketUs);
        portionKeptUs = Math.max(portionKeptUs, lengthIn(fine, window));
        // Windows may reach back to before there was anything.
        const there = wholeSpan(kept);
        if (fine.length === 0 || there === undefined || !overlap(portion, there)) continue;
        for (const devices of alikeDevices(limits))
          for (const some of gpus === undefined ? [undefined] : quotedLists(gpus))
            for (const row of await ask(db, idleSql(fine, column, devices, level, some))) {
              const cell = cellOf.get(row.text('gpu') ?? '');
              if (cell === undefined) continue;
              const gpus = idle.get(cell) ?? new Uint32Array((portion.toUs - atUs) / bucketUs);
              idle.set(cell, gpus);
              addRow(gpus, (row.number('row_us')! - atUs) / bucketUs, row.number('idle')!);
            }
      }
    for (const [cell, gpus] of idle) addSpans(spans, cell, gpus, { fromUs: atUs, bucketUs, window });
    keptUs += portionKeptUs;
  }
  return { spans, bucketUs, keptUs };
}

/** @param gpus of a cell that were idle, by bucket @param first bucket of the row @param idle a bit for each bucket of it */
function addRow(gpus: Uint32Array, first: number, idle: number): void {
  for (let [at, bits] = [first, idle]; bits > 0; at += 1, bits = Math.floor(bits / 2))
    if (bits % 2 === 1) gpus[at]! += 1;
}

/** Buckets with as many GPUs that follow each other are one span. @param gpus of a cell, by bucket from `fromUs` on */
function addSpans(
  spans: HadSpan[],
  cell: number,
  gpus: Uint32Array,
  { fromUs, bucketUs, window }: { readonly fromUs: number; readonly bucketUs: number; readonly window: Span },
): void {
  for (let from = 0, to = 0; from < gpus.length; from = to) {
    while (to < gpus.length && gpus[to] === gpus[from]) to += 1;
    const startUs = Math.max(fromUs + from * bucketUs, window.fromUs);
    const endUs = Math.min(fromUs + to * bucketUs, window.toUs);
    if (gpus[from]! > 0 && startUs < endUs)
      spans.push({ cell, fromUs: startUs, toUs: endUs, gpus: gpus[from]! });
  }
}

function lengthIn(segments: readonly Segment[], window: Span): number {
  return segments
    .flatMap(({ spans }) => spans)
    .reduce(
      (sum, { fromUs, toUs }) =>
        sum + Math.max(0, Math.min(toUs, window.toUs) - Math.max(fromUs, window.fromUs)),
      0,
    );
}

/**
 * Of each device the buckets in which it was idle, a bit each. A bucket may lie in two tables, the newer part of it in the finer one: they
 * are added up first.
 */
function idleSql(
  segments: readonly Segment[],
  column: string,
  { limit, andSql }: AlikeDevices,
  level: '1m' | '1h',
  gpus: string | undefined,
): string {
  const only = gpus === undefined ? '' : ` AND s.gpu IN (${gpus})`;
  const { idle } = idleSummands(column, limit);
  const rows = segments.map(
    (segment) =>
      `SELECT cast(timestamp_floor('${level}', s.ts) AS LONG) AS bucket_us, s.gpu AS gpu, ${summandSql(TIME, segment)} AS dt_us,` +
      ` ${summandSql(idle, segment)} AS idle_us FROM ${quoteName(segment.table)} s WHERE ${withinSql(segment)} AND s.owners > 0${only}${andSql}`,
  );
  const rowUs = BUCKETS_PER_ROW[level] * STEP_US[level];
  return (
    `SELECT gpu, bucket_us - bucket_us % ${rowUs} AS row_us, sum(power(2, bucket_us % ${rowUs} / ${STEP_US[level]})) AS idle` +
    ' FROM (SELECT bucket_us, gpu, sum(dt_us) AS dt_us, sum(idle_us) AS idle_us' +
    ` FROM (${rows.join(' UNION ALL ')}) GROUP BY bucket_us, gpu)` +
    ` WHERE dt_us >= ${SEEN_RATIO_MIN * STEP_US[level]} AND idle_us >= ${WHOLE_RATIO_MIN} * dt_us GROUP BY gpu, row_us`
  );
}
