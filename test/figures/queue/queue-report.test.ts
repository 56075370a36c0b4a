/**
 * Goal: the report of the queue tells waits, and GPUs beside them, from what a site has: rollups, accounting, polls; and says what is
 * unknown. Method: three days of a small cluster, made by hand in a real QuestDB, whose figures are counted here; and the command.
 */
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findField } from '../../../src/core/fields/find-field.ts';
import type { Lane } from '../../../src/core/fields/lane.ts';
import type { QueueFigures } from '../../../src/figures/queue/figures.ts';
import { queueFigures } from '../../../src/figures/queue/query.ts';
import { openQuestDb, type QuestDb } from '../../../src/questdb/http.ts';
import { applySchema } from '../../../src/questdb/schema/apply.ts';
import { waitForRollups } from '../../../src/questdb/visible.ts';
import { queueCsv, queueJson } from '../../../src/report/queue/queue-json.ts';
import { renderQueueReport } from '../../../src/report/queue/queue-text.ts';
import { insertRows, type Row } from '../../helpers/insert-rows.ts';
import { startTestQuestdb, type TestQuestdb } from '../../helpers/questdb.ts';
import { runCommand, type Ended } from '../../helpers/run-process.ts';

const HOUR = 3600e6;
const FROM = Date.UTC(2026, 2, 2) * 1000;
const TO = FROM + 72 * HOUR;
const at = (hour: number): number => FROM + hour * HOUR;
const HOSTILE = '\u202e\u001b[2J<img src=x>\n=1+1';
const lane: Lane = {
  ...{ name: 'profiling', table: 'gpu_profiling', schedule: 'continuous', intervalMs: 600_000 },
  ...{ fields: [findField(1002)!], capacityTicks: 100 },
};
/** Node → GPUs; n1 and n2 of cluster a have H100, n3 of cluster b an A100. */
const GPUS = [
  ['a', 'n1', 'n1g0', 'NVIDIA H100'],
  ['a', 'n1', 'n1g1', 'NVIDIA H100'],
  ['a', 'n2', 'n2g0', 'NVIDIA H100'],
  ['a', 'n2', 'n2g1', 'NVIDIA H100'],
  ['b', 'n3', 'n3g0', 'NVIDIA A100'],
] as const;
/** n1g0 is job 1's for all of the time, and idles from hour 10 to 20 and for half of hour 30. */
const isIdle = (hour: number): boolean => (hour >= 10 && hour < 20) || (hour >= 30 && hour < 30.5);

