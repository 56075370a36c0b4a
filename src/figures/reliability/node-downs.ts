import { quoteText } from '../../../schemas/tables.ts';
import type { Span } from '../levels.ts';
import { ask, type Asked } from '../query-cells.ts';
import { quoteTime } from '../sql-text.ts';

const STATES_TABLE = 'node_states';
/** A row ends at most so long after its start. */
const ROW_US_MAX = 3600e6;
/** Down because somebody, or power saving, had it so. */
const WANTED = /power|reboot/i;

/** The scheduler told that a node which took jobs was down. */
export interface NodeDown {
  readonly cluster: string | undefined;
  readonly node: string;
  /** Epoch µs. */
  readonly atUs: number;
}

/**
 * When nodes went down that took jobs until then: one that had been drained before somebody took out. None in a store in which nobody
 * keeps what the scheduler says of nodes.
 * @throws what `ask` throws
 */
export async function nodeDowns(db: Asked, { fromUs, toUs }: Span): Promise<NodeDown[]> {
  const columns = await ask(
    db,
    `SELECT column_name FROM information_schema.columns() WHERE table_name = ${quoteText(STATES_TABLE)}`,
  );
  if (columns.length === 0) return [];
  const rows = await ask(
    db,
    'SELECT cluster, node, cast(ts AS LONG) AS at_us, slurm_state FROM (SELECT ts, cluster, node, state, slurm_state,' +
      ' lag(is_up) OVER (PARTITION BY cluster, node ORDER BY ts) AS was_up FROM (SELECT ts, cluster, node, state, slurm_state,' +
      // QuestDB 9.3.4 looks back at numbers, and not at symbols.
      ` cast(CASE WHEN state = 'up' THEN 1 ELSE 0 END AS LONG) AS is_up FROM ${STATES_TABLE}` +
      ` WHERE ts >= ${quoteTime(fromUs - ROW_US_MAX)} AND ts < ${quoteTime(toUs)}))` +
      ` WHERE state = 'down' AND was_up = 1 AND ts >= ${quoteTime(fromUs)}`,
  );
  return rows
    .filter((row) => !WANTED.test(row.text('slurm_state') ?? ''))
    .map((row) => ({
      cluster: row.text('cluster'),
      node: row.text('node') ?? '',
      atUs: row.number('at_us')!,
    }));
}
