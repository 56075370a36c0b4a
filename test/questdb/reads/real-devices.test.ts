import { afterAll, beforeAll, expect, test } from 'vitest';
import { openQuestDb, type QuestDb } from '../../../src/questdb/http.ts';
import { refuseBesideRealRows } from '../../../src/questdb/reads/real-devices.ts';
import { applySchema } from '../../../src/questdb/schema/apply.ts';
import { waitForVisible } from '../../../src/questdb/visible.ts';
import { startTestQuestdb, type TestQuestdb } from '../../helpers/questdb.ts';
import { sendRows } from '../../helpers/send-rows.ts';

let server: TestQuestdb;
let db: QuestDb;

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 30_000 });
  await applySchema(db, [], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

test('made-up samples go into a store of none or of made-up ones, and not beside real ones', async () => {
  await refuseBesideRealRows(db);
  const add = async (gpu: string, source: string): Promise<void> => {
    const row = `gpu_inventory,node=n1,gpu=${gpu},source=${source} gpu_index=0i 1790000000000000t\n`;
    expect((await sendRows(db, row)).unsent).toBeUndefined();
    await waitForVisible(db, 'gpu_inventory');
  };
  await add('GPU-synthetic', 'synthetic');
  await refuseBesideRealRows(db);
  await add('GPU-real', 'nvml');
  await expect(refuseBesideRealRows(db)).rejects.toMatchObject({
    code: 'store.real_rows',
    exit: 'config',
    message:
      'expected a store without real samples for the source synthetic, found GPU-real of node n1 (source nvml)',
  });
});
