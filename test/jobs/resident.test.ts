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
    clusterPolling: undefined,
    digesting: undefined,
  });
  let looks = 0;
  const look = (): Promise<void> => {
    looks += 1;
    return Promise.resolve();
  };
  const idleWatch = { look, close: () => Promise.resolve() };
  const jobs = residentJobs(collector, {
    ...{ flushIntervalMs: 5_000, hostIntervalMs: undefined, idleWatch },
    clusterPolling: undefined,
    digesting: undefined,
  });
  expect(namesOf(jobs)).toEqual([...namesOf(none), 'watch idle jobs']);
  const own = jobs.at(-1)!;
  expect(own).toMatchObject({ schedule: '0 * * * * *', randomDelayMsMax: 30_000 });
  await own.run();
  expect(looks).toBe(1);
});

test('who wants to know of the whole cluster asks its scheduler as often as that', async () => {
  let polls = 0;
  const clusterPolling = {
    everyMs: 60_000,
    poll: () => {
      polls += 1;
      return Promise.resolve();
    },
    close: () => undefined,
  };
  const jobs = residentJobs(collector, {
    ...{ flushIntervalMs: 5_000, hostIntervalMs: undefined, idleWatch: undefined },
    clusterPolling,
    digesting: undefined,
  });
  const own = jobs.at(-1)!;
  expect(own).toMatchObject({ name: 'poll cluster', schedule: { everyMs: 60_000 } });
  await own.run();
  expect(polls).toBe(1);
});

test('who wants a digest has a job at the times that are written', async () => {
  let digests = 0;
  const digesting = {
    schedule: '0 0 6 1 * *',
    digest: () => {
      digests += 1;
      return Promise.resolve();
    },
    close: () => undefined,
  };
  const jobs = residentJobs(collector, {
    ...{ flushIntervalMs: 5_000, hostIntervalMs: undefined, idleWatch: undefined },
    ...{ clusterPolling: undefined, digesting },
  });
  const own = jobs.at(-1)!;
  expect(own).toMatchObject({ name: 'write digest', schedule: '0 0 6 1 * *' });
  await own.run();
  expect(digests).toBe(1);
});
