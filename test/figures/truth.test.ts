/**
 * Goal: every figure of the reports is the true one. Method: the demo's six hours are played through the real pipeline
 * (ring, labels, encoder, HTTP, a real QuestDB, its rollups), and each figure of each report is held against the truth
 * that the scenario states of itself, which shares no code with ring, labels or SQL.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defaultLanes } from '../../src/core/fields/lane.ts';
import { createScenario } from '../../src/core/synthetic/create-scenario.ts';
import type { ScenarioOptions } from '../../src/core/synthetic/scenario.ts';
import type { Attributed, Figures, Grouping, JobTruth, Truth } from '../oracle/truth.ts';
import { truthOf } from '../oracle/truth-of.ts';
import { playScenario } from '../../src/collector/play.ts';
import { type CapacityFigures, type CapacitySums } from '../../src/figures/capacity/figures.ts';
import { capacityFigures } from '../../src/figures/capacity/query.ts';
import { keptColumns } from '../../schemas/tables.ts';
import { GAUGE_KEYS, GAUGES, type GaugeKey } from '../../src/figures/gauges.ts';
import type {
  GaugeFigures,
  JobDevice,
  JobFigures,
  JobGauge,
  OwnedFigures,
  Ranked,
} from '../../src/figures/job/figures.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import { ask } from '../../src/figures/query-cells.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { waitForRollups } from '../../src/questdb/visible.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { wrongCauses } from './wrong-causes.ts';

const HOUR_US = 3_600_000_000;
const lane = defaultLanes[0]!;
const endUs = Math.floor((Date.now() * 1000 - 120e6) / HOUR_US) * HOUR_US;
const startUs = endUs - 6 * HOUR_US;
const options: ScenarioOptions = { kind: 'demo', seed: 1, nodes: 2, gpusPerNode: 8, startUs };
const scenario = createScenario(options);
const LONG_US = 1200e6;

/** Those that the truth knows. */
const GROUPINGS: Readonly<Record<Grouping, true>> = {
  user: true,
  account: true,
  partition: true,
  node: true,
  model: true,
  cluster: true,
};

/** A machine that is busy with other tests needs minutes for what an idle one does in fifteen seconds. */

let server: TestQuestdb;
let db: QuestDb;
let truth: Truth;

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  await playScenario({
    scenario: options,
    endUs,
    lanes: [lane],
    batchRows: 10_000,
    db,
    tell: () => undefined,
  });
  await waitForRollups(db, [lane], endUs);
  const gaugeIds = new Set<number>(Object.values(GAUGES).map(({ fieldId }) => fieldId));
  truth = truthOf(scenario, {
    fields: lane.fields.filter(({ id }) => gaugeIds.has(id) || id === 156),
    intervalMs: lane.intervalMs,
    ticks: { firstUs: startUs, count: 6 * 3600 },
  });
});

afterAll(async () => {
  await db.close();
  await server.stop();
});

/** Floating sums may be added in another order: 1e-9 of the value. */
function expectNear(actual: number | undefined, expected: number, what: string): void {
  if (Number.isNaN(expected)) {
    expect(actual === undefined || Number.isNaN(actual), `${what}: expected nothing, got ${actual}`).toBe(
      true,
    );
    return;
  }
  expect(actual, what).toBeDefined();
  const stray = Math.abs(actual! - expected);
  expect(stray <= 1e-9 * Math.abs(expected) + 1e-12, `${what}: expected ${expected}, got ${actual}`).toBe(
    true,
  );
}

/** Exact, or the middle of the bar that holds it. */
function expectRanked({ value, barWidth }: Ranked, expected: number, what: string): void {
  if (barWidth === undefined) expect(value, what).toBe(expected);
  else expect(Math.abs(value - expected), what).toBeLessThanOrEqual(barWidth / 2 + 1e-9);
}

const columnOf = new Map(GAUGE_KEYS.map((key) => [key, keptColumns(key).column]));

function expectGauges(
  gauges: ReadonlyMap<GaugeKey, GaugeFigures & Partial<JobGauge>>,
  expected: Figures,
  what: string,
): void {
  for (const [key, column] of columnOf) {
    const field = expected.fields.get(column)!;
    const gauge = gauges.get(key);
    if (field.knownSamples === 0) {
      expect(gauge, `${what} ${key}`).toBeUndefined();
      continue;
    }
    const { mean, max, p50, p95 } = gauge!;
    expectNear(mean?.value, field.sumXDt / field.knownDtUs, `${what} ${key} mean`);
    expect(max, `${what} ${key} max`).toEqual({
      value: field.max,
      unit: GAUGES[key].unit,
      knownUs: field.knownDtUs,
    });
    if (p50 !== undefined) expectRanked(p50, field.p50, `${what} ${key} p50`);
    if (p95 !== undefined) expectRanked(p95, field.p95, `${what} ${key} p95`);
  }
}

