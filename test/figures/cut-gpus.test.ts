/**
 * Goal: MIG instances have GPU-hours by their slices and their part of their GPU's energy, in every grouping; all rows add up to the
 * GPUs, and what cannot be divided stays apart. Method: two and a half hours of five GPUs, four of them cut, in a real
 * QuestDB, against loops over the same rows.
 */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type {
  CapacityFigures,
  CapacityGrouping,
  CapacityPeriod,
  CapacityRow,
} from '../../src/figures/capacity/figures.ts';
import { capacityFigures } from '../../src/figures/capacity/query.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { relabelSamples } from '../../src/questdb/rows/relabel-samples.ts';
import { capacityBaseCsv } from '../../src/report/capacity/capacity-csv.ts';
import { capacityJson } from '../../src/report/json.ts';
import { renderCapacityReport } from '../../src/report/capacity-text.ts';
import {
  cutLane,
  loadCutFleet,
  tickUs,
  type CutFleet,
  type FleetDevice,
  type FleetRow,
} from '../helpers/cut-fleet.ts';
import { insertRows } from '../helpers/insert-rows.ts';

const MINUTE = 60_000_000;
const TICKS = 150;
const START_US = Date.UTC(2024, 3, 2, 8) * 1000;
const SET = 4_611_686_018;
const lane = cutLane('cut', 60_000);

/** Per minute: slices in use by whom, by part; `free` is nobody's time, `shared` what no share covers. */
interface Use {
  readonly who: string;
  readonly part: number;
}

interface Instance {
  readonly uuid: string;
  readonly profile: string;
  readonly slices: number;
  readonly sm: (tick: number) => number;
  readonly uses: (tick: number) => readonly Use[];
  /** Its own, where its GPU tells none. */
  readonly watts?: number;
}

interface Cut {
  readonly uuid: string;
  readonly model: string;
  readonly slices: number | undefined;
  readonly power: ((tick: number) => { watts: number; joules?: number }) | undefined;
  readonly instances: readonly Instance[];
}

const by = (who: string) => () => [{ who, part: 1 }];
const CUT: readonly Cut[] = [
  {
    uuid: 'GPU-cut-a',
    model: 'NVIDIA H200',
    slices: 7,
    power: (tick) => ({ watts: 120 + 80 * Math.abs(Math.sin(tick / 20)), joules: 9000 + 20 * tick }),
    instances: [
      {
        uuid: 'MIG-cut-a3',
        profile: '3g.71gb',
        slices: 3,
        sm: (tick) => (tick % 10) / 10,
        uses: (tick) => [{ who: tick <= 90 ? 'p1' : 'free', part: 1 }],
      },
      {
        uuid: 'MIG-cut-a2',
        profile: '2g.35gb',
        slices: 2,
        sm: (tick) => (tick % 4) / 5,
        uses: () => [
          { who: 'p1', part: 0.25 },
          { who: 'c1', part: 0.5 },
          { who: 'shared', part: 0.25 },
        ],
      },
      { uuid: 'MIG-cut-a0', profile: '2g.35gb', slices: 2, sm: () => 0, uses: by('free') },
    ],
  },
  {
    uuid: 'GPU-cut-b',
    model: 'NVIDIA A30',
    slices: 4,
    power: (tick) => ({ watts: 60 + (tick % 7) }),
    instances: [
      { uuid: 'MIG-cut-b2', profile: '2g.12gb', slices: 2, sm: (tick) => (tick % 3) / 4, uses: by('c1') },
      { uuid: 'MIG-cut-b1', profile: '1g.6gb', slices: 1, sm: () => 0.02, uses: by('c1') },
    ],
  },
  {
    uuid: 'GPU-cut-d',
    model: 'NVIDIA Z1',
    slices: undefined,
    power: () => ({ watts: 50, joules: 3000 }),
    instances: [{ uuid: 'MIG-cut-d1', profile: '1g.10gb', slices: 1, sm: () => 0.5, uses: by('c1') }],
  },
  {
    uuid: 'GPU-cut-e',
    model: 'NVIDIA H200',
    slices: 7,
    power: undefined,
    instances: [
      { uuid: 'MIG-cut-e3', profile: '3g.71gb', slices: 3, sm: () => 0.5, uses: by('p1'), watts: 40 },
    ],
  },
];
const WHOLE = { watts: 300, joules: 18_000 };

