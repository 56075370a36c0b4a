import cron from 'node-cron';

/** A clock that is set is noticed within this time. */
const LOOK_EVERY_MS = 1_000;
/** A moment that was passed by more than this was jumped over, by a clock that was set or a machine that slept. */
const LATE_MS_MAX = 1_500;
/** Planned moments come nearer by the clock alone; when one is further away than it was, the clock was set back. */
const SET_BACK_MS_MIN = 1_000;

/**
 * Calls `onDue` at the moments of a cron line. node-cron reads and plans the line; the timer is ours, since node-cron's own
 * waits an hour when the clock is set back by one, and walks every second that was jumped over when it is set ahead. Moments
 * that were jumped over are left out.
 * @param line six fields that node-cron takes
 * @param randomDelayMsMax each call comes up to this much later
 * @returns what stops it
 */
export function startCronClock(line: string, randomDelayMsMax: number, onDue: () => void): () => void {
  // Never started: it only plans.
  const planner = cron.createTask(line, () => undefined);
  let timer: NodeJS.Timeout | undefined;
  let delay: NodeJS.Timeout | undefined;
  let plannedAtMs = 0;
  let dueMs = 0;

  const plan = (nowMs: number): void => {
    plannedAtMs = nowMs;
    dueMs = planner.getNextRuns(1)[0]?.getTime() ?? Infinity;
  };
  const wait = (nowMs: number): void => {
    timer = setTimeout(look, Math.min(Math.max(dueMs - nowMs, 0), LOOK_EVERY_MS));
  };
  const look = (): void => {
    const nowMs = Date.now();
    const isDue = nowMs >= dueMs;
    if (isDue && nowMs - dueMs <= LATE_MS_MAX) {
      clearTimeout(delay);
      if (randomDelayMsMax > 0) delay = setTimeout(onDue, Math.random() * randomDelayMsMax);
      else onDue();
    }
    if (isDue || nowMs < plannedAtMs - SET_BACK_MS_MIN) plan(nowMs);
    wait(nowMs);
  };

  const startMs = Date.now();
  plan(startMs);
  wait(startMs);
  return () => {
    clearTimeout(timer);
    clearTimeout(delay);
    void planner.destroy();
  };
}
