import { OperatingError } from '../src/core/base/errors.ts';
import { readCString } from './dcgm-record.ts';
import { createSinceReader } from './dcgm-since.ts';
import type { SinceReader } from './dcgm-since.ts';
import { connectV2ParamsV2, dcgmStatus, startEmbeddedV2ParamsV2, versionInfoV2 } from './dcgm-layout.ts';
import { dcgmWanted } from './library-places.ts';
import { loadLibrary } from './library.ts';
import type { Library, NativeFunction } from './library.ts';

/** dcgmHandle_t: the embedded engine or a connection. Pointer-sized, so a bigint: group ids may pass 2^53 too. */
export type DcgmHandle = bigint;

export interface DcgmVersion {
  readonly major: number;
  readonly minor: number;
  /** `4.6.0` */
  readonly text: string;
}

interface Opened {
  /** dcgmReturn_t; the handle is only good when this is 0. */
  readonly status: number;
  readonly handle: DcgmHandle;
}

export interface EngineEndpoint {
  /** `host[:port]`, `[v6]:port`, or the bare path of a unix socket. */
  readonly address: string;
  readonly isUnixSocket: boolean;
}

/**
 * libdcgm, bound. Every function returns dcgmReturn_t (0, or one of `dcgmStatus`) and never throws for what the engine
 * says; buffers are laid out by `dcgm-layout.ts`. All of them may block: call them from a thread that may.
 */
export interface Dcgm {
  readonly library: Library;
  readonly version: DcgmVersion;
  startEmbedded(isManual: boolean): Opened;
  stopEmbedded(handle: DcgmHandle): number;
  /** Connects and asks one cheap question: a connect that says 0 may still have left a dead handle. */
  connect(endpoint: EngineEndpoint, options: { timeoutMs: number; isPersistent: boolean }): Opened;
  disconnect(handle: DcgmHandle): number;
  shutdown(): number;
  /** Version of the engine behind a handle, or undefined when it does not answer. */
  engineVersion(handle: DcgmHandle): DcgmVersion | undefined;
  readonly call: DcgmCalls;
  /** dcgmGetValuesSince_v2 with its callback. */
  readonly since: SinceReader;
}

type Call = NativeFunction<number>;

interface DcgmCalls {
  readonly getAllSupportedDevices: Call;
  readonly getDeviceAttributes: Call;
  readonly getGpuInstanceHierarchy: Call;
  readonly groupCreate: Call;
  readonly groupAddEntity: Call;
  readonly groupDestroy: Call;
  readonly groupGetAllIds: Call;
  readonly groupGetInfo: Call;
  readonly fieldGroupCreate: Call;
  readonly fieldGroupDestroy: Call;
  readonly fieldGroupGetAll: Call;
  readonly watchFields: Call;
  readonly unwatchFields: Call;
  readonly updateAllFields: Call;
  readonly entitiesGetLatestValues: Call;
  readonly getMultipleValuesForField: Call;
  readonly profPause: Call;
  readonly profResume: Call;
  readonly healthSet: Call | undefined;
  readonly healthCheck: Call | undefined;
}

/** @throws OperatingError (exit 69) when there is no libdcgm, with every place that was tried. */
export function loadDcgm(path?: string, environment: NodeJS.ProcessEnv = process.env): Dcgm {
  const library = loadLibrary(dcgmWanted(path, environment));
  const status = library.bind('int dcgmInit()')();
  if (status !== dcgmStatus.OK) throw dcgmError('dcgmInit', status, library.path);
  const versionInfo = library.bind('int dcgmVersionInfo(void *info)');
  const version = readVersion((info) => versionInfo(info));
  if (version === undefined) throw dcgmError('dcgmVersionInfo', dcgmStatus.VER_MISMATCH, library.path);
  return bindDcgm(library, version);
}

