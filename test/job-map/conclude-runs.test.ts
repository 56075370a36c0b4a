/**
 * Goal: what is concluded of ended jobs is bounded, and never costs their sums. Method: tasks of 40 s, one after the other on one
 * device of a real QuestDB, with a writer whose questions are counted, or refused.
 */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { causeColumnsOf } from '../../schemas/kept/conclusion-columns.ts';
import { CAUSES } from '../../src/core/analysis/causes.ts';
import { OperatingError } from '../../src/core/base/errors.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { Notice } from '../../src/core/base/notice.ts';
import { createJobFiguresWriter } from '../../src/job-map/job-figures.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { insertRows } from '../helpers/insert-rows.ts';

const SECOND = 1e6;
const T0 = Date.UTC(2026, 1, 3, 4) * 1000;
const TASKS = 60;
const TASK_SECONDS = 40;
const GPU = 'GPU-conclude';
/** Of these the writer takes 50 a round. */
const RUNS_PER_ROUND = 50;
/** However many tasks there are, and however long the store has been kept. */
const QUESTIONS_PER_RUN_MAX = 60;
const nowUs = T0 + (TASKS * TASK_SECONDS + 3600) * SECOND;
const lane: Lane = {
  name: 'conclude',
  table: 'gpu_conclude',
  schedule: 'continuous',
  intervalMs: 1000,
  fields: [1001, 1002, 1004, 1005, 155].map((id) => findField(id)!),
  capacityTicks: 100,
};

/** They add up to what was owned. */
const ALL_CAUSES = CAUSES.map((cause) => causeColumnsOf(cause).us).join(' + ');

let db: QuestDb;

beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  // Of each task the engine runs for the first 30 s.
  await db.exec(
    `INSERT INTO gpu_conclude (ts, node, gpu, job_id, owners, dt_us, gr_engine_active_ratio, sm_active_ratio, tensor_active_ratio, dram_active_ratio, power_watts)` +
      ` SELECT cast(${T0} + x * 1000000 AS TIMESTAMP), 'conclude', '${GPU}', concat('concl-', (x - 1) / ${TASK_SECONDS}), 1, 1000000,` +
      ` e, e, e, e, 100 FROM (SELECT x, CASE WHEN (x - 1) % ${TASK_SECONDS} < 30 THEN 1.0 ELSE 0.0 END AS e FROM long_sequence(${TASKS * TASK_SECONDS}))`,
  );
  await insertRows(
    db,
    'gpu_ownership',
    Array.from({ length: TASKS }, (_, task) => ({
      ...{ ts: T0 + task * TASK_SECONDS * SECOND, end_ts: T0 + (task + 1) * TASK_SECONDS * SECOND },
      ...{ node: 'conclude', gpu: GPU, job_id: `concl-${task}`, run: 0, source: 'test' },
    })),
  );
  await waitForVisible(db, lane.table);
});
afterAll(async () => {
  await db.close();
});

interface Row {
  readonly jobId: string;
  readonly samples: number;
  readonly origin: string | null;
  readonly effectiveUs: number | null;
  readonly allUs: number | null;
}

async function rows(): Promise<Row[]> {
  await waitForVisible(db, 'job_figures');
  const answer = await db.exec(
    `SELECT job_id, samples, causes_origin, cause_effective_us, ${ALL_CAUSES} FROM job_figures WHERE gpu = '${GPU}' ORDER BY ts`,
  );
  return answer.rows.map(([jobId, samples, origin, effectiveUs, allUs]) => ({
    ...{ jobId: String(jobId), samples: Number(samples), origin: origin as string | null },
    ...{ effectiveUs: effectiveUs as number | null, allUs: allUs as number | null },
  }));
}

const notices: Notice[] = [];
const writerOn = (store: QuestDb): ReturnType<typeof createJobFiguresWriter> =>
  createJobFiguresWriter({
    ...{ db: store, lanes: [lane], gpus: [GPU], nowUs: () => nowUs },
    tell: (notice) => notices.push(notice),
  });

test('a refused question costs no sums, is told, and is not asked again in this life', async () => {
  let refused = 0;
  const refusing: QuestDb = {
    ...db,
    exec: async (sql) => {
      if (sql.includes('gpu_events')) {
        refused += 1;
        throw new OperatingError('the query was cancelled', { code: 'questdb.query', exit: 'unavailable' });
      }
      return await db.exec(sql);
    },
  };
  const writer = writerOn(refusing);
  await writer.settle(nowUs);
  await writer.settle(nowUs);
  const kept = await rows();
  expect(kept.map(({ samples, origin }) => [samples, origin])).toEqual(
    Array.from({ length: TASKS }, () => [TASK_SECONDS, null]),
  );
  expect(refused).toBe(TASKS);
  expect(notices.map(({ code }) => code)).toEqual(
    Array.from({ length: TASKS }, () => 'job_figures.inconclusive'),
  );
  expect(notices[0]!.sentence).toBe(
    'where the time of job concl-0 went is not kept: the query was cancelled',
  );
  await writer.settle(nowUs);
  expect(refused).toBe(TASKS);
});

test('the next life concludes, so many runs a round by so many questions, and doubles no row', async () => {
  notices.length = 0;
  let questions = 0;
  const writer = writerOn({
    ...db,
    exec: async (sql) => {
      questions += 1;
      return await db.exec(sql);
    },
  });
  await writer.settle(nowUs);
  const concluded = (await rows()).filter(({ origin }) => origin !== null);
  expect(concluded).toHaveLength(RUNS_PER_ROUND);
  expect(questions).toBeLessThanOrEqual(QUESTIONS_PER_RUN_MAX * RUNS_PER_ROUND);
  await writer.settle(nowUs);
  const all = await rows();
  expect(all.map(({ jobId }) => jobId)).toEqual(Array.from({ length: TASKS }, (_, task) => `concl-${task}`));
  for (const { effectiveUs, allUs } of all)
    expect([effectiveUs, allUs]).toEqual([30 * SECOND, TASK_SECONDS * SECOND]);
  expect(notices).toEqual([]);
  questions = 0;
  await writer.settle(nowUs);
  expect(questions).toBe(0);
});
