/**
 * Goal: a capacity report that is asked for in many questions about a few samples each is the one of a single question, in every
 * grouping, where counters are in doubt, devices shared and months change. Method: four hours of six devices without rollups in a
 * real QuestDB, and a loop over what was written.
 */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { allTables, createTableSql } from '../../schemas/tables.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { CapacityFigures } from '../../src/figures/capacity/figures.ts';
import { capacityFigures, type CapacityQueryOptions } from '../../src/figures/capacity/query.ts';
import type { Asked } from '../../src/figures/query-cells.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { capacityJson } from '../../src/report/json.ts';
import { insertRows } from '../helpers/insert-rows.ts';

const SECOND = 1e6;
/** Two hours before April. */
const T0 = Date.UTC(2023, 2, 31, 22) * 1000;
const TICKS = 1440;
const at = (tick: number): number => T0 + tick * 10 * SECOND;
const FOR_EVER = { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' };
const SET = '7100000000000000001';
const lane: Lane = {
  name: 'capcut',
  table: 'gpu_capcut',
  schedule: 'continuous',
  intervalMs: 10_000,
  fields: [1002, 155, 156].map((id) => findField(id)!),
  capacityTicks: 100,
};

let db: QuestDb;

beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  for (const table of allTables([lane], FOR_EVER)) await db.exec(createTableSql(table));
  // The counters of P1 and P5 stand still, of which P5 has no power; that of P2 is not known in March, that of P4 never.
  await db.exec(
    'INSERT INTO gpu_capcut (ts, node, gpu, job_id, owners, owner_set, dt_us, sm_active_ratio, power_watts, energy_rise_joules, energy_rise_dt_us)' +
      ` SELECT cast(${T0} + k * 10000000 AS TIMESTAMP), 'n1', concat('P', g),` +
      " CASE WHEN g = 0 OR (g = 1 AND k <= 720) THEN 'cp1' WHEN g = 2 THEN 'cp2' WHEN g = 3 AND k > 720 THEN 'cp3' WHEN g = 4 THEN 'cp4' WHEN g = 5 THEN 'cp5' END," +
      ` CASE WHEN g = 1 AND k > 720 THEN 0 WHEN g = 3 AND k <= 720 THEN 2 ELSE 1 END, CASE WHEN g = 3 AND k <= 720 THEN ${SET} END,` +
      ' 10000000, (k % 8) / 8.0, CASE WHEN g = 5 THEN null ELSE 100 END, CASE WHEN g = 1 OR g = 5 THEN 0 WHEN g = 4 THEN null WHEN g = 2 AND k < 720 THEN null ELSE 512 END, CASE WHEN g = 2 AND k < 720 THEN 0 WHEN g = 4 THEN null ELSE 10000000 END' +
      ` FROM (SELECT (x - 1) / 6 + 1 AS k, (x - 1) % 6 AS g FROM long_sequence(${6 * TICKS}))`,
  );
  const own = { node: 'n1', run: 0, source: 'test' };
  await insertRows(db, 'gpu_ownership', [
    { ...own, ts: at(0), end_ts: at(TICKS), gpu: 'P0', job_id: 'cp1' },
    { ...own, ts: at(0), end_ts: at(720), gpu: 'P1', job_id: 'cp1' },
    { ...own, ts: at(0), end_ts: at(TICKS), gpu: 'P2', job_id: 'cp2' },
    { ...own, ts: at(0), end_ts: at(TICKS), gpu: 'P4', job_id: 'cp4' },
    { ...own, ts: at(0), end_ts: at(TICKS), gpu: 'P5', job_id: 'cp5' },
    { ...own, ts: at(0), end_ts: at(720), gpu: 'P3', job_id: 'cp2', share: 0.25 },
    { ...own, ts: at(0), end_ts: at(TICKS), gpu: 'P3', job_id: 'cp3', share: 0.5 },
  ]);
  await insertRows(db, 'jobs', [
    { ts: at(0), end_ts: at(TICKS), job_id: 'cp1', run: 0, account: 'cut-a' },
    { ts: at(0), end_ts: at(TICKS), job_id: 'cp2', run: 0, account: 'cut-b' },
    { ts: at(0), end_ts: at(TICKS), job_id: 'cp3', run: 0, account: 'cut-c' },
    { ts: at(0), end_ts: at(TICKS), job_id: 'cp4', run: 0, account: 'cut-d' },
    { ts: at(0), end_ts: at(TICKS), job_id: 'cp5', run: 0, account: 'cut-e' },
  ]);
  const set = { ts: at(0), gpu: 'P3', owner_set: SET, sharing: 'stated', scaled: 0 };
  await insertRows(db, 'gpu_owner_sets', [
    { ...set, job_id: 'cp2', part: 0.25 },
    { ...set, job_id: 'cp3', part: 0.5 },
  ]);
  await waitForVisible(db, lane.table);
});
afterAll(async () => {
  await db.close();
});

