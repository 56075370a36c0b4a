/** What `schema apply` labels of shared devices: a store that does not take all of it is no success. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { OperatingError } from '../../src/core/base/errors.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { untaken } from '../../src/core/wire/sink.ts';
import { labelShared } from '../../src/job-map/label-shared.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { sendRows } from '../helpers/send-rows.ts';

const START_US = (Math.floor(Date.now() / 86_400_000) - 3) * 86_400e6;
const lane: Lane = {
  name: 'apply',
  table: 'gpu_apply',
  schedule: 'continuous',
  intervalMs: 60_000,
  fields: [findField(155)!],
  capacityTicks: 1,
};

let server: TestQuestdb;
let db: QuestDb;
beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 30_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

const nothing = (): void => undefined;

test('parts by measured use that the store does not take end it with a code, and are written by the next one', async () => {
  const endUs = START_US + 600e6;
  const samples = Array.from(
    { length: 10 },
    (_, minute) =>
      `${lane.table},node=n1,gpu=G owners=2i,dt_us=60000000i,power_watts=50 ${START_US + (minute + 1) * 60e6}t\n`,
  );
  const owned = ['a', 'b'].map(
    (job) =>
      `gpu_ownership,node=n1,gpu=G,source=journal job_id="${job}",run=0i,end_ts=${endUs}t ${START_US}t\n`,
  );
  const used = ['a', 'b'].map(
    (job, index) =>
      `gpu_shared_use,node=n1,gpu=G,kind=job job_id="${job}",end_ts=${endUs}t,seen_us=600000000i,sm_use_seconds=${3 - 2 * index} ${START_US}t\n`,
  );
  for (const rows of [samples, owned, used])
    expect((await sendRows(db, rows.join(''))).unsent).toBeUndefined();
  for (const table of [lane.table, 'gpu_ownership', 'gpu_shared_use']) await waitForVisible(db, table);

  const error = new OperatingError('the disk is full', { code: 'questdb.refused', exit: 'temporary' });
  const refusing: QuestDb = {
    ...db,
    send: async (batch, signal) =>
      Buffer.from(batch.body).includes('measured')
        ? untaken(batch, { cause: 'store', reason: error.message, error })
        : await db.send(batch, signal),
  };
  await expect(labelShared(refusing, [lane.table], nothing, nothing)).rejects.toMatchObject({
    code: 'schema.unlabelled',
    exit: 'temporary',
    message: 'not all samples of shared GPUs have the set of their owners yet',
  });
  expect(await labelShared(db, [lane.table], nothing, nothing)).toBe(0);
  await waitForVisible(db, 'gpu_owner_sets');
  const { rows } = await db.exec('SELECT job_id, part, sharing FROM gpu_owner_sets ORDER BY job_id');
  expect(rows).toEqual([
    ['a', 0.75, 'measured'],
    ['b', 0.25, 'measured'],
  ]);
});
