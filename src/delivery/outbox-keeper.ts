import { OperatingError } from '../core/base/errors.ts';
import type { Tell } from '../core/base/notice.ts';
import type { Outbox } from './outbox.ts';
import { loadWaitingRows, saveWaitingRows } from '../disk/outbox-file.ts';

/** Keeps the rows of the small tables that wait for the store on disk, for the next life. */
export interface OutboxKeeper {
  /** While the store takes nothing: now and then. */
  keep(): void;
  /** At the end: everything that waits; the file goes when nothing does. */
  finish(): void;
}

/** Events of so long may be lost with a kill during an outage; ownership and jobs are told again by their inputs. */
const KEEP_INTERVAL_MS = 30_000;

/** Puts back what a former life has left. @param path nothing is kept without it */
export function keepOutbox(outbox: Outbox, path: string | undefined, tell: Tell): OutboxKeeper {
  const left = path === undefined ? undefined : loadWaitingRows(path);
  if (left !== undefined) outbox.restore(left);
  let keptMs = -Infinity;

  function save(): void {
    if (path === undefined) return;
    keptMs = performance.now();
    try {
      saveWaitingRows(path, outbox.snapshot());
    } catch (thrown) {
      if (!(thrown instanceof OperatingError)) throw thrown;
      tell({ level: 'error', code: thrown.code, sentence: thrown.message });
    }
  }

  return {
    keep() {
      if (performance.now() - keptMs >= KEEP_INTERVAL_MS) save();
    },
    finish: save,
  };
}
