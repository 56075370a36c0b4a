import { OperatingError } from '../../core/base/errors.ts';
import type { Tell } from '../../core/base/notice.ts';
import { quoteText } from '../../../schemas/tables.ts';
import type { QuestDb } from '../http.ts';
import type { EventRow, SmallTables } from './small-tables.ts';

/** Events asked for in one query: its text stays below 100 KiB. */
const EVENTS_PER_QUERY_MAX = 1_000;

/**
 * The same tables, but a row of `gpu_events` keeps the cluster under which it was first stored: that is part of its key. An
 * event is told again (its end, the overlap of two drains), and by then the cluster may have become known.
 */
export function withPlacedEvents(db: QuestDb, tables: SmallTables, tell?: Tell): SmallTables {
  return {
    ...tables,
    async writeEvents(rows) {
      const placed: EventRow[] = [];
      try {
        for (let from = 0; from < rows.length; from += EVENTS_PER_QUERY_MAX) {
          const some = rows.slice(from, from + EVENTS_PER_QUERY_MAX);
          const stored = await readClusters(db, some);
          placed.push(...some.map((row) => withCluster(row, stored.get(keyOf(row)))));
        }
      } catch (thrown) {
        if (!(thrown instanceof OperatingError)) throw thrown;
        const sentence = `gpu_events: ${rows.length} rows wait: ${thrown.message}`;
        tell?.({ level: 'warn', code: 'small_table.held', sentence });
        return false;
      }
      return await tables.writeEvents(placed);
    },
  };
}

/** @param stored clusters of the rows that are the event's but for the cluster; null: one without; undefined: there are none */
function withCluster(row: EventRow, stored: readonly (string | null)[] | undefined): EventRow {
  const { cluster: told, ...rest } = row;
  if (stored === undefined || stored.includes(told ?? null)) return row;
  const cluster = told === undefined ? stored[0] : stored.includes(null) ? null : told;
  return cluster === null || cluster === undefined ? rest : { ...rest, cluster };
}

/** By what else is in the key. An event of a whole node is told once. */
async function readClusters(
  db: QuestDb,
  rows: readonly EventRow[],
): Promise<ReadonlyMap<string, readonly (string | null)[]>> {
  const found = new Map<string, (string | null)[]>();
  const gpus = [...new Set(rows.flatMap(({ gpu }) => gpu ?? []))];
  if (gpus.length === 0) return found;
  const times = rows.map(({ tsUs }) => tsUs);
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const { rows: answer } = await db.exec(
    'SELECT cast(ts AS LONG), node, gpu, kind, subject, cluster FROM gpu_events' +
      ` WHERE gpu IN (${gpus.map(quoteText).join(', ')})` +
      ` AND ts >= cast(${first} AS timestamp) AND ts <= cast(${last} AS timestamp)`,
  );
  for (const [tsUs, node, gpu, kind, subject, cluster] of answer) {
    const key = keyOf({ tsUs: Number(tsUs), node, gpu, kind, subject: subject ?? '' });
    found.set(key, [...(found.get(key) ?? []), typeof cluster === 'string' ? cluster : null]);
  }
  return found;
}

function keyOf(
  row: Readonly<Record<'tsUs' | 'node' | 'kind' | 'subject', unknown>> & { readonly gpu?: unknown },
): string {
  return [row.tsUs, row.node, row.gpu, row.kind, row.subject].join('\n');
}
