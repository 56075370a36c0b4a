/** From the tables of gpuledger 0.2.0 (schema version 1) to today's, on a real QuestDB, with a kill after every statement. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { defaultLanes, type Lane } from '../../../src/core/fields/lane.ts';
import { capacityFigures } from '../../../src/figures/capacity/query.ts';
import { keptLanes, segmentsOf, withinSql, type Level } from '../../../src/figures/levels.ts';
import { openQuestDb, type QuestDb } from '../../../src/questdb/http.ts';
import { labelShared } from '../../../src/job-map/label-shared.ts';
import { applySchema, type SchemaOptions } from '../../../src/questdb/schema/apply.ts';
import { areTablesReady } from '../../../src/questdb/schema/ready.ts';
import { waitForRollups, waitForVisible } from '../../../src/questdb/visible.ts';
import { smallTables } from '../../../schemas/tables.ts';
import { startTestQuestdb, type TestQuestdb } from '../../helpers/questdb.ts';
import { sendRows } from '../../helpers/send-rows.ts';

/** What `gpuledger schema print` of version 0.2.0 gave for one lane with power and energy. */
const VERSION_1_SQL = readFileSync(new URL('../../fixtures/schema-v1.sql', import.meta.url), 'utf8');
const RETENTION = { raw: '14 DAYS', rollup1m: '90 DAYS', rollup1h: '3 YEARS', rollup1d: '' };
const PERSON: SchemaOptions = { cluster: 'alpha', movesAged: true };
const HOUR_US = 3_600e6;
const DAY_US = 24 * HOUR_US;
const TODAY_US = Math.floor((Date.now() * 1000) / DAY_US) * DAY_US;
/** A day whose samples will be gone, one whose samples stay, and one long ago. */
const AGED_US = TODAY_US - 5 * DAY_US;
const KEPT_US = TODAY_US - 2 * DAY_US;
const LONG_AGO_US = TODAY_US - 40 * DAY_US;

const fields = defaultLanes.flatMap((each) => each.fields).filter(({ id }) => [155, 156].includes(id));
const lane: Lane = { ...defaultLanes[0]!, fields };
const window = { fromUs: AGED_US, toUs: TODAY_US };

let server: TestQuestdb;
let db: QuestDb;

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 30_000 });
  for (const statement of VERSION_1_SQL.split(';\n')) {
    if (statement.trim() !== '') await db.exec(statement);
  }
  await db.exec('INSERT INTO gpuledger_schema (ts, version) VALUES (now(), 1)');
  await write(samplesOf(AGED_US), samplesOf(KEPT_US), SMALL_ROWS);
  // Of its rollups, which are not today's.
  await vi.waitFor(
    async () => {
      const { rows } = await db.exec('SELECT sum(row_count) FROM gpu_profiling_1h');
      expect(rows).toEqual([[1440]]);
    },
    { timeout: 60_000 },
  );
  // The server's own TTL takes the old day away, with the next rows that come.
  await db.exec('ALTER TABLE gpu_profiling SET TTL 2 DAYS');
  await write(samplesOf(KEPT_US));
  await settle();
  expect(await countOf('gpu_profiling')).toBe(720);
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

/** Owner and number of owners of each GPU; the last two are shared, and a job's that has a part of it. */
const LABELS = [
  ['GPU-1', 'job_id="7",owners=1i'],
  ['GPU-2', 'job_id="7",owners=1i'],
  ['GPU-3', 'owners=2i'],
  ['GPU-4', 'job_id="30",owners=1i'],
] as const;

/** Four GPUs for three hours, a row a minute, as a version-1 collector writes them. */
function samplesOf(fromUs: number): string {
  const rows: string[] = [];
  for (let minute = 0; minute < 180; minute += 1) {
    const tsUs = fromUs + minute * 60e6 + 1e6;
    for (const [gpu, label] of LABELS)
      rows.push(
        `gpu_profiling,node=n1,gpu=${gpu} ${label},dt_us=60000000i,power_watts=${100 + minute},energy_joules=1,energy_rise_joules=6000 ${tsUs}t\n`,
      );
  }
  return rows.join('');
}

