import type { Summand } from '../../src/figures/summands.ts';

/** From which of its tables a lane is read: the coarsest that tells what a panel asks. What is too young for rollups is read from samples. */

/** A lane as words: of its samples, `@samples`. */
export type LaneWord = 'samples' | 'temperatures';

/**
 * Up to here buckets are there. An hour is first computed a minute after its end, a minute 15 s after: what a busy server needs longer
 * for is read from what is finer.
 */
const HOURS_END = `timestamp_floor('1h', dateadd('m', -10, now()))`;
const MINUTES_END = `timestamp_floor('1m', dateadd('m', -2, now()))`;

interface Source {
  readonly table: string;
  readonly isRaw: boolean;
  /** Over a row `s`. */
  readonly when: string;
}

/** All of a time, from a whole hour on. */
interface Whole {
  readonly lane: LaneWord;
  readonly fromHour: string;
  /** With the comparison: `<= …`, `< …`. */
  readonly upTo: string;
}

/** Sums over all of a time: hours, then minutes, then samples, each from where the coarser one ends. */
export function wholeSources({ lane, fromHour, upTo }: Whole): Source[] {
  const ends = `s.ts ${upTo}`;
  return [
    { table: `@${lane}_1h`, isRaw: false, when: `s.ts >= ${fromHour} AND ${ends} AND s.ts < ${HOURS_END}` },
    {
      table: `@${lane}_1m`,
      isRaw: false,
      when: `s.ts >= ${fromHour} AND ${ends} AND s.ts >= ${HOURS_END} AND s.ts < ${MINUTES_END}`,
    },
    { table: `@${lane}`, isRaw: true, when: `s.ts >= ${fromHour} AND ${ends} AND s.ts >= ${MINUTES_END}` },
  ];
}

/** Steps of a plot that are shorter are of samples: some hours of a fleet are more than a panel should read of these. */
const SAMPLES_BELOW_MS = 15_000;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

const whole = (ms: number): string => `((@every_ms + ${ms - 1}) / ${ms} * ${ms}000)`;
/** µs of a step: what Grafana asks, or whole minutes or hours where it is of rollups. */
const STEP_US =
  `CASE WHEN @every_ms < ${SAMPLES_BELOW_MS} THEN @every_ms * 1000` +
  ` WHEN @every_ms < ${HOUR_MS} THEN ${whole(MINUTE_MS)} ELSE ${whole(HOUR_MS)} END`;
/** The step that holds a moment. */
export const stepOf = (ts: string): string =>
  `cast(cast(${ts} AS LONG) / (${STEP_US}) * (${STEP_US}) AS TIMESTAMP)`;

/** Steps of a panel at most. Grafana asks for as many as the panel has pixels, unless somebody wants it finer. */
const STEPS_MAX = 50_000;

/** `time` of every step of the window: where nothing was seen a plot shall have a gap. */
export const STEPS = `SELECT time FROM (
    SELECT cast(cast(${stepOf('@from')} AS LONG) + (x - 1) * (${STEP_US}) AS TIMESTAMP) AS time FROM long_sequence(${STEPS_MAX})
  ) WHERE time <= @to`;

/**
 * Over the time of the dashboard, in steps. The conditions on the step are constants, and QuestDB opens no table whose condition is
 * false.
 */
export function stepSources(lane: LaneWord): Source[] {
  const ends = 's.ts <= @to';
  const minutesFrom = `CASE WHEN @every_ms >= ${HOUR_MS} THEN ${HOURS_END} ELSE ${stepOf('@from')} END`;
  const samplesFrom = `CASE WHEN @every_ms >= ${SAMPLES_BELOW_MS} THEN ${MINUTES_END} ELSE ${stepOf('@from')} END`;
  return [
    {
      table: `@${lane}_1h`,
      isRaw: false,
      when: `@every_ms >= ${HOUR_MS} AND s.ts >= ${stepOf('@from')} AND s.ts < ${HOURS_END} AND ${ends}`,
    },
    {
      table: `@${lane}_1m`,
      isRaw: false,
      when: `@every_ms >= ${SAMPLES_BELOW_MS} AND s.ts >= ${minutesFrom} AND s.ts >= ${stepOf('@from')} AND s.ts < ${MINUTES_END} AND ${ends}`,
    },
    {
      table: `@${lane}`,
      isRaw: true,
      when: `s.ts >= ${samplesFrom} AND s.ts >= ${stepOf('@from')} AND ${ends}`,
    },
  ];
}

/** A column over a row `s`, of a rollup or of a sample. */
function columnSql({ name, rollup, raw }: Summand, isRaw: boolean): string {
  return `${isRaw ? raw : `s.${rollup}`} AS ${name}`;
}

/** Rows `s` with these columns, of all the sources. @param keys columns that rollups and samples have alike, or expressions AS names */
export function rowsSql(
  sources: readonly Source[],
  keys: readonly string[],
  summands: readonly Summand[],
  { join = '', where }: { readonly join?: string; readonly where: string },
): string {
  return sources
    .map(({ table, isRaw, when }) => {
      const columns = [...keys, ...summands.map((summand) => columnSql(summand, isRaw))].join(', ');
      return `  SELECT ${columns}\n  FROM ${table} s${join === '' ? '' : ` ${join}`}\n  WHERE ${where} AND ${when}`;
    })
    .join('\n  UNION ALL\n');
}
