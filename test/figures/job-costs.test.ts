/**
 * Goal: what a job costs is its owned time by part and slices × the price of each model, and the energy that is known × PUE × price and
 * grams of its hour; what has no price, no energy or no grams is told. Method: three hours of a small fleet in a real QuestDB,
 * against numbers made by hand and a loop over the same rows.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { jobReport } from '../../schemas/reports/job-report.ts';
import { configuredCosts } from '../../src/config/cost-rates.ts';
import { OperatingError } from '../../src/core/base/errors.ts';
import type { CostRates } from '../../src/core/costs/costs.ts';
import type { JobFigures } from '../../src/figures/job/figures.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { jobCsv } from '../../src/report/csv.ts';
import { renderJobReport } from '../../src/report/job-text.ts';
import { jobJson } from '../../src/report/json.ts';
import { cutLane, loadCutFleet, type FleetDevice } from '../helpers/cut-fleet.ts';
import { insertRows } from '../helpers/insert-rows.ts';

const SECOND = 1e6;
const STEP_S = 20;
const TICKS = 3 * 180;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const T0 = Date.UTC(2023, 2, 8, 9) * 1000;
const SET = 4_611_686_018_516;
const HOSTILE = "NVIDIA L40S'; DROP\u001B[31m";
const lane = cutLane('jobbills', STEP_S * 1000);

/** J in a step: another power in each hour. */
function joulesAt(tick: number): number {
  return (300 + 100 * Math.floor((tick * STEP_S) / 3600)) * STEP_S;
}

/** From minute 30 to 150 of the fleet's time. */
const isInJob = (tick: number): boolean => tick > 30 * 3 && tick <= 150 * 3;

function whole(uuid: string, model: string, jobId: string, isMeasured = true): FleetDevice {
  return {
    uuid,
    model,
    at: (tick) => ({
      ...(isInJob(tick) ? { owners: 1, jobId } : { owners: 0 }),
      sm: 0.5,
      ...(isMeasured ? { watts: joulesAt(tick) / STEP_S, joules: joulesAt(tick) } : {}),
    }),
  };
}

const devices: FleetDevice[] = [
  whole('GPU-bill-0', 'NVIDIA H200', 'paid'),
  whole('GPU-bill-1', HOSTILE, 'paid'),
  whole('GPU-bill-2', 'NVIDIA H200', 'dark', false),
  {
    uuid: 'GPU-bill-3',
    model: 'NVIDIA A100-SXM4-80GB',
    at: (tick) => ({ owners: 2, ownerSet: SET, sm: 0.5, watts: 200, joules: joulesAt(tick) }),
  },
  {
    uuid: 'GPU-bill-cut',
    model: 'NVIDIA H200',
    at: (tick) => ({ owners: undefined, watts: 300, joules: joulesAt(tick) }),
  },
  {
    uuid: 'MIG-bill-3',
    model: 'NVIDIA H200 MIG 3g.71gb',
    parent: 'GPU-bill-cut',
    profile: '3g.71gb',
    at: (tick) => (isInJob(tick) ? { owners: 1, jobId: 'slice', sm: 0.5 } : { owners: 0, sm: 0 }),
  },
];

const RATES: CostRates = {
  currency: 'EUR',
  gpuHour: {
    models: new Map([
      ['NVIDIA H200', 3.2],
      ['NVIDIA A100', 1],
    ]),
    others: undefined,
  },
  rgu: { models: new Map([['NVIDIA H200', 14]]), others: 2 },
  kwhPrice: 0.25,
  pue: 1.5,
  gramsPerKwh: 100,
};
const HOURLY: CostRates = {
  ...RATES,
  gramsPerKwh: new Map([
    [T0, 100],
    [T0 + HOUR, 400],
  ]),
};

let db: QuestDb;
beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  await loadCutFleet(db, {
    lane,
    node: 'n-bill',
    startUs: T0,
    ticks: TICKS,
    devices,
    sets: [
      { ownerSet: SET, gpu: 'GPU-bill-3', jobId: 'quarter', part: 0.25 },
      { ownerSet: SET, gpu: 'GPU-bill-3', jobId: 'rest', part: 0.75 },
    ],
  });
  const stays = [
    ['paid', 'GPU-bill-0', 30, 150, 1],
    ['paid', 'GPU-bill-1', 30, 150, 1],
    ['dark', 'GPU-bill-2', 30, 150, 1],
    ['quarter', 'GPU-bill-3', 0, 180, 0.25],
    ['rest', 'GPU-bill-3', 0, 180, 0.75],
    ['slice', 'MIG-bill-3', 30, 150, 1],
  ] as const;
  await insertRows(
    db,
    'gpu_ownership',
    stays.map(([job, gpu, from, to, share]) => ({
      ts: T0 + from * MINUTE,
      end_ts: T0 + to * MINUTE,
      node: 'n-bill',
      gpu,
      job_id: job,
      run: 0,
      share,
      source: 'test',
    })),
  );
});
const directory = mkdtempSync(join(tmpdir(), 'gpuledger-costs-'));
afterAll(async () => {
  await db.close();
  rmSync(directory, { recursive: true });
});

