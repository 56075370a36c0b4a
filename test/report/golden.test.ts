/**
 * Goal: what the reports print stays as it is, byte for byte, in all three formats. Method: rows made by hand in a real
 * QuestDB at a fixed time, with values whose sums are exact in any order, held against the files in `golden/`.
 * After a wanted change: `npx vitest run test/report/golden.test.ts -u`, and read the difference.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { assert } from '../../src/core/base/assert.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { capacityFigures, type CapacityQueryOptions } from '../../src/figures/capacity/query.ts';
import { renderCapacityReport } from '../../src/report/capacity-text.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import { renderJobReport } from '../../src/report/job-text.ts';
import { accountOf } from '../../src/figures/job/tasks.ts';
import { renderTasksReport } from '../../src/report/tasks-text.ts';
import { capacityJson, jobJson, tasksJson } from '../../src/report/json.ts';
import { capacityBaseCsv, capacityCsv } from '../../src/report/capacity/capacity-csv.ts';
import { jobCsv, tasksCsv } from '../../src/report/csv.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { waitForRollups } from '../../src/questdb/visible.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { insertRows, type Row } from '../helpers/insert-rows.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';

const SECOND = 1_000_000;
const GIB = 2 ** 30;
const T0 = Date.UTC(2026, 2, 2, 8) * 1000;
const at = (seconds: number): number => T0 + seconds * SECOND;

function laneOf(name: string, intervalMs: number, ids: readonly number[]): Lane {
  const fields = ids.map((id) => findField(id)!);
  return { name, table: `gpu_${name}`, schedule: 'continuous', intervalMs, fields, capacityTicks: 100 };
}

/** SM, tensor, power, energy, memory; PCIe and any-kernel-ran in a slower lane. */
const lanes = [
  laneOf('profiling', 1000, [1002, 1004, 155, 156, 252]),
  laneOf('device', 10_000, [1009, 1010, 203]),
];

let server: TestQuestdb;
let db: QuestDb;

const rowsOf = new Map<string, Row[]>();

function add(table: string, rows: readonly Row[]): void {
  rowsOf.set(table, [...(rowsOf.get(table) ?? []), ...rows]);
}

async function insertAll(): Promise<void> {
  for (const [table, rows] of rowsOf) await insertRows(db, table, rows);
}

const seconds = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

interface Stay {
  readonly cluster?: string;
  readonly node?: string;
  readonly gpu: string;
  readonly jobId: string;
  readonly from: number;
  readonly to?: number;
  readonly share?: number;
  readonly run?: number;
}

function own({ cluster, node = 'n1', gpu, jobId, from, to, share, run = 0 }: Stay): void {
  const known = {
    ...(cluster === undefined ? {} : { cluster }),
    ...(to === undefined ? {} : { end_ts: at(to) }),
    ...(share === undefined ? {} : { share }),
  };
  add('gpu_ownership', [{ ts: at(from), node, gpu, job_id: jobId, run, source: 'test', ...known }]);
}

/** A sample of one GPU of one job that has a second of work at half activity. */
function sample(gpu: string, second: number, jobId: string | undefined, changes: Row = {}): Row {
  return {
    ts: at(second),
    node: 'n1',
    gpu,
    owners: jobId === undefined ? 0 : 1,
    dt_us: SECOND,
    sm_active_ratio: 0.5,
    tensor_active_ratio: 0.25,
    power_watts: 512,
    fb_used_bytes: 64 * GIB,
    energy_rise_joules: 512,
    ...(jobId === undefined ? {} : { job_id: jobId }),
    ...changes,
  };
}

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await applySchema(db, lanes, { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  addInventory();
  addStory();
  addShared();
  addEdges();
  addKept();
  addArray();
  addClusters();
  await insertAll();
  await waitForRollups(db, lanes, at(7200));
});

afterAll(async () => {
  await db.close();
  await server.stop();
});

function addInventory(): void {
  const gpu = { ts: at(0), node: 'n1', model: 'NVIDIA H200', memory_bytes: 128 * GIB, source: 'dcgm' };
  add('gpu_inventory', [
    ...['GPU-story-0', 'GPU-story-1', 'GPU-shared'].map((uuid, index) => ({
      ...gpu,
      gpu: uuid,
      gpu_index: index,
    })),
    {
      ...gpu,
      gpu: 'MIG-half-0001',
      gpu_index: 3,
      model: 'NVIDIA H200 MIG 3g.71gb',
      memory_bytes: 64 * GIB,
      mig_profile: '3g.71gb',
    },
  ]);
}

