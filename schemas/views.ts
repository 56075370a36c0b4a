import { assert } from '../src/core/base/assert.ts';
import { HOUR_US } from '../src/core/base/hour.ts';
import type { Field } from '../src/core/fields/field.ts';
import { IDLE_LIMITS } from '../src/core/fields/idle-limits.ts';
import {
  ENERGY_FIELD_ID,
  ENERGY_RISE_COLUMN,
  ENERGY_RISE_DT_COLUMN,
  GAUGE_FIELD_IDS,
  HISTOGRAM_BAR_WIDTHS,
} from '../src/core/fields/well-known.ts';
import { idleColumnsOf } from './idle-columns.ts';
import { quoteName, type LaneTable, type Retention } from './tables.ts';

/**
 * The rollups: per lane a materialized view of minutes over the samples, one of hours over the minutes, and one of days over the
 * hours. All keep sums, never means, so that any grouping of them gives the mean that the samples give:
 *
 *   mean of x = sum(x_dtsum) / sum(x_dt)        (x_dt leaves the time of blanks out: a blank must not dilute a mean)
 *
 * A bucket at `ts` holds the samples with ts ≤ sample < ts + its length. Beside them two views per gauge with percentiles: how
 * long owned devices were in each bar of the gauge, by hour and by day.
 */
export interface View {
  readonly name: string;
  readonly base: string;
  /** Length of a bucket, in QuestDB's spelling and in µs. */
  readonly every: '1m' | '1h' | '1d';
  readonly everyUs: number;
  /** How long after its end a period is first computed. Later facts about it are still taken in. */
  readonly delaySeconds: number;
  /** By these it groups, and a copy of it is deduplicated. */
  readonly keys: readonly ViewColumn[];
  /** Which rows of the base count; all when absent. */
  readonly where?: string;
  /** The part of the definition in which two versions of a view differ: its aggregate columns. */
  readonly columns: readonly ViewColumn[];
  readonly partitionBy: 'DAY' | 'MONTH';
  readonly ttl?: string;
}

export interface ViewColumn {
  readonly name: string;
  /** Over the base. */
  readonly expression: string;
}

const KEYS = keysOf(['ts', 'cluster', 'node', 'gpu', 'job_id', 'owners', 'owner_set']);
const HISTOGRAM_KEYS = keysOf(['ts', 'gpu', 'job_id', 'owner_set']);
/** Flushes come every 5 s: a minute is complete a flush and a little after its end. */
const MINUTE_DELAY_SECONDS = 15;
/** The hour waits for its last minute to be computed, the day for its last hour. */
const HOUR_DELAY_SECONDS = 60;
const DAY_DELAY_SECONDS = 120;

const MINUTES = { every: '1m', everyUs: 60e6, delaySeconds: MINUTE_DELAY_SECONDS } as const;
const HOURS = { every: '1h', everyUs: HOUR_US, delaySeconds: HOUR_DELAY_SECONDS } as const;
const DAYS = { every: '1d', everyUs: 24 * HOUR_US, delaySeconds: DAY_DELAY_SECONDS } as const;

/** @returns the views of a lane, minutes, hours and days: each after the one that it reads. */
export function viewsOf(lane: LaneTable, retention: Retention): readonly [View, View, View] {
  return viewsOver(lane.table, minuteColumns(lane.fields), retention);
}

/** The views over `table` with these columns of the minute view. */
export function viewsOver(
  table: string,
  columns: readonly ViewColumn[],
  retention: Retention,
): readonly [View, View, View] {
  const summed = columns.map(({ name }) => ({ name, expression: sumExpression(name) }));
  const [minutes, hours, days] = [`${table}_1m`, `${table}_1h`, `${table}_1d`];
  return [
    { name: minutes, base: table, ...MINUTES, keys: KEYS, columns, ...partitioned(retention.rollup1m) },
    { name: hours, base: minutes, ...HOURS, keys: KEYS, columns: summed, ...partitioned(retention.rollup1h) },
    { name: days, base: hours, ...DAYS, keys: KEYS, columns: summed, ...partitioned(retention.rollup1d) },
  ];
}

/** A gauge of which histograms are kept. */
export interface Histogram {
  /** Of the samples. */
  readonly column: string;
  /** In the unit of the column. A sample of value x is in the bar number trunc(x / width). */
  readonly barWidth: number;
  /** By hour, over the samples, and by day, over the hours. */
  readonly views: readonly [View, View];
}

export function histogramsOf(lane: LaneTable, retention: Retention): readonly Histogram[] {
  return lane.fields.flatMap(({ id, column }): Histogram[] => {
    const barWidth = HISTOGRAM_BAR_WIDTHS.get(id);
    if (barWidth === undefined) return [];
    const x = quoteName(column);
    const [hours, days] = [`${lane.table}_${column}_hist_1h`, `${lane.table}_${column}_hist_1d`];
    const scaled = barWidth < 1 ? `${x} * ${Math.round(1 / barWidth)}` : `${x} / ${barWidth}`;
    return [
      {
        column,
        barWidth,
        views: [
          {
            name: hours,
            base: lane.table,
            ...HOURS,
            keys: [...HISTOGRAM_KEYS, { name: 'bar', expression: `cast(${scaled} AS LONG)` }],
            where: `${x} IS NOT NULL AND "owners" > 0`,
            columns: [ROW_COUNT, DT_US],
            ...partitioned(retention.rollup1h),
          },
          {
            name: days,
            base: hours,
            ...DAYS,
            keys: [...HISTOGRAM_KEYS, ...keysOf(['bar'])],
            columns: [ROW_COUNT, DT_US].map(({ name }) => ({ name, expression: sumExpression(name) })),
            ...partitioned(retention.rollup1d),
          },
        ],
      },
    ];
  });
}

