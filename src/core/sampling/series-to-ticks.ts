import { assert } from '../base/assert.ts';
import { gapLimitUs, isGap } from './dt-rule.ts';
import type { TickWriter } from '../ring/ring.ts';
import { sampleState, type SampleState } from './sample-state.ts';

/**
 * From series to ticks (DESIGN §4). An engine keeps one series per device and field, each with its own stamps, and these
 * drift apart. A row takes the stamp of the anchor series of its device; every other series gives its sample nearest to
 * that stamp, if it lies within half an interval.
 *
 *   anchor   ──●─────────●─────────●─────────────────●──        rows: one per ●, and one gap
 *   power    ───○─────────○──────────○────────────────○─        nearest within ± interval/2
 *   energy   ○────────○────────○────────○────────○──────        the fourth fits no row: counted as unmatched
 *
 * When the anchor's step is a hole in which another series has a sample, that one becomes the anchor: somebody slowed the
 * watch of one series, and the device did answer. A row in which everything is blank is no row.
 *
 * Samples may come in any portions and as often as they like: what a series has delivered already is dropped by its
 * watermark. A row is handed out once its window has been closed for 2 s, because an upsert with fewer columns would
 * null the others. No clock inside: times come as arguments, so the same samples always make the same rows.
 */
export interface JoinShape {
  readonly deviceCount: number;
  readonly fieldCount: number;
  readonly intervalUs: number;
  /** An anchor stamp this close to the last row makes no row of its own: a slower lane takes every n-th sample. */
  readonly minSpacingUs: number;
  /** Field positions in the order in which they are preferred as anchor: steady stamps first. */
  readonly anchorOrder: readonly number[];
}

export interface JoinCounts {
  accepted: number;
  /** Delivered before: polling at 0.85 of the interval repeats itself, and pulls overlap by 2 s. */
  duplicates: number;
  /** Stamps more than 5 s ahead of the engine's clock: refused. */
  fromFuture: number;
  /** Samples that lay within half an interval of no row. */
  unmatched: number;
}

export type PushResult = 'accepted' | 'duplicate' | 'from_future';

export interface JoinListener {
  /** Epoch µs of the row before and of the row after; the latter undefined while the device is silent. */
  onGap(device: number, fromUs: number, toUs: number | undefined): void;
  /** A sample became the cell of a row; or would have, of a row without any value before the first row of a device. */
  onCell?(device: number, field: number, state: SampleState, rowUs: number): void;
  /** Whether a row without any value is one all the same, since that was asked for. */
  isBlankRowKept?(rowUs: number): boolean;
}

/** How long a row's window must have been over before the row is final. */
const CLOSED_FOR_US = 2_000_000;
/** A stamp further ahead than this is refused; a watermark further ahead means that the clock was set back. */
export const AHEAD_US_MAX = 5_000_000;
const FIRST_CAPACITY = 32;
/** Of an interval: an anchor's step beyond which the other series are asked whether the device answered meanwhile. */
const HOLE_INTERVALS = 1.5;

/**
 * Samples of one series that no row has taken yet, oldest first, at [head, end): plain memory that is used again, since
 * hundreds of growing arrays would keep the garbage collector busy for nothing.
 */
class Series {
  tsUs = new Float64Array(FIRST_CAPACITY);
  values = new Float64Array(FIRST_CAPACITY);
  states = new Uint8Array(FIRST_CAPACITY);
  head = 0;
  end = 0;
  watermarkUs = -Infinity;

  get isEmpty(): boolean {
    return this.head >= this.end;
  }

  push(tsUs: number, value: number, state: SampleState): void {
    if (this.end === this.tsUs.length) this.#makeRoom();
    this.tsUs[this.end] = tsUs;
    this.values[this.end] = value;
    this.states[this.end] = state;
    this.end += 1;
  }

  drop(count: number): void {
    this.head += count;
    if (!this.isEmpty) return;
    this.head = 0;
    this.end = 0;
  }

  /** Moves the held samples to the front; the room is doubled when they fill more than half of it, as after a long pull. */
  #makeRoom(): void {
    const held = this.end - this.head;
    const capacity = held > this.tsUs.length / 2 ? 2 * this.tsUs.length : this.tsUs.length;
    const [tsUs, values, states] =
      capacity === this.tsUs.length
        ? [this.tsUs, this.values, this.states]
        : [new Float64Array(capacity), new Float64Array(capacity), new Uint8Array(capacity)];
    tsUs.set(this.tsUs.subarray(this.head, this.end));
    values.set(this.values.subarray(this.head, this.end));
    states.set(this.states.subarray(this.head, this.end));
    this.tsUs = tsUs;
    this.values = values;
    this.states = states;
    this.head = 0;
    this.end = held;
  }
}