let server: TestQuestdb;
let db: QuestDb;

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  await insertRows(
    db,
    'gpu_inventory',
    GPUS.map(([cluster, node, gpu, model]) => ({ ts: at(0), cluster, node, gpu, model, source: 'dcgm' })),
  );
  const samples: Row[] = GPUS.flatMap(([cluster, node, gpu]) =>
    Array.from({ length: 72 * 6 }, (_, tick) => ({
      ...{ ts: at(tick / 6), cluster, node, gpu, dt_us: 600e6, owners: gpu === 'n1g0' ? 1 : 0 },
      ...(gpu === 'n1g0' ? { job_id: '1' } : {}),
      sm_active_ratio: gpu === 'n1g0' && !isIdle(tick / 6) ? 0.7 : 0,
    })),
  );
  await insertRows(db, 'gpu_profiling', [
    ...samples,
    { ts: TO, cluster: 'a', node: 'n1', gpu: 'n1g0', owners: 0, dt_us: 0 },
  ]);
  await waitForRollups(db, [lane], TO);
  const stay = { cluster: 'a', run: 0, source: 'journal' };
  await insertRows(db, 'gpu_ownership', [
    { ...stay, ts: at(0), end_ts: at(72), node: 'n1', gpu: 'n1g0', job_id: '1' },
    { ...stay, ts: at(24), end_ts: at(48), node: 'n2', gpu: 'n2g0', job_id: '2' },
    { ...stay, ts: at(24), end_ts: at(48), node: 'n2', gpu: 'n2g1', job_id: '2' },
  ]);
  const spell = (node: string, from: number, to: number, state: string): Row[] =>
    Array.from({ length: to - from }, (_, hour) => ({
      ...{ ts: at(from + hour), end_ts: at(from + hour + 1), cluster: 'a', node, state, gpus: 2 },
    }));
  await insertRows(db, 'node_states', [
    ...spell('n1', 0, 72, 'up'),
    ...spell('n2', 0, 12, 'drained'),
    ...spell('n2', 12, 60, 'up'),
  ]);
  const job = { cluster: 'a', run: 0, user: 'ada', state: 'COMPLETED' };
  await insertRows(db, 'jobs', [
    { ...job, ts: at(0), end_ts: at(72), job_id: '1', submit_ts: at(-2), account: 'physics', gpus: 1 },
    { ...job, ts: at(24), end_ts: at(48), job_id: '2', submit_ts: at(20), account: HOSTILE, gpus: 2 },
    // Four short ones without a stay, as a site without hooks has them; one of which nobody told the submission; one without GPUs.
    ...[1, 2, 3, 10].map((waited, index) => ({
      ...{ ...job, ts: at(50), end_ts: at(51), job_id: `4_${index}`, submit_ts: at(50 - waited) },
      ...{ account: 'physics', gpus: 16 },
    })),
    { ...job, ts: at(52), end_ts: at(53), job_id: '5', gpus: 1 },
    { ...job, ts: at(52), end_ts: at(53), job_id: '6', submit_ts: at(51) },
  ]);
  const waiting = { cluster: 'a', partition: 'gpu', account: 'physics', user: 'ada', dt_us: HOUR, jobs: 1 };
  const polls = Array.from({ length: 71 }, (_, hour) => hour + 1).filter((hour) => hour < 60 || hour > 64);
  await insertRows(
    db,
    'queue_1m',
    polls.flatMap((hour): Row[] => {
      const poll = { ts: at(hour), cluster: 'a', dt_us: hour === 65 ? 0 : HOUR };
      return [
        { ...poll, jobs: 0, wait_us: 0 },
        // From hour 12 to 15 a job waits that fits one GPU; always one that fits nowhere, and one of a type that nobody has.
        ...(hour > 12 && hour <= 15
          ? [{ ...waiting, ...poll, reason: 'Resources', gpus: 1, nodes: 1, wait_us: HOUR }]
          : []),
        { ...waiting, ...poll, reason: 'Priority', gpus: 3, nodes: 1, gpu_type: 'h100', wait_us: 2 * HOUR },
        { ...waiting, ...poll, reason: 'Priority', gpus: 1, nodes: 1, gpu_type: 'mi300', wait_us: HOUR },
        { ...waiting, ...poll, reason: 'Dependency', gpus: 1, nodes: 1, jobs: 7, wait_us: HOUR },
        { ...waiting, ...poll, reason: 'Priority', nodes: 1, gpu_type: 'shard', wait_us: HOUR },
      ];
    }),
  );
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

const figuresOf = async (cluster?: string): Promise<QueueFigures> =>
  await queueFigures(db, [lane], { fromUs: FROM, toUs: TO, ...(cluster === undefined ? {} : { cluster }) });
const textOf = (figures: QueueFigures, width = 100): string =>
  renderQueueReport(figures, { width, isColored: false }).replaceAll(/[\u00a0\u2009\u202f]/g, ' ');
const hours = (us: number | undefined): number => us! / HOUR;
const validate = new Ajv2020({ allErrors: true, strict: true }).compile(
  JSON.parse(
    readFileSync(new URL('../../../infra/schemas/report-queue.schema.json', import.meta.url), 'utf8'),
  ) as object,
);

