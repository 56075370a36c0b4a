import { messageOf, OperatingError } from '../core/base/errors.ts';
import type { Tell } from '../core/base/notice.ts';
import type { QuestDb, WriteReply } from './http.ts';
import { waitForVisible } from './visible.ts';
import { sendUntilAcknowledged, type SendPolicy } from './send.ts';

/** The way to the store: closed until its tables are there, since rows would make wrong ones, and at the very end. */
export interface StoreGate {
  /** Makes the store ready unless it is. @returns whether rows may be sent; what is in the way is logged once. */
  open(): Promise<boolean>;
  /** Sends rows of `table`, again and again while that may help; through a closed gate the reply is `retryable`. */
  readonly post: (table: string, body: Uint8Array) => Promise<WriteReply>;
  /** The same, once. */
  readonly postOnce: (body: Uint8Array) => Promise<WriteReply>;
  /** Sends nothing more, and gives up what is under way. */
  readonly close: () => void;
}

/** A store that is restarting is back within seconds; one that is not is tried again by the next flush, with the same bytes. */
const SEND_POLICY: SendPolicy = {
  attemptsMax: 4,
  ageMsMax: 10_000,
  random: Math.random,
  nowMs: () => performance.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

export interface StoreGateOptions {
  readonly db: QuestDb;
  /** Makes tables and rollups; tried until it has succeeded once. */
  readonly prepare: () => Promise<void>;
  readonly gzip?: boolean;
  /** With `visible` a reply is `acknowledged` only when queries see the rows. Default: when they are in the server's log. */
  readonly confirm?: 'acknowledged' | 'visible';
  readonly tell: Tell;
}

/** How long rows may take from the server's log into its tables before they count as not taken. */
const VISIBLE_TIMEOUT_MS = 30_000;

export function createStoreGate(options: StoreGateOptions): StoreGate {
  const { db, tell } = options;
  const closing = new AbortController();
  const { signal } = closing;
  const policy = { ...SEND_POLICY, signal, gzip: options.gzip ?? false };
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
  const refusal = (): Promise<WriteReply> =>
    Promise.resolve({ kind: 'retryable', message: obstacle.message, error: obstacle });

  return {
    async open() {
      if (isReady || signal.aborted) return isOpen();
      try {
        await Promise.race([options.prepare(), closed]);
        isReady = true;
      } catch (thrown) {
        if (!(thrown instanceof OperatingError)) throw thrown;
        const isTold = thrown.code === obstacle.code;
        obstacle = thrown;
        if (isTold) return false;
        tell({ level: 'warn', code: thrown.code, sentence: `the store is not ready: ${thrown.message}` });
      }
      return isOpen();
    },
    post: async (table, body) => {
      if (!isOpen()) return await refusal();
      const reply = await sendUntilAcknowledged(db, body, policy);
      if (reply.kind !== 'acknowledged' || options.confirm !== 'visible') return reply;
      return await visibleReply(db, table, signal);
    },
    postOnce: (body) => (isOpen() ? db.write(body, { signal }) : refusal()),
    close: () => {
      closing.abort();
    },
  };
}

/** A suspended table still acknowledges rows: only what queries see is there. */
async function visibleReply(db: QuestDb, table: string, signal: AbortSignal): Promise<WriteReply> {
  try {
    await waitForVisible(db, table, { timeoutMs: VISIBLE_TIMEOUT_MS, signal });
    return { kind: 'acknowledged' };
  } catch (thrown) {
    const error =
      thrown instanceof OperatingError
        ? thrown
        : new OperatingError(messageOf(thrown), {
            code: 'store.not_visible',
            exit: 'temporary',
            cause: thrown,
          });
    return { kind: 'retryable', message: error.message, error };
  }
}
