/**
 * Goal: a table of many jobs holds those that were there in its window and are as was asked for, each with the figures of its own
 * report; its last row is their sum; and what people wrote into names is only text. Method: an hour of five devices in a real QuestDB.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CostRates } from '../../src/core/costs/costs.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { OwnedFigures } from '../../src/figures/job/figures.ts';
import { jobsFigures, type JobsQueryOptions } from '../../src/figures/job/jobs.ts';
import type { JobsFigures } from '../../src/figures/job/jobs-figures.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { jobsCsv } from '../../src/report/csv.ts';
import { jobsReport } from '../../schemas/reports/jobs-report.ts';
import { jobsJson } from '../../src/report/json.ts';
import { renderJobsReport } from '../../src/report/jobs-text.ts';
import { insertRows, type Row } from '../helpers/insert-rows.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';

const SECOND = 1e6;
const T0 = Date.UTC(2026, 3, 7, 8) * 1000;
const at = (second: number): number => T0 + second * SECOND;
const HOSTILE = "x'; DROP TABLE jobs; --\u202e";
const SET = '7300000000000000001';
const lane: Lane = {
  name: 'manyjobs',
  table: 'gpu_manyjobs',
  schedule: 'continuous',
  intervalMs: 1000,
  fields: [1002, 155, 156].map((id) => findField(id)!),
  capacityTicks: 100,
};

interface Stay {
  readonly job: string;
  readonly gpu: string;
  readonly from: number;
  readonly to: number | undefined;
  readonly run?: number;
  readonly share?: number;
}

const STAYS: readonly Stay[] = [
  { job: '88001', gpu: 'M0', from: 0, to: 3600 },
  { job: '88001', gpu: 'M1', from: 0, to: 3600 },
  { job: '88002', gpu: 'M2', from: 0, to: 1000, run: 0 },
  { job: '88002', gpu: 'M2', from: 1010, to: 2000, run: 1 },
  { job: '88003', gpu: 'M3', from: 0, to: 3000, share: 0.25 },
  { job: '88004', gpu: 'M3', from: 0, to: 3000, share: 0.75 },
  { job: '88005', gpu: 'M4', from: 600, to: undefined },
  { job: '88006', gpu: 'M2', from: 2400, to: 3600 },
];
/** Days before and after the others: an id that is given again, to somebody else. */
const AGAIN = [
  { user: 'ada', from: -90_000 },
  { user: 'bob', from: 90_000 },
];

const TOLD: readonly Readonly<Record<string, unknown>>[] = [
  { job_id: '88001', ts: at(0), end_ts: at(3600), user: 'ada', account: 'physics', name: 'train-llm' },
  { job_id: '88002', ts: at(0), end_ts: at(1000), run: 0, user: 'ada', state: 'REQUEUED', qos: 'low' },
  // The second run's account is known of the job alone.
  { job_id: '88002', ts: at(1010), end_ts: at(2000), run: 1, state: 'FAILED', exit_code: 1, user: 'ada' },
  { job_id: '88003', ts: at(0), end_ts: at(3000), user: 'bob', array_job_id: '88000', array_task_id: '3' },
  { job_id: '88004', ts: at(0), end_ts: at(3000), user: HOSTILE, account: HOSTILE, name: HOSTILE },
  // Two told of it, each a part.
  { job_id: '88005', ts: at(600), user: 'bob', account: 'chemistry' },
  { job_id: '88005', ts: at(601), partition: 'gpu', name: 'serve' },
];

/** Of its own: jobs of other tests that never end would be in the table, too. */
let server: TestQuestdb;
let db: QuestDb;

