import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, OperatingError } from '../core/base/errors.ts';
import type { Tell } from '../core/base/notice.ts';
import { untaken, type Batch, type Fate, type Sink } from '../core/wire/sink.ts';
import type { QuestDb } from './http.ts';
import type { TableWatch } from './table-watch.ts';
import { waitForVisible } from './visible.ts';
import { withRetries } from './with-retries.ts';

/** The way to the store: closed until its tables are there, since rows would make wrong ones, and at the very end. */
export interface StoreGate {
  /** Makes the store ready unless it is. @returns whether rows may be sent; what is in the way is told once. */
  readonly open: () => Promise<boolean>;
  /** Sends rows once. */
  readonly once: Sink;
  /** Sends rows again and again while that may help. */
  readonly patient: Sink;
  /** Looks whether the tables are still those that rows were made for; where they are not, nothing is sent until they fit. */
  readonly look: () => Promise<void>;
  /** Sends nothing more, and gives up what is under way. */
  readonly close: () => void;
}

export interface StoreGateOptions {
  readonly db: QuestDb;
  /** Makes tables and rollups; tried until it has succeeded once. */
  readonly prepare: () => Promise<void>;
  /** Knows whether the tables are still the same; absent: they are taken for that. */
  readonly tables?: TableWatch;
  /** With `visible` rows are acknowledged only when queries see them. Default: when they are in the server's log. */
  readonly confirm?: 'acknowledged' | 'visible';
  readonly tell: Tell;
}

/** A store that is restarting is back within seconds; one that is not is tried again by the next flush, with the same bytes. */
const ATTEMPTS_MAX = 4;
const AGE_MS_MAX = 10_000;
/** A refused batch is searched by many requests, and one look at the tables is enough for them. */
const LOOKED_MS_MAX = 1_000;
/** How long rows may take from the server's log into its tables before they count as not taken. */
const VISIBLE_TIMEOUT_MS = 30_000;

export function createStoreGate(options: StoreGateOptions): StoreGate {
  const { db, tables, tell } = options;
  const closing = new AbortController();
  const { signal } = closing;
  const closed = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(new OperatingError('gpuledger is stopping', { code: 'store.not_ready', exit: 'temporary' }));
    });
  });
  // Heard only by those who wait for it.
  closed.catch(() => undefined);
  let isReady = false;
  let obstacle = new OperatingError('nothing was sent yet', { code: 'store.not_ready', exit: 'temporary' });
  const isOpen = (): boolean => isReady && !signal.aborted;

  /** The store was away: another server may have come back, and its tables are looked at before anything is sent. */
  let isDoubtful = false;
  let lookedMs = -Infinity;

  const shut = (change: string): void => {
    if (!isReady) return;
    isReady = false;
    const error = new OperatingError(`${change}: rows wait until the tables fit them again`, {
      code: 'store.tables_changed',
      exit: 'config',
      where: db.where,
    });
    obstacle = error;
    tell({ level: 'error', code: error.code, sentence: error.message, data: { where: db.where } });
  };
  /** @returns why nothing may be sent; undefined when the tables are as they were */
  const look = async (): Promise<OperatingError | undefined> => {
    if (tables === undefined || !isReady) return undefined;
    try {
      const change = await tables.look();
      lookedMs = performance.now();
      isDoubtful = false;
      if (change !== undefined) shut(change);
      return change === undefined ? undefined : obstacle;
    } catch (thrown) {
      if (!(thrown instanceof OperatingError)) throw thrown;
      return thrown;
    }
  };

  const once: Sink = {
    async send(batch) {
      const doubt = isDoubtful ? await look() : undefined;
      if (doubt !== undefined) return untaken(batch, shutBy(doubt));
      if (!isOpen()) return untaken(batch, shutBy(obstacle));
      const fate = await db.send(batch, signal);
      if (fate.unsent?.cause === 'store') isDoubtful = true;
      if (fate.unsent?.cause !== 'rows') return fate;
      // Rows are to blame only while the tables are those that they were made for.
      const isSeen = performance.now() - lookedMs < LOOKED_MS_MAX;
      const change = isSeen ? undefined : await look();
      return change === undefined ? fate : { ...fate, unsent: { ...fate.unsent, ...shutBy(change) } };
    },
  };
  const retried = withRetries(once, {
    attemptsMax: ATTEMPTS_MAX,
    ageMsMax: AGE_MS_MAX,
    random: Math.random,
    nowMs: () => performance.now(),
    sleep: sleepUntil,
    signal,
  });
  return {
    async open() {
      if (isReady || signal.aborted) return isOpen();
      const wasReady = obstacle.code === 'store.tables_changed';
      try {
        await Promise.race([options.prepare(), closed]);
        await tables?.note();
        isReady = true;
        lookedMs = performance.now();
        if (wasReady)
          tell({
            level: 'info',
            code: 'store.tables_fit',
            sentence: 'the tables fit again: rows are written',
          });
      } catch (thrown) {
        if (!(thrown instanceof OperatingError)) throw thrown;
        const isTold = thrown.code === obstacle.code;
        obstacle = thrown;
        if (isTold) return false;
        tell({ level: 'warn', code: thrown.code, sentence: `the store is not ready: ${thrown.message}` });
      }
      return isOpen();
    },
    async look() {
      // A store that does not answer is told by whoever sends next.
      await look();
    },
    once,
    patient: options.confirm === 'visible' ? withVisibility(retried, db, signal) : retried,
    close: () => {
      closing.abort();
    },
  };
}

/** Nothing is sent through a closed gate; what is in the way may be a table that does not fit. */
function shutBy(error: OperatingError): { cause: 'store' | 'table'; reason: string; error: OperatingError } {
  const isOfTables = error.code.startsWith('schema.') || error.code === 'store.tables_changed';
  const cause = isOfTables ? 'table' : 'store';
  return { cause, reason: error.message, error };
}

/** Resolves after `ms`, or at once when the signal fires. */
export async function sleepUntil(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch (thrown) {
    if (signal?.aborted !== true) throw thrown;
  }
}

/** A suspended table still acknowledges rows: only what queries see is there. */
function withVisibility(sink: Sink, db: QuestDb, signal: AbortSignal): Sink {
  return {
    async send(batch: Batch): Promise<Fate> {
      const fate = await sink.send(batch);
      if (fate.unsent !== undefined) return fate;
      try {
        await waitForVisible(db, batch.table, { timeoutMs: VISIBLE_TIMEOUT_MS, signal });
        return fate;
      } catch (thrown) {
        const error =
          thrown instanceof OperatingError
            ? thrown
            : new OperatingError(messageOf(thrown), {
                code: 'store.not_visible',
                exit: 'temporary',
                cause: thrown,
              });
        return untaken(batch, { cause: 'store', reason: error.message, error });
      }
    },
  };
}