export class SeriesJoin {
  readonly shape: JoinShape;
  readonly counts: JoinCounts = { accepted: 0, duplicates: 0, fromFuture: 0, unmatched: 0 };
  readonly #series: readonly Series[];
  /** Per device: field position of the anchor, or -1 before the first row. */
  readonly #anchors: Int32Array;
  readonly #lastRowUs: Float64Array;
  /** Per device: 1 while a gap is told that has no end yet. */
  readonly #isGapOpen: Uint8Array;
  readonly #listener: JoinListener;
  /** The row that is being written. */
  readonly #cells: Float64Array;
  readonly #cellStates: Uint8Array;

  constructor(shape: JoinShape, listener: JoinListener) {
    assert(shape.anchorOrder.length === shape.fieldCount, 'every field has a place in the order of anchors');
    this.shape = shape;
    this.#listener = listener;
    this.#cells = new Float64Array(shape.fieldCount);
    this.#cellStates = new Uint8Array(shape.fieldCount);
    this.#series = Array.from({ length: shape.deviceCount * shape.fieldCount }, () => new Series());
    this.#anchors = new Int32Array(shape.deviceCount).fill(-1);
    this.#lastRowUs = new Float64Array(shape.deviceCount).fill(NaN);
    this.#isGapOpen = new Uint8Array(shape.deviceCount);
  }

  /** Newest stamp that a series has delivered; -Infinity before the first. */
  watermarkUs(device: number, field: number): number {
    return this.#at(device, field).watermarkUs;
  }

  /**
   * Makes no rows of this device up to `tsUs`, the stamp of its newest stored row, and gives away the samples that became
   * that row. Call it when the samples around that time have been pushed. The step from there may be a gap.
   */
  resumeAfter(device: number, tsUs: number): void {
    const anchor = this.#anchorOf(device, Infinity);
    const nextRowUs = anchor < 0 ? Infinity : this.#rowAfter(this.#at(device, anchor), tsUs);
    const { unmatched } = this.counts;
    for (let field = 0; field < this.shape.fieldCount; field += 1) {
      this.#take(field, this.#at(device, field), tsUs, nextRowUs);
    }
    // What came before that row was matched, or counted, by the collector that stored it.
    this.counts.unmatched = unmatched;
    this.#lastRowUs[device] = tsUs;
  }

  /** Makes no rows of this device before `tsUs`, and no gap of the time up to its first row. */
  skipTo(device: number, tsUs: number): void {
    for (let field = 0; field < this.shape.fieldCount; field += 1) {
      const series = this.#at(device, field);
      let older = 0;
      while (series.head + older < series.end && series.tsUs[series.head + older]! < tsUs) older += 1;
      series.drop(older);
    }
  }

  /** Takes one sample; NaN is a blank, which has its time like any value. `nowUs` is the engine's clock. */
  push(
    device: number,
    field: number,
    tsUs: number,
    value: number,
    nowUs: number,
    state: SampleState = Number.isNaN(value) ? sampleState.blank : sampleState.value,
  ): PushResult {
    const series = this.#at(device, field);
    if (tsUs > nowUs + AHEAD_US_MAX) {
      this.counts.fromFuture += 1;
      return 'from_future';
    }
    if (tsUs <= series.watermarkUs) {
      if (series.watermarkUs <= nowUs + AHEAD_US_MAX) {
        this.counts.duplicates += 1;
        return 'duplicate';
      }
      // The clock was set back: what is held lies in a future that will come again. The stamps follow the clock as it is.
      series.drop(series.end - series.head);
      this.#lastRowUs[device] = NaN;
    }
    series.watermarkUs = tsUs;
    series.push(tsUs, value, state);
    this.counts.accepted += 1;
    return 'accepted';
  }

