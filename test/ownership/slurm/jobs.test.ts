import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { parseSacct, parseSqueue, SACCT_DELIMITER } from '../../../schemas/slurm-jobs.ts';
import { openQuestDb, type QuestDb } from '../../../src/questdb/http.ts';
import { readJobRows } from '../../../src/questdb/rows/merged-jobs.ts';
import { waitForVisible } from '../../../src/questdb/visible.ts';
import { applySchema } from '../../../src/questdb/schema/apply.ts';
import { createSmallTables } from '../../../src/questdb/rows/small-tables.ts';
import { syncJobs } from '../../../src/job-map/sync-jobs.ts';

const START_S = 1_700_000_000;

describe('squeue --json', () => {
  // As Slurm 22.05.8 wrote it, cut to the keys that are read.
  const OLD = {
    ...{
      account: '',
      array_job_id: 11,
      array_task_id: 3,
      job_id: 14,
      name: 'train "x"',
      user_name: 'ada',
      partition: 'gpu',
    },
    ...{
      qos: 'normal',
      het_job_id: 0,
      restart_cnt: 1,
      node_count: 2,
      start_time: START_S,
      end_time: START_S + 60,
    },
    ...{ tres_alloc_str: 'cpu=1,node=1,billing=1', tres_per_node: 'gres:gpu:1' },
  };
  const known = {
    ...{
      jobId: '14',
      run: 1,
      startUs: START_S * 1e6,
      name: 'train "x"',
      user: 'ada',
      partition: 'gpu',
      qos: 'normal',
    },
    ...{ arrayJobId: '11', arrayTaskId: '3', nodes: 2 },
  };
  test.each([
    {
      what: 'a running job of 22.05: its end is only a limit, its exit code means nothing yet',
      job: { ...OLD, job_state: 'RUNNING', exit_code: 0 },
      record: { ...known, state: 'RUNNING' },
    },
    {
      what: 'a job of 22.05 that timed out: the raw wait status',
      job: { ...OLD, job_state: 'TIMEOUT', exit_code: 15 },
      record: { ...known, state: 'TIMEOUT', endUs: (START_S + 60) * 1e6, exitCode: 143 },
    },
    {
      what: 'a failed job of 22.05',
      job: { ...OLD, job_state: 'FAILED', exit_code: 768 },
      record: { ...known, state: 'FAILED', endUs: (START_S + 60) * 1e6, exitCode: 3 },
    },
    {
      what: 'a job of newer versions: numbers in a wrapping, states in a list',
      job: {
        ...OLD,
        job_state: ['FAILED'],
        array_job_id: { set: true, infinite: false, number: 11 },
        array_task_id: { set: true, infinite: false, number: 3 },
        het_job_id: { set: true, infinite: false, number: 0 },
        node_count: { set: true, infinite: false, number: 2 },
        start_time: { set: true, infinite: false, number: START_S },
        end_time: { set: true, infinite: false, number: START_S + 60 },
        exit_code: {
          status: ['ERROR'],
          return_code: { set: true, infinite: false, number: 3 },
          signal: { id: { set: false, number: 0 } },
        },
        tres_alloc_str: 'cpu=1,gres/gpu=4,gres/gpu:h200=4',
      },
      record: { ...known, gpus: 4, state: 'FAILED', endUs: (START_S + 60) * 1e6, exitCode: 3 },
    },
  ])('$what', ({ job, record }) => {
    expect(parseSqueue(JSON.stringify({ meta: {}, jobs: [job] }))).toEqual([{ hasGpus: true, record }]);
  });

  test('jobs that wait, and what is no job, are left out; a job without array has no task', () => {
    const jobs = [
      { ...OLD, job_state: 'PENDING' },
      { job_id: 'x' },
      { ...OLD, job_state: 'RUNNING', array_job_id: 0, array_task_id: null, tres_per_node: '' },
    ];
    const [only, ...others] = parseSqueue(JSON.stringify({ jobs }));
    expect(others).toEqual([]);
    expect(only?.hasGpus).toBeUndefined();
    expect(only?.record).not.toHaveProperty('arrayJobId');
    expect(() => parseSqueue('slurm_load_jobs error')).toThrow();
  });
});