function bindDcgm(library: Library, version: DcgmVersion): Dcgm {
  const startEmbedded = library.bind('int dcgmStartEmbedded_v2(void *params)');
  const stopEmbedded = library.bind('int dcgmStopEmbedded(uintptr_t handle)');
  const connect = library.bind('int dcgmConnect_v2(const char *address, void *params, void *handle)');
  const disconnect = library.bind('int dcgmDisconnect(uintptr_t handle)');
  const engineInfo = library.bind('int dcgmHostengineVersionInfo(uintptr_t handle, void *info)');
  const shutdown = library.bind('int dcgmShutdown()');
  const engineVersion = (handle: DcgmHandle): DcgmVersion | undefined =>
    readVersion((info) => engineInfo(handle, info));
  return {
    library,
    version,
    engineVersion,
    startEmbedded(isManual) {
      const params = Buffer.alloc(startEmbeddedV2ParamsV2.sizeBytes);
      const at = startEmbeddedV2ParamsV2.at;
      params.writeUInt32LE(startEmbeddedV2ParamsV2.version, at.version);
      params.writeUInt32LE(isManual ? 2 : 1, at.opMode);
      params.writeInt32LE(-1, at.severity);
      const status = startEmbedded(params);
      const handle = params.readBigUInt64LE(at.dcgmHandle);
      // An engine that already runs in this process answers 0 and leaves the handle 0.
      return { status: status === 0 && handle === 0n ? dcgmStatus.ALREADY_INITIALIZED : status, handle };
    },
    stopEmbedded: (handle) => stopEmbedded(handle),
    connect(endpoint, options) {
      const params = Buffer.alloc(connectV2ParamsV2.sizeBytes);
      const at = connectV2ParamsV2.at;
      params.writeUInt32LE(connectV2ParamsV2.version, at.version);
      params.writeUInt32LE(options.isPersistent ? 1 : 0, at.persistAfterDisconnect);
      params.writeUInt32LE(options.timeoutMs, at.timeoutMs);
      params.writeUInt32LE(endpoint.isUnixSocket ? 1 : 0, at.addressIsUnixSocket);
      const out = new BigUint64Array(1);
      const status = connect(endpoint.address, params, out);
      const handle = out[0]!;
      if (status !== dcgmStatus.OK) return { status, handle };
      if (engineVersion(handle) !== undefined) return { status, handle };
      disconnect(handle);
      return { status: dcgmStatus.CONNECTION_NOT_VALID, handle };
    },
    disconnect: (handle) => disconnect(handle),
    shutdown: () => shutdown(),
    call: bindCalls(library),
    since: createSinceReader(library),
  };
}

function bindCalls(library: Library): DcgmCalls {
  const h = 'uintptr_t handle';
  return {
    getAllSupportedDevices: library.bind(`int dcgmGetAllSupportedDevices(${h}, void *ids, void *count)`),
    getDeviceAttributes: library.bind(`int dcgmGetDeviceAttributes(${h}, uint32_t gpu, void *attributes)`),
    getGpuInstanceHierarchy: library.bind(`int dcgmGetGpuInstanceHierarchy(${h}, void *hierarchy)`),
    groupCreate: library.bind(`int dcgmGroupCreate(${h}, int type, const char *name, void *group)`),
    groupAddEntity: library.bind(
      `int dcgmGroupAddEntity(${h}, uintptr_t group, uint32_t entityGroup, uint32_t entityId)`,
    ),
    groupDestroy: library.bind(`int dcgmGroupDestroy(${h}, uintptr_t group)`),
    groupGetAllIds: library.bind(`int dcgmGroupGetAllIds(${h}, void *ids, void *count)`),
    groupGetInfo: library.bind(`int dcgmGroupGetInfo(${h}, uintptr_t group, void *info)`),
    fieldGroupCreate: library.bind(
      `int dcgmFieldGroupCreate(${h}, int count, void *ids, const char *name, void *fieldGroup)`,
    ),
    fieldGroupDestroy: library.bind(`int dcgmFieldGroupDestroy(${h}, uintptr_t fieldGroup)`),
    fieldGroupGetAll: library.bind(`int dcgmFieldGroupGetAll(${h}, void *all)`),
    watchFields: library.bind(
      `int dcgmWatchFields(${h}, uintptr_t group, uintptr_t fieldGroup, int64_t updateUs, double keepS, int keepSamples)`,
    ),
    unwatchFields: library.bind(`int dcgmUnwatchFields(${h}, uintptr_t group, uintptr_t fieldGroup)`),
    updateAllFields: library.bind(`int dcgmUpdateAllFields(${h}, int wait)`),
    entitiesGetLatestValues: library.bind(
      `int dcgmEntitiesGetLatestValues(${h}, void *pairs, uint32_t entityCount, void *fields, uint32_t fieldCount, uint32_t flags, void *values)`,
    ),
    getMultipleValuesForField: library.bind(
      `int dcgmGetMultipleValuesForField(${h}, int gpu, uint16_t field, void *count, int64_t startUs, int64_t endUs, int order, void *values)`,
    ),
    profPause: library.bind(`int dcgmProfPause(${h})`),
    profResume: library.bind(`int dcgmProfResume(${h})`),
    healthSet: library.bindOptional(`int dcgmHealthSet_v2(${h}, void *params)`),
    healthCheck: library.bindOptional(`int dcgmHealthCheck(${h}, uintptr_t group, void *response)`),
  };
}

