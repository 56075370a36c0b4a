/**
 * Goal: a job is found by its cluster, and counted once, whatever its rows in the store lack or have twice. Method: rows in a
 * real QuestDB as writers leave them that did not know the cluster, or wrote at the same moment.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { OperatingError } from '../../src/core/base/errors.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { JobRecord } from '../../src/core/jobs/job-fact.ts';
import { capacityFigures } from '../../src/figures/capacity/query.ts';
import { jobFigures, type JobQueryOptions } from '../../src/figures/job/query.ts';
import { jobJson } from '../../src/report/json.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { withMergedJobs } from '../../src/questdb/rows/merged-jobs.ts';
import { createSmallTables, type SmallTables } from '../../src/questdb/rows/small-tables.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';

const T0 = Date.UTC(2026, 2, 2, 8) * 1000;
const at = (seconds: number): number => T0 + seconds * 1e6;
const lane: Lane = {
  ...{ name: 'profiling', table: 'gpu_profiling', schedule: 'continuous', intervalMs: 10_000 },
  ...{ fields: [1002, 155, 156].map((id) => findField(id)!), capacityTicks: 100 },
};

let server: TestQuestdb;
let db: QuestDb;
let small: SmallTables;

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  small = createSmallTables(db);
  const device = (uuid: string, cluster: string, tsUs = at(-100)) => ({
    ...{ tsUs, source: 'dcgm' as const },
    device: { uuid, cluster, node: 'n1', index: 0, model: 'X', memoryBytes: 1 },
  });
  await small.writeInventory([
    device('A0', 'a'),
    device('A1', 'a'),
    device('B0', 'b'),
    device('M0', 'a'),
    device('M0', 'b', at(500)),
  ]);
  const stay = (jobId: string, gpu: string, cluster?: string) => ({
    ...{ startUs: at(0), endUs: at(100), node: 'n1', gpu, jobId, run: 0, share: 1, source: 'journal' },
    ...(cluster === undefined ? {} : { cluster }),
  });
  await small.writeOwnership([stay('1', 'A0'), stay('1', 'B0'), stay('2', 'M0'), stay('3', 'A1', 'a')]);
  const record = { run: 0, startUs: at(0), endUs: at(100) };
  await small.writeJobs([{ ...record, jobId: '2', user: 'eve' }]);
  await writeAtOnce(
    { ...record, jobId: '3', name: 'train' },
    {
      ...record,
      jobId: '3',
      cluster: 'a',
      startUs: at(1),
      submitUs: at(-5),
      user: 'ada',
      state: 'COMPLETED',
    },
  );
  // An id that was given again; neither its stays nor its samples know the cluster.
  const again = { ...stay('5', 'A0'), startUs: at(1000), endUs: at(1100) };
  await small.writeOwnership([again, { ...again, startUs: at(1200), endUs: at(1300) }]);
  const ended = { ...record, jobId: '5', cluster: 'a', state: 'COMPLETED' };
  await small.writeJobs([
    { ...ended, startUs: at(1000), endUs: at(1100), submitUs: at(990), user: 'first' },
    { ...ended, startUs: at(1200), endUs: at(1300), submitUs: at(1190), user: 'second' },
  ]);
  const owners = Object.entries({ A0: '1', B0: '1', M0: '2', A1: '3' });
  const samples = owners.flatMap(([gpu, jobId]) =>
    Array.from(
      { length: 10 },
      (_, tick) => `('${gpu}', ${at(10 * (tick + 1))}, 'n1', 1, '${jobId}', 10000000)`,
    ),
  );
  for (let tick = 1; tick <= 20; tick += 1)
    samples.push(`('A0', ${at((tick <= 10 ? 1000 : 1100) + 10 * tick)}, 'n1', 1, '5', 10000000)`);
  await db.exec(
    `INSERT INTO gpu_profiling (gpu, ts, node, owners, job_id, dt_us) VALUES ${samples.join(', ')}`,
  );
  for (const table of ['gpu_inventory', 'gpu_ownership', 'jobs', 'gpu_profiling'])
    await waitForVisible(db, table);
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

/** Two writers who both have read before the one of them writes. */
async function writeAtOnce(...records: readonly JobRecord[]): Promise<void> {
  let waiting = records.length;
  const allHaveRead = Promise.withResolvers<undefined>();
  const writer = withMergedJobs(db, {
    ...small,
    async writeJobs(rows) {
      waiting -= 1;
      if (waiting === 0) allHaveRead.resolve(undefined);
      await allHaveRead.promise;
      return await small.writeJobs(rows);
    },
  });
  expect(await Promise.all(records.map((one) => writer.writeJobs([one])))).toEqual(records.map(() => true));
}

