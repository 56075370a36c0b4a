import type { Encoder } from './core/encode.ts';
import { BATCH_BYTES_MAX } from './core/limits.ts';
import type { Log } from './core/log-entry.ts';
import type { Label } from './core/label.ts';
import type { Ring, TickRange } from './core/ring.ts';
import type { WriteReply } from './store/questdb-http.ts';

/** The lane's way from the ring to the store: peek → label → encode → send → release. */
export interface LaneFlush {
  /**
   * Writes every tick that the ring holds up to `factsUs` (the time until which ownership is known), batch by batch,
   * until nothing is left or the store does not take one. One call at a time.
   * @returns false when the store did not take a batch; it is kept, and the next call begins with the same bytes.
   */
  flush(factsUs: number): Promise<boolean>;
  readonly counts: FlushCounts;
}

export interface FlushCounts {
  readonly acknowledgedRows: number;
  readonly refusedRows: number;
  readonly batches: number;
  /** Epoch ms of the last acknowledgement; 0 before the first. */
  readonly lastAcknowledgedMs: number;
  /** How long the last batch took to be acknowledged. */
  readonly lastSendMs: number;
}

export interface LaneFlushOptions {
  readonly table: string;
  readonly ring: Ring;
  readonly encoder: Encoder;
  readonly labelOf: (device: number, tsUs: number) => Label;
  readonly send: (body: Uint8Array) => Promise<WriteReply>;
  /** Ticks that one request may hold; its bytes are bounded as well. */
  readonly batchTicksMax: number;
  readonly log: Log;
}

interface Batch {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly rows: number;
  readonly range: TickRange;
}

export function createLaneFlush(options: LaneFlushOptions): LaneFlush {
  const { ring, encoder, table, log } = options;
  const counts = { acknowledgedRows: 0, refusedRows: 0, batches: 0, lastAcknowledgedMs: 0, lastSendMs: 0 };
  /** Bytes that the store has not taken yet. Kept until it does: the ring may have reused their slots meanwhile. */
  let pending: Batch | undefined;

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
    pending = undefined;
  }

  /** @returns false when the batch has to be sent again later. */
  async function sendBatch(batch: Batch): Promise<boolean> {
    const startMs = performance.now();
    const reply = await options.send(batch.body);
    counts.lastSendMs = performance.now() - startMs;
    switch (reply.kind) {
      case 'acknowledged':
        counts.batches += 1;
        counts.acknowledgedRows += batch.rows;
        counts.lastAcknowledgedMs = Date.now();
        settle(batch);
        return true;
      case 'refused':
        counts.refusedRows += batch.rows;
        log({
          level: 'error',
          event: 'flush.refused',
          text: `${table}: QuestDB refused ${batch.rows} rows: ${reply.message}`,
          data: { table, rows: batch.rows, status: reply.status },
        });
        settle(batch);
        return true;
      case 'unauthorized':
      case 'retryable':
        log({
          level: 'warn',
          event: 'flush.held',
          text: `${table}: ${batch.rows} rows wait: ${reply.message}`,
          data: { table, rows: batch.rows },
        });
        return false;
    }
  }

  return {
    counts,
    async flush(factsUs) {
      for (;;) {
        pending ??= nextBatch(factsUs);
        if (pending === undefined) return true;
        if (!(await sendBatch(pending))) return false;
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
