import { workerData } from 'node:worker_threads';
import { eventData, nvmlEventType, nvmlReturn } from '../../../native/nvml-layout.ts';
import { loadNvml, nvmlCodeText } from '../../../native/nvml.ts';
import type { Nvml, NvmlHandle } from '../../../native/nvml.ts';
import { messageOf } from '../../core/base/errors.ts';
import { openKernelLog } from './kernel-log.ts';
import type { KernelLog } from './kernel-log.ts';
import { listNvmlDevices } from './devices.ts';
import { STATE_WORD, wanted, WANTED_WORD, workerState } from './event-protocol.ts';
import type { NvmlEventNews, NvmlEventOrders } from './event-protocol.ts';

/** How long one wait lasts, at most: so soon does an order take effect. */
const WAIT_MS = 250;
/** After a failure, such as a GPU that fell off the bus. */
const AGAIN_MS = 5_000;
const NO_INSTANCE = 0xffff_ffff;
const SUCCESS: number = nvmlReturn.NVML_SUCCESS;
/** Corrected ECC errors are not among them: they can come by the thousand, and their counters are read anyway. */
const WANTED_TYPES =
  nvmlEventType.TypeXidCriticalError |
  nvmlEventType.TypeDoubleBitEccError |
  nvmlEventType.TypeSingleBitEccErrorStorm |
  nvmlEventType.TypeDramRetirementEvent |
  nvmlEventType.TypeDramRetirementFailure |
  nvmlEventType.TypeNonFatalPoisonError |
  nvmlEventType.TypeFatalPoisonError |
  nvmlEventType.TypeGpuUnavailableError |
  nvmlEventType.TypeGpuRecoveryAction |
  nvmlEventType.MigConfigChange;

/** A GPU that falls off the bus or whose firmware hangs can tell NVML nothing any more: these stand in the kernel's log. */
const KERNEL_ONLY_XIDS: ReadonlySet<number> = new Set([79, 119, 120]);
/** Should a driver deliver one of them after all, it is the same one. */
const SAME_WITHIN_MS = 10_000;
/** A stamp that is further back than this is of a clock that was set back. */
const STAMP_AHEAD_US_MAX = 1_000_000;

const orders = workerData as NvmlEventOrders;
const control = new Int32Array(orders.control);
let lastUs = 0;
/** By PCI address: UUIDs of the GPUs, also of those that are lost by now. */
const gpuAt = new Map<string, string>();
/** By UUID and number: when one of `KERNEL_ONLY_XIDS` was told last, by the monotonic clock. */
const toldMs = new Map<string, number>();

const order = (): number => Atomics.load(control, WANTED_WORD);
const setState = (state: number): void => {
  Atomics.store(control, STATE_WORD, state);
  Atomics.notify(control, STATE_WORD);
};
const tell = (news: NvmlEventNews): void => {
  orders.port.postMessage(news);
};
/** Two events of one microsecond are two events. */
const nowUs = (): number => {
  const wallUs = Date.now() * 1000;
  lastUs = lastUs - wallUs > STAMP_AHEAD_US_MAX ? wallUs : Math.max(wallUs, lastUs + 1);
  return lastUs;
};

function main(): void {
  const nvml = loadNvml(orders.library);
  const log = openLog();
  let isTold = false;
  while (order() !== wanted.end) {
    if (order() === wanted.letGo) {
      setState(workerState.free);
      Atomics.wait(control, WANTED_WORD, wanted.letGo);
      continue;
    }
    setState(workerState.busy);
    const set = register(nvml);
    if (typeof set === 'string') {
      // Said once: with vGPU or under WSL there are no events, ever.
      if (!isTold) tell({ type: 'unwatched', tsUs: nowUs(), reason: set });
      isTold = true;
    } else {
      if (isTold) tell({ type: 'watched' });
      isTold = false;
      waitForEvents(nvml, set, log);
      nvml.optional('nvmlEventSetFree')?.(set.handle);
    }
    readLog(log);
    // An order to let go or to end takes effect at once; anything else was a failure.
    Atomics.wait(control, WANTED_WORD, wanted.wait, AGAIN_MS);
  }
}

