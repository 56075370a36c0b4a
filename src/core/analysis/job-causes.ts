import { causesOf, type Cause, type Amount, type ContextSums, type DeviceContext } from './causes.ts';
import type { ContextSpan, Moment } from './contexts.ts';
import { waitingOf, type Waiting } from './waiting.ts';

/** One device of a job, and what its samples add up to in each context. */
export interface DeviceSums {
  readonly gpu: string;
  /** Its owned time, whole µs. */
  readonly ownedUs: number;
  /** What of it samples speak for. */
  readonly seenUs: number;
  readonly contexts: ReadonlyMap<DeviceContext, ContextSums>;
}

export interface DeviceCauses {
  readonly gpu: string;
  readonly causes: ReadonlyMap<Cause, Amount>;
  /** Between what and what the time lies that it waited for others, µs. Undefined where it has none. */
  readonly waiting: { readonly leastUs: number; readonly mostUs: number } | undefined;
}

/** @param moments of the job, or some of them in which it worked. @returns in the order of the devices */
export function jobCauses(
  devices: readonly DeviceSums[],
  moments: readonly Moment[],
  contexts: readonly ContextSpan[],
): DeviceCauses[] {
  const workers = devices.filter(({ contexts: own }) => (own.get('work')?.known.us ?? 0) > 0);
  const work = moments.filter(
    ({ fromUs }) => !contexts.some((span) => fromUs >= span.fromUs && fromUs < span.toUs),
  );
  const waiting = new Map<DeviceSums, Waiting>();
  if (workers.length >= 2 && work.length > 0) {
    const found = waitingOf(work, workers.map(workMeans));
    for (const [at, device] of workers.entries()) waiting.set(device, found[at]!);
  }
  return devices.map((device) => {
    const { gpu, ownedUs, seenUs, contexts: own } = device;
    const told = waiting.get(device);
    const workUs = own.get('work')?.known.us ?? 0;
    const waitingUs = told === undefined ? undefined : told.likely * workUs;
    const causes = causesOf({ ownedUs, seenUs, contexts: own, waitingUs });
    if (told === undefined) return { gpu, causes, waiting: undefined };
    const us = causes.get('waiting')?.us ?? 0;
    const leastUs = Math.min(us, Math.round(Math.max(told.least * workUs, own.get('work')!.spin.us)));
    return { gpu, causes, waiting: { leastUs, mostUs: Math.max(us, Math.round(told.most * workUs)) } };
  });
}

function workMeans({ contexts }: DeviceSums): { sm: number; engine: number } {
  const { known, busy, smUs } = contexts.get('work')!;
  return { sm: smUs / known.us, engine: busy.us / known.us };
}
