import { sampleState } from '../../../core/sampling/sample-state.ts';
import { AHEAD_US_MAX } from '../../../core/sampling/series-to-ticks.ts';
import type { LaneReader } from '../setup.ts';

/**
 * A stamp that crept on by less than this part of the time between two readings stands still: NVML gives the same one
 * again, and the engine, which wants them rising, adds a microsecond a read.
 */
const CREEP_RATIO = 0.01;
/** A kept sample older than this was stamped by a clock that stands still; no engine keeps so long. */
const STALE_US_MAX = 7 * 86_400_000_000;

/** Whether a kept sample bears no time: 1970, or years ago. */
export function isStaleStamp(tsUs: number, engineNowUs: number): boolean {
  return tsUs < engineNowUs - STALE_US_MAX;
}

/** Which series of a lane bear stamps that stand still, so that the engine's own clock must do. */
export class LaneStamps {
  readonly #nearUs: number;
  readonly #isFrozen: Uint8Array;
  #frozenCount = 0;
  #readAtUs = NaN;
  #elapsedUs = NaN;

  constructor(seriesCount: number, intervalMs: number) {
    this.#isFrozen = new Uint8Array(seriesCount);
    this.#nearUs = Math.max(AHEAD_US_MAX, 2000 * intervalMs);
  }

  get frozenCount(): number {
    return this.#frozenCount;
  }

  isFrozen(at: number): boolean {
    return this.#isFrozen[at] === 1;
  }

  /**
   * How far the engine's clock, which may be another machine's, is from ours: where its newest stamps are that move with
   * the time. 0 when they are near; undefined when a reading says nothing of it. Call it once a reading, before `stampAt`.
   */
  clockOffsetUs(reader: LaneReader, nowUs: number): number | undefined {
    this.#elapsedUs = nowUs - this.#readAtUs;
    this.#readAtUs = nowUs;
    let newestUs = -Infinity;
    for (let at = 0; at < this.#isFrozen.length; at += 1) {
      const tsUs = reader.tsUs[at]!;
      if (reader.states[at] === sampleState.missing || tsUs === reader.lastUs[at]) continue;
      if (Math.abs(tsUs - nowUs) <= this.#nearUs) return 0;
      if (this.#moves(tsUs, reader.lastUs[at]!)) newestUs = Math.max(newestUs, tsUs);
    }
    return newestUs === -Infinity ? undefined : newestUs - nowUs;
  }

  /** The time of a series' newest sample: its stamp, the engine's clock where stamps stand still, NaN where nothing is new. */
  stampAt(at: number, reader: LaneReader, engineNowUs: number): number {
    const tsUs = reader.tsUs[at]!;
    const beforeUs = reader.lastUs[at]!;
    if (tsUs === beforeUs) return NaN;
    if (Math.abs(tsUs - engineNowUs) <= this.#nearUs || this.#moves(tsUs, beforeUs)) {
      this.#set(at, 0);
      return tsUs;
    }
    // A first look says nothing: it may be the last sample of a watch that ended long ago.
    if (beforeUs <= 0 || Number.isNaN(this.#elapsedUs)) return NaN;
    this.#set(at, 1);
    return engineNowUs;
  }

  #moves(tsUs: number, beforeUs: number): boolean {
    return beforeUs > 0 && Math.abs(tsUs - beforeUs) > CREEP_RATIO * this.#elapsedUs;
  }

  #set(at: number, isFrozen: 0 | 1): void {
    this.#frozenCount += isFrozen - this.#isFrozen[at]!;
    this.#isFrozen[at] = isFrozen;
  }
}
