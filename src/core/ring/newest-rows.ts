/**
 * Of each device the newest row of a ring, in memory that both threads see: it stays when the ring's rows have been released, for
 * whoever asks what is so now.
 *
 * The producer counts `version` up before and after it writes, so a reader that saw the same even number before and after has a
 * whole tick.
 */
export class NewestRows {
  readonly #version: Int32Array;
  /** Per device: epoch µs of the row (NaN: none yet), then one value a column. */
  readonly #rows: Float64Array;
  readonly #width: number;
  /** What the last reading found whole. */
  readonly #seen: Float64Array;

  /** @param version one word; both are zero in a new ring */
  constructor(version: Int32Array, rows: Float64Array, width: number) {
    this.#version = version;
    this.#rows = rows;
    this.#width = width;
    this.#seen = new Float64Array(rows.length).fill(NaN);
  }

  /** Producer, once, before the first tick. */
  clear(): void {
    this.#rows.fill(NaN);
  }

  /** Producer: from here to `finish` readers keep what they had. */
  begin(): void {
    Atomics.add(this.#version, 0, 1);
  }

  /** Producer. @param row its position in the columns of the ring */
  set(device: number, tsUs: number, columns: readonly Float64Array[], row: number): void {
    const base = device * this.#width;
    this.#rows[base] = tsUs;
    for (let column = 0; column < columns.length; column += 1)
      this.#rows[base + 1 + column] = columns[column]![row]!;
  }

  /** Producer. */
  finish(): void {
    Atomics.add(this.#version, 0, 1);
  }

  /**
   * Consumer.
   * @returns of each device epoch µs of its newest row (NaN: none yet), then its values in the order of the columns (NaN: blank);
   *   the array is the same each time
   */
  read(): Float64Array {
    // A tick takes some microseconds to write; a producer that was killed in the middle of one must not hold a reader.
    for (let tries = 0; tries < READ_TRIES; tries += 1) {
      const before = Atomics.load(this.#version, 0);
      if (before % 2 !== 0) continue;
      const copy = this.#rows.slice();
      if (Atomics.load(this.#version, 0) !== before) continue;
      this.#seen.set(copy);
      break;
    }
    return this.#seen;
  }
}

const READ_TRIES = 10_000;
