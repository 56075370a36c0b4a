import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { JobRecord } from '../../../src/core/jobs/job-fact.ts';
import { mergeJob } from '../../../src/core/jobs/merge-job.ts';
import { readJobRows, withMergedJobs } from '../../../src/questdb/rows/merged-jobs.ts';
import { openQuestDb, type QuestDb } from '../../../src/questdb/http.ts';
import { waitForVisible } from '../../../src/questdb/visible.ts';
import { applySchema } from '../../../src/questdb/schema/apply.ts';
import { createSmallTables } from '../../../src/questdb/rows/small-tables.ts';

const MINUTE_US = 60e6;
const DAY_US = 24 * 60 * MINUTE_US;
const START_US = 1_700_000_000e6;
const stored: JobRecord = {
  jobId: '7',
  run: 0,
  startUs: START_US,
  name: 'train',
  state: 'RUNNING',
  arrayJobId: '6',
};

describe('one row for one run', () => {
  test.each<{ what: string; stored: JobRecord[]; fresh: JobRecord; merged: JobRecord }>([
    {
      what: 'a first telling stands for itself',
      stored: [],
      fresh: { ...stored, startUs: START_US + 5 },
      merged: { ...stored, startUs: START_US + 5 },
    },
    {
      what: 'a second teller adds what it knows, under the start that is stored',
      stored: [stored],
      fresh: { jobId: '7', run: 0, startUs: START_US + 3, user: 'ada', nodes: 2 },
      merged: { ...stored, user: 'ada', nodes: 2 },
    },
    {
      what: 'an end without a state ends what ran',
      stored: [stored],
      fresh: { jobId: '7', run: 0, startUs: START_US + 3, endUs: START_US + MINUTE_US },
      merged: {
        jobId: '7',
        run: 0,
        startUs: START_US,
        endUs: START_US + MINUTE_US,
        name: 'train',
        arrayJobId: '6',
      },
    },
    {
      what: 'the state that accounting knows is not lost to a hook that comes later',
      stored: [{ ...stored, state: 'TIMEOUT', endUs: START_US + MINUTE_US }],
      fresh: { jobId: '7', run: 0, startUs: START_US + 3, state: 'RUNNING' },
      merged: { ...stored, state: 'TIMEOUT', endUs: START_US + MINUTE_US },
    },
    {
      what: 'another run has a row of its own',
      stored: [stored],
      fresh: { jobId: '7', run: 1, startUs: START_US + 3 },
      merged: { jobId: '7', run: 1, startUs: START_US + 3 },
    },
    {
      what: 'an id that came round again has a row of its own, though the end of the first job was lost',
      stored: [stored],
      fresh: { jobId: '7', run: 0, startUs: START_US + 2 * DAY_US },
      merged: { jobId: '7', run: 0, startUs: START_US + 2 * DAY_US },
    },
    {
      what: 'nothing is the same run because it is near',
      stored: [{ ...stored, endUs: START_US + MINUTE_US, state: 'REQUEUED' }],
      fresh: { jobId: '7', startUs: START_US + 3 * MINUTE_US },
      merged: { jobId: '7', startUs: START_US + 3 * MINUTE_US },
    },
    {
      what: 'accounting, which counts no runs, takes away no count that was told',
      stored: [{ ...stored, run: 2 }],
      fresh: {
        jobId: '7',
        run: NaN,
        startUs: START_US - 20_000,
        submitUs: START_US - MINUTE_US,
        sluid: 's1',
      },
      merged: { ...stored, run: 2, submitUs: START_US - MINUTE_US, sluid: 's1' },
    },
    {
      what: 'of two counts of one submission the one before Slurm counted up stands',
      stored: [{ ...stored, submitUs: 1 }],
      fresh: { jobId: '7', run: 1, startUs: START_US, submitUs: 1 },
      merged: { ...stored, submitUs: 1 },
    },
    {
      what: 'the row keeps its key, also where the cluster was not known when it was written',
      stored: [stored],
      fresh: { jobId: '7', run: 0, startUs: START_US, cluster: 'a', user: 'ada' },
      merged: { ...stored, user: 'ada' },
    },
    {
      what: 'what the scheduler says of the end stands against what a hook could see of it',
      stored: [
        { ...stored, endUs: START_US + MINUTE_US, submitUs: 1, state: 'TIMEOUT', exitCode: 0 },
        { ...stored, run: 1, startUs: START_US + DAY_US },
      ],
      fresh: {
        jobId: '7',
        run: 0,
        startUs: START_US,
        endUs: START_US + MINUTE_US + 5,
        state: 'FAILED',
        exitCode: 9,
      },
      merged: { ...stored, endUs: START_US + MINUTE_US, submitUs: 1, state: 'TIMEOUT', exitCode: 0 },
    },
    {
      what: "a run that a hook saw within one of the scheduler's seconds keeps the hook's end",
      stored: [{ ...stored, startUs: START_US + 150_000, endUs: START_US + 850_000 }],
      fresh: { jobId: '7', run: 0, startUs: START_US, endUs: START_US, submitUs: 1, state: 'COMPLETED' },
      merged: {
        ...{ ...stored, startUs: START_US + 150_000, endUs: START_US + 850_000 },
        ...{ submitUs: 1, state: 'COMPLETED' },
      },
    },
    {
      what: 'an end by a clock that is behind that of the start leaves the length of the run',
      stored: [{ ...stored, startUs: START_US + 5_200_000 }],
      fresh: { jobId: '7', run: 0, startUs: START_US, endUs: START_US + 2e6, submitUs: 1, state: 'FAILED' },
      merged: {
        ...{ ...stored, startUs: START_US + 5_200_000, endUs: START_US + 7_200_000 },
        ...{ submitUs: 1, state: 'FAILED' },
      },
    },
    ...['RUNNING', 'SUSPENDED', 'RESIZING', 'COMPLETING'].map((live) => ({
      what: `${live} is no news of a run that a hook has seen to fail`,
      stored: [{ ...stored, endUs: START_US + MINUTE_US, state: 'FAILED' }],
      fresh: { jobId: '7', run: 0, startUs: START_US, submitUs: 1, state: live },
      merged: { ...stored, endUs: START_US + MINUTE_US, state: 'FAILED', submitUs: 1 },
    })),
    {
      what: 'an end without a state ends what was suspended',
      stored: [{ ...stored, state: 'SUSPENDED' }],
      fresh: { jobId: '7', run: 0, startUs: START_US, endUs: START_US + MINUTE_US },
      merged: {
        ...{ jobId: '7', run: 0, startUs: START_US, endUs: START_US + MINUTE_US },
        ...{ name: 'train', arrayJobId: '6' },
      },
    },
  ])('$what', ({ stored: rows, fresh, merged }) => {
    expect(mergeJob(rows, fresh)).toEqual(merged);
  });
});

