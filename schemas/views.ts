import { assert } from '../src/core/base/assert.ts';
import type { Field } from '../src/core/fields/field.ts';
import {
  ENERGY_FIELD_ID,
  ENERGY_RISE_COLUMN,
  ENERGY_RISE_DT_COLUMN,
  GAUGE_FIELD_IDS,
  IDLE_SM_RATIO,
} from '../src/core/fields/well-known.ts';
import { quoteName, type LaneTable, type Retention } from './tables.ts';

/**
 * The rollups: per lane a materialized view of minutes over the samples, and one of hours over the minutes. Both keep
 * sums, never means, so that any grouping of them gives the mean that the samples give:
 *
 *   mean of x = sum(x_dtsum) / sum(x_dt)        (x_dt leaves the time of blanks out: a blank must not dilute a mean)
 *
 * A bucket at `ts` holds the samples with ts ≤ sample < ts + its length.
 */
export interface View {
  readonly name: string;
  readonly base: string;
  /** Length of a bucket, in QuestDB's spelling and in µs. */
  readonly every: '1m' | '1h';
  readonly everyUs: number;
  /** How long after its end a period is first computed. Later facts about it are still taken in. */
  readonly delaySeconds: number;
  /** The part of the definition in which two versions of a view differ: its aggregate columns. */
  readonly columns: readonly ViewColumn[];
  readonly partitionBy: 'DAY' | 'MONTH';
  readonly ttl?: string;
}

export interface ViewColumn {
  readonly name: string;
  /** Aggregate over the base. */
  readonly expression: string;
}

/** Σ dt of the samples that count as idle; NULL where there were none. */
export const IDLE_DT_COLUMN = 'idle_dt_us';

/** By these a rollup groups, and a copy of it is deduplicated. */
export const VIEW_KEYS = ['ts', 'cluster', 'node', 'gpu', 'job_id', 'owners'] as const;
/** Flushes come every 5 s: a minute is complete a flush and a little after its end. */
const MINUTE_DELAY_SECONDS = 15;
/** The hour waits for its last minute to be computed. */
const HOUR_DELAY_SECONDS = 60;

/** @returns the views of a lane, each after the one that it reads. */
export function viewsOf(lane: LaneTable, retention: Retention): readonly [View, View] {
  return viewsOver(lane.table, minuteColumns(lane.fields), retention);
}

/** The views over `table` with these columns of the minute view. */
export function viewsOver(
  table: string,
  columns: readonly ViewColumn[],
  retention: Retention,
): readonly [View, View] {
  const minutes: View = {
    name: `${table}_1m`,
    base: table,
    every: '1m',
    everyUs: 60e6,
    delaySeconds: MINUTE_DELAY_SECONDS,
    columns,
    ...partitioned(retention.rollup1m),
  };
  const hours: View = {
    name: `${table}_1h`,
    base: minutes.name,
    every: '1h',
    everyUs: 3600e6,
    delaySeconds: HOUR_DELAY_SECONDS,
    columns: columns.map(({ name }) => ({ name, expression: hourExpression(name) })),
    ...partitioned(retention.rollup1h),
  };
  return [minutes, hours];
}

/** The query of a view. `materialized_views()` gives it back as it was written, which tells whether it changed. */
function viewQuerySql(view: View): string {
  const columns = view.columns
    .map(({ name, expression }) => `${expression} AS ${quoteName(name)}`)
    .join(', ');
  return `${VIEW_HEAD_SQL}${columns} ${viewSourceSql(view)}`;
}

/** Where its query begins: with its keys, which must not differ between two versions. */
export const VIEW_HEAD_SQL = `SELECT ${VIEW_KEYS.map(quoteName).join(', ')}, `;

/** What a view reads and into which buckets: the rest of its query, which must not differ between two versions. */
export function viewSourceSql(view: Pick<View, 'base' | 'every'>): string {
  return `FROM ${quoteName(view.base)} SAMPLE BY ${view.every}`;
}

export function createViewSql(view: View): string {
  const ttl = view.ttl === undefined ? '' : ` TTL ${view.ttl}`;
  // PERIOD: an open bucket is not computed again at every commit, which would multiply the server's work.
  return (
    `CREATE MATERIALIZED VIEW IF NOT EXISTS ${quoteName(view.name)} WITH BASE ${quoteName(view.base)}` +
    ` REFRESH IMMEDIATE PERIOD(LENGTH ${view.every} DELAY ${view.delaySeconds}s) AS (\n${viewQuerySql(view)}\n)` +
    ` PARTITION BY ${view.partitionBy}${ttl}`
  );
}

