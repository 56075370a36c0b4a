/**
 * Goal: where owned time is not what the scheduler counted, the capacity report says so, and says nothing of what cannot be compared.
 * Method: rows of jobs and ownership made by hand in a real QuestDB.
 */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { BillingCheck } from '../../src/figures/capacity/figures.ts';
import { capacityFigures } from '../../src/figures/capacity/query.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { insertRows } from '../helpers/insert-rows.ts';

const MINUTE = 60e6;
const T0 = Date.UTC(2023, 4, 9, 6) * 1000;
const at = (minutes: number): number => T0 + minutes * MINUTE;
const lane: Lane = {
  ...{ name: 'billing', table: 'gpu_billing', schedule: 'continuous', intervalMs: 1000, capacityTicks: 10 },
  fields: [findField(1002)!],
};

let db: QuestDb;
beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const record = (
    job: string,
    from: number,
    to: number | undefined,
    gpus?: number,
    cluster = 'bill',
  ): object => ({
    ...{
      ts: at(from),
      end_ts: to === undefined ? undefined : at(to),
      cluster,
      job_id: `b ${job}`,
      run: 0,
      gpus,
    },
  });
  const stay = (
    job: string,
    gpu: string,
    from: number,
    to: number | undefined,
    cluster = 'bill',
  ): object => ({
    ...{ ts: at(from), end_ts: to === undefined ? undefined : at(to), cluster, node: 'n1', gpu: `B-${gpu}` },
    ...{ job_id: `b ${job}`, run: 0, source: 'test' },
  });
  await insertRows(db, 'jobs', [
    record('same', 0, 100, 2),
    record('late', 0, 100, 2),
    record('less', 0, 100, 4),
    record('twice', 0, 100, 1),
    record('untold', 0, 100),
    record('elsewhere', 0, 100, 8),
    record('before', -10, 100, 8),
    record('open', 50, undefined, 8),
    record('other', 0, 100, 8, 'bill2'),
    // One id of three jobs: of the second one nobody told what was counted, and the third one owned less.
    ...[record('again', 300, 310, 1), record('again', 400, 420, 4)],
  ] as never);
  await insertRows(db, 'gpu_ownership', [
    // A minute a GPU is no difference: hooks and scheduler have clocks of their own.
    ...[stay('same', '0', 0, 101), stay('same', '1', 0, 101)],
    ...[stay('late', '2', 10, 100), stay('late', '3', 0, 100)],
    stay('less', '4', 0, 100),
    // Two rows of one time are one stay.
    ...[stay('twice', '5', 0, 100), stay('twice', '5', 1, 99)],
    stay('untold', '6', 0, 100),
    stay('unheard', '7', 0, 100),
    ...[stay('before', '0', -10, 0), stay('open', '0', 110, undefined)],
    stay('other', '9', 0, 100, 'bill2'),
    ...[stay('again', '0', 300, 310), stay('again', '1', 320, 340), stay('again', '0', 400, 420)],
  ] as never);
});
afterAll(async () => {
  await db.close();
});

const billing = async (fromMinutes: number, toMinutes: number): Promise<BillingCheck | undefined> =>
  (await capacityFigures(db, [lane], { fromUs: at(fromMinutes), toUs: at(toMinutes), by: 'user' })).billing;

const LESS = {
  ...{ jobId: 'b less', run: 0, cluster: 'bill', ownedUs: 100 * MINUTE, billedUs: 400 * MINUTE },
  ...{ gpus: 4, devices: 1 },
};
const LATE = {
  ...{ jobId: 'b late', run: 0, cluster: 'bill', ownedUs: 190 * MINUTE, billedUs: 200 * MINUTE },
  ...{ gpus: 2, devices: 2 },
};
const OTHER = { ...LESS, jobId: 'b other', cluster: 'bill2', billedUs: 800 * MINUTE, gpus: 8 };

test('runs that owned less or more than the scheduler counted are listed, the largest difference first', async () => {
  // `before` reaches over the window's edge, `open` has not ended.
  expect(await billing(-5, 200)).toEqual({
    ...{ compared: 5, unbilled: 2, unrecorded: 1, isCut: false },
    differences: [OTHER, LESS, LATE],
  });
});

test('of an id that was given again only what it was in the window is listed', async () => {
  // In the first window the sums differ, since nobody told what was counted for one of the jobs there.
  expect(await billing(295, 350)).toEqual({
    ...{ compared: 1, unbilled: 0, unrecorded: 0, isCut: false, differences: [] },
  });
  const sums = { ownedUs: 20 * MINUTE, billedUs: 80 * MINUTE, gpus: 4, devices: 1 };
  expect((await billing(395, 450))?.differences).toEqual([
    { jobId: 'b again', run: 0, cluster: 'bill', ...sums },
  ]);
});

test('of a window that cuts a run nothing is compared', async () => {
  expect(await billing(-5, 60)).toEqual({
    ...{ compared: 0, unbilled: 0, unrecorded: 0, isCut: false, differences: [] },
  });
});

test('a window of more than a hundred days is not looked through', async () => {
  expect(await billing(-5, 101 * 1440)).toBeUndefined();
});
