import { OperatingError } from './core/errors.ts';
import type { Log } from './core/log-entry.ts';
import type { QuestDb, WriteReply } from './store/questdb-http.ts';
import { sendUntilAcknowledged, type SendPolicy } from './store/send.ts';

/** The way to the store: closed until its tables are there, since rows would make wrong ones, and at the very end. */
export interface StoreGate {
  /** Makes the store ready unless it is. @returns whether rows may be sent; what is in the way is logged once. */
  open(): Promise<boolean>;
  /** Sends rows, again and again while that may help; through a closed gate the reply is `retryable`. */
  readonly post: (body: Uint8Array) => Promise<WriteReply>;
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

/** @param prepare makes tables and rollups; tried until it has succeeded once */
export function createStoreGate(db: QuestDb, prepare: () => Promise<void>, log: Log): StoreGate {
  const closing = new AbortController();
  const { signal } = closing;
  const policy = { ...SEND_POLICY, signal };
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
        await Promise.race([prepare(), closed]);
        isReady = true;
      } catch (thrown) {
        if (!(thrown instanceof OperatingError)) throw thrown;
        const isTold = thrown.code === obstacle.code;
        obstacle = thrown;
        if (isTold) return false;
        log({ level: 'warn', event: thrown.code, text: `the store is not ready: ${thrown.message}` });
      }
      return isOpen();
    },
    post: (body) => (isOpen() ? sendUntilAcknowledged(db, body, policy) : refusal()),
    postOnce: (body) => (isOpen() ? db.write(body, { signal }) : refusal()),
    close: () => {
      closing.abort();
    },
  };
}
