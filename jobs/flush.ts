import type { Collector } from '../src/collector/collector.ts';
import type { Job } from './schedule.ts';

/** Writes what the rings hold. The offset keeps the nodes of a fleet from writing in the same instant. */
export function flushJob(collector: Collector, intervalMs: number): Job {
  return {
    name: 'flush',
    schedule: { everyMs: intervalMs },
    randomDelayMsMax: Math.floor(intervalMs / 2),
    run: async () => {
      await collector.flush();
    },
  };
}