/** Two GPUs and a MIG instance: a gap, blanks, a throttle, an XID, a rhythm of dips, an idle end. */
function addStory(): void {
  const owned = ['GPU-story-0', 'GPU-story-1', 'MIG-half-0001'];
  const samples = owned.flatMap((gpu, index) =>
    seconds(1, 1800)
      .filter((second) => index !== 0 || second <= 400 || second > 500)
      .map((second): Row => {
        const isSlow = index === 1 && second > 600 && second <= 900;
        const isIdle = second > 1150;
        const sm = isIdle || second % 100 > 95 ? 0.0078125 : isSlow ? 0.25 : 0.75;
        const row = sample(gpu, second, 'story', {
          sm_active_ratio: sm,
          dt_us: second === 501 && index === 0 ? 0 : SECOND,
        });
        if (index === 2) return { ...row, fb_used_bytes: 62 * GIB, power_watts: 64, energy_rise_joules: 64 };
        if (index !== 1) return row;
        return { ...row, tensor_active_ratio: undefined, fb_used_bytes: 125 * GIB, power_watts: 640 };
      }),
  );
  add('gpu_profiling', samples);
  add(
    'gpu_device',
    owned.slice(0, 2).flatMap((gpu) =>
      seconds(1, 180).map((tick): Row => ({
        ts: at(tick * 10),
        node: 'n1',
        gpu,
        job_id: 'story',
        owners: 1,
        dt_us: 10 * SECOND,
        [findField(1009)!.column]: 2 ** 30,
        [findField(1010)!.column]: 2 ** 31,
        [findField(203)!.column]: 0.875,
      })),
    ),
  );
  for (const gpu of owned) own({ gpu, jobId: 'story', from: 0, to: 1800, share: 1 });
  add('jobs', [
    {
      ts: at(0),
      end_ts: at(1800),
      job_id: 'story',
      run: 0,
      name: 'train 作业 é',
      user: 'ada',
      account: 'physics',
      partition: 'gpu',
      qos: 'normal',
      state: 'FAILED',
      exit_code: 1,
    },
  ]);
  const event = { node: 'n1', gpu: 'GPU-story-1' };
  add('gpu_events', [
    {
      ...event,
      ts: at(600),
      end_ts: at(900),
      kind: 'throttle',
      code: 32,
      subject: 'sw_thermal_slowdown',
      text: 'hot',
    },
    {
      ...event,
      ts: at(1700),
      kind: 'xid',
      code: 79,
      subject: '',
      text: 'XID 79: GPU has fallen off the bus.',
    },
    { ...event, ts: at(10), kind: 'blank_begin', subject: 'tensor_active_ratio', text: 'no values' },
    { node: 'n1', ts: at(700), kind: 'clock_step', subject: '', text: 'The clock was set.' },
  ]);
}

/** Equal and stated parts, free shares, a job that nobody could name, one of another node without any record. */
function addShared(): void {
  add('gpu_profiling', [
    ...seconds(1, 64).map((second) => sample('GPU-shared', second, undefined, { owners: 2, owner_set: 11 })),
    ...seconds(129, 192).map((second) => sample('GPU-shared', second, 'stated', { owner_set: 12 })),
    ...seconds(1, 64).map((second) => sample('G-who', second, 'unresolved')),
    ...seconds(1, 128).map((second) =>
      sample('G-far', second, second > 64 ? 'no name' : undefined, { node: 'n2' }),
    ),
  ]);
  const equal = { ts: at(0), gpu: 'GPU-shared', owner_set: 11, part: 0.5, sharing: 'equal', scaled: 0 };
  add('gpu_owner_sets', [
    { ...equal, job_id: 'equal a' },
    { ...equal, job_id: 'equal b' },
    { ...equal, ts: at(128), owner_set: 12, job_id: 'stated', share: 0.25, part: 0.25, sharing: 'stated' },
  ]);
  own({ gpu: 'GPU-shared', jobId: 'equal a', from: 0, to: 64 });
  own({ gpu: 'GPU-shared', jobId: 'equal b', from: 0, to: 64 });
  own({ gpu: 'GPU-shared', jobId: 'stated', from: 128, to: 192, share: 0.25 });
  own({ gpu: 'G-who', jobId: 'unresolved', from: 0, to: 64, share: 1 });
  own({ node: 'n2', gpu: 'G-far', jobId: 'no name', from: 64, to: 128, share: 1 });
  for (const [jobId, account] of [
    ['equal a', 'physics'],
    ['equal b', 'biology'],
    ['stated', '=sum(1), "x"'],
  ] as const)
    add('jobs', [
      { ts: at(0), job_id: jobId, run: 0, name: 'shares', user: 'bob', account, state: 'COMPLETED' },
    ]);
}

