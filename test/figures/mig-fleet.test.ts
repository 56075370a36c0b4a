/**
 * Goal: of a fleet that is cut by MIG, reports add up to its GPUs. Method: half an hour of a synthetic one through the real
 * pipeline into a real QuestDB; sums over the samples of the GPUs beside the reports.
 */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { playScenario } from '../../src/collector/play.ts';
import { defaultLanes, type Lane } from '../../src/core/fields/lane.ts';
import type { ScenarioOptions } from '../../src/core/synthetic/scenario.ts';
import { capacityFigures } from '../../src/figures/capacity/query.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import { ask } from '../../src/figures/query-cells.ts';
import { quoteTime } from '../../src/figures/sql-text.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups } from '../../src/questdb/visible.ts';

const lane: Lane = {
  ...defaultLanes[0]!,
  name: 'migfleet',
  table: 'gpu_migfleet',
  schedule: '*/10 * * * * *',
  intervalMs: 10_000,
};
const startUs = Date.UTC(2025, 2, 3, 10) * 1000;
const endUs = startUs + 30 * 60e6;
const scenario: ScenarioOptions = {
  kind: 'steady',
  seed: 15,
  nodes: 1,
  gpusPerNode: 2,
  mig: true,
  nodeNames: ['n-migfleet'],
  startUs,
};
let db: QuestDb;

beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  await playScenario({ scenario, endUs, lanes: [lane], batchRows: 10_000, db, tell: () => undefined });
  await waitForRollups(db, [lane], endUs);
});
afterAll(async () => {
  await db.close();
});

const within = `ts >= ${quoteTime(startUs)} AND ts < ${quoteTime(endUs)}`;

test('rows and all are the time and the energy of the GPUs', async () => {
  const [gpus] = await ask(
    db,
    `SELECT sum(dt_us) AS dt_us, sum(CASE WHEN dt_us > 0 AND energy_rise_dt_us > 0 THEN energy_rise_joules END) AS joules FROM ${lane.table} WHERE owners IS NULL AND ${within}`,
  );
  const figures = await capacityFigures(db, [lane], { fromUs: startUs, toUs: endUs, by: 'account' });
  const { rows, all, sampledUs } = figures;
  expect(sampledUs / gpus!.number('dt_us')!).toBeCloseTo(1, 9);
  expect(rows.reduce((us, row) => us + row.attributedUs, 0) / sampledUs).toBeCloseTo(1, 9);
  expect(all.energy.best!.value / gpus!.number('joules')!).toBeCloseTo(1, 9);
  const joules = rows.reduce((sum, { energy }) => sum + (energy.best?.value ?? 0), 0);
  expect(joules / all.energy.best!.value).toBeCloseTo(1, 9);
  expect(rows.some(({ kind }) => kind === 'cut')).toBe(false);
  expect(rows.some(({ kind }) => kind === 'group')).toBe(true);
});

test('a job on an instance has GPU-hours by slices, and a part of the energy', async () => {
  const [owned] = await ask(
    db,
    `SELECT job_id, count() AS stays FROM gpu_ownership WHERE node = 'n-migfleet' AND share = 1 AND ts > ${quoteTime(startUs)} AND end_ts < ${quoteTime(endUs)} GROUP BY job_id ORDER BY stays, job_id LIMIT 1`,
  );
  const figures = await jobFigures(db, [lane], owned!.text('job_id')!, { nowUs: endUs });
  expect(figures.all.ownedGpuUs).toBeLessThan(figures.all.ownedUs);
  expect(figures.all.energy.divided!.value).toBeGreaterThan(0);
  expect(figures.all.energy.divided).toEqual(figures.all.energy.best);
});

test('of more than a hundred days time and energy are divided by the day, and add up to the same', async () => {
  // To the end of the day: a part of one is read by the hour.
  const toUs = Math.ceil(endUs / 86_400e6) * 86_400e6;
  // The store is not of this test alone: others have devices and jobs in that time.
  const asked = { by: 'account', where: [{ by: 'node', names: ['n-migfleet'] }] } as const;
  const short = await capacityFigures(db, [lane], { ...asked, fromUs: startUs, toUs: endUs });
  const long = await capacityFigures(db, [lane], { ...asked, fromUs: toUs - 101 * 86_400e6, toUs });
  const timesOf = ({ rows }: typeof short): unknown =>
    rows.map(({ kind, name, attributedUs, instanceUs }) => [
      ...[kind, name, Math.round(attributedUs), Math.round(instanceUs)],
    ]);
  expect(timesOf(long)).toEqual(timesOf(short));
  expect(long.sampledUs / short.sampledUs).toBeCloseTo(1, 9);
  expect(long.all.energy.best!.value / short.all.energy.best!.value).toBeCloseTo(1, 9);
  const joules = long.rows.reduce((sum, { energy }) => sum + (energy.best?.value ?? 0), 0);
  expect(joules / short.all.energy.best!.value).toBeCloseTo(1, 9);
});
