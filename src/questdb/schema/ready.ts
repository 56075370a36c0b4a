import { allTables, quoteText, type LaneTable, type Retention } from '../../../schemas/tables.ts';
import type { QuestDb } from '../http.ts';

/**
 * Whether every table that these lanes write has every column: one question instead of the whole of `applySchema`. It
 * says nothing of rollups and retention, which change when the configuration does.
 * @throws OperatingError when the server does not answer
 */
export async function hasEveryColumn(
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
  return tables.every(({ name, columns }) =>
    columns.every((column) => present.has(`${name} ${column.name}`)),
  );
}
