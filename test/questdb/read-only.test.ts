/** A QuestDB that somebody has set to take nothing: rows wait for another day, and a command says so. */
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { sendRows } from '../helpers/send-rows.ts';

let server: TestQuestdb;
let db: QuestDb;

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 30_000 });
  await db.exec('CREATE TABLE t (ts TIMESTAMP, v LONG) TIMESTAMP(ts) PARTITION BY DAY WAL');
  await appendFile(join(server.dataDir, 'conf/server.conf'), '\nreadonly=true\n');
  await server.restart();
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

test('rows are to be sent again later', async () => {
  const { unsent } = await sendRows(db, 't v=1i 1763700000000000t\n');
  expect(unsent).toMatchObject({ cause: 'store', rows: 1 });
  expect(unsent!.error).toMatchObject({ code: 'questdb.read_only', exit: 'temporary' });
});

test("tables cannot be made, which is nobody's defect", async () => {
  const applying = applySchema(db, [], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  await expect(applying).rejects.toMatchObject({ code: 'questdb.read_only', exit: 'permission' });
});