function expectAmounts(actual: OwnedFigures, figures: Figures, attributed: Attributed, what: string): void {
  expect(actual.samples, `${what} samples`).toBe(figures.samples);
  expect(actual.sampledUs, `${what} dt`).toBe(figures.dtUs);
  expectNear(actual.energy.counter?.knownUs ?? 0, attributed.energyDtUs, `${what} energy dt`);
  expectNear(actual.attributedUs, attributed.dtUs, `${what} attributed`);
  expectNear(actual.energy.counter?.value, attributed.energyJoules, `${what} energy`);
  expectNear(actual.energy.power?.value, attributed.powerJoules, `${what} power integral`);
  expectNear(actual.idle?.value ?? 0, attributed.idleDtUs, `${what} idle`);
}

function expectJob(
  actual: JobFigures,
  { job, devices, figures, attributed, ownedUs, coverage }: JobTruth,
): void {
  const what = `job ${job.jobId} run ${job.run}`;
  expect([actual.startUs, actual.endUs], what).toEqual([job.startUs, job.endUs]);
  expect(actual.all.ownedUs, what).toBe(ownedUs);
  expectNear(actual.all.coverage?.value, Math.min(1, coverage), `${what} coverage`);
  expectAmounts(actual.all, figures, attributed, what);
  expectGauges(new Map(actual.gauges.map((gauge) => [gauge.key, gauge])), figures, what);
  expect(actual.devices.map(({ gpu }) => gpu).sort()).toEqual(devices.map(({ gpu }) => gpu).sort());
  for (const expected of devices) {
    const device = actual.devices.find(({ gpu }) => gpu === expected.gpu)!;
    expectAmounts(device, expected.figures, expected.attributed, `${what} ${device.gpu}`);
    expectGauges(
      new Map(Object.entries(device.gauges) as [GaugeKey, NonNullable<JobDevice['gauges'][GaugeKey]>][]),
      expected.figures,
      `${what} ${device.gpu}`,
    );
  }
  const { record } = job;
  expect(actual.job).toMatchObject({
    name: record.name,
    user: record.user,
    account: record.account,
    state: record.state,
  });
}

function expectSums(actual: CapacitySums, expected: Attributed, what: string): void {
  expectNear(actual.attributedUs, expected.dtUs, `${what} dt`);
  expectNear(actual.idle?.value, expected.idleDtUs, `${what} idle`);
  expectNear(actual.smActive?.knownUs ?? 0, expected.smKnownDtUs, `${what} SM known`);
  expectNear(actual.smActive?.value, expected.smActiveDt / expected.smKnownDtUs, `${what} SM`);
  expectNear(actual.energy.counter?.value, expected.energyJoules, `${what} energy`);
  expectNear(actual.energy.power?.value, expected.powerJoules, `${what} power integral`);
}

describe('a job report', () => {
  test('states the true figures of every run of every job', async () => {
    expect(truth.jobs).toHaveLength(42);
    const jobs = scenario.jobsBetween(startUs, endUs);
    for (const job of truth.jobs) {
      const { jobId, run } = job.job;
      const figures = await jobFigures(db, [lane], jobId, { run, nowUs: endUs });
      expectJob(figures, job);
      const played = jobs.find((one) => one.jobId === jobId && one.run === run)!;
      expect(wrongCauses(figures, scenario, played, false)).toEqual([]);
    }
  });

  test('says the same of where the time went from minutes, and samples where these tell more', async () => {
    const asked = { where: db.where, exec: db.exec.bind(db), samplesMax: 2000 };
    const long = scenario
      .jobsBetween(startUs, endUs)
      .filter((job) => job.endUs - job.startUs > LONG_US && job.devices.every(({ share }) => share === 1));
    for (const [, [job]] of Map.groupBy(long, ({ shape }) => shape)) {
      const figures = await jobFigures(asked, [lane], job!.jobId, { run: job!.run, nowUs: endUs });
      expect(figures.causes).toMatchObject({ origin: 'minutes' });
      expect(wrongCauses(figures, scenario, job!, true)).toEqual([]);
    }
  });

  test('is about the newest run unless another is asked for, and says that there are others', async () => {
    const newest = await jobFigures(db, [lane], '4214', { nowUs: endUs });
    expect([newest.job.run, newest.job.otherRuns]).toEqual([1, [0]]);
  });
});

