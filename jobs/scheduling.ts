import type { Scheduling } from '../src/collector/collection.ts';
import { residentJobs } from './resident.ts';
import { sampleLaneJobs } from './sample-lane.ts';
import { scheduleJobs } from './schedule.ts';

/** The schedules of `run` and `collect`. */
export const cronScheduling: Scheduling = {
  collecting: (collector, parts, tell) => scheduleJobs(residentJobs(collector, parts), tell),
  ticking: (lanes, requestTick, tell) => scheduleJobs(sampleLaneJobs(lanes, requestTick), tell),
};