const time = (us: number): string => `${us}t`;
const SMALL_ROWS = [
  // One that ended long ago, and one that a version-1 collector will still close.
  `gpu_ownership,node=n1,gpu=GPU-1,source=journal end_ts=${time(LONG_AGO_US + HOUR_US)},job_id="3",run=0i ${time(LONG_AGO_US)}`,
  `gpu_ownership,node=n1,gpu=GPU-1,source=journal job_id="7",run=0i ${time(LONG_AGO_US)}`,
  ...[
    ['GPU-3', '20', ''],
    ['GPU-3', '21', ',share=0.25'],
    ['GPU-4', '30', ',share=0.5'],
  ].map(
    ([gpu, jobId, share]) =>
      `gpu_ownership,node=n1,gpu=${gpu},source=journal job_id="${jobId}",run=0i${share},end_ts=${time(KEPT_US + DAY_US)} ${time(LONG_AGO_US)}`,
  ),
  `jobs,account=physics,state=COMPLETED end_ts=${time(LONG_AGO_US + HOUR_US)},job_id="3",run=0i,user="ada" ${time(LONG_AGO_US)}`,
  `job_figures,node=n1,gpu=GPU-1 end_ts=${time(LONG_AGO_US + HOUR_US)},job_id="3",run=0i,samples=5i ${time(LONG_AGO_US)}`,
  `gpu_inventory,node=n1,gpu=GPU-1,model=H200,source=nvml gpu_index=0i ${time(LONG_AGO_US)}`,
  `gpu_events,node=n1,gpu=GPU-1,kind=xid text="XID 79",code=79i ${time(LONG_AGO_US)}`,
  `collector_stats,node=n1,lane=profiling,source=nvml sampled_rows=5i ${time(KEPT_US)}`,
]
  .map((row) => `${row}\n`)
  .join('');

async function write(...bodies: readonly string[]): Promise<void> {
  for (const body of bodies) expect((await sendRows(db, body)).unsent).toBeUndefined();
}

async function settle(): Promise<void> {
  for (const [, table] of VERSION_1_SQL.matchAll(/^CREATE TABLE IF NOT EXISTS "(\w+)"/gm))
    await waitForVisible(db, table!);
}

/** Samples and Σ dt of the window as a report reads them, from the hours and from the minutes. */
async function totals(): Promise<number[][]> {
  const sums: number[][] = [];
  for (const levels of [
    ['1h', 'raw'],
    ['1m', 'raw'],
    ['1d', '1h', 'raw'],
  ] as const)
    sums.push(await totalsOf(levels));
  return sums;
}

/** The same by a whole report; undefined while it says that small tables still lack a column, which may come while it asks. */
async function reported(): Promise<number[] | undefined> {
  const lacking = await tablesWithoutCluster();
  try {
    const { fromUs, toUs } = window;
    const report = await capacityFigures(db, [lane], { fromUs, toUs, by: 'cluster' });
    return [report.samples, report.sampledUs];
  } catch (thrown) {
    if (lacking > 0) return undefined;
    throw thrown;
  }
}

async function tablesWithoutCluster(): Promise<number> {
  const { rows } = await db.exec(
    "SELECT count() FROM tables() t LEFT JOIN information_schema.columns() c ON c.table_name = t.table_name AND c.column_name = 'cluster'" +
      " WHERE c.column_name IS NULL AND t.table_name IN ('gpu_ownership', 'jobs', 'gpu_inventory')",
  );
  return Number(rows[0]![0]);
}

async function totalsOf(levels: readonly Level[]): Promise<number[]> {
  let [samples, dtUs] = [0, 0];
  const [kept] = await keptLanes(db, [lane.table]);
  for (const segment of segmentsOf(kept!, window, levels)) {
    const { rows } = await db.exec(
      `SELECT sum(${segment.level === 'raw' ? '1' : 'row_count'}), sum(dt_us) FROM ${segment.table} s WHERE ${withinSql(segment)}`,
    );
    samples += Number(rows[0]![0]);
    dtUs += Number(rows[0]![1]);
  }
  return [samples, dtUs];
}

