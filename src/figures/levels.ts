import { quoteName, quoteText } from '../../schemas/tables.ts';
import { agedTableOf } from '../../schemas/views.ts';
import { ask, type Asked, type Cells } from './query-cells.ts';
import { common } from './spans.ts';
import { isoMicroseconds, quoteTime } from './sql-text.ts';

/** What a lane's time is kept as, coarsest first: buckets of a day, an hour, a minute, and the samples themselves. */
export const LEVELS = ['1d', '1h', '1m', 'raw'] as const;
export type Level = (typeof LEVELS)[number];

/** A row at `ts` speaks of the samples of so much time from then on, µs. */
export const STEP_US: Readonly<Record<Level, number>> = { '1d': 86_400e6, '1h': 3600e6, '1m': 60e6, raw: 1 };

/** Epoch µs; samples with fromUs ≤ ts < toUs. */
export interface Span {
  readonly fromUs: number;
  readonly toUs: number;
}

/** A table or view, and the parts of a span that are read from it, ascending. */
export interface Segment {
  readonly table: string;
  readonly level: Level;
  /** Of the table: one that was made before there was a column has none of that name. */
  readonly columns: ReadonlySet<string>;
  readonly spans: readonly Span[];
}

interface KeptTable {
  readonly name: string;
  readonly columns: ReadonlySet<string>;
  /** Its first bucket or sample. */
  readonly firstUs: number;
  /** Where its last bucket ends; of samples, that of the last one and a µs. */
  readonly endUs: number;
}

/** One level of a lane: before its view goes what was copied of it when it was built again. */
interface KeptLevel {
  readonly level: Level;
  readonly tables: readonly KeptTable[];
  /** Nothing of what was sampled from here up to `endUs` is missing. Infinity where it holds nothing. */
  readonly completeFromUs: number;
  readonly endUs: number;
}

/** By device the times in which it is read from a table; other devices are not read there. */
export type DeviceTimes = ReadonlyMap<string, readonly Span[]>;

/** All that is kept of a lane's samples. */
export interface KeptLane {
  readonly table: string;
  /** In the order of `LEVELS`. */
  readonly levels: readonly KeptLevel[];
  /** Columns of the samples. */
  readonly columns: ReadonlySet<string>;
  /** Where it is not all to be read: see `placesOf`. */
  readonly times?: DeviceTimes;
}

/** Samples, and rollups of one kind over them: `PREFIX_1m`, `PREFIX_1h`, `PREFIX_1d`. */
export interface Rolled {
  readonly table: string;
  readonly prefix: string;
}

/**
 * What is kept of the samples of these tables, each with its rollups. Tables that are not there are left out.
 * @throws what `ask` throws
 */
export async function keptLanes(db: Asked, tables: readonly string[]): Promise<KeptLane[]> {
  const kept = await keptRollups(
    db,
    tables.map((table) => ({ table, prefix: table })),
  );
  return [...kept.values()];
}

/** The same for rollups of any kind, by their prefix. @throws what `ask` throws */
export async function keptRollups(db: Asked, wanted: readonly Rolled[]): Promise<Map<string, KeptLane>> {
  const all = [...new Set(wanted.flatMap((rolled) => LEVELS.flatMap((level) => namesOf(rolled, level))))];
  const columns = await columnsOf(db, all);
  const there = all.filter((name) => columns.has(name));
  if (there.length === 0) return new Map();
  const spans = await ask(
    db,
    there
      .map(
        (name) =>
          `SELECT ${quoteText(name)} AS name, cast(min(ts) AS LONG) AS first_us, cast(max(ts) AS LONG) AS last_us FROM ${quoteName(name)}`,
      )
      .join(' UNION ALL '),
  );
  const spanOf = new Map(spans.map((row) => [row.text('name'), row]));
  const kept = new Map<string, KeptLane>();
  for (const rolled of wanted.filter(({ table }) => columns.has(table))) {
    const levels = LEVELS.map((level) => ({
      level,
      tables: namesOf(rolled, level).flatMap((name) =>
        keptTable(name, STEP_US[level], columns.get(name), spanOf.get(name)),
      ),
    }));
    const { table, prefix } = rolled;
    kept.set(prefix, { table, levels: withCompleteness(levels), columns: columns.get(table)! });
  }
  return kept;
}

function namesOf({ table, prefix }: Rolled, level: Level): string[] {
  if (level === 'raw') return [table];
  const name = `${prefix}_${level}`;
  return [agedTableOf({ name }), name];
}

async function columnsOf(db: Asked, tables: readonly string[]): Promise<Map<string, Set<string>>> {
  if (tables.length === 0) return new Map();
  const rows = await ask(
    db,
    'SELECT table_name, column_name FROM information_schema.columns()' +
      ` WHERE table_name IN (${tables.map(quoteText).join(', ')})`,
  );
  const columns = new Map<string, Set<string>>();
  for (const row of rows) {
    const table = row.text('table_name') ?? '';
    columns.set(table, (columns.get(table) ?? new Set()).add(row.text('column_name') ?? ''));
  }
  return columns;
}

