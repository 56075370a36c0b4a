/**
 * Knows a newest value by its stamp, one for each key: whether it is the one that was there before. A clock may be set
 * back, so a new stamp is another one and not always a later one.
 */
export class SeenStamps<Key> {
  /** What has an older stamp at the first look was told by an earlier life. */
  readonly #sinceUs: number;
  /** By key: the stamp that was told last, or was there before; NaN where there was none at the first look. */
  readonly #seenUs = new Map<Key, number>();

  /** @param sinceUs epoch µs */
  constructor(sinceUs: number) {
    this.#sinceUs = sinceUs;
  }

  /**
   * @param tsUs stamp of the newest value, epoch µs; undefined where there is none
   * @returns from when on there are new values, epoch µs; undefined when there are none
   */
  look(key: Key, tsUs: number | undefined): number | undefined {
    const seenUs = this.#seenUs.get(key);
    if (seenUs === undefined) {
      const isOld = tsUs === undefined || tsUs <= this.#sinceUs;
      if (isOld) this.#seenUs.set(key, tsUs ?? NaN);
      return isOld ? undefined : this.#sinceUs + 1;
    }
    if (tsUs === undefined || tsUs === seenUs) return undefined;
    // All that there is, where there was none.
    if (Number.isNaN(seenUs)) return tsUs > this.#sinceUs ? this.#sinceUs + 1 : 0;
    return tsUs > seenUs ? seenUs + 1 : tsUs;
  }

  /** The value of this stamp was told. */
  note(key: Key, tsUs: number): void {
    this.#seenUs.set(key, tsUs);
  }
}