const figuresOf = (jobId: string, options: Partial<JobQueryOptions> = {}) =>
  jobFigures(db, [lane], jobId, { nowUs: at(1000), ...options });

describe('a job whose rows tell no cluster', () => {
  test('is of the cluster of its devices, and there found by it', async () => {
    for (const [cluster, gpu] of [
      ['a', 'A0'],
      ['b', 'B0'],
    ] as const) {
      const { job, devices } = await figuresOf('1', { cluster });
      expect([job.cluster, devices.map((device) => device.gpu)]).toEqual([cluster, [gpu]]);
    }
  });

  test('on a device that has changed its cluster is of none', async () => {
    expect((await figuresOf('2')).job).toMatchObject({ user: 'eve', cluster: undefined });
    await expect(figuresOf('2', { cluster: 'b' })).rejects.toMatchObject({
      code: 'report.unknown_job',
    } satisfies Partial<OperatingError>);
  });
});

test('an id that was given again is two jobs where only their records tell the cluster', async () => {
  for (const cluster of [undefined, 'a']) {
    const window = { fromUs: at(960), toUs: at(1320), ...(cluster === undefined ? {} : { cluster }) };
    const { rows } = await capacityFigures(db, [lane], { ...window, by: 'user' });
    for (const user of ['first', 'second'])
      expect(rows.find(({ name }) => name === user)).toMatchObject({ jobs: 1, attributedUs: 100e6 });
  }
});

describe('a run that two writers wrote at the same moment', () => {
  test('has two rows in the table, and is one job in reports, in words and in JSON', async () => {
    expect((await db.exec("SELECT count() FROM jobs WHERE job_id = '3'")).rows).toEqual([[2]]);
    const figures = await figuresOf('3');
    expect(figures.job).toMatchObject({
      ...{ name: 'train', user: 'ada', state: 'COMPLETED', cluster: 'a', submitUs: at(-5) },
      ...{ otherRuns: [], otherJobs: [] },
    });
    expect(JSON.parse(jobJson(figures))).toMatchObject({ otherRuns: [], otherJobs: [] });
  });

  test('is counted once in every grouping, with all its time', async () => {
    const window = { fromUs: at(0), toUs: at(120) };
    for (const options of [window, { ...window, cluster: 'a' }]) {
      const byUser = await capacityFigures(db, [lane], { ...options, by: 'user' });
      expect(byUser.rows.find(({ name }) => name === 'ada')).toMatchObject({ jobs: 1, attributedUs: 100e6 });
    }
    for (const by of ['account', 'node', 'model', 'cluster'] as const) {
      const { rows, all } = await capacityFigures(db, [lane], { ...window, by, cluster: 'a' });
      expect([rows.map(({ jobs }) => jobs), all.jobs]).toEqual([[3], 3]);
    }
  });

  test('the next writer adds to one of its rows', async () => {
    const writer = withMergedJobs(db, small);
    await writer.writeJobs([{ jobId: '3', run: 0, startUs: at(0), endUs: at(100), account: 'physics' }]);
    await waitForVisible(db, 'jobs');
    expect((await db.exec("SELECT count() FROM jobs WHERE job_id = '3'")).rows).toEqual([[2]]);
    expect((await figuresOf('3')).job).toMatchObject({ account: 'physics', user: 'ada' });
  });
});