async function writeSamples(): Promise<void> {
  const owner = STAYS.filter(({ share }) => share === undefined)
    .map(({ job, gpu, from, to = 1e9 }) => `WHEN g = '${gpu}' AND k > ${from} AND k <= ${to} THEN '${job}'`)
    .join(' ');
  const isShared = "g = 'M3' AND k <= 3000";
  await db.exec(
    'INSERT INTO gpu_manyjobs (ts, node, gpu, job_id, owners, owner_set, dt_us, sm_active_ratio, power_watts, energy_rise_joules, energy_rise_dt_us)' +
      ` SELECT cast(${T0} + k * 1000000 AS TIMESTAMP), 'n1', g, j, CASE WHEN ${isShared} THEN 2 WHEN j IS NULL THEN 0 ELSE 1 END,` +
      ` CASE WHEN ${isShared} THEN ${SET} END, 1000000, CASE WHEN g = 'M1' THEN 0.0 ELSE (k % 64) / 64.0 END, 100, 128, 1000000` +
      ` FROM (SELECT k, g, CASE ${owner} END AS j FROM (SELECT (x - 1) / 5 + 1 AS k, concat('M', (x - 1) % 5) AS g FROM long_sequence(18000)))`,
  );
}

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  await writeSamples();
  await insertRows(
    db,
    'gpu_ownership',
    STAYS.map(({ job, gpu, from, to, run = 0, share }) => ({
      ...{ ts: at(from), end_ts: to === undefined ? undefined : at(to), job_id: job, gpu, run, share },
      ...{ node: 'n1', source: 'test', cluster: 'atlas' },
    })),
  );
  for (const { user, from } of AGAIN) {
    const stay = { ts: at(from), end_ts: at(from + 600), job_id: '88009', run: 0, cluster: 'atlas' };
    await insertRows(db, 'gpu_ownership', [{ ...stay, gpu: 'M4', node: 'n1', source: 'test' }]);
    await insertRows(db, 'jobs', [{ ...stay, user, state: 'COMPLETED' }]);
  }
  await insertRows(
    db,
    'jobs',
    TOLD.map((row) => ({ run: 0, state: 'COMPLETED', cluster: 'atlas', ...row })),
  );
  await insertRows(db, 'gpu_inventory', [
    ...['M0', 'M1', 'M3'].map((gpu) => ({ ts: T0, node: 'n1', gpu, model: 'NVIDIA H200', source: 'test' })),
    { ts: T0, node: 'n1', gpu: 'M2', model: 'NVIDIA L40S', source: 'test' },
  ]);
  const set = { ts: at(0), gpu: 'M3', owner_set: SET, sharing: 'stated', scaled: 0 };
  await insertRows(db, 'gpu_owner_sets', [
    { ...set, job_id: '88003', part: 0.25 },
    { ...set, job_id: '88004', part: 0.75 },
  ]);
  for (const table of [lane.table, 'jobs', 'gpu_ownership', 'gpu_owner_sets'])
    await waitForVisible(db, table);
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

async function jobs(options: Partial<JobsQueryOptions> = {}): Promise<JobsFigures> {
  const all = { fromUs: T0, toUs: at(3600), filters: {}, order: 'start', nowUs: at(3600) } as const;
  return await jobsFigures(db, [lane], { ...all, ...options });
}

const idsOf = ({ rows }: JobsFigures): string[] => rows.map(({ jobId, run }) => `${jobId}/${run}`).sort();

const amounts = ({
  samples,
  sampledUs,
  attributedUs,
  ownedUs,
  idle,
  used,
  energy,
}: OwnedFigures): unknown => [
  ...[samples, sampledUs, attributedUs, ownedUs, idle?.value, idle?.knownUs, used?.value],
  ...[energy.counter?.value, energy.power?.value, energy.best?.value, energy.best?.knownUs],
];

test('each job has the figures of its own report, and all of them are the sum', async () => {
  const figures = await jobs();
  expect(idsOf(figures)).toEqual([
    ...['88001/0', '88002/0', '88002/1', '88003/0', '88004/0', '88005/0', '88006/0'],
  ]);
  expect(figures.jobs).toBe(6);
  for (const row of figures.rows) {
    const own = await jobFigures(db, [lane], row.jobId, { run: row.run, nowUs: at(3600) });
    expect(amounts(row), row.jobId).toEqual(amounts(own.all));
  }
  const sum = (of: (row: OwnedFigures) => number): number =>
    figures.rows.reduce((total, row) => total + of(row), 0);
  expect(figures.all!.attributedUs).toBe(sum(({ attributedUs }) => attributedUs));
  expect(figures.all!.ownedUs).toBe(sum(({ ownedUs }) => ownedUs));
  expect(figures.all!.energy.best!.value).toBe(sum(({ energy }) => energy.best!.value));
  expect(figures.all!.devices).toBe(5);
  const array = figures.rows.find(({ jobId }) => jobId === '88003')!;
  expect([array.typedId, array.command]).toEqual(['88000_3', 'gpuledger report job 88000_3']);
});

