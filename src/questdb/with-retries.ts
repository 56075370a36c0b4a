import { backoffMs } from '../core/base/backoff.ts';
import type { Fate, Sink } from '../core/wire/sink.ts';

export interface RetryPolicy {
  /** Tries in all, ≥ 1. */
  readonly attemptsMax: number;
  /** No new try begins when the first one began longer ago than this, ms. */
  readonly ageMsMax: number;
  /** In [0, 1): jitter. */
  readonly random: () => number;
  /** Milliseconds of any clock that only moves forward. */
  readonly nowMs: () => number;
  /** Resolves after `ms`, or at once when `signal` fires. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** Stops waiting and trying; the last fate is returned. */
  readonly signal?: AbortSignal;
}

/**
 * Sends the same bytes until they are taken, or the policy's count or age is over. Only a store that is away is asked
 * again. The rows carry their upsert key, so bytes whose acknowledgement was lost may be sent again.
 */
export function withRetries(sink: Sink, policy: RetryPolicy): Sink {
  const { signal } = policy;
  const isAborted = (): boolean => signal?.aborted === true;
  return {
    async send(batch): Promise<Fate> {
      const startMs = policy.nowMs();
      for (let attempt = 1; ; attempt += 1) {
        const fate = await sink.send(batch);
        if (fate.unsent?.cause !== 'store' || attempt >= policy.attemptsMax || isAborted()) return fate;
        const delayMs = backoffMs(attempt, policy.random());
        if (policy.nowMs() - startMs + delayMs > policy.ageMsMax) return fate;
        await policy.sleep(delayMs, signal);
        if (isAborted()) return fate;
      }
    },
  };
}
