import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defaultLanes } from '../../../src/core/fields/lane.ts';
import { createScenario } from '../../../src/core/synthetic/create-scenario.ts';
import { GOOD_JOB_ID, WASTEFUL_JOB_ID } from '../../../src/core/synthetic/demo-plan.ts';
import type { Scenario, ScenarioOptions } from '../../../src/core/synthetic/scenario.ts';
import { joulesUntil, prepareEnergy } from '../../../src/core/synthetic/energy.ts';
import { wattsOf } from '../../../src/core/synthetic/level.ts';
import { walkPieces } from '../../../src/core/synthetic/pieces.ts';
import { SHAPE_NAMES } from '../../../src/core/synthetic/shape-catalogue.ts';
import { oneJob } from './one-job.ts';

const START_US = Date.UTC(2026, 10, 21, 8) * 1000;
const SECOND_US = 1_000_000;
const DEMO: ScenarioOptions = { kind: 'demo', seed: 1, nodes: 2, gpusPerNode: 8, startUs: START_US };
const STEADY: ScenarioOptions = { kind: 'steady', seed: 1, nodes: 2, gpusPerNode: 4, startUs: START_US };
const FIELD_IDS = defaultLanes.flatMap((lane) => lane.fields.map((field) => field.id));

const demo = createScenario(DEMO);
const at = (seconds: number): number => START_US + Math.round(seconds * SECOND_US);
/** Position of a demo device: `n2 gpu 3` is (2, 3). */
const device = (node: number, gpu: number): number => (node - 1) * 8 + gpu;

function mean(scenario: Scenario, place: number, fieldId: number, from: number, to: number): number {
  let sum = 0;
  for (let second = from + 1; second <= to; second += 1)
    sum += scenario.value(place, fieldId, at(second), SECOND_US);
  return sum / (to - from);
}

describe('a scenario is a function of its options', () => {
  test('equal options give equal values, in whatever order they are asked for', () => {
    const other = createScenario(DEMO);
    const asked = [];
    for (let second = 0; second < 21_600; second += 977) {
      for (const id of FIELD_IDS) asked.push([second % 16, id, at(second), SECOND_US] as const);
    }
    const forward = asked.map((key) => demo.value(...key));
    const backward = asked.toReversed().map((key) => other.value(...key));
    expect(backward.reverse()).toEqual(forward);
    expect(other.devices).toEqual(demo.devices);
  });

  test('a row reads as its fields do one by one, faults, resets and instances included', () => {
    const mig = createScenario({ ...STEADY, nodes: 1, gpusPerNode: 3, mig: true });
    for (const scenario of [demo, createScenario(STEADY), mig]) {
      const reader = scenario.readerOf(FIELD_IDS);
      const row = new Float64Array(FIELD_IDS.length);
      for (let second = 0; second < 21_600; second += 331) {
        for (const place of scenario.devices.keys()) {
          reader.read(place, at(second), SECOND_US, row);
          const single = FIELD_IDS.map((id) => scenario.value(place, id, at(second), SECOND_US));
          expect([...row]).toEqual(single);
        }
      }
    }
  });

  test('another seed gives other devices and other values', () => {
    const other = createScenario({ ...DEMO, seed: 2 });
    expect(new Set([...demo.devices, ...other.devices].map(({ uuid }) => uuid)).size).toBe(32);
    const differing = FIELD_IDS.filter(
      (id) => demo.value(0, id, at(5000), SECOND_US) !== other.value(0, id, at(5000), SECOND_US),
    );
    expect(differing).toEqual(expect.arrayContaining([1002, 1004, 1005, 155, 156, 252]));
  });

  test('a steady scenario hangs on the clock and not on its start', () => {
    const early = createScenario(STEADY);
    const late = createScenario({ ...STEADY, startUs: START_US + 123_456_789 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 86_400_000 }), fc.constantFrom(...FIELD_IDS), (ms, id) => {
        expect(late.value(3, id, START_US + ms * 1000, SECOND_US)).toBe(
          early.value(3, id, START_US + ms * 1000, SECOND_US),
        );
      }),
    );
    const window = [START_US, START_US + 3600 * SECOND_US] as const;
    expect(late.jobsBetween(...window)).toEqual(early.jobsBetween(...window));
  });

  test('seeds that differ in their high bits only are different seeds', () => {
    const [low, high] = [5, 5 + 2 ** 40].map((seed) => createScenario({ ...DEMO, seed }));
    expect(high!.devices[0]!.uuid).not.toBe(low!.devices[0]!.uuid);
    expect(high!.value(0, 1002, at(5000), SECOND_US)).not.toBe(low!.value(0, 1002, at(5000), SECOND_US));
  });

  test('nodes of other names with the same seed have devices of their own', () => {
    const named = createScenario({ ...STEADY, nodes: 1, nodeNames: ['gpu17'] });
    expect(named.devices[0]!.node).toBe('gpu17');
    expect(named.devices[0]!.uuid).not.toBe(createScenario(STEADY).devices[0]!.uuid);
  });
});

