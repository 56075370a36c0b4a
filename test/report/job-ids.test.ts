/**
 * Goal: every way in which people type an id finds the right job, and no account is over two of them. Method: rows made by
 * hand in a real QuestDB: clusters with one id, ids that were given again, requeues, arrays, components, PBS, Flux.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OperatingError } from '../../src/core/base/errors.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { JobFigures } from '../../src/figures/job/figures.ts';
import { jobFigures, type JobQueryOptions } from '../../src/figures/job/query.ts';
import { accountOf } from '../../src/figures/job/tasks.ts';
import type { TasksFigures } from '../../src/figures/job/tasks-figures.ts';
import { renderJobReport } from '../../src/report/job-text.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { insertRows, type Row } from '../helpers/insert-rows.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { runCommand } from '../helpers/run-process.ts';

const SECOND = 1_000_000;
const DAY = 86_400;
const T0 = Date.UTC(2026, 2, 2, 8) * 1000;
const at = (seconds: number): number => T0 + seconds * SECOND;

const lane: Lane = {
  name: 'profiling',
  table: 'gpu_profiling',
  schedule: 'continuous',
  intervalMs: 10_000,
  fields: [1002, 155, 156].map((id) => findField(id)!),
  capacityTicks: 100,
};

let server: TestQuestdb;
let db: QuestDb;

interface Stay {
  readonly cluster?: string;
  readonly jobId: string;
  readonly gpus: readonly string[];
  readonly from: number;
  readonly to: number;
  /** Its end is not told; `to` is that of its newest sample. */
  readonly isOpen?: true;
  readonly run?: number;
  /** Of every sample. */
  readonly joules?: number;
  /** A row of `jobs`, where there is one. */
  readonly record?: Row;
}

