import { gpmMetric, gpmMetricsGet, gpmSupport, nvmlReturn } from '../../../native/nvml-layout.ts';
import { GPM_METRICS } from '../../../native/nvml-tables.ts';
import type { Nvml, NvmlHandle } from '../../../native/nvml.ts';
import type { Field } from '../../core/fields/field.ts';
import type { NvmlDevice } from './devices.ts';
import type { OnReading } from './getters.ts';

/** GPM wants more than this between the two samples of a pair. */
const WINDOW_MS_MIN = 100;
/** Samples held a device and lane: at 100 ms a tick, the newest that is old enough is two or three ticks back. */
const RING_SAMPLES = 4;
/** A pair further apart says something about another time than the tick's. */
const WINDOW_INTERVALS_MAX = 3.5;
/** After a refusal: the permission may come back, and asking costs a call. */
const ASK_AGAIN_MS = 30_000;
const SUCCESS: number = nvmlReturn.NVML_SUCCESS;

/** DCGM field id → GPM metric, and what its number is divided by to become what DCGM delivers. */
export const GPM_ROUTES: ReadonlyMap<number, { readonly gpmId: number; readonly divisor: number }> = new Map(
  GPM_METRICS.map(([dcgmId, gpmId, divisor]) => [dcgmId, { gpmId, divisor }]),
);

/** Whether the GPU measures profiling metrics by itself (Hopper and newer). Whatever else it answers is a no. */
export function supportsGpm(nvml: Nvml, handle: NvmlHandle): boolean {
  const support = Buffer.alloc(gpmSupport.sizeBytes);
  support.writeUInt32LE(gpmSupport.version, gpmSupport.at.version);
  const code = nvml.optional('nvmlGpmQueryDeviceSupport')?.(handle, support);
  return code === SUCCESS && support.readUInt32LE(gpmSupport.at.isSupportedDevice) === 1;
}

/** Takes one sample to see. @returns 0 when it works, NO_PERMISSION, or NOT_SUPPORTED. */
export function probeGpm(nvml: Nvml, device: NvmlDevice): number {
  if (!supportsGpm(nvml, device.parentHandle)) return nvmlReturn.NOT_SUPPORTED;
  const out = new BigUint64Array(1);
  if (nvml.optional('nvmlGpmSampleAlloc')?.(out) !== SUCCESS) return nvmlReturn.NOT_SUPPORTED;
  const code = captureSample(nvml, device, out[0]!);
  nvml.optional('nvmlGpmSampleFree')?.(out[0]);
  // Whatever else goes wrong now may go right at the next tick.
  return code === nvmlReturn.NO_PERMISSION ? code : SUCCESS;
}

/** The profiling metrics of one device for one lane: a ring of samples, and one call for all metrics of a pair. */
export interface GpmReader {
  /** Takes a sample and tells every metric over the time since an older one; NaN with a code where there is none. */
  read(device: NvmlDevice, onReading: OnReading): void;
  /** Forgets what was sampled: after a pause or a change of the MIG layout, pairs would be of two things. */
  reseed(): void;
  /** Frees the samples. Before the library is shut down, and only while it lives. */
  close(): void;
}

interface Slot {
  readonly sample: NvmlHandle;
  /** NaN while it holds nothing. */
  takenMs: number;
}

/**
 * @param fields all of which have a GPM metric.
 * @param clockMs a monotonic clock, asked before and after a sample is taken: a pair must be far enough apart for
 * certain, and the wall clock may be set between the two.
 */
