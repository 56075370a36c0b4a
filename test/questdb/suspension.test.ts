/** A table that QuestDB has suspended: it acknowledges rows and shows none. */
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Notice } from '../../src/core/base/notice.ts';
import { createStoreGate } from '../../src/questdb/gate.ts';
import type { Batch, Fate } from '../../src/core/wire/sink.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { watchSuspension } from '../../src/questdb/suspension.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';

let server: TestQuestdb;
let db: QuestDb;

beforeAll(async () => {
  server = await startTestQuestdb();
  // SUSPEND WAL is for developers of the server; what it makes is what a failed write to a table makes.
  await appendFile(join(server.dataDir, 'conf/server.conf'), '\ndev.mode.enabled=true\n');
  await server.restart();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 30_000 });
  for (const table of ['sound', 'broken'])
    await db.exec(`CREATE TABLE ${table} (ts TIMESTAMP, v LONG) TIMESTAMP(ts) PARTITION BY DAY WAL`);
  await db.exec(`ALTER TABLE broken SUSPEND WAL WITH 24, 'disk trouble'`);
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

test('a suspension is told once when it begins and once when it ends', async () => {
  const notices: Notice[] = [];
  const watch = watchSuspension(db, ['sound', 'broken'], (notice) => notices.push(notice));
  await watch.look();
  await watch.look();
  expect(notices.map(({ code }) => code)).toEqual(['store.suspended']);
  expect(notices[0]!.sentence).toContain('ALTER TABLE "broken" RESUME WAL;');
  expect(watch.reasonOf('broken')).toContain('disk trouble');
  expect(watch.reasonOf('sound')).toBeUndefined();
});

test('confirm: acknowledged takes the word of the server, confirm: visible does not', async () => {
  const open = async (confirm: 'acknowledged' | 'visible'): Promise<Fate> => {
    const gate = createStoreGate({ db, confirm, prepare: () => Promise.resolve(), tell: () => undefined });
    await gate.open();
    return await gate.patient.send(rowOf('broken v=1i 1763700000000000t\n'));
  };
  expect((await open('acknowledged')).acknowledgedRows).toBe(1);
  const fate = await open('visible');
  expect(fate).toMatchObject({ acknowledgedRows: 0, unsent: { cause: 'store', rows: 1 } });
  expect(fate.unsent!.reason).toContain('suspended');
});

test('after the table is resumed its rows are visible, and the watch says so', async () => {
  const notices: Notice[] = [];
  const watch = watchSuspension(db, ['broken'], (notice) => notices.push(notice));
  await watch.look();
  await db.exec('ALTER TABLE broken RESUME WAL');
  await waitForVisible(db, 'broken');
  await watch.look();
  expect(notices.map(({ code }) => code)).toEqual(['store.suspended', 'store.resumed']);
  const gate = createStoreGate({
    db,
    confirm: 'visible',
    prepare: () => Promise.resolve(),
    tell: () => undefined,
  });
  await gate.open();
  const fate = await gate.patient.send(rowOf('broken v=2i 1763700000000001t\n'));
  expect(fate).toEqual({ acknowledgedRows: 1, refused: [] });
  expect((await db.exec('SELECT max(v) FROM broken')).rows).toEqual([[2]]);
});

function rowOf(text: string): Batch {
  return { table: 'broken', body: new Uint8Array(Buffer.from(text)), rows: 1 };
}
