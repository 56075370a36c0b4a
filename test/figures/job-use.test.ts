/**
 * Goal: a job report says for how long a device was idle without a break, and what part of its SM activity each pipe's was, over one time;
 * of what nobody measured nothing. Method: three hours of two devices, made by hand in a real QuestDB, read from the samples, and from
 * the rollups when those are gone.
 */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { JobFigures } from '../../src/figures/job/figures.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups, waitForVisible } from '../../src/questdb/visible.ts';
import { jobCsv } from '../../src/report/csv.ts';
import { jobJson } from '../../src/report/json.ts';
import { renderJobReport } from '../../src/report/job-text.ts';
import { insertRows, type Row } from '../helpers/insert-rows.ts';

const SECOND = 1e6;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const T0 = Date.UTC(2025, 6, 7, 8) * 1000;
const STEP = 10;
const SECONDS = 3 * 3600;
const lane: Lane = {
  name: 'jobuse',
  table: 'gpu_jobuse',
  schedule: 'continuous',
  intervalMs: STEP * 1000,
  fields: [1002, 1004, 1006, 1007, 1008, 155].map((id) => findField(id)!),
  capacityTicks: 100,
};

let db: QuestDb;
let report: JobFigures;

/** Idle from second 3020 to 5040, but for what interrupts it; sure of half an hour. */
function busy(second: number): Row | undefined {
  if (second === 4000) return undefined;
  const isIdle = second > 3020 && second <= 5040;
  return {
    sm_active_ratio: second > 7200 && second <= 7260 ? undefined : isIdle ? 0.01 : 0.8,
    tensor_active_ratio: second > 7200 && second <= 7260 ? undefined : isIdle ? 0.01 : 0.4,
    // In the first hour alone.
    fp64_active_ratio: second <= 3600 ? 0.2 : undefined,
    fp32_active_ratio: 0,
    fp16_active_ratio: undefined,
  };
}

/** Idle all the time, blank for a minute. */
function idle(second: number): Row {
  return { sm_active_ratio: second > 7200 && second <= 7260 ? undefined : 0, tensor_active_ratio: 0 };
}

beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const devices = [
    ['GPU-use-0', busy],
    ['GPU-use-1', idle],
  ] as const;
  const columns = lane.fields.map(({ column }) => column);
  for (const [gpu, of] of devices) {
    const rows: Row[] = [];
    let beforeS = 0;
    for (let second = STEP; second <= SECONDS; second += STEP) {
      const own = of(second);
      if (own === undefined) continue;
      // A step of two intervals is none that a sample speaks for.
      const dtUs = second - beforeS === STEP ? STEP * SECOND : 0;
      beforeS = second;
      const label = { node: 'n1', gpu, job_id: 'use', owners: 1, dt_us: dtUs, power_watts: 100 };
      rows.push({
        ts: T0 + second * SECOND,
        ...label,
        ...Object.fromEntries(
          columns.map((column) => [column, own[column] ?? (column === 'power_watts' ? 100 : undefined)]),
        ),
      });
    }
    await insertRows(db, lane.table, rows);
    const stay = {
      ts: T0,
      end_ts: T0 + SECONDS * SECOND,
      node: 'n1',
      gpu,
      job_id: 'use',
      run: 0,
      source: 'test',
    };
    await insertRows(db, 'gpu_ownership', [stay]);
  }
  await waitForRollups(db, [lane], T0 + 48 * HOUR, { timeoutMs: 300_000 });
  report = await figures();
});
afterAll(async () => {
  await db.close();
});

async function figures(): Promise<JobFigures> {
  return await jobFigures(db, [lane], 'use', { nowUs: T0 + 5 * HOUR });
}

test('the longest idle stretch of a device ends at a hole and at time of which nothing is known', () => {
  const [first, second] = report.devices.map(({ longestIdle }) => longestIdle);
  // From second 4010, whose sample speaks for no time, to 5040.
  expect(first).toEqual({ fromUs: T0 + 4010 * SECOND, lengthUs: 1030 * SECOND, isAtLeast: false });
  expect(second).toEqual({ fromUs: T0, lengthUs: 7200 * SECOND, isAtLeast: false });
  const text = renderJobReport(report, { width: 200, isColored: false });
  expect(text).toMatch(/longest idle 2.h from 2025-07-07 08:00:00 UTC \(n1 gpu …PU-use-1\)/);
});

