import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import type { Notice } from '../../src/core/base/notice.ts';
import type { Interval } from '../../src/core/jobs/interval.ts';
import { Ownership } from '../../src/core/jobs/ownership.ts';
import { createMeasuredSets, type MeasuredSets } from '../../src/job-map/measured-sets.ts';
import { createOwnerSetNews } from '../../src/job-map/owner-set-news.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { withKnownSets } from '../../src/questdb/rows/known-sets.ts';
import { createSmallTables, type SharedUseRow } from '../../src/questdb/rows/small-tables.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';

/** Parts by measured use, in `gpu_owner_sets` of a real QuestDB. */

const START_US = 1_790_000_000_000_000;
const S = 1e6;
const at = (second: number): number => START_US + second * S;

let db: QuestDb;
let gpu: string;
let notices: Notice[];
let ownership: Ownership;
beforeAll(async () => {
  db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
  await applySchema(db, [], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
});
afterAll(async () => {
  await db.close();
});
beforeEach(() => {
  gpu = `GPU-${randomUUID()}`;
  notices = [];
  ownership = new Ownership();
});

/** The job has the device from one second to another one, and its rows are stored as a collector stores them. */
async function own(jobId: string, from: number, to = Infinity, share = NaN): Promise<void> {
  const stay = { node: 'n1', cluster: 'lab', gpu, jobId, run: 0, share, source: 'journal' };
  const changes = ownership.apply({ ...stay, kind: 'start', atUs: at(from) });
  if (to < Infinity) changes.push(...ownership.apply({ ...stay, kind: 'end', atUs: at(to) }));
  await store(changes.map(({ interval }) => interval));
}

async function store(intervals: readonly Interval[]): Promise<void> {
  const news = createOwnerSetNews(ownership, 'lab');
  news.note({ gpu, fromUs: -Infinity, toUs: Infinity });
  const small = withKnownSets(db, createSmallTables(db));
  expect(await small.writeOwnerSets(news.take())).toBe(true);
  expect(await small.writeOwnership(intervals)).toBe(true);
  await waitForVisible(db, 'gpu_owner_sets');
}

/** SM use by job in this window, of which so many seconds were looked at. */
async function use(from: number, to: number, smUse: Record<string, number>, seen = to - from): Promise<void> {
  const rows = Object.entries(smUse).map(([jobId, smUseSeconds]): SharedUseRow => ({
    ...{ node: 'n1', gpu, kind: 'job', jobId, fromUs: at(from), toUs: at(to), seenUs: seen * S },
    ...{ smUseSeconds, memoryByteSeconds: NaN, processes: 1 },
  }));
  expect(await createSmallTables(db).writeSharedUse(rows)).toBe(true);
}

function open(gpus: readonly string[] = []): MeasuredSets {
  return createMeasuredSets({ db, gpus, startUs: at(1000), tell: (notice) => notices.push(notice) });
}

async function settled(since: number): Promise<void> {
  const sets = open();
  sets.note(gpu, at(since));
  await sets.settle();
  expect(notices).toEqual([]);
}

/** `a b: 0.5 0.5 equal` for each set, by its start. */
async function sets(): Promise<string[]> {
  await waitForVisible(db, 'gpu_owner_sets');
  const { rows } = await db.exec(
    `SELECT cast(owner_set AS STRING), job_id, part, sharing, cluster FROM gpu_owner_sets WHERE gpu = '${gpu}' ORDER BY ts, job_id`,
  );
  expect(rows.every((row) => row[4] === 'lab')).toBe(true);
  return [...Map.groupBy(rows, ([id]) => id).values()].map((own) => {
    const column = (index: number): unknown[] => own.map((row) => row[index]);
    return `${column(1).join(' ')}: ${column(2).map(String).join(' ')} ${[...new Set(column(3))].join('/')}`;
  });
}

test('what was seen of a set divides it in all of its time, whoever came between', async () => {
  await own('a', 0);
  await own('b', 10);
  await own('c', 40, 60);
  await use(10, 40, { a: 3, b: 1 });
  await use(40, 60, { a: 1, b: 1, c: 2 });
  await use(60, 90, { a: 0, b: 4 });
  expect(await sets()).toHaveLength(2);
  await settled(70);
  const third = 1 / 3;
  expect(await sets()).toEqual([`a b: 0.375 0.625 measured`, `a b c: ${third} ${third} ${third} equal`]);
  await settled(50);
  expect((await sets())[1]).toBe('a b c: 0.25 0.25 0.5 measured');
});

test('a late owner takes time from a set, and one that was never there gives it back', async () => {
  await own('a', 0);
  await own('b', 10);
  await use(10, 40, { a: 3, b: 1 });
  await use(40, 60, { a: 0, b: 4 });
  await settled(40);
  expect(await sets()).toEqual(['a b: 0.375 0.625 measured']);
  await own('c', 40, 60);
  await settled(40);
  expect((await sets())[0]).toBe('a b: 0.75 0.25 measured');
  const stay = { node: 'n1', cluster: 'lab', gpu, jobId: 'c', run: 0, share: NaN, source: 'journal' };
  const changes = ownership.apply({ ...stay, kind: 'void', atUs: at(40) });
  await store(changes.map(({ interval }) => interval));
  const measured = open();
  measured.noteChanges(ownership, changes);
  await measured.settle();
  expect((await sets())[0]).toBe('a b: 0.375 0.625 measured');
});

test('an end is a change of what the set owned; a set that owns too long unseen has equal parts again', async () => {
  await own('a', 0);
  await own('b', 10);
  await use(10, 40, { a: 3, b: 1 });
  await settled(10);
  expect(await sets()).toEqual(['a b: 0.75 0.25 measured']);
  const stay = { node: 'n1', cluster: 'lab', gpu, jobId: 'b', run: 0, share: NaN, source: 'journal' };
  const changes = ownership.apply({ ...stay, kind: 'end', atUs: at(90) });
  await store(changes.map(({ interval }) => interval));
  const measured = open();
  measured.noteChanges(ownership, changes);
  await measured.settle();
  expect(await sets()).toEqual(['a b: 0.5 0.5 equal']);
});

test('a new life settles what the one before could not, and writes nothing that is right already', async () => {
  await own('a', 0);
  await own('b', 10);
  await use(10, 40, { a: 1, b: 3 });
  await open([gpu]).settle();
  expect(await sets()).toEqual(['a b: 0.25 0.75 measured']);
  let sent = 0;
  const counting: QuestDb = {
    ...db,
    send: (batch, signal) => {
      sent += batch.rows;
      return db.send(batch, signal);
    },
  };
  const again = createMeasuredSets({ db: counting, gpus: [gpu], startUs: at(1000), tell: () => undefined });
  await again.settle();
  expect(sent).toBe(0);
});

test('shares that were told, all or but one, are no matter of use', async () => {
  await own('a', 0, Infinity, 0.5);
  await own('b', 10);
  await use(10, 40, { a: 1, b: 3 });
  await settled(0);
  expect(await sets()).toEqual(['a: 0.5 stated', 'a b: 0.5 0.5 stated/equal']);
});

test('a set without the part of a member is not whole: whoever knows its owners writes it again', async () => {
  await own('a', 0);
  await own('b', 10);
  await db.exec(
    'INSERT INTO gpu_owner_sets (ts, cluster, gpu, owner_set, job_id, sharing)' +
      ` SELECT ts, cluster, gpu, owner_set, job_id, sharing FROM gpu_owner_sets WHERE gpu = '${gpu}' AND job_id = 'b'`,
  );
  expect(await sets()).toEqual(['a b: 0.5 null equal']);
  await store([]);
  expect(await sets()).toEqual(['a b: 0.5 0.5 equal']);
});

test('while the store does not answer, what was noted stays noted', async () => {
  await own('a', 0);
  await own('b', 10);
  await use(10, 40, { a: 1, b: 3 });
  const away = await openQuestDb('http::addr=127.0.0.1:1;', { requestTimeoutMs: 1_000 });
  let isAway = true;
  const either: QuestDb = { ...db, exec: (sql) => (isAway ? away.exec(sql) : db.exec(sql)) };
  const measured = createMeasuredSets({
    ...{ db: either, gpus: [], startUs: at(1000) },
    tell: (notice) => notices.push(notice),
  });
  measured.note(gpu, at(10));
  await measured.settle();
  expect(notices.map(({ code }) => code)).toEqual(['small_table.held']);
  isAway = false;
  await measured.settle();
  expect(await sets()).toEqual(['a b: 0.25 0.75 measured']);
  await away.close();
});
