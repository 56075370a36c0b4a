/**
 * Goal: a job's figures are of the rows that bear its label, by its part of each; what nobody knows is said, and no 0. Method: a
 * minute of samples of a device for each case, made by hand in a real QuestDB, with labels that say something else than the stays do,
 * or nothing.
 */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { JobFigures } from '../../src/figures/job/figures.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import { createJobFiguresWriter, JOB_FIGURES_SETTLE_US } from '../../src/job-map/job-figures.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { renderJobReport } from '../../src/report/job-text.ts';
import { insertRows, type Row } from '../helpers/insert-rows.ts';

const SECOND = 1e6;
const T0 = Date.UTC(2025, 8, 1) * 1000;
const at = (seconds: number): number => T0 + seconds * SECOND;
const SECONDS = 60;
const lane: Lane = {
  name: 'joblabel',
  table: 'gpu_joblabel',
  schedule: 'continuous',
  intervalMs: 1000,
  fields: [1002, 155, 156].map((id) => findField(id)!),
  capacityTicks: 100,
};

let db: QuestDb;

/** A job of a minute on a device that is named as it is. @param changes of the sample of a second */
async function play(jobId: string, changes: (second: number) => Row): Promise<void> {
  await insertRows(
    db,
    lane.table,
    Array.from({ length: SECONDS }, (_, index) => ({
      ts: at(index + 1),
      node: 'n1',
      gpu: `GPU-${jobId}`,
      job_id: jobId,
      owners: 1,
      owner_set: undefined,
      dt_us: SECOND,
      sm_active_ratio: 0.5,
      power_watts: 100,
      energy_rise_joules: undefined,
      energy_rise_dt_us: undefined,
      ...changes(index + 1),
    })),
  );
  const stay = { ts: at(0), end_ts: at(SECONDS), gpu: `GPU-${jobId}`, job_id: jobId, run: 0, source: 'test' };
  await insertRows(db, 'gpu_ownership', [{ ...stay, node: 'n1' }]);
}

async function member(jobId: string, ownerSet: string, part: number | undefined): Promise<void> {
  const set = { ts: at(0), gpu: `GPU-${jobId}`, owner_set: ownerSet, job_id: jobId };
  await insertRows(db, 'gpu_owner_sets', [{ ...set, part, sharing: 'stated', scaled: 0 }]);
}

async function report(jobId: string): Promise<JobFigures> {
  return await jobFigures(db, [lane], jobId, { nowUs: at(SECONDS) });
}

beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
});
afterAll(async () => {
  await db.close();
});

test('samples with its id whose part nobody recorded are in no figure, with a line', async () => {
  await play('lost-set', (second) => (second > 20 ? { owner_set: '8000000000000000001' } : {}));
  const figures = await report('lost-set');
  expect([figures.all.samples, figures.undividedUs]).toEqual([20, 40 * SECOND]);
  expect(renderJobReport(figures, { width: 200, isColored: false })).toMatch(
    /0\.011.GPU-hours are in no figure: nobody recorded which part of the GPU was the job's/,
  );
});

test('a member of an owner set with an unknown part has no part of 0', async () => {
  const set = '8000000000000000002';
  await play('no-part', (second) => (second > 20 ? { owner_set: set, job_id: undefined, owners: 2 } : {}));
  await member('no-part', set, undefined);
  const { all, undividedUs } = await report('no-part');
  expect([all.samples, undividedUs]).toEqual([20, 40 * SECOND]);
});

test('known times are by part, as is what is known over them', async () => {
  const set = '8000000000000000003';
  const energy = { energy_rise_joules: 100, energy_rise_dt_us: SECOND };
  await play('quarter', (second) => ({ owner_set: set, ...(second > 30 ? energy : {}) }));
  await member('quarter', set, 0.25);
  const figures = await report('quarter');
  const { energy: told, attributedUs } = figures.all;
  expect(attributedUs).toBe((SECONDS / 4) * SECOND);
  expect([told.power?.value, told.power?.knownUs]).toEqual([SECONDS * 25, attributedUs]);
  expect([told.counter?.value, told.counter?.knownUs]).toEqual([30 * 25, attributedUs / 2]);
  expect(renderJobReport(figures, { width: 200, isColored: false })).toMatch(
    /counter, over 50.% of the time/,
  );
});

test('energy that is known for a part of the time says so also where there is nothing to compare it with', async () => {
  const energy = { energy_rise_joules: 100, energy_rise_dt_us: SECOND };
  await play('no-power', (second) => ({ power_watts: undefined, ...(second > 45 ? energy : {}) }));
  const text = renderJobReport(await report('no-power'), { width: 200, isColored: false });
  expect(text).toMatch(/energy 0\.417.Wh \(counter, over 25.% of the time\)/);
});

test("percentiles and the course are of the job's rows alone, as sums are", async () => {
  // Somebody else's, by what the labels say.
  await play('theirs', (second) => ({
    ...(second % 2 === 0
      ? { job_id: 'other', sm_active_ratio: 1 }
      : { sm_active_ratio: second % 4 === 1 ? 0.25 : 0.5 }),
  }));
  const { all, gauges } = await report('theirs');
  const sm = gauges.find(({ key }) => key === 'smActive')!;
  expect([all.samples, sm.max.value]).toEqual([30, 0.5]);
  expect([sm.p50?.value, sm.p95?.value]).toEqual([0.25, 0.5]);
});

test('the figures that are kept are divided as the report is: by labels', async () => {
  const set = '8000000000000000004';
  await play('kept-part', () => ({ owner_set: set }));
  await member('kept-part', set, 0.25);
  const nowUs = at(SECONDS) + JOB_FIGURES_SETTLE_US;
  const gpus = ['GPU-kept-part'];
  const writer = createJobFiguresWriter({
    db,
    lanes: [lane],
    gpus,
    nowUs: () => nowUs,
    tell: () => undefined,
  });
  await writer.settle(nowUs);
  await waitForVisible(db, 'job_figures');
  const { rows } = await db.exec(
    "SELECT dt_us, attributed_us, power_joules FROM job_figures WHERE job_id = 'kept-part'",
  );
  expect(rows).toEqual([[SECONDS * SECOND, (SECONDS / 4) * SECOND, SECONDS * 25]]);
});

test('kept figures of an older version do not tell how many samples spoke for time, and that is not 0', async () => {
  const run = { ts: at(-9000), end_ts: at(-8400), node: 'n1', job_id: 'old-kept', run: 0 };
  const sums = { owned_us: 600 * SECOND, samples: 300, dt_us: 600 * SECOND, attributed_us: 600 * SECOND };
  await insertRows(db, 'job_figures', [
    { ...run, ...sums, gpu: 'GPU-old-1', step_count: 300, written_ts: at(700) },
    { ...run, ...sums, gpu: 'GPU-old-2', step_count: undefined, written_ts: at(700) },
  ]);
  const own = { ...run, source: 'test' };
  await insertRows(db, 'gpu_ownership', [
    { ...own, gpu: 'GPU-old-1' },
    { ...own, gpu: 'GPU-old-2' },
  ]);
  // A sample every 2 s, which half of the devices do not tell, is no sample every 4 s.
  expect((await report('old-kept')).boundaryUs).toBe(lane.intervalMs * 1000);
});