async function report(
  rows: Pick<CapacityQueryOptions, 'by' | 'every'>,
  samplesMax: number,
): Promise<{ figures: CapacityFigures; questions: string[] }> {
  const questions: string[] = [];
  const exec: Asked['exec'] = async (sql) => {
    if (sql.includes('GROUP BY') && sql.includes('FROM "gpu_capcut" s')) questions.push(sql);
    return await db.exec(sql);
  };
  const window = { fromUs: T0, toUs: at(TICKS + 6) };
  const figures = await capacityFigures({ where: db.where, exec, samplesMax }, [lane], {
    ...window,
    ...rows,
  });
  return { figures, questions };
}

test.each([
  { by: 'account' },
  { by: 'account', every: 'month' },
  { by: 'month' },
  { by: 'node', every: 'week' },
  { by: 'model' },
] as const)('the same in many questions (%j)', async (rows) => {
  const whole = await report(rows, 1e7);
  const cut = await report(rows, 500);
  expect(cut.questions.length).toBeGreaterThanOrEqual(whole.questions.length + 11);
  expect(JSON.parse(capacityJson(cut.figures))).toEqual(JSON.parse(capacityJson(whole.figures)));
});

test('and the true ones: a counter that stood still gives way to power, and one that was not known for long does not', async () => {
  for (const samplesMax of [1e7, 500]) {
    const { figures } = await report({ by: 'account', every: 'month' }, samplesMax);
    const told = figures.rows.map(({ kind, name, period, attributedUs, energy }) => [
      name ?? kind,
      period,
      attributedUs / SECOND,
      energy.best?.value,
    ]);
    // A sample at midnight is the first of April: 719 in March.
    expect(told).toEqual([
      ['cut-a', '2023-03', 2 * 7190, 719 * 512 + 719 * 1000],
      ['cut-a', '2023-04', 7210 + 10, 721 * 512 + 1 * 1000],
      ['cut-b', '2023-03', 7190 + 0.25 * 7190, 0.25 * 719 * 512],
      ['cut-b', '2023-04', 7210 + 0.25 * 10, 721 * 512 + 0.25 * 512],
      ['cut-d', '2023-03', 7190, 719 * 1000],
      ['cut-d', '2023-04', 7210, 721 * 1000],
      ['cut-e', '2023-03', 7190, 0],
      ['cut-e', '2023-04', 7210, 0],
      ['cut-c', '2023-03', 0.5 * 7190, 0.5 * 719 * 512],
      ['cut-c', '2023-04', 7200 + 0.5 * 10, 720 * 512 + 0.5 * 512],
      ['unattributed', '2023-03', 0.25 * 7190, 0.25 * 719 * 512],
      ['unattributed', '2023-04', 0.25 * 10, 0.25 * 512],
      ['unowned', '2023-04', 7200, 7200 * 100],
    ]);
  }
});
