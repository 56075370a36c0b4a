import { join } from 'node:path';
import { OperatingError, sentenceOf } from '../core/base/errors.ts';
import { createFaultEpisode, type FaultEpisode } from '../core/base/fault-episode.ts';
import type { Ledger } from '../core/base/ledger.ts';
import type { Tell } from '../core/base/notice.ts';
import { soleLabel, UNRESOLVED_JOB_ID } from '../core/jobs/label.ts';
import type { Device } from '../core/devices/device.ts';
import type { Ring } from '../core/ring/ring.ts';
import type { RowBefore } from '../core/ring/row-carry.ts';
import { refusedRowsOf, untaken, type Batch, type Fate, type Sink } from '../core/wire/sink.ts';
import { writeLastRows, type LastRows } from '../disk/last-rows.ts';
import type { JournalGap } from '../disk/ring-journal-read.ts';
import type { Span } from '../disk/ledger-file.ts';
import {
  journalPath,
  LAST_ROWS_FILE,
  openPlace,
  type LaneDisk,
  type Loss,
  type Place,
} from './delivery-place.ts';
import { batchesOf, type FormerLife, type LabelOfGpu } from './former-life.ts';
import { LaneLedger } from './lane-ledger.ts';
import { SendMeter, type SendFigures } from './send-meter.ts';

export interface LaneBatch extends Batch {
  /** The ring may let go of the ticks before this one. */
  readonly toTick: number;
  /** The store has just not taken one: it is not asked where there is a spool. */
  readonly isStoreAway: boolean;
}

/** The ledger of a lane, how sending goes, and what waits on disk. */
export interface LaneTotals extends Ledger, SendFigures {
  readonly spoolBytes: number;
  /** Epoch ms at which the oldest spooled batch was written. */
  readonly spoolOldestMs?: number;
  /** Why the store does not take rows; absent while it does. */
  readonly problem?: string;
}

export interface LaneDeliveryOptions {
  readonly table: string;
  readonly sink: Sink;
  readonly tell: Tell;
  /** Nothing is kept on disk without it. */
  readonly disk?: LaneDisk;
  /** The life whose ring is being filled already; default: a new one. */
  readonly life?: number;
  /** Rows were lost. */
  readonly onLost: (loss: Loss) => void;
}

/** So many lives may wait for their labels; what older ones hold goes into the spool at once. */
const FORMER_LIVES_MAX = 8;

/**
 * Opens what a lane has on disk. Where too many former lives ended before they could write anything, the oldest are brought
 * into the spool; their labels follow.
 * @throws OperatingError `state.disk`
 */
export async function openLaneDelivery(options: LaneDeliveryOptions): Promise<LaneDelivery> {
  const { table, disk, tell, onLost, life } = options;
  const place = disk === undefined ? undefined : openPlace(table, disk, tell, onLost, life);
  const delivery = new LaneDelivery(options, place);
  await delivery.boundLives();
  return delivery;
}

/**
 * Where the rows of one lane are between the ring and the store: a sink that spools what the store does not take, around
 * one that sends. On disk, below the state directory:
 *
 *   delivery/TABLE/account           the ledger over all lives
 *   delivery/TABLE/<life>.journal    the ring's ticks once more, written by the sampling worker
 *   delivery/TABLE/last-rows         where the rows of the life before ended
 *   delivery/TABLE/spool/            batches that the store did not take
 *
 * Whatever is done to rows is first made durable, then written into the ledger, then the ring lets go. A kill in between
 * makes a batch be sent again, which changes nothing (upsert keys), and is counted once all the same.
 */