function rowOf(uses: readonly Use[], sm: number): FleetRow {
  if (uses.length > 1) return { owners: 2, ownerSet: SET, sm };
  const [{ who }] = uses as [Use];
  return who === 'free' ? { owners: 0, sm } : { owners: 1, jobId: who, sm };
}

const devices: FleetDevice[] = [
  ...CUT.flatMap(({ uuid, model, power, instances }): FleetDevice[] => [
    {
      uuid,
      model,
      at: (tick) => (power === undefined ? undefined : { owners: undefined, sm: 0.4, ...power(tick) }),
    },
    ...instances.map((own) => ({
      uuid: own.uuid,
      model: `${model} MIG ${own.profile}`,
      parent: uuid,
      profile: own.profile,
      at: (tick: number) => ({
        ...rowOf(own.uses(tick), own.sm(tick)),
        ...(own.watts === undefined ? {} : { watts: own.watts }),
      }),
    })),
  ]),
  { uuid: 'GPU-cut-c', model: 'NVIDIA H200', at: () => ({ owners: 1, jobId: 'p1', sm: 0.5, ...WHOLE }) },
];

const fleet: CutFleet = {
  lane,
  node: 'n-cut',
  startUs: START_US,
  ticks: TICKS,
  devices,
  sets: [
    { ownerSet: SET, gpu: 'MIG-cut-a2', jobId: 'p1', part: 0.25 },
    { ownerSet: SET, gpu: 'MIG-cut-a2', jobId: 'c1', part: 0.5 },
  ],
};

let db: QuestDb;

beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  await loadCutFleet(db, fleet);
  const told = { ts: START_US, end_ts: tickUs(fleet, TICKS), cluster: undefined, run: 0 };
  await insertRows(db, 'jobs', [
    { ...told, job_id: 'p1', account: 'phys' },
    { ...told, job_id: 'c1', account: 'chem' },
  ]);
  const owned = [
    ['MIG-cut-a3', 'p1'],
    ['MIG-cut-b2', 'c1'],
    ['GPU-cut-c', 'p1'],
  ].map(([gpu, job_id]) => ({ ...told, node: 'n-cut', gpu: gpu!, job_id: job_id!, source: 'test' }));
  await insertRows(db, 'gpu_ownership', owned);
});
afterAll(async () => {
  await db.close();
});

interface Expected {
  gpuUs: number;
  instanceUs: number;
  joules: number;
  idleUs: number;
}

/** By the rule, hour by hour and minute by minute. */
function expected(): Map<string, Expected> {
  const found = new Map<string, Expected>();
  const add = (who: string, more: Partial<Expected>): void => {
    const known = found.get(who) ?? { gpuUs: 0, instanceUs: 0, joules: 0, idleUs: 0 };
    found.set(who, known);
    for (const key of Object.keys(more) as (keyof Expected)[]) known[key] += more[key]!;
  };
  const ticks = Array.from({ length: TICKS - 1 }, (_, index) => index + 1);
  for (const hour of [0, 1, 2]) {
    const own = ticks.filter((tick) => Math.floor(tick / 60) === hour);
    for (const { slices, power, instances } of CUT) {
      const energies = own.map((tick) => power?.(tick)).map((one) => one?.joules ?? (one?.watts ?? 0) * 60);
      const energy = energies.reduce((sum, joules) => sum + joules, 0);
      const least = Math.min(...own.map((tick) => power?.(tick).watts ?? 0));
      const floor = Math.min(energy, least * own.length * 60);
      if (slices === undefined) {
        add('cut', { gpuUs: own.length * MINUTE, joules: energy });
        continue;
      }
      const active = own
        .flatMap((tick) => instances.map((one) => one.sm(tick) * one.slices))
        .reduce((a, b) => a + b, 0);
      let left = energy;
      for (const tick of own)
        for (const one of instances)
          for (const { who, part } of one.uses(tick)) {
            const joules =
              power === undefined
                ? (one.watts ?? 0) * 60
                : part *
                  ((floor * one.slices) / (slices * own.length) +
                    ((energy - floor) * one.sm(tick) * one.slices) / active);
            const gpuUs = (part * MINUTE * one.slices) / slices;
            add(who, { gpuUs, instanceUs: part * MINUTE, joules, idleUs: one.sm(tick) < 0.05 ? gpuUs : 0 });
            left -= joules;
          }
      const free = 1 - instances.reduce((sum, one) => sum + one.slices, 0) / slices;
      if (power !== undefined && free > 0)
        add('unallocated', { gpuUs: free * own.length * MINUTE, joules: left });
    }
    add('p1', { gpuUs: own.length * MINUTE, joules: own.length * WHOLE.joules });
  }
  return found;
}

