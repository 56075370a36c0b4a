/**
 * Goal: a gauge is read where its samples are, whatever today's configuration says. Method: samples of two lanes in a real QuestDB,
 * the reports of jobs before and after the day on which one began.
 */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { JobFigures } from '../../src/figures/job/figures.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { insertRows } from '../helpers/insert-rows.ts';

const SECOND = 1e6;
const T0 = Date.UTC(2024, 8, 3, 7) * 1000;
const at = (seconds: number): number => T0 + seconds * SECOND;
const laneOf = (name: string, intervalMs: number, ids: readonly number[]): Lane => ({
  ...{ name, table: `gpu_${name}`, schedule: 'continuous', intervalMs, capacityTicks: 100 },
  fields: ids.map((id) => findField(id)!),
});
const steady = laneOf('gsteady', 1000, [1002, 155, 156]);
const fast = laneOf('gfast', 100, [1002]);

let db: QuestDb;
beforeAll(async () => {
  db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 60_000 });
  await applySchema(db, [steady, fast], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const rows = (
    from: number,
    to: number,
    job: string,
    sm: number | undefined,
  ): Record<string, string | number>[] =>
    Array.from({ length: to - from }, (_, tick) => ({
      ...{ ts: at(from + tick + 1), node: 'n1', gpu: 'G-lanes', job_id: job, owners: 1, dt_us: SECOND },
      ...(sm === undefined ? {} : { sm_active_ratio: sm }),
    }));
  await insertRows(db, 'gpu_gsteady', [
    ...rows(0, 60, 'lanes before', 0.5).map((row) => ({ ...row, power_watts: 300 })),
    ...rows(60, 120, 'lanes after', undefined).map((row) => ({ ...row, power_watts: 400 })),
  ]);
  await insertRows(db, 'gpu_gfast', rows(60, 120, 'lanes after', 0.75));
  const own = { node: 'n1', gpu: 'G-lanes', run: 0, source: 'test' };
  await insertRows(db, 'gpu_ownership', [
    { ...own, ts: at(0), end_ts: at(60), job_id: 'lanes before' },
    { ...own, ts: at(60), end_ts: at(120), job_id: 'lanes after' },
  ]);
});
afterAll(async () => {
  await db.close();
});

const meansOf = ({ gauges }: JobFigures): unknown[] => gauges.map(({ key, mean }) => [key, mean?.value]);
const report = async (jobId: string, lanes: readonly Lane[]): Promise<JobFigures> =>
  await jobFigures(db, lanes, jobId, { nowUs: at(600) });

test.each([
  ['both lanes', [steady, fast]],
  ['the new one alone', [fast]],
  ['the old one alone', [steady]],
])('with %s configured, each job has the activity that was recorded', async (_, lanes) => {
  const [before, after] = [await report('lanes before', lanes), await report('lanes after', lanes)];
  expect(meansOf(before)).toEqual([
    ['smActive', 0.5],
    ['power', 300],
  ]);
  expect(meansOf(after)).toEqual([
    ['smActive', 0.75],
    ['power', 400],
  ]);
  expect([before.all.samples, after.all.samples]).toEqual([60, 60]);
});
