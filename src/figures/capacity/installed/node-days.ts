import {
  hasNodeStates,
  readNodeStatesAt,
  spansOfNode,
  statesWhereSql,
  type AskedNodes,
} from '../../fleet-states/node-states.ts';
import { STEP_US, type Span } from '../../levels.ts';
import { ask, type Asked } from '../../query-cells.ts';

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

/**
 * The days of a window, by their start, of which nobody told that a node was up for all of them. Rows that tell of the same time twice are
 * no whole day.
 * @returns by node; undefined where nobody told of it, or of several that may be meant
 * @throws what `ask` throws
 */
export async function readNodeDays(db: Asked, window: Span): Promise<DaysOfNode> {
  if (!(await hasNodeStates(db))) return () => undefined;
  const rows = await ask(db, daysSql(window));
  const days = rows.map((row) => ({
    ...{ cluster: row.text('cluster'), node: row.text('node') ?? '', dayUs: row.number('day_us')! },
    ...{ upUs: row.number('up_us') ?? 0, toldUs: row.number('told_us') ?? 0 },
  }));
  const daysOf = spansOfNode(days);
  // Devices of a node have the same.
  const known = new Map<string, ReadonlyMap<number, DayTold> | undefined>();
  const find: DaysOfNode = (cluster, node) => {
    const own = daysOf(cluster, node);
    if (own.length === 0) return undefined;
    const told = new Map(own.map((day) => [day.dayUs, day]));
    const starts: [number, DayTold][] = [];
    for (let dayUs = Math.floor(window.fromUs / DAY_US) * DAY_US; dayUs < window.toUs; dayUs += DAY_US) {
      const lengthUs = Math.min(dayUs + DAY_US, window.toUs) - Math.max(dayUs, window.fromUs);
      const { upUs, toldUs } = told.get(dayUs) ?? { upUs: 0, toldUs: 0 };
      const isUp = upUs >= lengthUs - WHOLE_US_MISSING_MAX && toldUs <= lengthUs;
      if (!isUp) starts.push([dayUs, toldUs === 0 ? 'untold' : 'partly']);
    }
    return new Map(starts);
  };
  return (cluster, node) => {
    const key = JSON.stringify([cluster, node]);
    if (!known.has(key)) known.set(key, find(cluster, node));
    return known.get(key);
  };
}

/** Whole hours cut the rows, so that each lies in one day. By state first: the length of a row is most of the work. */
function daysSql(window: Span): string {
  const [from, to] = [`cast(${window.fromUs} AS LONG)`, `cast(${window.toUs} AS LONG)`];
  const [start, end] = ['cast(ts AS LONG)', 'cast(end_ts AS LONG)'];
  const length = `(CASE WHEN ${end} > ${to} THEN ${to} ELSE ${end} END - CASE WHEN ${start} < ${from} THEN ${from} ELSE ${start} END)`;
  const byState =
    `SELECT cluster, node, state, cast(date_trunc('day', ts) AS LONG) AS day_us, sum(${length}) AS us` +
    ` FROM node_states WHERE ${statesWhereSql({ ...window, andSql: '' })}`;
  return (
    "SELECT cluster, node, day_us, sum(CASE WHEN state = 'up' THEN us ELSE 0 END) AS up_us, " +
    " sum(CASE WHEN state IN ('up', 'drained', 'down') THEN us ELSE 0 END) AS told_us" +
    ` FROM (${byState}) GROUP BY cluster, node, day_us`
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
