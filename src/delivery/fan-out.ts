import type { Sink } from '../core/wire/sink.ts';

/**
 * Sends each batch to several sinks. What becomes of it is for the first one to say: the ledger is the first one's. Each
 * further sink keeps a ledger of its own, and keeps what it cannot pass on. The batch waits for all of them, since its
 * bytes are lent.
 */
export function fanOut(first: Sink, further: readonly Sink[]): Sink {
  return {
    async send(batch) {
      const [fate] = await Promise.all([first.send(batch), ...further.map((sink) => sink.send(batch))]);
      return fate;
    },
  };
}
