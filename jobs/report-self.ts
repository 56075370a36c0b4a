import type { Collector } from '../src/collector/collector.ts';
import type { Job } from './schedule.ts';

/** The collector's own account, a row per lane into `collector_stats`. */
export function reportSelfJob(collector: Collector): Job {
  return {
    name: 'report self',
    schedule: { everyMs: 10_000 },
    run: () => {
      collector.noteStats();
    },
  };
}
