import { quoteName, quoteText } from '../../schemas/tables.ts';
import type { Field } from '../core/fields/field.ts';
import { findField } from '../core/fields/find-field.ts';
import type { Lane } from '../core/fields/lane.ts';
import { ENERGY_FIELD_ID, GAUGE_FIELD_IDS } from '../core/fields/well-known.ts';
import { GAUGE_KEYS, GAUGES, type GaugeKey, type LaneGauges } from './gauges.ts';
import { knownTimes, type Known, type Reading } from './known-times.ts';
import { keptLanes, segmentsOf, withinSql, type DeviceTimes, type KeptLane, type Span } from './levels.ts';
import { ask, type Asked } from './query-cells.ts';
import { recordedLanes } from './recorded-lanes.ts';
import { overlap, without } from './spans.ts';
import { quotedLists } from './sql-text.ts';
import { summandSql, TIME, type Summand } from './summands.ts';

/** What reports read of a lane. */
const REPORTED: readonly Field[] = [...Object.values(GAUGE_FIELD_IDS), ENERGY_FIELD_ID].map((id) =>
  findField(id)!,
);
/** Each has seven tables and views, which a query names twice. */
const LANES_PER_QUERY_MAX = 20;

/** A table that may be read, and what is kept of it. */
export interface StoredLane {
  readonly lane: Lane;
  readonly kept: KeptLane;
}

/** Which devices are asked about, and what of them. */
interface Wanted {
  /** All when absent. */
  readonly gpus?: readonly string[];
  readonly keys?: readonly GaugeKey[];
}

/**
 * The tables that hold something of a span: those of these lanes, and other sample tables of the store, which once were a lane's:
 * a gauge is read where its samples are.
 * @param lanes of the configuration
 * @throws what `recordedLanes` throws
 */
export async function storedLanes(db: Asked, lanes: readonly Lane[], span: Span): Promise<StoredLane[]> {
  const [recorded, others] = await Promise.all([recordedLanes(db, lanes), otherLanes(db, lanes)]);
  const all = [...recorded, ...others];
  const kept = new Map<string, KeptLane>();
  for (let from = 0; from < all.length; from += LANES_PER_QUERY_MAX) {
    const some = all.slice(from, from + LANES_PER_QUERY_MAX).map(({ table }) => table);
    for (const one of await keptLanes(db, some)) kept.set(one.table, one);
  }
  return all.flatMap((lane) => {
    const own = kept.get(lane.table);
    return own === undefined || (others.includes(lane) && !reaches(own, span)) ? [] : [{ lane, kept: own }];
  });
}

function reaches({ levels }: KeptLane, { fromUs, toUs }: Span): boolean {
  return levels.some(({ tables }) => tables.some((one) => one.firstUs < toUs && one.endUs > fromUs));
}

/** Sample tables of the store that are of none of these lanes; how often they were sampled is not known. */
async function otherLanes(db: Asked, lanes: readonly Lane[]): Promise<Lane[]> {
  const byColumn = new Map(REPORTED.map((field) => [field.column, field]));
  const rows = await ask(
    db,
    'SELECT table_name, column_name FROM information_schema.columns()' +
      ` WHERE table_name LIKE 'gpu_%' AND column_name IN (${['dt_us', 'owners', ...byColumn.keys()].map(quoteText).join(', ')})`,
  );
  const configured = new Set(lanes.map(({ table }) => table));
  return [...Map.groupBy(rows, (row) => row.text('table_name') ?? '')].flatMap(([table, own]): Lane[] => {
    const columns = new Set(own.map((row) => row.text('column_name') ?? ''));
    const fields = REPORTED.filter(({ column }) => columns.has(column));
    if (configured.has(table) || fields.length === 0 || !columns.has('dt_us') || !columns.has('owners'))
      return [];
    const name = table.replace(/^gpu_/, '');
    return [{ name, table, schedule: 'continuous', intervalMs: 0, fields, capacityTicks: 0 }];
  });
}

/**
 * What is read of these tables in a span, and where: of each device at any moment a gauge is read in the table with the shortest
 * interval whose first and last known time of that device and gauge lie around the moment. The first of the answer, of which all is
 * read, is the one whose samples decide time and coverage: it holds most gauges.
 * @returns a table several times, where some of its gauges are read at some times only; none where no table has any gauge
 * @throws what `ask` throws
 */
export async function gaugeReadings(
  db: Asked,
  stored: readonly StoredLane[],
  span: Span,
  { gpus, keys = GAUGE_KEYS }: Wanted,
): Promise<LaneGauges[]> {
  const readings = [...keys, 'energy'] as const;
  const lanes = (await withIntervals(db, stored, span, gpus)).sort(
    (a, b) => a.lane.intervalMs - b.lane.intervalMs,
  );
  const holdersOf = new Map(
    readings.map((key) => [key, lanes.filter(({ lane }) => columnIn(lane, key) !== undefined)]),
  );
  const known = await knownIn(db, holdersOf, span, gpus);
  const read = new Map<StoredLane, Read[]>();
  for (const [key, holders] of holdersOf)
    for (const [stored, one] of timesOfHolders(key, holders, known, span))
      read.set(stored, [...(read.get(stored) ?? []), one]);
  return laneGauges(read);
}

/** The columns in which a reading is; of energy the counter's, beside which its rises are. */
function columnIn({ fields }: Lane, key: Reading): string | undefined {
  const id = key === 'energy' ? ENERGY_FIELD_ID : GAUGES[key].fieldId;
  return fields.find((field) => field.id === id)?.column;
}