test('the command of a run that was requeued shows that one, and not the newest', async () => {
  const runs = (await jobs()).rows.filter(({ jobId }) => jobId === '88002');
  expect(runs.map(({ run, command }) => [run, command])).toEqual([
    [1, 'gpuledger report job 88002'],
    [0, 'gpuledger report job 88002 --run 0'],
  ]);
});

test('the command of a job whose id was given again, to whomever and whenever, shows that job', async () => {
  const { rows } = await jobs({ fromUs: at(-90_000), toUs: at(-89_000), filters: { user: 'ada' } });
  expect(rows.map(({ command }) => command)).toEqual([
    'gpuledger report job 88009 --cluster atlas --submitted 2026-04-06T07:00:00Z',
  ]);
});

describe('which jobs', () => {
  test.each([
    { filters: { user: 'ada' }, are: ['88001/0', '88002/0', '88002/1'] },
    { filters: { user: 'ada', state: 'failed' }, are: ['88002/1'] },
    { filters: { qos: 'low' }, are: ['88002/0', '88002/1'] },
    { filters: { account: 'chemistry', partition: 'gpu' }, are: ['88005/0'] },
    { filters: { name: 'llm' }, are: ['88001/0'] },
    { filters: { user: HOSTILE, account: HOSTILE, name: HOSTILE }, are: ['88004/0'] },
    { filters: { user: 'ADA' }, are: [] },
    { filters: { user: 'ada', account: 'chemistry' }, are: [] },
    { filters: { cluster: 'atlas', user: 'bob' }, are: ['88003/0', '88005/0'] },
    { filters: { cluster: 'elsewhere' }, are: [] },
    { filters: { state: 'RUNNING' }, are: [] },
  ])('$filters', async ({ filters, are }) => {
    expect(idsOf(await jobs({ filters }))).toEqual(are);
  });

  test.each([
    { fromUs: at(2000), toUs: at(2400), are: ['88001/0', '88003/0', '88004/0', '88005/0'] },
    { fromUs: at(3600), toUs: at(3700), are: ['88005/0'] },
    // A job's other run is none of the window.
    { fromUs: at(1500), toUs: at(2400), are: ['88001/0', '88002/1', '88003/0', '88004/0', '88005/0'] },
    { fromUs: at(0), toUs: at(500), are: ['88001/0', '88002/0', '88003/0', '88004/0'] },
    { fromUs: at(-100), toUs: at(0), are: [] },
    { fromUs: at(1000), toUs: at(1010), are: ['88001/0', '88003/0', '88004/0', '88005/0'] },
  ])('from $fromUs to $toUs, whole', async ({ fromUs, toUs, are }) => {
    const figures = await jobs({ fromUs, toUs, nowUs: at(3700) });
    expect(idsOf(figures)).toEqual(are);
    const whole = figures.rows.find(({ jobId }) => jobId === '88001');
    if (whole !== undefined) expect(whole.ownedUs).toBe(7200 * SECOND);
  });
});

test.each([
  { order: 'wasted', first: '88001' },
  { order: 'idle', first: '88001' },
  { order: 'energy', first: '88001' },
  { order: 'gpu-hours', first: '88001' },
  { order: 'start', first: '88006' },
] as const)('by $order the first is $first', async ({ order, first }) => {
  const { rows } = await jobs({ order });
  expect(rows[0]!.jobId).toBe(first);
});

test('as text, JSON and CSV', async () => {
  const figures = await jobs({ order: 'wasted' });
  const text = renderJobsReport(figures, { width: 160, isColored: false });
  expect(text.split('\n')[0]).toBe(
    'Jobs · 2026-04-07 08:00:00 → 09:00:00 UTC · 6 jobs in 7 runs · 5.39 GPU-hours',
  );
  expect(text).toContain('88000_3');
  expect(text).not.toContain('\u202e');
  for (const line of renderJobsReport(figures, { width: 80, isColored: false }).split('\n'))
    expect(line.length).toBeLessThanOrEqual(80);
  const json = jobsReport.parse(JSON.parse(jobsJson(figures)));
  expect(json.rows).toHaveLength(7);
  expect(json.rows[0]).toMatchObject({ jobId: '88001', user: 'ada', ownedUs: 7200 * SECOND });
  const csv = jobsCsv(figures).trimEnd().split('\n');
  expect(csv).toHaveLength(9);
  expect(csv.at(-1)).toMatch(/^2026-04-07T08:00:00\.000000Z,[^,]+,all,/);
  const none = await jobs({ filters: { user: 'nobody' } });
  expect(renderJobsReport(none, { width: 100, isColored: false })).toBe(
    'Jobs · 2026-04-07 08:00:00 → 09:00:00 UTC · user nobody · 0 jobs\n  no job was there then that is like that\n',
  );
  expect(jobsCsv(none)).toBe(`${csv[0]!}\n`);
});

