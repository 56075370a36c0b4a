import { deviceAttributes, memoryV2, nvmlReturn, pciInfo } from '../../../native/nvml-layout.ts';
import { NEEDS_REINIT, readText } from '../../../native/nvml.ts';
import type { Nvml, NvmlHandle } from '../../../native/nvml.ts';
import { readCString } from '../../../native/dcgm-record.ts';
import { migProfileOf } from '../../core/devices/mig-profile.ts';
import type { SelectableDevice } from '../../core/devices/device-selector.ts';

/** A device as NVML knows it. The handles die with every re-initialisation and, of an instance, with the instance. */
export interface NvmlDevice extends SelectableDevice {
  readonly handle: NvmlHandle;
  /** The GPU that it is or is cut from. */
  readonly parentHandle: NvmlHandle;
}

export interface NvmlInventory {
  /** nvmlReturn_t of counting the GPUs: when it is not 0, nothing is known of them. */
  readonly code: number;
  readonly devices: readonly NvmlDevice[];
  /** GPUs that are there and cannot be had: number and nvmlReturn_t. */
  readonly refused: readonly { readonly index: number; readonly code: number }[];
  readonly driver: string;
}

const MEBIBYTE = 1_048_576;
const SLOW_ANSWER_MS = 1_000;
/** As DCGM numbers instances: a MIG GPU has at most 7, and selectors mean the same with both sources. */
const INSTANCE_IDS_PER_GPU = 8;

/**
 * Every GPU and MIG GPU instance. A GPU that takes its time to tell its UUID is refused with TIMEOUT: it hangs in the
 * driver, and each further question would hang too.
 * @param clockMs a monotonic clock.
 */
export function listNvmlDevices(
  nvml: Nvml,
  node: string,
  clockMs: () => number = () => performance.now(),
): NvmlInventory {
  const count = new Uint32Array(1);
  const code = nvml.deviceGetCount(count);
  const gpus = code === nvmlReturn.NVML_SUCCESS ? count[0]! : 0;
  const driver = readText(80, (buffer) => nvml.systemGetDriverVersion(buffer, 80)) ?? 'unknown';
  const devices: NvmlDevice[] = [];
  const refused: { index: number; code: number }[] = [];
  for (let index = 0; index < gpus; index += 1) {
    const out = new BigUint64Array(1);
    const got = nvml.deviceGetHandleByIndex(index, out);
    const gpu = got === nvmlReturn.NVML_SUCCESS ? gpuOf(nvml, node, index, out[0]!, driver, clockMs) : got;
    if (typeof gpu === 'number') refused.push({ index, code: gpu });
    else devices.push(gpu, ...instancesOf(nvml, gpu));
  }
  return { code, devices, refused, driver };
}

/** The GPU, or the nvmlReturn_t that it has instead of a UUID. */
function gpuOf(
  nvml: Nvml,
  node: string,
  index: number,
  handle: NvmlHandle,
  driver: string,
  clockMs: () => number,
): NvmlDevice | number {
  const askedMs = clockMs();
  let code: number = nvmlReturn.NVML_SUCCESS;
  const uuid = readText(96, (buffer) => (code = nvml.deviceGetUuid(handle, buffer, 96)));
  if (uuid === undefined) return code;
  if (clockMs() - askedMs > SLOW_ANSWER_MS) return nvmlReturn.TIMEOUT;
  const pci = Buffer.alloc(pciInfo.sizeBytes);
  const hasPci = nvml.deviceGetPciInfo(handle, pci) === nvmlReturn.NVML_SUCCESS;
  const minor = new Uint32Array(1);
  const hasMinor = nvml.deviceGetMinorNumber(handle, minor) === nvmlReturn.NVML_SUCCESS;
  return {
    handle,
    parentHandle: handle,
    selectorId: index,
    device: {
      uuid,
      node,
      index,
      model: readText(96, (buffer) => nvml.deviceGetName(handle, buffer, 96)) ?? 'unknown',
      memoryBytes: memoryOf(nvml, handle),
      driver,
      ...(hasMinor ? { minor: minor[0]! } : {}),
      ...(hasPci ? { pciBusId: readCString(pci, pciInfo.at.busId, 32) } : {}),
    },
  };
}