function openLog(): KernelLog | undefined {
  try {
    return openKernelLog(orders.kernelLog);
  } catch (thrown) {
    tell({
      type: 'no_kernel_log',
      tsUs: nowUs(),
      reason: `${messageOf(thrown)}; it takes root or CAP_SYSLOG`,
    });
    return undefined;
  }
}

function readLog(log: KernelLog | undefined): void {
  for (const { code, pciBusId } of log?.takeXids() ?? []) {
    const gpu = gpuAt.get(pciBusId);
    if (gpu !== undefined && KERNEL_ONLY_XIDS.has(code)) tellXid({ gpu, data: code });
  }
}

function tellXid(xid: { gpu: string; data: number; gpuInstanceId?: number }): void {
  if (KERNEL_ONLY_XIDS.has(xid.data)) {
    const key = `${xid.gpu} ${xid.data}`;
    const nowMs = performance.now();
    const isSame = nowMs - (toldMs.get(key) ?? -Infinity) < SAME_WITHIN_MS;
    toldMs.set(key, nowMs);
    if (isSame) return;
  }
  tell({ type: 'event', tsUs: nowUs(), eventType: nvmlEventType.TypeXidCriticalError, ...xid });
}

interface EventSet {
  readonly handle: NvmlHandle;
  readonly uuids: ReadonlyMap<NvmlHandle, string>;
}

/** @returns the set, or why there is none. */
function register(nvml: Nvml): EventSet | string {
  const create = nvml.optional('nvmlEventSetCreate');
  const registerEvents = nvml.optional('nvmlDeviceRegisterEvents');
  const supported = nvml.optional('nvmlDeviceGetSupportedEventTypes');
  const out = new BigUint64Array(1);
  if (create?.(out) !== SUCCESS || registerEvents === undefined) return 'this driver has no event sets';
  const handle = out[0]!;
  const uuids = new Map<NvmlHandle, string>();
  const inventory = listNvmlDevices(nvml, '');
  let code = inventory.code;
  for (const { device, handle: gpu } of inventory.devices) {
    if (device.parentUuid !== undefined) continue;
    if (device.pciBusId !== undefined) gpuAt.set(device.pciBusId, device.uuid);
    const types = new BigUint64Array(1);
    const mask =
      supported?.(gpu, types) === SUCCESS ? types[0]! & BigInt(WANTED_TYPES) : BigInt(WANTED_TYPES);
    const own = registerEvents(gpu, mask, handle);
    if (own === SUCCESS) uuids.set(gpu, device.uuid);
    else code = own;
    // After this code the set is not to be used again.
    if (own === nvmlReturn.UNKNOWN) break;
  }
  if (uuids.size > 0 && code !== nvmlReturn.UNKNOWN) return { handle, uuids };
  nvml.optional('nvmlEventSetFree')?.(handle);
  return `nvmlDeviceRegisterEvents answered ${nvmlCodeText(code)}`;
}

/** Until an order comes or the library fails. */
function waitForEvents(nvml: Nvml, set: EventSet, log: KernelLog | undefined): void {
  const wait = nvml.optional('nvmlEventSetWait_v2');
  const data = Buffer.alloc(eventData.sizeBytes);
  const { at } = eventData;
  while (order() === wanted.wait && wait !== undefined) {
    const code = wait(set.handle, data, WAIT_MS);
    readLog(log);
    if (code === nvmlReturn.TIMEOUT) continue;
    if (code !== SUCCESS) return;
    const gpuInstanceId = data.readUInt32LE(at.gpuInstanceId);
    const event = {
      gpu: set.uuids.get(data.readBigUInt64LE(at.device)) ?? '',
      data: Number(data.readBigUInt64LE(at.eventData)),
      ...(gpuInstanceId === NO_INSTANCE ? {} : { gpuInstanceId }),
    };
    const eventType = Number(data.readBigUInt64LE(at.eventType));
    if (eventType === nvmlEventType.TypeXidCriticalError) tellXid(event);
    else tell({ type: 'event', tsUs: nowUs(), eventType, ...event });
  }
}

try {
  main();
} catch (thrown) {
  tell({ type: 'unwatched', tsUs: nowUs(), reason: messageOf(thrown) });
} finally {
  setState(workerState.ended);
}
