/**
 * Of each device the newest values of one column with their times, in memory that both threads see: whoever counts samples finds each of
 * them once, whatever has become of their rows.
 *
 * The producer writes a value and then counts it, so that the last `depth - 1` that are counted are whole; the next one to be written is
 * over the oldest.
 */
export class RecentValues {
  /** Per device: values so far. */
  readonly #counts: Int32Array;
  /** Per device: `depth` pairs of epoch µs and value. */
  readonly #pairs: Float64Array;
  readonly #depth: number;
  /** Consumer: how many it has taken. */
  readonly #taken: Int32Array;

  /** @param counts one word a device, zero in a new ring. @param pairs 2 × `depth` numbers a device */
  constructor(counts: Int32Array, pairs: Float64Array, depth: number) {
    this.#counts = counts;
    this.#pairs = pairs;
    this.#depth = depth;
    this.#taken = new Int32Array(counts.length);
  }

  /** Producer. */
  add(device: number, tsUs: number, value: number): void {
    const count = this.#counts[device]!;
    const at = 2 * (device * this.#depth + (count % this.#depth));
    this.#pairs[at] = tsUs;
    this.#pairs[at + 1] = value;
    Atomics.store(this.#counts, device, count + 1);
  }

  /** Consumer: hands over what it has not taken yet, the oldest first, as far as it is still there. */
  take(device: number, hear: (tsUs: number, value: number) => void): void {
    const count = Atomics.load(this.#counts, device);
    const first = Math.max(this.#taken[device]!, count - this.#depth + 1);
    const pairs: (readonly [number, number])[] = [];
    for (let k = first; k < count; k += 1) {
      const at = 2 * (device * this.#depth + (k % this.#depth));
      pairs.push([this.#pairs[at]!, this.#pairs[at + 1]!]);
    }
    this.#taken[device] = count;
    // What was written over meanwhile is no value of then.
    const lost = Atomics.load(this.#counts, device) - this.#depth + 1 - first;
    for (const [tsUs, value] of lost > 0 ? pairs.slice(lost) : pairs) hear(tsUs, value);
  }
}
