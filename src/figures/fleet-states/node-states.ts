import type { NodeState } from '../../core/jobs/cluster-load.ts';
import { differ } from '../../core/jobs/job-runs.ts';
import { quoteText } from '../../../schemas/tables.ts';
import type { Span } from '../levels.ts';
import { ask, type Asked, type Cells } from '../query-cells.ts';
import { quoteTime } from '../sql-text.ts';
import { timesOfTable } from '../table-times.ts';

/** Time in which the scheduler told one state of a node: fromUs < t ≤ toUs. */
export interface NodeStateSpan {
  /** Undefined where nobody told. */
  readonly cluster: string | undefined;
  readonly node: string;
  /** Epoch µs. */
  readonly fromUs: number;
  readonly toUs: number;
  readonly state: NodeState;
  /** Configured on the node, MIG instances among them. */
  readonly gpus: number;
}

/** A row ends at most so long after its start. */
const ROW_US_MAX = 3600e6;
/** Of a thousand nodes these are 170,000 rows. */
const PORTION_US = 7 * 24 * 3600e6;

/** A time, and which nodes of it: a condition on the table, as ` AND …`. */
export interface AskedNodes extends Span {
  readonly andSql: string;
}

/** Whether anybody may have told how nodes are. @throws what `ask` throws */
export async function hasNodeStates(db: Asked): Promise<boolean> {
  return (await ask(db, "SELECT table_name FROM tables() WHERE table_name = 'node_states'")).length > 0;
}

/** Rows of which any time lies in what is asked. */
export function statesWhereSql({ fromUs, toUs, andSql }: AskedNodes): string {
  return `ts > ${quoteTime(fromUs - ROW_US_MAX)} AND ts < ${quoteTime(toUs)} AND end_ts > ${quoteTime(fromUs)}${andSql}`;
}

/**
 * How the nodes with GPUs were within a window, as long spans as the state and the number of GPUs stayed the same. What no
 * span covers nobody told: it is unknown, as is the whole of a store without the table.
 * @param cluster of this one alone; absent: of all
 * @returns spans of one node ascending, without overlaps
 * @throws what `ask` throws
 */
export async function readNodeStates(
  db: Asked,
  { fromUs, toUs }: Span,
  cluster?: string,
): Promise<NodeStateSpan[]> {
  if (!(await hasNodeStates(db))) return [];
  const andSql = cluster === undefined ? '' : ` AND cluster = ${quoteText(cluster)}`;
  const spansOf: SpansOf = new Map();
  const begun = await timesOfTable(db, 'node_states', { fromUs: fromUs - ROW_US_MAX, toUs });
  const told = { fromUs: Math.max(fromUs, begun.fromUs), toUs: Math.min(toUs, begun.toUs + ROW_US_MAX) };
  for (let atUs = told.fromUs; atUs < told.toUs; atUs += PORTION_US)
    await addSpans(db, spansOf, [{ fromUs: atUs, toUs: Math.min(atUs + PORTION_US, told.toUs), andSql }]);
  return [...spansOf.values()].flat();
}

/**
 * The same of some nodes at some times, by one question; the table is there.
 * @param asked none of them with time of another of the same node
 */
export async function readNodeStatesAt(db: Asked, asked: readonly AskedNodes[]): Promise<NodeStateSpan[]> {
  const spansOf: SpansOf = new Map();
  if (asked.length > 0) await addSpans(db, spansOf, asked);
  return [...spansOf.values()].flat();
}

/** Those of a node go on as long as rows say the same: each row by itself would be an object of a week's 170,000. */
type GrowingSpan = { -readonly [Key in keyof NodeStateSpan]: NodeStateSpan[Key] };
type SpansOf = Map<string, GrowingSpan[]>;

/** A row that began before what is asked is cut at its border, and goes on as what it was. */
async function addSpans(db: Asked, spansOf: SpansOf, asked: readonly AskedNodes[]): Promise<void> {
  const each = asked.map(
    (one, index) =>
      `SELECT ${index} AS part, cluster, node, state, gpus, cast(ts AS LONG) AS from_us, cast(end_ts AS LONG) AS to_us` +
      ` FROM node_states WHERE ${statesWhereSql(one)}`,
  );
  const rows = await ask(db, each.join(' UNION ALL '));
  for (const row of rows.toSorted((a, b) => a.number('from_us')! - b.number('from_us')!)) {
    const { fromUs, toUs } = asked[row.number('part')!]!;
    const span = clipped(row, fromUs, toUs);
    const key = `${span.cluster?.length} ${span.cluster} ${span.node}`;
    const spans = spansOf.get(key) ?? [];
    spansOf.set(key, spans);
    add(spans, span);
  }
}

function clipped(row: Cells, fromUs: number, toUs: number): GrowingSpan {
  return {
    cluster: row.text('cluster'),
    node: row.text('node') ?? '',
    state: (row.text('state') ?? 'unknown') as NodeState,
    gpus: row.number('gpus') ?? 0,
    fromUs: Math.max(row.number('from_us')!, fromUs),
    toUs: Math.min(row.number('to_us')!, toUs),
  };
}

/** Two machines that ask at once may have told of the same time twice: then the later row counts. */
function add(spans: GrowingSpan[], span: GrowingSpan): void {
  if (span.fromUs >= span.toUs) return;
  while (spans.length > 0 && spans.at(-1)!.fromUs >= span.fromUs) spans.pop();
  const before = spans.at(-1);
  if (before !== undefined) before.toUs = Math.min(before.toUs, span.fromUs);
  const goesOn = before?.toUs === span.fromUs && before.state === span.state && before.gpus === span.gpus;
  if (goesOn) before.toUs = span.toUs;
  else spans.push(span);
}

/**
 * The spans of a device's node. What has no cluster (it was stored before anybody told) is of any, where only one can be meant.
 */
export function spansOfNode<T extends Pick<NodeStateSpan, 'cluster' | 'node'>>(
  states: readonly T[],
): (cluster: string | undefined, node: string) => readonly T[] {
  const byNode = Map.groupBy(states, ({ node }) => node);
  return (cluster, node) => {
    const own = (byNode.get(node) ?? []).filter((span) => !differ(span.cluster, cluster));
    return new Set(own.map((span) => span.cluster)).size === 1 ? own : [];
  };
}
