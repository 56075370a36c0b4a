import {
  hasNodeStates,
  readNodeStatesAt,
  spansOfNode,
  statesWhereSql,
  type AskedNodes,
} from '../../fleet-states/node-states.ts';
import { STEP_US, type Span } from '../../levels.ts';
import { ask, type Asked } from '../../query-cells.ts';
import { quoteTime } from '../../sql-text.ts';

/** For how long the scheduler told that a node was so, µs. What is missing nobody told. */
export interface StateTimes {
  readonly upUs: number;
  readonly drainedUs: number;
  readonly downUs: number;
}

/** By day or hour, by its start. */
type TimesByStart = ReadonlyMap<number, StateTimes>;

/** Of the node of a device; undefined where nobody told of it, or of several that may be meant. */
export type TimesOfNode = (cluster: string | undefined, node: string) => TimesByStart | undefined;

const DAY_US = STEP_US['1d'];
const HOUR_US = STEP_US['1h'];
/** What clocks may miss of a day that was told whole. */
const WHOLE_US_MISSING_MAX = 1e6;

/** How a node was told of on a day: in several states or for a part of it, or not at all. */
export type DayTold = 'partly' | 'untold';
export type DaysOfNode = (
  cluster: string | undefined,
  node: string,
) => ReadonlyMap<number, DayTold> | undefined;

/** What was told of a node on a day, or on days on which it was up for all of them. */
interface ToldDays {
  readonly cluster: string | undefined;
  readonly node: string;
  readonly isUp: boolean;
  readonly days: number;
  readonly firstUs: number;
  readonly lastUs: number;
  readonly toldUs: number;
}

/**
 * The days of a window, by their start, of which nobody told that a node was up for all of them. Rows that tell of the same time twice are
 * no whole day.
 * @returns by node; undefined where nobody told of it, or of several that may be meant
 * @throws what `ask` throws
 */
export async function readNodeDays(db: Asked, window: Span): Promise<DaysOfNode> {
  if (!(await hasNodeStates(db))) return () => undefined;
  const together = await readToldDays(db, window, true);
  const told = together.some(hasHoles(together)) ? await readToldDays(db, window, false) : together;
  const daysOf = spansOfNode(told);
  // Devices of a node have the same.
  const known = new Map<string, ReadonlyMap<number, DayTold> | undefined>();
  return (cluster, node) => {
    const key = JSON.stringify([cluster, node]);
    if (!known.has(key)) known.set(key, notUpDays(daysOf(cluster, node), window));
    return known.get(key);
  };
}

/** @returns undefined where nobody told of any day */
function notUpDays(own: readonly ToldDays[], window: Span): ReadonlyMap<number, DayTold> | undefined {
  if (own.length === 0) return undefined;
  const apart = new Map(own.filter(({ isUp }) => !isUp).map((day) => [day.firstUs, day]));
  const isUpOn = whichDays(own.filter(({ isUp }) => isUp));
  const found = new Map<number, DayTold>();
  for (let dayUs = Math.floor(window.fromUs / DAY_US) * DAY_US; dayUs < window.toUs; dayUs += DAY_US) {
    const told = apart.get(dayUs);
    if (told !== undefined) found.set(dayUs, told.toldUs === 0 ? 'untold' : 'partly');
    else if (!isUpOn(dayUs)) found.set(dayUs, 'untold');
  }
  return found;
}

function whichDays(up: readonly ToldDays[]): (dayUs: number) => boolean {
  const single = new Set(up.filter(({ days }) => days === 1).map(({ firstUs }) => firstUs));
  const together = up.filter(({ days }) => days > 1);
  return (dayUs) =>
    single.has(dayUs) || together.some(({ firstUs, lastUs }) => firstUs <= dayUs && dayUs <= lastUs);
}

/** Whether days that are told together leave out some that nobody told of: from the first to the last of them each is one of the node's. */
function hasHoles(all: readonly ToldDays[]): (together: ToldDays) => boolean {
  const keyOf = ({ cluster, node }: ToldDays): string => JSON.stringify([cluster, node]);
  const apart = Map.groupBy(
    all.filter(({ isUp }) => !isUp),
    keyOf,
  );
  return (told) => {
    if (!told.isUp) return false;
    const { firstUs, lastUs, days } = told;
    const between = (apart.get(keyOf(told)) ?? []).filter(
      (day) => firstUs < day.firstUs && day.firstUs < lastUs,
    );
    return days + between.length < (lastUs - firstUs) / DAY_US + 1;
  };
}

