/**
 * Goal: the invoice is right in every grouping: GPU-hours × price of the model, MIG instances by slices, energy × PUE × price, CO2e by
 * the hour; rows add up to `all`. Method: two days of five devices in a real QuestDB, against a loop over the same rows.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { capacityReport } from '../../schemas/reports/capacity-report.ts';
import type { Costs, CostRates } from '../../src/core/costs/costs.ts';
import { CAPACITY_GROUPINGS, type CapacityFigures } from '../../src/figures/capacity/figures.ts';
import { capacityFigures, type CapacityQueryOptions } from '../../src/figures/capacity/query.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { renderCapacityReport } from '../../src/report/capacity-text.ts';
import { capacityBaseCsv } from '../../src/report/capacity/capacity-csv.ts';
import { capacityJson } from '../../src/report/json.ts';
import { cutLane, loadCutFleet, type FleetDevice } from '../helpers/cut-fleet.ts';
import { insertRows } from '../helpers/insert-rows.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';

const STEP_S = 60;
const HOURS = 30;
const TICKS = HOURS * 60;
const HOUR = 3600e6;
const KWH = 3.6e6;
const PUE = 1.4;
/** The fleet begins in October and ends in November. */
const T0 = Date.UTC(2023, 9, 31, 6) * 1000;
const SET = 4_611_686_018_777;
const lane = cutLane('capbills', STEP_S * 1000);

const jobAt = (gpu: number, tick: number): string | undefined =>
  (tick + gpu * 100) % 600 < 420 ? `inv${gpu}` : undefined;
/** J in a step: another power in each hour. */
const joulesAt = (gpu: number, tick: number): number =>
  (200 + 10 * gpu + 15 * (Math.floor((tick * STEP_S) / 3600) % 11)) * STEP_S;

const WHOLE = [
  ['GPU-inv-0', 'NVIDIA H200', 3.2],
  ['GPU-inv-1', 'NVIDIA A100-SXM4-80GB', 1.1],
  ['GPU-inv-2', "NVIDIA L40S'", undefined],
] as const;
/**
 * Of whole devices the counter of the last stands still, so that its power counts; that of the second in one hour only, which is
 * chosen over the whole window: so that hour has none.
 */
const isStuck = (gpu: number, tick: number): boolean =>
  gpu === 2 || (gpu === 1 && Math.floor((tick * STEP_S) / 3600) === 3);
const drawnAt = (gpu: number, tick: number): number =>
  gpu !== 2 && isStuck(gpu, tick) ? 0 : joulesAt(gpu, tick);
const wholeDevices = WHOLE.map(([uuid, model], gpu): FleetDevice => ({
  uuid,
  model,
  at(tick) {
    const jobId = jobAt(gpu, tick);
    const watts = joulesAt(gpu, tick) / STEP_S;
    return {
      ...(jobId === undefined ? { owners: 0 } : { owners: 1, jobId }),
      ...{ sm: 0.5, watts, joules: isStuck(gpu, tick) ? 0 : joulesAt(gpu, tick) },
    };
  },
}));
const devices: FleetDevice[] = [
  ...wholeDevices,
  {
    uuid: 'GPU-inv-shared',
    model: 'NVIDIA H200',
    at: (tick) => ({ owners: 2, ownerSet: SET, sm: 0.5, watts: 300, joules: joulesAt(3, tick) }),
  },
  {
    uuid: 'GPU-inv-cut',
    model: 'NVIDIA H200',
    at: (tick) => ({ owners: undefined, watts: 300, joules: joulesAt(4, tick) }),
  },
  {
    uuid: 'MIG-inv-3',
    model: 'NVIDIA H200 MIG 3g.71gb',
    parent: 'GPU-inv-cut',
    profile: '3g.71gb',
    at: () => ({ owners: 1, jobId: 'invmig', sm: 0.5 }),
  },
];

const RATES: CostRates = {
  currency: 'EUR',
  gpuHour: {
    models: new Map([
      ['NVIDIA H200', 3.2],
      ['NVIDIA A100', 1.1],
      ['NVIDIA L4', 0.4],
    ]),
    others: undefined,
  },
  rgu: { models: new Map([['NVIDIA H200', 14]]), others: 4 },
  kwhPrice: 0.3,
  pue: PUE,
  gramsPerKwh: 80,
};
const gramsAt = (hour: number): number => 50 + 7 * (hour % 13);
/** Of the sixth hour nothing is known. */
const HOURLY = new Map(
  Array.from({ length: HOURS + 1 }, (_, hour) => hour)
    .filter((hour) => hour !== 6)
    .map((hour) => [T0 + hour * HOUR, gramsAt(hour)]),
);

