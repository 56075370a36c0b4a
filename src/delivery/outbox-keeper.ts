import { join } from 'node:path';
import { OperatingError } from '../core/base/errors.ts';
import { createFaultEpisode } from '../core/base/fault-episode.ts';
import type { Tell } from '../core/base/notice.ts';
import { loadWaitingRows, saveWaitingRows, type WaitingRows } from '../disk/outbox-file.ts';
import type { LaneDisk } from './delivery-place.ts';
import type { Outbox } from './outbox.ts';

/** Keeps the rows of the small tables that wait for the store on disk, for the next life. */
export interface OutboxKeeper {
  /** After each flush. While the store does not take all, what waits is kept now and then; the file goes once it has. */
  afterFlush(isAllTaken: boolean): void;
  /** At the end: everything that waits; the file goes when nothing does. */
  finish(): void;
}

/** Events of so long may be lost with a kill during an outage; ownership and jobs are told again by their inputs. */
const KEEP_INTERVAL_MS = 30_000;

/** Puts back what a former life has left. @param place nothing is kept without it */
export function keepOutbox(
  outbox: Outbox,
  place: Pick<LaneDisk, 'disk' | 'directory'> | undefined,
  tell: Tell,
): OutboxKeeper {
  if (place === undefined) return { afterFlush: () => undefined, finish: () => undefined };
  const { disk } = place;
  const path = join(place.directory, 'waiting-rows');
  const fault = createFaultEpisode(tell, 'error');
  const left = loadWaitingRows(disk, path);
  if (left !== undefined) outbox.restore(left);
  let isKept = left !== undefined;
  let keptMs = -Infinity;

  function save(rows: WaitingRows): void {
    keptMs = performance.now();
    try {
      saveWaitingRows(disk, path, rows);
      isKept = Object.keys(rows).length > 0;
      fault.end();
    } catch (thrown) {
      if (!(thrown instanceof OperatingError)) throw thrown;
      fault.fail(thrown, thrown.message);
    }
  }

  return {
    afterFlush(isAllTaken) {
      // Rows that the store has would be written over newer ones by the life that comes after a kill.
      if (isAllTaken) {
        if (isKept) save({});
      } else if (performance.now() - keptMs >= KEEP_INTERVAL_MS) save(outbox.snapshot());
    },
    finish() {
      save(outbox.snapshot());
    },
  };
}
