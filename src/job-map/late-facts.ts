import { messageOf, OperatingError } from '../core/base/errors.ts';
import type { Tell } from '../core/base/notice.ts';
import type { QuestDb } from '../questdb/http.ts';
import { relabelSamples } from '../questdb/rows/relabel-samples.ts';
import type { OwnershipSession } from './session.ts';

interface RelabelOutcome {
  /** Samples that were labelled again. */
  readonly rows: number;
  /** False when the store did not do all of it; call again. */
  readonly isDone: boolean;
}

/**
 * Brings facts that came after their samples had been labelled into the stored rows, as far as their time is remembered
 * (`late-work.ts` does the rest). Call it only when nothing of these
 * tables is unacknowledged, or older bytes would bring the old label back.
 */
export async function relabelStored(
  session: OwnershipSession,
  db: QuestDb,
  tables: readonly string[],
  tell: Tell,
): Promise<RelabelOutcome> {
  const { orders, giveBack } = session.takeRelabels();
  if (orders.length === 0) return { rows: 0, isDone: true };
  let rows = 0;
  try {
    for (const table of tables) rows += await relabelSamples(db, table, orders);
  } catch (thrown) {
    giveBack();
    if (!(thrown instanceof OperatingError)) throw thrown;
    const sentence = `late facts wait for the store: ${messageOf(thrown)}`;
    tell({ level: 'warn', code: 'relabel.held', sentence });
    return { rows, isDone: false };
  }
  if (rows > 0) {
    const sentence = `${rows} samples got the label of a late fact`;
    tell({ level: 'info', code: 'relabel.done', sentence, data: { rows } });
  }
  return { rows, isDone: true };
}