/** Running, requeued, dark, without GPUs, of one instant, with a control character. */
function addEdges(): void {
  add('gpu_profiling', [
    ...seconds(3001, 3064).map((second) => sample('G-open', second, 'open')),
    ...seconds(2001, 2128).map((second) => sample('G-again', second, 'again')),
    sample('G-once', 2000, 'once', { dt_us: 0 }),
  ]);
  own({ gpu: 'G-open', jobId: 'open', from: 3000, share: 1 });
  own({ gpu: 'G-again', jobId: 'again', from: 2000, to: 2064, share: 1 });
  own({ gpu: 'G-again', jobId: 'again', from: 2064, to: 2128, share: 1, run: 1 });
  own({ gpu: 'G-dark', jobId: 'dark', from: 2000, to: 2100, share: 1 });
  own({ gpu: 'G-once', jobId: 'once', from: 1999, to: 2001, share: 1 });
  add('jobs', [
    {
      ts: at(100),
      job_id: 'cpu only',
      run: 0,
      name: 'evil\u001b[2J\nname',
      user: 'eve',
      state: 'TIMEOUT',
      exit_code: 0,
    },
  ]);
}

/** A day before the oldest sample: what is left of it is its row of `job_figures`. */
function addKept(): void {
  const from = -86_400;
  own({ gpu: 'GPU-story-0', jobId: 'kept', from, to: from + 1024, share: 1 });
  own({ gpu: 'GPU-story-1', jobId: 'kept', from, to: from + 1024, share: 1 });
  add('job_figures', [
    {
      ts: at(from),
      end_ts: at(from + 1024),
      node: 'n1',
      gpu: 'GPU-story-0',
      job_id: 'kept',
      run: 0,
      share: 1,
      owned_us: 1024 * SECOND,
      shared_us: 0,
      samples: 1000,
      step_count: 999,
      dt_us: 999 * SECOND,
      attributed_us: 999 * SECOND,
      sm_active_ratio_dtsum: 0.5 * 512 * SECOND,
      sm_active_ratio_dt: 512 * SECOND,
      sm_active_ratio_max: 0.75,
      power_watts_dtsum: 500 * 999 * SECOND,
      power_watts_dt: 999 * SECOND,
      power_watts_max: 700,
      energy_rise_joules: 500 * 999,
      energy_rise_dt_us: 999 * SECOND,
      power_joules: 500 * 999,
      idle_dt_us: 64 * SECOND,
      last_active_ts: at(from + 900),
      written_ts: at(from + 4000),
    },
  ]);
}

/** After all windows of the capacity reports: an array of three tasks, the last of which has its id; one was requeued, of one nothing was sampled, one still runs. */
function addArray(): void {
  const record = { array_job_id: '6', name: 'sweep', user: 'eve', account: 'physics', partition: 'gpu' };
  add('gpu_profiling', [
    ...seconds(300_001, 300_064).map((second) => sample('G-task-1', second, '7')),
    ...seconds(300_129, 300_256).map((second) => sample('G-task-1', second, '7', { sm_active_ratio: 0.75 })),
    ...seconds(301_001, 301_064).map((second) => sample('G-task-3', second, '6')),
  ]);
  own({ gpu: 'G-task-1', jobId: '7', from: 300_000, to: 300_064, share: 1 });
  own({ gpu: 'G-task-1', jobId: '7', from: 300_128, to: 300_256, share: 1, run: 1 });
  own({ node: 'n2', gpu: 'G-task-2', jobId: '8', from: 300_000, to: 300_100, share: 1 });
  own({ node: 'n2', gpu: 'G-task-3', jobId: '6', from: 301_000, share: 1 });
  add('jobs', [
    {
      ...record,
      ts: at(300_000),
      end_ts: at(300_064),
      job_id: '7',
      run: 0,
      array_task_id: '1',
      state: 'REQUEUED',
      exit_code: 0,
    },
    {
      ...record,
      ts: at(300_128),
      end_ts: at(300_256),
      job_id: '7',
      run: 1,
      array_task_id: '1',
      state: 'COMPLETED',
      exit_code: 0,
    },
    {
      ...record,
      ts: at(300_000),
      end_ts: at(300_100),
      job_id: '8',
      run: 0,
      array_task_id: '2',
      state: 'FAILED',
      exit_code: 9,
    },
    { ...record, ts: at(301_000), job_id: '6', run: 0, array_task_id: '3', state: 'RUNNING' },
  ]);
}

