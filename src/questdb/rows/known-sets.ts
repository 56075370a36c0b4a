import { OperatingError } from '../../core/base/errors.ts';
import type { Tell } from '../../core/base/notice.ts';
import type { QuestDb } from '../http.ts';
import { readOwnerSets } from '../reads/owner-sets.ts';
import type { OwnerSetRow } from './owner-set-rows.ts';
import type { SmallTables } from './small-tables.ts';

/**
 * The same tables, but a set of owners that is stored whole is not written again: everybody who knows the owners tells of it, as
 * divided by what they were told, and the store may have it as divided by what they were seen to do.
 */
export function withKnownSets(db: QuestDb, tables: SmallTables, tell?: Tell): SmallTables {
  return {
    ...tables,
    async writeOwnerSets(rows) {
      let missing: readonly OwnerSetRow[];
      try {
        const stored = Map.groupBy(await readOwnerSets(db, rows), ({ ownerSet }) => ownerSet);
        const isStored = (own: readonly OwnerSetRow[]): boolean =>
          stored.get(own[0]!.ownerSet)?.filter(({ part }) => !Number.isNaN(part)).length ===
          new Set(own.map(({ jobId }) => jobId)).size;
        missing = [...Map.groupBy(rows, ({ ownerSet }) => ownerSet).values()]
          .filter((own) => !isStored(own))
          .flat();
      } catch (thrown) {
        if (!(thrown instanceof OperatingError)) throw thrown;
        const sentence = `gpu_owner_sets: ${rows.length} rows wait: ${thrown.message}`;
        tell?.({ level: 'warn', code: 'small_table.held', sentence });
        return false;
      }
      return await tables.writeOwnerSets(missing);
    },
  };
}
