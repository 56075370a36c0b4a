import { dtOf, riseDtOf, riseOf, stampAfter } from '../sampling/dt-rule.ts';

/** Where the rows of one device go on from: its newest row, and the last reading of its energy counter. */
export interface RowBefore {
  /** Epoch µs of that row; NaN when no interval leads on from it. */
  readonly tsUs: number;
  /** The last reading known up to that row, joules; NaN for none. */
  readonly energyJoules: number;
  /** Epoch µs of the row that had it; NaN when that is not known. */
  readonly energyTsUs: number;
  /** Σ dt of the rows after it, up to the newest one, µs. */
  readonly seenUs: number;
}

/** Columns of rows; `fix` writes all but the stamps, which it may move by 1 µs. */
export interface RowTimes {
  readonly tsUs: Float64Array;
  readonly dtUs: Float64Array;
  readonly energyRise: Float64Array;
  readonly energyRiseDtUs: Float64Array;
}

/** Shared numbers that a carry needs for each device. */
export const CARRY_NUMBERS = 4;

/**
 * What goes on from row to row of each device: the one place that fixes dt, energy rise and the time of the rise, for the ring, for
 * what is pulled, and from life to life.
 */
export class RowCarry {
  /** Per device, as in `RowBefore`; NaN for none. */
  readonly tsUs: Float64Array;
  readonly #energyJoules: Float64Array;
  readonly #energyTsUs: Float64Array;
  readonly #seenUs: Float64Array;
  readonly #intervalUs: number;

  /** @param numbers `CARRY_NUMBERS` for each device, in any order: only a carry reads them */
  constructor(numbers: Float64Array, intervalUs: number) {
    const deviceCount = numbers.length / CARRY_NUMBERS;
    const part = (index: number): Float64Array =>
      numbers.subarray(index * deviceCount, (index + 1) * deviceCount);
    this.tsUs = part(0);
    this.#energyJoules = part(1);
    this.#energyTsUs = part(2);
    this.#seenUs = part(3);
    this.#intervalUs = intervalUs;
  }

  /** Forgets every device. */
  clear(): void {
    for (const numbers of [this.tsUs, this.#energyJoules, this.#energyTsUs, this.#seenUs]) numbers.fill(NaN);
  }

  /** The clock was set: no time leads from the rows before to those after. What a counter rises meanwhile is known all the same. */
  breakTime(): void {
    this.tsUs.fill(NaN);
    this.#energyTsUs.fill(NaN);
  }

  /** The next row of `device` follows this one. */
  continueFrom(device: number, before: RowBefore): void {
    this.tsUs[device] = before.tsUs;
    this.#energyJoules[device] = before.energyJoules;
    this.#energyTsUs[device] = before.energyTsUs;
    this.#seenUs[device] = before.seenUs;
  }

  /** Where the next row of `device` goes on from. */
  before(device: number): RowBefore {
    return {
      tsUs: this.tsUs[device]!,
      energyJoules: this.#energyJoules[device]!,
      energyTsUs: this.#energyTsUs[device]!,
      seenUs: this.#seenUs[device]!,
    };
  }

  /** Fixes what a row of `device` speaks for. @param energyJoules the counter in that row; NaN where it is blank or there is none */
  fix(device: number, rows: RowTimes, row: number, energyJoules: number): void {
    const lastUs = this.tsUs[device]!;
    const tsUs = stampAfter(lastUs, rows.tsUs[row]!);
    const dtUs = dtOf(tsUs - lastUs, this.#intervalUs);
    rows.tsUs[row] = tsUs;
    rows.dtUs[row] = dtUs;
    this.tsUs[device] = tsUs;
    const seenUs = this.#seenUs[device]! + dtUs;
    this.#seenUs[device] = seenUs;
    rows.energyRise[row] = NaN;
    rows.energyRiseDtUs[row] = 0;
    if (energyJoules - energyJoules !== 0) return;
    const rise = riseOf(this.#energyJoules[device]!, energyJoules);
    rows.energyRise[row] = rise;
    if (rise >= 0) rows.energyRiseDtUs[row] = riseDtOf(tsUs - this.#energyTsUs[device]!, seenUs, dtUs);
    this.#energyJoules[device] = energyJoules;
    this.#energyTsUs[device] = tsUs;
    this.#seenUs[device] = 0;
  }
}
