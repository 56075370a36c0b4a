import { OperatingError } from '../../core/base/errors.ts';
import { addColumnSql, type TableColumn } from '../../../schemas/tables.ts';
import type { QuestDb } from '../http.ts';
import type { SchemaChange } from './change.ts';

/** Adds a column that was not there when it was looked for; empty when somebody else has added it since. */
export async function addColumn(db: QuestDb, table: string, column: TableColumn): Promise<SchemaChange[]> {
  try {
    await db.exec(addColumnSql(table, column));
  } catch (thrown) {
    // The server looks whether it exists before the others' changes are through, and finds it later.
    const isThere = thrown instanceof OperatingError && thrown.message.includes('duplicate column');
    if (!isThere) throw thrown;
    return [];
  }
  return [{ action: 'added_column', object: table, detail: `${column.name} ${column.type}` }];
}
