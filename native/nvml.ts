import koffi from 'koffi';
import { OperatingError } from '../src/core/base/errors.ts';
import { sampleState } from '../src/core/sampling/sample-state.ts';
import type { SampleState } from '../src/core/sampling/sample-state.ts';
import { readCString } from './dcgm-record.ts';
import { nvmlWanted } from './library-places.ts';
import { loadLibrary } from './library.ts';
import type { Library, NativeFunction } from './library.ts';
import { fieldValue, nvmlReturn, nvmlValueType } from './nvml-layout.ts';

/** nvmlDevice_t, an event set, a GPM sample: a pointer of the library's own. */
export type NvmlHandle = bigint;

type Call = NativeFunction<number>;

/**
 * libnvidia-ml, bound. Every function returns nvmlReturn_t. Always the suffixed symbols: the bare ones in the library are
 * the old ABI. A function that this driver does not export is undefined.
 */
export interface Nvml {
  readonly library: Library;
  readonly init: Call;
  readonly shutdown: Call;
  readonly deviceGetCount: Call;
  readonly deviceGetHandleByIndex: Call;
  readonly deviceGetName: Call;
  readonly deviceGetUuid: Call;
  readonly deviceGetPciInfo: Call;
  readonly deviceGetMinorNumber: Call;
  readonly systemGetDriverVersion: Call;
  readonly deviceGetFieldValues: Call;
  /** The others, by symbol: bound when first asked for, undefined where the driver lacks them. */
  optional(symbol: NvmlSymbol): Call | undefined;
}

const OPTIONAL = {
  nvmlDeviceGetMemoryInfo_v2: '(void *device, void *info)',
  nvmlDeviceGetMemoryInfo: '(void *device, void *info)',
  nvmlDeviceGetUtilizationRates: '(void *device, void *rates)',
  nvmlDeviceGetEncoderUtilization: '(void *device, void *percent, void *periodUs)',
  nvmlDeviceGetDecoderUtilization: '(void *device, void *percent, void *periodUs)',
  nvmlDeviceGetClockInfo: '(void *device, uint32_t type, void *megahertz)',
  nvmlDeviceGetMaxClockInfo: '(void *device, uint32_t type, void *megahertz)',
  nvmlDeviceGetApplicationsClock: '(void *device, uint32_t type, void *megahertz)',
  nvmlDeviceGetPerformanceState: '(void *device, void *state)',
  nvmlDeviceGetCurrentClocksEventReasons: '(void *device, void *mask)',
  nvmlDeviceGetCurrentClocksThrottleReasons: '(void *device, void *mask)',
  nvmlDeviceGetTemperatureV: '(void *device, void *temperature)',
  nvmlDeviceGetTemperature: '(void *device, uint32_t sensor, void *celsius)',
  nvmlDeviceGetTemperatureThreshold: '(void *device, uint32_t type, void *celsius)',
  nvmlDeviceGetMarginTemperature: '(void *device, void *margin)',
  nvmlDeviceGetPowerUsage: '(void *device, void *milliwatts)',
  nvmlDeviceGetEnforcedPowerLimit: '(void *device, void *milliwatts)',
  nvmlDeviceGetPowerManagementLimit: '(void *device, void *milliwatts)',
  nvmlDeviceGetPowerManagementDefaultLimit: '(void *device, void *milliwatts)',
  nvmlDeviceGetPowerManagementLimitConstraints: '(void *device, void *least, void *most)',
  nvmlDeviceGetPcieReplayCounter: '(void *device, void *count)',
  nvmlDeviceGetCurrPcieLinkGeneration: '(void *device, void *generation)',
  nvmlDeviceGetCurrPcieLinkWidth: '(void *device, void *lanes)',
  nvmlDeviceGetMaxPcieLinkGeneration: '(void *device, void *generation)',
  nvmlDeviceGetMaxPcieLinkWidth: '(void *device, void *lanes)',
  nvmlDeviceGetBAR1MemoryInfo: '(void *device, void *info)',
  nvmlDeviceGetMemoryErrorCounter:
    '(void *device, uint32_t error, uint32_t counter, uint32_t place, void *count)',
  nvmlDeviceGetBrand: '(void *device, void *brand)',
  nvmlDeviceGetSerial: '(void *device, void *serial, uint32_t length)',
  nvmlDeviceGetVbiosVersion: '(void *device, void *version, uint32_t length)',
  nvmlDeviceGetInforomImageVersion: '(void *device, void *version, uint32_t length)',
  nvmlDeviceGetInforomVersion: '(void *device, uint32_t object, void *version, uint32_t length)',
  nvmlSystemGetNVMLVersion: '(void *version, uint32_t length)',
  nvmlDeviceGetIndex: '(void *device, void *index)',
  nvmlDeviceGetMinorNumber: '(void *device, void *minor)',
  nvmlDeviceGetFanSpeed: '(void *device, void *percent)',
  nvmlDeviceGetComputeMode: '(void *device, void *mode)',
  nvmlDeviceGetPersistenceMode: '(void *device, void *mode)',
  nvmlDeviceGetSamples:
    '(void *device, uint32_t type, uint64_t lastSeenUs, void *valueType, void *count, void *samples)',
  nvmlDeviceGetProcessUtilization: '(void *device, void *samples, void *count, uint64_t lastSeenUs)',
  nvmlDeviceGetComputeRunningProcesses_v3: '(void *device, void *count, void *records)',
  nvmlDeviceGetMPSComputeRunningProcesses_v3: '(void *device, void *count, void *records)',
  nvmlDeviceGetArchitecture: '(void *device, void *architecture)',
  nvmlDeviceGetMigMode: '(void *device, void *current, void *pending)',
  nvmlDeviceGetMaxMigDeviceCount: '(void *device, void *count)',
  nvmlDeviceGetMigDeviceHandleByIndex: '(void *device, uint32_t index, void *instance)',
  nvmlDeviceGetGpuInstanceId: '(void *instance, void *id)',
  nvmlDeviceGetComputeInstanceId: '(void *instance, void *id)',
  nvmlDeviceGetAttributes_v2: '(void *instance, void *attributes)',
  nvmlGpmQueryDeviceSupport: '(void *device, void *support)',
  nvmlGpmSampleAlloc: '(void *sample)',
  nvmlGpmSampleFree: '(void *sample)',
  nvmlGpmSampleGet: '(void *device, void *sample)',
  nvmlGpmMigSampleGet: '(void *device, uint32_t gpuInstanceId, void *sample)',
  nvmlGpmMetricsGet: '(void *metrics)',
  nvmlEventSetCreate: '(void *set)',
  nvmlEventSetFree: '(void *set)',
  nvmlEventSetWait_v2: '(void *set, void *data, uint32_t timeoutMs)',
  nvmlDeviceRegisterEvents: '(void *device, uint64_t types, void *set)',
  nvmlDeviceGetSupportedEventTypes: '(void *device, void *types)',
} as const;