describe('the demo', () => {
  const jobs = demo.jobsBetween(demo.startUs, demo.endUs);

  test('has 41 jobs in 42 runs, of every shape, all over before its end', () => {
    expect(jobs).toHaveLength(42);
    expect(new Set(jobs.map(({ jobId }) => jobId)).size).toBe(41);
    expect(jobs.filter(({ jobId }) => jobId === '4214').map(({ run }) => run)).toEqual([0, 1]);
    expect(new Set(jobs.map(({ shape }) => shape))).toEqual(new Set(SHAPE_NAMES));
    expect(Math.max(...jobs.map(({ endUs }) => endUs))).toBeLessThanOrEqual(demo.endUs - SECOND_US);
    const good = jobs.find(({ jobId }) => jobId === GOOD_JOB_ID)!;
    expect(new Set(good.devices.map((own) => own.device)).size).toBe(16);
    expect(good.record).toMatchObject({
      state: 'COMPLETED',
      exitCode: 0,
      nodes: 2,
      gpus: 16,
      account: 'physics',
    });
  });

  test('has boundaries on ticks and between them, a job between two ticks, jobs back to back', () => {
    const isOnTick = (us: number): boolean => (us - START_US) % SECOND_US === 0;
    expect(jobs.some(({ startUs }) => isOnTick(startUs))).toBe(true);
    expect(jobs.some(({ startUs }) => !isOnTick(startUs))).toBe(true);
    expect(jobs.some(({ startUs, endUs }) => Math.ceil(startUs / 1e6) > Math.floor(endUs / 1e6))).toBe(true);
    const meets = jobs.filter((job) =>
      jobs.some((next) => next.startUs === job.endUs && next.devices[0]!.device === job.devices[0]!.device),
    );
    expect(meets.length).toBeGreaterThanOrEqual(3);
  });

  test('its good job works and its wasteful one does not', () => {
    const good = jobs.find(({ jobId }) => jobId === GOOD_JOB_ID)!;
    const wasteful = jobs.find(({ jobId }) => jobId === WASTEFUL_JOB_ID)!;
    const [from, to] = [good.startUs, good.endUs].map((us) => Math.ceil((us - START_US) / SECOND_US));
    for (const own of good.devices) expect(mean(demo, own.device, 1002, from!, to!)).toBeGreaterThan(0.6);
    for (const own of wasteful.devices) expect(mean(demo, own.device, 1002, 15_000, 21_000)).toBe(0);
    expect(demo.value(wasteful.devices[0]!.device, 252, at(20_000), SECOND_US)).toBeGreaterThan(1e10);
  });

  test('refuses another fleet than the one it is written for', () => {
    expect(() => createScenario({ ...DEMO, gpusPerNode: 4 })).toThrow(/two nodes with eight/);
  });
});

