import type { Tell } from '../core/base/notice.ts';
import type { Device } from '../core/devices/device.ts';
import type { JobRecord } from '../core/jobs/job-fact.ts';
import type { UserKind } from '../core/jobs/measured-use.ts';
import type { Ownership } from '../core/jobs/ownership.ts';
import type { SharedUseRow } from '../questdb/rows/small-tables.ts';
import type { DeviceUse } from '../source/nvml/process-use.ts';
import type { MarkedProcess, ProcessUseThread } from '../source/nvml/process-use-thread.ts';
import { createJobNames } from './job-names.ts';

/**
 * What the owners of a device do with it while it has several whose shares nobody told: sums by job, for `gpu_shared_use`.
 * While there is no such device, nothing is read and no thread is started.
 */
export interface SharedUse {
  /** Reads once. To be called every ten seconds or so. @throws what a defect of the reading thread throws */
  look(): Promise<void>;
  /** Takes note of what the jobs are called. */
  readonly noteRecords: (records: readonly JobRecord[]) => void;
  /** Puts the sums of windows that are not over yet on their way too. */
  finish(): void;
}

export interface SharedUseOptions {
  readonly ownership: Pick<Ownership, 'ownersAt'>;
  readonly devices: readonly Device[];
  readonly nowUs: () => number;
  readonly processUse: Pick<ProcessUseThread, 'read'>;
  readonly onRows: (rows: readonly SharedUseRow[]) => void;
  readonly tell: Tell;
}

/** Sums are put on their way so often, so that a kill costs no more. */
const NOTE_EVERY_US = 60e6;
/** Sums of so long can still be cut by a late fact with little error. */
const WINDOW_US_MAX = 3600e6;
/** A window's end may differ so much from its beginning plus the time that went by, before the clock was set. */
const CLOCK_STEP_US_MAX = 1e6;

/** Everything that was seen on one device while its owners were the same. */
interface Window {
  readonly device: Device;
  readonly owners: readonly string[];
  readonly fromUs: number;
  toUs: number;
  seenUs: number;
  notedUs: number;
  isNoted: boolean;
  readonly users: Map<string, Sums>;
}

interface Sums {
  readonly kind: UserKind;
  readonly jobId?: string;
  smUseSeconds: number;
  memoryByteSeconds: number;
  /** Most of them at once. */
  processes: number;
}