/** Of tables that no lane has any more the interval is how far their samples are apart; without any of these devices they are left out. */
async function withIntervals(
  db: Asked,
  stored: readonly StoredLane[],
  span: Span,
  gpus: readonly string[] | undefined,
): Promise<StoredLane[]> {
  const told: StoredLane[] = [];
  for (const { lane, kept } of stored) {
    const intervalMs = lane.intervalMs > 0 ? lane.intervalMs : await meanIntervalMs(db, kept, span, gpus);
    if (intervalMs !== undefined) told.push({ lane: { ...lane, intervalMs }, kept });
  }
  return told;
}

const STEPS: Summand = {
  name: 'steps',
  rollup: 'step_count',
  raw: 'CASE WHEN s.dt_us > 0 THEN 1 ELSE 0 END',
};

/** Undefined where nothing of these devices was sampled. */
async function meanIntervalMs(
  db: Asked,
  kept: KeptLane,
  span: Span,
  gpus: readonly string[] | undefined,
): Promise<number | undefined> {
  let [dtUs, steps] = [0, 0];
  for (const segment of segmentsOf(kept, span)) {
    const picks = [TIME, STEPS].map((one) => `sum(${summandSql(one, segment)}) AS ${one.name}`).join(', ');
    for (const some of gpus === undefined ? [undefined] : quotedLists(gpus)) {
      const only = some === undefined ? '' : ` AND s.gpu IN (${some})`;
      const rows = await ask(
        db,
        `SELECT ${picks} FROM ${quoteName(segment.table)} s WHERE ${withinSql(segment)}${only}`,
      );
      for (const row of rows) {
        dtUs += row.number('dt_us') ?? 0;
        steps += row.number('steps') ?? 0;
      }
    }
  }
  return dtUs > 0 && steps > 0 ? Math.max(1, Math.round(dtUs / steps / 1000)) : undefined;
}

/** By table what it knows of the readings that another one has too. */
type KnownIn = ReadonlyMap<StoredLane, Known>;

async function knownIn(
  db: Asked,
  holdersOf: ReadonlyMap<Reading, readonly StoredLane[]>,
  span: Span,
  gpus: readonly string[] | undefined,
): Promise<KnownIn> {
  const contested = new Map<StoredLane, [Reading, string][]>();
  for (const [key, holders] of holdersOf) {
    const reaching = holders.filter(({ kept }) => reaches(kept, span));
    if (reaching.length < 2) continue;
    for (const stored of reaching)
      contested.set(stored, [...(contested.get(stored) ?? []), [key, columnIn(stored.lane, key)!]]);
  }
  const known = new Map<StoredLane, Known>();
  for (const [stored, columns] of contested)
    known.set(stored, await knownTimes(db, stored.kept, new Map(columns), span, gpus));
  return known;
}

/** A reading that is read in a table, always or at some times. */
interface Read {
  readonly key: Reading;
  readonly times: DeviceTimes | undefined;
}

/** Which of the tables that hold a reading it is read in. @param holders the one with the shortest interval first */
function timesOfHolders(
  key: Reading,
  holders: readonly StoredLane[],
  known: KnownIn,
  span: Span,
): (readonly [StoredLane, Read])[] {
  const reaching = holders.filter(({ kept }) => reaches(kept, span));
  if (reaching.length < 2) {
    const only = reaching[0] ?? holders[0];
    return only === undefined ? [] : [[only, { key, times: undefined }]];
  }
  /** By device when faster tables know it. */
  const taken = new Map<string, Span[]>();
  const found: (readonly [StoredLane, Read])[] = [];
  for (const stored of reaching) {
    const own = known.get(stored)!.get(key) ?? new Map<string, Span>();
    const times = new Map<string, readonly Span[]>();
    let isAllRead = true;
    for (const [gpu, time] of own) {
      if (!overlap(time, span)) continue;
      const others = taken.get(gpu) ?? [];
      isAllRead &&= !others.some((other) => overlap(other, time));
      const left = without([span], others).filter((one) => overlap(one, time));
      if (left.length > 0) times.set(gpu, left);
      taken.set(gpu, [...others, time]);
    }
    if (times.size > 0) found.push([stored, { key, times: isAllRead ? undefined : times }]);
  }
  return found.length > 0 ? found : [[mostKnowing(reaching, known, span), { key, times: undefined }]];
}

/** A reading that nobody knows says nothing of where samples are: the others do. */
function mostKnowing(holders: readonly StoredLane[], known: KnownIn, span: Span): StoredLane {
  const countOf = (stored: StoredLane): number =>
    [...known.get(stored)!.values()].filter((own) => [...own.values()].some((time) => overlap(time, span)))
      .length;
  return holders.reduce((best, one) => (countOf(one) > countOf(best) ? one : best));
}

/** @param read by table, that of the first gauge first */
function laneGauges(read: ReadonlyMap<StoredLane, readonly Read[]>): LaneGauges[] {
  const gaugesOf = (all: readonly Read[]): Read[] => all.filter(({ key }) => key !== 'energy');
  const byCount = [...read].sort(([, a], [, b]) => gaugesOf(b).length - gaugesOf(a).length);
  return byCount.flatMap(([{ lane }, all], index) => {
    const pick = (some: readonly Read[]): LaneGauges => ({
      lane,
      gauges: some.flatMap(({ key }) => (key === 'energy' ? [] : [[key, columnIn(lane, key)!] as const])),
      hasEnergy: some.some(({ key }) => key === 'energy'),
    });
    const always = all.filter(({ times }) => times === undefined);
    const partly = all.filter(({ times }) => times !== undefined);
    return [
      ...(always.length > 0 || index === 0 ? [pick(always)] : []),
      ...partly.map((one) => ({ ...pick([one]), times: one.times! })),
    ];
  });
}
