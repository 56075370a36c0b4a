import { ask, type Asked } from '../../query-cells.ts';
import { STEP_US, type Span } from '../../levels.ts';
import { quoteTime } from '../../sql-text.ts';

/** For how long the scheduler told that a node was so, µs. What is missing nobody told. */
export interface StateTimes {
  readonly upUs: number;
  readonly drainedUs: number;
  readonly downUs: number;
}

/** By day or hour, by its start. */
type NodeStates = ReadonlyMap<number, StateTimes>;

/** Of which node somebody told in which cluster. */
export interface ToldNodes {
  /** Of the node of a device; undefined where nobody told of it, or of several that may be meant. */
  readonly of: (cluster: string | undefined, node: string) => NodeStates | undefined;
}

const UNIT = { '1d': 'day', '1h': 'hour' } as const;
/** A row ends at most so long after its start, and in the hour in which it begins. */
const ROW_US_MAX = STEP_US['1h'];

/** A time, and which nodes of it: a condition on the table. */
export interface AskedNodes extends Span {
  readonly andSql: string;
}

/** Whether anybody may have told how nodes are. @throws what `ask` throws */
export async function hasNodeStates(db: Asked): Promise<boolean> {
  return (await ask(db, "SELECT table_name FROM tables() WHERE table_name = 'node_states'")).length > 0;
}

/**
 * What the scheduler told of nodes in each day or hour.
 * @param asked none of them with a day or hour of another of the same node @throws what `ask` throws
 */
export async function readNodeStateTimes(
  db: Asked,
  level: '1d' | '1h',
  asked: readonly AskedNodes[],
): Promise<ToldNodes> {
  const byNode = new Map<string, { cluster: string | undefined; states: Map<number, StateTimes> }[]>();
  const rows =
    asked.length === 0 ? [] : await ask(db, asked.map((one) => statesSql(level, one)).join(' UNION ALL '));
  for (const row of rows) {
    const [node, cluster] = [row.text('node') ?? '', row.text('cluster')];
    const nodes = byNode.get(node) ?? [];
    byNode.set(node, nodes);
    let told = nodes.find((one) => one.cluster === cluster);
    if (told === undefined) nodes.push((told = { cluster, states: new Map() }));
    told.states.set(row.number('at_us')!, {
      upUs: row.number('up_us') ?? 0,
      drainedUs: row.number('drained_us') ?? 0,
      downUs: row.number('down_us') ?? 0,
    });
  }
  return {
    of: (cluster, node) => {
      const nodes = byNode.get(node) ?? [];
      const own = nodes.filter(
        (one) => cluster === undefined || one.cluster === undefined || one.cluster === cluster,
      );
      return own.length === 1 ? own[0]!.states : undefined;
    },
  };
}

function statesSql(level: '1d' | '1h', { fromUs, toUs, andSql }: AskedNodes): string {
  const [from, to] = [`cast(${fromUs} AS LONG)`, `cast(${toUs} AS LONG)`];
  const [start, end] = ['cast(ts AS LONG)', 'cast(end_ts AS LONG)'];
  const length = `(CASE WHEN ${end} > ${to} THEN ${to} ELSE ${end} END - CASE WHEN ${start} < ${from} THEN ${from} ELSE ${start} END)`;
  const sum = (state: string): string =>
    `sum(CASE WHEN state = '${state}' THEN ${length} ELSE 0 END) AS ${state}_us`;
  return (
    `SELECT cluster, node, cast(date_trunc('${UNIT[level]}', ts) AS LONG) AS at_us, ${['up', 'drained', 'down'].map(sum).join(', ')}` +
    ` FROM node_states WHERE ts > ${quoteTime(fromUs - ROW_US_MAX)} AND ts < ${quoteTime(toUs)} AND end_ts > ${quoteTime(fromUs)}${andSql}`
  );
}
