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
export type NodeStates = ReadonlyMap<number, StateTimes>;

/** Of which node somebody told in which cluster. */
export interface ToldNodes {
  /** Of the node of a device; undefined where nobody told of it, or of several that may be meant. */
  readonly of: (cluster: string | undefined, node: string) => NodeStates | undefined;
}

const UNIT = { '1d': 'day', '1h': 'hour' } as const;
/** A row ends at most so long after its start, and in the hour in which it begins. */
const ROW_US_MAX = STEP_US['1h'];

/**
 * What the scheduler told of the nodes in each day or hour of the spans. None where the store has no table of it.
 * @param only of these nodes; of all when absent
 * @throws what `ask` throws
 */
export async function readNodeStateTimes(
  db: Asked,
  level: '1d' | '1h',
  spans: readonly Span[],
  only?: string,
): Promise<ToldNodes> {
  const tables = await ask(db, "SELECT table_name FROM tables() WHERE table_name = 'node_states'");
  const byNode = new Map<string, { cluster: string | undefined; states: Map<number, StateTimes> }[]>();
  for (const span of tables.length === 0 ? [] : spans)
    for (const row of await ask(db, statesSql(level, span, only))) {
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

function statesSql(level: '1d' | '1h', { fromUs, toUs }: Span, only = ''): string {
  const [from, to] = [`cast(${fromUs} AS LONG)`, `cast(${toUs} AS LONG)`];
  const [start, end] = ['cast(ts AS LONG)', 'cast(end_ts AS LONG)'];
  const length = `(CASE WHEN ${end} > ${to} THEN ${to} ELSE ${end} END - CASE WHEN ${start} < ${from} THEN ${from} ELSE ${start} END)`;
  const sum = (state: string): string =>
    `sum(CASE WHEN state = '${state}' THEN ${length} ELSE 0 END) AS ${state}_us`;
  return (
    `SELECT cluster, node, cast(date_trunc('${UNIT[level]}', ts) AS LONG) AS at_us, ${['up', 'drained', 'down'].map(sum).join(', ')}` +
    ` FROM node_states WHERE ts > ${quoteTime(fromUs - ROW_US_MAX)} AND ts < ${quoteTime(toUs)} AND end_ts > ${quoteTime(fromUs)}${only}`
  );
}
