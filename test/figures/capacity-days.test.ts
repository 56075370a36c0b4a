/**
 * Goal: a capacity report of days is the same whether its buckets are added up by job before it is looked up whose they are, which
 * pays where a job has several, or after. Method: thirty days of two devices of jobs, one that both share, one of nobody and one of whom
 * nobody can tell in a real QuestDB, asked about before and after there are so many jobs in that time that a job has few buckets.
 */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { capacityFigures, type CapacityQueryOptions } from '../../src/figures/capacity/query.ts';
import type { Asked } from '../../src/figures/query-cells.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups, waitForVisible } from '../../src/questdb/visible.ts';
import { capacityJson } from '../../src/report/json.ts';
import { insertRows } from '../helpers/insert-rows.ts';

const HOUR_US = 3600e6;
const DAY_US = 24 * HOUR_US;
const DAYS = 30;
/** Earlier than any other test: they share a server, and a job that never ended is in all time after it. */
const T0 = Date.UTC(2012, 7, 20) * 1000;
const lane: Lane = {
  name: 'capdays',
  table: 'gpu_capdays',
  schedule: 'continuous',
  intervalMs: 3600e3,
  fields: [1002, 155, 156].map((id) => findField(id)!),
  capacityTicks: 100,
};

let db: QuestDb;

beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  await db.exec(
    'INSERT INTO gpu_capdays (ts, node, gpu, job_id, owners, dt_us, sm_active_ratio, power_watts, energy_rise_joules, energy_rise_dt_us)' +
      ` SELECT cast(${T0} + h * ${HOUR_US} AS TIMESTAMP), 'n1', concat('D', g), concat('day', g), 1, ${HOUR_US}, (h % 8) / 8.0, 100, 360000, ${HOUR_US}` +
      ` FROM (SELECT (x - 1) / 2 AS h, (x - 1) % 2 AS g FROM long_sequence(${2 * 24 * DAYS}))`,
  );
  await db.exec(
    'INSERT INTO gpu_capdays (ts, node, gpu, job_id, owners, owner_set, dt_us, sm_active_ratio, power_watts, energy_rise_joules, energy_rise_dt_us)' +
      ` SELECT cast(${T0} + h * ${HOUR_US} AS TIMESTAMP), 'n2', concat('E', g), CASE WHEN g = 2 THEN 'unresolved' END, CASE WHEN g = 0 THEN 2 WHEN g = 1 THEN 0 ELSE 1 END,` +
      ` CASE WHEN g = 0 THEN 77 END, ${HOUR_US}, (h % 4) / 4.0, 100, 360000, ${HOUR_US} FROM (SELECT (x - 1) / 3 AS h, (x - 1) % 3 AS g FROM long_sequence(${3 * 24 * DAYS}))`,
  );
  const member = { ts: T0 - HOUR_US, gpu: 'E0', owner_set: 77, sharing: 'stated', scaled: 0 };
  await insertRows(db, 'gpu_owner_sets', [
    { ...member, job_id: 'day0', share: 0.5, part: 0.5 },
    { ...member, job_id: 'day1', share: 0.25, part: 0.25 },
  ]);
  const time = { ts: T0 - HOUR_US, end_ts: T0 + DAYS * DAY_US };
  const own = { ...time, node: 'n1', run: 0, source: 'test' };
  await insertRows(db, 'gpu_ownership', [
    { ...own, gpu: 'D0', job_id: 'day0' },
    { ...own, gpu: 'D1', job_id: 'day1' },
  ]);
  await insertRows(db, 'jobs', [
    { ...time, job_id: 'day0', run: 0, account: 'days-a' },
    { ...time, job_id: 'day1', run: 0, account: 'days-b' },
  ]);
  await waitForVisible(db, lane.table);
  await waitForRollups(db, [lane], T0 + (DAYS + 2) * DAY_US, { timeoutMs: 300_000 });
});
afterAll(async () => {
  await db.close();
});

async function report(
  rows: Pick<CapacityQueryOptions, 'by'> & Partial<CapacityQueryOptions>,
): Promise<{ told: unknown; sums: string }> {
  let sums = '';
  const exec: Asked['exec'] = async (sql) => {
    if (sql.startsWith('WITH') && sql.includes('FROM "gpu_capdays_1d" s')) sums += sql;
    return await db.exec(sql);
  };
  const figures = await capacityFigures({ where: db.where, exec }, [lane], {
    fromUs: T0,
    toUs: T0 + DAYS * DAY_US,
    ...rows,
  });
  return { told: JSON.parse(capacityJson(figures)), sums };
}

const UNSUMMED = ', s."dt_us" AS dt_us';
const ROWS = [
  { by: 'account' },
  { by: 'account', every: 'month' },
  { by: 'node', every: 'week' },
  { by: 'month' },
  { by: 'account', every: 'month', timeZone: 'Europe/Berlin' },
  { by: 'account', also: ['node'], every: 'week' },
  { by: 'month', also: ['account'] },
  { by: 'account', where: [{ by: 'account', names: ['days-b'] }] },
  { by: 'account', where: [{ by: 'node', names: ['n2'] }] },
  // With hours at its ends.
  { by: 'account', fromUs: T0 + 5 * HOUR_US, toUs: T0 + DAYS * DAY_US - 7 * HOUR_US },
] as const;

test('the figures of few jobs with many buckets are those of many with few', async () => {
  const many = [];
  for (const rows of ROWS) many.push(await report(rows));
  for (const { sums } of many) {
    expect(sums).toContain('sum(s."dt_us") AS dt_us');
    expect(sums).not.toContain(UNSUMMED);
  }
  await insertRows(
    db,
    'jobs',
    Array.from({ length: 80 }, (_, n) => ({
      ts: T0 + n * 8 * HOUR_US,
      end_ts: T0 + (n * 8 + 1) * HOUR_US,
      job_id: `elsewhere${n}`,
      run: 0,
      account: 'days-c',
    })),
  );
  await waitForVisible(db, 'jobs');
  for (const [index, rows] of ROWS.entries()) {
    const few = await report(rows);
    // Whose jobs they were does not matter by node or month alone.
    expect(few.sums.includes(UNSUMMED)).toBe(rows.by === 'account' || 'also' in rows);
    expect(few.told).toEqual(many[index]!.told);
  }
  const { told } = await report({ by: 'account' });
  const hours = 24 * DAYS;
  expect((told as { rows: unknown[] }).rows).toMatchObject([
    { name: 'days-a', attributedUs: 1.5 * hours * HOUR_US },
    { name: 'days-b', attributedUs: 1.25 * hours * HOUR_US },
    { kind: 'unresolved', attributedUs: hours * HOUR_US },
    { kind: 'unattributed', attributedUs: 0.25 * hours * HOUR_US },
    { kind: 'unowned', attributedUs: hours * HOUR_US },
  ]);
});

test('no more was seen than is known of: the first sample speaks for an hour before there was any sign of life', async () => {
  const seenUs = 5 * DAYS * DAY_US;
  expect((await report({ by: 'account' })).told).toMatchObject({ sampledUs: seenUs, knownUs: seenUs });
});
