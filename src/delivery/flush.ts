import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Encoder } from '../core/wire/encode.ts';
import { BATCH_BYTES_MAX } from '../core/fields/limits.ts';
import type { Label } from '../core/jobs/label.ts';
import type { Ring, TickRange } from '../core/ring/ring.ts';
import type { LaneDelivery } from './lane-delivery.ts';

/** The lane's way from the ring to the store: peek → label → encode → deliver → release. */
export interface LaneFlush {
  /**
   * Delivers every tick that the ring holds up to `untilUs`, batch by batch, until nothing is left or a batch cannot even be
   * spooled. One call at a time.
   * @param knownUs until when ownership is known by now, epoch µs: the next batch may be made up to there. A batch that begins
   * after `untilUs` is left to the next call
   * @returns whether the store has taken everything; a batch that is held is kept, and the next call begins with its bytes
   */
  flush(untilUs: number, knownUs: () => number): Promise<boolean>;
}

export interface LaneFlushOptions {
  readonly table: string;
  readonly ring: Ring;
  readonly encoder: Encoder;
  readonly labelOf: (device: number, tsUs: number) => Label;
  readonly delivery: Pick<LaneDelivery, 'send'>;
  /** Ticks that one request may hold; its bytes are bounded as well. */
  readonly batchTicksMax: number;
}

interface Batch {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly rows: number;
  readonly range: TickRange;
  /** Of its earliest row, epoch µs. */
  readonly firstUs: number;
}

export function createLaneFlush(options: LaneFlushOptions): LaneFlush {
  const { table, ring, encoder } = options;
  /** Bytes that nobody has taken yet. Kept until then: the ring may have reused their slots meanwhile. */
  let pending: Batch | undefined;
  /** The batch after it, once that is made. */
  let following: Batch | undefined;

  function nextBatch(knownUs: number): Batch | undefined {
    let firstUs = Infinity;
    let encoded: ReturnType<Encoder['encode']> | undefined;
    const range = ring.peek(options.batchTicksMax, ({ from, to }) => {
      const known = { from, to: endOfKnown(ring, from, to, knownUs) };
      if (known.to === known.from) return 0;
      firstUs = beginOf(ring, from);
      encoded = encoder.encode(ring, known, options.labelOf, BATCH_BYTES_MAX);
      return encoded.ticks;
    });
    return encoded === undefined ? undefined : { body: encoded.body, rows: encoded.rows, range, firstUs };
  }

  /** @returns the batch that is next. */
  function settle(batch: Batch): Batch | undefined {
    ring.release(batch.range.to);
    encoder.recycle(batch.body);
    pending = following;
    following = undefined;
    return pending;
  }

  /** Makes the next batch while one is on its way: a store that waits for us does its work in smaller, dearer pieces. */
  async function prepareFollowing(knownUs: () => number): Promise<void> {
    // A request leaves with the next turn of the event loop, and shall not wait for this.
    await nextTurn();
    following ??= nextBatch(knownUs());
  }

  return {
    async flush(untilUs, knownUs) {
      let isAllSent = true;
      for (;;) {
        pending ??= nextBatch(untilUs);
        if (pending === undefined) return isAllSent;
        const { body, rows, range } = pending;
        const [fate] = await Promise.all([
          // After one batch had to be spooled the store is not asked again for each of the others.
          options.delivery.send({ table, body, rows, toTick: range.to, isStoreAway: !isAllSent }),
          prepareFollowing(knownUs),
        ]);
        if (fate.unsent !== undefined) return false;
        if (fate.spooledRows !== undefined) isAllSent = false;
        const next = settle(pending);
        if (next !== undefined && next.firstUs > untilUs) return isAllSent;
      }
    },
  };
}

/** @returns the time of the tick's earliest row, epoch µs. */
function beginOf(ring: Ring, tick: number): number {
  const base = ring.baseOf(tick);
  let beginUs = Infinity;
  for (let row = base; row < base + ring.shape.deviceCount; row += 1)
    if (ring.tsUs[row]! < beginUs) beginUs = ring.tsUs[row]!;
  return beginUs;
}

/** The end of the ticks whose every row is at or before `knownUs`. Ticks follow each other in time, so look from the end. */
function endOfKnown(ring: Ring, from: number, to: number, knownUs: number): number {
  const isLater = (tick: number): boolean => {
    const base = ring.baseOf(tick);
    for (let row = base; row < base + ring.shape.deviceCount; row += 1)
      if (ring.tsUs[row]! > knownUs) return true;
    return false;
  };
  let end = to;
  while (end > from && isLater(end - 1)) end -= 1;
  return end;
}
