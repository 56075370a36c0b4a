import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Field } from '../../src/core/fields/field.ts';
import { Ring } from '../../src/core/ring/ring.ts';
import { createScenario } from '../../src/core/synthetic/create-scenario.ts';
import type { Scenario, ScenarioJob } from '../../src/core/synthetic/scenario.ts';
import { truthOf } from './truth-of.ts';
import { figuresOf } from './truth-rows.ts';
import type { Truth } from './truth.ts';
import { openSynthetic } from '../../src/source/synthetic.ts';

const START_US = Date.UTC(2026, 10, 21, 8) * 1000;
const FIELDS: readonly Field[] = [1002, 155, 156, 252].map((id) => findField(id)!);
const [SM, POWER] = ['sm_active_ratio', 'power_watts'];
const at = (seconds: number): number => START_US + Math.round(seconds * 1e6);

/** One device with ten ticks and figures that can be worked out on paper. */
function paperScenario(jobs: readonly ScenarioJob[]): Scenario {
  const real = createScenario({ kind: 'steady', seed: 1, nodes: 1, gpusPerNode: 1, startUs: 0 });
  const values: Readonly<Record<number, readonly number[]>> = {
    1002: [0.5, 0.5, 0, 0.01, NaN, 0.9, 0.8, 0.7, 0.6, 0.5],
    155: [100, 100, 100, 200, 200, 200, 300, 300, NaN, 300],
    156: [1000, 1100, 1200, 1400, NaN, 1800, 50, 350, 650, 950],
    252: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  };
  return {
    ...real,
    jobsBetween: (fromUs, toUs) => jobs.filter((job) => job.startUs < toUs && job.endUs > fromUs),
    // Tick 7 is three seconds after tick 4, so that a gap lies between them.
    answers: (_, tsUs) => tsUs !== 5e6 && tsUs !== 6e6,
    value: (_, fieldId, tsUs) => values[fieldId]![tsUs / 1e6]!,
  };
}

function paperJob(jobId: string, startUs: number, endUs: number, share: number, user: string): ScenarioJob {
  const record = { jobId, run: 0, startUs, endUs, user, account: 'a', partition: 'p' };
  return { jobId, run: 0, shape: 'idle', record, startUs, endUs, devices: [{ device: 0, share }] };
}

