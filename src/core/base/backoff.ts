import { assert } from './assert.ts';

export interface Backoff {
  /** Upper bound of the first delay. */
  readonly firstMs: number;
  /** Upper bound of any delay. */
  readonly delayMsMax: number;
}

/** A restarting QuestDB is back in 2 to 4 s: a few quick tries, then one about every 5 s. */
export const STORE_BACKOFF: Backoff = { firstMs: 100, delayMsMax: 5_000 };

/**
 * How long to wait after the failed try number `attempt` (counted from 1): doubling, and jittered between a half and
 * the whole of it, so that a thousand collectors do not come back at the same instant and none comes back at once.
 * @param random01 in [0, 1)
 */
export function backoffMs(attempt: number, random01: number, backoff: Backoff = STORE_BACKOFF): number {
  assert(
    attempt >= 1 && random01 >= 0 && random01 < 1,
    'backoff: attempt counts from 1, random is in [0, 1)',
  );
  // The exponent is bounded before it is used: 2 ** 1100 would be infinite, and a store can be away for days.
  const ceilingMs = Math.min(backoff.delayMsMax, backoff.firstMs * 2 ** Math.min(attempt - 1, 30));
  return ceilingMs * (0.5 + random01 / 2);
}