export type NvmlSymbol = keyof typeof OPTIONAL;

/** @throws OperatingError (exit 69) when there is no libnvidia-ml, with every place that was tried. */
export function loadNvml(path?: string, environment: NodeJS.ProcessEnv = process.env): Nvml {
  const library = loadLibrary(nvmlWanted(path, environment));
  const optional = new Map<string, Call | undefined>();
  return {
    library,
    init: library.bind('int nvmlInit_v2()'),
    shutdown: library.bind('int nvmlShutdown()'),
    deviceGetCount: library.bind('int nvmlDeviceGetCount_v2(void *count)'),
    deviceGetHandleByIndex: library.bind('int nvmlDeviceGetHandleByIndex_v2(uint32_t index, void *device)'),
    deviceGetName: library.bind('int nvmlDeviceGetName(void *device, void *name, uint32_t length)'),
    deviceGetUuid: library.bind('int nvmlDeviceGetUUID(void *device, void *uuid, uint32_t length)'),
    deviceGetPciInfo: library.bind('int nvmlDeviceGetPciInfo_v3(void *device, void *info)'),
    deviceGetMinorNumber: library.bind('int nvmlDeviceGetMinorNumber(void *device, void *minor)'),
    systemGetDriverVersion: library.bind('int nvmlSystemGetDriverVersion(void *version, uint32_t length)'),
    deviceGetFieldValues: library.bind('int nvmlDeviceGetFieldValues(void *device, int count, void *values)'),
    optional(symbol) {
      if (!optional.has(symbol))
        optional.set(symbol, library.bindOptional(`int ${symbol}${OPTIONAL[symbol]}`));
      return optional.get(symbol);
    },
  };
}

const CODE_NAMES = new Map<number, string>(Object.entries(nvmlReturn).map(([name, value]) => [value, name]));

/** `NO_PERMISSION (4)` */
export function nvmlCodeText(code: number): string {
  return `${CODE_NAMES.get(code) ?? 'unknown code'} (${code})`;
}