/** Of its own: jobs and devices of other tests would be in the account, too. */
let server: TestQuestdb;
let db: QuestDb;
beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await loadCutFleet(db, {
    lane,
    node: 'n-inv',
    startUs: T0,
    ticks: TICKS,
    devices,
    sets: [
      { ownerSet: SET, gpu: 'GPU-inv-shared', jobId: 'inv0', part: 0.25 },
      { ownerSet: SET, gpu: 'GPU-inv-shared', jobId: 'inv1', part: 0.75 },
    ],
  });
  const people = [
    ['inv0', 'ada', 'physics'],
    ['inv1', 'bob', 'physics'],
    ['inv2', 'bob', 'chemistry'],
    ['invmig', 'eve', 'chemistry'],
  ] as const;
  await insertRows(
    db,
    'jobs',
    people.map(([job, user, account]) => ({
      ...{ ts: T0 - HOUR, end_ts: T0 + 40 * HOUR, job_id: job, user, account, run: 0 },
      ...{ partition: 'gpu', qos: 'normal', state: 'COMPLETED' },
    })),
  );
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

async function report(options: Partial<CapacityQueryOptions> = {}): Promise<CapacityFigures> {
  const window = { fromUs: T0, toUs: T0 + (HOURS + 1) * HOUR };
  return await capacityFigures(db, [lane], { ...window, by: 'user', costs: RATES, ...options });
}

/** Over the ticks of whole devices: hours and kWh of an owner by price, and g of CO2e of what has any. */
function truthOf(owner: string | undefined): { amount: number; priced: number; kwh: number; grams: number } {
  const truth = { amount: 0, priced: 0, kwh: 0, grams: 0 };
  const add = (price: number | undefined, tick: number, joules: number, part: number): void => {
    const hours = (STEP_S / 3600) * part;
    if (price !== undefined) truth.priced += hours;
    truth.amount += hours * (price ?? 0);
    const kwh = (joules / KWH) * part;
    truth.kwh += kwh;
    const hour = Math.floor((tick * STEP_S) / 3600);
    if (hour !== 6) truth.grams += kwh * PUE * gramsAt(hour);
  };
  for (let tick = 1; tick <= TICKS; tick += 1) {
    for (const [gpu, [, , price]] of WHOLE.entries())
      if (jobAt(gpu, tick) === owner) add(price, tick, drawnAt(gpu, tick), 1);
    if (owner === 'inv0') add(3.2, tick, joulesAt(3, tick), 0.25);
    if (owner === 'inv1') add(3.2, tick, joulesAt(3, tick), 0.75);
  }
  return truth;
}

function near(value: number | undefined, expected: number): void {
  expect(Math.abs(value! - expected)).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(expected)));
}

/** In one line: notes are wrapped. */
function textOf(figures: CapacityFigures): string {
  return renderCapacityReport(figures, { width: 300, isColored: false }).replaceAll(/\s+/g, ' ');
}

const KEYS = ['gpuHours', 'rguHours', 'energy', 'carbon'] as const;

function expectSum(rows: readonly (Costs | undefined)[], all: Costs): void {
  for (const key of KEYS)
    for (const part of ['value', 'covered', 'of'] as const)
      near(
        rows.reduce((sum, row) => sum + (row?.[key]?.[part] ?? 0), 0),
        all[key]![part]!,
      );
}

const costsOf = ({ rows }: CapacityFigures, name: string): Costs =>
  rows.find((row) => row.name === name)!.costs!;

describe('the invoice', () => {
  test('of each user is GPU-hours × price and kWh × PUE × price', async () => {
    const figures = await report();
    const ada = truthOf('inv0');
    near(costsOf(figures, 'ada').gpuHours!.value, ada.amount);
    near(costsOf(figures, 'ada').gpuHours!.covered / HOUR, ada.priced);
    near(costsOf(figures, 'ada').energy!.value, ada.kwh * PUE * 0.3);
    near(costsOf(figures, 'ada').carbon!.value, ada.kwh * PUE * 80);
    // Bob has a model without a price, which is told and not 0.
    const [first, second] = [truthOf('inv1'), truthOf('inv2')];
    near(costsOf(figures, 'bob').gpuHours!.value, first.amount);
    near(costsOf(figures, 'bob').gpuHours!.covered / HOUR, first.priced);
    expect(costsOf(figures, 'bob').gpuHours!.of).toBeGreaterThan(costsOf(figures, 'bob').gpuHours!.covered);
    near(costsOf(figures, 'bob').energy!.value, (first.kwh + second.kwh) * PUE * 0.3);
    // Three of seven slices, all of the time; what is left of the GPU is nobody's.
    near(costsOf(figures, 'eve').gpuHours!.value, (HOURS * 3.2 * 3) / 7);
    near(costsOf(figures, 'eve').rguHours!.value, (HOURS * 14 * 3) / 7);
    const rest = figures.rows.find(({ kind }) => kind === 'unallocated')!;
    near(rest.costs!.gpuHours!.value, (HOURS * 3.2 * 4) / 7);
    const unowned = figures.rows.find(({ kind }) => kind === 'unowned')!;
    near(unowned.costs!.gpuHours!.value, truthOf(undefined).amount);
  });

  test.each(CAPACITY_GROUPINGS)('by %s adds up to all, which is the same in every grouping', async (by) => {
    const [figures, byUser] = [await report({ by }), await report()];
    expectSum(
      figures.rows.map(({ costs }) => costs),
      figures.all.costs!,
    );
    expectSum([figures.all.costs], byUser.all.costs!);
  });

  test('by account and month adds up, too, and each month is its own', async () => {
    const figures = await report({ by: 'account', every: 'month' });
    expectSum(
      figures.rows.map(({ costs }) => costs),
      figures.all.costs!,
    );
    expect(new Set(figures.rows.map(({ period }) => period))).toEqual(new Set(['2023-10', '2023-11']));
  });
});