describe('on paper', () => {
  const window = { fields: FIELDS, intervalMs: 1000, ticks: { firstUs: 0, count: 10 } };

  test('a job has the rows with start < ts ≤ end, whole, and a gap speaks for nothing', () => {
    const truth = truthOf(paperScenario([paperJob('1', 1e6, 8.5e6, 1, 'ada')]), window);
    const { figures, ownedUs, coverage } = truth.jobs[0]!;
    // Ticks 2, 3, 4, (5 and 6 absent), 7 with dt 0, 8.
    expect(figures.samples).toBe(5);
    expect(figures.dtUs).toBe(4e6);
    expect(ownedUs).toBe(7.5e6);
    expect(coverage).toBe(4 / 7.5);
    expect(figures.fields.get(SM)).toEqual({
      sumXDt: 0.01e6 + 0.6e6,
      knownDtUs: 3e6,
      knownSamples: 4,
      max: 0.7,
      p50: 0.01,
      p95: 0.6,
    });
    expect(figures.idleDtUs).toBe(2e6);
    // 1200 − 1100 and 1400 − 1200; then a blank, a gap, and 650 − 350.
    expect([figures.energyJoules, figures.energyDtUs]).toEqual([600, 3e6]);
    expect(figures.powerJoules).toBeCloseTo(100 + 200 + 200, 9);
    expect(truth.unowned.samples).toBe(3);
    expect(truth.unowned.dtUs + figures.dtUs).toBe(truth.all.dtUs);
    expect(truth.devices[0]!.samplesByOwners).toEqual([3, 5]);
  });

  test('a counter that falls has no rise', () => {
    const scenario = { ...paperScenario([]), answers: () => true };
    const { all } = truthOf(scenario, window);
    // Over the blank it rose by 400 in 2 s.
    expect([all.energyJoules, all.energyDtUs]).toEqual([1700, 8e6]);
  });

  test('shares divide what is attributed, unknown ones what the told ones of the time leave', () => {
    const jobs = [
      paperJob('1', 0, 4e6, 0.25, 'ada'),
      paperJob('2', 2e6, 4e6, NaN, 'bo'),
      paperJob('3', 7e6, 9e6, NaN, 'bo'),
    ];
    const truth = truthOf(paperScenario(jobs), window);
    const [one, two, three] = truth.jobs.map(({ attributed }) => attributed);
    expect([one!.ownedUs, one!.dtUs, one!.energyJoules]).toEqual([1e6, 1e6, 100]);
    expect([two!.ownedUs, two!.dtUs, two!.energyJoules]).toEqual([1.5e6, 1.5e6, 150]);
    expect([three!.ownedUs, three!.dtUs, three!.energyJoules]).toEqual([2e6, 2e6, 600]);
    const [ada, bo] = truth.groups.user;
    expect(ada).toMatchObject({
      group: 'ada',
      physicalOwnedUs: 4e6,
      physicalDtUs: 4e6,
      ownedUs: 1e6,
      jobs: 1,
    });
    expect(bo).toMatchObject({
      group: 'bo',
      physicalOwnedUs: 4e6,
      physicalDtUs: 4e6,
      ownedUs: 3.5e6,
      jobs: 2,
    });
    expect(truth.groups.account[0]).toMatchObject({
      physicalOwnedUs: 6e6,
      physicalDtUs: 6e6,
      dtUs: 4.5e6,
      jobRuns: 3,
    });
    expect(truth.unattributedDtUs).toBe(1.5e6);
  });

  test('a job between two ticks has no data, which is not zero', () => {
    const { figures, coverage, attributed } = truthOf(
      paperScenario([paperJob('1', 1.2e6, 1.7e6, 1, 'ada')]),
      window,
    ).jobs[0]!;
    expect(figures.samples).toBe(0);
    expect([coverage, figures.energyJoules, figures.powerJoules, attributed.energyJoules]).toEqual([
      NaN,
      NaN,
      NaN,
      NaN,
    ]);
    expect(figures.fields.get(POWER)).toMatchObject({ max: NaN, p50: NaN, knownDtUs: 0 });
  });
});

test('percentiles are the nearest rank of the values spread out over their dt', () => {
  const field = FIELDS[0]!;
  const row = fc.record({ x: fc.integer({ min: 0, max: 9 }), dt: fc.integer({ min: 0, max: 4 }) });
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 60 }), (rows) => {
      const spread = rows.flatMap(({ x, dt }) => Array<number>(dt).fill(x / 10)).sort((a, b) => a - b);
      fc.pre(spread.length > 0);
      const columns = {
        tsUs: new Float64Array(rows.length),
        dtUs: Float64Array.from(rows, ({ dt }) => dt),
        rise: new Float64Array(rows.length).fill(NaN),
        riseDtUs: new Float64Array(rows.length),
        values: new Map([[field.column, Float64Array.from(rows, ({ x }) => x / 10)]]),
      };
      const figures = figuresOf([{ rows: columns, at: [...rows.keys()] }], [field]).fields.get(field.column)!;
      expect(figures.p50).toBe(spread[Math.ceil(0.5 * spread.length) - 1]);
      expect(figures.p95).toBe(spread[Math.ceil(0.95 * spread.length) - 1]);
    }),
  );
});

/** Everything that must add up, for any scenario. */
function expectSumsToHold(truth: Truth): void {
  const total = (list: readonly number[]): number => list.reduce((sum, item) => sum + item, 0);
  const attributedUs = total(truth.jobs.map(({ attributed }) => attributed.dtUs));
  expect(attributedUs + truth.unattributedDtUs + truth.unowned.dtUs).toBe(truth.all.dtUs);
  expect(total(truth.devices.map(({ all }) => all.dtUs))).toBe(truth.all.dtUs);
  expect(total(truth.devices.map(({ unowned }) => unowned.dtUs))).toBe(truth.unowned.dtUs);
  for (const groups of Object.values(truth.groups)) {
    expect(total(groups.map(({ dtUs }) => dtUs))).toBe(attributedUs);
  }
  const { node, model } = truth.groups;
  for (const disjoint of [node, model]) {
    expect(total(disjoint.map(({ physicalDtUs }) => physicalDtUs)) + truth.unowned.dtUs).toBe(truth.all.dtUs);
  }
}

