/**
 * Goal: what a planner is told of a fleet's long time is what there was: rows by jobs, devices and months, where all of the time went, and both add
 * up to the microsecond; who waited beside which GPUs. Method: a fleet in closed form in a real QuestDB, counted hour by hour by other code. `test/bench/year.ts` does the same
 * with a year of 1,000 GPUs.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { startTestQuestdb } from '../helpers/questdb.ts';
import { addsUp, askYear, toldAnswer, trueAnswers, YEAR_QUESTIONS, type Answer } from './check-year.ts';
import { fillYear } from './fill-year.ts';
import { askQueue, toldQueue } from './check-queue.ts';
import type { Year } from './plan.ts';
import { trueQueue } from './queue-truth.ts';

/** Months of several lengths, and the outages of both kinds. */
const YEAR: Year = { gpus: 96, days: 120, startUs: Date.UTC(2025, 0, 1) * 1000 };

/** Neither borders of days nor of months. */
const QUEUE_HOURS = [1005, 1509] as const;

let server: Awaited<ReturnType<typeof startTestQuestdb>>;
let db: QuestDb;
let truths: readonly Answer[];
beforeAll(async () => {
  truths = trueAnswers(YEAR, YEAR_QUESTIONS);
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 600_000 });
  await fillYear(db, YEAR, () => undefined);
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

test('the plan has all that a year may have', () => {
  const parts = new Set(Object.values(truths[0]!.parts).flatMap((row) => Object.keys(row)));
  expect([...parts].sort()).toEqual(
    [
      'down',
      'drained',
      'effective',
      'free',
      'idle',
      'idleHead',
      'idleTail',
      'low',
      'partlyFree',
      'stalled',
      'unseen',
    ].sort(),
  );
});

test.each(YEAR_QUESTIONS.map((question, at) => ({ question, at })))('$question', async ({ question, at }) => {
  const figures = await askYear(db, YEAR, question);
  expect(addsUp(figures)).toBe(true);
  expect(toldAnswer(figures)).toEqual(truths[at]);
});

test('the queue of three weeks, with outages of both kinds', async () => {
  const [from, to] = QUEUE_HOURS;
  const truth = trueQueue(YEAR, from, to);
  expect(truth.time.outOfUseUs).toBeGreaterThan(0);
  expect(truth.free.besideUs).toBeLessThan(truth.free.hadUs);
  expect(truth.idle.fitsUs).toBeGreaterThan(0);
  expect(toldQueue(await askQueue(db, YEAR, from, to))).toEqual(truth);
});
