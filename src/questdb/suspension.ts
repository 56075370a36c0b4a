import { OperatingError } from '../core/base/errors.ts';
import type { Tell } from '../core/base/notice.ts';
import type { QuestDb } from './http.ts';
import { readSuspended } from './visible.ts';

/** Watches for tables that QuestDB has suspended: it goes on acknowledging rows for them, and no query sees them. */
export interface SuspensionWatch {
  /** Asks the store, and tells once when a table is suspended and once when it no longer is. */
  look(): Promise<void>;
  /** As of the last look; undefined when the table is in order. */
  readonly reasonOf: (table: string) => string | undefined;
}

export function watchSuspension(db: QuestDb, tables: readonly string[], tell: Tell): SuspensionWatch {
  let suspended: ReadonlyMap<string, string> = new Map();

  return {
    async look() {
      let now: ReadonlyMap<string, string>;
      try {
        now = await readSuspended(db, tables);
      } catch (thrown) {
        // A store that does not answer is told by the flush.
        if (thrown instanceof OperatingError) return;
        throw thrown;
      }
      for (const [table, reason] of now) {
        if (suspended.has(table)) continue;
        const sentence = `QuestDB has suspended ${table} (${reason}): it takes rows but shows none; when the cause is mended: ALTER TABLE "${table}" RESUME WAL;`;
        tell({ level: 'error', code: 'store.suspended', sentence, data: { table, reason } });
      }
      for (const table of suspended.keys()) {
        if (!now.has(table))
          tell({
            level: 'info',
            code: 'store.resumed',
            sentence: `${table} is no longer suspended`,
            data: { table },
          });
      }
      suspended = now;
    },
    reasonOf(table) {
      const reason = suspended.get(table);
      return reason === undefined ? undefined : `table ${table} is suspended (${reason})`;
    },
  };
}
