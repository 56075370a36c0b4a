import { messageOf, OperatingError } from '../core/base/errors.ts';
import type { Tell } from '../core/base/notice.ts';
import type { OwnershipChange } from '../core/jobs/interval.ts';
import type { Ownership } from '../core/jobs/ownership.ts';
import { RelabelBacklog } from '../core/jobs/relabel.ts';
import type { QuestDb } from '../questdb/http.ts';
import { relabelSamples } from '../questdb/rows/relabel-samples.ts';

/** Facts that came after their samples had been labelled, on their way into the stored rows. */
export interface LateFacts {
  /** Samples up to `us` (epoch µs) are labelled with what is known now. Call before encoding them. */
  labelledUntil(us: number): void;
  /** Takes note of what changed in the ownership. */
  note(changes: readonly OwnershipChange[]): void;
  /**
   * Writes the rows again whose label is no longer right. Call it only when nothing of these tables is unacknowledged,
   * or older bytes would bring the old label back. @returns false when the store did not do all of it; call again.
   */
  relabel(): Promise<boolean>;
  /** Rows that were labelled again in this life. */
  readonly relabelledRows: number;
  /** Facts that came too late for a part of their samples. */
  readonly tooLateFacts: number;
}

/** How far back a late fact is followed into the samples. Reports go by `gpu_ownership` and are right beyond it too. */
export const RELABEL_WINDOW_US = 24 * 3600 * 1e6;

/** @param formerUs samples up to here (epoch µs) may have been labelled by another life, which may have known less. */
export function createLateFacts(
  db: QuestDb,
  ownership: Ownership,
  tables: readonly string[],
  formerUs: number,
  tell: Tell,
): LateFacts {
  const backlog = new RelabelBacklog(RELABEL_WINDOW_US);
  let labelledUntilUs = formerUs;
  let relabelledRows = 0;
  let toldTooLate = 0;

  return {
    labelledUntil(us) {
      labelledUntilUs = Math.max(labelledUntilUs, us);
    },
    note(changes) {
      backlog.note(changes, labelledUntilUs);
    },
    async relabel() {
      if (backlog.tooLateCount > toldTooLate) {
        const facts = backlog.tooLateCount - toldTooLate;
        toldTooLate = backlog.tooLateCount;
        const sentence = `${facts} facts of the job map came more than 24 h late: samples before that keep their label`;
        tell({ level: 'warn', code: 'relabel.too_late', sentence, data: { facts } });
      }
      if (backlog.isEmpty) return true;
      const windows = backlog.take();
      const orders = windows.map(({ gpu, fromUs, toUs }) => ({
        gpu,
        stretches: ownership.labelsBetween(gpu, fromUs, toUs),
      }));
      try {
        let rows = 0;
        for (const table of tables) rows += await relabelSamples(db, table, orders);
        relabelledRows += rows;
        if (rows > 0) {
          tell({
            level: 'info',
            code: 'relabel.done',
            sentence: `${rows} samples got the label of a late fact`,
            data: { rows },
          });
        }
        return true;
      } catch (thrown) {
        backlog.giveBack(windows);
        if (!(thrown instanceof OperatingError)) throw thrown;
        tell({
          level: 'warn',
          code: 'relabel.held',
          sentence: `late facts wait for the store: ${messageOf(thrown)}`,
        });
        return false;
      }
    },
    get relabelledRows() {
      return relabelledRows;
    },
    get tooLateFacts() {
      return backlog.tooLateCount;
    },
  };
}