export function createGpmReader(
  nvml: Nvml,
  fields: readonly Field[],
  intervalMs: number,
  clockMs: () => number,
): GpmReader {
  const slots = allocate(nvml);
  const metrics = createMetricsCall(nvml, fields);
  let turn = 0;
  let refusedUntilMs = -Infinity;

  const failAll = (code: number, onReading: OnReading): void => {
    for (const { id } of fields) onReading(id, NaN, code);
  };

  return {
    read(device, onReading) {
      const newest = slots[turn % slots.length];
      if (newest === undefined) {
        failAll(nvmlReturn.NOT_SUPPORTED, onReading);
        return;
      }
      const beganMs = clockMs();
      if (beganMs < refusedUntilMs) {
        failAll(nvmlReturn.NO_PERMISSION, onReading);
        return;
      }
      newest.takenMs = NaN;
      const code = captureSample(nvml, device, newest.sample);
      if (code === nvmlReturn.NO_PERMISSION) refusedUntilMs = beganMs + ASK_AGAIN_MS;
      if (code !== SUCCESS) {
        failAll(code, onReading);
        return;
      }
      const older = newestOldEnough(slots, beganMs, WINDOW_INTERVALS_MAX * intervalMs + WINDOW_MS_MIN);
      newest.takenMs = clockMs();
      turn += 1;
      // Not a blank of the device: there is no pair yet.
      if (older === undefined) failAll(nvmlReturn.NOT_READY, onReading);
      else metrics(older.sample, newest.sample, onReading);
    },
    reseed() {
      for (const slot of slots) slot.takenMs = NaN;
    },
    close() {
      for (const slot of slots) nvml.optional('nvmlGpmSampleFree')?.(slot.sample);
      slots.length = 0;
    },
  };
}

function newestOldEnough(slots: readonly Slot[], nowMs: number, maxAgeMs: number): Slot | undefined {
  let best: Slot | undefined;
  for (const slot of slots) {
    const ageMs = nowMs - slot.takenMs;
    // Written so that a slot without a sample (NaN) is none.
    const isFit = ageMs > WINDOW_MS_MIN && ageMs <= maxAgeMs;
    if (isFit && (best === undefined || slot.takenMs > best.takenMs)) best = slot;
  }
  return best;
}

type MetricsCall = (older: NvmlHandle, newer: NvmlHandle, onReading: OnReading) => void;

function createMetricsCall(nvml: Nvml, fields: readonly Field[]): MetricsCall {
  const call = nvml.optional('nvmlGpmMetricsGet');
  const { at, sizeBytes, version } = gpmMetricsGet;
  // Newer drivers have room for more metrics than older ones under the same version; all read only what they are told of.
  const request = Buffer.alloc(sizeBytes);
  const view = new DataView(request.buffer, request.byteOffset, request.byteLength);
  const rows = fields.map((field, index) => ({
    field,
    offset: at.metrics + index * gpmMetric.sizeBytes,
    ...GPM_ROUTES.get(field.id)!,
  }));
  view.setUint32(at.version, version, true);
  view.setUint32(at.numMetrics, fields.length, true);
  for (const { offset, gpmId } of rows) view.setUint32(offset + gpmMetric.at.metricId, gpmId, true);
  return (older, newer, onReading) => {
    view.setBigUint64(at.sample1, older, true);
    view.setBigUint64(at.sample2, newer, true);
    for (const { offset } of rows) view.setUint32(offset + gpmMetric.at.nvmlReturn, nvmlReturn.NO_DATA, true);
    const code = call?.(request) ?? nvmlReturn.FUNCTION_NOT_FOUND;
    for (const { field, offset, divisor } of rows) {
      const own = code === SUCCESS ? view.getUint32(offset + gpmMetric.at.nvmlReturn, true) : code;
      const value = (view.getFloat64(offset + gpmMetric.at.value, true) / divisor) * field.scale;
      onReading(field.id, own === SUCCESS ? value : NaN, own);
    }
  };
}

function allocate(nvml: Nvml): Slot[] {
  const out = new BigUint64Array(1);
  const slots: Slot[] = [];
  for (let n = 0; n < RING_SAMPLES; n += 1) {
    if (nvml.optional('nvmlGpmSampleAlloc')?.(out) !== SUCCESS) break;
    slots.push({ sample: out[0]!, takenMs: NaN });
  }
  return slots;
}

/** An instance is sampled through its GPU, by the number of the GPU instance. */
function captureSample(nvml: Nvml, device: NvmlDevice, sample: NvmlHandle): number {
  const { gpuInstanceId } = device.device;
  const code =
    gpuInstanceId === undefined
      ? nvml.optional('nvmlGpmSampleGet')?.(device.handle, sample)
      : nvml.optional('nvmlGpmMigSampleGet')?.(device.parentHandle, gpuInstanceId, sample);
  return code ?? nvmlReturn.FUNCTION_NOT_FOUND;
}
