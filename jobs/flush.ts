import type { Collector } from '../src/collector/collector.ts';
import { assert } from '../src/core/base/assert.ts';
import { cronOfInterval } from '../src/core/fields/cron-interval.ts';
import type { Job } from './schedule.ts';

/** Writes what the rings hold. The offset keeps the nodes of a fleet from writing in the same instant. */
export function flushJob(collector: Collector, intervalMs: number): Job {
  const schedule = cronOfInterval(intervalMs);
  assert(schedule !== undefined, `no cron schedule runs every ${intervalMs} ms`);
  return {
    name: 'flush',
    schedule,
    randomDelayMsMax: Math.floor(intervalMs / 2),
    run: async () => {
      await collector.flush();
    },
  };
}