const stays: readonly Stay[] = [
  // Two clusters, one id, one minute.
  {
    cluster: 'a',
    jobId: '700',
    gpus: ['A0'],
    from: 0,
    to: 100,
    run: 0,
    joules: 1,
    record: { user: 'ada', state: 'COMPLETED', exit_code: 0 },
  },
  {
    cluster: 'b',
    jobId: '700',
    gpus: ['B0', 'B1'],
    from: 10,
    to: 60,
    run: 0,
    joules: 2,
    record: { user: 'bob', state: 'FAILED', exit_code: 3 },
  },
  { cluster: 'a', jobId: '700', gpus: ['A1'], from: 20, to: 100, run: 0, joules: 1 },
  // The same id again after two days, on the same GPU; nobody counts.
  {
    jobId: '800',
    gpus: ['R0'],
    from: 0,
    to: 200,
    joules: 4,
    record: { user: 'ada', state: 'COMPLETED', exit_code: 0 },
  },
  {
    jobId: '800',
    gpus: ['R0'],
    from: 2 * DAY,
    to: 2 * DAY + 50,
    joules: 8,
    record: { user: 'bob', state: 'TIMEOUT', exit_code: 1, submit_ts: at(2 * DAY - 30) },
  },
  // A map file tells neither user nor count.
  { jobId: 'map', gpus: ['M0'], from: 0, to: 100, joules: 1 },
  { jobId: 'map', gpus: ['M0'], from: 200, to: 240, joules: 1 },
  // An array of three, of which the last task has the array's own id.
  ...[
    ['7', '1'],
    ['8', '2'],
    ['6', '3'],
  ].map(([jobId, task], index): Stay => ({
    cluster: 'a',
    jobId: jobId!,
    gpus: [`T${index}`],
    from: 100 * index,
    to: 100 * index + 50 * (index + 1),
    run: 0,
    joules: 10,
    record: {
      user: 'eve',
      name: 'sweep',
      account: 'physics',
      array_job_id: '6',
      array_task_id: task,
      state: index === 1 ? 'FAILED' : 'COMPLETED',
      exit_code: index === 1 ? 2 : 0,
    },
  })),
  // Raw id 7 had been another job's a week before.
  {
    cluster: 'a',
    jobId: '7',
    gpus: ['T0'],
    from: -7 * DAY,
    to: -7 * DAY + 90,
    run: 0,
    record: { user: 'old', state: 'COMPLETED', exit_code: 0 },
  },
  {
    cluster: 'a',
    jobId: '20',
    gpus: ['H0'],
    from: 0,
    to: 100,
    run: 0,
    joules: 1,
    record: { user: 'het', het_job_id: '20', state: 'COMPLETED' },
  },
  {
    cluster: 'a',
    jobId: '21',
    gpus: ['H1', 'H2'],
    from: 0,
    to: 100,
    run: 0,
    joules: 1,
    record: { user: 'het', het_job_id: '20', state: 'COMPLETED', sluid: 's0BCD3FGH1JKM0' },
  },
  // Arrays of two clusters with one id, submitted in one second.
  ...['a', 'b'].flatMap((cluster) =>
    ['5000', '5001'].map((jobId, index): Stay => ({
      ...{ cluster, jobId, gpus: [`${cluster}-${index}`], from: 0, to: 50, run: 0 },
      record: {
        ...{ user: `of ${cluster}`, array_job_id: '5001', array_task_id: String(index), submit_ts: at(-5) },
      },
    })),
  ),
  // An array of which one task runs: its last samples are not flushed yet.
  {
    jobId: '31',
    gpus: ['O0'],
    from: 2.9 * DAY,
    to: 2.9 * DAY + 100,
    record: { user: 'eve', array_job_id: '30', array_task_id: '1', state: 'COMPLETED' },
  },
  {
    jobId: '30',
    gpus: ['O1'],
    from: 3 * DAY - 130,
    to: 3 * DAY - 30,
    isOpen: true,
    record: { user: 'eve', array_job_id: '30', array_task_id: '2', state: 'RUNNING' },
  },
  { jobId: '123[4].pbs01', gpus: ['P0'], from: 0, to: 50 },
  { jobId: '123[5].pbs01', gpus: ['P0'], from: 50, to: 100 },
  { jobId: '55.pbs01', gpus: ['P0'], from: 100, to: 150 },
  { jobId: 'ƒuzzBuzz', gpus: ['F0'], from: 0, to: 50 },
];

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  await insertRows(
    db,
    'gpu_ownership',
    stays.flatMap(({ cluster, jobId, gpus, from, to, isOpen, run }) =>
      gpus.map((gpu) => ({
        ts: at(from),
        end_ts: isOpen === true ? undefined : at(to),
        cluster,
        node: 'n1',
        gpu,
        job_id: jobId,
        run,
        share: 1,
        source: 'test',
      })),
    ),
  );
  await insertRows(
    db,
    'jobs',
    stays.flatMap(({ cluster, jobId, from, to, isOpen, run, record }) =>
      record === undefined
        ? []
        : [
            {
              ts: at(from),
              end_ts: isOpen === true ? undefined : at(to),
              cluster,
              job_id: jobId,
              run,
              ...record,
            },
          ],
    ),
  );
  const samples = stays.flatMap(({ jobId, gpus, from, to, joules }) =>
    gpus.flatMap((gpu) =>
      Array.from({ length: (to - from) / 10 }, (_, tick) => ({
        ts: at(from + 10 * (tick + 1)),
        node: 'n1',
        gpu,
        job_id: jobId,
        owners: 1,
        dt_us: 10 * SECOND,
        sm_active_ratio: 0.5,
        energy_rise_joules: joules,
      })),
    ),
  );
  await insertRows(db, 'gpu_profiling', samples);
  // One that had no GPU, one of which the figures alone are kept, and time that nobody could give to a job.
  await insertRows(db, 'jobs', [
    { ts: at(0), end_ts: at(60), job_id: '4711', user: 'cpu', state: 'COMPLETED' },
  ]);
  await insertRows(db, 'job_figures', [
    {
      ts: at(-20 * DAY),
      end_ts: at(-20 * DAY + 100),
      cluster: 'a',
      node: 'n1',
      gpu: 'K0',
      job_id: '9000',
      run: 0,
      samples: 10,
      dt_us: 100 * SECOND,
      attributed_us: 100 * SECOND,
      energy_rise_joules: 7,
      energy_rise_dt_us: 100 * SECOND,
      written_ts: at(-19 * DAY),
    },
  ]);
  // Each cluster has a node n1.
  await insertRows(
    db,
    'gpu_events',
    ['a', 'b', undefined].map((cluster) => ({
      ...{ ts: at(30), cluster, node: 'n1', kind: 'paused', subject: '', text: `of ${cluster ?? 'either'}` },
    })),
  );
  await insertRows(db, 'gpu_ownership', [
    { ts: at(2.5 * DAY), end_ts: at(2.6 * DAY), node: 'n1', gpu: 'A0', job_id: 'unresolved', source: 'test' },
  ]);
});

