import type { Collector } from '../src/collector/collector.ts';
import type { Job } from './schedule.ts';

/** Looks for suspended tables. The offset keeps the nodes of a fleet from asking in the same instant. */
export function watchStoreJob(collector: Collector): Job {
  return {
    name: 'watch store',
    schedule: { everyMs: 30_000 },
    randomDelayMsMax: 15_000,
    run: async () => {
      await collector.watchStore();
    },
  };
}
