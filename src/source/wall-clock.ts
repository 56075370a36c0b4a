/** Beyond this the wall clock was set (NTP step, suspend), and stamps follow it as it is (DESIGN §4, Clocks). */
const STEP_MS = 2;

export interface WallClock {
  /** Epoch microseconds. Finer than `Date.now`, and never further from it than 2 ms. */
  readonly nowUs: () => number;
}

/**
 * A wall clock with the resolution of the monotonic one. `Date.now` has whole milliseconds only, and
 * `performance.timeOrigin + performance.now()` does not follow a clock that is set; this follows both.
 */
export function createWallClock(): WallClock {
  let originMs = Date.now() - performance.now();
  return {
    nowUs() {
      const monotonicMs = performance.now();
      const wallMs = Date.now();
      const error = wallMs - (originMs + monotonicMs);
      if (error > STEP_MS || error < -STEP_MS) originMs = wallMs - monotonicMs;
      return Math.round((originMs + monotonicMs) * 1000);
    },
  };
}
