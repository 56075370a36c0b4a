import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Encoder } from './core/encode.ts';
import { BATCH_BYTES_MAX } from './core/limits.ts';
import type { Label } from './core/label.ts';
import type { Ring, TickRange } from './core/ring.ts';
import type { LaneDelivery } from './lane-delivery.ts';

/** The lane's way from the ring to the store: peek → label → encode → deliver → release. */
export interface LaneFlush {
  /**
   * Delivers every tick that the ring holds up to `factsUs` (the time until which ownership is known, which may move on
   * meanwhile), batch by batch, until nothing is left or a batch cannot even be spooled. One call at a time.
   * @returns whether the store has taken everything; a batch that is held is kept, and the next call begins with its bytes
   */
  flush(factsUs: () => number): Promise<boolean>;
}

export interface LaneFlushOptions {
  readonly ring: Ring;
  readonly encoder: Encoder;
  readonly labelOf: (device: number, tsUs: number) => Label;
  /** See `LaneDelivery`. */
  readonly take: LaneDelivery['take'];
  /** Ticks that one request may hold; its bytes are bounded as well. */
  readonly batchTicksMax: number;
}

interface Batch {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly rows: number;
  readonly range: TickRange;
}

export function createLaneFlush(options: LaneFlushOptions): LaneFlush {
  const { ring, encoder } = options;
  /** Bytes that nobody has taken yet. Kept until then: the ring may have reused their slots meanwhile. */
  let pending: Batch | undefined;
  /** The batch after it, once that is made. */
  let following: Batch | undefined;

  function nextBatch(factsUs: number): Batch | undefined {
    let encoded: ReturnType<Encoder['encode']> | undefined;
    const range = ring.peek(options.batchTicksMax, ({ from, to }) => {
      const known = { from, to: endOfKnown(ring, from, to, factsUs) };
      if (known.to === known.from) return 0;
      encoded = encoder.encode(ring, known, options.labelOf, BATCH_BYTES_MAX);
      return encoded.ticks;
    });
    return encoded === undefined ? undefined : { body: encoded.body, rows: encoded.rows, range };
  }

  function settle(batch: Batch): void {
    ring.release(batch.range.to);
    encoder.recycle(batch.body);
    pending = following;
    following = undefined;
  }

  /** Makes the next batch while one is on its way: a store that waits for us does its work in smaller, dearer pieces. */
  async function prepareFollowing(factsUs: () => number): Promise<void> {
    // A request leaves with the next turn of the event loop, and shall not wait for this.
    await nextTurn();
    following ??= nextBatch(factsUs());
  }

  return {
    async flush(factsUs) {
      let isAllSent = true;
      for (;;) {
        pending ??= nextBatch(factsUs());
        if (pending === undefined) return isAllSent;
        const { body, rows, range } = pending;
        // After one batch had to be spooled the store is not asked again for each of the others.
        const [fate] = await Promise.all([
          options.take({ body, rows, toTick: range.to }, !isAllSent),
          prepareFollowing(factsUs),
        ]);
        if (fate === 'held') return false;
        if (fate === 'spooled') isAllSent = false;
        settle(pending);
      }
    },
  };
}

/** The end of the ticks whose every row is at or before `factsUs`. Ticks follow each other in time, so look from the end. */
function endOfKnown(ring: Ring, from: number, to: number, factsUs: number): number {
  const isLater = (tick: number): boolean => {
    const base = ring.baseOf(tick);
    for (let row = base; row < base + ring.shape.deviceCount; row += 1)
      if (ring.tsUs[row]! > factsUs) return true;
    return false;
  };
  let end = to;
  while (end > from && isLater(end - 1)) end -= 1;
  return end;
}
