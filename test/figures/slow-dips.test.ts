/**
 * Goal: a regular fall of activity is found, and as long as it is, in a lane that is slower than a minute. Method: samples of such
 * lanes in a real QuestDB.
 */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { Dips } from '../../src/figures/job/figures.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { insertRows } from '../helpers/insert-rows.ts';

const S = 1e6;
const T0 = Date.UTC(2025, 8, 15) * 1000;
const laneOf = (seconds: number): Lane => ({
  ...{ name: `dips${Math.round(seconds * 100)}`, schedule: 'continuous', capacityTicks: 100 },
  table: `gpu_dips${Math.round(seconds * 100)}`,
  ...{ intervalMs: seconds * 1000, fields: [findField(1002)!] },
});

let db: QuestDb;
beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
});
afterAll(async () => {
  await db.close();
});

/** Of 200 samples of which two of each twenty are low: the 18th and 19th. */
async function dipsOf(seconds: number): Promise<Dips | undefined> {
  const lane = laneOf(seconds);
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const job_id = `dips ${seconds}`;
  const own = { node: 'n1', gpu: `G-dips-${seconds}`, job_id };
  const rows = Array.from({ length: 200 }, (_, tick) => ({
    ...{ ...own, ts: T0 + (tick * seconds + 1) * S, owners: 1, dt_us: seconds * S },
    sm_active_ratio: [17, 18].includes(tick % 20) ? 0.1 : 0.9,
  }));
  await insertRows(db, lane.table, rows);
  const endUs = T0 + 200 * seconds * S;
  await insertRows(db, 'gpu_ownership', [{ ...own, ts: T0, end_ts: endUs, run: 0, source: 'test' }]);
  return (await jobFigures(db, [lane], job_id, { nowUs: endUs })).dips;
}

test('in steps of the interval of the lane', async () => {
  expect(await dipsOf(120)).toMatchObject({
    ...{ count: 10, lengthUs: 240 * S, periodUs: 2400 * S, timeRatio: 20 / 200 },
    floor: { value: expect.closeTo(0.1, 12) as number },
  });
});

test('in whole minutes, where the interval is none', async () => {
  const { count, periodUs, lengthUs } = (await dipsOf(90))!;
  expect([count, lengthUs / S]).toEqual([10, 120]);
  expect(Math.abs(periodUs - 20 * 90 * S)).toBeLessThanOrEqual(120 * S);
});

test('in minutes, where samples come a little late', async () => {
  expect(await dipsOf(60.01)).toMatchObject({ count: 10, lengthUs: 120 * S, periodUs: 1200 * S });
});
