import {
  afterAll,
  beforeAll,
  beforeEach,
  afterEach,
  describe,
  expect,
  inject,
  onTestFinished,
  test,
} from 'vitest';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Device } from '../../src/core/devices/device.ts';
import { pushJournal, whoseJournal } from '../../src/job-map/push-journal.ts';
import { readBoot } from '../../src/ownership/boot.ts';
import { openEngineJobs } from '../../src/ownership/open-inputs.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { createSmallTables } from '../../src/questdb/rows/small-tables.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { sendRows } from '../helpers/send-rows.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import {
  at,
  BOOT,
  describeOwnership,
  OLD_BOOT_ID,
  openJournalBench,
  type JournalBench,
} from '../helpers/journal.ts';
import { runCommand, type Ended } from '../helpers/run-process.ts';

let db: QuestDb;
let bench: JournalBench;
beforeAll(async () => {
  db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
  await applySchema(db, [], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
});
afterAll(async () => {
  await db.close();
});
beforeEach(() => {
  bench = openJournalBench();
});
afterEach(() => {
  bench.close();
});

test('a MIG instance is guessed by nobody: drain and push say what collect says', async () => {
  const node = `mig-${crypto.randomUUID()}`;
  const gpu: Device = { uuid: `GPU-${node}`, node, index: 0, model: 'X', memoryBytes: 1 };
  const cut = { ...gpu, pciBusId: '00000000:01:00.0', parentUuid: `GPU-cut-${node}`, index: 1 };
  const devices: Device[] = [
    { ...gpu, pciBusId: '00000000:0F:00.0' },
    { ...cut, uuid: `MIG-a-${node}`, gpuInstanceId: 1, migProfile: '1g.18gb' },
    { ...cut, uuid: `MIG-b-${node}`, index: 2, gpuInstanceId: 2, migProfile: '1g.18gb' },
  ];
  writeFileSync(join(bench.directory, 'gres.conf'), 'AutoDetect=nvml\n');
  bench.put('start', '7', 1, { node, gpus: '0' });
  bench.put('start', '8', 2, { node, gpus: '2' });
  bench.put('start', '9', 3, { node, gpus: '', visible: `MIG-b-${node}` });
  bench.put('start', '10', 4, { node, gpus: '', devices: '1', manager: 'pbs' });
  bench.put('start', '11', 4, { node, gpus: '', devices: '1.1', manager: 'pbs' });
  bench.put('start', '12', 4, { node, gpus: '', visible: `MIG-GPU-cut-${node}/2/0` });

  const collected = describeOwnership(bench.open({ devices }).read(at(5)));
  expect(collected).toEqual([
    `10 on unresolved:${node}:1 (4, open`,
    `11 on MIG-a-${node} (4, open`,
    `12 on MIG-b-${node} (4, open`,
    `7 on unresolved:${node}:0 (1, open`,
    `8 on unresolved:${node}:2 (2, open`,
    `9 on MIG-b-${node} (3, 4]`,
  ]);

  const journals = mkdtempSync(join(tmpdir(), 'gpuledger-journals-'));
  symlinkSync(bench.directory, join(journals, node));
  const [drained] = await openEngineJobs({ local: {}, localNode: 'elsewhere', journals }, node, devices);
  expect(describeOwnership(drained!.read(at(5)))).toEqual(collected);
  rmSync(journals, { recursive: true });

  const rows = devices.map((device) => ({ tsUs: at(0), device, source: 'nvml' as const }));
  await createSmallTables(db).writeInventory(rows);
  await waitForVisible(db, 'gpu_inventory');
  const tell = (): void => undefined;
  await pushJournal(db, { node, directory: bench.directory, tables: [], tell });
  await waitForVisible(db, 'gpu_ownership');
  const pushed = await db.exec(`SELECT job_id, gpu FROM gpu_ownership WHERE node = '${node}'`);
  expect(pushed.rows.map(([job, owned]) => `${String(job)} on ${String(owned)}`).sort()).toEqual(
    collected.map((line) => line.replace(/ \(.*/, '')),
  );
});

test('what is stored of a node counts: a job that its journal has forgotten ends where the next one begins', async () => {
  const node = `push-${crypto.randomUUID()}`;
  const device: Device = { uuid: `GPU-${node}`, node, index: 0, minor: 0, model: 'X', memoryBytes: 1 };
  const tenure = { node, gpu: device.uuid, run: 0, share: 1, endUs: Infinity };
  const small = createSmallTables(db);
  await small.writeInventory([{ tsUs: at(0), device, source: 'nvml' }]);
  await small.writeOwnership([
    { ...tenure, jobId: '7', startUs: at(1), source: 'journal' },
    { ...tenure, gpu: `${device.uuid}-1`, jobId: '6', startUs: at(2), source: 'map-dir' },
  ]);
  await waitForVisible(db, 'gpu_inventory');
  await waitForVisible(db, 'gpu_ownership');
  const recentS = (Date.now() * 1000 - at(0)) / 1e6 - 60;
  bench.put('start', '8', recentS, { node, gpus: '', devices: '0', share: '1', boot_id: readBoot().id });

  const tell = (): void => undefined;
  const outcome = await pushJournal(db, { node, directory: bench.directory, tables: [], tell });
  expect(outcome).toMatchObject({ intervals: 2, openIntervals: 1, isAllWritten: true });
  await waitForVisible(db, 'gpu_ownership');
  const again = await pushJournal(db, { node, directory: bench.directory, tables: [], tell });
  expect(again).toMatchObject({ intervals: 1, openIntervals: 1, isAllWritten: true });
  const rows = await db.exec(
    `SELECT job_id, cast(end_ts AS LONG) FROM gpu_ownership WHERE node = '${node}' ORDER BY ts`,
  );
  const nextUs = Math.round(at(recentS));
  const near = (cell: unknown): unknown => (cell === null ? null : Math.abs(Number(cell) - nextUs) < 1000);
  expect(rows.rows.map(([job, endUs]) => [job, near(endUs)])).toEqual([
    ['7', true],
    ['6', null],
    ['8', null],
  ]);
});

test('owner sets are written with the stays, and their samples are labelled again', async () => {
  const node = `sets-${crypto.randomUUID()}`;
  const device: Device = { uuid: `GPU-${node}`, node, index: 0, model: 'X', memoryBytes: 1 };
  await createSmallTables(db).writeInventory([{ tsUs: at(0), device, source: 'dcgm' }]);
  const table = `gpu_sets_${process.pid}`;
  await db.exec(
    `CREATE TABLE ${table} (ts TIMESTAMP, gpu SYMBOL, job_id VARCHAR, owners LONG, owner_set LONG) TIMESTAMP(ts) PARTITION BY DAY WAL DEDUP UPSERT KEYS(ts, gpu)`,
  );
  onTestFinished(async () => {
    await db.exec(`DROP TABLE ${table}`);
  });
  const nowS = Math.floor((Date.now() * 1000 - at(0)) / 1e6);
  const rows = [-90, -60, -30].map((s) => `(${at(nowS + s)}, '${device.uuid}', 0)`).join(', ');
  await db.exec(`INSERT INTO ${table} (ts, gpu, owners) VALUES ${rows}`);
  await waitForVisible(db, 'gpu_inventory');
  const push = async (): Promise<void> => {
    const tell = (): void => undefined;
    const outcome = await pushJournal(db, { node, directory: bench.directory, tables: [table], tell });
    expect(outcome.isAllWritten).toBe(true);
    for (const one of ['gpu_ownership', 'gpu_owner_sets', table]) await waitForVisible(db, one);
  };
  /** Of the samples, by owners: the parts of their sets. */
  const parts = async (): Promise<unknown> => {
    const found = await db.exec(
      `SELECT r.owners, s.job_id, s.part FROM ${table} r JOIN gpu_owner_sets s ON s.owner_set = r.owner_set WHERE r.owner_set IS NOT NULL ORDER BY r.ts, s.job_id`,
    );
    return found.rows;
  };
  const start = { node, gpus: '', devices: '0', manager: 'pbs', boot_id: readBoot().id };
  bench.put('start', '7', nowS - 100, { ...start, share: '0.25' });
  await push();
  const third = [1, '7', 0.25];
  expect(await parts()).toEqual([third, third, third]);
  bench.put('start', '8', nowS - 70, start);
  await push();
  await push();
  const shared = [
    [2, '7', 0.25],
    [2, '8', 0.75],
  ];
  expect(await parts()).toEqual([third, ...shared, ...shared]);
});

test("another machine's journal keeps its own boot: its jobs do not end where this machine was booted", async () => {
  const node = `far-${crypto.randomUUID()}`;
  const device: Device = { uuid: `GPU-${node}`, node, index: 0, model: 'X', memoryBytes: 1 };
  await createSmallTables(db).writeInventory([{ tsUs: at(0), device, source: 'dcgm' }]);
  await waitForVisible(db, 'gpu_inventory');
  bench.put('start', '6', -20_000, { node, gpus: '', devices: '0', boot_id: OLD_BOOT_ID }, 5_000);
  bench.put('start', '7', 1, { node, gpus: '', devices: '0' });
  const tell = (): void => undefined;
  await pushJournal(db, { node, directory: bench.directory, tables: [], tell });
  await waitForVisible(db, 'gpu_ownership');
  const { rows } = await db.exec(
    `SELECT job_id, cast(end_ts AS LONG) FROM gpu_ownership WHERE node = '${node}' ORDER BY ts`,
  );
  expect(rows).toEqual([
    ['6', BOOT.timeUs],
    ['7', null],
  ]);
});

test('a journal of years ago gets into the samples and the figures of that time, once', async () => {
  const node = `old-${crypto.randomUUID()}`;
  const device: Device = { uuid: `GPU-${node}`, node, index: 0, model: 'X', memoryBytes: 1 };
  const fields = [findField('155')!];
  const lane: Lane = {
    ...{
      name: 'push_old',
      table: 'gpu_push_old',
      schedule: 'continuous',
      intervalMs: 10_000,
      fields,
      capacityTicks: 1,
    },
  };
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  await createSmallTables(db).writeInventory([{ tsUs: at(0), device, source: 'dcgm' }]);
  const rows = Array.from(
    { length: 100 },
    (_, tick) =>
      `${lane.table},node=${node},gpu=${device.uuid} owners=0i,dt_us=10000000i,power_watts=100 ${at(tick * 10)}t\n`,
  );
  expect((await sendRows(db, rows.join(''))).unsent).toBeUndefined();
  await waitForVisible(db, 'gpu_inventory');
  bench.put('start', '7', 60, { node, gpus: '', devices: '0', share: '1' });
  bench.put('end', '7', 660, { node, gpus: '', devices: '0' });
  const words: string[] = [];
  const push = (): ReturnType<typeof pushJournal> =>
    pushJournal(db, {
      ...{ node, directory: bench.directory, tables: [lane.table], lanes: [lane] },
      onProgress: (some) => words.push(some),
      tell: () => undefined,
    });
  expect(await push()).toMatchObject({ intervals: 1, relabelledRows: 60, isAllWritten: true });
  expect(words[0]).toMatch(/^labels of late facts: 0 of 1 portions/);
  for (const table of ['job_figures', 'gpu_ownership']) await waitForVisible(db, table);
  const figures = `SELECT samples, owned_us, power_joules FROM job_figures WHERE node = '${node}'`;
  expect((await db.exec(figures)).rows).toEqual([[60, 600e6, 60_000]]);
  // What is in the store and long closed has gone from the journal.
  expect(await push()).toMatchObject({ intervals: 0, relabelledRows: 0, isAllWritten: true });
});

test("a node of one name in two clusters has the devices of the journal's own", async () => {
  const node = `twin-${crypto.randomUUID()}`;
  const device = (cluster: string): Device => ({
    ...{ uuid: `GPU-${cluster}-${node}`, cluster, node, index: 0, model: 'X', memoryBytes: 1 },
  });
  await createSmallTables(db).writeInventory(
    ['a', 'B'].map((cluster) => ({ tsUs: at(0), device: device(cluster), source: 'dcgm' as const })),
  );
  await waitForVisible(db, 'gpu_inventory');
  bench.put('start', '7', 1, { node, gpus: '', devices: '0', cluster: 'b' });
  const tell = (): void => undefined;
  await pushJournal(db, { node, cluster: 'a', directory: bench.directory, tables: [], tell });
  await waitForVisible(db, 'gpu_ownership');
  const { rows } = await db.exec(`SELECT cluster, gpu FROM gpu_ownership WHERE node = '${node}'`);
  expect(rows).toEqual([['b', `GPU-B-${node}`]]);
});

test('a node of two clusters whose journal tells neither is refused record by record, and by its cluster taken whole', async () => {
  const node = `both-${crypto.randomUUID()}`;
  const device = (cluster: string): Device => ({
    ...{ uuid: `GPU-${cluster}-${node}`, cluster, node, index: 0, model: 'X', memoryBytes: 1 },
  });
  await createSmallTables(db).writeInventory(
    ['a', 'b'].map((cluster) => ({ tsUs: at(0), device: device(cluster), source: 'dcgm' as const })),
  );
  await waitForVisible(db, 'gpu_inventory');
  bench.put('start', '7', 1, { node, gpus: '', devices: '0' });
  bench.put('start', '8', 2, { node, gpus: '', visible: `GPU-a-${node}` });
  const push = { node, directory: bench.directory, tables: [], tell: (): void => undefined };
  const refused = await pushJournal(db, push);
  expect(refused).toMatchObject({ refusedRecords: 2, intervals: 0, jobRows: 0, isAllWritten: true });
  expect(refused.problems.map(({ code, exit, message }) => [code, exit, message])).toEqual([
    [
      'journal.no_cluster',
      'data',
      `${node} is a node of 2 clusters (a, b), and nothing tells of which this journal is: 2 records were refused`,
    ],
  ]);
  const told = await runCommand(['jobs', 'push', '--journal', bench.directory, '--json'], {
    env: { QDB_CLIENT_CONF: inject('questdbConf'), GPULEDGER_NODE: node, GPULEDGER_CONFIG: undefined },
  });
  expect([told.exitCode, JSON.parse(told.stdout)]).toMatchObject([65, { refusedRecords: 2, intervals: 0 }]);
  expect(told.stderr).toContain("set cluster: in the configuration to the node's own");
  expect(await pushJournal(db, { ...push, cluster: 'b' })).toMatchObject({ refusedRecords: 0, intervals: 2 });
  await waitForVisible(db, 'gpu_ownership');
  const stored = async (): Promise<unknown> =>
    (await db.exec(`SELECT cluster, gpu, job_id FROM gpu_ownership WHERE node = '${node}' ORDER BY job_id`))
      .rows;
  expect(await stored()).toEqual([
    ['b', `GPU-b-${node}`, '7'],
    ['b', `unresolved:${node}:GPU-a-${node}`, '8'],
  ]);
});

test('the newest record that tells a cluster speaks for those that tell none', async () => {
  const node = `told-${crypto.randomUUID()}`;
  const device = (cluster: string): Device => ({
    ...{ uuid: `GPU-${cluster}-${node}`, cluster, node, index: 0, model: 'X', memoryBytes: 1 },
  });
  await createSmallTables(db).writeInventory(
    ['a', 'b'].map((cluster) => ({ tsUs: at(0), device: device(cluster), source: 'dcgm' as const })),
  );
  await waitForVisible(db, 'gpu_inventory');
  bench.put('start', '7', 1, { node, gpus: '', devices: '0', cluster: 'b' });
  bench.put('end', '7', 2, { node, gpus: '', devices: '0', cluster: 'b' });
  bench.put('start', '8', 3, { node, gpus: '', devices: '0', manager: 'shell' });
  const push = { node, directory: bench.directory, tables: [], tell: (): void => undefined };
  expect(await pushJournal(db, push)).toMatchObject({ refusedRecords: 0, intervals: 2 });
  await waitForVisible(db, 'gpu_ownership');
  const { rows } = await db.exec(
    `SELECT cluster, gpu, job_id FROM gpu_ownership WHERE node = '${node}' ORDER BY job_id`,
  );
  expect(rows).toEqual([
    ['b', `GPU-b-${node}`, '7'],
    ['b', `GPU-b-${node}`, '8'],
  ]);
});

test('each record of a node that was moved to another cluster means the devices of its own', async () => {
  const device = (node: string, cluster: string): Device => ({
    ...{ uuid: `GPU-${node}`, cluster, node, index: 0, model: 'X', memoryBytes: 1 },
  });
  const inventory = async (node: string, cluster: string, s: number): Promise<void> => {
    await createSmallTables(db).writeInventory([
      { tsUs: at(s), device: device(node, cluster), source: 'dcgm' as const },
    ]);
  };
  const [once, both] = [`moved-${crypto.randomUUID()}`, `followed-${crypto.randomUUID()}`];
  await inventory(once, 'alpha', 0);
  await inventory(both, 'alpha', 0);
  await inventory(both, 'beta', 5);
  await waitForVisible(db, 'gpu_inventory');
  const pushed = async (node: string): Promise<unknown> => {
    const own = openJournalBench();
    own.put('start', '7', 1, { node, gpus: '', devices: '0', cluster: 'alpha' });
    own.put('end', '7', 2, { node, gpus: '', devices: '0', cluster: 'alpha' });
    own.put('start', '8', 10, { node, gpus: '', devices: '0', cluster: 'beta' });
    await pushJournal(db, { node, directory: own.directory, tables: [], tell: (): void => undefined });
    own.close();
    await waitForVisible(db, 'gpu_ownership');
    return (
      await db.exec(`SELECT cluster, gpu, job_id FROM gpu_ownership WHERE node = '${node}' ORDER BY job_id`)
    ).rows;
  };
  expect(await pushed(once)).toEqual([
    ['alpha', `GPU-${once}`, '7'],
    ['beta', `unresolved:beta/${once}:0`, '8'],
  ]);
  expect(await pushed(both)).toEqual([
    ['alpha', `GPU-${both}`, '7'],
    ['beta', `GPU-${both}`, '8'],
  ]);
});

test('a record that is cut off or not as expected is refused with its reason, the others are written', async () => {
  const node = `torn-${crypto.randomUUID()}`;
  const device: Device = { uuid: `GPU-${node}`, node, index: 0, model: 'X', memoryBytes: 1 };
  await createSmallTables(db).writeInventory([{ tsUs: at(0), device, source: 'dcgm' }]);
  await waitForVisible(db, 'gpu_inventory');
  bench.put('start', '7', 1, { node, gpus: '', devices: '0' });
  writeFileSync(join(bench.directory, '8.start.job'), 'gpuledger-job-record\0version=1\0event=sta');
  writeFileSync(join(bench.directory, '9.start.job'), 'job 9 begins\n');
  // These are on their way.
  writeFileSync(join(bench.directory, '.10.start.job.tmp'), 'gpuledger-job-record\0version=1\0event=sta');
  writeFileSync(join(bench.directory, '.11.start.job'), '');
  const push = { node, directory: bench.directory, tables: [], tell: (): void => undefined };
  const outcome = await pushJournal(db, push);
  expect(outcome).toMatchObject({ refusedRecords: 2, intervals: 1, isAllWritten: true });
  const env = { QDB_CLIENT_CONF: inject('questdbConf'), GPULEDGER_NODE: node, GPULEDGER_CONFIG: undefined };
  const run = async (...args: string[]): Promise<Ended> =>
    await runCommand(['jobs', 'push', '--journal', bench.directory, ...args], { env });
  const told = await run();
  expect([told.exitCode, told.stdout]).toEqual([65, expect.stringContaining('; 2 records refused')]);
  expect(told.stderr).toContain('it is cut off');
  expect(told.stderr).toContain('found "job 9 begins');
  const asJson = await run('--json');
  const { problems, ...counts } = JSON.parse(asJson.stdout) as { problems: { message: string }[] };
  expect([asJson.exitCode, counts]).toMatchObject([65, { refusedRecords: 2, intervals: 1 }]);
  expect(problems.map(({ message }) => message).sort()).toEqual([
    expect.stringContaining('expected "gpuledger-job-record"'),
    expect.stringContaining('it is cut off'),
  ]);
});

test("positions of another machine's journal are resolved by the minor numbers that are recorded", async () => {
  const node = `minor-${crypto.randomUUID()}`;
  writeFileSync(join(bench.directory, 'slurm.conf'), `GresTypes=gpu\nNodeName=${node} Gres=gpu:2\n`);
  writeFileSync(
    join(bench.directory, 'gres.conf'),
    'Name=gpu File=/dev/nvidia1\nName=gpu File=/dev/nvidia0\n',
  );
  const rows = [0, 1].map((index) => ({
    tsUs: at(0),
    device: { uuid: `GPU-${index}-${node}`, node, index, minor: index, model: 'X', memoryBytes: 1 },
    source: 'dcgm' as const,
  }));
  await createSmallTables(db).writeInventory(rows);
  await waitForVisible(db, 'gpu_inventory');
  bench.put('start', '7', 1, { node, gpus: '0' });
  bench.put('start', '8', 2, { node, gpus: '1' });
  const tell = (): void => undefined;
  await pushJournal(db, { node, directory: bench.directory, tables: [], tell });
  await waitForVisible(db, 'gpu_ownership');
  const stored = await db.exec(
    `SELECT job_id, gpu FROM gpu_ownership WHERE node = '${node}' ORDER BY job_id`,
  );
  expect(stored.rows).toEqual([
    ['7', `GPU-1-${node}`],
    ['8', `GPU-0-${node}`],
  ]);
});

describe('whose journal it is', () => {
  const gpu = (uuid: string, parentUuid?: string): Device => ({
    ...{ uuid, node: 'n1', index: 0, model: 'X', memoryBytes: 1 },
    ...(parentUuid === undefined ? {} : { parentUuid }),
  });
  const far = [gpu('GPU-x')];
  const local = [gpu('GPU-a'), gpu('GPU-b')];

  test.each([
    {
      what: 'with GPUs of this machine',
      recorded: [gpu('GPU-a')],
      local,
      now: false,
      devices: 'GPU-a GPU-b',
      is: 'here',
    },
    {
      what: 'with instances of them',
      recorded: [gpu('MIG-a', 'GPU-a')],
      local,
      now: false,
      devices: 'MIG-a GPU-b',
      is: 'here',
    },
    {
      what: 'with one that was taken out',
      recorded: [gpu('GPU-a'), ...far],
      local,
      now: true,
      devices: 'GPU-a GPU-b',
      is: 'here',
    },
    {
      what: 'of other GPUs and another boot',
      recorded: far,
      local,
      now: false,
      devices: 'GPU-x',
      is: 'foreign',
    },
    {
      what: 'of nothing recorded, and another boot',
      recorded: [],
      local,
      now: false,
      devices: '',
      is: 'foreign',
    },
    {
      what: 'of nothing recorded, and this boot',
      recorded: [],
      local,
      now: true,
      devices: 'GPU-a GPU-b',
      is: '',
    },
    {
      what: 'of this boot where another node bears the name',
      recorded: far,
      local,
      now: true,
      devices: 'GPU-a GPU-b',
      is: '',
    },
    { what: 'of this boot without a driver', recorded: far, local: [], now: true, devices: 'GPU-x', is: '' },
  ])('$what', ({ recorded, local: own, now, devices, is }) => {
    const found = whoseJournal({ recorded, local: own, isOfThisBoot: now });
    expect(found.devices.map(({ uuid }) => uuid).join(' ')).toBe(devices);
    expect([found.isHere, found.isForeign]).toEqual([is === 'here', is === 'foreign']);
  });
});