/** @param areTogether days on which a node was up for all of them as one row of the node, or each by itself */
async function readToldDays(db: Asked, window: Span, areTogether: boolean): Promise<ToldDays[]> {
  const rows = await ask(db, daysSql(window, areTogether));
  return rows.map((row) => ({
    ...{ cluster: row.text('cluster'), node: row.text('node') ?? '', isUp: row.number('is_up') === 1 },
    ...{ days: row.number('days')!, firstUs: row.number('first_us')!, lastUs: row.number('last_us')! },
    toldUs: row.number('told_us') ?? 0,
  }));
}

/**
 * Whole hours cut the rows, so that each lies in one day, and only those of the hours at its ends reach out of the window. By state
 * first: the length of a row is most of the work.
 */
function daysSql(window: Span, areTogether: boolean): string {
  const [from, to] = [`cast(${window.fromUs} AS LONG)`, `cast(${window.toUs} AS LONG)`];
  const within = (startUs: string, endUs: string): string =>
    `(CASE WHEN ${endUs} > ${to} THEN ${to} ELSE ${endUs} END - CASE WHEN ${startUs} < ${from} THEN ${from} ELSE ${startUs} END)`;
  const byStateSql = (us: string, andSql: string): string =>
    `SELECT cluster, node, state, cast(date_trunc('day', ts) AS LONG) AS day_us, sum(${us}) AS us` +
    ` FROM node_states WHERE ${statesWhereSql({ ...window, andSql })}`;
  const [firstTs, lastTs] = [
    quoteTime(window.fromUs),
    quoteTime(Math.max(window.fromUs, window.toUs - HOUR_US)),
  ];
  const cutUs = within('cast(ts AS LONG)', 'cast(end_ts AS LONG)');
  const byState = [
    byStateSql(cutUs, ` AND ts < ${firstTs}`),
    byStateSql('cast(end_ts AS LONG) - cast(ts AS LONG)', ` AND ts >= ${firstTs} AND ts < ${lastTs}`),
    byStateSql(cutUs, ` AND ts >= ${lastTs}`),
  ].join(' UNION ALL ');
  const byDay =
    "SELECT cluster, node, day_us, sum(CASE WHEN state = 'up' THEN us ELSE 0 END) AS up_us, " +
    " sum(CASE WHEN state IN ('up', 'drained', 'down') THEN us ELSE 0 END) AS told_us" +
    ` FROM (${byState}) GROUP BY cluster, node, day_us`;
  const lengthUs = within('day_us', `(day_us + ${DAY_US})`);
  const isUp = `CASE WHEN up_us >= ${lengthUs} - ${WHOLE_US_MISSING_MAX} AND told_us <= ${lengthUs} THEN 1 ELSE 0 END`;
  const asOne = areTogether ? 'CASE WHEN is_up = 1 THEN 0 ELSE day_us END' : 'day_us';
  return (
    'SELECT cluster, node, is_up, as_one, count() AS days, min(day_us) AS first_us, max(day_us) AS last_us, sum(told_us) AS told_us FROM' +
    ` (SELECT cluster, node, is_up, ${asOne} AS as_one, day_us, told_us FROM (SELECT cluster, node, day_us, told_us, ${isUp} AS is_up FROM (${byDay})))` +
    ' GROUP BY cluster, node, is_up, as_one'
  );
}

/**
 * For how long nodes were in which state, by the hour, of some nodes at some times.
 * @param asked none of them with time of another of the same node
 * @throws what `ask` throws
 */
export async function readNodeHours(db: Asked, asked: readonly AskedNodes[]): Promise<TimesOfNode> {
  const statesOf = spansOfNode(await readNodeStatesAt(db, asked));
  return (cluster, node) => {
    const own = statesOf(cluster, node);
    if (own.length === 0) return undefined;
    const hours = new Map<number, { upUs: number; drainedUs: number; downUs: number }>();
    for (const { fromUs, toUs, state } of own)
      for (let hourUs = Math.floor(fromUs / HOUR_US) * HOUR_US; hourUs < toUs; hourUs += HOUR_US) {
        const hour = hours.get(hourUs) ?? { upUs: 0, drainedUs: 0, downUs: 0 };
        hours.set(hourUs, hour);
        const us = Math.min(toUs, hourUs + HOUR_US) - Math.max(fromUs, hourUs);
        if (state !== 'unknown') hour[`${state}Us`] += us;
      }
    return hours;
  };
}
