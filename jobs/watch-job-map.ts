import type { Collector } from '../src/collector/collector.ts';
import type { Job } from './schedule.ts';

/** Reads the job inputs every second, so that a short-lived fact (a map file there and gone) is seen. */
export function watchJobMapJob(collector: Collector): Job {
  return {
    name: 'watch job map',
    schedule: { everyMs: 1_000 },
    run: () => {
      collector.refreshJobs();
    },
  };
}
