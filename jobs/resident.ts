import type { Scheduling } from '../src/collector/collection.ts';
import type { Collector } from '../src/collector/collector.ts';
import { flushJob } from './flush.ts';
import { measureHostJobsJob } from './measure-host-jobs.ts';
import { measureSharedUseJob } from './measure-shared-use.ts';
import { pollClusterJob } from './poll-cluster.ts';
import { reportSelfJob } from './report-self.ts';
import type { Job } from './schedule.ts';
import { settleJobFiguresJob } from './settle-job-figures.ts';
import { watchIdleJob } from './watch-idle.ts';
import { watchJobMapJob } from './watch-job-map.ts';
import { watchStoreJob } from './watch-store.ts';
import { writeDigestJob } from './write-digest.ts';

/** Everything that a collector does by the clock, beside sampling. */
export function residentJobs(
  collector: Collector,
  {
    flushIntervalMs,
    hostIntervalMs,
    idleWatch,
    clusterPolling,
    digesting,
  }: Parameters<Scheduling['collecting']>[1],
): Job[] {
  return [
    watchJobMapJob(collector),
    flushJob(collector, flushIntervalMs),
    reportSelfJob(collector),
    watchStoreJob(collector),
    settleJobFiguresJob(collector),
    measureSharedUseJob(collector),
    ...(hostIntervalMs === undefined ? [] : [measureHostJobsJob(collector, hostIntervalMs)]),
    ...(idleWatch === undefined ? [] : [watchIdleJob(idleWatch)]),
    ...(clusterPolling === undefined ? [] : [pollClusterJob(clusterPolling)]),
    ...(digesting === undefined ? [] : [writeDigestJob(digesting)]),
  ];
}
