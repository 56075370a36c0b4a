import { timestampUs } from '../../../schemas/questdb-reply.ts';
import { quoteName, quoteText } from '../../../schemas/tables.ts';
import type { QuestDb } from '../http.ts';
import { waitForVisible } from '../visible.ts';
import type { SchemaChange } from './change.ts';

/** By which column it is told that nobody writes a row again. What measured itself is not filled: it ages out. */
const SETTLED_BY: Readonly<Record<string, 'ts' | 'end_ts'>> = {
  gpu_ownership: 'end_ts',
  jobs: 'end_ts',
  job_figures: 'end_ts',
  gpu_inventory: 'ts',
  gpu_events: 'ts',
};
/**
 * A collector that knows no cluster may go on beside us, and write a younger row once more (spells of throttling after up to
 * seven days): beside a filled one that would be a second row.
 */
const SETTLED_US = 8 * 24 * 3600e6;
const PART_US = 30 * 24 * 3600e6;
const PART_TIMEOUT_MS = 600_000;

/**
 * Gives the settled rows of a table the name of their cluster. Only under a key without `cluster`: there they are replaced in
 * place, whole, where under the new key they would be doubled. Done again it goes on where it was cut off.
 */
export async function fillCluster(
  db: QuestDb,
  table: string,
  cluster: string,
  columns: readonly string[],
): Promise<SchemaChange[]> {
  const settledBy = SETTLED_BY[table];
  if (settledBy === undefined) return [];
  const cutoffUs = Math.floor(Date.now() * 1000 - SETTLED_US);
  const isDue = `cluster IS NULL AND ${settledBy} < cast(${cutoffUs} AS timestamp)`;
  const { rows } = await db.exec(`SELECT count(), min(ts), max(ts) FROM ${quoteName(table)} WHERE ${isDue}`);
  const [count, first, last] = rows[0] ?? [];
  const lastUs = timestampUs(last);
  const names = columns.map(quoteName).join(', ');
  const values = columns
    .map((name) => (name === 'cluster' ? `cast(${quoteText(cluster)} AS symbol)` : quoteName(name)))
    .join(', ');
  for (let fromUs = timestampUs(first); fromUs <= lastUs; fromUs += PART_US) {
    const part = `ts >= cast(${fromUs} AS timestamp) AND ts < cast(${fromUs + PART_US} AS timestamp)`;
    await db.exec(
      `INSERT INTO ${quoteName(table)} (${names}) SELECT ${values} FROM ${quoteName(table)} WHERE ${isDue} AND ${part}`,
      { timeoutMs: PART_TIMEOUT_MS },
    );
  }
  if (Number(count) === 0) return [];
  await waitForVisible(db, table, { timeoutMs: PART_TIMEOUT_MS });
  return [{ action: 'filled', object: table, detail: `cluster ${cluster} in ${Number(count)} rows` }];
}
