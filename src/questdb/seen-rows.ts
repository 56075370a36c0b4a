import { quoteName, quoteText } from '../../schemas/tables.ts';
import { extentOf } from '../core/wire/ilp-rows.ts';
import type { Batch } from '../core/wire/sink.ts';
import type { QuestDb } from './http.ts';
import { waitForVisible } from './visible.ts';

/** How long rows may take from the server's log into its tables before they count as not taken. */
const VISIBLE_TIMEOUT_MS = 30_000;

/**
 * How many rows queries see of the node and the time of a batch that was acknowledged: at least as many as it has, when it
 * is there.
 * @throws OperatingError when the store does not answer, or shows nothing in time
 */
export async function countSeen(
  db: QuestDb,
  { table, body }: Pick<Batch, 'table' | 'body'>,
  signal: AbortSignal,
): Promise<number> {
  await waitForVisible(db, table, { timeoutMs: VISIBLE_TIMEOUT_MS, signal });
  const { node, fromUs, toUs } = extentOf(body);
  const ofNode = node === undefined ? '' : ` AND node = ${quoteText(node)}`;
  const { rows } = await db.exec(
    `SELECT count() FROM ${quoteName(table)} WHERE ts >= cast(${fromUs} AS timestamp) AND ts <= cast(${toUs} AS timestamp)${ofNode}`,
  );
  return Number(rows[0]?.[0]);
}