describe('CO2e by the hour', () => {
  const costs: CostRates = { ...RATES, gramsPerKwh: HOURLY };

  test('counts in each hour; what has none is told', async () => {
    const figures = await report({ costs });
    const ada = truthOf('inv0');
    near(costsOf(figures, 'ada').carbon!.value, ada.grams);
    near(costsOf(figures, 'bob').carbon!.value, truthOf('inv1').grams + truthOf('inv2').grams);
    expect(figures.costBasis!.missingHoursUs).toEqual([T0 + 6 * HOUR]);
    expect(textOf(figures)).toMatch(
      /CO2e is of [\d.]+.kWh of [\d.]+.kWh: costs\.grams_file has no value of 1 hour, the first 2023-10-31 12:00:00 UTC\./,
    );
  });

  test('changes no other figure, and adds up in every grouping', async () => {
    for (const by of ['user', 'node', 'month', 'model'] as const) {
      const [hourly, plain] = [await report({ by, costs }), await report({ by })];
      expectSum(
        hourly.rows.map((row) => row.costs),
        hourly.all.costs!,
      );
      expect(hourly.rows.map(({ kind, name }) => [kind, name])).toEqual(
        plain.rows.map(({ kind, name }) => [kind, name]),
      );
      for (const [index, row] of hourly.rows.entries()) {
        near(row.attributedUs, plain.rows[index]!.attributedUs);
        near(row.energy.best?.value ?? 0, plain.rows[index]!.energy.best?.value ?? 0);
        near(row.costs!.carbon!.of, plain.rows[index]!.costs!.carbon!.of);
      }
    }
  });

  test('is that of the GPU, divided hour by hour, of instances', async () => {
    const figures = await report({ costs });
    const [eve, rest] = [costsOf(figures, 'eve'), figures.rows.find(({ kind }) => kind === 'unallocated')!];
    let grams = 0;
    for (let tick = 1; tick <= TICKS; tick += 1) {
      const hour = Math.floor((tick * STEP_S) / 3600);
      if (hour !== 6) grams += (joulesAt(4, tick) / KWH) * PUE * gramsAt(hour);
    }
    near(eve.carbon!.value! + rest.costs!.carbon!.value!, grams);
  });

  test('is not told apart in a very long window, which says so', async () => {
    const figures = await report({ costs, fromUs: T0 - 101 * 24 * HOUR });
    expect(figures.all.costs!.carbon).toMatchObject({ value: undefined, covered: 0 });
    expect(textOf(figures)).toContain(
      'energy is not told apart by the hour in windows of more than 100 days.',
    );
  });
});

test('text, JSON and CSV have what is configured, and nothing else', async () => {
  const figures = await report();
  const text = textOf(figures);
  expect(text).toMatch(/energy +cost +energy cost +CO2e +RGU-hours +jobs/);
  expect(text).toMatch(/cost is of [\d.]+ of [\d.]+.GPU-hours: the rest is not priced \(costs\.gpu_hour\)\./);
  expect(text).toContain('cost of what no job owned is what those GPU-hours would cost');
  const json = capacityReport.parse(JSON.parse(capacityJson(figures)));
  near(json.all.costs!.gpuCost, figures.all.costs!.gpuHours!.value!);
  const lines = capacityBaseCsv(figures).trimEnd().split('\n');
  expect(lines[0]).toMatch(
    /idle_known_us,gpu_cost,gpu_cost_us,energy_cost,energy_cost_us,currency,co2e_grams/,
  );
  const plain = await report({ costs: undefined });
  expect(textOf(plain)).not.toMatch(/cost|CO2e|RGU/);
  expect(capacityJson(plain)).not.toMatch(/cost/i);
  expect(capacityBaseCsv(plain)).not.toMatch(/cost|currency/);
});