describe('three days of a cluster', () => {
  test('whose the GPUs were, and what was free', async () => {
    const { time, fragmentation, devices } = await figuresOf('a');
    expect(devices).toBe(4);
    // The last samples of the others are ten minutes before the end.
    const lost = 3 / 6;
    expect(hours(time.knownUs)).toBeCloseTo(4 * 72 - lost, 9);
    expect(hours(time.ownedUs)).toBe(72 + 2 * 24);
    // n1g1: 72, n2: 12 to 24 and 48 to 60 of two GPUs.
    expect(hours(time.freeUs)).toBeCloseTo(72 - 1 / 6 + 2 * 24, 9);
    expect(hours(time.outOfUseUs)).toBe(2 * 12);
    expect(hours(time.untoldUs)).toBeCloseTo(2 * 12 - 2 / 6, 9);
    const free = 72 - 1 / 6 + 48;
    expect(fragmentation!.map(({ gpus, usableUs }) => [gpus, Math.round(hours(usableUs) * 6)])).toEqual([
      [1, Math.round(free * 6)],
      [2, 48 * 6],
    ]);
    expect(fragmentation![1]!.ratio).toBeCloseTo(1 - 48 / free, 9);
  });

  test('what was free, and what was idle, while a job waited that would have fitted', async () => {
    const { beside, queue } = await figuresOf('a');
    expect(hours(beside.free?.besideUs)).toBe(3);
    expect(hours(beside.free?.fitsUs)).toBe(3);
    expect(hours(beside.idle?.besideUs)).toBe(3);
    // Half of an hour is none.
    expect(hours(beside.idle?.hadUs)).toBe(10);
    expect(beside.idle).toMatchObject({ bucketUs: HOUR, keptUs: 72 * HOUR });
    // 1 to 59 and 66 to 71.
    expect(hours(queue?.askedUs)).toBe(59 + 6);
    expect(queue).toMatchObject({
      ...{ unknownTypes: ['mi300'], waitingJobs: 2, waitingGpus: 4, otherJobs: 8, lastPollUs: at(71) },
      ...{ waitedGpuUs: (65 * 4 + 3) * HOUR, unknownTypeGpuUs: 65 * HOUR },
    });
  });

  test('who waited how long', async () => {
    const { waits, unknownWaits } = await figuresOf('a');
    expect(unknownWaits).toBe(1);
    expect(waits).toEqual([
      {
        ...{ account: 'physics', model: undefined, size: '9+', waiting: undefined },
        started: { jobs: 4, medianUs: 2 * HOUR, p95Us: 10 * HOUR },
      },
      {
        ...{ account: HOSTILE, model: 'NVIDIA H100', size: '2-4', waiting: undefined },
        started: { jobs: 1, medianUs: 4 * HOUR, p95Us: 4 * HOUR },
      },
      {
        ...{ account: 'physics', model: 'NVIDIA H100', size: '1', waiting: undefined },
        started: { jobs: 1, medianUs: 2 * HOUR, p95Us: 2 * HOUR },
      },
      {
        ...{ account: 'physics', model: 'NVIDIA H100', size: '2-4', started: undefined },
        waiting: { jobs: 1, gpus: 3, meanWaitUs: 2 * HOUR },
      },
      {
        ...{ account: 'physics', model: 'mi300', size: '1', started: undefined },
        waiting: { jobs: 1, gpus: 1, meanWaitUs: HOUR },
      },
    ]);
  });

  test('of a cluster that nobody asked about is unknown, and no 0', async () => {
    const figures = await figuresOf('b');
    expect(figures).toMatchObject({ queue: undefined, fragmentation: undefined, devices: 1 });
    expect(figures.beside).toEqual({ free: undefined, idle: undefined });
    expect(figures.time).toMatchObject({ freeUs: 0, outOfUseUs: 0 });
    expect(figures.time.untoldUs).toBe(figures.time.knownUs);
    expect(textOf(figures)).toBe(
      'Queue of cluster b · 2026-03-02 to 2026-03-05 UTC · 1 GPU, 71.8 GPU-hours\n' +
        '  Who waited is unknown: nobody asked the scheduler in this time. Let one run ask it\n' +
        '  (scheduler.poll), or call jobs sync by cron.\n\n' +
        '           GPU-hours  of all\n' +
        '  owned          0.0     0 %\n' +
        '  unknown       71.8   100 %\n\n' +
        '  unknown: of no job, and nobody told whether the node took jobs. It does not count as free.\n',
    );
  });

  test('of all clusters has the queue of one beside its own GPUs', async () => {
    const [all, own] = [await figuresOf(), await figuresOf('a')];
    expect(all.beside).toEqual(own.beside);
    expect(all.queue).toEqual(own.queue);
    expect(all.devices).toBe(5);
  });

  test('is told in words', async () => {
    expect(textOf(await figuresOf('a')).split('\n')).toEqual([
      'Queue of cluster a · 2026-03-02 to 2026-03-05 UTC · 4 GPUs, 287.5 GPU-hours',
      '  2 jobs wait for 4 GPUs, 8 for something else (2026-03-04 23:00:00 UTC).',
      '  While a job waited that would have fitted: 3 GPU-hours free, 3 GPU-hours owned and idle.',
      '',
      '  account                       model        GPUs  began  median wait  95 % within  wait now',
      '  physics                       any            9+      4          2 h         10 h         0',
      '  <U+202E>␛[2J<img src=x>␊=1+1  NVIDIA H100   2-4      1          4 h          4 h         0',
      '  physics                       NVIDIA H100     1      1          2 h          2 h         0',
      '  physics                       NVIDIA H100   2-4      0            –            –         1',
      '  physics                       mi300           1      0            –            –         1',
      '',
      '  account                       model        GPUs  mean wait',
      '  physics                       any            9+          –',
      '  <U+202E>␛[2J<img src=x>␊=1+1  NVIDIA H100   2-4          –',
      '  physics                       NVIDIA H100     1          –',
      '  physics                       NVIDIA H100   2-4        2 h',
      '  physics                       mi300           1        1 h',
      '',
      '                       GPU-hours  of all  beside a job that fits  for',
      '  owned                    120.0    42 %',
      '    idle, while asked       10.0     3 %                     3.0  3 h',
      '  free                     119.8    42 %                     3.0  3 h',
      '  drained or down           24.0     8 %',
      '  unknown                   23.7     8 %',
      '',
      '  free for jobs of  GPU-hours  fragmented',
      '  1 GPU                 119.8         0 %',
      '  2 GPUs                 48.0        60 %',
      '',
      '  The queue was asked over 90.27 % of the time. Of the rest nobody knows who waited, and none of it',
      '  counts as beside a job.',
      '  65 GPU-hours of 263.0 GPU-hours that waited ask for a type that no model here bears (mi300): they',
      '  are taken to fit nowhere.',
      '  unknown: of no job, and nobody told whether the node took jobs. It does not count as free.',
      '  idle: SM activity below 5 % for a whole hour, so it is a lower bound.',
      '  fragmented: 1 − what jobs of so many GPUs on one node can use / what was free.',
      '  Of 1 run that began nobody told the submission: gpuledger jobs sync asks for it.',
      '',
    ]);
  });

  test.each([60, 80, 200])('fits %i columns, and obeys no name', async (width) => {
    const text = textOf(await figuresOf(), width);
    for (const line of text.split('\n')) expect(Array.from(line).length).toBeLessThanOrEqual(width);
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
  });

  test('is JSON that fits its schema, and CSV that no spreadsheet takes for a formula', async () => {
    for (const cluster of ['a', 'b', undefined]) {
      const json: unknown = JSON.parse(queueJson(await figuresOf(cluster)));
      validate(json);
      expect(validate.errors).toBeNull();
    }
    const csv = queueCsv(await figuresOf('a'));
    expect(csv.split('\n')[0]).toBe(
      'account,model,size,started_jobs,median_wait_us,p95_wait_us,waiting_jobs,waiting_gpus,mean_wait_us',
    );
    expect(csv).toContain(`physics,,9+,4,${2 * HOUR},${10 * HOUR},,,\n`);
    expect(csv).toContain(`physics,mi300,1,0,,,1,1,${HOUR}\n`);
  });
});

