/** A limit that somebody set on a table by month, which the server does not take back: on a store of its own, since that is for good. */
import { expect, onTestFinished, test } from 'vitest';
import { defaultLanes } from '../../../src/core/fields/lane.ts';
import { openQuestDb } from '../../../src/questdb/http.ts';
import { applySchema } from '../../../src/questdb/schema/apply.ts';
import { waitForVisible } from '../../../src/questdb/visible.ts';
import { startTestQuestdb } from '../../helpers/questdb.ts';

const RETENTION = { raw: '14 DAYS', rollup1m: '90 DAYS', rollup1h: '3 YEARS', rollup1d: '' };

test('is kept and told, and keeps nothing else from being done', async () => {
  const server = await startTestQuestdb();
  onTestFinished(server.stop);
  const db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  onTestFinished(() => db.close());
  await applySchema(db, defaultLanes, RETENTION);
  await db.exec('ALTER TABLE jobs SET TTL 60 MONTHS');
  await db.exec('DROP TABLE bills');
  await waitForVisible(db, 'jobs');
  expect(await applySchema(db, defaultLanes, RETENTION)).toEqual([
    {
      action: 'kept',
      object: 'jobs',
      detail: expect.stringMatching(
        /^its retention cannot become endless: .*multiple of partition/,
      ) as string,
    },
    expect.objectContaining({ action: 'created', object: 'bills' }),
  ]);
});
