import type { Lane } from '../core/fields/lane.ts';

const ONCE_MS_MAX = 1_000;

/** The same lane as it ticks at once: a cron line could name the very second. */
export function tickedAtStart(lane: Lane): Lane {
  return { ...lane, schedule: 'continuous' };
}

/** Ms of a clock in which no lane ticks twice. */
export function onceMs(lanes: readonly Lane[]): number {
  return Math.min(ONCE_MS_MAX, ...lanes.map((lane) => lane.intervalMs));
}
