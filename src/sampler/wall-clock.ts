/** When the two clocks have moved apart by more than this, the wall clock was set, and stamps follow it (DESIGN §4). */
const FOLLOW_MS = 2;

/** A larger correction is a step, and no dt leads across it. A smaller one is a slew, which dt follows. */
const STEP_TOLD_MS = 50;

export interface WallClock {
  /** Epoch microseconds. Finer than `Date.now`, and never further from it than 2 ms. */
  readonly nowUs: () => number;
  /** Microseconds by which the clock was set since the last call (negative: back); 0 when it was not. */
  readonly takeStepUs: () => number;
}

/**
 * A wall clock with the resolution of the monotonic one. `Date.now` has whole milliseconds only, and
 * `performance.timeOrigin + performance.now()` does not follow a clock that is set; this follows both.
 */
export function createWallClock(): WallClock {
  let originMs = Date.now() - performance.now();
  let stepMs = 0;
  return {
    takeStepUs() {
      const taken = stepMs * 1000;
      stepMs = 0;
      return taken;
    },
    nowUs() {
      const monotonicMs = performance.now();
      const wallMs = Date.now();
      const error = wallMs - (originMs + monotonicMs);
      if (Math.abs(error) > FOLLOW_MS) {
        originMs = wallMs - monotonicMs;
        if (Math.abs(error) > STEP_TOLD_MS) stepMs += Math.round(error);
      }
      return Math.round((originMs + monotonicMs) * 1000);
    },
  };
}
