/** How long the producer waits for a consumer that is encoding from a full ring. Encoding a batch takes milliseconds. */
const PATIENCE_MS = 50;
const ATTEMPTS = 10;

const FREE = 0;
const TAKEN = 1;

/** A lock between two threads in one word of shared memory. Held for a moment only; not to be taken twice. */
export class SharedLock {
  readonly #words: Int32Array;
  readonly #at: number;

  constructor(words: Int32Array, at: number) {
    this.#words = words;
    this.#at = at;
  }

  /** Spins: the other side, which has to be the one that takes it patiently, holds it for some stores only. */
  acquire(): void {
    while (!this.#tryTake());
  }

  /** @returns false when the other side did not let go of it in time. */
  acquirePatiently(): boolean {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      if (this.#tryTake()) return true;
      // Returns at once when the lock has just been let go, so one attempt would lose against a busy other side.
      Atomics.wait(this.#words, this.#at, TAKEN, PATIENCE_MS / ATTEMPTS);
    }
    return this.#tryTake();
  }

  release(): void {
    Atomics.store(this.#words, this.#at, FREE);
    Atomics.notify(this.#words, this.#at);
  }

  #tryTake(): boolean {
    return Atomics.compareExchange(this.#words, this.#at, FREE, TAKEN) === FREE;
  }
}
