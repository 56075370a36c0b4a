import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { OperatingError } from '../../src/core/base/errors.ts';
import type { Notice } from '../../src/core/base/notice.ts';
import type { JobRecord } from '../../src/core/jobs/job-fact.ts';
import { syncJobs, type SyncOutcome } from '../../src/job-map/sync-jobs.ts';
import type { LateReply, LateRow } from '../../src/ownership/scheduler.ts';
import { untaken } from '../../src/core/wire/sink.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { createSmallTables } from '../../src/questdb/rows/small-tables.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';

const START_US = 1_700_000_000e6;
const END_US = START_US + 60e6;
const NAMES = ['h', 'a', 'o', 'f', 'c', 'x', 'y'].map((name) => `${name}${process.pid}`);
const [HOOKED, ADDED, OWNED, FOREIGN, CPU_ONLY, ELSEWHERE, USED_AGAIN] = NAMES as [
  ...[string, string, string, string, string, string, string],
];

const job = (jobId: string, more: Partial<JobRecord> = {}, hasGpus?: boolean): LateRow => ({
  kind: 'job',
  hasGpus,
  record: { jobId, startUs: START_US, state: 'RUNNING', ...more },
});

async function* piecesOf(
  pieces: readonly (readonly LateRow[])[],
  failure?: OperatingError,
): AsyncGenerator<readonly LateRow[]> {
  for (const piece of pieces) yield await Promise.resolve(piece);
  if (failure !== undefined) throw failure;
}

