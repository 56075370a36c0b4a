import type { Batch, Fate } from '../core/wire/sink.ts';

/** What sending costs and how it goes, in this life. */
export interface SendFigures {
  /** Batches of which the store took rows. */
  readonly batches: number;
  /** Batches of which it did not take all. */
  readonly failedBatches: number;
  readonly sentBytes: number;
  /** Epoch ms of the last acknowledgement, 0 before the first. */
  readonly lastAcknowledgedMs: number;
  /** How long the last batch took, and all of them on average and at most, ms. 0 before the first. */
  readonly lastSendMs: number;
  readonly sendMsMean: number;
  readonly sendMsMax: number;
}

export class SendMeter {
  #sends = 0;
  #batches = 0;
  #failedBatches = 0;
  #sentBytes = 0;
  #lastAcknowledgedMs = 0;
  #lastSendMs = 0;
  #sendMsSum = 0;
  #sendMsMax = 0;

  add({ body }: Batch, fate: Fate, tookMs: number): void {
    this.#lastSendMs = tookMs;
    this.#sends += 1;
    this.#sendMsSum += tookMs;
    this.#sendMsMax = Math.max(this.#sendMsMax, tookMs);
    if (fate.unsent !== undefined) this.#failedBatches += 1;
    if (fate.acknowledgedRows === 0) return;
    this.#batches += 1;
    this.#sentBytes += body.byteLength;
    this.#lastAcknowledgedMs = Date.now();
  }

  figures(): SendFigures {
    return {
      batches: this.#batches,
      failedBatches: this.#failedBatches,
      sentBytes: this.#sentBytes,
      lastAcknowledgedMs: this.#lastAcknowledgedMs,
      lastSendMs: this.#lastSendMs,
      sendMsMean: this.#sends === 0 ? 0 : this.#sendMsSum / this.#sends,
      sendMsMax: this.#sendMsMax,
    };
  }
}
