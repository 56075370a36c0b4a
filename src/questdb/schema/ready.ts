import {
  allTables,
  quoteText,
  SCHEMA_VERSION,
  type LaneTable,
  type Retention,
} from '../../../schemas/tables.ts';
import type { QuestDb } from '../http.ts';

/**
 * Whether every table that these lanes write has every column, and its keys: two questions instead of the whole of
 * `applySchema`. It says nothing of rollups and retention, which change when the configuration does.
 * @throws OperatingError when the server does not answer
 */
export async function areTablesReady(
  db: QuestDb,
  lanes: readonly LaneTable[],
  retention: Retention,
): Promise<boolean> {
  const tables = allTables(lanes, retention);
  const names = tables.map(({ name }) => quoteText(name)).join(', ');
  const { rows } = await db.exec(
    `SELECT table_name, column_name FROM information_schema.columns() WHERE table_name IN (${names})`,
  );
  const present = new Set(rows.map(([table, column]) => `${String(table)} ${String(column)}`));
  const isComplete = tables.every(({ name, columns }) =>
    columns.every((column) => present.has(`${name} ${column.name}`)),
  );
  if (!isComplete) return false;
  // The version is written last.
  const { rows: versions } = await db.exec('SELECT max(version) FROM gpuledger_schema');
  return versions[0]?.[0] === SCHEMA_VERSION;
}
