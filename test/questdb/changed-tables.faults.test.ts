/** Tables that change under a collector: on a server of ours, and on one as it comes, which makes tables of its own accord. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { allTables, quoteName } from '../../schemas/tables.ts';
import type { Notice } from '../../src/core/base/notice.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { withBisect } from '../../src/delivery/with-bisect.ts';
import type { Sink } from '../../src/core/wire/sink.ts';
import { tellAutoCreationOnce } from '../../src/questdb/auto-creation.ts';
import { createStoreGate, type StoreGate } from '../../src/questdb/gate.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { watchTables } from '../../src/questdb/table-watch.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { runCommand } from '../helpers/run-process.ts';
import { startStockQuestdb } from '../helpers/stock-server.ts';

const RETENTION = { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' };
const T0_US = 1_790_000_000_000_000;
const ROWS = 20;
const COLUMN = 'gpu_temp_celsius';

type Kind = 'told to make none' | 'as it comes';

interface State {
  readonly name: string;
  readonly spoil: (table: string) => readonly string[];
  /** What a person does; absent: gpuledger mends it by itself. */
  readonly mend?: (table: string) => readonly string[];
  /** A server as it comes makes a table of its own, which `schema apply` puts right. */
  readonly isMadeByServer?: true;
  /** A server as it comes mends it by itself. */
  readonly isMadeGoodByServer?: true;
  /** It takes the rows as before. */
  readonly isSame?: true;
  /** The rows of before are gone, by the hand of a person. */
  readonly isEmptied?: true;
}

const otherType = (column: string, type: string): State => ({
  name: `${column} is ${type}`,
  spoil: (table) => [`ALTER TABLE ${table} ALTER COLUMN ${column} TYPE ${type}`],
});
const wrongType = (type: string): State => ({
  ...otherType(COLUMN, type),
  mend: (table) => [`ALTER TABLE ${table} ALTER COLUMN ${COLUMN} TYPE DOUBLE`],
});
const madeAnew = (name: string, ddl: (table: string) => string, isView = false): State => ({
  name,
  spoil: (table) => [`DROP TABLE ${table}`, ddl(table)],
  mend: (table) => [`DROP ${isView ? 'MATERIALIZED VIEW' : 'TABLE'} ${table}`],
  isEmptied: true,
});

const STATES: readonly State[] = [
  {
    name: 'it is dropped',
    spoil: (table) => [`DROP TABLE ${table}`],
    isMadeByServer: true,
    isEmptied: true,
  },
  {
    name: 'it is renamed',
    spoil: (table) => [`RENAME TABLE ${table} TO ${table}_x`],
    isMadeByServer: true,
    isEmptied: true,
  },
  {
    name: 'it is dropped and made again',
    spoil: (table) => [`DROP TABLE ${table}`, ddlOf(table)],
    isEmptied: true,
  },
  {
    name: 'a column is renamed',
    spoil: (table) => [`ALTER TABLE ${table} RENAME COLUMN ${COLUMN} TO p`],
    isMadeGoodByServer: true,
  },
  {
    name: 'a column is dropped',
    spoil: (table) => [`ALTER TABLE ${table} DROP COLUMN ${COLUMN}`],
    isMadeGoodByServer: true,
  },
  ...['LONG', 'INT', 'SHORT', 'BOOLEAN', 'VARCHAR', 'STRING', 'TIMESTAMP', 'FLOAT', 'SYMBOL'].map(wrongType),
  // Text of either kind takes the same values: the server stores them as they are, and there is nothing to tell.
  { ...otherType('job_id', 'SYMBOL'), isSame: true },
  { ...otherType('node', 'VARCHAR'), isSame: true },
  ...['UUID', 'DOUBLE[]', 'DECIMAL(18, 3)'].map((type) =>
    madeAnew(`a column is ${type}`, (table) => ddlOf(table).replace('celsius DOUBLE', `celsius ${type}`)),
  ),
  { name: 'it is truncated', spoil: (table) => [`TRUNCATE TABLE ${table}`], isSame: true, isEmptied: true },
  { name: 'its deduplication is off', spoil: (table) => [`ALTER TABLE ${table} DEDUP DISABLE`] },
  madeAnew('its timestamp has another name', (table) =>
    ddlOf(table)
      .replaceAll(/\bts\b/g, 'moment')
      .replace(/DEDUP.*$/, ''),
  ),
  madeAnew('it is no WAL table', (table) => ddlOf(table).replace(/ WAL\nDEDUP.*$/, ' BYPASS WAL')),
  madeAnew('it has no partitions', (table) => ddlOf(table).replace(/ PARTITION BY DAY WAL\nDEDUP.*$/, '')),
  madeAnew(
    'a view has its name',
    (table) =>
      `CREATE MATERIALIZED VIEW ${table} AS (SELECT ts, count() AS n FROM gpu_base SAMPLE BY 1h) PARTITION BY DAY`,
    true,
  ),
];

