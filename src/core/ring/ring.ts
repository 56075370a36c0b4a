import { assert } from '../base/assert.ts';
import { isGap } from '../sampling/dt-rule.ts';
import { NewestRows } from './newest-rows.ts';
import { RecentValues } from './recent-values.ts';
import { RingTally, TALLY_NUMBERS, type DropEpisode } from './ring-tally.ts';
import { CARRY_NUMBERS, RowCarry } from './row-carry.ts';
import { SharedLock } from './shared-lock.ts';

/**
 * Fixed-capacity columnar memory of ticks, one per lane, shared between the sampling worker (the one producer) and the
 * main thread (the one consumer).
 *
 *        tail          inFlightEnd            head
 *         │ in flight      │ held               │ free
 *   ──────┼────────────────┼────────────────────┼──────  ticks count up for ever; slot = (tick − origin) mod capacity
 *
 * A tick leaves (`release`) when the store has acknowledged it. A full ring gives up its oldest tick: one that is in
 * flight already exists as bytes that the flush keeps until they are acknowledged, so only its slot is reused; one that
 * is merely held is lost, counted, and becomes part of a drop episode.
 */
export interface RingShape {
  readonly capacityTicks: number;
  readonly deviceCount: number;
  /** Value columns, in the order of the lane's fields. */
  readonly columnCount: number;
  readonly intervalUs: number;
  /** Position of the cumulative energy column among the values, or -1. */
  readonly energyColumn: number;
  /** Position of a column whose values somebody may want to count, or -1; absent: -1. */
  readonly countedColumn?: number;
}

/** What a source writes a tick through. */
export interface TickWriter {
  /** Declares that `device` answered, with the time at which its sample was really taken (epoch µs). */
  setRow(device: number, tsUs: number): void;
  /** Sets one value of the row that was set last, in base units; NaN is a blank. */
  set(device: number, column: number, value: number): void;
  /**
   * Hands over the tick as it stands and opens another, for a source that brings several at once.
   * @returns false when there is no room for another: stop setting and return.
   */
  next(): boolean;
}

/** Ticks [from, to): running numbers, not slots. */
export interface TickRange {
  readonly from: number;
  readonly to: number;
}

const HEAD = 0;
const TAIL = 1;
const IN_FLIGHT_END = 2;
const LOCK = 3;
/** The tick that lies, or lay, in slot 0. */
const ORIGIN = 4;
const NEWEST_VERSION = 5;
const CONTROL_WORDS = 6;
/** Values of the counted column that are kept: they come all at once where an engine is asked rarely, or was away. */
const COUNTED_TICKS_MIN = 64;
const COUNTED_TICKS_MAX = 6_000;

export class Ring implements TickWriter {
  readonly shape: RingShape;
  readonly memory: SharedArrayBuffer;
  /** Per row (slot × deviceCount + device): sample time in epoch µs; NaN where the device did not answer. */
  readonly tsUs: Float64Array;
  /** Per row: the time the sample speaks for; 0 after a gap or a clock step. */
  readonly dtUs: Float64Array;
  /** Per row: rise of the energy counter since its last known reading; NaN when it is blank, fell, or has none before. */
  readonly energyRise: Float64Array;
  /** Per row: the time that the rise speaks for; 0 when there is none (`riseDtOf`). */
  readonly energyRiseDtUs: Float64Array;
  /** One array per lane field, each per row; NaN is a blank. */
  readonly columns: readonly Float64Array[];
  readonly #control: Int32Array;
  readonly #lock: SharedLock;
  /** What was sampled, dropped or late, counted in memory that both threads see. */
  readonly tally: RingTally;
  /** Per slot: rows that answered. */
  readonly #rowCounts: Int32Array;
  /** What the next row of each device goes on from. The producer's. */
  readonly carry: RowCarry;
  /** What each device said last, whatever has become of the row since. */
  readonly newest: NewestRows;
  /** Of the counted column; undefined where there is none. */
  readonly recent: RecentValues | undefined;
  /** How often the clock was set since this ring began. The producer's. */
  timeBreaks = 0;
  #reservedBase = -1;
  /**
   * Called on the producer's side with each tick that is about to become visible: its number, its first row, and the
   * rows sampled so far, its own included. What it keeps outlives the ring (`ring-journal.ts`).
   */
  beforeCommit: ((tick: number, base: number, sampledRows: number) => void) | undefined;
  /** Called on the producer's side for a row that dt does not lead up to: epoch µs of the row before, and of that row. */
  onGap: ((device: number, fromUs: number, toUs: number) => void) | undefined;

