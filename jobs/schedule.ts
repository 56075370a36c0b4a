import { messageOf } from '../src/core/base/errors.ts';
import type { Schedule } from '../src/collector/collection.ts';
import type { Tell } from '../src/core/base/notice.ts';
import { startCronClock } from './cron-clock.ts';

/** One thing that is done again and again while the collector is resident. */
export interface Job {
  readonly name: string;
  /**
   * So often by the monotonic clock, which nobody sets; or at the moments of the wall clock that six cron fields name,
   * seconds first.
   */
  readonly schedule: { readonly everyMs: number } | string;
  /** Spreads a fleet that starts at once, or shares one clock: each run is this much later at most. */
  readonly randomDelayMsMax?: number;
  run(): void | Promise<void>;
}

/** Runs the jobs, never two runs of one job at a time. A run that fails is logged; the next one comes. */
export function scheduleJobs(jobs: readonly Job[], tell: Tell): Schedule {
  const running = new Map<Job, Promise<void>>();
  const runJob = async (job: Job): Promise<void> => {
    try {
      await job.run();
    } catch (thrown) {
      const sentence = `${job.name}: ${messageOf(thrown)}`;
      tell({ level: 'error', code: 'job.failed', sentence, data: { job: job.name } });
    }
  };
  // A run that finds the one before it at work is left out: it is no news while a store is slow.
  const stops = jobs.map((job) =>
    startClock(job, () => {
      if (running.has(job)) return;
      // It may be over at once: it is forgotten after it was noted.
      const run = runJob(job).finally(() => running.delete(job));
      running.set(job, run);
    }),
  );
  return {
    stop() {
      for (const stopClock of stops) stopClock();
      return Promise.resolve();
    },
    async idle() {
      await Promise.all(running.values());
    },
  };
}

/** @returns what stops it */
function startClock({ schedule, randomDelayMsMax = 0 }: Job, onDue: () => void): () => void {
  return typeof schedule === 'string'
    ? startCronClock(schedule, randomDelayMsMax, onDue)
    : startTimer(schedule.everyMs, randomDelayMsMax, onDue);
}

/** The delay is that of the first run: the others keep their distance from it. */
function startTimer(everyMs: number, randomDelayMsMax: number, onDue: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const begin = setTimeout(() => {
    timer = setInterval(onDue, everyMs);
  }, Math.random() * randomDelayMsMax);
  return () => {
    clearTimeout(begin);
    clearInterval(timer);
  };
}
