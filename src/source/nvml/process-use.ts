import { nvmlReturn, processInfo, processUtilizationSample } from '../../../native/nvml-layout.ts';
import { loadNvml, nvmlCodeText, nvmlError } from '../../../native/nvml.ts';
import type { Nvml, NvmlHandle } from '../../../native/nvml.ts';
import { listNvmlDevices } from './devices.ts';

/** What one process did on one device. */
export interface ProcessUse {
  /** As the host numbers it. */
  readonly pid: number;
  /** Part of the SMs' time since the read before, in [0, 1]; NaN where the driver does not tell. */
  readonly smRatio: number;
  /** NaN where the driver does not tell. */
  readonly memoryBytes: number;
  readonly isMpsClient: boolean;
  /** Whether it has a context on the device now; one that has none any more may have worked since the read before. */
  readonly isRunning: boolean;
}

export interface DeviceUse<Process = ProcessUse> {
  /** Device UUID. */
  readonly gpu: string;
  /** Since the read before, ms; NaN where there was none, or too long ago: this read then only begins. */
  readonly elapsedMs: number;
  readonly isSmKnown: boolean;
  readonly isMemoryKnown: boolean;
  readonly processes: readonly Process[];
  /** What was refused and why, for people. */
  readonly refusals: readonly string[];
}

export interface ProcessReader {
  /**
   * What the processes on these devices (UUIDs) have done since the read before.
   * @throws OperatingError `nvml.…` when the library cannot be started
   */
  read(gpus: readonly string[]): readonly DeviceUse[];
}

const SUCCESS: number = nvmlReturn.NVML_SUCCESS;
const TOO_SMALL: number = nvmlReturn.INSUFFICIENT_SIZE;
/** The driver keeps some ten seconds: of what lies further back than a few reads, nothing is known. */
const ELAPSED_MS_MAX = 25_000;
/** More processes start while we ask; the buffer grows so often. */
const TRIES_MAX = 5;
const ENTRIES_MAX = 65_536;
/** Linux has none above. */
const PID_MAX = 4_194_304;
const PERCENT = 0.01;
const PERCENT_MAX = 100;

/**
 * The library is started for each read and let go again: it counts its users, and one that held it all the time would keep the
 * source from starting it anew after a driver reload.
 * @param library file or directory of libnvidia-ml; absent: the environment, the known directories, the loader
 * @throws OperatingError `library.…` (exit 69) without libnvidia-ml
 */
export function openProcessReader(
  library?: string,
  clockMs: () => number = () => performance.now(),
): ProcessReader {
  const nvml = loadNvml(library);
  const last = new Map<string, LastRead>();

  function readDevice(gpu: string, handle: NvmlHandle | undefined): DeviceUse {
    if (handle === undefined) {
      last.delete(gpu);
      return { ...NOTHING_KNOWN, gpu, refusals: [`NVML has no device ${gpu}`] };
    }
    const nowMs = clockMs();
    const { readMs, newestUs } = last.get(gpu) ?? { readMs: -Infinity, newestUs: 0n };
    const sm = readUtilisation(nvml, handle, newestUs);
    const compute = readProcesses(nvml, 'nvmlDeviceGetComputeRunningProcesses_v3', handle);
    const clients = readProcesses(nvml, 'nvmlDeviceGetMPSComputeRunningProcesses_v3', handle);
    last.set(gpu, { readMs: nowMs, newestUs: sm.newestUs });
    const elapsedMs = nowMs - readMs;
    return {
      gpu,
      elapsedMs: elapsedMs > 0 && elapsedMs <= ELAPSED_MS_MAX ? elapsedMs : NaN,
      isSmKnown: sm.refusal === undefined,
      // Without MPS there is no list of its clients, and nothing is missing.
      isMemoryKnown: compute.refusal === undefined,
      processes: joined(sm, compute.bytes, clients.bytes),
      refusals: [sm.refusal, compute.refusal].filter((text) => text !== undefined),
    };
  }

  return {
    read(gpus) {
      const code = nvml.init();
      if (code !== SUCCESS) throw nvmlError('nvmlInit_v2', code, nvml.library.path);
      try {
        const { devices } = listNvmlDevices(nvml, '', clockMs);
        const handles = new Map(devices.map(({ device, handle }) => [device.uuid, handle]));
        return gpus.map((gpu) => readDevice(gpu, handles.get(gpu)));
      } finally {
        nvml.shutdown();
      }
    },
  };
}

interface LastRead {
  readonly readMs: number;
  /** Newest stamp, by the driver's own clock. */
  readonly newestUs: bigint;
}

const NOTHING_KNOWN = { elapsedMs: NaN, isSmKnown: false, isMemoryKnown: false, processes: [] } as const;

interface Utilisation {
  readonly ratios: ReadonlyMap<number, number>;
  readonly newestUs: bigint;
  readonly refusal?: string;
}

function joined(
  { ratios, refusal }: Utilisation,
  compute: ReadonlyMap<number, number>,
  clients: ReadonlyMap<number, number>,
): ProcessUse[] {
  const pids = new Set([...compute.keys(), ...clients.keys(), ...ratios.keys()]);
  return [...pids].map((pid) => ({
    pid,
    // Who did nothing is not among the samples.
    smRatio: refusal === undefined ? (ratios.get(pid) ?? 0) : NaN,
    // A client may stand in both lists, with the same memory.
    memoryBytes: largest(compute.get(pid), clients.get(pid)) ?? 0,
    isMpsClient: clients.has(pid),
    isRunning: compute.has(pid) || clients.has(pid),
  }));
}

