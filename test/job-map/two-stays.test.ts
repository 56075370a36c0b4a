/**
 * Goal: inputs that count no runs make a run of each stay, all the way to the report. Method: gpustat and map files of two
 * stays of one job, read by their inputs, go through a session and the small tables into a real QuestDB.
 */
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import type { Device } from '../../src/core/devices/device.ts';
import { defaultLanes } from '../../src/core/fields/lane.ts';
import type { JobInput } from '../../src/core/jobs/job-fact.ts';
import { Ownership } from '../../src/core/jobs/ownership.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import { openOwnership } from '../../src/job-map/session.ts';
import { createGpustatInput } from '../../src/ownership/pictures/gpustat.ts';
import { createMapDirInput } from '../../src/ownership/pictures/map-dir.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { withMergedJobs } from '../../src/questdb/rows/merged-jobs.ts';
import { createSmallTables } from '../../src/questdb/rows/small-tables.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';

const BOOT_US = 1_700_000_000e6;
const LANES = defaultLanes.slice(0, 1);
const at = (s: number): number => BOOT_US + 1000e6 + s * 1e6;

let db: QuestDb;
let directory: string;
beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 30_000 });
  await applySchema(db, LANES, { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
});
afterAll(async () => {
  await db.close();
});
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-stays-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

interface Case {
  readonly what: string;
  readonly open: (devices: readonly Device[]) => JobInput;
  readonly contentOf: (jobId: string) => string;
}

test.each<Case>([
  {
    what: 'gpustat',
    open: (devices) => createGpustatInput({ directory, devices, bootUs: BOOT_US }),
    contentOf: (jobId) => `${jobId} 1000\n`,
  },
  {
    what: 'map files',
    open: (devices) => createMapDirInput({ directory, devices, bootUs: BOOT_US }),
    contentOf: (jobId) => `${jobId}\n`,
  },
])('two stays are two runs of one job: $what', async ({ open, contentOf }) => {
  const id = crypto.randomUUID();
  const device: Device = {
    uuid: `GPU-${id}`,
    cluster: 'a',
    node: 'n1',
    index: 0,
    model: 'X',
    memoryBytes: 1,
  };
  const jobId = `stays-${id}`;
  const session = openOwnership({
    inputs: [open([device])],
    ownership: new Ownership(),
    labelledUntilUs: -Infinity,
  });
  const tables = withMergedJobs(db, createSmallTables(db));
  const put = (s: number, content: string): void => {
    writeFileSync(join(directory, '0'), content);
    utimesSync(join(directory, '0'), at(s) / 1e6, at(s) / 1e6);
  };
  const steps: [number, string][] = [
    [1, contentOf(jobId)],
    [101, ''],
    [221, contentOf(jobId)],
    [501, ''],
  ];
  for (const [s, content] of steps) {
    put(s, content);
    const { changes, records } = session.read(at(s + 0.5));
    expect(await tables.writeOwnership(changes.map(({ interval }) => interval))).toBe(true);
    expect(await tables.writeJobs(records)).toBe(true);
    for (const table of ['gpu_ownership', 'jobs']) await waitForVisible(db, table);
  }
  const rowsOf = async (table: string): Promise<readonly unknown[]> =>
    (
      await db.exec(
        `SELECT cluster, run, cast(ts AS LONG), cast(end_ts AS LONG) FROM ${table} WHERE job_id = '${jobId}' ORDER BY ts`,
      )
    ).rows;
  const stays = [
    ['a', null, at(1), at(101)],
    ['a', null, at(221), at(501)],
  ];
  expect(await rowsOf('gpu_ownership')).toEqual(stays);
  expect(await rowsOf('jobs')).toEqual(stays);
  const { job, all } = await jobFigures(db, LANES, jobId, { nowUs: at(600) });
  expect([job.run, job.otherRuns, job.otherJobs, all.ownedUs]).toEqual([1, [0], [], 280e6]);
});