function laneOf(table: string): Lane {
  const fields = [findField(150)!];
  return { name: table, table, schedule: 'continuous', intervalMs: 1000, fields, capacityTicks: 60 };
}

function ddlOf(table: string): string {
  return (
    `CREATE TABLE ${table} (ts TIMESTAMP, cluster SYMBOL, node SYMBOL, gpu SYMBOL, job_id VARCHAR, owners LONG, owner_set LONG,` +
    ` dt_us LONG, ${COLUMN} DOUBLE) TIMESTAMP(ts) PARTITION BY DAY WAL\nDEDUP UPSERT KEYS(ts, gpu)`
  );
}

describe.each<[Kind, () => Promise<TestQuestdb>]>([
  ['told to make none', startTestQuestdb],
  ['as it comes', startStockQuestdb],
])('on a server %s', (kind, start) => {
  let server: TestQuestdb;
  let db: QuestDb;
  let tableCount = 0;

  beforeAll(async () => {
    server = await start();
    db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
    await db.exec('CREATE TABLE gpu_base (ts TIMESTAMP, v LONG) TIMESTAMP(ts) PARTITION BY DAY WAL');
  });
  afterAll(async () => {
    await db.close();
    await server.stop();
  });

  interface Bench {
    readonly table: string;
    readonly gate: StoreGate;
    /** Through the gate, with the search for bad rows. */
    readonly sink: Sink;
    readonly notices: Notice[];
    readonly deadRows: () => number;
    /** So many rows of their own moments. @returns whether the store has everything */
    readonly send: () => Promise<boolean>;
    /** As often as `send` was called. */
    readonly sent: () => number;
  }

  function openBench(): Bench {
    tableCount += 1;
    const table = `gpu_changed_${tableCount}`;
    const lane = laneOf(table);
    const notices: Notice[] = [];
    const tell = (notice: Notice): void => void notices.push(notice);
    const prepare = async (): Promise<void> => {
      await applySchema(db, [lane], RETENTION);
    };
    const gate = createStoreGate({
      db,
      prepare,
      tables: watchTables(db, allTables([lane], RETENTION)),
      tell,
    });
    let dead = 0;
    const letters = {
      add: (_table: string, rows: number): void => {
        dead += rows;
      },
    };
    const sink = withBisect(gate.patient, letters, tell);
    /** What was not taken, as the spool has it. */
    const waiting: Uint8Array<ArrayBuffer>[] = [];
    let batches = 0;
    const send = async (): Promise<boolean> => {
      const lines = Array.from({ length: ROWS }, (_, n) => {
        const us = T0_US + (batches * ROWS + n) * 1_000_000;
        return `${table},node=n1,gpu=g${n % 4} job_id="7",owners=1i,dt_us=1000000i,${COLUMN}=${100 + n} ${us}t\n`;
      });
      waiting.push(new Uint8Array(Buffer.from(lines.join(''))));
      batches += 1;
      if (!(await gate.open())) return false;
      for (let body = waiting[0]; body !== undefined; body = waiting[0]) {
        if ((await sink.send({ table, body, rows: ROWS })).unsent !== undefined) return false;
        waiting.shift();
      }
      return true;
    };
    return { table, gate, sink, notices, deadRows: () => dead, send, sent: () => batches };
  }

  async function rowsOf(table: string): Promise<{ all: number; distinct: number; watts: number }> {
    await waitForVisible(db, table);
    const { rows } = await db.exec(`SELECT count(), count(${COLUMN}) FROM ${quoteName(table)}`);
    const distinct = await db.exec(`SELECT count() FROM (SELECT DISTINCT ts, gpu FROM ${quoteName(table)})`);
    return { all: Number(rows[0]![0]), distinct: Number(distinct.rows[0]![0]), watts: Number(rows[0]![1]) };
  }

  test.each(STATES)('$name: no row is lost, doubled or called bad', async ({ spoil, mend, ...state }) => {
    const bench = openBench();
    const { table, gate, notices } = bench;
    expect(await bench.send()).toBe(true);
    await gate.look();
    for (const sql of spoil(table)) await db.exec(sql);
    await waitUnlessGone(table);
    await bench.send();
    // As the watch of the store does; a server that refuses the rows has made the gate look.
    await gate.look();
    const isMended = await bench.send();
    const isStock = kind === 'as it comes';
    const isApplied = isStock && state.isMadeByServer === true;
    expect(isMended).toBe(mend === undefined && !isApplied);
    if (isApplied) {
      await applySchema(db, [laneOf(table)], RETENTION, { movesAged: true });
      expect(await bench.send()).toBe(true);
    }
    if (mend !== undefined) {
      expect(notices.filter(({ code }) => code.startsWith('schema.')).length).toBeLessThanOrEqual(1);
      for (const sql of mend(table)) await db.exec(sql);
      await waitUnlessGone(table);
      expect(await bench.send()).toBe(true);
    }
    expect(bench.deadRows()).toBe(0);
    const told = notices.filter(({ code }) => code === 'store.tables_changed').length;
    // A column that the server makes again may be there before anybody looks.
    const isUnseen = isStock && state.isMadeGoodByServer === true && told === 0;
    expect(isUnseen || told === (state.isSame === true ? 0 : 1)).toBe(true);
    expect(notices.filter(({ code }) => code === 'store.tables_fit')).toHaveLength(told);
    const rows = ROWS * (bench.sent() - (state.isEmptied === true ? 1 : 0));
    expect(await rowsOf(table)).toMatchObject({ all: rows, distinct: rows });
  });

  async function waitUnlessGone(table: string): Promise<void> {
    const { rows } = await db.exec(`SELECT walEnabled, matView FROM tables() WHERE table_name = '${table}'`);
    if (rows[0]?.[0] === true && rows[0][1] !== true) await waitForVisible(db, table);
  }

  test('rows that are bad are searched and called so while the tables are as they were', async () => {
    const bench = openBench();
    expect(await bench.send()).toBe(true);
    const body = new Uint8Array(
      Buffer.from(
        `${bench.table},node=n1,gpu=g1 ${COLUMN}="no number" ${T0_US}t\n${bench.table},node=n1,gpu=g2 ${COLUMN}=1 ${T0_US + 500}t\n`,
      ),
    );
    await bench.sink.send({ table: bench.table, body, rows: 2 });
    expect(bench.deadRows()).toBe(1);
    expect(bench.notices.map(({ code }) => code)).not.toContain('store.tables_changed');
  });

  test('that it makes tables of its own accord is told, once', async () => {
    const notices: Notice[] = [];
    const tellOnce = tellAutoCreationOnce(db, (notice) => notices.push(notice));
    await tellOnce();
    await tellOnce();
    expect(notices.map(({ code }) => code)).toEqual(kind === 'as it comes' ? ['store.auto_creation'] : []);
  });

  // A server of ours takes no such rows.
  if (kind !== 'as it comes') return;

  test.each([
    ['schema', 'apply'],
    ['collect', '--source', 'synthetic', '--once'],
  ])('%s %s says how to tell it not to', async (...args) => {
    const stateDir = mkdtempSync(join(tmpdir(), 'gpuledger-stock-'));
    onTestFinished(() => {
      rmSync(stateDir, { recursive: true });
    });
    const env = { QDB_CLIENT_CONF: server.conf, GPULEDGER_CONFIG: undefined, GPULEDGER_STATE_DIR: stateDir };
    const { exitCode, stderr } = await runCommand(args, { env });
    expect(exitCode).toBe(0);
    const way =
      'set line.auto.create.new.tables=false and line.auto.create.new.columns=false in its server.conf';
    expect(stderr.split(way)).toHaveLength(2);
  });

  test('a table that the server has made is put right by schema apply, each row once, also when that is cut off', async () => {
    const bench = openBench();
    const { table, gate } = bench;
    const lane = laneOf(table);
    expect(await bench.send()).toBe(true);
    await db.exec(`DROP TABLE ${table}`);
    // Nobody looks: the server takes the rows into a table of its own, twice. (On the connection of before it would lose them.)
    db.renewConnections();
    const lines = Array.from(
      { length: ROWS },
      (_, n) => `${table},node=n1,gpu=g1 dt_us=1000000i,${COLUMN}=1 ${T0_US + n}t\n`,
    ).join('');
    for (let round = 0; round < 2; round += 1)
      await gate.patient.send({ table, body: new Uint8Array(Buffer.from(lines)), rows: ROWS });
    await waitForVisible(db, table);
    expect((await db.exec(`SELECT count() FROM ${table}`)).rows).toEqual([[2 * ROWS]]);
    await gate.look();
    expect(await bench.send()).toBe(false);
    expect(bench.notices.map(({ code }) => code)).toContain('schema.not_wal');
    // As one that was killed after its first step.
    await db.exec(`RENAME TABLE ${table} TO ${table}_misplaced`);
    const changes = await applySchema(db, [lane], RETENTION, { movesAged: true });
    expect(changes.map(({ action, object }) => [action, object])).toContainEqual(['moved', table]);
    expect(await bench.send()).toBe(true);
    expect(await rowsOf(table)).toMatchObject({ all: 4 * ROWS, distinct: 4 * ROWS });
    const { rows } = await db.exec(`SELECT count() FROM tables() WHERE table_name LIKE '%_misplaced'`);
    expect(rows).toEqual([[0]]);
    expect(bench.deadRows()).toBe(0);
  });
});