describe('a capacity report', () => {
  const expectFigures = (figures: CapacityFigures, by: Grouping): void => {
    const groups = figures.rows.filter(({ kind }) => kind === 'group');
    expect(groups.map(({ name }) => name ?? '').sort()).toEqual(truth.groups[by].map(({ group }) => group));
    for (const expected of truth.groups[by]) {
      const row = groups.find(({ name = '' }) => name === expected.group)!;
      expectSums(row, expected, `${by} ${expected.group}`);
      expect(row.jobs, `jobs of ${expected.group}`).toBe(expected.jobs);
    }
    const unowned = figures.rows.find(({ kind }) => kind === 'unowned')!;
    expect(unowned.attributedUs).toBe(truth.unowned.dtUs);
    expectNear(unowned.energy.counter?.value, truth.unowned.energyJoules, 'unowned energy');
    const free = figures.rows.find(({ kind }) => kind === 'unattributed');
    expectNear(free?.attributedUs ?? 0, truth.unattributedDtUs, 'free shares');
    expect(figures.samples).toBe(truth.all.samples);
    expect(figures.sampledUs).toBe(truth.all.dtUs);
    expectNear(figures.all.energy.counter?.value, truth.all.energyJoules, 'all energy');
    // Of owned time only: nobody can be told to do something about the rest.
    const ownedIdleUs = truth.groups[by].reduce((sum, { idleDtUs }) => sum + idleDtUs, 0);
    expectNear(figures.all.idle?.value, ownedIdleUs, 'idle of owned time');
    expect(figures.all.jobs).toBe(41);
    const total = figures.rows.reduce((sum, row) => sum + row.attributedUs, 0);
    expect(total).toBe(truth.all.dtUs);
  };

  test.each(Object.keys(GROUPINGS) as Grouping[])(
    'states the true sums by %s from the minutes',
    async (by) => {
      const figures = await capacityFigures(db, [lane], { fromUs: startUs, toUs: endUs, by });
      expect(figures.roundedTo).toBe('minute');
      expectFigures(figures, by);
    },
  );

  test('states of each node how much of it nobody owned', async () => {
    const { rows } = await capacityFigures(db, [lane], { fromUs: startUs, toUs: endUs, by: 'node' });
    const unownedUs = new Map<string, number>();
    for (const { node, unowned } of truth.devices)
      unownedUs.set(node, (unownedUs.get(node) ?? 0) + unowned.dtUs);
    for (const [node, us] of unownedUs) expect(rows.find(({ name }) => name === node)?.unownedUs).toBe(us);
  });

  test('states the same from the hours', async () => {
    const figures = await capacityFigures(db, [lane], {
      fromUs: endUs - 72 * HOUR_US,
      toUs: endUs,
      by: 'account',
    });
    expect(figures.roundedTo).toBe('hour');
    expectFigures(figures, 'account');
  });

  test('coverage is sampled time over the time in which the devices were known', async () => {
    const figures = await capacityFigures(db, [lane], { fromUs: startUs, toUs: endUs, by: 'node' });
    expect([figures.devices, figures.nodes, figures.isSynthetic]).toEqual([16, 2, true]);
    // Up to the last sample, a second before the window's end.
    expect(figures.knownUs).toBe(16 * (6 * HOUR_US - lane.intervalMs * 1000));
  });
});

test('samples, minutes, hours and ownership agree on whose every microsecond was', async () => {
  const byJob = async (
    table: string,
    rise = 'energy_rise_joules',
  ): Promise<Map<string, { dtUs: number; joules: number }>> => {
    const sums = `sum(dt_us) AS dt_us, sum(${rise}) AS joules`;
    const rows = await ask(db, `SELECT job_id, owners, ${sums} FROM ${table} GROUP BY job_id, owners`);
    return new Map(
      rows.map((row) => [
        `${row.text('job_id') ?? ''} ${row.number('owners')}`,
        { dtUs: row.number('dt_us')!, joules: row.number('joules') ?? NaN },
      ]),
    );
  };
  const isSeen = 'dt_us > 0 AND energy_rise_dt_us > 0';
  const label = await byJob(lane.table, `CASE WHEN ${isSeen} THEN energy_rise_joules END`);
  for (const view of [`${lane.table}_1m`, `${lane.table}_1h`]) {
    const rollup = await byJob(view);
    expect([...rollup.keys()].sort()).toEqual([...label.keys()].sort());
    for (const [key, { dtUs, joules }] of label) {
      expect(rollup.get(key)!.dtUs, `${view} ${key}`).toBe(dtUs);
      expectNear(rollup.get(key)!.joules, joules, `${view} ${key}`);
    }
  }
  const owned = await ask(
    db,
    `SELECT o.job_id AS job_id, sum(s.dt_us) AS dt_us FROM ${lane.table} s JOIN gpu_ownership o ON s.gpu = o.gpu` +
      ' WHERE s.ts > o.ts AND s.ts <= o.end_ts AND s.owners = 1 GROUP BY job_id',
  );
  for (const row of owned) expect(label.get(`${row.text('job_id')} 1`)?.dtUs).toBe(row.number('dt_us'));
  expect(owned.length).toBe([...label.keys()].filter((key) => key.endsWith(' 1')).length);
});
