import type { BatchOutcome } from './batch-send.ts';

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

export interface SendMeter {
  /** Sends, and takes note of how it went. @param bytes of the batch */
  measure(bytes: number, send: () => Promise<BatchOutcome>): Promise<BatchOutcome>;
  figures(): SendFigures;
}

export function createSendMeter(): SendMeter {
  let [sends, batches, failedBatches, sentBytes, lastAcknowledgedMs] = [0, 0, 0, 0, 0];
  let [lastSendMs, sendMsSum, sendMsMax] = [0, 0, 0];

  return {
    async measure(bytes, send) {
      const startMs = performance.now();
      const outcome = await send();
      lastSendMs = performance.now() - startMs;
      sends += 1;
      sendMsSum += lastSendMs;
      sendMsMax = Math.max(sendMsMax, lastSendMs);
      if (outcome.unsent !== undefined) failedBatches += 1;
      if (outcome.acknowledgedRows > 0) {
        batches += 1;
        sentBytes += bytes;
        lastAcknowledgedMs = Date.now();
      }
      return outcome;
    },
    figures() {
      const sendMsMean = sends === 0 ? 0 : sendMsSum / sends;
      return { batches, failedBatches, sentBytes, lastAcknowledgedMs, lastSendMs, sendMsMean, sendMsMax };
    },
  };
}