function keptTable(
  name: string,
  stepUs: number,
  columns: ReadonlySet<string> | undefined,
  span: Cells | undefined,
): KeptTable[] {
  const firstUs = span?.number('first_us');
  if (columns === undefined || firstUs === undefined) return [];
  return [{ name, columns, firstUs, endUs: span!.number('last_us')! + stepUs }];
}

/**
 * A level begins where it has its first row. Where a coarser one has older buckets, what was older has aged out of it; one whose
 * first row lies in the first bucket of the coarser one has lost nothing that the coarser one has.
 */
function withCompleteness(levels: readonly Pick<KeptLevel, 'level' | 'tables'>[]): KeptLevel[] {
  const kept: KeptLevel[] = [];
  let coarser = { firstUs: -Infinity, completeFromUs: Infinity };
  let step: Level = '1d';
  for (const { level, tables } of levels) {
    const firstUs = Math.min(Infinity, ...tables.map((table) => table.firstUs));
    const endUs = Math.max(-Infinity, ...tables.map((table) => table.endUs));
    const isWhole = floorTo(firstUs, step) <= coarser.firstUs;
    const completeFromUs = isWhole ? Math.min(firstUs, coarser.completeFromUs) : firstUs;
    kept.push({ level, tables, completeFromUs, endUs });
    if (firstUs === Infinity) continue;
    coarser = { firstUs, completeFromUs };
    step = level;
  }
  return kept;
}

/** The bucket of a time begins here. */
export function floorTo(us: number, level: Level): number {
  return Math.floor(us / STEP_US[level]) * STEP_US[level];
}

function ceilTo(us: number, level: Level): number {
  return Math.ceil(us / STEP_US[level]) * STEP_US[level];
}

/**
 * The span in whole buckets of a level; of a coarser one at an end where buckets of that level have aged out of any of the lanes.
 * @returns outward from `span`, and the coarsest level that it was rounded to
 */
export function roundedOutward(
  lanes: readonly KeptLane[],
  span: Span,
  finest: Level,
): Span & { readonly roundedTo: Level } {
  const [from, to] = [span.fromUs, span.toUs - 1].map(
    (us) => LEVELS[Math.min(LEVELS.indexOf(finest), ...lanes.map((lane) => finestAt(lane, us, finest)))]!,
  ) as [Level, Level];
  return {
    fromUs: floorTo(span.fromUs, from),
    toUs: ceilTo(span.toUs, to),
    roundedTo: LEVELS.indexOf(from) < LEVELS.indexOf(to) ? from : to,
  };
}

/** Index of the finest level from `finest` on that holds a time; `finest` where none does. */
function finestAt({ levels }: KeptLane, us: number, finest: Level): number {
  const start = LEVELS.indexOf(finest);
  for (let index = start; index >= 0; index -= 1) if (us >= levels[index]!.completeFromUs) return index;
  return start;
}

/** Devices that are read from the same tables at the same times. */
interface DeviceSegments {
  /** All that there are, where it is undefined. */
  readonly gpus: readonly string[] | undefined;
  readonly segments: readonly Segment[];
}

/**
 * Where a lane is read in a span: all devices together, unless each has times of its own.
 * @param accepted, finerAtUs as those of `segmentsOf`
 */
export function placesOf(
  lane: KeptLane,
  span: Span,
  accepted?: readonly Level[],
  finerAtUs?: readonly number[],
): DeviceSegments[] {
  if (lane.times === undefined)
    return [{ gpus: undefined, segments: segmentsOf(lane, span, accepted, finerAtUs) }];
  const within = [...lane.times].map(([gpu, times]) => ({ gpu, times: common(times, [span]) }));
  return [...Map.groupBy(within, ({ times }) => JSON.stringify(times)).values()].map((alike) => ({
    gpus: alike.map(({ gpu }) => gpu),
    segments: segmentsIn(lane, alike[0]!.times, accepted, finerAtUs),
  }));
}

/**
 * Cuts a span into what each accepted level holds in whole buckets, the coarsest first, and the rest, which is so young, or so
 * short, that only a finer one holds it: a view computes its periods in order, some seconds after each has ended. Time that has aged
 * out of all accepted levels is read from the finest coarser one. What no rollup holds is read from the samples.
 * @param finerAtUs moments whose buckets are read from a finer level where that still has them: somebody else's time begins there
 * @returns one segment per table that is read
 */
export function segmentsOf(
  lane: KeptLane,
  span: Span,
  accepted?: readonly Level[],
  finerAtUs?: readonly number[],
): Segment[] {
  return segmentsIn(lane, [span], accepted, finerAtUs);
}

