/** From tables of schema version 2, which knew no owner sets and no rollup of days, to today's, on a real QuestDB: a collector comes first. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { defaultLanes, type Lane } from '../../../src/core/fields/lane.ts';
import { keptLanes, segmentsOf, withinSql, type Level } from '../../../src/figures/levels.ts';
import { labelShared } from '../../../src/job-map/label-shared.ts';
import { openQuestDb, type QuestDb } from '../../../src/questdb/http.ts';
import { applySchema } from '../../../src/questdb/schema/apply.ts';
import { areTablesReady } from '../../../src/questdb/schema/ready.ts';
import { waitForRollups, waitForVisible } from '../../../src/questdb/visible.ts';
import { startTestQuestdb, type TestQuestdb } from '../../helpers/questdb.ts';
import { sendRows } from '../../helpers/send-rows.ts';

/** What `gpuledger schema print` of schema version 2 gave for one lane with power and energy. */
const VERSION_2_SQL = readFileSync(new URL('../../fixtures/schema-v2.sql', import.meta.url), 'utf8');
const RETENTION = { raw: '14 DAYS', rollup1m: '90 DAYS', rollup1h: '3 YEARS', rollup1d: '' };
const HOUR_US = 3_600e6;
const DAY_US = 24 * HOUR_US;
const TODAY_US = Math.floor((Date.now() * 1000) / DAY_US) * DAY_US;
/** Of one day an earlier upgrade has kept the buckets, of one the samples are gone by now, of one they are there. */
const DAYS_US = [10, 5, 2].map((days) => TODAY_US - days * DAY_US) as [number, number, number];
const [COPIED_US, , KEPT_US] = DAYS_US;
/** Three days of three hours with a row a minute. */
const ALL = [3 * 180, 3 * 180 * 60e6];

const fields = defaultLanes.flatMap((each) => each.fields).filter(({ id }) => [155, 156].includes(id));
const lane: Lane = { ...defaultLanes[0]!, fields };

let server: TestQuestdb;
let db: QuestDb;

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 30_000 });
  for (const statement of VERSION_2_SQL.split(';\n')) if (statement.trim() !== '') await db.exec(statement);
  await db.exec('INSERT INTO gpuledger_schema (ts, version) VALUES (now(), 2)');
  await write(...DAYS_US.map(samplesOf), OWNERS, USE);
  await vi.waitFor(
    async () => {
      const { rows } = await db.exec('SELECT sum(row_count) FROM gpu_profiling_1h');
      expect(rows).toEqual([[ALL[0]]]);
    },
    { timeout: 60_000 },
  );
  for (const view of ['gpu_profiling_1m', 'gpu_profiling_1h'])
    await db.exec(
      `CREATE TABLE ${view}_aged AS (SELECT * FROM ${view} WHERE ts < cast(${COPIED_US + DAY_US} AS timestamp)) TIMESTAMP(ts)` +
        ' PARTITION BY MONTH WAL DEDUP UPSERT KEYS(ts, cluster, node, gpu, job_id, owners)',
    );
  // The server's own TTL takes the old days away, with the next rows that come.
  await db.exec('ALTER TABLE gpu_profiling SET TTL 2 DAYS');
  await write(samplesOf(KEPT_US));
  await waitForVisible(db, 'gpu_profiling');
  expect((await db.exec('SELECT count() FROM gpu_profiling')).rows).toEqual([[180]]);
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

function samplesOf(fromUs: number): string {
  let rows = '';
  for (let minute = 0; minute < 180; minute += 1)
    rows += `gpu_profiling,cluster=alpha,node=n1,gpu=GPU-1 owners=2i,dt_us=60000000i,power_watts=100 ${fromUs + minute * 60e6 + 1e6}t\n`;
  return rows;
}

const OWNERS = ['20', '21']
  .map(
    (jobId) =>
      `gpu_ownership,cluster=alpha,node=n1,gpu=GPU-1,source=journal job_id="${jobId}",run=0i,end_ts=${KEPT_US + DAY_US}t ${COPIED_US - DAY_US}t\n`,
  )
  .join('');