async function countOf(table: string): Promise<number> {
  await waitForVisible(db, table);
  return Number((await db.exec(`SELECT count() FROM ${table}`)).rows[0]![0]);
}

class Killed extends Error {}

/** The same store for somebody who is killed before his second change of it. */
function dyingAfterOneChange(): QuestDb {
  let changes = 0;
  return {
    ...db,
    exec: async (sql, options) => {
      if (!sql.startsWith('SELECT')) changes += 1;
      if (changes > 1) throw new Killed();
      return await db.exec(sql, options);
    },
  };
}

const ALL = [1440, 1440 * 60e6];

/** As the command does it. */
async function upgrade(store: QuestDb): Promise<unknown[]> {
  const changes = await applySchema(store, [lane], RETENTION, PERSON);
  const labelled = await labelShared(
    store,
    [lane.table],
    () => undefined,
    () => undefined,
  );
  return labelled === 0 ? changes : [...changes, labelled];
}

describe('a store of version 1', () => {
  test('is brought to today’s by as many lives as it takes, and no report misses a sample meanwhile', async () => {
    expect(await totals()).toEqual([ALL, ALL, ALL]);
    let [lives, reports] = [0, 0];
    const deaths: boolean[] = [];
    for (let isDone = false; !isDone; lives += 1) {
      expect(lives).toBeLessThan(400);
      try {
        await upgrade(dyingAfterOneChange());
        isDone = true;
      } catch (thrown) {
        if (!(thrown instanceof Killed)) throw thrown;
        deaths.push(await areTablesReady(db, [lane], RETENTION));
      }
      expect(await totals()).toEqual([ALL, ALL, ALL]);
      const report = await reported();
      if (report === undefined) continue;
      expect(report).toEqual(ALL);
      reports += 1;
    }
    expect(lives).toBeGreaterThan(25);
    expect(reports).toBeGreaterThan(10);
    expect(await areTablesReady(db, [lane], RETENTION)).toBe(true);
    // Collectors need the tables alone; who labels their old samples may be killed over it, too.
    expect(deaths.filter((isReady) => isReady).length).toBeGreaterThan(0);
    expect(deaths.indexOf(true)).toBeGreaterThan(25);
    expect(await upgrade(db)).toEqual([]);
  });

  test('knows which sets own shared GPUs, where samples are; what is older stays undivided', async () => {
    const { rows } = await db.exec(
      'SELECT s.gpu, s.job_id, s.owners, count(), count_distinct(s.owner_set) FROM gpu_profiling s ORDER BY gpu',
    );
    expect(rows).toEqual([
      ['GPU-1', '7', 1, 180, 0],
      ['GPU-2', '7', 1, 180, 0],
      ['GPU-3', null, 2, 180, 1],
      ['GPU-4', '30', 1, 180, 1],
    ]);
    await waitForVisible(db, 'gpu_owner_sets');
    await waitForRollups(db, [lane], KEPT_US + DAY_US);
    const sets = await db.exec(
      'SELECT o.gpu, o.job_id, o.part, o.sharing, sum(r.dt_us) FROM (SELECT owner_set, dt_us FROM gpu_profiling_1h WHERE owner_set IS NOT NULL) r' +
        ' JOIN gpu_owner_sets o ON o.owner_set = r.owner_set ORDER BY gpu, job_id',
    );
    expect(sets.rows).toEqual([
      ['GPU-3', '20', 0.75, 'equal', 180 * 60e6],
      ['GPU-3', '21', 0.25, 'stated', 180 * 60e6],
      ['GPU-4', '30', 0.5, 'stated', 180 * 60e6],
    ]);
    const aged = await db.exec(
      'SELECT gpu, owners, sum(dt_us) FROM gpu_profiling_1h_aged WHERE owner_set IS NULL ORDER BY gpu',
    );
    expect(aged.rows.map(([, , us]) => us)).toEqual(Array.from({ length: 4 }, () => 180 * 60e6));
  });

  test('keeps the buckets whose samples are gone in tables of their own, and no others', async () => {
    await waitForRollups(db, [lane], KEPT_US + DAY_US);
    expect(await totals()).toEqual([ALL, ALL, ALL]);
    expect([await countOf('gpu_profiling_1m_aged'), await countOf('gpu_profiling_1m')]).toEqual([720, 720]);
    expect([await countOf('gpu_profiling_1h_aged'), await countOf('gpu_profiling_1h')]).toEqual([12, 12]);
    // Hours go before days do.
    expect([await countOf('gpu_profiling_1d_aged'), await countOf('gpu_profiling_1d')]).toEqual([4, 4]);
    const sums =
      'sum(row_count), sum(dt_us), sum(power_watts_dtsum), sum(energy_rise_joules), max(power_watts_max)';
    const { rows } = await db.exec(`SELECT ${sums} FROM gpu_profiling_1h_aged`);
    for (const table of ['gpu_profiling_1h', 'gpu_profiling_1d', 'gpu_profiling_1d_aged'])
      expect((await db.exec(`SELECT ${sums} FROM ${table}`)).rows).toEqual(rows);
  });

  test('has every table with its columns and keys', async () => {
    for (const table of smallTables(RETENTION)) {
      const { rows } = await db.exec(`SELECT "column", type, upsertKey FROM table_columns('${table.name}')`);
      const columns = rows.map(([name, type]) => `${String(name)} ${String(type)}`).sort();
      expect(columns).toEqual(table.columns.map(({ name, type }) => `${name} ${type}`).sort());
      const keys = rows.filter(([, , isKey]) => isKey === true).map(([name]) => String(name));
      expect(keys.sort()).toEqual([...table.upsertKeys].sort());
    }
  });

  test('knows the cluster of what is settled, and doubles no row', async () => {
    for (const table of ['jobs', 'job_figures', 'gpu_inventory', 'gpu_events']) {
      expect(await countOf(table)).toBe(1);
      expect((await db.exec(`SELECT cluster FROM ${table}`)).rows).toEqual([['alpha']]);
    }
    const owned = await db.exec('SELECT job_id, cluster FROM gpu_ownership ORDER BY job_id');
    expect(owned.rows).toEqual([
      ['20', null],
      ['21', null],
      ['3', 'alpha'],
      ['30', null],
      ['7', null],
    ]);
  });

  test('takes what a version-1 collector goes on writing, and what its spool held, in the place of its rows', async () => {
    await write(samplesOf(KEPT_US));
    const end = `end_ts=${time(TODAY_US)}`;
    await write(
      `gpu_ownership,node=n1,gpu=GPU-1,source=journal ${end},job_id="7",run=0i ${time(LONG_AGO_US)}\n`,
    );
    expect(await countOf('gpu_profiling')).toBe(720);
    expect(await countOf('gpu_ownership')).toBe(5);
    // They know of no sets.
    expect(await upgrade(db)).toEqual([360]);
    expect(await countOf('gpu_profiling')).toBe(720);
    expect((await db.exec("SELECT end_ts IS NULL FROM gpu_ownership WHERE job_id = '7'")).rows).toEqual([
      [false],
    ]);
    await waitForRollups(db, [lane], KEPT_US + DAY_US);
    expect(await totals()).toEqual([ALL, ALL, ALL]);
  });

  test('keeps two clusters apart from now on', async () => {
    const tsUs = KEPT_US + 12 * HOUR_US;
    const row = (cluster: string): string =>
      `gpu_profiling,cluster=${cluster},node=n1,gpu=GPU-${cluster} owners=0i,dt_us=1i,power_watts=1 ${time(tsUs)}\n` +
      `jobs,cluster=${cluster},state=RUNNING job_id="9" ${time(tsUs)}\n`;
    // The server knows the columns of its tables by connection: a new collector has new ones.
    await db.close();
    db = await openQuestDb(server.conf, { requestTimeoutMs: 30_000 });
    await write(row('alpha'), row('beta'));
    await waitForRollups(db, [lane], KEPT_US + DAY_US);
    const { rows } = await db.exec(
      `SELECT cluster, row_count FROM gpu_profiling_1h WHERE ts = cast(${tsUs} AS timestamp) ORDER BY cluster`,
    );
    expect(rows).toEqual([
      ['alpha', 1],
      ['beta', 1],
    ]);
    expect(await countOf('jobs')).toBe(3);
  });
});
