import cron from 'node-cron';
import { messageOf } from '../src/core/errors.ts';
import type { Log } from '../src/core/log-entry.ts';

/** One thing that is done again and again while the collector is resident. */
export interface Job {
  readonly name: string;
  /** Six cron fields, seconds first. */
  readonly schedule: string;
  /** Spreads a fleet that shares one clock: each run starts up to this much later. */
  readonly randomDelayMsMax?: number;
  run(): void | Promise<void>;
}

export interface Schedule {
  stop(): Promise<void>;
}

/** Runs the jobs by node-cron, never two runs of one job at a time. A run that fails is logged; the next one comes. */
export function scheduleJobs(jobs: readonly Job[], log: Log): Schedule {
  const tasks = jobs.map((job) =>
    cron.schedule(
      job.schedule,
      async () => {
        try {
          await job.run();
        } catch (thrown) {
          log({
            level: 'error',
            event: 'job.failed',
            text: `${job.name}: ${messageOf(thrown)}`,
            data: { job: job.name },
          });
        }
      },
      {
        name: job.name,
        noOverlap: true,
        ...(job.randomDelayMsMax === undefined ? {} : { maxRandomDelay: job.randomDelayMsMax }),
      },
    ),
  );
  return {
    async stop() {
      for (const task of tasks) await task.destroy();
    },
  };
}
