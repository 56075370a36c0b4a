import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { allTables } from '../../schemas/tables.ts';
import { shutDown } from '../../src/collector/shut-down.ts';
import { openCollector, type Collector } from '../../src/collector/collector.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Device } from '../../src/core/devices/device.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { JobInput } from '../../src/core/jobs/job-fact.ts';
import type { Notice } from '../../src/core/base/notice.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { startProxy, type CapturingProxy } from '../helpers/proxy.ts';
import { sendRows } from '../helpers/send-rows.ts';

const RETENTION = { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' };
const SCENARIO = { kind: 'steady', seed: 3, nodes: 1, gpusPerNode: 8, startUs: 0 } as const;

let db: QuestDb;
let proxy: CapturingProxy;
let proxied: QuestDb;

beforeAll(async () => {
  proxy = await startProxy(inject('questdbUrl'));
  db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
  proxied = await openQuestDb(proxy.conf, { requestTimeoutMs: 30_000 });
});

afterAll(async () => {
  await proxied.close();
  await db.close();
  await proxy.close();
});

function laneOf(name: string, capacityTicks: number): Lane {
  const fields = [1002, 155, 156].map((id) => findField(id)!);
  return { name, table: `gpu_${name}`, schedule: 'continuous', intervalMs: 100, fields, capacityTicks };
}

async function open(lane: Lane, forMs: number, notices: Notice[]): Promise<Collector> {
  await applySchema(db, [lane], RETENTION);
  return await openCollector({
    lanes: [lane],
    source: { name: 'synthetic', scenario: SCENARIO },
    clock: { kind: 'real', forMs },
    jobInputs: () => [],
    db: proxied,
    prepareStore: () => Promise.resolve(),
    batchRows: 10_000,
    tell: (notice) => notices.push(notice),
  });
}

/** One job whose teller knows no cluster, and one whose teller does. */
function jobsOf({ node, uuid: gpu }: Device, startUs: number): JobInput {
  const fact = {
    ...{ node, gpu, run: 0, share: 0.5, source: 'test' },
    kind: 'start',
    atUs: startUs,
  } as const;
  const news = {
    facts: [
      { ...fact, jobId: 'placed-1' },
      { ...fact, cluster: 'beta', jobId: 'placed-2' },
    ],
    records: [
      { jobId: 'placed-1', run: 0, startUs },
      { cluster: 'beta', jobId: 'placed-2', run: 0, startUs },
    ],
  };
  return { name: 'test', read: () => news };
}

function lateTicks(notices: readonly Notice[]): number {
  const told = notices.filter(({ code }) => code === 'lane.late');
  return told.reduce((sum, { data }) => sum + Number(data?.['ticks']), 0);
}

async function countsOf(table: string): Promise<readonly unknown[]> {
  await waitForVisible(db, table);
  const { rows } = await db.exec(`SELECT count(), count_distinct(gpu) FROM ${table}`);
  const distinct = await db.exec(`SELECT count() FROM (SELECT DISTINCT ts, gpu FROM ${table})`);
  return [...rows[0]!, ...distinct.rows[0]!];
}

describe('a collector', () => {
  it('leaves every tick of every device in the table once, and posting its bodies again changes nothing', async () => {
    const notices: Notice[] = [];
    const collector = await open(laneOf('once', 600), 2_000, notices);
    await collector.ended;
    expect(await collector.flush()).toBe(true);
    const [account] = collector.account();
    // The schedule is absolute: 20 ticks, less those that came late by a whole interval on a busy machine.
    expect(account!.sampledRows).toBe(8 * (20 - lateTicks(notices)));
    expect(account).toMatchObject({
      acknowledgedRows: account!.sampledRows,
      heldRows: 0,
      droppedRows: 0,
      refusedRows: 0,
    });
    const before = await countsOf('gpu_once');
    expect(before).toEqual([account!.sampledRows, 8, account!.sampledRows]);
    for (const body of proxy.bodies.splice(0)) expect((await sendRows(db, body)).unsent).toBeUndefined();
    expect(await countsOf('gpu_once')).toEqual(before);
  });

  it('keeps rows while the store fails and writes them when it is back', async () => {
    proxy.mode = 'fail';
    const collector = await open(laneOf('held', 600), 1_000, []);
    await collector.ended;
    expect(await collector.flush()).toBe(false);
    const sampledRows = collector.account()[0]!.sampledRows;
    expect(collector.account()[0]).toMatchObject({ acknowledgedRows: 0, heldRows: sampledRows });
    proxy.mode = 'forward';
    expect(await collector.flush()).toBe(true);
    expect(collector.account()[0]).toMatchObject({ acknowledgedRows: sampledRows, heldRows: 0 });
    expect(await countsOf('gpu_held')).toEqual([sampledRows, 8, sampledRows]);
  });

  it('writes rows once although the acknowledgement was lost', async () => {
    proxy.mode = 'forward_then_fail';
    const collector = await open(laneOf('unheard', 600), 500, []);
    await collector.ended;
    expect(await collector.flush()).toBe(false);
    proxy.mode = 'forward';
    expect(await collector.flush()).toBe(true);
    const sampledRows = collector.account()[0]!.sampledRows;
    expect(await countsOf('gpu_unheard')).toEqual([sampledRows, 8, sampledRows]);
  });

  it.each([
    ['directly', true],
    ['through a proxy that keeps its connections', false],
  ])('sends once more what the store took into a table that was dropped: %s', async (_, isDirect) => {
    const lane = laneOf(isDirect ? 'dropped' : 'dropped_behind', 600);
    const notices: Notice[] = [];
    await applySchema(db, [lane], RETENTION);
    const collector = await openCollector({
      lanes: [lane],
      source: { name: 'synthetic', scenario: SCENARIO },
      clock: { kind: 'real', forMs: 500 },
      jobInputs: () => [],
      db: isDirect ? db : proxied,
      prepareStore: async () => {
        await applySchema(db, [lane], RETENTION);
      },
      storeTables: allTables([lane], RETENTION),
      batchRows: 10_000,
      tell: (notice) => notices.push(notice),
    });
    await collector.ended;
    expect(await collector.flush()).toBe(true);
    await db.exec(`DROP TABLE ${lane.table}`);
    await applySchema(db, [lane], RETENTION);
    await collector.watchStore();
    const isWritten = await collector.flush();
    const rows = collector.account()[0]!.sampledRows;
    const codes = notices.map(({ code }) => code).filter((code) => code.startsWith('store.'));
    // What the proxy's connection has swallowed is not said to be there.
    expect({ isWritten, codes }).toEqual({
      isWritten: isDirect,
      codes: isDirect
        ? ['store.tables_changed', 'store.sent_again', 'store.tables_fit']
        : ['store.tables_changed', 'store.away'],
    });
    if (isDirect) expect(await countsOf(lane.table)).toEqual([rows, 8, rows]);
  });

  it.each([
    ['the right one', undefined, true],
    ['one of another type', 'DOUBLE', false],
  ])(
    'looks once more when it stops: after its table was dropped and made again as %s, no row is nowhere',
    async (_, type, isRight) => {
      const lane = laneOf(isRight ? 'last_look' : 'last_look_wrong', 600);
      const notices: Notice[] = [];
      const letters: number[] = [];
      const prepareStore = async (): Promise<void> => {
        await applySchema(db, [lane], RETENTION);
      };
      await prepareStore();
      const collector = await openCollector({
        lanes: [lane],
        source: { name: 'synthetic', scenario: SCENARIO },
        clock: { kind: 'real', forMs: 500 },
        jobInputs: () => [],
        db,
        prepareStore,
        storeTables: allTables([lane], RETENTION),
        deadLetters: { add: (_table, rows) => letters.push(rows) },
        batchRows: 10_000,
        tell: (notice) => notices.push(notice),
      });
      await collector.ended;
      expect(await collector.flush()).toBe(true);
      await db.exec(`DROP TABLE ${lane.table}`);
      if (type === undefined) await prepareStore();
      else
        await db.exec(
          `CREATE TABLE ${lane.table} (ts TIMESTAMP, dt_us ${type}) TIMESTAMP(ts) PARTITION BY DAY WAL`,
        );
      expect(
        await shutDown(
          collector,
          () => Promise.resolve(),
          (notice) => notices.push(notice),
        ),
      ).toBe(isRight);
      collector.close();
      const rows = collector.account()[0]!.sampledRows;
      expect(letters.reduce((sum, more) => sum + more, 0)).toBe(isRight ? 0 : rows);
      expect(notices.map(({ code }) => code)).toContain('store.tables_changed');
      if (isRight) expect(await countsOf(lane.table)).toEqual([rows, 8, rows]);
    },
  );

  it('puts the cluster of its node into the rows of every table', async () => {
    // Its ring overflows, which is an event of each device.
    const lane = laneOf('placed', 4);
    await applySchema(db, [lane], RETENTION);
    const startUs = Date.now() * 1000;
    const collector = await openCollector({
      lanes: [lane],
      source: { name: 'synthetic', scenario: { ...SCENARIO, seed: 41 }, cluster: 'placed-alpha' },
      clock: { kind: 'real', forMs: 1_000 },
      jobInputs: ([device]) => [jobsOf(device!, startUs)],
      db,
      prepareStore: () => Promise.resolve(),
      batchRows: 10_000,
      tell: () => undefined,
    });
    await collector.ended;
    collector.noteStats();
    await expect.poll(() => collector.flush()).toBe(true);
    const gpus = collector.devices.map(({ uuid }) => `'${uuid}'`).join(', ');
    for (const [table, where] of [
      ['gpu_placed', 'true'],
      ['gpu_inventory', `gpu IN (${gpus})`],
      ['gpu_events', `gpu IN (${gpus})`],
      ['collector_stats', "lane = 'placed'"],
      ['gpu_ownership', "job_id = 'placed-1'"],
      ['jobs', "job_id = 'placed-1'"],
    ] as const) {
      await waitForVisible(db, table);
      const { rows } = await db.exec(`SELECT DISTINCT cluster FROM ${table} WHERE ${where}`);
      expect({ table, rows }).toEqual({ table, rows: [['placed-alpha']] });
    }
    const told = await db.exec("SELECT cluster FROM jobs WHERE job_id = 'placed-2'");
    expect(told.rows).toEqual([['beta']]);
  });

  it('tells what sampling costs, anew with each report', async () => {
    const notices: Notice[] = [];
    const collector = await open(laneOf('costs', 600), 700, notices);
    await collector.ended;
    collector.noteStats();
    collector.noteStats();
    expect(await collector.flush()).toBe(true);
    await waitForVisible(db, 'collector_stats');
    const { rows } = await db.exec(
      `SELECT sample_ms_mean, sample_ms_max, late_ticks FROM collector_stats WHERE lane = 'costs' ORDER BY ts`,
    );
    const late = lateTicks(notices);
    expect(rows).toEqual([
      [expect.any(Number), expect.any(Number), late],
      [null, null, late],
    ]);
    const [mean, max] = rows[0] as number[];
    expect(mean).toBeGreaterThan(0);
    expect(max).toBeGreaterThanOrEqual(mean!);
  });

  it('drops the oldest ticks of a full ring, says so once, and leaves a row for the hole', async () => {
    proxy.mode = 'fail';
    const notices: Notice[] = [];
    const collector = await open(laneOf('full', 4), 1_500, notices);
    await collector.ended;
    proxy.mode = 'forward';
    expect(await collector.flush()).toBe(true);
    const account = collector.account()[0]!;
    expect(account.droppedRows).toBe(account.sampledRows - 4 * 8);
    expect(account.acknowledgedRows).toBe(4 * 8);
    expect(notices.filter((notice) => notice.code === 'ring.dropped')).toHaveLength(1);
    await waitForVisible(db, 'gpu_events');
    const { rows } = await db.exec(
      `SELECT count(), count_distinct(gpu) FROM gpu_events WHERE kind = 'drop' AND subject = 'full'`,
    );
    expect(rows[0]).toEqual([8, 8]);
  });
});
