import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test, vi } from 'vitest';
import type { Notice } from '../../src/core/base/notice.ts';
import { pollClusterBeside } from '../../src/job-map/cluster-polling.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { createFakeSlurm, type FakeSlurm } from '../helpers/fake-slurm.ts';
import { readReply } from '../helpers/slurm-replies.ts';

let db: QuestDb;
let slurm: FakeSlurm;
let notices: Notice[];
beforeAll(async () => {
  db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
  await applySchema(db, [], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
});
beforeEach(() => {
  slurm = createFakeSlurm();
  notices = [];
  vi.stubEnv('PATH', slurm.path);
});
afterEach(() => {
  vi.unstubAllEnvs();
  slurm.close();
});
afterAll(async () => {
  await db.close();
});

const begin = (cluster: string): NonNullable<ReturnType<typeof pollClusterBeside>> =>
  pollClusterBeside(db, { cluster, scheduler: { pollMs: 60_000 } }, (notice) => notices.push(notice))!;

test('without an interval nobody asks', () => {
  expect(pollClusterBeside(db, { scheduler: {} }, () => undefined)).toBeUndefined();
});

test('asks as often as configured, and tells a scheduler that does not answer once each time it goes away', async () => {
  const cluster = `beside${process.pid}`;
  const polling = begin(cluster);
  expect(polling.everyMs).toBe(60_000);
  slurm.waiting(readReply('squeue-waiting-22.05.txt'));
  slurm.sinfo('', 1);
  await polling.poll();
  await polling.poll();
  slurm.sinfo(readReply('sinfo-22.05.txt'));
  await polling.poll();
  await polling.poll();
  slurm.sinfo('', 1);
  await polling.poll();
  const told = notices.filter(({ level }) => level !== 'debug');
  expect(told.map(({ code, sentence }) => `${code}: ${sentence}`)).toEqual([
    'slurm.failed: expected an answer of sinfo, but: it ended with 1: how the nodes are stays unknown until it answers',
    'slurm.failed: expected an answer of sinfo, but: it ended with 1: how the nodes are stays unknown until it answers',
  ]);
  for (const table of ['node_states', 'queue_1m']) await waitForVisible(db, table);
  const { rows } = await db.exec(
    `SELECT count_distinct(node), sum(CASE WHEN end_ts > ts THEN 1 ELSE 0 END) FROM node_states WHERE cluster = '${cluster}'`,
  );
  expect(Number(rows[0]![0])).toBe(3);
  expect(Number(rows[0]![1])).toBeGreaterThanOrEqual(3);
  const polls = await db.exec(`SELECT count() FROM queue_1m WHERE cluster = '${cluster}' AND jobs = 0`);
  expect(polls.rows).toEqual([[5]]);
});

test('the end breaks off what is under way, and that is no fault', async () => {
  const polling = begin(`closed${process.pid}`);
  slurm.put('sinfo', 'sleep 3600');
  slurm.put('squeue', 'sleep 3600');
  const polled = polling.poll();
  await expect.poll(() => slurm.calls().length).toBe(2);
  polling.close();
  await polled;
  expect(notices).toEqual([]);
});