/** One id in two clusters in one minute. */
function addClusters(): void {
  for (const [cluster, user, from, state] of [
    ['north', 'ada', 300_000, 'COMPLETED'],
    ['south', 'bob', 300_010, 'FAILED'],
  ] as const) {
    const gpu = `G-${cluster}`;
    add(
      'gpu_profiling',
      seconds(from + 1, from + 64).map((second) => sample(gpu, second, '700', { cluster })),
    );
    own({ cluster, gpu, jobId: '700', from, to: from + 64, share: 1 });
    add('jobs', [
      {
        ts: at(from),
        end_ts: at(from + 64),
        cluster,
        job_id: '700',
        run: 0,
        user,
        state,
        exit_code: state === 'FAILED' ? 3 : 0,
        submit_ts: at(from - 60),
      },
    ]);
  }
}

/** The numbers of a tree that are none. What is not known is left out, so that nobody adds it up or prints it. */
function notNumbers(tree: object): string[] {
  return Object.entries(tree).flatMap(([key, value]: [string, unknown]): string[] => {
    if (typeof value === 'number' && !Number.isFinite(value)) return [`${key}: ${value}`];
    return typeof value === 'object' && value !== null ? notNumbers(value) : [];
  });
}

const inAllFormats = (...outputs: readonly string[]): string => outputs.join('=====\n');

test.each([
  ['story', {}],
  ['equal a', {}],
  ['stated', {}],
  ['open', {}],
  ['again', {}],
  ['again', { run: 0 }],
  ['dark', {}],
  ['once', {}],
  ['cpu only', {}],
  ['kept', {}],
  ['700', {}],
])('job %s %j', async (jobId, options) => {
  const figures = await jobFigures(db, lanes, jobId, { nowUs: at(3070), ...options });
  expect(notNumbers(figures)).toEqual([]);
  const output = inAllFormats(
    renderJobReport(figures, { width: 100, isColored: false }),
    renderJobReport(figures, { width: 60, isColored: true, isWhole: true }),
    jobJson(figures),
    jobCsv(figures),
  );
  const name = `job-${jobId.replace(' ', '-')}${'run' in options ? '-run-0' : ''}`;
  await expect(output).toMatchFileSnapshot(`golden/${name}.txt`);
});

test('an array', async () => {
  const account = await accountOf(db, lanes, '6', { nowUs: at(301_070) });
  assert(account.of === 'tasks', 'job 6 is the last task of array 6');
  const { figures } = account;
  expect(notNumbers(figures)).toEqual([]);
  const output = inAllFormats(
    renderTasksReport(figures, { width: 100, isColored: false }),
    renderTasksReport(figures, { width: 60, isColored: true, isWhole: true }),
    tasksJson(figures),
    tasksCsv(figures),
  );
  await expect(output).toMatchFileSnapshot('golden/tasks-array.txt');
});

test.each<[string, CapacityQueryOptions]>([
  ['account', { fromUs: at(0), toUs: at(1799), by: 'account' }],
  ['node', { fromUs: at(0), toUs: at(7200), by: 'node' }],
  ['model', { fromUs: at(0), toUs: at(192), by: 'model' }],
  ['days', { fromUs: at(-8 * 3600), toUs: at(64 * 3600), by: 'user' }],
  ['empty', { fromUs: at(-7200), toUs: at(-3600), by: 'partition' }],
])('capacity %s', async (name, options) => {
  const figures = await capacityFigures(db, lanes, options);
  expect(notNumbers(figures)).toEqual([]);
  const output = inAllFormats(
    renderCapacityReport(figures, { width: 100, isColored: false }),
    renderCapacityReport(figures, { width: 60, isColored: true }),
    capacityJson(figures),
    `${capacityCsv(figures)}\n${capacityBaseCsv(figures)}`,
  );
  await expect(output).toMatchFileSnapshot(`golden/capacity-${name}.txt`);
});