test("a pipe's part of the SM activity is over the time in which both were known, and absent where nothing was", () => {
  const [first, second] = report.devices.map(({ smShares }) => smShares);
  expect(Object.keys(first!)).toEqual(['tensor', 'fp64', 'fp32']);
  // 302 busy samples of 0.8 and 58 idle ones of 0.01 in the first hour, in all of which FP64 was at 0.2.
  expect(first!.fp64!.value).toBeCloseTo((360 * 0.2) / (302 * 0.8 + 58 * 0.01), 9);
  expect(first!.fp64!.knownUs).toBe(HOUR);
  expect(first!.fp32!.value).toBe(0);
  // Without any SM activity there is nothing to be a part of.
  expect(second).toEqual({});
  // Of all devices the mean by time, as of any level.
  expect(report.all.smShares.tensor!.knownUs).toBeGreaterThan(5 * HOUR);
  const json = JSON.parse(jobJson(report)) as { devices: Record<string, unknown>[]; smShares: object };
  expect(Object.keys(json.smShares)).toEqual(['tensor', 'fp64', 'fp32']);
  expect(json.devices[1]).not.toHaveProperty('smShares');
  const text = renderJobReport(report, { width: 200, isColored: false });
  expect(text).toMatch(/of SM activity: tensor \d+.% · FP64 \d+.% · FP32 0.%\n/);
});

test('used, wasted and the spread of each device are in tables that fit', () => {
  const lines = renderJobReport(report, { width: 100, isColored: false }).split('\n');
  const titles = lines.find((line) => line.includes('wasted') && line.includes('SM min'))!;
  expect(titles.trim().split(/\s{2,}/)).toEqual([
    'node',
    'gpu',
    'used',
    'wasted',
    'SM min',
    'p50',
    'p95',
    'power min',
    'p50',
    'p95',
  ]);
  expect(lines[lines.indexOf(titles) + 2]).toMatch(/use-1\s+0\.00 h\s+2\.98 h\s+0.%\s+0.%\s+0.%\s+100.W/);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
  const [header, row] = jobCsv(report)
    .split('\n')
    .map((line) => line.split(','));
  const cell = (name: string): string | undefined => row![header!.indexOf(name)];
  expect(cell('longest_idle_us')).toBe(String(1030 * SECOND));
  expect(cell('longest_idle_is_at_least')).toBe('false');
  expect(cell('fp16_of_sm_ratio')).toBe('');
});

test('when the samples are gone an idle stretch is made of whole minutes, and is told as the least', async () => {
  await db.exec("ALTER TABLE gpu_jobuse DROP PARTITION LIST '2025-07-07'");
  await waitForVisible(db, lane.table);
  const after = await figures();
  expect(after.origin).toBe('rollups');
  const [first, second] = after.devices.map(({ longestIdle }) => longestIdle);
  // From the minute of second 4020 to that which ends at 4980: buckets hold ts from their start on.
  const minuteUs = Math.floor((T0 + 4020 * SECOND) / MINUTE) * MINUTE;
  expect(first!.isAtLeast).toBe(true);
  expect(first!.fromUs).toBe(minuteUs - STEP * SECOND);
  expect(first!.lengthUs).toBeGreaterThan(1030 * SECOND - 2 * MINUTE);
  expect(first!.lengthUs).toBeLessThanOrEqual(1030 * SECOND);
  expect(second!.lengthUs).toBeGreaterThan(7200 * SECOND - 2 * MINUTE);
  expect(renderJobReport(after, { width: 200, isColored: false })).toMatch(
    /longest idle at least 1.h 59.min/,
  );
  // A day in which FP64 was known for an hour, and SM activity for all of it, does not tell which hour that was.
  const [before, now] = [report, after].map(({ devices }) => devices[0]!.smShares);
  expect(Object.keys(now!)).toEqual(['tensor']);
  expect(now!.tensor!.value).toBeCloseTo(before!.tensor!.value, 9);
});
