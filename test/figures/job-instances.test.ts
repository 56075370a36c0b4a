/**
 * Goal: what a job on MIG instances had of the energy of their GPU is right, and its GPU-hours are by slices. Method: three hours of a GPU and its instances in a real QuestDB, with two jobs, one of them twice and one
 * that shares an instance, against a loop over the same rows.
 */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { JobDevice, JobFigures } from '../../src/figures/job/figures.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { jobCsv } from '../../src/report/csv.ts';
import { renderJobReport } from '../../src/report/job-text.ts';
import { jobJson } from '../../src/report/json.ts';
import { cutLane, loadCutFleet, type FleetDevice } from '../helpers/cut-fleet.ts';
import { insertRows, type Row } from '../helpers/insert-rows.ts';

const SECOND = 1_000_000;
const STEP_US = 20 * SECOND;
const TICKS = 3 * 180;
const MINUTE = 60 * SECOND;
const HOUR_US = 60 * MINUTE;
const START_US = Date.UTC(2024, 5, 3, 8) * 1000;
const GPU = 'GPU-mig-job';
const SET = 4_611_686_018_427;
const lane = cutLane('migjob', 20_000);

/** Slices and owners of each instance: job, from and to, in minutes; `a` runs twice on the first, `b` has a quarter of the last. */
const INSTANCES = [
  {
    uuid: 'MIG-mig-job-3',
    profile: '3g.71gb',
    slices: 3,
    owners: [
      ['a', 10, 50],
      ['a', 55, 170],
    ],
  },
  {
    uuid: 'MIG-mig-job-2',
    profile: '2g.35gb',
    slices: 2,
    owners: [
      ['a', 10, 50],
      ['c', 50, 120],
    ],
  },
  { uuid: 'MIG-mig-job-1', profile: '1g.18gb', slices: 1, owners: [['b', 0, 180]] },
] as const;
const B_PART = 0.25;

interface Sample {
  readonly gpu: string;
  readonly tsUs: number;
  readonly slices: number;
  readonly owner: string | undefined;
  readonly sm: number;
}

/** Of the GPU: power in W and energy of the step in J. */
function powerAt(tick: number): { watts: number; joules: number } {
  const watts = 100 + 50 * Math.abs(Math.sin(tick / 40));
  return { watts, joules: watts * 20 * 1.01 };
}

const samples: Sample[] = Array.from({ length: TICKS }, (_, tick) => tick + 1).flatMap((tick) =>
  INSTANCES.map(({ uuid, slices, owners }, index): Sample => {
    const tsUs = START_US + tick * STEP_US;
    const owner = owners.find(([, from, to]) => tick > from * 3 && tick <= to * 3)?.[0];
    return { gpu: uuid, tsUs, slices, owner, sm: owner === undefined ? 0 : ((tick * (index + 3)) % 17) / 20 };
  }),
);

let db: QuestDb;

const devices: FleetDevice[] = [
  { uuid: GPU, model: 'NVIDIA H200', at: (tick) => ({ owners: undefined, ...powerAt(tick) }) },
  ...INSTANCES.map(({ uuid, profile }) => ({
    uuid,
    profile,
    parent: GPU,
    model: `NVIDIA H200 MIG ${profile}`,
    at(tick: number) {
      const { owner, sm } = samples.find(
        (sample) => sample.gpu === uuid && sample.tsUs === START_US + tick * STEP_US,
      )!;
      if (owner === undefined) return { owners: 0, sm };
      return owner === 'b' ? { owners: 2, ownerSet: SET, sm } : { owners: 1, jobId: owner, sm };
    },
  })),
];

beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  const sets = [
    ['b', B_PART],
    ['x', 1 - B_PART],
  ] as const;
  await loadCutFleet(db, {
    lane,
    node: 'n-mig-job',
    startUs: START_US,
    ticks: TICKS,
    devices,
    sets: sets.map(([jobId, part]) => ({ ownerSet: SET, gpu: INSTANCES[2].uuid, jobId, part })),
  });
  // Days later an instance of another size has the UUID of the first one.
  await insertRows(db, 'gpu_inventory', [
    {
      ts: START_US + 48 * HOUR_US,
      node: 'n-mig-job',
      gpu: INSTANCES[0].uuid,
      parent: GPU,
      mig_profile: '1g.18gb',
      model: 'NVIDIA H200 MIG 1g.18gb',
      source: 'test',
    },
  ]);
  const told = (from: number, to: number, run: number): Row => ({
    ts: START_US + from * MINUTE,
    end_ts: START_US + to * MINUTE,
    run,
  });
  const runs = [
    ['a', 10, 50, 0],
    ['a', 55, 170, 1],
    ['b', 0, 180, 0],
  ] as const;
  await insertRows(
    db,
    'jobs',
    runs.map(([job, from, to, run]) => ({
      ...told(from, to, run),
      job_id: job,
      state: run === 0 ? 'REQUEUED' : 'COMPLETED',
    })),
  );
  const owned = INSTANCES.flatMap(({ uuid, owners }) => owners.map((owner) => [uuid, ...owner] as const));
  await insertRows(
    db,
    'gpu_ownership',
    owned.map(([gpu, job, from, to]) => ({
      ...told(from, to, from === 55 ? 1 : 0),
      node: 'n-mig-job',
      gpu,
      job_id: job,
      share: job === 'b' ? B_PART : 1,
      source: 'test',
    })),
  );
});
afterAll(async () => {
  await db.close();
});