describe('values are plausible', () => {
  const RANGES: Readonly<Record<number, readonly [number, number]>> = {
    1001: [0, 1],
    1002: [0, 1],
    1003: [0, 1],
    1004: [0, 1],
    1005: [0, 1],
    1006: [0, 1],
    1007: [0, 1],
    1008: [0, 1],
    1009: [0, 64e9],
    1010: [0, 64e9],
    1011: [0, 450e9],
    1012: [0, 450e9],
    155: [60, 720],
    156: [0, 1e11],
    100: [210e6, 1980e6],
    101: [3201e6, 3201e6],
    252: [0, 143_771 * 1024 * 1024],
    203: [0, 1],
    150: [20, 90],
    140: [20, 95],
    190: [0, 0],
  };

  test.each([
    ['demo', demo, 3],
    ['steady', createScenario({ ...STEADY, gpusPerNode: 8 }), 3],
  ] as const)('every default field of the %s is within the range of an H200', (_, scenario, step) => {
    for (let second = 0; second < 21_600; second += step * 7) {
      for (let place = 0; place < 16; place += step) {
        for (const id of FIELD_IDS) {
          const value = scenario.value(place, id, at(second), SECOND_US);
          const [low, high] = RANGES[id] ?? [0, Number.MAX_SAFE_INTEGER];
          if (!Number.isNaN(value) && !(value >= low && value <= high)) {
            expect.fail(`field ${id} of device ${place} at ${second} s is ${value}`);
          }
        }
      }
    }
  });

  test('every field of the default lanes has values, but those that an H200 does not have', () => {
    const lacking = FIELD_IDS.filter((id) => demo.lacks(0, id));
    expect(lacking).toEqual([390, 391, 392]);
    expect(lacking.every((id) => Number.isNaN(demo.value(0, id, at(5000), SECOND_US)))).toBe(true);
  });

  test('used, free and reserved memory make up all of it', () => {
    for (const second of [0, 100, 1800, 5000, 20_000]) {
      const [total, free, used, reserved] = [250, 251, 252, 253].map((id) =>
        demo.value(12, id, at(second), SECOND_US),
      );
      expect(free! + used! + reserved!).toBe(total);
    }
  });

  test('a device is the job’s from just after its start until its very end', () => {
    const used = [30, 31, 4200, 4200.000001].map((second) => demo.value(0, 252, at(second), SECOND_US));
    expect(used.map((bytes) => bytes > 100e6)).toEqual([false, true, true, false]);
  });

  test('a job that runs out of memory fills it at its end', () => {
    const [early, late] = [300, 1837].map((second) => demo.value(device(2, 4), 252, at(second), SECOND_US));
    expect(early).toBeLessThan(0.65 * demo.devices[0]!.memoryBytes);
    expect(late).toBeGreaterThan(0.97 * demo.devices[0]!.memoryBytes);
  });

  test('a throttled GPU is slower, hotter and says why', () => {
    const [hot, sound] = [device(2, 3), device(2, 4)];
    expect(demo.value(hot, 112, at(9000), SECOND_US)).toBe(0x20);
    expect(demo.value(sound, 112, at(9000), SECOND_US) & 0x20).toBe(0);
    const part = mean(demo, hot, 1002, 8800, 9500) / mean(demo, sound, 1002, 8800, 9500);
    expect(part).toBeGreaterThan(0.5);
    expect(part).toBeLessThan(0.66);
    expect(demo.value(hot, 100, at(9000), SECOND_US)).toBeLessThan(1.3e9);
    expect(demo.value(hot, 150, at(9000), SECOND_US)).toBeGreaterThan(
      demo.value(sound, 150, at(9000), SECOND_US),
    );
    expect(demo.value(hot, 241, at(9700), SECOND_US) - demo.value(hot, 241, at(8000), SECOND_US)).toBeCloseTo(
      840,
      9,
    );
  });
});

describe('energy', () => {
  test.each(SHAPE_NAMES)('of shape %s is the integral of the power of its pieces', (shape) => {
    const { parts } = oneJob({ shape, gpus: 3, seconds: 7200, seed: 7, hangsAfter: 6000 });
    for (const { rhythm, rank } of parts) {
      const energy = prepareEnergy(rhythm, rank);
      let joules = 0;
      for (let second = 0; second < 7200; second += 7.3) {
        const [fromUs, toUs] = [second, second + 7.3].map((time) => Math.round(time * SECOND_US));
        walkPieces(rhythm, rank, fromUs!, toUs!, {
          add: (level, _, pieceFromUs, pieceToUs) => {
            joules += wattsOf(level) * (pieceToUs - pieceFromUs) * 1e-6;
          },
        });
        expect(Math.abs(joulesUntil(energy, toUs!) / joules - 1)).toBeLessThan(1e-9);
      }
    }
  });

  test.each([
    ['demo', demo],
    ['steady', createScenario(STEADY)],
  ] as const)('of the %s never falls but where a device was reset', (_, scenario) => {
    let falls = 0;
    for (let place = 0; place < scenario.devices.length; place += 1) {
      let last = -Infinity;
      for (let second = -10; second < 21_600; second += 1) {
        const joules = scenario.value(place, 156, at(second), SECOND_US);
        if (joules < last) falls += 1;
        if (!Number.isNaN(joules)) last = joules;
      }
    }
    expect(falls).toBe(scenario === demo ? 1 : 0);
    expect(demo.value(device(1, 2), 156, at(18_600 + 100), SECOND_US)).toBeLessThan(75_000);
  });

  test('agrees with the power to a per mille, whatever the job does', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0, 1, 3, 4, 8, 11, 12, 15),
        fc.integer({ min: 0, max: 18_000 }),
        (place, from) => {
          const joules =
            demo.value(place, 156, at(from + 1800), SECOND_US) - demo.value(place, 156, at(from), SECOND_US);
          const watts = mean(demo, place, 155, from, from + 1800);
          expect(Math.abs(joules / 1800 / watts - 1)).toBeLessThan(1e-3);
        },
      ),
      { numRuns: 30 },
    );
  });

  test('goes on over the end of a steady cycle', () => {
    const scenario = createScenario(STEADY);
    const cycleUs = 4 * 3600 * SECOND_US;
    const edgeUs = 1_735_689_600_000_000 + cycleUs * 4000;
    const joules = [-2, -1, 0, 1, 2].map((second) =>
      scenario.value(0, 156, edgeUs + second * SECOND_US, SECOND_US),
    );
    for (let i = 1; i < joules.length; i += 1) {
      expect(joules[i]! - joules[i - 1]!).toBeGreaterThan(60);
      expect(joules[i]! - joules[i - 1]!).toBeLessThan(700);
    }
  });
});