/** All that was looked at: one of the two did three quarters of the work. */
const USE = [
  ['20', 3],
  ['21', 1],
]
  .map(
    ([jobId, seconds]) =>
      `gpu_shared_use,cluster=alpha,node=n1,gpu=GPU-1,kind=job job_id="${jobId}",sm_use_seconds=${seconds},seen_us=${13 * DAY_US}i,processes=1i,end_ts=${KEPT_US + DAY_US}t ${COPIED_US - DAY_US}t\n`,
  )
  .join('');

async function write(...bodies: readonly string[]): Promise<void> {
  for (const body of bodies) expect((await sendRows(db, body)).unsent).toBeUndefined();
}

/** Samples and Σ dt of all days, by the coarsest levels that are accepted. */
async function totals(...levels: readonly Level[]): Promise<number[]> {
  let [samples, dtUs] = [0, 0];
  const [kept] = await keptLanes(db, [lane.table]);
  for (const segment of segmentsOf(kept!, { fromUs: COPIED_US, toUs: TODAY_US }, levels)) {
    const { rows } = await db.exec(
      `SELECT sum(${segment.level === 'raw' ? '1' : 'row_count'}), sum(dt_us) FROM ${segment.table} s WHERE ${withinSql(segment)}`,
    );
    samples += Number(rows[0]![0]);
    dtUs += Number(rows[0]![1]);
  }
  return [samples, dtUs];
}

async function expectAll(): Promise<void> {
  for (const levels of [
    ['1d', '1h', 'raw'],
    ['1h', 'raw'],
    ['1m', 'raw'],
  ] as const)
    expect(await totals(...levels)).toEqual(ALL);
}

const nothing = (): void => undefined;

test('a collector goes on with it, and leaves what takes long to a person', async () => {
  await expectAll();
  const changes = await applySchema(db, [lane], RETENTION);
  expect(changes.map(({ action, object }) => `${action} ${object}`)).toContain('kept gpu_profiling_1h');
  expect(await areTablesReady(db, [lane], RETENTION)).toBe(true);
  await expectAll();
  // Its rows have sets.
  await db.close();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 30_000 });
  await write(
    `gpu_profiling,cluster=alpha,node=n1,gpu=GPU-new owners=2i,owner_set=9007199254740993i,dt_us=0i ${TODAY_US}t\n`,
  );
});

test('schema apply keeps what is old, adds it up by day, and labels what is there by what was measured', async () => {
  await applySchema(db, [lane], RETENTION, { movesAged: true });
  await expectAll();
  expect(await labelShared(db, [lane.table], nothing, nothing)).toBe(180);
  await waitForRollups(db, [lane], KEPT_US + DAY_US);
  await expectAll();
  const days = await db.exec(
    'SELECT cast(ts AS LONG), row_count, dt_us FROM gpu_profiling_1d_aged ORDER BY ts',
  );
  expect(days.rows).toEqual(DAYS_US.slice(0, 2).map((us) => [us, 180, 180 * 60e6]));
  await waitForVisible(db, 'gpu_owner_sets');
  const parts = await db.exec(
    'SELECT o.job_id, o.part, o.sharing, sum(r.dt_us) FROM (SELECT owner_set, dt_us FROM gpu_profiling_1d WHERE owner_set IS NOT NULL) r' +
      ' JOIN gpu_owner_sets o ON o.owner_set = r.owner_set ORDER BY job_id',
  );
  expect(parts.rows).toEqual([
    ['20', 0.75, 'measured', 180 * 60e6],
    ['21', 0.25, 'measured', 180 * 60e6],
  ]);
  expect(await applySchema(db, [lane], RETENTION, { movesAged: true })).toEqual([]);
  expect(await labelShared(db, [lane.table], nothing, nothing)).toBe(0);
});
