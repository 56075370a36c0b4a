/**
 * The words that the main thread and the sampling worker share. The worker sits in `Atomics.wait` or in a native call
 * and can read no message; it reads these.
 */
const WAKE = 0;
const STOP = 1;
const REQUESTS = 2;
const EXCHANGE = 3;
const BEGIN = 4;
const WORDS = 6;
const TIMES_BYTES = 2 * 8;
const VIRTUAL_NOW_US = 0;
const CALL_SINCE_MS = 1;

export class SamplerControl {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #times: Float64Array;

  constructor(memory = new SharedArrayBuffer(TIMES_BYTES + WORDS * 4)) {
    this.memory = memory;
    this.#times = new Float64Array(memory, 0, 2);
    this.#words = new Int32Array(memory, TIMES_BYTES, WORDS);
  }

  // ── main thread ───────────────────────────────────────────────────────────────────────────────────────────────────

  stop(): void {
    Atomics.store(this.#words, STOP, 1);
    this.#wake();
  }

  /** Asks for one tick of a lane that a cron schedule drives. Requests that the worker has not seen yet count as one. */
  requestTick(laneIndex: number): void {
    Atomics.or(this.#words, REQUESTS, 1 << laneIndex);
    this.#wake();
  }

  /** Asks for other rings before the next tick; the orders for them lie in the worker's port already. */
  exchangeRings(): void {
    Atomics.store(this.#words, EXCHANGE, 1);
    this.#wake();
  }

  /** A worker that waits for it may tick from now on. */
  begin(): void {
    Atomics.store(this.#words, BEGIN, 1);
    this.#wake();
  }

  /** For the virtual clock: everything up to this epoch µs has been sampled. */
  get virtualNowUs(): number {
    return this.#times[VIRTUAL_NOW_US]!;
  }

  /** Epoch ms since which the worker is inside one call of the source; 0 when it is not. */
  get callSinceMs(): number {
    return this.#times[CALL_SINCE_MS]!;
  }

  // ── worker ────────────────────────────────────────────────────────────────────────────────────────────────────────

  get shouldStop(): boolean {
    return Atomics.load(this.#words, STOP) === 1;
  }

  takeRequests(): number {
    return Atomics.exchange(this.#words, REQUESTS, 0);
  }

  takeExchange(): boolean {
    return Atomics.exchange(this.#words, EXCHANGE, 0) === 1;
  }

  /** Blocks until it may begin or shall stop. */
  waitForBegin(): void {
    for (;;) {
      const seen = Atomics.load(this.#words, WAKE);
      if (this.shouldStop || Atomics.load(this.#words, BEGIN) === 1) return;
      Atomics.wait(this.#words, WAKE, seen);
    }
  }

  set virtualNowUs(us: number) {
    this.#times[VIRTUAL_NOW_US] = us;
  }

  set callSinceMs(ms: number) {
    this.#times[CALL_SINCE_MS] = ms;
  }

  /** Sleeps until the time is over or the main thread wants something. */
  sleep(ms: number): void {
    const seen = Atomics.load(this.#words, WAKE);
    const isWanted = Atomics.load(this.#words, REQUESTS) !== 0 || Atomics.load(this.#words, EXCHANGE) !== 0;
    if (this.shouldStop || isWanted || ms <= 0) return;
    Atomics.wait(this.#words, WAKE, seen, ms);
  }

  #wake(): void {
    Atomics.add(this.#words, WAKE, 1);
    Atomics.notify(this.#words, WAKE);
  }
}