describe('what was recorded and what is true', () => {
  test('jobs and the unowned rest add up to all, to the microsecond, whatever the seed', () => {
    const minutes = fc.integer({ min: 0, max: 5000 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e6 }), minutes, fc.boolean(), (seed, minute, mig) => {
        const scenario = createScenario({
          kind: 'steady',
          seed,
          nodes: 2,
          gpusPerNode: 2,
          mig,
          startUs: START_US,
        });
        const ticks = { firstUs: START_US + minute * 60e6, count: 300 };
        expectSumsToHold(truthOf(scenario, { fields: FIELDS, intervalMs: 5000, ticks }));
      }),
      { numRuns: 10 },
    );
  });

  test('dt and the rises of the energy counter are those that a ring fixes', () => {
    const scenario = createScenario({ kind: 'demo', seed: 3, nodes: 2, gpusPerNode: 8, startUs: START_US });
    const source = openSynthetic(scenario, () => undefined);
    const lane = { index: 0, name: 'test', intervalMs: 1000, fields: FIELDS };
    const [from, count] = [16_100, 2600];
    const ring = new Ring({
      capacityTicks: count,
      deviceCount: 16,
      columnCount: 4,
      intervalUs: 1e6,
      energyColumn: 2,
    });
    for (let tick = 0; tick < count; tick += 1) {
      ring.reserve();
      source.sample(lane, ring, at(from + tick));
      ring.commit();
    }
    const truth = truthOf(scenario, {
      fields: FIELDS,
      intervalMs: 1000,
      ticks: { firstUs: at(from), count },
    });
    for (let place = 0; place < 16; place += 1) {
      let [rows, dtUs, joules] = [0, 0, 0];
      for (let tick = 0; tick < count; tick += 1) {
        const row = ring.baseOf(tick) + place;
        if (Number.isNaN(ring.tsUs[row]!)) continue;
        rows += 1;
        dtUs += ring.dtUs[row]!;
        if (!Number.isNaN(ring.energyRise[row]!)) joules += ring.energyRise[row]!;
      }
      const { all } = truth.devices[place]!;
      expect([rows, dtUs]).toEqual([all.samples, all.dtUs]);
      expect(Math.abs(joules / all.energyJoules - 1)).toBeLessThan(1e-12);
    }
  });

  test('the demo adds up, and shows what was planned', () => {
    const scenario = createScenario({ kind: 'demo', seed: 1, nodes: 2, gpusPerNode: 8, startUs: START_US });
    const ticks = { firstUs: START_US, count: 21_600 };
    const truth = truthOf(scenario, { fields: FIELDS, intervalMs: 1000, ticks });
    expectSumsToHold(truth);
    const job = (id: string): Truth['jobs'][number] => truth.jobs.find(({ job: own }) => own.jobId === id)!;
    // All 16 GPUs for 7,777 s, of which one misses five rows, one six, and one is late by a tick that it makes up for.
    expect(job('4217').figures.samples).toBe(16 * 7777 - 5 - 6 - 1);
    expect(job('4217').figures.dtUs).toBe((16 * 7777 - 6 - 7) * 1e6);
    expect(job('4215').figures.samples).toBe(0);
    const lost = job('4226').devices[2]!.figures;
    expect([lost.samples, lost.dtUs]).toEqual([3600, 3600e6]);
    const old = job('4233').figures;
    expect(old.energyDtUs).toBeLessThan(0.4 * old.dtUs);
    expect(old.powerJoules).toBeGreaterThan(3 * old.energyJoules);
    for (const { figures } of truth.jobs) {
      if (figures.samples < 100 || figures.energyDtUs < figures.dtUs) continue;
      expect(Math.abs(figures.powerJoules / figures.energyJoules - 1)).toBeLessThan(0.005);
    }
  });
});
