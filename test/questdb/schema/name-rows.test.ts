/** Rows that were stored before their cluster was known are named by node, at any time, and none is doubled. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findJob } from '../../../src/figures/job/find-job.ts';
import { openQuestDb, type QuestDb } from '../../../src/questdb/http.ts';
import { applySchema } from '../../../src/questdb/schema/apply.ts';
import type { SchemaChange } from '../../../src/questdb/schema/change.ts';
import { nameRows, readUnnamedRows } from '../../../src/questdb/schema/name-rows.ts';
import { waitForVisible } from '../../../src/questdb/visible.ts';
import { smallTables } from '../../../schemas/tables.ts';
import { startTestQuestdb, type TestQuestdb } from '../../helpers/questdb.ts';
import { sendRows } from '../../helpers/send-rows.ts';

const RETENTION = { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' };
const HOUR_US = 3_600e6;
const NOW_US = Date.now() * 1000;
/** Hours ago, as a stamp. */
const ago = (hours: number): string => `${Math.floor(NOW_US - hours * HOUR_US)}t`;

let server: TestQuestdb;
let db: QuestDb;

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 30_000 });
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

async function write(...rows: readonly string[]): Promise<void> {
  expect((await sendRows(db, rows.map((row) => `${row}\n`).join(''))).unsent).toBeUndefined();
  for (const { name } of smallTables(RETENTION)) await waitForVisible(db, name);
}

const name = async (nodes?: readonly string[]): Promise<SchemaChange[]> =>
  await nameRows(db, 'a', nodes, () => undefined);

async function clustersOf(table: string, of = 'job_id'): Promise<unknown> {
  return (await db.exec(`SELECT ${of}, cluster FROM ${table} ORDER BY ${of}, cluster`)).rows;
}

const stay = (node: string, job: string, hours: number, cluster = ''): string =>
  `gpu_ownership${cluster},node=${node},gpu=GPU-${node},source=journal job_id="${job}",end_ts=${ago(hours - 1)} ${ago(hours)}`;
const record = (job: string, hours: number): string =>
  `jobs,state=COMPLETED job_id="${job}",end_ts=${ago(hours - 1)},user="ada" ${ago(hours)}`;

describe('rows without a cluster', () => {
  test('are no matter in a store that knows of none', async () => {
    await applySchema(db, [], RETENTION);
    await write(stay('n1', '1', 100), record('1', 100));
    expect(await readUnnamedRows(db, undefined)).toEqual([]);
    expect(await readUnnamedRows(db, 'a')).toEqual([
      { table: 'gpu_ownership', rows: 1 },
      { table: 'jobs', rows: 1 },
    ]);
  });

  test('are named where the inventory knows their node in the one cluster alone', async () => {
    const inventory = (node: string, cluster: string): string =>
      `gpu_inventory,cluster=${cluster},node=${node},gpu=GPU-${cluster}-${node} gpu_index=0i ${ago(10)}`;
    await write(
      ...[inventory('n1', 'a'), inventory('n2', 'a'), inventory('n2', 'b'), inventory('n3', 'b')],
      `gpu_inventory,node=n1,gpu=GPU-n1 gpu_index=0i ${ago(200)}`,
      `job_figures,node=n1,gpu=GPU-n1 job_id="1",end_ts=${ago(99)} ${ago(100)}`,
      `gpu_events,node=n1,kind=xid text="old" ${ago(200)}`,
      `gpu_events,node=n1,kind=xid text="young" ${ago(100)}`,
      // Of two clusters, of another one, of a node that is gone, still open, of one that ended just now.
      ...[stay('n2', '2', 100), stay('n3', '3', 100), stay('n9', '4', 100), stay('n1', '6', 3)],
      ...['2', '3', '4', '6'].map((job) => record(job, job === '6' ? 3 : 100)),
      `gpu_ownership,node=n1,gpu=GPU-n1,source=journal job_id="5" ${ago(90)}`,
      // An id that another node of another cluster had too.
      ...[stay('n1', '7', 80), stay('n3', '7', 70, ',cluster=b'), record('7', 80)],
    );
    const changes = await name();
    expect(changes).toContainEqual({
      ...{ action: 'filled', object: 'gpu_ownership' },
      detail: 'cluster a in 2 rows; 5 stay without one',
    });
    expect(await clustersOf('gpu_ownership')).toEqual([
      ['1', 'a'],
      ['2', null],
      ['3', null],
      ['4', null],
      ['5', null],
      ['6', null],
      ['7', 'a'],
      ['7', 'b'],
    ]);
    expect(await clustersOf('jobs')).toEqual([
      ['1', 'a'],
      ...['2', '3', '4', '6', '7'].map((job) => [job, null]),
    ]);
    expect(await clustersOf('job_figures')).toEqual([['1', 'a']]);
    expect(await clustersOf('gpu_events', 'text')).toEqual([
      ['old', 'a'],
      ['young', null],
    ]);
    expect((await db.exec("SELECT cluster FROM gpu_inventory WHERE gpu = 'GPU-n1'")).rows).toEqual([['a']]);
  });

  test('of a node that is gone are named when somebody says so, and a second time there is nothing to name', async () => {
    const gone = await name(['n9']);
    expect(gone.find(({ object }) => object === 'gpu_ownership')?.detail).toMatch(/^cluster a in 1 rows; 4 /);
    expect(gone.find(({ object }) => object === 'jobs')?.detail).toMatch(/^cluster a in 1 rows; 4 /);
    expect((await findJob(db, '4', { cluster: 'a' })).jobs).toHaveLength(1);
    const again = await name(['n9']);
    expect(again.every(({ detail }) => detail.startsWith('cluster a in 0 rows; '))).toBe(true);
  });

  test('that have another one beside them with the cluster stay as they are', async () => {
    const twins = Array.from({ length: 230 }, (_, index) => 400 + index);
    await write(
      ...twins.flatMap((hours) => [stay('n1', '8', hours), stay('n1', '8', hours, ',cluster=a')]),
      ...[stay('n1', '9', 399), stay('n1', '9', 500.5), stay('n1', '9', 640)],
    );
    await name();
    const counts = await db.exec(
      "SELECT job_id, cluster, count() FROM gpu_ownership WHERE job_id IN ('8', '9') GROUP BY job_id, cluster ORDER BY job_id, cluster",
    );
    expect(counts.rows).toEqual([
      ['8', null, 230],
      ['8', 'a', 230],
      ['9', 'a', 3],
    ]);
  });

  test('of a job that had no GPU of the cluster in its time are not named, though its id was one of the cluster', async () => {
    await write(
      stay('n1', '41', 80),
      record('41', 80),
      stay('n1', '42', 80),
      record('42', 80),
      record('42', 50),
    );
    await name();
    expect(
      (await db.exec("SELECT job_id, cluster FROM jobs WHERE job_id IN ('41', '42') ORDER BY job_id")).rows,
    ).toEqual([
      ['41', 'a'],
      ['42', null],
      ['42', null],
    ]);
  });
});
