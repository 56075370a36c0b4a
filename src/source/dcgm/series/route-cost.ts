const JUDGE_EVERY_US = 60_000_000;
/** A pull costs as many requests as it has series, and two. */
const REQUESTS_MORE = 2;
/** A route is changed for one that is clearly cheaper, not for one that is as good. */
const CLEARLY = 1.2;
/** Of a core: polling that costs less is not worth a change. */
const WORTH = 0.01;

/** What polling costs this thread, and what pulling would: measured while it runs, since an engine may become busy. */
export class RouteCost {
  readonly #seriesCount: number;
  readonly #pullIntervalMs: number;
  #fromUs = NaN;
  #pollUs = 0;
  #fillUs = 0;
  #fillRequests = 0;

  constructor(seriesCount: number, pullIntervalMs: number) {
    this.#seriesCount = seriesCount;
    this.#pullIntervalMs = pullIntervalMs;
  }

  /** @param spentUs CPU of a poll in all; @param fillUs of its requests for kept samples, which were so many */
  add(spentUs: number, fillUs: number, fillRequests: number): void {
    this.#pollUs += spentUs;
    this.#fillUs += fillUs;
    this.#fillRequests += fillRequests;
  }

  /** Once a minute: whether a pull of everything would have cost clearly less. */
  isPullCheaper(nowUs: number): boolean {
    const elapsedUs = nowUs - this.#fromUs;
    if (elapsedUs < JUDGE_EVERY_US) return false;
    // Without a request for kept samples nothing says what one costs, and polling costs what it was chosen for.
    const requestUs = this.#fillRequests > 0 ? this.#fillUs / this.#fillRequests : Infinity;
    const pulls = elapsedUs / (this.#pullIntervalMs * 1000);
    const isCheaper =
      this.#pollUs > WORTH * elapsedUs &&
      this.#pollUs > CLEARLY * pulls * (this.#seriesCount + REQUESTS_MORE) * requestUs;
    this.#fromUs = nowUs;
    this.#pollUs = 0;
    this.#fillUs = 0;
    this.#fillRequests = 0;
    return isCheaper;
  }
}
