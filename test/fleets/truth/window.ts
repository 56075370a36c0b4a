import { DAY, HOUR, MIN } from '../draw/fleet.ts';
import type { Left } from './left.ts';

/** Samples with from ≤ ts < to, epoch µs. */
export interface Window {
  readonly fromUs: number;
  readonly toUs: number;
}

export interface SummedWindow extends Window {
  readonly roundedTo: 'minute' | 'hour' | 'day';
  /** Shorter buckets have aged out at one of its ends. */
  readonly isAged: boolean;
}

const STEPS = { minute: MIN, hour: HOUR, day: DAY } as const;
const MINUTES_WINDOW_US_MAX = 2 * DAY;

/**
 * What is summed of a window that is asked for: whole minutes, of more than two days whole hours; at an end of which the minutes
 * have aged out whole hours. Hours do not age out here.
 * @param oldestUs when anything was sampled first
 */
export function windowTruth(
  { fromUs, toUs }: Window,
  oldestUs: number,
  { minutesFromUs }: Left,
): SummedWindow {
  const usual = toUs - fromUs > MINUTES_WINDOW_US_MAX ? 'hour' : 'minute';
  // Of the time before the day in which it all began nothing can have aged out.
  const isGone = (us: number): boolean => us >= Math.floor(oldestUs / DAY) * DAY && us < minutesFromUs;
  const stepAt = (us: number): 'minute' | 'hour' => (isGone(us) ? 'hour' : usual);
  const [from, to] = [stepAt(fromUs), stepAt(toUs - 1)];
  const roundedTo = from === 'hour' ? from : to;
  return {
    fromUs: Math.floor(fromUs / STEPS[from]) * STEPS[from],
    toUs: Math.ceil(toUs / STEPS[to]) * STEPS[to],
    roundedTo,
    isAged: roundedTo !== usual,
  };
}
