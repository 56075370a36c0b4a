import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, OperatingError } from '../core/base/errors.ts';
import type { Tell } from '../core/base/notice.ts';
import { untaken, type Batch, type Fate, type Sink } from '../core/wire/sink.ts';
import type { QuestDb } from './http.ts';
import { createTableGuard, whyOf, type RowSpan } from './table-guard.ts';
import type { TableWatch } from './table-watch.ts';
import { countSeen } from './seen-rows.ts';
import type { Outage } from './outage.ts';
import { withRetries } from './with-retries.ts';

/** The way to the store: closed until its tables are there, since rows would make wrong ones, and at the very end. */
export interface StoreGate {
  /** Makes the store ready unless it is. @returns whether rows may be sent; what is in the way is told once. */
  readonly open: () => Promise<boolean>;
  /** Sends rows once. */
  readonly once: Sink;
  /** Sends rows again and again while that may help. */
  readonly patient: Sink;
  /**
   * Looks whether the tables are still those that rows were made for; where they are not, nothing is sent until they fit.
   * @returns whether they are, as far as the store answers
   */
  readonly look: () => Promise<boolean>;
  /** What the store has acknowledged, and what is nowhere, since the tables were others. */
  readonly astray: () => readonly Batch[];
  /** Sends nothing more, and gives up what is under way. */
  readonly close: () => void;
}

export interface StoreGateOptions {
  readonly db: QuestDb;
  /** Makes tables and rollups; tried until it has succeeded once. */
  readonly prepare: () => Promise<void>;
  /** Knows whether the tables are still the same; absent: they are taken for that. */
  readonly tables?: TableWatch;
  /** Rows of this time were sent once more, with the labels of then. */
  readonly onSentAgain?: (span: RowSpan) => void;
  /** With `visible` rows are acknowledged only when queries see them. Default: when they are in the server's log. */
  readonly confirm?: 'acknowledged' | 'visible';
  /** Tells that the store is away, and that it is back; absent: those tell who wait for it. */
  readonly outage?: Outage;
  readonly tell: Tell;
}

/** A store that is restarting is back within seconds; one that is not is tried again by the next flush, with the same bytes. */
const ATTEMPTS_MAX = 4;
const AGE_MS_MAX = 10_000;
/** With `visible`: how often rows are sent that nobody sees afterwards. */
const SENDS_MAX = 3;

export function createStoreGate(options: StoreGateOptions): StoreGate {
  const { db, tell, outage } = options;
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
  const isStopping = (): boolean => signal.aborted;
  const isOpen = (): boolean => isReady && !signal.aborted;
  /** What waits since nothing was tried yet, or is to be tried any more, says nothing of the store. */
  let isTried = false;
  const noted = (sink: Sink): Sink => {
    const heard = outage?.noted(sink) ?? sink;
    return { send: async (batch) => await (isTried && !signal.aborted ? heard : sink).send(batch) };
  };

  let isChanged = false;
  const guard =
    options.tables &&
    createTableGuard({
      db,
      tables: options.tables,
      signal,
      onChanged(error) {
        isReady = false;
        isChanged = true;
        obstacle = error;
        tell({ level: 'error', code: error.code, sentence: error.message, data: { where: db.where } });
      },
      tell,
    });

  const once: Sink = {
    async send(batch) {
      if (!isOpen()) return untaken(batch, whyOf(obstacle));
      return await (guard === undefined ? db.send(batch, signal) : guard.send(batch));
    },
  };
  const prepare = async (): Promise<void> => {
    await options.prepare();
    await options.tables?.note();
    const span = await guard?.sendAgain(signal);
    if (span !== undefined) options.onSentAgain?.(span);
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
      isTried = true;
      try {
        await Promise.race([prepare(), closed]);
        isReady = true;
        if (isChanged) {
          const sentence = 'the tables fit again: rows are written';
          tell({ level: 'info', code: 'store.tables_fit', sentence });
        }
        isChanged = false;
      } catch (thrown) {
        if (!(thrown instanceof OperatingError)) throw thrown;
        const isTold = thrown.code === obstacle.code;
        obstacle = thrown;
        if (outage !== undefined && thrown.exit === 'temporary' && !isStopping()) {
          outage.away(thrown.message);
          return false;
        }
        if (!isTold)
          tell({ level: 'warn', code: thrown.code, sentence: `the store is not ready: ${thrown.message}` });
        outage?.away(thrown.message, true);
      }
      return isOpen();
    },
    async look() {
      // A store that does not answer is told by whoever sends next.
      if (isReady) await guard?.look();
      return !isChanged;
    },
    astray: () => guard?.astray() ?? [],
    once: noted(once),
    patient: noted(options.confirm === 'visible' ? withVisibility(retried, db, signal) : retried),
    close: () => {
      closing.abort();
    },
  };
}

/** Resolves after `ms`, or at once when the signal fires. */
export async function sleepUntil(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch (thrown) {
    if (signal?.aborted !== true) throw thrown;
  }
}

/**
 * A suspended table still acknowledges rows, and something between us and the server may answer for it: only what queries
 * see is there. Rows that are not are sent again.
 */
function withVisibility(sink: Sink, db: QuestDb, signal: AbortSignal): Sink {
  return {
    async send(batch: Batch): Promise<Fate> {
      for (let sends = 1; ; sends += 1) {
        const fate = await sink.send(batch);
        if (fate.unsent !== undefined) return fate;
        try {
          const rows = await countSeen(db, batch, signal);
          if (rows >= batch.rows) return fate;
          if (sends === SENDS_MAX) throw swallowed(batch, rows, db.where);
        } catch (thrown) {
          const error = notVisible(thrown);
          return untaken(batch, { cause: 'store', reason: error.message, error });
        }
      }
    },
  };
}

function swallowed({ table, rows }: Batch, found: number, where: string): OperatingError {
  return new OperatingError(
    `${rows} rows for ${table} were acknowledged ${SENDS_MAX} times, and queries find ${found} of that time and node`,
    {
      code: 'store.not_visible',
      exit: 'temporary',
      where,
      hints: ['look what stands between: a proxy that answers for the server'],
    },
  );
}

function notVisible(thrown: unknown): OperatingError {
  if (thrown instanceof OperatingError) return thrown;
  return new OperatingError(messageOf(thrown), {
    code: 'store.not_visible',
    exit: 'temporary',
    cause: thrown,
  });
}
