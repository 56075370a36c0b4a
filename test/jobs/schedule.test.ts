import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { scheduleJobs } from '../../jobs/schedule.ts';
import type { Notice } from '../../src/core/base/notice.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('a job by an interval runs again and again, never twice at a time, until it is stopped', async () => {
  const ends: (() => void)[] = [];
  const run = (): Promise<void> => new Promise((resolve) => ends.push(resolve));
  const schedule = scheduleJobs([{ name: 'measure', schedule: { everyMs: 1000 }, run }], () => undefined);
  await vi.advanceTimersByTimeAsync(2500);
  expect(ends).toHaveLength(1);
  ends[0]!();
  await vi.advanceTimersByTimeAsync(1000);
  expect(ends).toHaveLength(2);
  await schedule.stop();
  ends[1]!();
  await schedule.idle();
  await vi.advanceTimersByTimeAsync(5000);
  expect(ends).toHaveLength(2);
});

test('a run that fails is told, and the next one comes', async () => {
  const notices: Notice[] = [];
  let runs = 0;
  const run = (): Promise<void> => {
    runs += 1;
    return Promise.reject(new Error('broken'));
  };
  const schedule = scheduleJobs([{ name: 'measure', schedule: { everyMs: 1000 }, run }], (notice) =>
    notices.push(notice),
  );
  await vi.advanceTimersByTimeAsync(2000);
  await schedule.stop();
  expect(runs).toBe(2);
  expect(notices).toMatchObject([
    { level: 'error', code: 'job.failed', sentence: 'measure: broken' },
    { level: 'error', code: 'job.failed' },
  ]);
});
