/** What was lost between two looks of the consumer. */
export interface DropEpisode {
  readonly ticks: number;
  readonly rows: number;
  /** Times of the first and the last dropped tick, epoch µs. */
  readonly firstUs: number;
  readonly lastUs: number;
}

const SAMPLED_ROWS = 0;
const DROPPED_ROWS = 1;
const DROPPED_TICKS = 2;
const EPISODE_FIRST_US = 3;
const EPISODE_LAST_US = 4;
const TOLD_ROWS = 5;
const TOLD_TICKS = 6;
const LATE_TICKS = 7;
/** Which period the consumer is in, and which one the next three belong to. */
const PERIOD = 8;
const COST_PERIOD = 9;
const COST_TICKS = 10;
const COST_MS_SUM = 11;
const COST_MS_MAX = 12;
const IMPLAUSIBLE_CELLS = 13;
/** Shared numbers that a tally needs. */
export const TALLY_NUMBERS = 14;

/** What sampling took, tick by tick, in milliseconds. */
export interface TickCost {
  readonly meanMs: number;
  readonly maxMs: number;
}

/**
 * The counts of a ring, in memory that both threads see. The producer only counts up, the consumer notes how far it has
 * told: so a tick that is refused while the consumer holds the ring's lock is counted none the less.
 */
export class RingTally {
  readonly #numbers: Float64Array;

  constructor(numbers: Float64Array) {
    this.#numbers = numbers;
  }

  /** Rows that were sampled, whatever became of them. */
  get sampledRows(): number {
    return this.#numbers[SAMPLED_ROWS]!;
  }

  get droppedRows(): number {
    return this.#numbers[DROPPED_ROWS]!;
  }

  /** Producer. */
  sample(rows: number): void {
    this.#numbers[SAMPLED_ROWS]! += rows;
  }

  /** Producer. */
  drop(rows: number, tsUs: number): void {
    const n = this.#numbers;
    if (n[DROPPED_TICKS] === n[TOLD_TICKS]) n[EPISODE_FIRST_US] = tsUs;
    n[EPISODE_LAST_US] = tsUs;
    n[DROPPED_ROWS]! += rows;
    n[DROPPED_TICKS]! += 1;
  }

  /** Producer: one tick took so long. */
  spend(ms: number): void {
    const n = this.#numbers;
    if (n[COST_PERIOD] !== n[PERIOD]) {
      n[COST_TICKS] = n[COST_MS_SUM] = n[COST_MS_MAX] = 0;
      n[COST_PERIOD] = n[PERIOD]!;
    }
    n[COST_TICKS]! += 1;
    n[COST_MS_SUM]! += ms;
    if (ms > n[COST_MS_MAX]!) n[COST_MS_MAX] = ms;
  }

  /** Producer: so many ticks were skipped, since the one before them came late by whole intervals. */
  late(ticks: number): void {
    this.#numbers[LATE_TICKS]! += ticks;
  }

  /** Producer: so many values could not be true and became NULL. */
  doubt(cells: number): void {
    this.#numbers[IMPLAUSIBLE_CELLS]! += cells;
  }

  get implausibleCells(): number {
    return this.#numbers[IMPLAUSIBLE_CELLS]!;
  }

  get lateTicks(): number {
    return this.#numbers[LATE_TICKS]!;
  }

  /** Consumer: what ticks cost since the last call; undefined when there was none. */
  takeCost(): TickCost | undefined {
    const n = this.#numbers;
    const isOfNow = n[COST_PERIOD] === n[PERIOD] && n[COST_TICKS]! > 0;
    const cost = { meanMs: n[COST_MS_SUM]! / n[COST_TICKS]!, maxMs: n[COST_MS_MAX]! };
    n[PERIOD]! += 1;
    return isOfNow ? cost : undefined;
  }

  /** Consumer: what was dropped since the last call; undefined when nothing was. */
  takeEpisode(): DropEpisode | undefined {
    const n = this.#numbers;
    const ticks = n[DROPPED_TICKS]! - n[TOLD_TICKS]!;
    const rows = n[DROPPED_ROWS]! - n[TOLD_ROWS]!;
    if (ticks === 0) return undefined;
    n[TOLD_TICKS]! += ticks;
    n[TOLD_ROWS]! += rows;
    return { ticks, rows, firstUs: n[EPISODE_FIRST_US]!, lastUs: n[EPISODE_LAST_US]! };
  }
}