/** `version:4.6.0;arch:x86_64;…` */
function readVersion(ask: (info: Buffer) => number): DcgmVersion | undefined {
  const info = Buffer.alloc(versionInfoV2.sizeBytes);
  info.writeUInt32LE(versionInfoV2.version, versionInfoV2.at.version);
  if (ask(info) !== dcgmStatus.OK) return undefined;
  const text = readCString(info, versionInfoV2.at.rawBuildInfoString, 512);
  const match = /(?:^|;)version:((\d+)\.(\d+)[^;]*)/.exec(text);
  if (match === null) return { major: 0, minor: 0, text };
  return { major: Number(match[2]), minor: Number(match[3]), text: match[1] ?? '' };
}

const STATUS_NAMES = new Map<number, string>(
  Object.entries(dcgmStatus).map(([name, value]) => [value, name]),
);

/** `CONNECTION_NOT_VALID (-21)` */
export function dcgmStatusText(status: number): string {
  return `${STATUS_NAMES.get(status) ?? 'unknown status'} (${status})`;
}

/** What the engine refused, as an error for people. Statuses that pass by themselves end in exit 75. */
export function dcgmError(
  call: string,
  status: number,
  where: string,
  hints: readonly string[] = [],
): OperatingError {
  const isTemporary = TEMPORARY.has(status);
  return new OperatingError(`${call} answered ${dcgmStatusText(status)}`, {
    code: `dcgm.${(STATUS_NAMES.get(status) ?? String(status)).toLowerCase()}`,
    exit: isTemporary ? 'temporary' : 'unavailable',
    where,
    hints: [...hints, ...(STATUS_HINTS.get(status) ?? [])],
  });
}

const TEMPORARY: ReadonlySet<number> = new Set([
  dcgmStatus.TIMEOUT,
  dcgmStatus.CONNECTION_NOT_VALID,
  dcgmStatus.IN_USE,
  dcgmStatus.PAUSED,
]);

const STATUS_HINTS: ReadonlyMap<number, readonly string[]> = new Map([
  [dcgmStatus.CONNECTION_NOT_VALID, ['is nv-hostengine running there, and reachable?']],
  [
    dcgmStatus.TIMEOUT,
    ['the engine accepts requests but does not answer them: is it stopped or stuck in a driver call?'],
  ],
  [dcgmStatus.NVML_NOT_LOADED, ['the engine found no NVIDIA driver']],
  [dcgmStatus.LIBRARY_NOT_FOUND, ['the engine found no NVIDIA driver']],
  [dcgmStatus.ALREADY_INITIALIZED, ['an embedded engine runs in this process already']],
]);