describe('costs', () => {
  const costs: CostRates = {
    currency: 'EUR',
    gpuHour: { models: new Map([['NVIDIA H200', 3]]), others: undefined },
    rgu: { models: new Map(), others: 2 },
    kwhPrice: 0.5,
    pue: 1.2,
    gramsPerKwh: 90,
  };

  test('of each job are those of its own report, and all of them their sum', async () => {
    const { rows, all } = await jobs({ costs });
    for (const row of rows) {
      const own = await jobFigures(db, [lane], row.jobId, { run: row.run, nowUs: at(3600), costs });
      expect(row.costs, row.jobId).toEqual(own.costs!.all);
    }
    const valueOf = (id: string): number | undefined =>
      rows.find(({ jobId }) => jobId === id)!.costs!.gpuHours!.value;
    // Two GPUs for an hour; a quarter and three quarters of one for 50 minutes; models without a price, and that nobody told.
    expect([valueOf('88001'), valueOf('88006'), valueOf('88005')]).toEqual([6, undefined, undefined]);
    expect(valueOf('88003')).toBeCloseTo((3 * 50) / 60 / 4, 9);
    expect(valueOf('88004')).toBeCloseTo((3 * 50 * 3) / 60 / 4, 9);
    expect(all!.costs!.gpuHours!.value).toBeCloseTo(6 + (3 * 50) / 60, 9);
    expect(all!.costs!.gpuHours!.covered).toBe(10_200 * SECOND);
    expect(all!.costs!.gpuHours!.of).toBe((7200 + 1000 + 990 + 1200 + 3000 + 3000) * SECOND);
    expect(all!.costs!.energy!.value).toBeCloseTo((all!.energy.best!.value / 3.6e6) * 1.2 * 0.5, 9);
  });

  test('are columns, keys and an order', async () => {
    const figures = await jobs({ costs, order: 'cost' });
    expect(figures.rows.slice(0, 3).map(({ jobId }) => jobId)).toEqual(['88001', '88004', '88003']);
    const text = renderJobsReport(figures, { width: 200, isColored: false });
    expect(text).toMatch(/GPU-hours +cost +energy cost +CO2e +RGU-hours +idle/);
    expect(text).toMatch(/88001 .* 6\.00.EUR /);
    expect(text).toMatch(/88006 .* – +0\.03.EUR /);
    expect(text).toContain('cost is of 2.83 of 4.55 GPU-hours: the rest is not priced (costs.gpu_hour).');
    expect(text).toContain('energy cost and CO2e: with PUE 1.2, of the energy that is known.');
    const json = jobsReport.parse(JSON.parse(jobsJson(figures)));
    expect(json.rows[0]!.costs).toMatchObject({ gpuCost: 6, gpuCostUs: 7200 * SECOND });
    expect(json.costRates).toMatchObject({ currency: 'EUR', gramsPerKwh: 90 });
    expect(jobsCsv(figures).split('\n')[0]).toMatch(
      /energy_kwh,gpu_cost,gpu_cost_us,energy_cost,energy_cost_us,currency,co2e_grams,co2e_joules,rgu_hours,rgu_us,findings$/,
    );
  });

  test('by the hour are told of a single job alone', async () => {
    const hourly = await jobs({ costs: { ...costs, gramsPerKwh: new Map([[T0, 100]]) } });
    expect(hourly.all!.costs).not.toHaveProperty('carbon');
    const text = renderJobsReport(hourly, { width: 200, isColored: false });
    expect(text).toContain('CO2e by the hour is told of a single job: gpuledger report job ID.');
    expect(jobsCsv(hourly)).not.toContain('co2e');
  });

  test('are no order where nothing is configured', async () => {
    for (const none of [undefined, { ...costs, gpuHour: undefined, kwhPrice: undefined }])
      await expect(jobs({ order: 'cost', costs: none })).rejects.toMatchObject({
        code: 'report.no_costs',
        exit: 'usage',
      });
    expect(renderJobsReport(await jobs(), { width: 200, isColored: false })).not.toMatch(/cost|CO2e|RGU/);
  });
});

