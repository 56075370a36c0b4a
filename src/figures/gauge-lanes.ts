import { quoteName, quoteText } from '../../schemas/tables.ts';
import type { Field } from '../core/fields/field.ts';
import { findField } from '../core/fields/find-field.ts';
import type { Lane } from '../core/fields/lane.ts';
import { ENERGY_FIELD_ID, GAUGE_FIELD_IDS } from '../core/fields/well-known.ts';
import { LEVELS, keptLanes, segmentsOf, withinSql, type KeptLane, type Span } from './levels.ts';
import { ask, type Asked } from './query-cells.ts';
import { quotedLists } from './sql-text.ts';
import { gaugeSummands, summandSql, TIME } from './summands.ts';

/** What reports read of a lane. */
const REPORTED: readonly Field[] = [...Object.values(GAUGE_FIELD_IDS), ENERGY_FIELD_ID].map((id) =>
  findField(id)!,
);
/** A lane that ticks more often is preferred to one that knows this much more of the time. */
const MORE_KNOWN_RATIO_MAX = 1.02;

/**
 * The lanes in which some devices' gauges are to be read in a span: of several that hold a gauge the one with the shortest interval
 * that knew it for as long as any other. Sample tables that no lane of the configuration has any more count, too: a gauge is read
 * where its samples are. Other lanes keep their place and lose the gauge.
 * @param lanes as the store has them
 */
export async function lanesOfGauges(
  db: Asked,
  lanes: readonly Lane[],
  span: Span,
  gpus: readonly string[],
): Promise<Lane[]> {
  const others = await otherLanes(db, lanes);
  if (gpus.length === 0) return [...lanes];
  const kept = await keptIn(db, [...lanes, ...others], span);
  const known = new Map<Lane, KnownTimes>();
  const all = [...lanes];
  for (const lane of others) {
    const own = kept.get(lane.table);
    if (own === undefined) continue;
    const times = await knownTimes(db, own, lane.fields, { span, gpus });
    if ([...times.knownUs.values()].every((us) => us === 0)) continue;
    known.set(lane, times);
    all.push({ ...lane, intervalMs: times.intervalMs });
  }
  const contested = REPORTED.filter(({ id }) => all.filter((lane) => hasField(lane, id)).length > 1);
  for (const lane of lanes) {
    const fields = contested.filter(({ id }) => hasField(lane, id));
    const own = kept.get(lane.table);
    if (fields.length > 0 && own !== undefined)
      known.set(lane, await knownTimes(db, own, fields, { span, gpus }));
  }
  const knownUs = new Map([...known].map(([{ table }, times]) => [table, times.knownUs]));
  const chosen = new Map(contested.map(({ id }) => [id, bestLane(all, knownUs, id)]));
  return all.map((lane) => ({
    ...lane,
    fields: lane.fields.filter(({ id }) => !chosen.has(id) || chosen.get(id) === lane),
  }));
}

/** What is kept of these lanes, where that reaches into the span. */
async function keptIn(
  db: Asked,
  lanes: readonly Lane[],
  { fromUs, toUs }: Span,
): Promise<Map<string, KeptLane>> {
  const kept: KeptLane[] = [];
  for (let from = 0; from < lanes.length; from += LANES_PER_QUERY_MAX)
    kept.push(
      ...(await keptLanes(
        db,
        lanes.slice(from, from + LANES_PER_QUERY_MAX).map(({ table }) => table),
      )),
    );
  const reaching = kept.filter(({ levels }) =>
    levels.some(({ tables }) => tables.some((one) => one.firstUs < toUs && one.endUs > fromUs)),
  );
  return new Map(reaching.map((one) => [one.table, one]));
}

/** Each has seven tables and views, which a query names twice. */
const LANES_PER_QUERY_MAX = 20;

function hasField({ fields }: Lane, id: number): boolean {
  return fields.some((field) => field.id === id);
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

interface KnownTimes {
  /** By field id: Σ dt over which it was known, µs. */
  readonly knownUs: ReadonlyMap<number, number>;
  /** Mean time between two samples; 0 where there are none. */
  readonly intervalMs: number;
}

/** In whole buckets of what is there: it decides between lanes, and is in no figure. */
async function knownTimes(
  db: Asked,
  kept: KeptLane,
  fields: readonly Field[],
  { span, gpus }: { readonly span: Span; readonly gpus: readonly string[] },
): Promise<KnownTimes> {
  const summands = fields.map(({ column, id }) =>
    id === ENERGY_FIELD_ID
      ? { name: `k${id}`, rollup: 'energy_rise_dt_us', raw: 's.energy_rise_dt_us' }
      : { ...gaugeSummands('x', column)[1]!, name: `k${id}` },
  );
  const knownUs = new Map<number, number>();
  let [dtUs, samples] = [0, 0];
  for (const segment of segmentsOf(kept, span, LEVELS)) {
    const picks = [...summands, TIME].map((one) => `sum(${summandSql(one, segment)}) AS ${one.name}`);
    const count = segment.level === 'raw' ? 'count()' : 'sum(s.row_count)';
    for (const some of quotedLists(gpus)) {
      const rows = await ask(
        db,
        `SELECT ${picks.join(', ')}, ${count} AS samples FROM ${quoteName(segment.table)} s WHERE ${withinSql(segment)} AND s.gpu IN (${some})`,
      );
      for (const row of rows) {
        dtUs += row.number('dt_us') ?? 0;
        samples += row.number('samples') ?? 0;
        for (const { id } of fields) knownUs.set(id, (knownUs.get(id) ?? 0) + (row.number(`k${id}`) ?? 0));
      }
    }
  }
  return { knownUs, intervalMs: samples === 0 ? 0 : dtUs / samples / 1000 };
}

function bestLane(
  lanes: readonly Lane[],
  knownUs: ReadonlyMap<string, ReadonlyMap<number, number>>,
  id: number,
): Lane {
  const holders = lanes.filter((lane) => hasField(lane, id));
  const usOf = ({ table }: Lane): number => knownUs.get(table)?.get(id) ?? 0;
  const mostUs = Math.max(...holders.map(usOf));
  const able = holders.filter((lane) => usOf(lane) * MORE_KNOWN_RATIO_MAX >= mostUs);
  return able.reduce((best, lane) => (lane.intervalMs < best.intervalMs ? lane : best));
}