afterAll(async () => {
  await db.close();
  await server.stop();
});

const NOW = { nowUs: at(3 * DAY) };

async function jobOf(typed: string, options: Partial<JobQueryOptions> = {}): Promise<JobFigures> {
  const account = await accountOf(db, [lane], typed, { ...NOW, ...options });
  expect(account.of, `"${typed}" is one job`).toBe('job');
  return account.figures as JobFigures;
}

async function tasksOf(typed: string, options: Partial<JobQueryOptions> = {}): Promise<TasksFigures> {
  const account = await accountOf(db, [lane], typed, { ...NOW, ...options });
  expect(account.of, `"${typed}" is several tasks`).toBe('tasks');
  return account.figures as TasksFigures;
}

async function failureOf(work: Promise<unknown>): Promise<OperatingError> {
  const thrown: unknown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(OperatingError);
  return thrown as OperatingError;
}

const told = ({ job, all, devices }: JobFigures): unknown[] => [
  job.jobId,
  job.user,
  job.state,
  job.exitCode,
  devices.map(({ gpu }) => gpu),
  all.ownedUs / SECOND,
  all.energy.counter?.value,
];

const commands = ({ job }: JobFigures): string[] => job.otherJobs.map(({ command }) => command);
const render = (figures: JobFigures): string => renderJobReport(figures, { width: 100, isColored: false });

describe('one id in two clusters in one minute', () => {
  test('is two jobs, each with its own user, state, exit code and GPU time', async () => {
    const a = await jobOf('700', { cluster: 'a' });
    const b = await jobOf('700', { cluster: 'b' });
    expect(told(a)).toEqual(['700', 'ada', 'COMPLETED', 0, ['A0', 'A1'], 180, 18]);
    expect(told(b)).toEqual(['700', 'bob', 'FAILED', 3, ['B0', 'B1'], 100, 20]);
  });

  test('shows the newest, and the command that shows the other', async () => {
    const newest = await jobOf('700');
    expect(newest.job.cluster).toBe('b');
    expect(commands(newest)).toEqual(['gpuledger report job 700 --cluster a']);
    const text = render(newest);
    expect(text).toContain('cluster b');
    expect(text).toContain('gpuledger report job 700 --cluster a  2026-03-02 08:00:00 UTC  ada  COMPLETED');
  });

  test('has the events of its own node, though the other one bears the same name', async () => {
    const eventsIn = async (cluster: string): Promise<string[]> =>
      (await jobOf('700', { cluster })).nodeEvents.map(({ text }) => text).sort();
    expect(await eventsIn('a')).toEqual(['of a', 'of either']);
    expect(await eventsIn('b')).toEqual(['of b', 'of either']);
  });

  test('of a third cluster there is none, and the error names those there are', async () => {
    const error = await failureOf(jobOf('700', { cluster: 'c' }));
    expect(error).toMatchObject({ code: 'report.unknown_job', exit: 'usage' });
    expect(error.message).toContain('no job 700 --cluster c');
    expect(error.hints).toEqual([
      'gpuledger report job 700 --cluster b',
      'gpuledger report job 700 --cluster a',
    ]);
  });
});