test('GPUs of no cluster are beside the only queue that was asked, and on nodes that only one cluster has', async () => {
  const later = at(24 * 100);
  await insertRows(db, 'gpu_inventory', [
    { ts: later, node: 'n9', gpu: 'n9g0', model: 'NVIDIA H100', source: 'dcgm' },
    { ts: later + 10 * HOUR, node: 'n9', gpu: 'n9g0', model: 'NVIDIA H100', source: 'dcgm' },
  ]);
  const states = Array.from({ length: 10 }, (_, hour) => ({
    ...{
      ts: later + hour * HOUR,
      end_ts: later + (hour + 1) * HOUR,
      cluster: 'c',
      node: 'n9',
      state: 'up',
      gpus: 1,
    },
  }));
  const poll = { ts: later + 2 * HOUR, cluster: 'c', dt_us: HOUR, wait_us: 0 };
  await insertRows(db, 'node_states', states);
  await insertRows(db, 'queue_1m', [
    { ...poll, jobs: 0 },
    { ...poll, jobs: 1, gpus: 1, nodes: 1, reason: 'Priority', partition: 'gpu' },
  ]);
  const ask = async (): Promise<QueueFigures> =>
    await queueFigures(db, [lane], { fromUs: later, toUs: later + 10 * HOUR });
  const { time, beside } = await ask();
  expect([hours(time.freeUs), hours(beside.free?.besideUs)]).toEqual([10, 1]);
  // Another cluster has a node of that name: which is meant nobody knows.
  await insertRows(
    db,
    'node_states',
    states.map((row) => ({ ...row, cluster: 'd' })),
  );
  const doubtful = await ask();
  expect([hours(doubtful.time.freeUs), hours(doubtful.time.untoldUs)]).toEqual([0, 10]);
});

