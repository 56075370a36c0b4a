import type { Collector } from '../src/collector.ts';
import type { Job } from './schedule.ts';

/** One job for each lane that a cron schedule drives; continuous lanes have the worker's own ticker. */
export function sampleLaneJobs(collector: Collector): Job[] {
  return collector.lanes.flatMap((lane, index) =>
    lane.schedule === 'continuous'
      ? []
      : [
          {
            name: `sample ${lane.name}`,
            schedule: lane.schedule,
            run: () => {
              collector.requestTick(index);
            },
          },
        ],
  );
}