function keysOf(names: readonly string[]): readonly ViewColumn[] {
  return names.map((name) => ({ name, expression: quoteName(name) }));
}

/** Where the query of a view begins: with its keys, which must not differ between two versions. */
export function viewHeadSql({ keys }: Pick<View, 'keys'>): string {
  const named = keys.map(({ name, expression }) =>
    expression === quoteName(name) ? expression : `${expression} AS ${quoteName(name)}`,
  );
  return `SELECT ${named.join(', ')}, `;
}

/** The query of a view. `materialized_views()` gives it back as it was written, which tells whether it changed. */
function viewQuerySql(view: View): string {
  const columns = view.columns
    .map(({ name, expression }) => `${expression} AS ${quoteName(name)}`)
    .join(', ');
  return `${viewHeadSql(view)}${columns} ${viewSourceSql(view)}`;
}

/** What a view reads and into which buckets: the rest of its query, which must not differ between two versions. */
export function viewSourceSql({ base, where, every }: Pick<View, 'base' | 'where' | 'every'>): string {
  return `FROM ${quoteName(base)}${where === undefined ? '' : ` WHERE ${where}`} SAMPLE BY ${every}`;
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
    ROW_COUNT,
    DT_US,
    { name: 'step_count', expression: 'sum(CASE WHEN "dt_us" > 0 THEN 1 ELSE 0 END)' },
    // Where a bucket has a hole: Σ dt is less than last − first + the dt of the first.
    { name: 'first_ts', expression: 'min("ts")' },
    { name: 'last_ts', expression: 'max("ts")' },
    { name: 'first_dt_us', expression: 'first("dt_us")' },
    ...fields.flatMap(fieldColumns),
    ...(hasEnergy ? energyColumns() : []),
    ...idleColumns(fields),
  ];
}

const ROW_COUNT: ViewColumn = { name: 'row_count', expression: 'count()' };
const DT_US: ViewColumn = { name: 'dt_us', expression: 'sum("dt_us")' };

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

/**
 * By each limit the time in which the device was idle, and when it last was not: a mean cannot tell half the time at full load from
 * all the time at half.
 */
function idleColumns(fields: readonly Field[]): readonly ViewColumn[] {
  const activity = fields.find((field) => field.id === GAUGE_FIELD_IDS.smActive);
  if (activity === undefined) return [];
  const x = quoteName(activity.column);
  return IDLE_LIMITS.flatMap((limit): ViewColumn[] => {
    const { idleDt, lastActive, isOfAllVersions } = idleColumnsOf(limit);
    const none = isOfAllVersions ? '' : ` WHEN ${x} IS NOT NULL THEN 0`;
    return [
      { name: idleDt, expression: `sum(CASE WHEN ${x} < ${limit} THEN "dt_us"${none} END)` },
      { name: lastActive, expression: `max(CASE WHEN ${x} >= ${limit} THEN "ts" END)` },
    ];
  });
}

/**
 * A gauge is a level over dt. Of a counter, smallest and largest value stay (its rises within a minute; the total
 * energy, which is money, has exact rises of its own). Of a state code, only the largest value has a meaning.
 */
function fieldColumns({ column, kind }: Field): readonly ViewColumn[] {
  const x = quoteName(column);
  const max = { name: `${column}_max`, expression: `max(${x})` };
  const min = { name: `${column}_min`, expression: `min(${x})` };
  if (kind === 'state') return [max];
  if (kind === 'counter') return [min, max];
  return [
    { name: `${column}_dtsum`, expression: `sum(${x} * "dt_us")` },
    { name: `${column}_dt`, expression: `sum(CASE WHEN ${x} IS NOT NULL THEN "dt_us" END)` },
    min,
    max,
  ];
}

/** Of a column of a rollup, in the next coarser one. */
export function sumExpression(name: string): string {
  const aggregate = AGGREGATES.find(([end]) => name.endsWith(end))?.[1] ?? 'sum';
  return `${aggregate}(${quoteName(name)})`;
}

const AGGREGATES = [
  ['first_ts', 'min'],
  ['last_ts', 'max'],
  ...IDLE_LIMITS.map((limit) => [idleColumnsOf(limit).lastActive, 'max'] as const),
  ['first_dt_us', 'first'],
  ['_min', 'min'],
  ['_max', 'max'],
] as const;

/** A TTL must be a multiple of the partition: months only where the TTL is told in months or years. */
function partitioned(ttl: string): { partitionBy: 'DAY' | 'MONTH'; ttl?: string } {
  if (ttl === '') return { partitionBy: 'MONTH' };
  const unit = /^\d+\s*([A-Za-z]+)$/.exec(ttl)?.[1];
  assert(unit !== undefined, `"${ttl}" is no QuestDB TTL`);
  return { partitionBy: /^(M|Y|MONTHS?|YEARS?)$/.test(unit.toUpperCase()) ? 'MONTH' : 'DAY', ttl };
}
