import { LOOK_BACK_US, type ActivityOfLane, type DeviceActivity } from './device-activity.ts';
import { floorTo } from '../levels.ts';

/** A device whose newest sample is older is not seen; of a slow lane three intervals are. */
const SEEN_WITHIN_US = 300e6;
const SEEN_WITHIN_INTERVALS = 3;
/** So much of the idle time must be known: what was not seen is not idle. */
const KNOWN_RATIO_MIN = 0.95;

/** What a device does. Epoch µs. */
export type DeviceIdleness =
  | {
      readonly kind: 'idle';
      readonly sinceUs: number;
      readonly untilUs: number;
      /** It may have been idle before that, too. */
      readonly isAtLeast: boolean;
    }
  /** It was active a short time ago, or the job has not had it for long. */
  | { readonly kind: 'working' }
  | { readonly kind: 'no_samples' }
  | { readonly kind: 'gaps' };

/** The newest sample with a value of any device. Epoch µs; -Infinity where there is none. */
export function newestSampleUs(lanes: readonly ActivityOfLane[]): number {
  let newestUs = -Infinity;
  for (const { devices } of lanes)
    for (const { lastUs = -Infinity } of devices.values()) newestUs = Math.max(newestUs, lastUs);
  return newestUs;
}

/**
 * Whether a device has been idle for `afterUs`, by the first table that sees it. Up to its newest sample: what has not been
 * written yet may be anything.
 * @param lanes the fastest first
 */
export function idlenessOf(
  gpu: string,
  lanes: readonly ActivityOfLane[],
  { nowUs, afterUs }: { readonly nowUs: number; readonly afterUs: number },
): DeviceIdleness {
  let worst: DeviceIdleness = { kind: 'no_samples' };
  for (const { intervalUs, devices } of lanes) {
    const activity = devices.get(gpu);
    const oldestUs = nowUs - Math.max(SEEN_WITHIN_US, SEEN_WITHIN_INTERVALS * intervalUs);
    if (activity?.lastUs === undefined || activity.lastUs < oldestUs) continue;
    const seen = ofActivity(activity, activity.lastUs, { nowUs, afterUs });
    if (seen.kind !== 'gaps') return seen;
    worst = seen;
  }
  return worst;
}

function ofActivity(
  { sinceUs, knownUs, breakUs }: DeviceActivity,
  untilUs: number,
  { nowUs, afterUs }: { readonly nowUs: number; readonly afterUs: number },
): DeviceIdleness {
  if (untilUs - sinceUs < afterUs) return { kind: 'working' };
  const lookedFromUs = floorTo(nowUs - LOOK_BACK_US, '1m');
  const fromUs = Math.max(sinceUs, lookedFromUs);
  if (knownUs >= KNOWN_RATIO_MIN * (untilUs - fromUs))
    return { kind: 'idle', sinceUs: fromUs, untilUs, isAtLeast: fromUs > sinceUs };
  // After the last hole all was seen.
  if (breakUs !== undefined && untilUs - breakUs >= afterUs)
    return { kind: 'idle', sinceUs: breakUs, untilUs, isAtLeast: true };
  return { kind: 'gaps' };
}
