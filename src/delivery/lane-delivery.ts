import { join } from 'node:path';
import type { BatchOutcome, BatchSender } from './batch-send.ts';
import { createSendMeter, type SendFigures } from './send-meter.ts';
import { journalPath, openPlace, type LaneDisk, type Loss } from './delivery-place.ts';
import { OperatingError } from '../core/base/errors.ts';
import type { Tell } from '../core/base/notice.ts';
import type { Ring } from '../core/ring/ring.ts';
import { batchesOf, type FormerLife, type LabelOfGpu } from './former-life.ts';

/**
 * Where the rows of one lane are between the ring and the store. On disk, below the state directory:
 *
 *   delivery/TABLE/account           totals over all lives; what has left the ring
 *   delivery/TABLE/<life>.journal    the ring's ticks once more, written by the sampling worker
 *   delivery/TABLE/spool/            batches that the store did not take
 *
 * Whatever is done to rows is first made durable, then noted in the account in one write, then the ring lets go. A kill
 * in between makes a batch be sent again, which changes nothing (upsert keys), and is counted once all the same.
 */
export interface LaneDelivery {
  /** Names this life; later lives have larger numbers. 0 without a disk. */
  readonly life: number;
  /** Name and place of the ring journal that this life shall write; undefined when it is off. */
  readonly journal: { readonly id: number; readonly path: string } | undefined;
  /** The ring whose rows this life delivers. Call it once, before the first batch. */
  attach(ring: Ring): void;
  /**
   * Sends a batch or spools it.
   * @param isStoreAway the store has just not taken one: do not try where there is a spool
   * @returns `held` when neither could be done: the batch stays the caller's
   */
  readonly take: (batch: LaneBatch, isStoreAway?: boolean) => Promise<'sent' | 'spooled' | 'held'>;
  /** Brings what former lives have left in their ring journals into the spool, labelled with what is known now. */
  recover(labelOf: LabelOfGpu): Promise<void>;
  /** Sends spooled batches, oldest first, until none is left or the time is over. @returns whether none is left. */
  replay(budgetMs: number): Promise<boolean>;
  readonly totals: () => LaneTotals;
  /** Gives up everything that is spooled, by command. @returns the rows, which are counted as dropped */
  dropSpooled(): number;
  /** Notes the end of this life; what is still in the ring will be found by the next. */
  close(): void;
}

export interface LaneBatch {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly rows: number;
  /** The ring may let go of the ticks before this one. */
  readonly toTick: number;
}

/** sampled = acknowledged + held + spooled + refused + dropped, over all lives of the state directory. */
export interface LaneTotals extends SendFigures {
  readonly sampledRows: number;
  readonly acknowledgedRows: number;
  readonly heldRows: number;
  readonly spooledRows: number;
  readonly refusedRows: number;
  readonly droppedRows: number;
  readonly spoolBytes: number;
  /** Epoch ms at which the oldest spooled batch was written. */
  readonly spoolOldestMs?: number;
  /** Why the store does not take rows; absent while it does. */
  readonly problem?: string;
}

export interface LaneDeliveryOptions {
  readonly table: string;
  readonly sender: BatchSender;
  readonly tell: Tell;
  /** Nothing is kept on disk without it. */
  readonly disk?: LaneDisk;
  /** The life whose ring is being filled already; default: a new one. */
  readonly life?: number;
  /** Rows were lost; epoch µs. */
  readonly onLost: (loss: Loss) => void;
}