describe('an id that was given again after two days', () => {
  test('is two jobs, on one GPU and without counts', async () => {
    const newest = await jobOf('800');
    expect(told(newest)).toEqual(['800', 'bob', 'TIMEOUT', 1, ['R0'], 50, 40]);
    expect(commands(newest)).toEqual(['gpuledger report job 800 --submitted 2026-03-02T08:00:00Z']);
    const older = await jobOf('800', { submittedUs: at(0) });
    expect(told(older)).toEqual(['800', 'ada', 'COMPLETED', 0, ['R0'], 200, 80]);
    expect(commands(older)).toEqual(['gpuledger report job 800 --submitted 2026-03-04T07:59:30Z']);
    expect(told(await jobOf('800', { submittedUs: at(2 * DAY - 30) }))).toEqual(told(newest));
  });

  test('runs are those of one job only', async () => {
    expect((await jobOf('800')).job.otherRuns).toEqual([]);
    expect(await failureOf(jobOf('800', { run: 1 }))).toMatchObject({ code: 'report.unknown_run' });
  });
});

test('two stays that nobody counted are two runs', async () => {
  const newest = await jobOf('map');
  expect([newest.job.run, newest.job.otherRuns, newest.all.ownedUs / SECOND]).toEqual([1, [0], 40]);
  const first = await jobOf('map', { run: 0 });
  expect([first.job.run, first.job.otherRuns, first.all.ownedUs / SECOND]).toEqual([0, [1], 100]);
});

describe('an array', () => {
  test('shows its tasks with their sum, also where the last task has its id', async () => {
    const { family, tasks, all, user, name } = await tasksOf('6');
    expect([family, user, name]).toEqual(['array', 'eve', 'sweep']);
    expect(
      tasks.map(({ task, jobId, state, ownedUs, energy }) => [
        task,
        jobId,
        state,
        ownedUs / SECOND,
        energy.counter?.value,
      ]),
    ).toEqual([
      ['1', '7', 'COMPLETED', 50, 50],
      ['2', '8', 'FAILED', 100, 100],
      ['3', '6', 'COMPLETED', 150, 150],
    ]);
    expect([all.devices, all.ownedUs / SECOND, all.energy.counter?.value, all.smActive?.value]).toEqual([
      3, 300, 300, 0.5,
    ]);
    expect(tasks[0]!.command).toBe('gpuledger report job 6_1');
  });

  test.each([
    ['6_1', '7', 'COMPLETED', 50],
    ['6_2', '8', 'FAILED', 100],
    ['6_3', '6', 'COMPLETED', 150],
    ['6_3.extern', '6', 'COMPLETED', 150],
    ['8', '8', 'FAILED', 100],
    ['8.batch', '8', 'FAILED', 100],
    ['6[3]', '6', 'COMPLETED', 150],
    ['6_[2-2]', '8', 'FAILED', 100],
    [' 6_2 ', '8', 'FAILED', 100],
    ['6_[2-2].batch', '8', 'FAILED', 100],
  ])('%s is job %s', async (typed, jobId, state, seconds) => {
    const { job, all } = await jobOf(typed);
    expect([job.jobId, job.state, all.ownedUs / SECOND]).toEqual([jobId, state, seconds]);
  });

  test('of two clusters, submitted in one second: the command of a task shows just that one', async () => {
    for (const cluster of ['a', 'b']) {
      const { tasks } = await tasksOf('5001', { cluster });
      expect(tasks.map(({ command }) => command)).toEqual([
        `gpuledger report job 5001_0 --cluster ${cluster} --submitted 2026-03-02T07:59:55Z`,
        `gpuledger report job 5001_1 --cluster ${cluster} --submitted 2026-03-02T07:59:55Z`,
      ]);
      const { job } = await jobOf('5001_0', { cluster, submittedUs: at(-5) });
      expect(job).toMatchObject({ cluster, user: `of ${cluster}` });
    }
  });

  test('some of its tasks', async () => {
    const { tasks, all } = await tasksOf('6_[2-3,9%2]');
    expect([tasks.map(({ task }) => task), all.ownedUs / SECOND]).toEqual([['2', '3'], 250]);
  });

  test('a raw id that was another job a week before means the task now, and names the other', async () => {
    const task = await jobOf('7');
    expect(told(task).slice(0, 2)).toEqual(['7', 'eve']);
    expect(commands(task)).toEqual(['gpuledger report job 7 --submitted 2026-02-23T08:00:00Z']);
    expect(commands(await jobOf('6_1'))).toEqual([]);
  });

  test('its own id means the task for whoever asks for the job alone', async () => {
    expect((await jobFigures(db, [lane], '6', NOW)).job).toMatchObject({ jobId: '6', task: '3' });
  });
});