  /**
   * Hands over all rows whose window has been closed for 2 s at `nowUs` (Infinity: all), grouped into ticks by time. The
   * first goes into the tick that the sink has open already.
   * @param answeringSinceUs since when whoever samples has answered without a break: a device without a row for
   * longer than a gap of that time is told of as silent
   * @returns the number of rows. Rows for which the sink had no room wait for the next call.
   */
  emit(nowUs: number, sink: TickWriter, answeringSinceUs = Infinity): number {
    const horizonUs = nowUs - CLOSED_FOR_US - this.shape.intervalUs / 2;
    const rows = this.#emitRows(() => horizonUs, sink);
    for (let device = 0; device < this.shape.deviceCount; device += 1) {
      const lastUs = this.#lastRowUs[device]!;
      const silentUs = horizonUs - Math.max(lastUs, answeringSinceUs);
      // A device that never had a row has no beginning of its silence, and one whose next row only lacks room is not silent.
      if (!isGap(silentUs, this.shape.intervalUs) || this.#isGapOpen[device] === 1) continue;
      if (this.#nextRowUs(device, horizonUs) !== Infinity || this.#hasValue(device, horizonUs)) continue;
      this.#isGapOpen[device] = 1;
      this.#listener.onGap(device, lastUs, undefined);
    }
    return rows;
  }

  /**
   * Hands over the rows that are whole already, for one who stops: a row whose window may still be filled stays with the engine,
   * for the next life or a drain. As a half-empty row it would be stored beside the whole one that they make of it.
   * @returns the number of rows
   */
  emitWhole(sink: TickWriter): number {
    const horizonsUs = Float64Array.from({ length: this.shape.deviceCount }, (_, device) =>
      this.#wholeUntilUs(device),
    );
    return this.#emitRows((device) => horizonsUs[device]!, sink);
  }

  /** Up to which stamp every series that delivers has come into the window of a row. */
  #wholeUntilUs(device: number): number {
    const { fieldCount, intervalUs } = this.shape;
    const watermarksUs = Array.from({ length: fieldCount }, (_, field) => this.watermarkUs(device, field));
    const newestUs = Math.max(...watermarksUs);
    const delivering = watermarksUs.filter((us) => !isGap(newestUs - us, intervalUs));
    return Math.min(...delivering) + intervalUs / 2;
  }

  /** Whether a series has a value to make a row of, once patience with the anchor is over. */
  #hasValue(device: number, horizonUs: number): boolean {
    const notBeforeUs = this.#lastRowUs[device]! + this.shape.minSpacingUs;
    for (let field = 0; field < this.shape.fieldCount; field += 1) {
      const { tsUs, values, head, end } = this.#at(device, field);
      for (let k = head; k < end && tsUs[k]! <= horizonUs; k += 1) {
        if (tsUs[k]! >= notBeforeUs && !Number.isNaN(values[k]!)) return true;
      }
    }
    return false;
  }

  #emitRows(horizonOf: (device: number) => number, sink: TickWriter): number {
    let rows = 0;
    for (;;) {
      let earliestUs = Infinity;
      for (let device = 0; device < this.shape.deviceCount; device += 1) {
        earliestUs = Math.min(earliestUs, this.#nextRowUs(device, horizonOf(device)));
      }
      if (earliestUs === Infinity || (rows > 0 && !sink.next())) return rows;
      for (let device = 0; device < this.shape.deviceCount; device += 1) {
        const tsUs = this.#nextRowUs(device, horizonOf(device));
        if (tsUs > earliestUs + this.shape.intervalUs / 2) continue;
        if (this.#writeRow(device, tsUs, sink)) rows += 1;
      }
    }
  }

  /** Stamp of the device's next row, dropping anchor samples that are too close to the last one; Infinity when there is none. */
  #nextRowUs(device: number, horizonUs: number): number {
    const anchor = this.#anchorOf(device, horizonUs);
    if (anchor < 0) return Infinity;
    const series = this.#at(device, anchor);
    const notBeforeUs = this.#lastRowUs[device]! + this.shape.minSpacingUs;
    let skipped = 0;
    while (series.head + skipped < series.end && series.tsUs[series.head + skipped]! < notBeforeUs)
      skipped += 1;
    series.drop(skipped);
    if (series.isEmpty) return Infinity;
    const tsUs = this.#firstAnswerUs(device, notBeforeUs, series.tsUs[series.head]!, horizonUs);
    return tsUs <= horizonUs ? tsUs : Infinity;
  }