/** What its settled jobs lost, hours by hand: pauses and gaps of one of its devices, and waiting of the other. */
describe('what jobs lost', () => {
  const hours = (count: number): number => count * 3600 * SECOND;
  const row = (job: string, gpu: string, to: number, causes: Readonly<Record<string, number>>): Row => ({
    ...{ ts: at(0), end_ts: at(to), job_id: job, gpu, run: 0, node: 'n1', cluster: 'atlas' },
    ...{ owned_us: to * SECOND, dt_us: to * SECOND, attributed_us: to * SECOND, samples: to, step_count: to },
    ...{
      written_ts: at(4000),
      energy_rise_joules: to * 128,
      energy_rise_dt_us: to * SECOND,
      causes_origin: 'samples',
      causes_cut: 0,
    },
    ...Object.fromEntries(Object.entries(causes).map(([cause, us]) => [`cause_${cause}_us`, us])),
  });

  beforeAll(async () => {
    await insertRows(db, 'job_figures', [
      {
        ...row('88001', 'M0', 3600, { effective: hours(0.5), pause: hours(0.25), gaps: hours(0.25) }),
        findings: 'fed-late,pauses',
      },
      {
        ...row('88001', 'M1', 3600, { effective: hours(0.25), waiting: hours(0.25), not_seen: hours(0.5) }),
        findings: 'fed-late,pauses',
      },
      row('88003', 'M3', 3000, { effective: 0, idle_tail: 700 * SECOND, untold: 50 * SECOND }),
      // Its sums are kept, and nothing was concluded.
      { ...row('88006', 'M2', 3600, {}), ts: at(2400), owned_us: 1200 * SECOND, causes_origin: undefined },
    ]);
  });

  test('is an order, and unknown is last', async () => {
    const figures = await jobs({ order: 'lost' });
    expect(figures.rows.map(({ jobId, lostUs }) => [jobId, lostUs])).toEqual([
      ['88001', hours(0.75)],
      ['88003', 700 * SECOND],
      ...['88006', '88002', '88005', '88004', '88002'].map((jobId) => [jobId, undefined]),
    ]);
    expect(figures.all!.lostUs).toBeUndefined();
  });

  test('nobody makes up causes and findings of which nothing was kept', async () => {
    const { rows } = jobsReport.parse(JSON.parse(jobsJson(await jobs())));
    const told = rows.filter(({ causes, findings }) => causes !== undefined || findings !== undefined);
    expect(told.map(({ jobId }) => jobId).sort()).toEqual(['88001', '88003']);
    // No rule had anything to say: that is told.
    expect(told.find(({ jobId }) => jobId === '88003')!.findings).toEqual([]);
  });

  test('is in text, JSON and CSV', async () => {
    const figures = await jobs({ order: 'lost', filters: { name: 'llm' } });
    const text = renderJobsReport(figures, { width: 200, isColored: false });
    expect(text).toMatch(/wasted +lost +energy/);
    expect(text).toMatch(/^ +88001 .* 0\.75 /m);
    expect(text).toContain('lost: GPU-hours that were seen and not effective');
    const json = jobsReport.parse(JSON.parse(jobsJson(figures)));
    expect([json.rows[0]!.lostUs, json.all!.lostUs]).toEqual([hours(0.75), hours(0.75)]);
    expect(json.rows[0]!.causes).toEqual({
      ...{ effective: hours(0.75), pause: hours(0.25), gaps: hours(0.25), waiting: hours(0.25) },
      notSeen: hours(0.5),
    });
    expect(json.rows[0]!.findings).toEqual(['fed-late', 'pauses']);
    const [header, first] = jobsCsv(figures)
      .split('\n')
      .map((line) => line.split(','));
    const cell = (name: string): string => first![header!.indexOf(name)]!;
    expect([cell('lost_us'), cell('gpu_hours')]).toEqual([String(hours(0.75)), '2']);
    expect(cell('findings')).toBe('fed-late pauses');
    const findingsOf = (csv: string, jobId: string): string | undefined =>
      csv
        .split('\n')
        .find((line) => line.includes(`,${jobId},`))
        ?.split(',')
        .at(-1);
    const csv = jobsCsv(await jobs());
    expect([findingsOf(csv, '88003'), findingsOf(csv, '88006')]).toEqual(['none', '']);
    // 7,200 rises of 128 J.
    expect(Number(cell('energy_kwh'))).toBeCloseTo(0.256, 12);
  });
});