function largest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
}

/** SM use by process: the mean of the samples that are newer than `sinceUs`. */
function readUtilisation(nvml: Nvml, handle: NvmlHandle, sinceUs: bigint): Utilisation {
  const symbol = 'nvmlDeviceGetProcessUtilization';
  const call = nvml.optional(symbol);
  const count = new Uint32Array(1);
  let samples: Buffer | null = null;
  let code: number = nvmlReturn.FUNCTION_NOT_FOUND;
  for (let attempt = 0; attempt < TRIES_MAX && call !== undefined; attempt += 1) {
    code = call(handle, samples, count, sinceUs);
    if (code !== TOO_SMALL) break;
    const entries = roomFor(count[0]!, attempt);
    samples = Buffer.alloc(entries * processUtilizationSample.sizeBytes);
    count[0] = entries;
  }
  // Nobody did anything.
  if (code === nvmlReturn.NOT_FOUND || (code === SUCCESS && samples === null))
    return { ratios: new Map(), newestUs: sinceUs };
  if (code !== SUCCESS || samples === null)
    return { ratios: new Map(), newestUs: sinceUs, refusal: `${symbol} answered ${nvmlCodeText(code)}` };
  return meansOf(samples, count[0]!, sinceUs);
}

/** Of dead processes and of old times there are samples too, and values beyond 100. */
function meansOf(samples: Buffer, count: number, sinceUs: bigint): Utilisation {
  const { sizeBytes, at } = processUtilizationSample;
  const sums = new Map<number, { percent: number; taken: number }>();
  let newestUs = sinceUs;
  for (
    let offset = 0;
    offset + sizeBytes <= Math.min(samples.length, count * sizeBytes);
    offset += sizeBytes
  ) {
    const pid = samples.readUInt32LE(offset + at.pid);
    const tsUs = samples.readBigUInt64LE(offset + at.timeStamp);
    const percent = samples.readUInt32LE(offset + at.smUtil);
    if (tsUs <= sinceUs || percent > PERCENT_MAX || !isPid(pid)) continue;
    const sum = sums.get(pid) ?? { percent: 0, taken: 0 };
    sums.set(pid, { percent: sum.percent + percent, taken: sum.taken + 1 });
    if (tsUs > newestUs) newestUs = tsUs;
  }
  const ratios = new Map([...sums].map(([pid, { percent, taken }]) => [pid, (percent / taken) * PERCENT]));
  return { ratios, newestUs };
}

function isPid(pid: number): boolean {
  return pid > 0 && pid <= PID_MAX;
}

function roomFor(entries: number, attempt: number): number {
  return Math.min(ENTRIES_MAX, (2 * entries + 5) << attempt);
}

interface RunningProcesses {
  /** By pid; NaN where the driver does not tell. */
  readonly bytes: ReadonlyMap<number, number>;
  readonly refusal?: string;
}

/** Drivers write records of 16, 24 and 32 bytes under one name: there must be room for the longest of any. */
const RECORD_BYTES_MAX = 40;
/** What no record ends in: ids and sizes are small, or all ones. */
const UNWRITTEN = 0xa5;
const MEMORY_UNKNOWN = 0xffff_ffff_ffff_ffffn;

function readProcesses(
  nvml: Nvml,
  symbol: 'nvmlDeviceGetComputeRunningProcesses_v3' | 'nvmlDeviceGetMPSComputeRunningProcesses_v3',
  handle: NvmlHandle,
): RunningProcesses {
  const call = nvml.optional(symbol);
  const count = new Uint32Array(1);
  let records: Buffer | null = null;
  let code: number = nvmlReturn.FUNCTION_NOT_FOUND;
  for (let attempt = 0; attempt < TRIES_MAX && call !== undefined; attempt += 1) {
    code = call(handle, count, records);
    if (code !== TOO_SMALL) break;
    const entries = roomFor(count[0]!, attempt);
    records = Buffer.alloc(entries * RECORD_BYTES_MAX, UNWRITTEN);
    count[0] = entries;
  }
  if (code !== SUCCESS) return { bytes: new Map(), refusal: `${symbol} answered ${nvmlCodeText(code)}` };
  return records === null || count[0] === 0 ? { bytes: new Map() } : recordsOf(records, count[0]!, symbol);
}

function recordsOf(records: Buffer, count: number, symbol: string): RunningProcesses {
  let writtenBytes = records.length;
  while (writtenBytes > 0 && records[writtenBytes - 1] === UNWRITTEN) writtenBytes -= 1;
  const recordBytes = writtenBytes / count;
  if (![16, 24, 32, RECORD_BYTES_MAX].includes(recordBytes)) {
    const refusal = `${symbol} wrote ${writtenBytes} bytes for ${count} processes, which no known record fits`;
    return { bytes: new Map(), refusal };
  }
  const bytes = new Map<number, number>();
  for (let offset = 0; offset < writtenBytes; offset += recordBytes) {
    const pid = records.readUInt32LE(offset + processInfo.at.pid);
    const memory = records.readBigUInt64LE(offset + processInfo.at.usedGpuMemory);
    if (isPid(pid)) bytes.set(pid, memory === MEMORY_UNKNOWN ? NaN : Number(memory));
  }
  return { bytes };
}
