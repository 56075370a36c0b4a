import { nvmlReturn, sample } from '../../../native/nvml-layout.ts';
import type { Nvml, NvmlHandle } from '../../../native/nvml.ts';

/** DCGM field id → type of nvmlDeviceGetSamples. */
export const BUFFERED_TYPES: ReadonlyMap<number, number> = new Map([
  [203, 1],
  [204, 2],
  [206, 3],
  [207, 4],
]);

const PERCENT = 0.01;
const PERCENT_MAX = 100;
const SUCCESS: number = nvmlReturn.NVML_SUCCESS;

/**
 * The utilisation that the driver measures about seven times a second and keeps for ten: each sample is the busy share of
 * its own window, so the mean of those since the last tick is the busy share of the tick, where a single reading would be
 * that of the last window alone.
 */
export interface BufferedMeans {
  /** Mean ratio since the last call; NaN when nothing was buffered. */
  read(handle: NvmlHandle, fieldId: number): number;
}

export function createBufferedMeans(nvml: Nvml): BufferedMeans {
  const call = nvml.optional('nvmlDeviceGetSamples');
  /** In the driver's clock, which need not be ours. */
  const lastSeenUs = new Map<string, bigint>();
  const type = new Uint32Array(1);
  const count = new Uint32Array(1);
  let samples = Buffer.alloc(0);
  return {
    read(handle, fieldId) {
      const sampleType = BUFFERED_TYPES.get(fieldId);
      if (call === undefined || sampleType === undefined) return NaN;
      const key = `${handle} ${fieldId}`;
      const sinceUs = lastSeenUs.get(key) ?? 0n;
      // Without a buffer it tells how many there can be.
      if (call(handle, sampleType, sinceUs, type, count, null) !== SUCCESS) return NaN;
      if (samples.length < count[0]! * sample.sizeBytes) samples = Buffer.alloc(count[0]! * sample.sizeBytes);
      if (call(handle, sampleType, sinceUs, type, count, samples) !== SUCCESS) return NaN;
      let sum = 0;
      let taken = 0;
      let newestUs = sinceUs;
      for (let index = 0; index < count[0]!; index += 1) {
        const offset = index * sample.sizeBytes;
        const tsUs = samples.readBigUInt64LE(offset + sample.at.timeStamp);
        const percent = samples.readUInt32LE(offset + sample.at.sampleValue);
        // Zero stamps and values beyond 100 come among the good ones, and not in the order of time.
        if (tsUs <= sinceUs || percent > PERCENT_MAX) continue;
        sum += percent;
        taken += 1;
        if (tsUs > newestUs) newestUs = tsUs;
      }
      lastSeenUs.set(key, newestUs);
      // The first reading would reach ten seconds back, beyond the tick.
      return taken === 0 || sinceUs === 0n ? NaN : (sum / taken) * PERCENT;
    },
  };
}