/** Where the buckets of a view are kept whose samples had aged out when it was built again. */
export function agedTableOf({ name }: Pick<View, 'name'>): string {
  return `${name}_aged`;
}

/** Aggregate columns of the minute view for these fields. */
function minuteColumns(fields: readonly Field[]): readonly ViewColumn[] {
  const hasEnergy = fields.some((field) => field.id === ENERGY_FIELD_ID);
  return [
    { name: 'row_count', expression: 'count()' },
    { name: 'dt_us', expression: 'sum("dt_us")' },
    ...fields.flatMap(fieldColumns),
    ...(hasEnergy ? energyColumns() : []),
    ...idleColumns(fields),
  ];
}

/** Sum of the rises over seen time, and that time. */
function energyColumns(): readonly ViewColumn[] {
  const { rise, riseDtUs } = seenRiseSql('');
  return [
    { name: ENERGY_RISE_COLUMN, expression: `sum(${rise})` },
    { name: ENERGY_RISE_DT_COLUMN, expression: `sum(${riseDtUs})` },
  ];
}

/**
 * The energy rise of a sample and its time, both NULL where the rise is not one of seen time: it leads over a gap, or the clock was
 * set in it. What collectors stored before rises had a time of their own leads over dt.
 * @param prefix of the columns: `s.` for those of `s`
 */
export function seenRiseSql(prefix: string): { readonly rise: string; readonly riseDtUs: string } {
  const rise = prefix + quoteName(ENERGY_RISE_COLUMN);
  const riseDt = prefix + quoteName(ENERGY_RISE_DT_COLUMN);
  const dt = `${prefix}"dt_us"`;
  const isSeen = `${rise} IS NOT NULL AND ${dt} > 0`;
  return {
    rise: `CASE WHEN ${isSeen} AND (${riseDt} > 0 OR ${riseDt} IS NULL) THEN ${rise} END`,
    riseDtUs: `CASE WHEN ${isSeen} AND ${riseDt} > 0 THEN ${riseDt} WHEN ${isSeen} AND ${riseDt} IS NULL THEN ${dt} END`,
  };
}

/** Time in which the device was idle: a mean cannot tell half the time at full load from all the time at half. */
function idleColumns(fields: readonly Field[]): readonly ViewColumn[] {
  const activity = fields.find((field) => field.id === GAUGE_FIELD_IDS.smActive);
  if (activity === undefined) return [];
  const isIdle = `${quoteName(activity.column)} < ${IDLE_SM_RATIO}`;
  return [{ name: IDLE_DT_COLUMN, expression: `sum(CASE WHEN ${isIdle} THEN "dt_us" END)` }];
}

/**
 * A gauge is a level over dt. Of a counter, smallest and largest value stay (its rises within a minute; the total
 * energy, which is money, has exact rises of its own). Of a state code, only the largest value has a meaning.
 */
function fieldColumns({ column, kind }: Field): readonly ViewColumn[] {
  const x = quoteName(column);
  const max = { name: `${column}_max`, expression: `max(${x})` };
  if (kind === 'state') return [max];
  if (kind === 'counter') return [{ name: `${column}_min`, expression: `min(${x})` }, max];
  return [
    { name: `${column}_dtsum`, expression: `sum(${x} * "dt_us")` },
    { name: `${column}_dt`, expression: `sum(CASE WHEN ${x} IS NOT NULL THEN "dt_us" END)` },
    max,
  ];
}

function hourExpression(name: string): string {
  const aggregate = name.endsWith('_max') ? 'max' : name.endsWith('_min') ? 'min' : 'sum';
  return `${aggregate}(${quoteName(name)})`;
}

/** A TTL must be a multiple of the partition: months only where the TTL is told in months or years. */
function partitioned(ttl: string): { partitionBy: 'DAY' | 'MONTH'; ttl?: string } {
  if (ttl === '') return { partitionBy: 'MONTH' };
  const unit = /^\d+\s*([A-Za-z]+)$/.exec(ttl)?.[1];
  assert(unit !== undefined, `"${ttl}" is no QuestDB TTL`);
  return { partitionBy: /^(M|Y|MONTHS?|YEARS?)$/.test(unit.toUpperCase()) ? 'MONTH' : 'DAY', ttl };
}
