import { timestampUs } from '../../../schemas/questdb-reply.ts';
import { quoteName, quoteText } from '../../../schemas/tables.ts';
import { messageOf, OperatingError } from '../../core/base/errors.ts';
import type { Tell } from '../../core/base/notice.ts';
import type { QuestDb } from '../http.ts';

/**
 * Epoch µs of the newest sample that the store has of a node, one a table in their order; null where it has none. A store
 * that does not answer is none: sampling does not wait for it, and what an engine kept is then not asked for.
 */
export async function newestSamplesOf(
  db: QuestDb,
  tables: readonly string[],
  node: string,
  tell: Tell,
): Promise<(number | null)[]> {
  const newest: (number | null)[] = [];
  for (const table of tables) {
    try {
      const { rows } = await db.exec(
        `SELECT max(ts) FROM ${quoteName(table)} WHERE node = ${quoteText(node)}`,
      );
      const text = rows[0]?.[0];
      newest.push(typeof text === 'string' ? timestampUs(text) : null);
    } catch (thrown) {
      if (!(thrown instanceof OperatingError)) throw thrown;
      const reason = `cannot tell the newest sample of ${table}, so nothing older is fetched: ${messageOf(thrown)}`;
      tell({ level: 'info', code: 'source.no_watermark', sentence: reason });
      newest.push(null);
    }
  }
  return newest;
}
