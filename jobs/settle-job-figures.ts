import type { Collector } from '../src/collector/collector.ts';
import type { Job } from './schedule.ts';

/** Figures of jobs that have ended, into `job_figures`. The offset keeps the nodes of a fleet from asking at once. */
export function settleJobFiguresJob(collector: Collector): Job {
  return {
    name: 'settle job figures',
    schedule: '0 * * * * *',
    randomDelayMsMax: 30_000,
    run: () => collector.settleJobFigures(),
  };
}