  /** @param memory the producer's view on a ring that the consumer made; without it a new ring is allocated. */
  constructor(shape: RingShape, memory?: SharedArrayBuffer) {
    assert(
      shape.capacityTicks >= 2 && shape.deviceCount >= 1,
      'a ring holds at least two ticks of one device',
    );
    this.shape = shape;
    const rows = shape.capacityTicks * shape.deviceCount;
    const { countedColumn = -1, capacityTicks, deviceCount } = shape;
    const depth =
      countedColumn < 0 ? 0 : Math.min(COUNTED_TICKS_MAX, Math.max(COUNTED_TICKS_MIN, capacityTicks));
    const words = Math.ceil((CONTROL_WORDS + capacityTicks + deviceCount) / 2);
    const newestWidth = 1 + shape.columnCount;
    const perDevice = (CARRY_NUMBERS + newestWidth + 2 * depth) * deviceCount;
    const doubles = words + TALLY_NUMBERS + perDevice + (4 + shape.columnCount) * rows;
    this.memory = memory ?? new SharedArrayBuffer(doubles * 8);
    assert(this.memory.byteLength === doubles * 8, 'ring memory does not fit its shape');
    this.#control = new Int32Array(this.memory, 0, CONTROL_WORDS);
    this.#lock = new SharedLock(this.#control, LOCK);
    this.#rowCounts = new Int32Array(this.memory, CONTROL_WORDS * 4, capacityTicks);
    const counts = new Int32Array(this.memory, (CONTROL_WORDS + capacityTicks) * 4, deviceCount);
    let offset = words * 8;
    const allocate = (length: number): Float64Array => {
      const view = new Float64Array(this.memory, offset, length);
      offset += length * 8;
      return view;
    };
    this.tally = new RingTally(allocate(TALLY_NUMBERS));
    this.carry = new RowCarry(allocate(CARRY_NUMBERS * shape.deviceCount), shape.intervalUs);
    const newestVersion = new Int32Array(this.memory, NEWEST_VERSION * 4, 1);
    this.newest = new NewestRows(newestVersion, allocate(newestWidth * shape.deviceCount), newestWidth);
    const pairs = allocate(2 * depth * deviceCount);
    this.recent = depth === 0 ? undefined : new RecentValues(counts, pairs, depth);
    this.tsUs = allocate(rows);
    this.dtUs = allocate(rows);
    this.energyRise = allocate(rows);
    this.energyRiseDtUs = allocate(rows);
    this.columns = Array.from({ length: shape.columnCount }, () => allocate(rows));
    if (memory === undefined) {
      this.carry.clear();
      this.newest.clear();
    }
  }

