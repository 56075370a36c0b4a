/**
 * Goal: a GPU beside its MIG instances owns no GPU-hours, in no grouping, and its energy is shown as its own. Method: a GPU of
 * 100 W and its two instances, one of them owned, over a window that rollups and samples share, in a real QuestDB.
 */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { soleLabel } from '../../src/core/jobs/label.ts';
import type { CapacityFigures, CapacityGrouping } from '../../src/figures/capacity/figures.ts';
import { capacityFigures } from '../../src/figures/capacity/query.ts';
import { quoteTime } from '../../src/figures/sql-text.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { relabelSamples } from '../../src/questdb/rows/relabel-samples.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups, waitForVisible } from '../../src/questdb/visible.ts';
import { quoteText } from '../../schemas/tables.ts';
import { renderCapacityReport } from '../../src/report/capacity-text.ts';

const SECOND = 1_000_000;
const SECONDS = 90;
const START_US = Date.UTC(2024, 3, 2) * 1000;
const lane: Lane = {
  name: 'cut',
  table: 'gpu_cut',
  schedule: 'continuous',
  intervalMs: 1000,
  fields: [1002, 155, 156].map((id) => findField(id)!),
  capacityTicks: 100,
};
const at = (second: number): number => START_US + second * SECOND;
let db: QuestDb;

beforeAll(async () => {
  db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const rows = Array.from({ length: SECONDS }, (_, tick) => quoteTime(at(tick + 1))).flatMap((ts) => [
    `(${ts}, 'n-cut', 'GPU-cut', null, null, ${SECOND}, 0.5, 100, 100)`,
    `(${ts}, 'n-cut', 'MIG-cut-1', 'cut-1', 1, ${SECOND}, 0.5, null, null)`,
    `(${ts}, 'n-cut', 'MIG-cut-2', null, 0, ${SECOND}, 0, null, null)`,
  ]);
  const columns = 'ts, node, gpu, job_id, owners, dt_us, sm_active_ratio, power_watts, energy_rise_joules';
  for (let from = 0; from < rows.length; from += 90)
    await db.exec(`INSERT INTO gpu_cut (${columns}) VALUES ${rows.slice(from, from + 90).join(', ')}`);
  const [from, to] = [quoteTime(at(0)), quoteTime(at(SECONDS))];
  await db.exec(
    'INSERT INTO gpu_ownership (ts, end_ts, node, gpu, job_id, run, share, source)' +
      ` VALUES (${from}, ${to}, 'n-cut', 'MIG-cut-1', 'cut-1', 0, 1, 'test')`,
  );
  const listed = [
    ['GPU-cut', null, null],
    ['MIG-cut-1', 'GPU-cut', '3g.71gb'],
    ['MIG-cut-2', 'GPU-cut', '3g.71gb'],
  ].map(
    ([gpu, ...more]) =>
      `(${from}, 'n-cut', ${[gpu!, ...more].map((each) => (each === null ? 'null' : quoteText(each))).join(', ')}, 'test')`,
  );
  await db.exec(
    `INSERT INTO gpu_inventory (ts, node, gpu, parent, mig_profile, source) VALUES ${listed.join(', ')}`,
  );
  for (const table of [lane.table, 'gpu_ownership', 'gpu_inventory']) await waitForVisible(db, table);
  await waitForRollups(db, [lane], at(SECONDS));
});
afterAll(async () => {
  await db.close();
});

const fleet = async (by: CapacityGrouping): Promise<CapacityFigures> =>
  await capacityFigures(db, [lane], { fromUs: at(0), toUs: at(120), by });

test.each(['account', 'node', 'cluster'] as const)(
  'the hours are those of the instances, the energy is the GPU’s (by %s)',
  async (by) => {
    const figures = await fleet(by);
    const ofKind = (kind: string) => figures.rows.filter((row) => row.kind === kind);
    expect(figures.sampledUs).toBe(2 * SECONDS * SECOND);
    expect(figures.rows.reduce((sum, { attributedUs }) => sum + attributedUs, 0)).toBe(figures.sampledUs);
    expect(ofKind('unowned')[0]?.attributedUs).toBe(SECONDS * SECOND);
    expect(ofKind('cut')).toHaveLength(1);
    expect(ofKind('cut')[0]).toMatchObject({ attributedUs: 0, idle: undefined, smActive: undefined });
    expect(ofKind('cut')[0]!.energy.counter).toMatchObject({
      value: 100 * SECONDS,
      knownUs: SECONDS * SECOND,
    });
    expect(figures.all.energy.counter?.value).toBe(100 * SECONDS);
    // The mean is over the instances: half of the time at 50 %.
    expect(figures.all.smActive?.value).toBeCloseTo(0.25, 9);
  },
);

test('it is no device of its own where devices and their known time are counted', async () => {
  const all = await fleet('model');
  const before = await capacityFigures(db, [lane], { fromUs: at(-1200), toUs: at(-600), by: 'model' });
  expect(all.devices - before.devices).toBe(2);
});

test('the report says what it is', async () => {
  const text = renderCapacityReport(await fleet('account'), { width: 100, isColored: false });
  expect(text).toMatch(/^ *cut GPUs +0\.\d+ .*2\.50 Wh/m);
  expect(text).toContain(
    'cut GPUs: those of the MIG instances, whose energy is known of the whole GPU only.',
  );
});

test('no late fact gives it an owner', async () => {
  const label = soleLabel('late');
  const stretches = [{ fromUs: at(0), toUs: at(SECONDS), label }];
  expect(await relabelSamples(db, lane.table, [{ gpu: 'GPU-cut', stretches }])).toBe(0);
});