let db: QuestDb;
let told: Notice[];
beforeAll(async () => {
  db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
  await applySchema(db, [], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
});
afterAll(async () => {
  await db.close();
});

async function sync(rows: LateReply['rows'], store: QuestDb = db): Promise<SyncOutcome> {
  told = [];
  return await syncJobs(store, { from: 'squeue', rows }, (notice) => told.push(notice));
}

async function storedIds(ids: readonly string[]): Promise<string[]> {
  await waitForVisible(db, 'jobs');
  const { rows } = await db.exec(
    `SELECT job_id, state, count() FROM jobs WHERE job_id IN (${ids.map((id) => `'${id}'`).join(',')}) ORDER BY job_id`,
  );
  return rows.map((row) => row.join(' '));
}

/** Each row that was read is in exactly one of the others. */
function expectSum({ readRows, writtenRows, ...rest }: SyncOutcome): void {
  const others =
    rest.withoutGpuRows + rest.unknownRows + rest.waitingRows + rest.refusedRows + rest.unsentRows;
  expect(writtenRows + others).toBe(readRows);
}

describe('sync', () => {
  test('completes the row that a hook wrote, adds jobs with GPUs, leaves the rest alone, and counts every row', async () => {
    const tables = createSmallTables(db);
    await tables.writeJobs([
      { jobId: HOOKED, run: 2, startUs: START_US + 123_456, state: 'RUNNING', name: 'x' },
    ]);
    const stay = { node: 'n1', gpu: 'GPU-x', run: 0, share: NaN, source: 'journal', endUs: Infinity };
    await tables.writeOwnership([
      { ...stay, jobId: OWNED, startUs: START_US },
      { ...stay, jobId: ELSEWHERE, startUs: START_US, cluster: 'other' },
      { ...stay, jobId: USED_AGAIN, startUs: START_US - 86_400e6 },
    ]);
    await waitForVisible(db, 'jobs');
    await waitForVisible(db, 'gpu_ownership');
    const outcome = await sync(
      piecesOf([
        [job(HOOKED, { endUs: END_US, state: 'TIMEOUT', qos: 'high' }), { kind: 'waiting' }],
        [
          job(ADDED, {}, true),
          job(OWNED),
          { kind: 'refused', jobId: undefined, expected: 'job_id: expected a whole number', found: '"x"' },
        ],
        [job(FOREIGN, { cluster: 'here' }), job(CPU_ONLY, { cluster: 'here' }, false)],
        [job(ELSEWHERE, { cluster: 'here', endUs: END_US }, false), job(USED_AGAIN, { endUs: END_US })],
      ]),
    );
    expect(outcome).toEqual({
      from: 'squeue',
      readRows: 9,
      writtenRows: 3,
      withoutGpuRows: 2,
      unknownRows: 2,
      waitingRows: 1,
      refusedRows: 1,
      unsentRows: 0,
    });
    expectSum(outcome);
    expect(told.map(({ code, sentence }) => [code, sentence])).toEqual([
      ['jobs.refused', 'a row of squeue is left out: job_id: expected a whole number, found "x"'],
    ]);
    expect(await storedIds(NAMES)).toEqual(
      [`${ADDED} RUNNING 1`, `${HOOKED} TIMEOUT 1`, `${OWNED} RUNNING 1`].sort(),
    );
    const { rows } = await db.exec(
      `SELECT run, name, qos, cast(ts AS LONG) FROM jobs WHERE job_id = '${HOOKED}'`,
    );
    expect(rows).toEqual([[2, 'x', 'high', START_US + 123_456]]);
  });

  test('knows a job by its own time, not by that of the others in the batch', async () => {
    const id = (name: string): string => `${name}${process.pid}`;
    const [stayed, rowed, long] = [id('stayed'), id('rowed'), id('long')];
    const tables = createSmallTables(db);
    const stay = { node: 'n1', gpu: 'GPU-x', run: 0, share: NaN, source: 'journal' };
    const agoUs = START_US - 2 * 86_400e6;
    await tables.writeOwnership([
      { ...stay, jobId: stayed, startUs: agoUs, endUs: agoUs + 60e6 },
      { ...stay, jobId: long, startUs: agoUs, endUs: END_US },
    ]);
    await tables.writeJobs([{ jobId: rowed, startUs: agoUs, state: 'RUNNING' }]);
    await waitForVisible(db, 'jobs');
    await waitForVisible(db, 'gpu_ownership');
    const old = job(id('old'), { startUs: agoUs - 60e6, endUs: agoUs }, false);
    const again = [stayed, rowed, long].map((one) => job(one, { endUs: END_US, state: 'FAILED' }, false));
    const outcome = await sync(piecesOf([[old, ...again]]));
    expect(outcome).toMatchObject({ readRows: 4, writtenRows: 1, withoutGpuRows: 3 });
    expect(await storedIds([stayed, rowed, long])).toEqual([`${long} FAILED 1`, `${rowed} RUNNING 1`]);
  });

  test('makes one row of what squeue and accounting say of one run, and one of each run of a requeued job', async () => {
    const id = `again${process.pid}`;
    const first = { startUs: START_US, submitUs: START_US - 9e6, endUs: START_US + 100e6, state: 'REQUEUED' };
    const second = { startUs: START_US + 220e6, submitUs: START_US + 101e6 };
    await sync(piecesOf([[job(id, { ...second, run: 1, name: 'x' }, true)]]));
    const ended = { ...second, endUs: START_US + 500e6, state: 'COMPLETED', exitCode: 0 };
    const outcome = await sync(
      piecesOf([[job(id, { ...first, cluster: 'atlas' }, true), job(id, ended, true)]]),
    );
    expect(outcome).toMatchObject({ readRows: 2, writtenRows: 2 });
    await waitForVisible(db, 'jobs');
    const { rows } = await db.exec(
      `SELECT run, name, state, exit_code, cast(end_ts - ts AS LONG) / 1000000 FROM jobs WHERE job_id = '${id}' ORDER BY ts`,
    );
    expect(rows).toEqual([
      [null, null, 'REQUEUED', null, 100],
      [1, 'x', 'COMPLETED', 0, 280],
    ]);
  });

  test('writes what came before a reply broke off', async () => {
    const id = `broken${process.pid}`;
    const failure = new OperatingError('half', { code: 'slurm.reply', exit: 'data' });
    const outcome = await sync(piecesOf([[job(id, {}, true)]], failure));
    expect(outcome).toMatchObject({ readRows: 1, writtenRows: 1, failure });
    expect(await storedIds([id])).toEqual([`${id} RUNNING 1`]);
  });

  test('asks the store once for a thousand rows, and not at all for jobs that have GPUs', async () => {
    const asked: string[] = [];
    const counting: QuestDb = {
      ...db,
      exec: async (sql, options) => {
        asked.push(sql);
        return await db.exec(sql, options);
      },
    };
    const ids = Array.from({ length: 5_000 }, (_, at) => `${process.pid}${String(at).padStart(6, '0')}`);
    const pieces = Array.from({ length: 50 }, (_, at) => ids.slice(at * 100, at * 100 + 100));
    const outcome = await sync(
      piecesOf(pieces.map((piece) => piece.map((id) => job(id, {}, id.endsWith('0'))))),
      counting,
    );
    expect(outcome).toMatchObject({ readRows: 5_000, writtenRows: 500, withoutGpuRows: 4_500 });
    expectSum(outcome);
    const asking = (table: string): number =>
      asked.filter((sql) => sql.includes(`FROM ${table} WHERE`) && !sql.includes('SELECT job_id, run'))
        .length;
    expect([asking('gpu_ownership'), asking('jobs')]).toEqual([5, 5]);
    const gpuIds = ids.filter((id) => id.endsWith('0'));
    expect(asked.filter((sql) => sql.includes('gpu_ownership')).some((sql) => sql.includes(gpuIds[3]!))).toBe(
      false,
    );
    expect(await storedIds(gpuIds)).toHaveLength(500);
  });

  test.each([
    { cause: 'rows', refusedRows: 2, unsentRows: 0 },
    { cause: 'store', refusedRows: 0, unsentRows: 2 },
  ] as const)('counts what QuestDB does not take because of the $cause', async ({ cause, ...counts }) => {
    const error = new OperatingError('away', { code: 'questdb.unavailable', exit: 'temporary' });
    const store: QuestDb = {
      ...db,
      send: (batch) => Promise.resolve(untaken(batch, { cause, reason: 'no', error })),
    };
    const rows: LateRow[] = [job('1', {}, true), job('2', {}, true), { kind: 'waiting' }];
    const outcome = await sync(piecesOf([rows]), store);
    expect(outcome).toMatchObject({ readRows: 3, writtenRows: 0, waitingRows: 1, ...counts });
    expectSum(outcome);
  });
});
