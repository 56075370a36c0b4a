import { OperatingError } from '../core/errors.ts';
import { allTables, quoteName, type LaneTable, type Retention } from '../../schemas/tables.ts';
import type { QuestDb } from './questdb-http.ts';

/**
 * Whether every table that these lanes write has every column: one small question per table, all at once, instead of the
 * whole of `applySchema`. It says nothing of rollups and retention, which change when the configuration does.
 * @throws OperatingError when the server does not answer
 */
export async function hasEveryColumn(
  db: QuestDb,
  lanes: readonly LaneTable[],
  retention: Retention,
): Promise<boolean> {
  const answers = await Promise.all(
    allTables(lanes, retention).map(async (table) => {
      const columns = table.columns.map(({ name }) => quoteName(name)).join(', ');
      try {
        await db.exec(`SELECT ${columns} FROM ${quoteName(table.name)} LIMIT 0`);
        return true;
      } catch (thrown) {
        const isMissing =
          thrown instanceof OperatingError &&
          (thrown.code === 'questdb.no_table' || thrown.code === 'questdb.query');
        if (!isMissing) throw thrown;
        return false;
      }
    }),
  );
  return answers.every(Boolean);
}
