import { OperatingError } from '../../core/base/errors.ts';
import type { QuestDb } from '../http.ts';

/** The settings of the server by their names; undefined where it tells none, as an old one, or to whom it may not. */
export async function readSettings(
  db: Pick<QuestDb, 'exec'>,
): Promise<ReadonlyMap<string, string> | undefined> {
  try {
    const { columns, rows } = await db.exec('SHOW PARAMETERS');
    const [path, value] = ['property_path', 'value'].map((name) =>
      columns.findIndex((each) => each.name === name),
    );
    return new Map(rows.map((row) => [String(row[path!]), String(row[value!])]));
  } catch (thrown) {
    if (thrown instanceof OperatingError && thrown.code === 'questdb.query') return undefined;
    throw thrown;
  }
}
