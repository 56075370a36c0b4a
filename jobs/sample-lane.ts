import type { Lane } from '../src/core/fields/lane.ts';
import type { Job } from './schedule.ts';

/**
 * One job for each lane that a cron schedule drives; continuous lanes have the worker's own ticker.
 * @param requestTick of the lane at that position
 */
export function sampleLaneJobs(lanes: readonly Lane[], requestTick: (laneIndex: number) => void): Job[] {
  return lanes.flatMap((lane, index) =>
    lane.schedule === 'continuous'
      ? []
      : [
          {
            name: `sample ${lane.name}`,
            schedule: lane.schedule,
            run: () => {
              requestTick(index);
            },
          },
        ],
  );
}
