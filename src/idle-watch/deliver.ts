import type { Backoff } from '../core/base/backoff.ts';
import { backoffMs } from '../core/base/backoff.ts';
import { createFaultEpisode } from '../core/base/fault-episode.ts';
import type { Tell } from '../core/base/notice.ts';
import type { Channel } from './channel.ts';
import type { Message } from './message.ts';

/** A look comes each minute: the next one, then fewer and fewer. */
const BACKOFF: Backoff = { firstMs: 60_000, delayMsMax: 1_800_000 };
/** Of one look; the others wait for the next ones. */
export const MESSAGES_PER_LOOK_MAX = 50;

/** Brings messages to one receiver, over many looks. */
export interface Delivery {
  /**
   * One after the other, until one fails: then none until some time has gone by.
   * @param onTaken it need not be brought again
   */
  deliver(
    messages: readonly { readonly message: Message; readonly onTaken: () => void }[],
    signal: AbortSignal,
  ): Promise<void>;
}

/** @param nowMs of a clock that nobody sets */
export function createDelivery(channel: Channel, tell: Tell, nowMs: () => number): Delivery {
  const faults = createFaultEpisode(tell, 'warn');
  let failures = 0;
  let nextMs = -Infinity;
  return {
    async deliver(messages, signal) {
      if (nowMs() < nextMs) return;
      for (const { message, onTaken } of messages.slice(0, MESSAGES_PER_LOOK_MAX)) {
        const taken = await channel.send(message, signal);
        // A stop is no fault of the receiver; the message waits for the next life.
        if (signal.aborted && taken.kind === 'failed') return;
        if (taken.kind === 'failed') {
          failures += 1;
          nextMs = nowMs() + backoffMs(failures, Math.random(), BACKOFF);
          const { error } = taken;
          faults.fail(error, `${error.message}: messages about idle jobs wait and are tried again`);
          return;
        }
        failures = 0;
        if (taken.kind === 'told') faults.end();
        else {
          const { error } = taken;
          faults.fail(error, `${error.message}: it is left out, and the next one comes`);
        }
        onTaken();
      }
    },
  };
}
