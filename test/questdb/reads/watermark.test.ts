import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Notice } from '../../../src/core/base/notice.ts';
import { openQuestDb, type QuestDb } from '../../../src/questdb/http.ts';
import { waitForVisible } from '../../../src/questdb/visible.ts';
import { areTablesReady } from '../../../src/questdb/schema/ready.ts';
import { applySchema } from '../../../src/questdb/schema/apply.ts';
import { readOldWatermarks, readWatermarks } from '../../../src/questdb/reads/watermark.ts';
import { laneOf } from '../../helpers/lanes.ts';
import { startTestQuestdb, type TestQuestdb } from '../../helpers/questdb.ts';

let server: TestQuestdb;
let db: QuestDb;
const lane = { ...laneOf(0, 'marks', 1_000, [155, 156]), table: 'gpu_marks' };
const retention = { raw: '', rollup1m: '', rollup1h: '' };
const nowUs = Date.now() * 1000;
const MINUTE_US = 60_000_000;
let logged: Notice[] = [];
const tell = (notice: Notice): void => void logged.push(notice);

beforeAll(async () => {
  // Developers of the server may suspend a table; a failed write to its disk does just so.
  process.env['QDB_DEV_MODE_ENABLED'] = 'true';
  server = await startTestQuestdb();
  delete process.env['QDB_DEV_MODE_ENABLED'];
  db = await openQuestDb(server.conf, { requestTimeoutMs: 20_000 });
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

async function insert(gpu: string, agoUs: number, joules: string): Promise<void> {
  await db.exec(
    `INSERT INTO gpu_marks (ts, node, gpu, owners, dt_us, energy_joules) VALUES (cast(${nowUs - agoUs} AS timestamp), 'n1', '${gpu}', 0, 0, ${joules})`,
  );
}

test('a table that is not there, or lacks a column, is not ready', async () => {
  expect(await areTablesReady(db, [lane], retention)).toBe(false);
  await applySchema(db, [lane], retention);
  expect(await areTablesReady(db, [lane], retention)).toBe(true);
  const wider = { ...laneOf(0, 'marks', 1_000, [155, 156, 150]), table: 'gpu_marks' };
  expect(await areTablesReady(db, [wider], retention)).toBe(false);
});

test('the newest row of every device, with its energy', async () => {
  expect((await readWatermarks(db, lane, nowUs, tell)).rows).toEqual(new Map());
  await insert('A', 3 * MINUTE_US, '10.5');
  await insert('A', 2 * MINUTE_US, '123456789.123');
  await insert('B', 5 * MINUTE_US, 'NULL');
  await insert('C', 300 * MINUTE_US, '7.0');
  const { rows, behind } = await readWatermarks(db, lane, nowUs, tell);
  expect(behind).toBeUndefined();
  expect(rows).toEqual(
    new Map([
      ['A', { tsUs: nowUs - 2 * MINUTE_US, energyJoules: 123456789.123 }],
      ['B', { tsUs: nowUs - 5 * MINUTE_US, energyJoules: NaN }],
    ]),
  );
});

test('a device that was silent for hours is found when it is asked for', async () => {
  const old = await readOldWatermarks(db, lane, ['C', 'D']);
  expect(old).toEqual(new Map([['C', { tsUs: nowUs - 300 * MINUTE_US, energyJoules: 7 }]]));
  expect(await readOldWatermarks(db, lane, [])).toEqual(new Map());
});

test('a suspended table says that there may be more than it shows', async () => {
  logged = [];
  await waitForVisible(db, 'gpu_marks');
  await db.exec(`ALTER TABLE gpu_marks SUSPEND WAL WITH 24, 'disk trouble'`);
  await insert('A', MINUTE_US, '1.0');
  const { rows, behind } = await readWatermarks(db, lane, nowUs, tell);
  expect(behind).toContain('table gpu_marks is suspended');
  expect(logged.map(({ code }) => code)).toEqual(['drain.behind']);
  expect(logged[0]!.sentence).toContain('RESUME WAL');
  // What it shows is what was there before.
  expect(rows.get('A')?.tsUs).toBe(nowUs - 2 * MINUTE_US);
  await db.exec('ALTER TABLE gpu_marks RESUME WAL');
  await waitForVisible(db, 'gpu_marks');
  expect((await readWatermarks(db, lane, nowUs, tell)).rows.get('A')?.tsUs).toBe(nowUs - MINUTE_US);
});