/** @throws OperatingError `state.disk` */
export function openLaneDelivery(options: LaneDeliveryOptions): LaneDelivery {
  const { table, sender, tell, disk } = options;
  const counts = { acknowledged: 0, refused: 0, left: 0, dropped: 0 };
  const meter = createSendMeter();
  const place =
    disk === undefined
      ? undefined
      : openPlace(
          table,
          disk,
          tell,
          (loss) => {
            counts.dropped += loss.rows;
            options.onLost(loss);
          },
          options.life,
        );
  const base = place?.account.saved ?? {
    sampledRows: 0,
    acknowledgedRows: 0,
    refusedRows: 0,
    droppedRows: 0,
  };
  let settledSampled = base.sampledRows;
  let ring: Ring | undefined;
  let releasedTick = 0;
  let settledSequence = 0;
  /** Why rows are held or spooled; undefined while the store takes them. */
  let problem: string | undefined;

  function save(): void {
    if (place === undefined) return;
    const sampledRows = ring?.sampledRows ?? 0;
    const ringDropped = ring?.droppedRows ?? 0;
    const current = { journal: place.id, releasedTick, leftRows: counts.left + ringDropped, sampledRows };
    place.account.save({
      // A ring that is closed has no life of its own any more: its rows count among the settled ones.
      sampledRows: settledSampled + (place.isClosed ? sampledRows : 0),
      acknowledgedRows: base.acknowledgedRows + counts.acknowledged,
      refusedRows: base.refusedRows + counts.refused,
      droppedRows: base.droppedRows + counts.dropped + ringDropped,
      spoolSettled: Math.max(settledSequence, place.spool.settledSequence),
      lives: [...place.former.map(({ entry }) => entry), ...(place.isClosed ? [] : [current])],
    });
  }

  const send = (body: Uint8Array<ArrayBuffer>, rows: number): Promise<BatchOutcome> =>
    meter.measure(body.byteLength, () => sender.send(table, body, rows));

  async function spill(body: Uint8Array, rows: number, journal: number, toTick: number): Promise<boolean> {
    if (place === undefined) return false;
    try {
      await place.spool.append({ body, rows, journal, toTick });
      return true;
    } catch (thrown) {
      if (!(thrown instanceof OperatingError)) throw thrown;
      tell({
        level: 'error',
        code: thrown.code,
        sentence: `${table}: ${rows} rows stay in memory: ${thrown.message}`,
      });
      return false;
    }
  }

  function tellHeld(reason: string): void {
    const isTold = problem !== undefined;
    problem = reason;
    if (isTold) return;
    const where = place === undefined ? 'wait in memory' : 'go to the spool';
    tell({
      level: 'warn',
      code: 'delivery.held',
      sentence: `${table}: rows ${where}: ${reason}`,
      data: { table },
    });
  }

  /** A batch of which the store took a part only before it went away. */
  const parts = new Map<number, { body: Uint8Array<ArrayBuffer>; rows: number }>();

  async function take(batch: LaneBatch, isStoreAway = false): Promise<'sent' | 'spooled' | 'held'> {
    const { body, rows } = parts.get(batch.toTick) ?? batch;
    const outcome: BatchOutcome =
      isStoreAway && place !== undefined
        ? { acknowledgedRows: 0, refusedRows: 0, unsent: { body, rows, reason: 'the store is away' } }
        : await send(body, rows);
    counts.acknowledged += outcome.acknowledgedRows;
    counts.refused += outcome.refusedRows;
    counts.left += outcome.acknowledgedRows + outcome.refusedRows;
    let fate: 'sent' | 'spooled' = 'sent';
    if (outcome.unsent !== undefined) {
      const { unsent } = outcome;
      tellHeld(isStoreAway ? (problem ?? unsent.reason) : unsent.reason);
      if (!(await spill(unsent.body, unsent.rows, place?.id ?? 0, batch.toTick))) {
        parts.set(batch.toTick, unsent);
        return 'held';
      }
      counts.left += unsent.rows;
      fate = 'spooled';
    } else if (problem !== undefined && (place?.spool.rows ?? 0) === 0) {
      problem = undefined;
      tell({
        level: 'info',
        code: 'delivery.resumed',
        sentence: `${table}: the store takes rows again`,
        data: { table },
      });
    }
    parts.delete(batch.toTick);
    releasedTick = batch.toTick;
    save();
    return fate;
  }

  async function replay(budgetMs: number): Promise<boolean> {
    if (place === undefined) return true;
    const { spool } = place;
    const endMs = performance.now() + budgetMs;
    for (let waiting = spool.peek(); waiting !== undefined; waiting = spool.peek()) {
      const outcome = await send(new Uint8Array(waiting.body), waiting.rows);
      // Sent again as a whole later: the part that was taken changes nothing then, and is counted once.
      if (outcome.unsent !== undefined) return false;
      counts.acknowledged += outcome.acknowledgedRows;
      counts.refused += outcome.refusedRows;
      // Noted before its file goes: a kill in between must not make it look lost.
      settledSequence = waiting.sequence;
      save();
      spool.settle(waiting.sequence);
      if (spool.rows > 0 && performance.now() > endMs) return false;
    }
    return true;
  }

  async function recover(labelOf: LabelOfGpu): Promise<void> {
    if (place === undefined) return;
    while (place.former.length > 0) {
      const life = place.former[0]!;
      if (!(await spoolLife(life, labelOf))) return;
      place.former.shift();
      const { entry } = life;
      settledSampled += entry.sampledRows;
      const lostRows = entry.sampledRows - entry.leftRows;
      if (lostRows > 0) {
        counts.dropped += lostRows;
        const firstUs = entry.journal * 1000;
        const reason = 'the collector was killed, and its ring journal does not hold them';
        options.onLost({ rows: lostRows, firstUs, lastUs: place.id * 1000, reason });
      }
      save();
      place.disk.remove(life.path);
    }
  }

  /** @returns false when the disk did not take all of it; called again, it goes on where it stopped. */
  async function spoolLife(life: FormerLife, labelOf: LabelOfGpu): Promise<boolean> {
    for (const { body, rows, toTick } of batchesOf(life, labelOf)) {
      if (!(await spill(body, rows, life.entry.journal, toTick))) return false;
      life.entry = { ...life.entry, releasedTick: toTick, leftRows: life.entry.leftRows + rows };
      save();
      const sentence = `${table}: ${rows} rows of a life that was cut short are recovered`;
      tell({ level: 'info', code: 'delivery.recovered', sentence, data: { table, rows } });
    }
    return true;
  }

  return {
    life: place?.id ?? 0,
    journal:
      place === undefined || disk?.hasJournal !== true
        ? undefined
        : { id: place.id, path: journalPath(disk, table, place.id) },
    attach(attached) {
      ring = attached;
      save();
    },
    take,
    recover,
    replay,
    totals() {
      const sampled = ring?.sampledRows ?? 0;
      const ringDropped = ring?.droppedRows ?? 0;
      const formerSampled = sum(place?.former, ({ entry }) => entry.sampledRows);
      const formerHeld = sum(place?.former, ({ entry }) => entry.sampledRows - entry.leftRows);
      const spoolOldestMs = place?.spool.oldestMs;
      return {
        sampledRows: settledSampled + formerSampled + sampled,
        acknowledgedRows: base.acknowledgedRows + counts.acknowledged,
        heldRows: sampled - ringDropped - counts.left + formerHeld,
        spooledRows: place?.spool.rows ?? 0,
        refusedRows: base.refusedRows + counts.refused,
        droppedRows: base.droppedRows + counts.dropped + ringDropped,
        spoolBytes: place?.spool.bytes ?? 0,
        ...(spoolOldestMs === undefined ? {} : { spoolOldestMs }),
        ...meter.figures(),
        ...(problem === undefined ? {} : { problem }),
      };
    },
    dropSpooled() {
      const rows = place?.spool.clear() ?? 0;
      save();
      return rows;
    },
    close() {
      if (place === undefined) return;
      if (ring === undefined) place.isClosed = true;
      else place.isClosed = ring.sampledRows === ring.droppedRows + counts.left;
      save();
      if (place.isClosed) place.disk.remove(join(place.directory, `${place.id}.journal`));
      place.spool.close();
      place.account.close();
    },
  };
}

function sum<T>(items: readonly T[] | undefined, amount: (item: T) => number): number {
  return items?.reduce((total, item) => total + amount(item), 0) ?? 0;
}