export function createSharedUse(options: SharedUseOptions): SharedUse {
  const { ownership, devices, nowUs, onRows, tell } = options;
  const byGpu = new Map(devices.map((device) => [device.uuid, device]));
  const windows = new Map<string, Window>();
  const names = createJobNames();
  /** By subject: what was told last. */
  const told = new Map<string, string>();
  let isOff = false;

  function tellOnce(subject: string, reason: string | undefined): void {
    if (reason === undefined) told.delete(subject);
    if (reason === undefined || told.get(subject) === reason) return;
    told.set(subject, reason);
    const sentence = `the use of a shared GPU is not measured, its owners are taken to have equal parts: ${reason}`;
    const device = byGpu.has(subject) ? { device: subject } : {};
    tell({ level: 'info', code: 'shared_use.unmeasured', sentence, ...device });
  }

  /** The owners of a device that is to be measured; none where fewer than two have an unknown share. */
  function sharersOf(gpu: string, atUs: number): readonly string[] {
    const owners = ownership.ownersAt(gpu, atUs);
    const untold = new Set(owners.filter(({ share }) => Number.isNaN(share)).map(({ jobId }) => jobId));
    return untold.size < 2 ? [] : [...new Set(owners.map(({ jobId }) => jobId))].sort();
  }

  function close(gpu: string): void {
    const window = windows.get(gpu);
    if (window === undefined) return;
    windows.delete(gpu);
    if (!window.isNoted) onRows(rowsOf(window));
  }

  /** The window that a read belongs to. */
  function windowOf(gpu: string, owners: readonly string[], elapsedUs: number, atUs: number): Window {
    const open = windows.get(gpu);
    const isSame =
      open !== undefined &&
      open.owners.join('\n') === owners.join('\n') &&
      Math.abs(atUs - open.toUs - elapsedUs) <= CLOCK_STEP_US_MAX &&
      atUs - open.fromUs <= WINDOW_US_MAX;
    if (isSame) return open;
    close(gpu);
    const fromUs = Math.round(atUs - elapsedUs);
    const users = new Map(
      owners.map((jobId): [string, Sums] => [
        `job ${jobId}`,
        { kind: 'job', jobId, smUseSeconds: 0, memoryByteSeconds: 0, processes: 0 },
      ]),
    );
    const window: Window = {
      device: byGpu.get(gpu)!,
      owners,
      fromUs,
      toUs: fromUs,
      seenUs: 0,
      notedUs: fromUs,
      isNoted: true,
      users,
    };
    windows.set(gpu, window);
    return window;
  }

  function addUse(use: DeviceUse<MarkedProcess>): void {
    const { gpu, elapsedMs, isSmKnown, isMemoryKnown, refusals } = use;
    const atUs = nowUs();
    const owners = sharersOf(gpu, atUs);
    // With neither nothing was seen. With a gap nothing is known of the time before.
    if (owners.length === 0 || Number.isNaN(elapsedMs) || !(isSmKnown || isMemoryKnown)) {
      close(gpu);
      tellOnce(gpu, isSmKnown || isMemoryKnown ? undefined : refusals.join('; '));
      return;
    }
    tellOnce(gpu, undefined);
    const window = windowOf(gpu, owners, elapsedMs * 1000, atUs);
    window.toUs = atUs;
    window.seenUs += Math.round(elapsedMs * 1000);
    window.isNoted = false;
    const isMpsUsed = use.processes.some(({ isMpsClient }) => isMpsClient);
    addProcesses(window.users, use, (process) => names.userOf(process, owners, isMpsUsed));
    if (atUs - window.notedUs < NOTE_EVERY_US) return;
    window.notedUs = atUs;
    window.isNoted = true;
    onRows(rowsOf(window));
  }

  return {
    async look() {
      const atUs = nowUs();
      const shared = isOff ? [] : [...byGpu.keys()].filter((gpu) => sharersOf(gpu, atUs).length > 0);
      for (const gpu of [...windows.keys()]) if (!shared.includes(gpu)) close(gpu);
      if (shared.length === 0) return;
      const answer = await options.processUse.read(shared);
      tellOnce('read', answer.type === 'use' ? undefined : answer.reason);
      if (answer.type === 'use') for (const use of answer.devices) addUse(use);
      isOff = answer.type === 'off';
    },
    noteRecords: names.note,
    finish() {
      for (const gpu of [...windows.keys()]) close(gpu);
    },
  };
}

/** A sample speaks for the time before it. */
function addProcesses(
  users: Map<string, Sums>,
  { elapsedMs, isSmKnown, isMemoryKnown, processes }: DeviceUse<MarkedProcess>,
  userOf: (process: MarkedProcess) => { readonly kind: UserKind; readonly jobId?: string },
): void {
  const seconds = elapsedMs / 1000;
  const counts = new Map<string, number>();
  for (const process of processes) {
    const user = userOf(process);
    const key = `${user.kind} ${user.jobId ?? ''}`;
    const sums = users.get(key) ?? { ...user, smUseSeconds: 0, memoryByteSeconds: 0, processes: 0 };
    sums.smUseSeconds += process.smRatio * seconds;
    sums.memoryByteSeconds += process.memoryBytes * seconds;
    users.set(key, sums);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  for (const [key, count] of counts) {
    const sums = users.get(key)!;
    sums.processes = Math.max(sums.processes, count);
  }
  // What was not seen for a part of the window is not known of the window.
  for (const sums of users.values()) {
    if (!isSmKnown) sums.smUseSeconds = NaN;
    if (!isMemoryKnown) sums.memoryByteSeconds = NaN;
  }
}

function rowsOf({ device, fromUs, toUs, seenUs, users }: Window): SharedUseRow[] {
  const { node, uuid, cluster } = device;
  return [...users.values()].map((sums) => ({
    ...sums,
    ...(cluster === undefined ? {} : { cluster }),
    node,
    gpu: uuid,
    fromUs,
    toUs,
    seenUs,
  }));
}