/** One device per GPU instance: its first compute instance lends it the UUID. */
function instancesOf(nvml: Nvml, gpu: NvmlDevice): readonly NvmlDevice[] {
  const handles = migHandles(nvml, gpu.handle) ?? [];
  const byInstance = new Map<number, NvmlDevice>();
  for (const handle of handles) {
    const gpuInstanceId = readId(nvml, 'nvmlDeviceGetGpuInstanceId', handle);
    const uuid = readText(96, (buffer) => nvml.deviceGetUuid(handle, buffer, 96));
    if (gpuInstanceId === undefined || uuid === undefined || byInstance.has(gpuInstanceId)) continue;
    const attributes = Buffer.alloc(deviceAttributes.sizeBytes);
    const hasAttributes =
      nvml.optional('nvmlDeviceGetAttributes_v2')?.(handle, attributes) === nvmlReturn.NVML_SUCCESS;
    const slices = attributes.readUInt32LE(deviceAttributes.at.gpuInstanceSliceCount);
    const memoryBytes = Number(attributes.readBigUInt64LE(deviceAttributes.at.memorySizeMB)) * MEBIBYTE;
    const computeInstanceId = readId(nvml, 'nvmlDeviceGetComputeInstanceId', handle);
    const name = readText(96, (buffer) => nvml.deviceGetName(handle, buffer, 96));
    const gpuMemoryBytes = gpu.device.memoryBytes;
    const isShapeKnown = name?.includes(' MIG ') === true || hasAttributes;
    const profile = isShapeKnown ? migProfileOf({ name, slices, memoryBytes, gpuMemoryBytes }) : undefined;
    byInstance.set(gpuInstanceId, {
      handle,
      parentHandle: gpu.handle,
      selectorId: gpu.selectorId * INSTANCE_IDS_PER_GPU + byInstance.size,
      device: {
        ...gpu.device,
        uuid,
        parentUuid: gpu.device.uuid,
        gpuInstanceId,
        memoryBytes: hasAttributes ? memoryBytes : memoryOf(nvml, handle),
        ...(computeInstanceId === undefined ? {} : { computeInstanceId }),
        ...(profile === undefined ? {} : { migProfile: profile }),
      },
    });
  }
  return [...byInstance.values()];
}

/**
 * How a GPU is cut, as one text to compare; undefined when it does not say. GPU instance ids are used again at once after a
 * change, so they alone do not tell one instance from another.
 */
export function migLayout(nvml: Nvml, gpu: NvmlHandle): string | undefined {
  const handles = migHandles(nvml, gpu);
  if (handles === undefined) return undefined;
  const instances: string[] = [];
  for (const handle of handles) {
    const uuid = readText(96, (buffer) => nvml.deviceGetUuid(handle, buffer, 96));
    if (uuid === undefined) return undefined;
    instances.push(`${readId(nvml, 'nvmlDeviceGetGpuInstanceId', handle) ?? '?'} ${uuid}`);
  }
  return instances.join();
}

/** Handles of all MIG devices of a GPU; none where MIG is off or unknown, undefined when the GPU does not answer. */
function migHandles(nvml: Nvml, gpu: NvmlHandle): readonly NvmlHandle[] | undefined {
  const mode = new Uint32Array(2);
  const code = nvml.optional('nvmlDeviceGetMigMode')?.(gpu, mode.subarray(0, 1), mode.subarray(1));
  if (code !== undefined && NEEDS_REINIT.has(code)) return undefined;
  const most = new Uint32Array(1);
  if (code !== nvmlReturn.NVML_SUCCESS || mode[0] !== 1) return [];
  if (nvml.optional('nvmlDeviceGetMaxMigDeviceCount')?.(gpu, most) !== nvmlReturn.NVML_SUCCESS)
    return undefined;
  const byIndex = nvml.optional('nvmlDeviceGetMigDeviceHandleByIndex');
  const handles: NvmlHandle[] = [];
  for (let slot = 0; slot < most[0]!; slot += 1) {
    const out = new BigUint64Array(1);
    // Holes between the instances are normal.
    if (byIndex?.(gpu, slot, out) === nvmlReturn.NVML_SUCCESS) handles.push(out[0]!);
  }
  return handles;
}

function readId(
  nvml: Nvml,
  symbol: 'nvmlDeviceGetGpuInstanceId' | 'nvmlDeviceGetComputeInstanceId',
  handle: NvmlHandle,
): number | undefined {
  const out = new Uint32Array(1);
  return nvml.optional(symbol)?.(handle, out) === nvmlReturn.NVML_SUCCESS ? out[0]! : undefined;
}

function memoryOf(nvml: Nvml, handle: NvmlHandle): number {
  const info = Buffer.alloc(memoryV2.sizeBytes);
  info.writeUInt32LE(memoryV2.version, memoryV2.at.version);
  const code = nvml.optional('nvmlDeviceGetMemoryInfo_v2')?.(handle, info);
  return code === nvmlReturn.NVML_SUCCESS ? Number(info.readBigUInt64LE(memoryV2.at.total)) : 0;
}
