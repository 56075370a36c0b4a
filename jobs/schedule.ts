import cron, { type Logger } from 'node-cron';
import { messageOf } from '../src/core/base/errors.ts';
import type { Schedule } from '../src/collector/collection.ts';
import type { Tell } from '../src/core/base/notice.ts';

/** One thing that is done again and again while the collector is resident. */
export interface Job {
  readonly name: string;
  /** Six cron fields, seconds first; or so often by the monotonic clock, for what is measured between two runs. */
  readonly schedule: string | { readonly everyMs: number };
  /** Spreads a fleet that shares one clock: each run starts up to this much later. */
  readonly randomDelayMsMax?: number;
  run(): void | Promise<void>;
}

/** A run that found the one before it at work is no news while a store is slow; node-cron would print it. */
function cronLogger(job: string, tell: Tell): Logger {
  const tellAs = (level: 'debug' | 'error') => (message: string | Error) => {
    tell({ level, code: 'job.schedule', sentence: `${job}: ${messageOf(message)}`, data: { job } });
  };
  return { debug: tellAs('debug'), info: tellAs('debug'), warn: tellAs('debug'), error: tellAs('error') };
}

/** Runs the jobs, never two runs of one job at a time. A run that fails is logged; the next one comes. */
export function scheduleJobs(jobs: readonly Job[], tell: Tell): Schedule {
  const running = new Set<Promise<void>>();
  const runJob = async (job: Job): Promise<void> => {
    try {
      await job.run();
    } catch (thrown) {
      const sentence = `${job.name}: ${messageOf(thrown)}`;
      tell({ level: 'error', code: 'job.failed', sentence, data: { job: job.name } });
    }
  };
  const clocks = jobs.map((job) =>
    startClock(job, tell, async () => {
      const run = runJob(job);
      running.add(run);
      await run;
      running.delete(run);
    }),
  );
  return {
    async stop() {
      for (const stopClock of clocks) await stopClock();
    },
    async idle() {
      await Promise.all(running);
    },
  };
}

/** @returns what stops it */
function startClock(job: Job, tell: Tell, run: () => Promise<void>): () => void | Promise<void> {
  const { name, schedule, randomDelayMsMax } = job;
  if (typeof schedule !== 'string') return startTimer(schedule.everyMs, run);
  const task = cron.schedule(schedule, run, {
    name,
    noOverlap: true,
    logger: cronLogger(name, tell),
    ...(randomDelayMsMax === undefined ? {} : { maxRandomDelay: randomDelayMsMax }),
  });
  return () => task.destroy();
}

function startTimer(everyMs: number, run: () => Promise<void>): () => void {
  let isRunning = false;
  const timer = setInterval(() => {
    if (isRunning) return;
    isRunning = true;
    void run().finally(() => {
      isRunning = false;
    });
  }, everyMs);
  return () => {
    clearInterval(timer);
  };
}
