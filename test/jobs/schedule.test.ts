import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { scheduleJobs } from '../../jobs/schedule.ts';
import type { Schedule } from '../../src/collector/collection.ts';
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

test('also one that fails before it waits for anything', async () => {
  let runs = 0;
  const run = (): void => {
    runs += 1;
    throw new Error('broken');
  };
  const schedule = scheduleJobs([{ name: 'measure', schedule: { everyMs: 1000 }, run }], () => undefined);
  await vi.advanceTimersByTimeAsync(3000);
  await schedule.stop();
  expect(runs).toBe(3);
});

test('a clock that is set moves no job that goes by an interval', async () => {
  let runs = 0;
  const run = (): void => {
    runs += 1;
  };
  const schedule = scheduleJobs([{ name: 'measure', schedule: { everyMs: 1000 }, run }], () => undefined);
  for (const stepMs of [-3_600_000, 86_400_000, 0]) {
    vi.setSystemTime(Date.now() + stepMs);
    await vi.advanceTimersByTimeAsync(1000);
  }
  expect(runs).toBe(3);
  await schedule.stop();
});

describe('a job by a cron line', () => {
  const START_MS = Date.parse('2026-11-28T12:00:00.500Z');
  const at: string[] = [];
  const scheduled = (line: string, run = (): void => undefined): Schedule => {
    at.length = 0;
    const note = (): void => {
      at.push(new Date().toISOString().slice(0, 19));
      run();
    };
    return scheduleJobs([{ name: 'lane', schedule: line, run: note }], () => undefined);
  };

  test.each([
    ['as it is', 0, ['12:00:10', '12:00:20', '12:00:30']],
    ['an hour back', -3_600_000, ['11:00:10', '11:00:20', '11:00:30']],
    ['an hour ahead', 3_600_000, ['13:00:10', '13:00:20', '13:00:30']],
    ['five seconds ahead', 5_000, ['12:00:10', '12:00:20', '12:00:30']],
  ])('runs at its moments of the clock: %s', async (_, stepMs, moments) => {
    vi.setSystemTime(START_MS);
    const schedule = scheduled('*/10 * * * * *');
    await vi.advanceTimersByTimeAsync(200);
    vi.setSystemTime(START_MS + stepMs);
    await vi.advanceTimersByTimeAsync(30_000);
    await schedule.stop();
    expect(at).toEqual(moments.map((time) => `2026-11-28T${time}`));
  });

  test('leaves out what was jumped over, by days or a year, and costs no time by it', async () => {
    vi.setSystemTime(START_MS);
    const schedule = scheduled('* * * * * *');
    await vi.advanceTimersByTimeAsync(2_000);
    vi.setSystemTime(START_MS + 366 * 86_400_000);
    await vi.advanceTimersByTimeAsync(2_000);
    await schedule.stop();
    expect(at.map((time) => time.slice(0, 10))).toEqual([...['2026-11-28', '2026-11-28', '2027-11-29']]);
  });

  test('is delayed by up to its bound, and runs once a moment', async () => {
    vi.setSystemTime(START_MS);
    at.length = 0;
    const run = (): void => {
      at.push(new Date().toISOString());
    };
    const schedule = scheduleJobs(
      [{ name: 'settle', schedule: '0 * * * * *', randomDelayMsMax: 30_000, run }],
      () => undefined,
    );
    await vi.advanceTimersByTimeAsync(180_000);
    await schedule.stop();
    expect(at.map((time) => time.slice(0, 16))).toEqual([
      ...['2026-11-28T12:01', '2026-11-28T12:02', '2026-11-28T12:03'].slice(0, at.length),
    ]);
    expect(at.length).toBeGreaterThanOrEqual(2);
  });
});