describe('sacct', () => {
  const line = (cells: readonly string[]): string => cells.join(SACCT_DELIMITER);
  const TEXT = [
    line([
      '14',
      '11_3',
      'a|b',
      'ada',
      'phys',
      'gpu',
      'high',
      'CANCELLED by 1000',
      '0:15',
      '1700000100',
      '1700000160',
      '2',
      'cpu=1,gres/gpu=2',
    ]),
    line([
      '14',
      '11_3',
      'a|b',
      'ada',
      'phys',
      'gpu',
      'high',
      'REQUEUED',
      '0:0',
      '1700000000',
      '1700000060',
      '2',
      'cpu=1,gres/gpu=2',
    ]),
    line([
      '21',
      '20+1',
      'het',
      'ada',
      '',
      'cpu',
      'high',
      'RUNNING',
      '0:0',
      '1700000000',
      'Unknown',
      '1',
      'cpu=1',
    ]),
    line(['22', '22', 'waits', 'ada', '', 'cpu', 'high', 'PENDING', '0:0', 'Unknown', 'Unknown', '1', '']),
    'something else',
    '',
  ].join('\n');

  test('gives jobs, their runs by start, array and het ids, exit codes', () => {
    const common = {
      name: 'a|b',
      user: 'ada',
      account: 'phys',
      partition: 'gpu',
      qos: 'high',
      arrayJobId: '11',
      arrayTaskId: '3',
      nodes: 2,
      gpus: 2,
    };
    expect(parseSacct(TEXT)).toEqual([
      {
        hasGpus: true,
        record: {
          jobId: '14',
          run: 0,
          startUs: 1700000000e6,
          endUs: 1700000060e6,
          ...common,
          state: 'REQUEUED',
          exitCode: 0,
        },
      },
      {
        hasGpus: false,
        record: {
          jobId: '21',
          run: 0,
          startUs: 1700000000e6,
          name: 'het',
          user: 'ada',
          partition: 'cpu',
          qos: 'high',
          hetJobId: '20',
          nodes: 1,
          state: 'RUNNING',
        },
      },
      {
        hasGpus: true,
        record: {
          jobId: '14',
          run: 1,
          startUs: 1700000100e6,
          endUs: 1700000160e6,
          ...common,
          state: 'CANCELLED',
          exitCode: 143,
        },
      },
    ]);
  });
});

describe('sync, on a real QuestDB', () => {
  let db: QuestDb;
  beforeAll(async () => {
    db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
    await applySchema(db, [], { raw: '', rollup1m: '', rollup1h: '' });
  });
  afterAll(async () => {
    await db.close();
  });

  test('completes the row that a hook wrote, adds jobs with GPUs, and leaves the rest alone', async () => {
    const [hooked, added, owned, foreign] = ['h', 'a', 'o', 'f'].map((name) => `${name}${process.pid}`) as [
      string,
      string,
      string,
      string,
    ];
    const startUs = START_S * 1e6;
    const tables = createSmallTables(db);
    await tables.writeJobs([
      { jobId: hooked, run: 2, startUs: startUs + 123_456, state: 'RUNNING', name: 'x' },
    ]);
    await tables.writeOwnership([
      {
        node: 'n1',
        gpu: 'GPU-x',
        jobId: owned,
        run: 0,
        share: NaN,
        source: 'journal',
        startUs,
        endUs: Infinity,
      },
    ]);
    await waitForVisible(db, 'jobs');
    await waitForVisible(db, 'gpu_ownership');
    const outcome = await syncJobs(
      db,
      [
        {
          hasGpus: undefined,
          record: { jobId: hooked, startUs, endUs: startUs + 60e6, state: 'TIMEOUT', qos: 'high' },
        },
        { hasGpus: true, record: { jobId: added, run: 0, startUs, state: 'RUNNING' } },
        { hasGpus: undefined, record: { jobId: owned, run: 0, startUs, state: 'RUNNING' } },
        { hasGpus: undefined, record: { jobId: foreign, run: 0, startUs, state: 'RUNNING' } },
      ],
      () => undefined,
    );
    expect(outcome).toEqual({ writtenRows: 3, skippedJobs: 1, isAllWritten: true });
    await waitForVisible(db, 'jobs');
    const rows = await readJobRows(
      db,
      [hooked, added, owned, foreign].map((jobId) => ({ jobId, startUs })),
    );
    expect(rows.get(hooked)).toEqual([
      {
        jobId: hooked,
        run: 2,
        startUs: startUs + 123_456,
        endUs: startUs + 60e6,
        state: 'TIMEOUT',
        qos: 'high',
        name: 'x',
      },
    ]);
    expect([...rows.keys()].sort()).toEqual([added, hooked, owned].sort());
  });
});
