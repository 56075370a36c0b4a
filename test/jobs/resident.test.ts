import { expect, test } from 'vitest';
import { residentJobs } from '../../jobs/resident.ts';
import type { Collector } from '../../src/collector/collector.ts';

const namesOf = (jobs: ReturnType<typeof residentJobs>): string[] => jobs.map(({ name }) => name);
const collector = {} as Collector;

test('who wants to be told of idle jobs has a job for that, at another moment on each node', async () => {
  const none = residentJobs(collector, {
    flushIntervalMs: 5_000,
    hostIntervalMs: undefined,
    idleWatch: undefined,
  });
  let looks = 0;
  const look = (): Promise<void> => {
    looks += 1;
    return Promise.resolve();
  };
  const idleWatch = { look, close: () => Promise.resolve() };
  const jobs = residentJobs(collector, { flushIntervalMs: 5_000, hostIntervalMs: undefined, idleWatch });
  expect(namesOf(jobs)).toEqual([...namesOf(none), 'watch idle jobs']);
  const own = jobs.at(-1)!;
  expect(own).toMatchObject({ schedule: '0 * * * * *', randomDelayMsMax: 30_000 });
  await own.run();
  expect(looks).toBe(1);
});
