import { assert } from '../base/assert.ts';
import type { SampleColumns } from '../wire/encode.ts';
import type { TickWriter } from './ring.ts';
import { CARRY_NUMBERS, RowCarry, type RowBefore } from './row-carry.ts';

const FIRST_ROWS = 1_024;

/**
 * Rows of a lane that are made at once and written at once, in the order in which they are handed over: what the ring is
 * to the resident collector. The same samples get the same dt and the same energy rise here as there.
 */
export class PulledRows implements TickWriter, SampleColumns {
  tsUs = new Float64Array(FIRST_ROWS);
  dtUs = new Float64Array(FIRST_ROWS);
  energyRise = new Float64Array(FIRST_ROWS);
  energyRiseDtUs = new Float64Array(FIRST_ROWS);
  columns: readonly Float64Array[];
  readonly #energyColumn: number;
  #deviceOf = new Int32Array(FIRST_ROWS);
  #count = 0;
  /** Rows before this one are complete: dt and rise are fixed. */
  #fixed = 0;
  readonly #carry: RowCarry;

  constructor(shape: {
    readonly deviceCount: number;
    readonly columnCount: number;
    readonly intervalUs: number;
    readonly energyColumn: number;
  }) {
    this.#energyColumn = shape.energyColumn;
    this.columns = Array.from({ length: shape.columnCount }, () => new Float64Array(FIRST_ROWS));
    this.#carry = new RowCarry(new Float64Array(CARRY_NUMBERS * shape.deviceCount), shape.intervalUs);
    this.#carry.clear();
  }

  get count(): number {
    return this.#count;
  }

  /** Position of a row's device. */
  deviceOf(row: number): number {
    return this.#deviceOf[row]!;
  }

  /** The next row of `device` follows a row that is stored already. */
  continueFrom(device: number, before: RowBefore): void {
    this.#carry.continueFrom(device, before);
  }

  setRow(device: number, tsUs: number): void {
    if (this.#count === this.tsUs.length) this.#grow();
    const row = this.#count;
    this.#count += 1;
    this.#deviceOf[row] = device;
    this.tsUs[row] = tsUs;
    for (const column of this.columns) column[row] = NaN;
  }

  set(device: number, column: number, value: number): void {
    const row = this.#count - 1;
    assert(row >= 0 && this.#deviceOf[row] === device, 'a value belongs to the row that was set last');
    this.columns[column]![row] = value;
  }

  next(): boolean {
    this.finish();
    return true;
  }

  /** Fixes dt and energy rise of the rows that were set since the last call. */
  finish(): void {
    for (; this.#fixed < this.#count; this.#fixed += 1) this.#fix(this.#fixed);
  }

  #fix(row: number): void {
    const device = this.#deviceOf[row]!;
    const energy = this.#energyColumn < 0 ? NaN : this.columns[this.#energyColumn]![row]!;
    this.#carry.fix(device, this, row, energy);
  }

  #grow(): void {
    const rows = 2 * this.tsUs.length;
    const larger = (array: Float64Array): Float64Array<ArrayBuffer> => {
      const copy = new Float64Array(rows);
      copy.set(array);
      return copy;
    };
    this.tsUs = larger(this.tsUs);
    this.dtUs = larger(this.dtUs);
    this.energyRise = larger(this.energyRise);
    this.energyRiseDtUs = larger(this.energyRiseDtUs);
    this.columns = this.columns.map(larger);
    const devices = new Int32Array(rows);
    devices.set(this.#deviceOf);
    this.#deviceOf = devices;
  }
}
