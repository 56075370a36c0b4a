import type { StateTimes } from './node-days.ts';

/** Time of a device within a day or an hour, µs: what somebody saw and nobody owned, and what nobody saw. */
export interface NobodysTime {
  readonly unownedUs: number;
  readonly unseenUs: number;
}

/** The same told apart by how the node was. */
export interface PlacedTime {
  readonly free: number;
  readonly drained: number;
  readonly down: number;
  readonly unowned: number;
  readonly unseen: number;
  /** What of `drained` and `down` somebody saw. */
  readonly seenDrained: number;
  readonly seenDown: number;
}

/**
 * What nobody owned of a device, by what the scheduler told of its node at that time. How the states lie within the day or hour is not known: a
 * node that is down is first what nobody saw, one that is drained first what nobody owned. What nobody told of stays `unowned`
 * and `unseen`.
 */
export function placeNobodys({ unownedUs, unseenUs }: NobodysTime, told: StateTimes | undefined): PlacedTime {
  const { upUs, drainedUs, downUs } = told ?? { upUs: 0, drainedUs: 0, downUs: 0 };
  const unseenDown = Math.min(unseenUs, downUs);
  const seenDown = Math.min(unownedUs, downUs - unseenDown);
  const seenDrained = Math.min(unownedUs - seenDown, drainedUs);
  const unseenDrained = Math.min(unseenUs - unseenDown, drainedUs - seenDrained);
  const free = Math.min(unownedUs - seenDown - seenDrained, upUs);
  return {
    free,
    drained: seenDrained + unseenDrained,
    down: seenDown + unseenDown,
    unowned: unownedUs - seenDown - seenDrained - free,
    unseen: unseenUs - unseenDown - unseenDrained,
    seenDrained,
    seenDown,
  };
}