async function report(jobId: string, costs: CostRates | undefined = RATES): Promise<JobFigures> {
  return await jobFigures(db, [lane], jobId, { nowUs: T0 + 5 * HOUR, costs });
}

function textOf(figures: JobFigures): string {
  return renderJobReport(figures, { width: 100, isColored: false });
}

/** kWh of the hours of a whole GPU in the jobs' time. */
function kwhByHour(): number[] {
  const hours = [0, 0, 0];
  for (let tick = 1; tick <= TICKS; tick += 1)
    if (isInJob(tick)) hours[Math.floor((tick * STEP_S) / 3600)]! += joulesAt(tick) / 3.6e6;
  return hours;
}
const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);

test('a job of two models pays for the one that has a price, and is told of the other', async () => {
  const figures = await report('paid');
  const { gpuHours, rguHours, energy, carbon } = figures.costs!.all;
  expect(gpuHours).toEqual({ value: expect.closeTo(2 * 3.2, 9) as number, covered: 2 * HOUR, of: 4 * HOUR });
  expect(rguHours).toEqual({
    value: expect.closeTo(2 * 14 + 2 * 2, 9) as number,
    covered: 4 * HOUR,
    of: 4 * HOUR,
  });
  const kwh = 2 * sum(kwhByHour());
  expect(energy!.value! / (kwh * 1.5 * 0.25)).toBeCloseTo(1, 9);
  expect(energy!.covered).toBe(4 * HOUR);
  expect(carbon!.value! / (kwh * 1.5 * 100)).toBeCloseTo(1, 9);
  const text = textOf(figures);
  expect(text).toContain("cost 6.40 EUR for 2 of 4 GPU-hours (not priced: NVIDIA L40S'; DROP");
  expect(text).not.toContain('\u001B');
  expect(text).toContain('32 RGU-hours for 4 GPU-hours');
  expect(text).toMatch(/energy cost 0\.60 EUR · 0\.24 kg CO2e \(with PUE 1\.5\)/);
});

test('devices add up to the job', async () => {
  const { costs } = await report('paid');
  for (const key of ['gpuHours', 'rguHours', 'energy', 'carbon'] as const) {
    const own = [...costs!.devices.values()].map((device) => device[key]!);
    for (const part of ['covered', 'of'] as const)
      expect(sum(own.map((amount) => amount[part])) / costs!.all[key]![part]).toBeCloseTo(1, 9);
    expect(sum(own.map(({ value }) => value ?? 0)) / costs!.all[key]!.value!).toBeCloseTo(1, 9);
  }
});

test('energy that nobody measured is not free', async () => {
  const figures = await report('dark');
  expect(figures.costs!.all.energy).toEqual({ value: undefined, covered: 0, of: 2 * HOUR });
  expect(figures.costs!.all.carbon).toEqual({ value: undefined, covered: 0, of: 0 });
  const text = textOf(figures);
  expect(text).toContain('cost 6.40 EUR for 2 GPU-hours');
  expect(text).not.toContain('energy cost');
});

test('a part of a shared device is paid for by that part', async () => {
  const [quarter, rest] = [await report('quarter'), await report('rest')];
  expect(quarter.costs!.all.gpuHours!.value).toBeCloseTo(0.75, 9);
  expect(rest.costs!.all.gpuHours!.value).toBeCloseTo(2.25, 9);
});

test('an instance pays its slices of the price of its GPU, and its part of the energy in its hour', async () => {
  const figures = await report('slice', HOURLY);
  const { gpuHours, energy, carbon } = figures.costs!.all;
  expect(gpuHours!.value! / ((2 * 3 * 3.2) / 7)).toBeCloseTo(1, 6);
  const kwh = figures.all.energy.best!.value / 3.6e6;
  expect(energy!.value! / (kwh * 1.5 * 0.25)).toBeCloseTo(1, 9);
  expect(carbon!.of / 3.6e6).toBeCloseTo(kwh, 9);
  expect(carbon!.covered).toBeGreaterThan(0.3 * carbon!.of);
  expect(carbon!.covered).toBeLessThan(0.9 * carbon!.of);
});