export class LaneDelivery {
  /** Name and place of the ring journal that this life shall write; undefined when it is off. */
  readonly journal: { readonly id: number; readonly path: string } | undefined;
  readonly #table: string;
  readonly #sink: Sink;
  readonly #tell: Tell;
  readonly #onLost: (loss: Loss) => void;
  readonly #place: Place | undefined;
  readonly #ledger: LaneLedger;
  readonly #meter = new SendMeter();
  #areLastRowsKept = false;
  #ring: Ring | undefined;
  #devices: readonly Pick<Device, 'uuid'>[] = [];
  /** Why rows are held or spooled; undefined while the store takes them. */
  #problem: string | undefined;
  /** What the disk does not take. Apart, since a large batch of a former life may fail where small ones do not. */
  readonly #faults: Readonly<Record<'ring' | 'former' | 'lastRows', FaultEpisode>>;
  /** What is left of the batch that was sent last, when it stays the caller's. */
  #rest: Pick<LaneBatch, 'body' | 'rows' | 'toTick'> | undefined;

  constructor({ table, sink, tell, onLost, disk }: LaneDeliveryOptions, place: Place | undefined) {
    this.#table = table;
    this.#sink = sink;
    this.#tell = tell;
    this.#onLost = onLost;
    this.#faults = {
      ring: createFaultEpisode(tell, 'error'),
      former: createFaultEpisode(tell, 'error'),
      lastRows: createFaultEpisode(tell, 'error'),
    };
    this.#place = place;
    this.#ledger = place?.ledger ?? new LaneLedger(0);
    const id = this.#ledger.life;
    if (disk?.hasJournal === true) this.journal = { id, path: journalPath(disk, table, id) };
  }

  /** Names this life; later lives have larger numbers. 0 without a disk. */
  get life(): number {
    return this.#ledger.life;
  }

  /** Where the rows of former lives ended, by device UUID; empty when nothing on disk tells. */
  get rowsBefore(): ReadonlyMap<string, RowBefore> {
    return this.#place?.last.rows ?? new Map();
  }

  /** Gaps of lives that were cut short, which they may not have told. */
  get gapsBefore(): readonly JournalGap[] {
    return this.#place?.gaps ?? [];
  }

  /**
   * The ring journal of this life has failed: after a kill nobody would know where its rows ended, so that the next life must not
   * go on from those that are in it.
   */
  forgetRows(): void {
    if (this.#place === undefined) return;
    this.#areLastRowsKept = this.#writeLastRows(this.#place, { life: this.life, rows: new Map() });
  }

  /** The ring whose rows this life delivers, and its devices. Call it once, before the first batch. */
  attach(ring: Ring, devices: readonly Pick<Device, 'uuid'>[]): void {
    this.#ring = ring;
    this.#devices = devices;
    this.#ledger.attach(ring);
  }

  /** Sends a batch or spools it. Rows are unsent when neither could be done: the batch stays the caller's. */
  async send(batch: LaneBatch): Promise<Fate> {
    const { body, rows } = this.#rest?.toTick === batch.toTick ? this.#rest : batch;
    const fate = await this.#sendOrPass({ table: this.#table, body, rows }, batch.isStoreAway);
    this.#ledger.leave('acknowledged', fate.acknowledgedRows);
    this.#ledger.leave('refused', refusedRowsOf(fate));
    const { unsent, ...taken } = fate;
    if (unsent === undefined) this.#tellResumed();
    else {
      this.#tellHeld(batch.isStoreAway ? (this.#problem ?? unsent.reason) : unsent.reason);
      if (!(await this.#spill(unsent, this.life, batch.toTick))) {
        this.#rest = { body: unsent.body, rows: unsent.rows, toTick: batch.toTick };
        return fate;
      }
      this.#ledger.leave('spooled', unsent.rows);
    }
    this.#ledger.release(batch.toTick);
    return unsent === undefined ? fate : { ...taken, spooledRows: unsent.rows };
  }

  /** Sends spooled batches, oldest first, until none is left or the time is over. @returns whether none is left. */
  async replay(budgetMs: number): Promise<boolean> {
    if (this.#place === undefined) return true;
    const { spool } = this.#place;
    const endMs = performance.now() + budgetMs;
    for (let waiting = spool.peek(); waiting !== undefined; waiting = spool.peek()) {
      const { rows, sequence } = waiting;
      const batch = { table: this.#table, body: new Uint8Array(waiting.body), rows };
      const fate = await this.#measured(batch);
      // Sent again as a whole later: the part that was taken changes nothing then, and is counted once.
      if (fate.unsent !== undefined) return false;
      this.#ledger.settleSpooled(sequence, fate.acknowledgedRows, refusedRowsOf(fate));
      spool.settle(sequence);
      if (spool.rows > 0 && performance.now() > endMs) return false;
    }
    // A slow lane may have no row of its own for a while that would tell.
    this.#tellResumed();
    return true;
  }

  /**
   * Brings what former lives have left in their ring journals into the spool.
   * @param isCertain whether all that may be known of whose they were is known by now
   */
  async recover(labelOf: LabelOfGpu, isCertain: boolean): Promise<void> {
    while (this.#ledger.former.length > 0) {
      if (!(await this.#spoolLife(this.#ledger.former[0]!, labelOf, isCertain))) return;
      if (!this.#keepLastRows()) return;
      const path = this.#endOldestLife();
      this.#ledger.save();
      this.#place?.disk.remove(path);
    }
  }

  /** Brings the oldest lives into the spool while there are too many, labelled as unresolved. */
  async boundLives(): Promise<void> {
    const paths: string[] = [];
    while (this.#ledger.former.length > FORMER_LIVES_MAX) {
      // A disk that is full has no room for further lives either: what is in the journals stays there.
      if (!(await this.#spoolLife(this.#ledger.former[0]!, () => UNRESOLVED, false))) break;
      if (!this.#keepLastRows()) break;
      paths.push(this.#endOldestLife());
    }
    if (paths.length === 0) return;
    this.#ledger.save();
    for (const path of paths) this.#place?.disk.remove(path);
  }

  /** Samples that left their ring before it was known whose they were. */
  get uncertain(): Span | undefined {
    return this.#ledger.uncertain;
  }

  /** All of them bear the label that is right. */
  trustLabels(): void {
    this.#ledger.trustLabels();
  }

  totals(): LaneTotals {
    const spool = this.#place?.spool;
    return {
      ...this.#ledger.rows,
      spoolBytes: spool?.bytes ?? 0,
      ...(spool?.oldestMs === undefined ? {} : { spoolOldestMs: spool.oldestMs }),
      ...this.#meter.figures(),
      ...(this.#problem === undefined ? {} : { problem: this.#problem }),
    };
  }

  /** Gives up everything that is spooled, by command. @returns the rows, which are counted as dropped */
  dropSpooled(): number {
    const rows = this.#place?.spool.clear() ?? 0;
    this.#ledger.save();
    return rows;
  }

  /** The end of this life; what is still in the ring will be found by the next. */
  close(): void {
    // First: once the ledger calls this life settled, nobody reads its journal any more.
    if (this.#place !== undefined) this.#saveLastRows(this.#place);
    const isOver = this.#ledger.close();
    if (this.#place === undefined) return;
    const { disk, directory, spool } = this.#place;
    if (isOver) disk.remove(join(directory, `${this.life}.journal`));
    spool.close();
  }

  /** Before a journal goes: a kill may come before this life has rows of its own. @returns false when the disk does not take it: told */
  #keepLastRows(): boolean {
    if (this.#place === undefined || this.#areLastRowsKept) return true;
    this.#areLastRowsKept = this.#writeLastRows(this.#place, this.#place.last);
    return this.#areLastRowsKept;
  }

  #saveLastRows(place: Place): void {
    const rows = new Map(place.last.rows);
    for (const [device, { uuid }] of this.#devices.entries()) {
      const row = this.#ring!.carry.before(device);
      // The clock may have been set since: then the reading is known, and no time.
      if (!(Number.isNaN(row.tsUs) && Number.isNaN(row.energyJoules))) rows.set(uuid, row);
    }
    if (this.#writeLastRows(place, { life: this.life, rows })) return;
    // What is there is of an older life: to go on from it would count again what came since.
    place.disk.remove(join(place.directory, LAST_ROWS_FILE));
  }

  /** @returns false when the disk does not take it: told */
  #writeLastRows({ disk, directory }: Place, last: LastRows): boolean {
    try {
      writeLastRows(disk, join(directory, LAST_ROWS_FILE), last);
      this.#faults.lastRows.end();
      return true;
    } catch (thrown) {
      if (!(thrown instanceof OperatingError)) throw thrown;
      this.#faults.lastRows.fail(thrown, `${this.#table}: ${thrown.message}`);
      return false;
    }
  }

  async #sendOrPass(batch: Batch, isStoreAway: boolean): Promise<Fate> {
    if (!isStoreAway || this.#place === undefined) return await this.#measured(batch);
    return untaken(batch, { cause: 'store', reason: AWAY.message, error: AWAY });
  }

  async #measured(batch: Batch): Promise<Fate> {
    const startMs = performance.now();
    const fate = await this.#sink.send(batch);
    this.#meter.add(batch, fate, performance.now() - startMs);
    return fate;
  }

  /** @returns false when there is no disk, or it does not take the rows: told. */
  async #spill(
    { body, rows }: Pick<Batch, 'body' | 'rows'>,
    journal: number,
    toTick: number,
  ): Promise<boolean> {
    if (this.#place === undefined) return false;
    try {
      await this.#place.spool.append({ body, rows, journal, toTick });
      if (journal === this.life) this.#faults.ring.end();
      return true;
    } catch (thrown) {
      if (!(thrown instanceof OperatingError)) throw thrown;
      const [fault, stay] =
        journal === this.life
          ? [this.#faults.ring, 'stay in memory']
          : [this.#faults.former, 'of a life that was cut short stay in its ring journal'];
      fault.fail(thrown, `${this.#table}: ${rows} rows ${stay}: ${sentenceOf(thrown)}`);
      return false;
    }
  }

  /** @returns false when the disk did not take all of it; called again, it goes on where it stopped. */
  async #spoolLife(life: FormerLife, labelOf: LabelOfGpu, isCertain: boolean): Promise<boolean> {
    if (this.#place === undefined) return true;
    for (const { body, rows, toTick, span } of batchesOf(life, this.#place.disk, labelOf)) {
      // Saved before the rows are: after a kill in between, labels are checked that need not be, and none stays wrong.
      if (!isCertain) {
        this.#ledger.doubtLabels(span);
        this.#ledger.save();
      }
      if (!(await this.#spill({ body, rows }, life.entry.journal, toTick))) return false;
      this.#ledger.leaveFormer(life, toTick, rows);
      const sentence = `${this.#table}: ${rows} rows of a life that was cut short are recovered`;
      this.#tell({ level: 'info', code: 'delivery.recovered', sentence, data: { table: this.#table, rows } });
    }
    this.#faults.former.end();
    return true;
  }

  /** @returns the path of its journal, which is of no use any more. */
  #endOldestLife(): string {
    const { path, entry, damage } = this.#ledger.former[0]!;
    const rows = this.#ledger.endFormer();
    if (rows > 0 || damage !== undefined) {
      const reason = `the collector was killed, and its ring journal ${damage ?? 'does not hold them'}`;
      const span = { firstUs: entry.journal * 1000, lastUs: this.life * 1000 };
      this.#onLost({ rows, ...span, reason, ...(damage === undefined ? {} : { isLeast: true }) });
    }
    return path;
  }

  #tellHeld(reason: string): void {
    const isTold = this.#problem !== undefined;
    this.#problem = reason;
    if (isTold) return;
    const where = this.#place === undefined ? 'wait in memory' : 'go to the spool';
    const sentence = `${this.#table}: rows ${where}: ${reason}`;
    this.#tell({ level: 'warn', code: 'delivery.held', sentence, data: { table: this.#table } });
  }

  #tellResumed(): void {
    if (this.#problem === undefined || (this.#place?.spool.rows ?? 0) > 0) return;
    this.#problem = undefined;
    const sentence = `${this.#table}: the store takes rows again`;
    this.#tell({ level: 'info', code: 'delivery.resumed', sentence, data: { table: this.#table } });
  }
}

/** Somebody may have owned the device; nobody knows yet who. */
const UNRESOLVED = soleLabel(UNRESOLVED_JOB_ID);

const AWAY = new OperatingError('the store is away', { code: 'store.not_ready', exit: 'temporary' });
