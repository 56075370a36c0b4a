import type { IdleWatching } from '../src/collector/collection.ts';
import type { Job } from './schedule.ts';

/** Tells of jobs that idle. The offset keeps the nodes of a fleet from asking at once. */
export function watchIdleJob(idleWatch: Pick<IdleWatching, 'look'>): Job {
  return {
    name: 'watch idle jobs',
    schedule: '0 * * * * *',
    randomDelayMsMax: 30_000,
    run: () => idleWatch.look(),
  };
}