describe('grams by the hour', () => {
  test('count for what was drawn in that hour; an hour without any is named', async () => {
    const figures = await report('paid', HOURLY);
    const [first, second, third] = kwhByHour() as [number, number, number];
    const { carbon } = figures.costs!.all;
    expect(carbon!.value! / (2 * 1.5 * (first * 100 + second * 400))).toBeCloseTo(1, 9);
    expect(carbon!.covered / (2 * (first + second) * 3.6e6)).toBeCloseTo(1, 9);
    expect(carbon!.of / (2 * (first + second + third) * 3.6e6)).toBeCloseTo(1, 9);
    expect(figures.costs!.missingHoursUs).toEqual([T0 + 2 * HOUR]);
    expect(textOf(figures)).toMatch(
      /CO2e is of [\d.]+.kWh of [\d.]+.kWh: costs\.grams_file has no value of 1 hour, the first 2023-03-08\s+11:00:00 UTC/,
    );
  });

  test('are the same of the rollups, when the samples are gone', async () => {
    const before = await report('paid', HOURLY);
    await db.exec("ALTER TABLE gpu_jobbills DROP PARTITION LIST '2023-03-08'");
    await waitForVisible(db, lane.table);
    const after = await report('paid', HOURLY);
    expect(after.origin).toBe('rollups');
    for (const part of ['value', 'covered', 'of'] as const)
      expect(after.costs!.all.carbon![part]! / before.costs!.all.carbon![part]!).toBeCloseTo(1, 9);
  });
});

test('JSON and CSV have what is configured, and nothing else', async () => {
  const figures = await report('paid', HOURLY);
  const json = jobReport.parse(JSON.parse(jobJson(figures)));
  expect(json.costs).toMatchObject({ gpuCostUs: 2 * HOUR, ofUs: 4 * HOUR, energyCostUs: 4 * HOUR });
  expect(json.costs!.gpuCost).toBeCloseTo(6.4, 9);
  expect(json.costRates).toEqual({
    currency: 'EUR',
    gpuHour: { models: { 'NVIDIA H200': 3.2, 'NVIDIA A100': 1 } },
    kwhPrice: 0.25,
    pue: 1.5,
    isGramsByHour: true,
    missingHoursUs: [T0 + 2 * HOUR],
    rgu: { models: { 'NVIDIA H200': 14 }, others: 2 },
  });
  expect(json.devices.map(({ costs }) => costs!.gpuCost === undefined)).toEqual([false, true]);
  const [header, row] = jobCsv(figures)
    .split('\n')
    .map((line) => line.split(','));
  const cell = (name: string): string => row![header!.indexOf(name)]!;
  expect(Number(cell('gpu_cost'))).toBeCloseTo(6.4, 9);
  expect([cell('gpu_cost_us'), cell('currency')]).toEqual([String(2 * HOUR), 'EUR']);
  const some = await report('paid', {
    ...RATES,
    rgu: undefined,
    gramsPerKwh: undefined,
    kwhPrice: undefined,
  });
  expect(Object.keys(some.costs!.all)).toEqual(['gpuHours']);
  expect(jobCsv(some).split('\n')[0]).toMatch(/gpu_cost,gpu_cost_us,currency$/);
});

test('where nothing is configured nothing is told', async () => {
  const figures = await jobFigures(db, [lane], 'paid', { nowUs: T0 + 5 * HOUR });
  expect(figures.costs).toBeUndefined();
  expect(jobJson(figures)).not.toMatch(/cost/i);
  expect(jobCsv(figures)).not.toMatch(/cost|currency/);
  expect(textOf(figures)).not.toMatch(/cost|CO2e|RGU/);
});

describe('the file of grams', () => {
  const config = (gramsFile: string) => ({ costs: { gramsFile } }) as const;

  test('is read when a report asks, with what was refused of it', () => {
    const file = join(directory, 'grams.csv');
    writeFileSync(file, 'ts,grams\n2023-03-08T09:00Z,100\n2023-03-08T10:00Z,much\n');
    const { rates, refused } = configuredCosts(config(file))!;
    expect(rates.gramsPerKwh).toEqual(new Map([[T0, 100]]));
    expect(refused).toEqual([{ line: 3, why: 'grams is no number of 0 or more' }]);
  });

  test.each(['/nowhere/grams.csv', directory])('that cannot be read is refused with 78: %s', (file) => {
    const read = (): unknown => configuredCosts(config(file));
    expect(read).toThrow(OperatingError);
    expect(read).toThrow(expect.objectContaining({ code: 'costs.grams_file', exit: 'config' }));
  });

  test('nothing is configured by a currency or a PUE alone', () => {
    expect(configuredCosts({ costs: { currency: 'EUR', pue: 1.3 } })).toBeUndefined();
  });
});
