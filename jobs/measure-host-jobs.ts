import type { Collector } from '../src/collector/collector.ts';
import type { Job } from './schedule.ts';

/** What jobs do with the CPUs, the storage and the memory of their nodes. */
export function measureHostJobsJob(collector: Collector, everyMs: number): Job {
  return {
    name: 'measure host jobs',
    schedule: { everyMs },
    run: () => {
      collector.measureHostJobs();
    },
  };
}