describe('on a real QuestDB', () => {
  let db: QuestDb;
  beforeAll(async () => {
    db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
    await applySchema(db, [], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  });
  afterAll(async () => {
    await db.close();
  });

  test('controller, node and accounting write one row, whatever it holds', async () => {
    const jobId = `merge ${process.pid} 'quoted'`;
    const tables = withMergedJobs(db, createSmallTables(db));
    const told: JobRecord[] = [
      { jobId, run: 0, startUs: START_US, name: 'a\n"b"', arrayJobId: '6', state: 'RUNNING' },
      { jobId, run: 0, startUs: START_US + 20_000, user: 'ada', nodes: 2, state: 'RUNNING' },
      {
        jobId,
        run: 0,
        startUs: START_US - 500_000,
        endUs: START_US + MINUTE_US,
        state: 'FAILED',
        exitCode: 3,
        qos: 'high',
      },
    ];
    for (const one of told) {
      expect(await tables.writeJobs([one])).toBe(true);
      await waitForVisible(db, 'jobs');
    }
    expect((await readJobRows(db, [{ jobId, startUs: START_US }])).get(jobId)).toEqual([
      {
        ...{ jobId, run: 0, startUs: START_US, endUs: START_US + MINUTE_US, name: 'a\n"b"', arrayJobId: '6' },
        ...{ user: 'ada', nodes: 2, state: 'FAILED', exitCode: 3, qos: 'high' },
      },
    ]);
  });

  /** The rows of a job as they are stored in the end, by start. */
  async function storedRows(jobId: string): Promise<JobRecord[]> {
    await waitForVisible(db, 'jobs');
    const rows = (await readJobRows(db, [{ jobId, startUs: START_US }])).get(jobId) ?? [];
    return rows.sort((a, b) => a.startUs - b.startUs || (a.cluster ?? '').localeCompare(b.cluster ?? ''));
  }

  async function write(...batches: readonly JobRecord[][]): Promise<void> {
    const tables = withMergedJobs(db, createSmallTables(db));
    for (const batch of batches) {
      expect(await tables.writeJobs(batch)).toBe(true);
      await waitForVisible(db, 'jobs');
    }
  }

  const second = (s: number): number => START_US + s * 1e6;

  test('both runs of a requeued job that accounting tells at once, of which only the first is stored', async () => {
    const jobId = `requeued ${process.pid}`;
    const first = { jobId, startUs: second(0), endUs: second(100), submitUs: second(-9), state: 'REQUEUED' };
    const last = {
      jobId,
      startUs: second(220),
      endUs: second(500),
      submitUs: second(101),
      state: 'COMPLETED',
    };
    await write(
      [{ jobId, run: 0, startUs: second(0.02), state: 'RUNNING', user: 'ada' }],
      [
        { ...first, exitCode: 143 },
        { ...last, exitCode: 0 },
      ],
    );
    const rows = await storedRows(jobId);
    expect(rows).toEqual([
      { ...first, run: 0, startUs: second(0.02), user: 'ada', exitCode: 143 },
      { ...last, exitCode: 0 },
    ]);
    expect(rows.map(({ startUs, endUs }) => Math.round((endUs! - startUs) / 1e6))).toEqual([100, 280]);
  });

  test('a run that two tell of at once has one row, though nothing was stored of it', async () => {
    const jobId = `at once ${process.pid}`;
    const booked = { jobId, startUs: second(0), endUs: second(100), submitUs: second(-9), state: 'TIMEOUT' };
    await write([{ jobId, run: 0, startUs: second(0.02), endUs: second(100.1), user: 'ada' }, booked]);
    expect(await storedRows(jobId)).toEqual([{ ...booked, run: 0, startUs: second(0.02), user: 'ada' }]);
  });

  test('two clusters, one id, one minute: two rows', async () => {
    const jobId = `twice ${process.pid}`;
    const a = {
      jobId,
      cluster: 'a',
      user: 'ada',
      startUs: second(0),
      endUs: second(30),
      state: 'FAILED',
      exitCode: 3,
    };
    const b = {
      jobId,
      cluster: 'b',
      user: 'bob',
      startUs: second(0),
      endUs: second(50),
      state: 'COMPLETED',
      exitCode: 0,
    };
    const started = [a, b].map(({ cluster, user, startUs }) => ({ jobId, cluster, user, startUs, run: 0 }));
    await write(started, [b, a]);
    expect(await storedRows(jobId)).toEqual([
      { ...a, run: 0 },
      { ...b, run: 0 },
    ]);
    const ofA = await readJobRows(db, [{ jobId, cluster: 'a', startUs: START_US }]);
    expect(ofA.get(jobId)?.map(({ cluster }) => cluster)).toEqual(['a']);
  });

  test('an id that comes round again after two days has a row for each job', async () => {
    const jobId = `again ${process.pid}`;
    const old = { jobId, run: 0, startUs: second(0), endUs: second(60), state: 'COMPLETED', exitCode: 0 };
    const young = {
      jobId,
      run: 0,
      startUs: second(0) + 2 * DAY_US,
      endUs: second(90) + 2 * DAY_US,
      exitCode: 1,
    };
    await write(
      [old],
      [{ jobId, run: 0, startUs: young.startUs, state: 'RUNNING' }],
      [{ ...young, state: 'FAILED' }],
    );
    expect(await storedRows(jobId)).toEqual([old, { ...young, state: 'FAILED' }]);
  });
});
