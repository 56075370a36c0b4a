import { backoffMs } from '../core/base/backoff.ts';
import type { QuestDb, WriteReply } from './http.ts';

export interface SendPolicy {
  /** Tries in all, ≥ 1. */
  readonly attemptsMax: number;
  /** No new try begins when the first one began longer ago than this, ms. */
  readonly ageMsMax: number;
  readonly gzip?: boolean;
  /** In [0, 1): jitter. */
  readonly random: () => number;
  /** Milliseconds of any clock that only moves forward. */
  readonly nowMs: () => number;
  /** Resolves after `ms`, or at once when `signal` fires. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** Stops waiting and trying; the last reply is returned. */
  readonly signal?: AbortSignal;
}

/**
 * Sends the same bytes until they are acknowledged, refused, or the policy's count or age is over. Only retryable
 * answers are retried. The rows carry their dedup key, so bytes whose acknowledgement was lost may be sent again.
 * @returns the last reply; the caller still owns the bytes unless it is `acknowledged`
 */
export async function sendUntilAcknowledged(
  db: QuestDb,
  body: Uint8Array,
  policy: SendPolicy,
): Promise<WriteReply> {
  const { signal } = policy;
  const options = {
    ...(policy.gzip === undefined ? {} : { gzip: policy.gzip }),
    ...(signal === undefined ? {} : { signal }),
  };
  const startMs = policy.nowMs();
  for (let attempt = 1; ; attempt += 1) {
    const reply = await db.write(body, options);
    if (reply.kind !== 'retryable' || attempt >= policy.attemptsMax || signal?.aborted === true) return reply;
    const delayMs = backoffMs(attempt, policy.random());
    if (policy.nowMs() - startMs + delayMs > policy.ageMsMax) return reply;
    await policy.sleep(delayMs, signal);
    if (isAborted(signal)) return reply;
  }
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}