/** By the rule, from the samples: J of what `weightOf` takes of each sample. */
function joulesOf(weightOf: (sample: Sample) => number): number {
  let joules = 0;
  for (let hourUs = START_US; hourUs <= START_US + 3 * HOUR_US; hourUs += HOUR_US) {
    const ticks = Array.from({ length: TICKS }, (_, tick) => tick + 1).filter(
      (tick) => START_US + tick * STEP_US >= hourUs && START_US + tick * STEP_US < hourUs + HOUR_US,
    );
    const own = samples.filter(({ tsUs }) => tsUs >= hourUs && tsUs < hourUs + HOUR_US);
    const energy = ticks.reduce((sum, tick) => sum + powerAt(tick).joules, 0);
    const floor = Math.min(energy, Math.min(...ticks.map((tick) => powerAt(tick).watts)) * ticks.length * 20);
    const active = own.reduce((sum, { sm, slices }) => sum + sm * slices, 0);
    for (const sample of own) {
      const bySlices = sample.slices / (7 * ticks.length);
      const byActivity = active > 0 ? (sample.sm * sample.slices) / active : bySlices;
      joules += weightOf(sample) * (floor * bySlices + (energy - floor) * byActivity);
    }
  }
  return joules;
}

async function report(jobId: string, run: number): Promise<JobFigures> {
  return await jobFigures(db, [lane], jobId, { run, nowUs: START_US + 4 * HOUR_US });
}

function deviceOf({ devices: own }: JobFigures, index: number): JobDevice {
  return own.find(({ gpu }) => gpu === INSTANCES[index]!.uuid)!;
}

test('a run has its part of the energy, and nothing of the run that follows on the same instance', async () => {
  const figures = await report('a', 0);
  expect(figures.devices).toHaveLength(2);
  const until = START_US + 50 * MINUTE;
  for (const [index, { uuid, slices }] of INSTANCES.slice(0, 2).entries()) {
    const { energy, sliceRatio, attributedUs, migProfile } = deviceOf(figures, index);
    expect(migProfile).toBe(INSTANCES[index]!.profile);
    const expected = joulesOf(({ gpu, owner, tsUs }) =>
      gpu === uuid && owner === 'a' && tsUs <= until ? 1 : 0,
    );
    expect(energy.best!.value / expected).toBeCloseTo(1, 9);
    expect(energy.divided).toEqual(energy.best);
    expect(energy.counter).toEqual(energy.best);
    expect(energy.best!.knownUs).toBeCloseTo((40 * MINUTE * slices) / 7, -1);
    expect(sliceRatio).toBe(slices / 7);
    expect(attributedUs).toBeCloseTo((40 * MINUTE * slices) / 7, 0);
  }
  expect(figures.all.ownedUs).toBe(80 * MINUTE);
  expect(figures.all.ownedGpuUs).toBeCloseTo((40 * MINUTE * 5) / 7, 0);
  const energies = figures.devices.map(({ energy }) => energy.best!.value);
  expect(figures.all.energy.best!.value).toBeCloseTo(energies[0]! + energies[1]!, 6);
});

test('a run that goes over hours has its part of each', async () => {
  const figures = await report('a', 1);
  const expected = joulesOf(({ owner, tsUs }) => (owner === 'a' && tsUs > START_US + 55 * MINUTE ? 1 : 0));
  expect(figures.all.energy.best!.value / expected).toBeCloseTo(1, 9);
});

test('a part of an instance is a part of its energy and of its GPU-hours', async () => {
  const figures = await report('b', 0);
  const expected = joulesOf(({ owner }) => (owner === 'b' ? B_PART : 0));
  expect(figures.all.energy.divided!.value / expected).toBeCloseTo(1, 9);
  expect(figures.all.attributedUs).toBeCloseTo((180 * MINUTE * B_PART) / 7, 0);
});

test('the report says what is divided', async () => {
  const figures = await report('a', 0);
  const text = renderJobReport(figures, { width: 120, isColored: false });
  expect(text).toMatch(/of 0\.476.GPU-hours \(1\.33.device-hours, MIG instances by slices\)/);
  expect(text).toMatch(/÷ .* is its part of GPUs that are cut into MIG instances/);
  expect(text).toMatch(/Wh ÷/);
  const json = JSON.parse(jobJson(figures)) as Record<string, unknown> & { energy: Record<string, number> };
  expect(json.energy['dividedJoules']).toBe(figures.all.energy.best!.value);
  expect(json['ownedGpuUs']).toBe(figures.all.ownedGpuUs);
  expect(jobCsv(figures)).toMatch(/^job_id,.*owned_gpu_us,slice_ratio,energy_divided_joules/);
});