describe('the command', () => {
  const run = async (...args: string[]): Promise<Ended> =>
    await runCommand(['report', 'queue', ...args], {
      env: { QDB_CLIENT_CONF: server.conf, GPULEDGER_CONFIG: undefined },
    });

  test('prints the same', async () => {
    const window = ['--from', '2026-03-02', '--to', '2026-03-05'];
    const json = await run(...window, '--cluster', 'a', '--json');
    expect([json.exitCode, json.stderr]).toEqual([0, '']);
    expect(JSON.parse(json.stdout)).toEqual(JSON.parse(queueJson(await figuresOf('a'))));
    expect((await run(...window, '--cluster', 'a', '--csv')).stdout).toBe(queueCsv(await figuresOf('a')));
    expect((await run(...window)).stdout).toContain('2 jobs wait for 4 GPUs, 8 for something else');
  });

  test('of a time without anything says so', async () => {
    const { exitCode, stdout } = await run('--from', '2020-01-01', '--to', '2020-01-02');
    expect(exitCode).toBe(0);
    expect(stdout).toContain('0 GPUs, 0 GPU-hours\n  Who waited is unknown: nobody asked the scheduler');
  });

  test.each([
    [['--cluster', 'nowhere', '--from', '2026-03-02'], 64, 'no cluster "nowhere"'],
    [['--json', '--csv'], 64, 'cannot be used with'],
    [['--from', '2026-03-05', '--to', '2026-03-02'], 64, 'expected a window that begins before it ends'],
  ])('%j is refused', async (args, code, said) => {
    const { exitCode, stdout, stderr } = await run(...args);
    expect({ exitCode, stdout }).toEqual({ exitCode: code, stdout: '' });
    expect(stderr).toContain(said);
  });
});
