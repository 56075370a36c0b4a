import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { JobRecord } from '../../../src/core/jobs/job-fact.ts';
import { mergeJob } from '../../../src/core/jobs/merge-job.ts';
import { readJobRows, withMergedJobs } from '../../../src/questdb/rows/merged-jobs.ts';
import { openQuestDb, type QuestDb } from '../../../src/questdb/http.ts';
import { waitForVisible } from '../../../src/questdb/visible.ts';
import { applySchema } from '../../../src/questdb/schema/apply.ts';
import { createSmallTables } from '../../../src/questdb/rows/small-tables.ts';

const MINUTE_US = 60e6;
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
      what: 'an id that came round again has a row of its own',
      stored: [stored],
      fresh: { jobId: '7', run: 0, startUs: START_US + 11 * MINUTE_US },
      merged: { jobId: '7', run: 0, startUs: START_US + 11 * MINUTE_US },
    },
  ])('$what', ({ stored: rows, fresh, merged }) => {
    expect(mergeJob(rows, fresh)).toEqual(merged);
  });
});

describe('on a real QuestDB', () => {
  let db: QuestDb;
  beforeAll(async () => {
    db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
    await applySchema(db, [], { raw: '', rollup1m: '', rollup1h: '' });
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
    expect((await readJobRows(db, [jobId])).get(jobId)).toEqual([
      {
        ...{ jobId, run: 0, startUs: START_US, endUs: START_US + MINUTE_US, name: 'a\n"b"', arrayJobId: '6' },
        ...{ user: 'ada', nodes: 2, state: 'FAILED', exitCode: 3, qos: 'high' },
      },
    ]);
  });
});