describe('a heterogeneous job', () => {
  test('shows its components; each is found by its number', async () => {
    const { family, tasks } = await tasksOf('20');
    expect(family).toBe('het');
    expect(tasks.map(({ task, jobId, devices, command }) => [task, jobId, devices, command])).toEqual([
      ['0', '20', 1, 'gpuledger report job 20+0'],
      ['1', '21', 2, 'gpuledger report job 20+1'],
    ]);
    expect((await jobOf('20+0')).job.jobId).toBe('20');
    expect((await jobOf('20+1')).job).toMatchObject({ jobId: '21', task: '1', hetJobId: '20' });
    expect((await jobOf('20+[1]')).job.jobId).toBe('21');
    const both = await tasksOf(' 20+[0-1]');
    expect([both.family, both.jobId, both.tasks.map(({ task }) => task)]).toEqual([
      'het',
      '20+[0-1]',
      ['0', '1'],
    ]);
  });
});

test.each([
  ['123[4].pbs01', '123[4].pbs01'],
  ['123[4]', '123[4].pbs01'],
  ['55', '55.pbs01'],
  ['55.pbs01', '55.pbs01'],
  ['ƒuzzBuzz', 'ƒuzzBuzz'],
  ['fuzzBuzz', 'ƒuzzBuzz'],
  ['s0bcd3fghljkmo', '21'],
  ['s0BCD3FGH1JKM0.batch', '21'],
])('%s is job %s', async (typed, jobId) => {
  expect((await jobOf(typed)).job.jobId).toBe(jobId);
});

test('a PBS array without its task', async () => {
  for (const typed of ['123[]', '123[].pbs01', '123', '123[4-5]'])
    expect(
      (await tasksOf(typed)).tasks.map(({ task, jobId }) => [task, jobId]),
      typed,
    ).toEqual([
      ['4', '123[4].pbs01'],
      ['5', '123[5].pbs01'],
    ]);
});

test('a step is said to be the whole job', async () => {
  expect(render(await jobOf('8.batch'))).toContain(
    'step batch: steps are not kept apart, this is the whole job',
  );
  expect(render(await jobOf('8'))).not.toContain('steps are not kept apart');
});

test('the command says which of several jobs is meant, and prints tasks in all formats', async () => {
  const run = (...args: string[]): ReturnType<typeof runCommand> =>
    runCommand(['report', 'job', ...args], {
      env: { QDB_CLIENT_CONF: server.conf, GPULEDGER_CONFIG: undefined },
    });
  const older = await run('800', '--submitted', '2026-03-02T08:00:00Z', '--json');
  expect(JSON.parse(older.stdout)).toMatchObject({ user: 'ada', ownedUs: 200 * SECOND });
  const tasks = await run('6_[1-3]');
  expect(tasks.stdout).toMatch(/^Array 6_\[1-3\] · sweep · 3 tasks\n/);
  const csv = await run('6', '--csv');
  expect(csv.stdout.split('\n').map((line) => line.split(',').slice(0, 5).join(' '))).toEqual([
    'kind of cluster task job_id',
    'task 6 a 1 7',
    'task 6 a 2 8',
    'task 6 a 3 6',
    'all 6 a  ',
    '',
  ]);
  expect(await run('800', '--submitted', 'yesterday')).toMatchObject({ exitCode: 64 });
});

