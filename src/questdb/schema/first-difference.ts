import type { LaneTable, Retention } from '../../../schemas/tables.ts';
import type { QuestDb } from '../http.ts';
import { applySchema } from './apply.ts';

/** What `applySchema` would do to the store. */
export interface SchemaDifference {
  /** The first statement that would change something; undefined where all stands. */
  readonly statement: string | undefined;
  /** What it would leave as it is, for people. */
  readonly kept: readonly string[];
}

/**
 * Where tables and rollups are not as these lanes need them, found by the very code that makes them, on a store that it can
 * only read. How long rows are kept is left out: `readRetentions` tells that of all tables at once.
 * @throws OperatingError as `applySchema`
 */
export async function firstDifference(
  db: QuestDb,
  lanes: readonly LaneTable[],
  retention: Retention,
): Promise<SchemaDifference> {
  let statement: string | undefined;
  const readOnly: QuestDb = {
    ...db,
    async exec(sql, options) {
      if (/^\s*SELECT\b/i.test(sql)) return await db.exec(sql, options);
      if (/\bSET TTL\b/.test(sql)) return { columns: [], rows: [] };
      statement = sql;
      throw new WouldChange();
    },
  };
  try {
    const changes = await applySchema(readOnly, lanes, retention);
    const kept = changes.filter(({ action }) => action === 'kept');
    return { statement, kept: kept.map(({ object, detail }) => `${object}: ${detail}`) };
  } catch (thrown) {
    if (thrown instanceof WouldChange) return { statement, kept: [] };
    throw thrown;
  }
}

class WouldChange extends Error {}
