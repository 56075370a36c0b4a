/**
 * The words that the main thread and the sampling worker share. The worker sits in `Atomics.wait` or in a native call
 * and can read no message; it reads these.
 */
const WAKE = 0;
const STOP = 1;
const REQUESTS = 2;
const EXCHANGE = 3;
const BEGIN = 4;
const CLOCK_STEPS = 5;
const WORDS = 6;
const TIMES = 5;
const TIMES_BYTES = TIMES * 8;
const VIRTUAL_NOW_US = 0;
const CALL_BEGAN_MS = 1;
const CALL_TICK_US = 2;
const CALLS = 3;
const CALLS_MS = 4;

/** The monotonic clock that all threads share, which `performance.now` is not. */
function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export class SamplerControl {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #times: Float64Array;

  constructor(memory = new SharedArrayBuffer(TIMES_BYTES + WORDS * 4)) {
    this.memory = memory;
    this.#times = new Float64Array(memory, 0, TIMES);
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

  /** How long the worker has been inside one call of the source, ms, whatever the wall clock is set to; 0 when it is in none. */
  get callMs(): number {
    const beganMs = this.#times[CALL_BEGAN_MS]!;
    return beganMs === 0 ? 0 : machineMs() - beganMs;
  }

  /** Stamp of the tick that this call is for, epoch µs; it names the call. 0 when the worker is in none. */
  get callTickUs(): number {
    return this.#times[CALL_TICK_US]!;
  }

  /** Calls of the source that have ended. */
  get calls(): number {
    return this.#times[CALLS]!;
  }

  /** What these took together. */
  get callsMs(): number {
    return this.#times[CALLS_MS]!;
  }

  /** How often the wall clock was set. */
  get clockSteps(): number {
    return Atomics.load(this.#words, CLOCK_STEPS);
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

  beginCall(tickUs: number): void {
    this.#times[CALL_TICK_US] = tickUs;
    this.#times[CALL_BEGAN_MS] = machineMs();
  }

  endCall(): void {
    this.#times[CALLS_MS]! += machineMs() - this.#times[CALL_BEGAN_MS]!;
    this.#times[CALLS]! += 1;
    this.#times[CALL_BEGAN_MS] = 0;
    this.#times[CALL_TICK_US] = 0;
  }

  noteClockStep(): void {
    Atomics.add(this.#words, CLOCK_STEPS, 1);
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