export function nvmlError(call: string, code: number, where: string): OperatingError {
  return new OperatingError(`${call} answered ${nvmlCodeText(code)}`, {
    code: `nvml.${(CODE_NAMES.get(code) ?? String(code)).toLowerCase()}`,
    exit: 'unavailable',
    where,
    hints: CODE_HINTS.get(code) ?? [],
  });
}

const CODE_HINTS: ReadonlyMap<number, readonly string[]> = new Map([
  [
    nvmlReturn.DRIVER_NOT_LOADED,
    ['the NVIDIA kernel driver is not loaded', 'without a GPU: --source synthetic'],
  ],
  [
    nvmlReturn.LIB_RM_VERSION_MISMATCH,
    ['library and kernel driver are of different versions: reload the driver or reboot'],
  ],
  [nvmlReturn.NO_PERMISSION, ['/dev/nvidiactl and /dev/nvidia* must be readable and writable for this user']],
  [
    nvmlReturn.UNKNOWN,
    ['in a container: the device cgroup may have been rewritten; start the container anew'],
  ],
]);

/** Codes after which every handle is stale and the library must be initialised anew. */
export const NEEDS_REINIT: ReadonlySet<number> = new Set([
  nvmlReturn.UNINITIALIZED,
  nvmlReturn.DRIVER_NOT_LOADED,
  nvmlReturn.GPU_IS_LOST,
  nvmlReturn.LIB_RM_VERSION_MISMATCH,
  nvmlReturn.GPU_NOT_FOUND,
]);

/** What a code means for one reading. */
export function stateOfCode(code: number): SampleState {
  switch (code) {
    case nvmlReturn.NVML_SUCCESS:
      return sampleState.value;
    case nvmlReturn.NOT_SUPPORTED:
    case nvmlReturn.FUNCTION_NOT_FOUND:
    case nvmlReturn.INVALID_ARGUMENT:
    case nvmlReturn.ARGUMENT_VERSION_MISMATCH:
      return sampleState.notSupported;
    case nvmlReturn.NO_PERMISSION:
      return sampleState.notPermitted;
    case nvmlReturn.NOT_FOUND:
      return sampleState.notFound;
    case nvmlReturn.NOT_READY:
      return sampleState.missing;
    default:
      return NEEDS_REINIT.has(code) ? sampleState.missing : sampleState.blank;
  }
}

/** Reads a text of the library: `ask` fills the buffer and returns a code. Undefined when it fails. */
export function readText(bytes: number, ask: (buffer: Buffer) => number): string | undefined {
  const buffer = Buffer.alloc(bytes);
  return ask(buffer) === nvmlReturn.NVML_SUCCESS ? readCString(buffer, 0, bytes) : undefined;
}

/** The C string that a pointer of the library's own points to; undefined for NULL. */
export function readForeignText(pointer: bigint): string | undefined {
  if (pointer === 0n) return undefined;
  return koffi.decode(BigUint64Array.of(pointer), 'char *') as string;
}

const AT = fieldValue.at;
const TWO_32 = 0x1_0000_0000;
const MEMORY_TEMPERATURE = 82;

/** The number in the nvmlFieldValue_t at `offset`, by the type that it says it has; NaN for a type that nobody knows. */
export function readFieldValue(view: DataView, offset: number): number {
  const type = view.getUint32(offset + AT.valueType, true);
  const at = offset + AT.value;
  // R545 calls the memory temperature a double while the integer holds the number.
  if (view.getUint32(offset + AT.fieldId, true) === MEMORY_TEMPERATURE) return view.getUint32(at, true);
  switch (type) {
    case nvmlValueType.DOUBLE:
      return view.getFloat64(at, true);
    case nvmlValueType.UNSIGNED_INT:
      return view.getUint32(at, true);
    case nvmlValueType.UNSIGNED_LONG:
    case nvmlValueType.UNSIGNED_LONG_LONG:
      return view.getUint32(at + 4, true) * TWO_32 + view.getUint32(at, true);
    case nvmlValueType.SIGNED_LONG_LONG:
      return view.getInt32(at + 4, true) * TWO_32 + view.getUint32(at, true);
    case nvmlValueType.SIGNED_INT:
      return view.getInt32(at, true);
    case nvmlValueType.UNSIGNED_SHORT:
      return view.getUint16(at, true);
    default:
      return NaN;
  }
}