  // ── producer ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Makes room for one tick; the caller then sets rows and values on the ring itself and commits.
   * @returns false when the consumer kept a full ring locked for too long: this tick cannot be stored (count it with
   * `refuseTick`).
   */
  reserve(): boolean {
    while (this.#count(HEAD) - this.#count(TAIL) >= this.shape.capacityTicks) {
      if (!this.#giveUpOldest()) return false;
    }
    const head = this.#count(HEAD);
    // An empty ring begins again at slot 0: as long as the store keeps up, a few slots serve, they stay in the
    // processor's cache, and the memory that only a backlog needs is never touched.
    if (head === this.#count(TAIL)) Atomics.store(this.#control, ORIGIN, head);
    const base = this.baseOf(head);
    const end = base + this.shape.deviceCount;
    this.tsUs.fill(NaN, base, end);
    // A loop: a call of `fill` for the few rows of a tick costs more than the rows do.
    for (const column of this.columns) {
      for (let row = base; row < end; row += 1) column[row] = NaN;
    }
    this.#reservedBase = base;
    return true;
  }

  setRow(device: number, tsUs: number): void {
    this.tsUs[this.#reservedBase + device] = tsUs;
  }

  set(device: number, column: number, value: number): void {
    this.columns[column]![this.#reservedBase + device] = value;
  }

  /** Fixes dt and energy rise of the reserved tick and hands it to the consumer. A tick without any row is not kept. */
  commit(): void {
    const { deviceCount, energyColumn, intervalUs } = this.shape;
    const base = this.#reservedBase;
    assert(base >= 0, 'commit without reserve');
    let rows = 0;
    for (let device = 0; device < deviceCount; device += 1) {
      if (!Number.isNaN(this.tsUs[base + device]!)) {
        const energy = energyColumn < 0 ? NaN : this.columns[energyColumn]![base + device]!;
        const lastUs = this.carry.tsUs[device]!;
        this.carry.fix(device, this, base + device, energy);
        const tsUs = this.tsUs[base + device]!;
        if (isGap(tsUs - lastUs, intervalUs)) this.onGap?.(device, lastUs, tsUs);
        rows += 1;
      }
    }
    this.#reservedBase = -1;
    if (rows === 0) return;
    this.#renew(base);
    const head = this.#count(HEAD);
    this.#rowCounts[this.#slotOf(head)] = rows;
    this.tally.sample(rows);
    this.beforeCommit?.(head, base, this.tally.sampledRows);
    Atomics.store(this.#control, HEAD, head + 1);
  }

  /** Counts a tick of `rows` rows that `reserve` could not store: it was sampled, and it is dropped. */
  refuseTick(rows: number, tsUs: number): void {
    this.tally.sample(rows);
    this.tally.drop(rows, tsUs);
  }

  next(): boolean {
    this.commit();
    return this.reserve();
  }

  /** The clock was set: no interval leads from the ticks before to those after, so the next dt of every device is 0. */
  breakTime(): void {
    this.timeBreaks += 1;
    this.carry.breakTime();
  }

  /** Whether a tick is open, to be committed. */
  get isReserved(): boolean {
    return this.#reservedBase >= 0;
  }

  hasSpace(): boolean {
    return this.#count(HEAD) - this.#count(TAIL) < this.shape.capacityTicks;
  }

  /** For a virtual clock, which can wait: blocks until the consumer has released a tick or the time is over. */
  waitForSpace(timeoutMs: number): boolean {
    // The tail is read first: a release after that makes the wait return at once instead of being missed.
    const tail = this.#count(TAIL);
    if (this.#count(HEAD) - tail < this.shape.capacityTicks) return true;
    Atomics.wait(this.#control, TAIL, tail, timeoutMs);
    return this.hasSpace();
  }

  // ── consumer ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Ticks committed and not yet released. */
  get heldTicks(): number {
    return this.#count(HEAD) - this.#count(TAIL);
  }

  get sampledRows(): number {
    return this.tally.sampledRows;
  }

  get droppedRows(): number {
    return this.tally.droppedRows;
  }

  /** First row of a tick in the column arrays. */
  baseOf(tick: number): number {
    return this.#slotOf(tick) * this.shape.deviceCount;
  }

  rowCountOf(tick: number): number {
    return this.#rowCounts[this.#slotOf(tick)]!;
  }

  /**
   * Shows the oldest ticks that are not in flight, at most `maxTicks`, to `encode`, which must copy out what it needs
   * before it returns; it returns how many of them it took. Those are in flight until `release` or `putBack`.
   */
  peek(maxTicks: number, encode: (range: TickRange) => number): TickRange {
    this.#lock.acquire();
    try {
      const from = Math.max(this.#count(TAIL), this.#count(IN_FLIGHT_END));
      const to = Math.min(this.#count(HEAD), from + maxTicks);
      const taken = to > from ? encode({ from, to }) : 0;
      assert(taken >= 0 && from + taken <= to, 'encode took ticks that it was not shown');
      Atomics.store(this.#control, IN_FLIGHT_END, from + taken);
      return { from, to: from + taken };
    } finally {
      this.#lock.release();
    }
  }

  /** The store has everything before `toTick`: those slots are free. */
  release(toTick: number): void {
    // Only the consumer moves this bound, so it needs no lock; and an assertion must not leave the ring locked.
    assert(toTick <= this.#count(IN_FLIGHT_END), 'release of ticks that were never in flight');
    this.#lock.acquire();
    if (toTick > this.#count(TAIL)) {
      Atomics.store(this.#control, TAIL, toTick);
      Atomics.notify(this.#control, TAIL);
    }
    this.#lock.release();
  }

  /** Takes what was dropped since the last call; undefined when nothing was. */
  takeDropEpisode(): DropEpisode | undefined {
    this.#lock.acquire();
    try {
      return this.tally.takeEpisode();
    } finally {
      this.#lock.release();
    }
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #renew(base: number): void {
    this.newest.begin();
    for (let device = 0; device < this.shape.deviceCount; device += 1) {
      const tsUs = this.tsUs[base + device]!;
      if (!Number.isNaN(tsUs)) this.newest.set(device, tsUs, this.columns, base + device);
    }
    this.newest.finish();
    this.#keepCounted(base);
  }

  #keepCounted(base: number): void {
    const { recent, shape } = this;
    if (recent === undefined) return;
    const values = this.columns[shape.countedColumn!]!;
    for (let device = 0; device < shape.deviceCount; device += 1) {
      const [tsUs, value] = [this.tsUs[base + device]!, values[base + device]!];
      if (!Number.isNaN(tsUs) && !Number.isNaN(value)) recent.add(device, tsUs, value);
    }
  }

  /** @returns false when the consumer did not let go of the lock in time. */
  #giveUpOldest(): boolean {
    if (!this.#lock.acquirePatiently()) return false;
    const tail = this.#count(TAIL);
    if (this.#count(HEAD) - tail >= this.shape.capacityTicks) {
      if (tail >= this.#count(IN_FLIGHT_END)) this.tally.drop(this.rowCountOf(tail), this.#timeOf(tail));
      Atomics.store(this.#control, TAIL, tail + 1);
    }
    this.#lock.release();
    return true;
  }

  #timeOf(tick: number): number {
    const base = this.baseOf(tick);
    for (let row = base; row < base + this.shape.deviceCount; row += 1) {
      if (!Number.isNaN(this.tsUs[row]!)) return this.tsUs[row]!;
    }
    return NaN;
  }

  #slotOf(tick: number): number {
    return (tick - this.#count(ORIGIN)) % this.shape.capacityTicks;
  }

  #count(word: number): number {
    return Atomics.load(this.#control, word);
  }
}