/** The same of several spans, ascending and without overlaps. */
export function segmentsIn(
  lane: KeptLane,
  spans: readonly Span[],
  accepted: readonly Level[] = LEVELS,
  finerAtUs: readonly number[] = [],
): Segment[] {
  const rollups = lane.levels.filter(({ level }) => level !== 'raw');
  const preferred = rollups.filter(({ level }) => accepted.includes(level));
  const others = rollups.filter(({ level }) => !accepted.includes(level)).reverse();
  const pieces = spans.flatMap((span) => cover([...preferred, ...others], span));
  return [...Map.groupBy(pieces, ({ table }) => table).values()].map((own) => ({
    ...own[0]!,
    spans: own.flatMap((piece) => piece.spans).sort((a, b) => a.fromUs - b.fromUs),
  }));

  function cover(levels: readonly KeptLevel[], { fromUs, toUs }: Span): Segment[] {
    if (fromUs >= toUs) return [];
    const [kept, ...rest] = levels;
    if (kept === undefined)
      return [{ table: lane.table, level: 'raw', columns: lane.columns, spans: [{ fromUs, toUs }] }];
    const { level, completeFromUs, endUs } = kept;
    let atUs = Math.max(ceilTo(fromUs, level), completeFromUs);
    const lastUs = Math.min(floorTo(toUs, level), endUs);
    if (atUs >= lastUs) return cover(rest, { fromUs, toUs });
    const segments = cover(rest, { fromUs, toUs: atUs });
    for (const bucketUs of finerBuckets(lane, level, finerAtUs)) {
      if (bucketUs < atUs || bucketUs >= lastUs) continue;
      const bucketEndUs = bucketUs + STEP_US[level];
      segments.push(...tablesWithin(kept, atUs, bucketUs));
      segments.push(...cover(rest, { fromUs: bucketUs, toUs: bucketEndUs }));
      atUs = bucketEndUs;
    }
    return [...segments, ...tablesWithin(kept, atUs, lastUs), ...cover(rest, { fromUs: lastUs, toUs })];
  }
}

/** Starts of the buckets that are to be read from a finer level and can be, ascending. */
function finerBuckets({ levels }: KeptLane, level: Level, finerAtUs: readonly number[]): number[] {
  // Histograms have no minutes.
  const next = levels
    .slice(LEVELS.indexOf(level) + 1)
    .find(({ completeFromUs }) => completeFromUs < Infinity);
  const starts = new Set(finerAtUs.map((us) => floorTo(us, level)));
  return [...starts].filter((us) => us >= (next?.completeFromUs ?? Infinity)).sort((a, b) => a - b);
}

/** A copy holds what the view does not: each table goes from where the one before it ends. */
function tablesWithin({ level, tables }: KeptLevel, fromUs: number, toUs: number): Segment[] {
  const segments: Segment[] = [];
  let atUs = fromUs;
  for (const [index, { name, columns, endUs }] of tables.entries()) {
    const untilUs = index === tables.length - 1 ? toUs : Math.min(toUs, endUs);
    if (untilUs <= atUs) continue;
    segments.push({ table: name, level, columns, spans: [{ fromUs: atUs, toUs: untilUs }] });
    atUs = untilUs;
  }
  return segments;
}

/** All the time of which a lane holds anything; undefined where it holds nothing. */
export function wholeSpan({ levels }: KeptLane): Span | undefined {
  const fromUs = Math.min(...levels.map(({ completeFromUs }) => completeFromUs));
  const toUs = Math.max(...levels.map(({ endUs }) => endUs));
  return fromUs < toUs ? { fromUs, toUs: Math.ceil(toUs / 1e6) * 1e6 } : undefined;
}

/** Condition of a row `s` of a segment to lie in its spans. Of several it is mostly one that QuestDB makes a scan of intervals of. */
export function withinSql({ spans }: Pick<Segment, 'spans'>): string {
  const lengths = spans.map(({ fromUs, toUs }) => lengthText(toUs - fromUs));
  const isOfIntervals = spans.length > 1 && !lengths.includes(undefined);
  const times = spans.map(({ fromUs, toUs }, index) =>
    isOfIntervals
      ? `s.ts IN '${isoMicroseconds(fromUs)};${lengths[index]!}'`
      : `(s.ts >= ${quoteTime(fromUs)} AND s.ts < ${quoteTime(toUs)})`,
  );
  return `(${times.join(' OR ')})`;
}

/** As the server reads it: its numbers have 31 bits. */
function lengthText(us: number): string | undefined {
  if (us % 1e6 === 0 && us / 1e6 < 2 ** 31) return `${us / 1e6}s`;
  return us < 2 ** 31 ? `${us}u` : undefined;
}