const report = async (grouping: CapacityGrouping, every?: CapacityPeriod): Promise<CapacityFigures> =>
  await capacityFigures(db, [lane], {
    fromUs: START_US,
    toUs: START_US + TICKS * MINUTE,
    by: grouping,
    ...(every === undefined ? {} : { every }),
  });

function expectRow(row: CapacityRow | undefined, { gpuUs, instanceUs, joules, idleUs }: Expected): void {
  expect(row!.attributedUs).toBeCloseTo(gpuUs, 0);
  expect(row!.instanceUs).toBeCloseTo(instanceUs, 0);
  expect(row!.energy.best!.value / joules).toBeCloseTo(1, 9);
  if (row!.idle !== undefined) expect(row!.idle.value).toBeCloseTo(idleUs, 0);
}

describe('by account', () => {
  test('each has its slices of time and of energy', async () => {
    const { rows } = await report('account');
    const truth = expected();
    expectRow(
      rows.find(({ name }) => name === 'phys'),
      truth.get('p1')!,
    );
    expectRow(
      rows.find(({ name }) => name === 'chem'),
      truth.get('c1')!,
    );
    expectRow(
      rows.find(({ kind }) => kind === 'unowned'),
      truth.get('free')!,
    );
    expectRow(
      rows.find(({ kind }) => kind === 'unattributed'),
      truth.get('shared')!,
    );
    expectRow(
      rows.find(({ kind }) => kind === 'unallocated'),
      truth.get('unallocated')!,
    );
    expectRow(
      rows.find(({ kind }) => kind === 'cut'),
      truth.get('cut')!,
    );
  });

  test.each<{ by: CapacityGrouping; every?: CapacityPeriod }>([
    { by: 'account' },
    { by: 'node' },
    { by: 'model' },
    { by: 'cluster' },
    { by: 'user' },
    { by: 'week' },
    { by: 'account', every: 'month' },
    { by: 'node', every: 'week' },
  ])('all rows add up to the GPUs (%j)', async ({ by: grouping, every }) => {
    const { rows, all, sampledUs, knownUs, devices: count, migInstances } = await report(grouping, every);
    expect(rows.every(({ period }) => (period === undefined) === (every === undefined))).toBe(true);
    const truth = [...expected().values()];
    const gpuUs = truth.reduce((sum, one) => sum + one.gpuUs, 0);
    expect(sampledUs).toBeCloseTo(gpuUs, 0);
    expect(rows.reduce((sum, row) => sum + row.attributedUs, 0)).toBeCloseTo(sampledUs, 0);
    const joules = truth.reduce((sum, one) => sum + one.joules, 0);
    expect(all.energy.best!.value / joules).toBeCloseTo(1, 9);
    expect(rows.reduce((sum, row) => sum + (row.energy.best?.value ?? 0), 0) / joules).toBeCloseTo(1, 9);
    expect(migInstances).toBe(7);
    expect(count).toBe(8);
    // Three cut GPUs and a whole one; of the fifth an instance alone was seen.
    expect(knownUs).toBeCloseTo((4 + 3 / 7) * TICKS * MINUTE, 0);
  });

  test('what is divided is told, and what is not', async () => {
    const figures = await report('account');
    const text = renderCapacityReport(figures, { width: 100, isColored: false });
    expect(text).toMatch(/^ *phys .*÷/m);
    expect(text).toMatch(/^ *unallocated slices +/m);
    expect(text).toMatch(/^ *cut GPUs +/m);
    const { rows } = JSON.parse(capacityJson(figures)) as { rows: Record<string, unknown>[] };
    const phys = rows.find(({ name }) => name === 'phys')!;
    expect(phys['dividedJoules']).toBeLessThan(phys['bestJoules'] as number);
    expect(phys['instanceUs']).toBeGreaterThan(0);
    expect(figures.unknownSlicesUs).toBeCloseTo((TICKS - 1) * MINUTE, 0);
    expect(capacityBaseCsv(figures)).toMatch(/^from.*,instance_us,energy_divided_joules/m);
  });
});

test('no late fact gives a GPU that is cut an owner', async () => {
  const label = { jobId: 'late', owners: 1, ownerSet: null };
  const stretches = [{ fromUs: START_US, toUs: START_US + TICKS * MINUTE, label }];
  expect(await relabelSamples(db, lane.table, [{ gpu: 'GPU-cut-a', stretches }])).toBe(0);
});
