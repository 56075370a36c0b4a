import { CAUSES, type Cause } from '../../../core/analysis/causes.ts';
import type { DeviceCauses } from '../causes/figures.ts';
import type { Found, JobDevice, JobFacts } from '../figures.ts';

/** What of a device's time nobody has been blamed for yet, µs by cause, by its part and slices. */
type Unblamed = Map<Cause, number>;

/** The time of a job that is left to blame, by device; what was not seen is no part of it. */
export type TimeLeft = ReadonlyMap<string, Unblamed>;

/** Time in which a device did nothing, with those names first that tell most. */
const IDLE: readonly Cause[] = ['deviceIdle', 'idleTail', 'idleHead', 'pause', 'gaps', 'untold'];

/** Where the causes are not told it is known of each device how long it was seen, and not more. */
export function timeOf({ devices, causes }: Pick<JobFacts, 'devices' | 'causes'>): TimeLeft {
  if (causes !== undefined && !('why' in causes))
    return new Map(
      causes.devices.map(({ gpu, causes: own }) => [
        gpu,
        new Map([...own].flatMap(([cause, { us }]) => (cause === 'notSeen' ? [] : [[cause, us]]))),
      ]),
    );
  return new Map(devices.map(({ gpu, attributedUs }) => [gpu, new Map([['untold', attributedUs]])]));
}

/**
 * The time that a finding costs, which is taken from what is left, so that no other one is blamed for it. Findings have to come in the
 * order in which they are believed: what tells most first.
 * @returns µs; undefined where nothing is left, or the rule costs no time
 */
export function takeLost(found: Found, facts: JobFacts, left: TimeLeft): number | undefined {
  const us = lostUs(found, facts, left);
  return us > 0 ? us : undefined;
}

function lostUs(found: Found, { devices, causes, analysis, all }: JobFacts, left: TimeLeft): number {
  const gpus = devices.map(({ gpu }) => gpu);
  const take = (cause: Cause, atMostUs = Infinity): number => takeAll(left, gpus, [cause], atMostUs);
  switch (found.rule) {
    case 'unused':
      return takeAll(left, gpusOf(found.devices), CAUSES);
    case 'hang':
      return take('hang');
    case 'idle-tail':
      return take('idleTail');
    case 'idle-head':
      return take('idleHead');
    case 'throttle':
      return takeAll(left, [found.device.gpu], ['throttled']);
    case 'computes-longest':
    case 'fed-late':
      return takeWaiting(left, waitersOf(causes, found.device.gpu), analysis.slowest?.lostUsMax);
    case 'imbalance':
      return takeWaiting(left, waitersOf(causes, found.fastest.device.gpu), Infinity);
    case 'dips':
      return take('pause', found.dips.timeRatio * all.attributedUs);
    case 'pauses':
      return take('pause');
    case 'kernel-gaps':
      return take('gaps');
    case 'low-occupancy':
      return take('low');
    case 'idle':
      return found.devices.reduce((sum, device) => sum + takeIdle(left, device, causes), 0);
    case 'no-data':
    case 'xid':
    case 'out-of-memory':
    case 'no-tensor':
    case 'memory-half':
    case 'power-cap':
    case 'pcie-degraded':
    case 'fragmented':
    case 'coverage':
    case 'energy-check':
    case 'crash-loop':
    case 'regressed':
      return 0;
  }
}

function gpusOf(devices: readonly JobDevice[]): string[] {
  return devices.map(({ gpu }) => gpu);
}

/** Of several causes the first as far as it goes. */
function takeAll(
  left: TimeLeft,
  gpus: readonly string[],
  causes: readonly Cause[],
  atMostUs = Infinity,
): number {
  let takenUs = 0;
  for (const own of gpus.map((gpu) => left.get(gpu)))
    for (const cause of causes) {
      const us = Math.min(own?.get(cause) ?? 0, atMostUs - takenUs);
      if (us <= 0) continue;
      own!.set(cause, own!.get(cause)! - us);
      takenUs += us;
    }
  return takenUs;
}

/** Those that can have waited for a device. */
function waitersOf(causes: JobFacts['causes'], gpu: string): readonly DeviceCauses[] {
  return causes === undefined || 'why' in causes ? [] : causes.devices.filter((one) => one.gpu !== gpu);
}

/** How long they waited is estimated: the least that it was, and not more than can be at all. */
function takeWaiting(left: TimeLeft, waiters: readonly DeviceCauses[], atMostUs = Infinity): number {
  let takenUs = 0;
  for (const { gpu, waiting } of waiters)
    takenUs += takeAll(left, [gpu], ['waiting'], Math.min(waiting?.leastUs ?? 0, atMostUs - takenUs));
  return takenUs;
}

/** By its SM activity: what of that time others have been blamed for is not taken again. */
function takeIdle(left: TimeLeft, { gpu, idle }: JobDevice, causes: JobFacts['causes']): number {
  const before = timeOf({ devices: [], causes }).get(gpu);
  const blamedUs = IDLE.reduce(
    (sum, cause) =>
      sum + (before?.get(cause) ?? 0) - (before === undefined ? 0 : (left.get(gpu)?.get(cause) ?? 0)),
    0,
  );
  return takeAll(left, [gpu], IDLE, Math.max(0, (idle?.value ?? 0) - blamedUs));
}