describe('ownership in a steady scenario', () => {
  test('never gives a whole device to two jobs, or more than all of one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e9 }), fc.boolean(), (seed, mig) => {
        const scenario = createScenario({ ...STEADY, seed, mig });
        const jobs = scenario.jobsBetween(START_US, START_US + 9 * 3600 * SECOND_US);
        expect(jobs.length).toBeGreaterThan(20);
        expect(new Set(jobs.map(({ jobId }) => jobId)).size).toBe(jobs.length);
        for (const [place] of scenario.devices.entries()) {
          const here = jobs.filter((job) => job.devices.some((own) => own.device === place));
          for (const job of here) {
            const others = here.filter((other) => other.startUs < job.endUs && other.endUs > job.startUs);
            const shares = others.map((other) => other.devices[0]!.share);
            const sum = shares.reduce((total, share) => total + (Number.isNaN(share) ? 0.5 : share), 0);
            expect(sum).toBeLessThanOrEqual(1);
          }
        }
      }),
      { numRuns: 15 },
    );
  });

  test('finds the same jobs in one window as in its parts', () => {
    const scenario = createScenario(STEADY);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 35_999 }), (seconds) => {
        const [from, middle, to] = [START_US, at(seconds), at(36_000)];
        const parts = [...scenario.jobsBetween(from, middle), ...scenario.jobsBetween(middle, to)];
        const ids = new Set(parts.map(({ jobId }) => jobId));
        expect(ids).toEqual(new Set(scenario.jobsBetween(from, to).map(({ jobId }) => jobId)));
      }),
    );
  });
});

test('MIG lists the instances beside their GPUs, and knows of them what hardware knows', () => {
  const scenario = createScenario({ ...STEADY, nodes: 1, gpusPerNode: 3, mig: true });
  const gpus = scenario.devices.filter(({ isCut }) => isCut === true);
  const instances = scenario.devices.filter(({ isCut }) => isCut !== true);
  expect(gpus.map(({ uuid }) => uuid.startsWith('GPU-'))).toEqual([true, true, true]);
  expect(instances.map(({ migProfile }) => migProfile)).toEqual([
    '3g.71gb',
    '2g.35gb',
    '2g.35gb',
    ...Array<string>(7).fill('1g.18gb'),
    '4g.71gb',
    '3g.71gb',
  ]);
  const parents = new Set(gpus.map(({ uuid }) => uuid));
  expect(instances.every(({ uuid, parentUuid }) => uuid.startsWith('MIG-') && parents.has(parentUuid!))).toBe(
    true,
  );
  expect(
    new Set(instances.map(({ parentUuid, gpuInstanceId }) => `${parentUuid!} ${gpuInstanceId!}`)).size,
  ).toBe(12);
  const known = FIELD_IDS.filter((id) => !scenario.lacks(scenario.devices.indexOf(instances[0]!), id));
  expect(known).toEqual([1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 252, 251, 253, 230]);
  // What no H200 has.
  expect(FIELD_IDS.filter((id) => scenario.lacks(0, id))).toEqual([390, 391, 392]);
});

test('a GPU that is cut is nobody’s, and does what its instances do, each by its slices', () => {
  const scenario = createScenario({ ...STEADY, nodes: 1, gpusPerNode: 3, mig: true });
  const held = scenario.jobsBetween(START_US, at(14_400)).flatMap(({ devices }) => devices);
  expect(held.some(({ device }) => scenario.devices[device]!.isCut === true)).toBe(false);
  let active = 0;
  for (let second = 60; second < 14_400; second += 397)
    for (const [gpu, { uuid, isCut }] of scenario.devices.entries()) {
      if (isCut !== true) continue;
      const parts = [...scenario.devices.entries()]
        .filter(([, { parentUuid }]) => parentUuid === uuid)
        .map(
          ([place, { migProfile }]) =>
            (Number(migProfile![0]) / 7) * scenario.value(place, 1002, at(second), SECOND_US),
        );
      const whole = scenario.value(gpu, 1002, at(second), SECOND_US);
      // Each reading scatters by some percent, and chips differ.
      expect(Math.abs(whole - parts.reduce((sum, part) => sum + part, 0))).toBeLessThanOrEqual(0.15 * whole);
      if (whole > 0.1) active += 1;
    }
  expect(active).toBeGreaterThan(20);
});