test('several ids are told one after the other, and one that is nowhere keeps none back', async () => {
  const run = (...args: string[]): ReturnType<typeof runCommand> =>
    runCommand(['report', 'job', ...args], {
      env: { QDB_CLIENT_CONF: server.conf, GPULEDGER_CONFIG: undefined },
    });
  const texts = await run('800', '6_[1-3]', '800', '--run', '0');
  expect(texts.stdout.split('\n').filter((line) => /^(Job|Array) /.test(line))).toEqual([
    'Job 800 · TIMEOUT (exit 1)',
    'Array 6_[1-3] · sweep · 3 tasks',
  ]);
  const json = await run('map', 'nowhere', '6', '--json');
  const reports = JSON.parse(json.stdout) as { jobId: string }[];
  expect(reports.map(({ jobId }) => jobId)).toEqual(['map', '6']);
  expect(json.exitCode).toBe(64);
  expect(json.stderr).toContain('error: no job "nowhere"');
  const csv = await run('700', '800', '--csv');
  const lines = csv.stdout.trimEnd().split('\n');
  expect(lines.map((line) => line.split(',')[0])).toEqual(['job_id', '700', '700', '800']);
  expect(csv.exitCode).toBe(0);
  expect(await run('800', '6', '--csv')).toMatchObject({ exitCode: 64, stdout: '' });
});

test('a task that runs is looked at up to its newest sample: what is not flushed yet is no gap', async () => {
  const { tasks, all, endUs } = await tasksOf('30');
  expect(tasks.map(({ task, isOpen, ownedUs, sampledUs }) => [task, isOpen, ownedUs, sampledUs])).toEqual([
    ['1', false, 100 * SECOND, 100 * SECOND],
    ['2', true, 100 * SECOND, 100 * SECOND],
  ]);
  expect([all.ownedUs, all.sampledUs, endUs]).toEqual([200 * SECOND, 200 * SECOND, at(3 * DAY - 30)]);
});

test('an id that is nowhere: what was tried, and the nearest', async () => {
  const error = await failureOf(jobOf('9_4.batch'));
  expect(error).toMatchObject({ code: 'report.unknown_job', exit: 'usage' });
  expect(error.where).toContain('the id 9_4.batch; the id 9_4; task 4 of array 9');
  const hints = error.hints.join('\n');
  expect(hints).toContain('batch is a step');
  expect(hints).toContain('the nearest ids there: 8, 7, 6, 20, 21');
  expect(hints).toContain('the newest jobs there: 30, 31, 800');
  expect(hints).not.toContain('unresolved');
  expect(hints).not.toContain('as schedulers print them');
});

test.each([
  ['4710', '4711'],
  ['9001', '9000'],
])('%s is near to %s, which one table alone knows', async (typed, near) => {
  const { message, hints } = await failureOf(jobOf(typed));
  expect(message).toContain('none of gpu_ownership, jobs and job_figures has it');
  expect(hints.join('\n')).toContain(`the nearest ids there: ${near}`);
});

test('a job that only `jobs` knows, and one that only `job_figures` knows, have their accounts', async () => {
  expect(told(await jobOf('4711'))).toEqual(['4711', 'cpu', 'COMPLETED', undefined, [], 0, undefined]);
  expect(told(await jobOf('9000'))).toEqual(['9000', undefined, undefined, undefined, ['K0'], 100, 7]);
});

test.each(['6_1+1', '6_[1-2,...]', 'ƒuzzBuzz.0'])(
  '%s is no form of an id: the forms are shown',
  async (typed) => {
    const { hints } = await failureOf(jobOf(typed));
    expect(hints[0]).toContain('ids as schedulers print them: 4217, 4217_3, ');
  },
);

test.each(['   ', '\t'])('%j is refused before anything is asked', async (typed) => {
  expect(await failureOf(jobOf(typed))).toMatchObject({ code: 'report.job_id', exit: 'usage' });
});
