/** A server that is killed, or replaced by an empty one, under a running collector. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { realDisk } from '../../src/disk/disk.ts';
import { readLedger } from '../../src/disk/ledger-file.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { countRows, createPlace, expectEachRowOnce, startResident, withStore } from '../helpers/resident.ts';

const CONFIG = 'source: synthetic\nsynthetic: { gpus: 4 }\nquestdb: { request_timeout: 5s }';
const SOME_ROWS = 80;
let server: TestQuestdb;

beforeAll(async () => {
  server = await startTestQuestdb();
});
afterAll(async () => {
  await server.stop();
});

async function seeRows(table: string, moreThan: number): Promise<void> {
  await withStore(server.conf, async (db) => {
    await expect.poll(() => countRows(db, table)).toBeGreaterThan(moreThan);
  });
}

test('killed and started again: every row once', async () => {
  const place = createPlace(CONFIG);
  const resident = startResident(place, server.conf);
  await seeRows(place.table, SOME_ROWS);
  await server.kill9();
  await resident.logged('store.away');
  await server.restart();
  await resident.logged('store.back');
  resident.child.kill('SIGTERM');
  expect(await resident.ended).toEqual([0, null]);
  await expectEachRowOnce(server.conf, place);
  // One line for the outage, and one at its end.
  const told = resident.log().filter(({ event }) => /^(store|delivery|small_table)\./.test(event));
  expect(told.map(({ event }) => event)).toEqual(['store.away', 'store.back']);
});

test('replaced by an empty one: what was not in the old one is in the new one, once', async () => {
  const place = createPlace(CONFIG);
  const { table } = place;
  const resident = startResident(place, server.conf);
  await seeRows(table, SOME_ROWS);
  const { oldRows, lastUs } = await withStore(server.conf, async (db) => {
    const { rows } = await db.exec(`SELECT count(), cast(max(ts) AS LONG) FROM ${table}`);
    return { oldRows: Number(rows[0]![0]), lastUs: Number(rows[0]![1]) };
  });
  await server.kill9();
  await rm(join(server.dataDir, 'db'), { recursive: true });
  await server.restart();
  await resident.logged('store.tables_fit');
  await seeRows(table, SOME_ROWS);
  resident.child.kill('SIGTERM');
  expect(await resident.ended).toEqual([0, null]);
  const { ledger } = readLedger(realDisk, join(place.stateDir, 'delivery', table, 'account'))!;
  expect(ledger).toMatchObject({ acknowledgedRows: ledger.sampledRows, droppedRows: 0, refusedRows: 0 });
  await withStore(server.conf, async (db) => {
    await waitForVisible(db, table);
    const later = `${table} WHERE ts > cast(${lastUs} AS timestamp)`;
    const { rows } = await db.exec(`SELECT count() FROM ${later}`);
    const distinct = await db.exec(`SELECT count() FROM (SELECT DISTINCT ts, gpu FROM ${later})`);
    expect([rows[0]![0], distinct.rows[0]![0]]).toEqual(Array(2).fill(ledger.sampledRows - oldRows));
  });
});