  /** Where the anchor's next stamp leaves a hole, the earliest stamp in it of any series, which then is the anchor. */
  #firstAnswerUs(device: number, notBeforeUs: number, anchorUs: number, horizonUs: number): number {
    const { intervalUs, anchorOrder } = this.shape;
    let firstUs = anchorUs;
    // NaN, before the first row, compares false.
    if (!(anchorUs - this.#lastRowUs[device]! > HOLE_INTERVALS * intervalUs)) return firstUs;
    for (const field of anchorOrder) {
      const series = this.#at(device, field);
      let at = series.head;
      while (at < series.end && series.tsUs[at]! < notBeforeUs) at += 1;
      if (at >= series.end) continue;
      const tsUs = series.tsUs[at]!;
      if (tsUs > horizonUs || tsUs >= firstUs - intervalUs / 2) continue;
      firstUs = tsUs;
      this.#anchors[device] = field;
    }
    return firstUs;
  }

  /** The anchor stays as long as it delivers; when it lies a gap behind another series, that one takes over. */
  #anchorOf(device: number, horizonUs: number): number {
    const current = this.#anchors[device]!;
    if (current >= 0 && !this.#at(device, current).isEmpty) return current;
    const patienceUs = current < 0 ? 0 : gapLimitUs(this.shape.intervalUs);
    for (const field of this.shape.anchorOrder) {
      const series = this.#at(device, field);
      if (series.isEmpty || series.tsUs[series.head]! > horizonUs - patienceUs) continue;
      this.#anchors[device] = field;
      return field;
    }
    return -1;
  }

  /** @returns false when nothing in it has a value: then the device did not answer, and its samples are spent. */
  #writeRow(device: number, tsUs: number, sink: TickWriter): boolean {
    const { fieldCount, intervalUs } = this.shape;
    const nextRowUs = this.#rowAfter(this.#at(device, this.#anchors[device]!), tsUs);
    let isAnswer = false;
    for (let field = 0; field < fieldCount; field += 1) {
      this.#take(field, this.#at(device, field), tsUs, nextRowUs);
      if (!Number.isNaN(this.#cells[field]!)) isAnswer = true;
    }
    const lastUs = this.#lastRowUs[device]!;
    if (!isAnswer && this.#listener.isBlankRowKept?.(tsUs) !== true) {
      // No gap can tell of a device without any row yet: its blanks do.
      if (Number.isNaN(lastUs)) this.#hearCells(device, tsUs);
      return false;
    }
    const isTold = this.#isGapOpen[device] === 1 && !Number.isNaN(lastUs);
    if (isTold || isGap(tsUs - lastUs, intervalUs)) this.#listener.onGap(device, lastUs, tsUs);
    this.#isGapOpen[device] = 0;
    this.#lastRowUs[device] = tsUs;
    sink.setRow(device, tsUs);
    for (let field = 0; field < fieldCount; field += 1) sink.set(device, field, this.#cells[field]!);
    this.#hearCells(device, tsUs);
    return true;
  }

  #hearCells(device: number, rowUs: number): void {
    for (let field = 0; field < this.shape.fieldCount; field += 1) {
      const state = this.#cellStates[field]! as SampleState;
      if (state !== sampleState.missing) this.#listener.onCell?.(device, field, state, rowUs);
    }
  }

  /** Stamp of the row that will follow, as far as the anchor has come; Infinity when it has not. */
  #rowAfter(anchor: Series, tsUs: number): number {
    for (let k = anchor.head; k < anchor.end; k += 1) {
      if (anchor.tsUs[k]! > tsUs && anchor.tsUs[k]! >= tsUs + this.shape.minSpacingUs) return anchor.tsUs[k]!;
    }
    return Infinity;
  }

  /** Makes a cell of the sample nearest to a row, NaN when none is within half an interval. Older ones are dropped. */
  #take(field: number, series: Series, tsUs: number, nextRowUs: number): void {
    const { tsUs: stamps, values, end } = series;
    const halfUs = this.shape.intervalUs / 2;
    let at = series.head;
    while (at < end && stamps[at]! < tsUs - halfUs) at += 1;
    let best = -1;
    for (let k = at; k < end && stamps[k]! <= tsUs + halfUs; k += 1) {
      if (best < 0 || Math.abs(stamps[k]! - tsUs) < Math.abs(stamps[best]! - tsUs)) best = k;
    }
    if (best >= 0 && Math.abs(stamps[best]! - nextRowUs) < Math.abs(stamps[best]! - tsUs)) best = -1;
    const passed = (best >= 0 ? best : at) - series.head;
    if (!this.#isThinned) this.counts.unmatched += passed;
    this.#cells[field] = best >= 0 ? values[best]! : NaN;
    this.#cellStates[field] = best >= 0 ? series.states[best]! : sampleState.missing;
    series.drop(best >= 0 ? passed + 1 : passed);
  }

  /** A lane that takes every n-th sample leaves the others out by intent. */
  get #isThinned(): boolean {
    return this.shape.minSpacingUs > this.shape.intervalUs / 2;
  }

  #at(device: number, field: number): Series {
    return this.#series[device * this.shape.fieldCount + field]!;
  }
}
