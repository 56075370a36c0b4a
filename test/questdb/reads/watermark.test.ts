import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Notice } from '../../../src/core/base/notice.ts';
import { openQuestDb, type QuestDb } from '../../../src/questdb/http.ts';
import { waitForVisible } from '../../../src/questdb/visible.ts';
import { areTablesReady } from '../../../src/questdb/schema/ready.ts';
import { applySchema } from '../../../src/questdb/schema/apply.ts';
import {
  readNodeWatermarks,
  readOldWatermarks,
  readWatermarks,
} from '../../../src/questdb/reads/watermark.ts';
import { laneOf } from '../../helpers/lanes.ts';
import type { RowBefore } from '../../../src/core/ring/row-carry.ts';
import { startTestQuestdb, type TestQuestdb } from '../../helpers/questdb.ts';

let server: TestQuestdb;
let db: QuestDb;
const lane = { ...laneOf(0, 'marks', 1_000, [155, 156]), table: 'gpu_marks' };
const retention = { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' };
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

async function insert(gpu: string, agoUs: number, joules: string, dtUs = 0): Promise<void> {
  await db.exec(
    `INSERT INTO gpu_marks (ts, node, gpu, owners, dt_us, energy_joules) VALUES (cast(${nowUs - agoUs} AS timestamp), 'n1', '${gpu}', 0, ${dtUs}, ${joules})`,
  );
}

function rowWith(tsUs: number, energyJoules: number): RowBefore {
  return { tsUs, energyJoules, energyTsUs: tsUs, seenUs: 0 };
}

test('a table that is not there, or lacks a column, is not ready', async () => {
  expect(await areTablesReady(db, [lane], retention)).toBe(false);
  // A lane that begins: nothing is unknown of its rows.
  expect(await readNodeWatermarks(db, lane, 'n1', nowUs)).toEqual(new Map());
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
      ['A', rowWith(nowUs - 2 * MINUTE_US, 123456789.123)],
      ['B', { tsUs: nowUs - 5 * MINUTE_US, energyJoules: NaN, energyTsUs: NaN, seenUs: 0 }],
    ]),
  );
});

test('a device that was silent for hours is found when it is asked for', async () => {
  const old = await readOldWatermarks(db, lane, ['C', 'D']);
  expect(old).toEqual(new Map([['C', rowWith(nowUs - 300 * MINUTE_US, 7)]]));
  expect(await readOldWatermarks(db, lane, [])).toEqual(new Map());
});

test('of a device whose newest rows have no reading, the last one before and how much was seen since', async () => {
  const SECOND_US = 1e6;
  // One with rows all the time since, one after a gap, one whose last reading is too old to ask for what was seen.
  await insert('E', 9 * SECOND_US, '50.0', SECOND_US);
  await insert('E', 8 * SECOND_US, 'NULL', SECOND_US);
  await insert('E', 7 * SECOND_US, 'NULL', SECOND_US);
  await insert('F', 30 * SECOND_US, '60.0', SECOND_US);
  await insert('F', 8 * SECOND_US, 'NULL', 0);
  await insert('F', 7 * SECOND_US, 'NULL', SECOND_US);
  await insert('G', 5 * MINUTE_US, '70.0', SECOND_US);
  await insert('G', 7 * SECOND_US, 'NULL', SECOND_US);
  const before = { tsUs: nowUs - 7 * SECOND_US };
  const { rows } = await readWatermarks(db, lane, nowUs, tell);
  expect(['E', 'F', 'G'].map((gpu) => rows.get(gpu))).toEqual([
    { ...before, energyJoules: 50, energyTsUs: nowUs - 9 * SECOND_US, seenUs: 2 * SECOND_US },
    { ...before, energyJoules: 60, energyTsUs: nowUs - 30 * SECOND_US, seenUs: SECOND_US },
    { ...before, energyJoules: 70, energyTsUs: nowUs - 5 * MINUTE_US, seenUs: SECOND_US },
  ]);
  expect(rows.get('B')?.energyJoules).toBeNaN();
  expect(rows.get('A')).toEqual(rowWith(nowUs - 2 * MINUTE_US, 123456789.123));
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
