import { expect, test } from 'vitest';
import { withInstances } from '../../src/figures/job/instances.ts';
import { emptySums } from '../../src/figures/job/rows/scan.ts';
import {
  divideCut,
  emptyBucket,
  powerUsers,
  slicesIn,
  type BucketSums,
  type CutInventory,
  type CutRow,
} from '../../src/figures/mig-energy.ts';

const HOUR_US = 3600e6;
const HOURS = [0, HOUR_US];

function instanceOf(
  parent: string,
  slices: number | undefined,
): { parent: string; profiles: { fromUs: number; slices: number | undefined }[] } {
  return { parent, profiles: [{ fromUs: 0, slices }] };
}

const inventory: CutInventory = {
  instances: new Map([
    ['a3', instanceOf('A', 3)],
    ['a2', instanceOf('A', 2)],
    ['b1', instanceOf('B', 1)],
    ['b?', instanceOf('B', undefined)],
    ['c7', instanceOf('C', 7)],
    ['d4', instanceOf('D', 4)],
  ]),
  wholeSlices: new Map([
    ['A', 7],
    ['B', 7],
    ['C', undefined],
    ['D', 4],
  ]),
  clusters: new Map(),
};

function gpuHour(more: Partial<BucketSums> = {}): BucketSums {
  const power = { powerSum: 200 * HOUR_US, powerUs: HOUR_US, powerMinWatts: 70 };
  return { ...emptyBucket(), dtUs: HOUR_US, counterJoules: 700_000, counterUs: HOUR_US, ...power, ...more };
}

function rowOf(gpu: string, bucketUs: number, activity: number): CutRow {
  const smActive = { sum: activity * HOUR_US, knownUs: HOUR_US };
  return { gpu, bucketUs, sums: { ...emptyBucket(), dtUs: HOUR_US, smActive } };
}

test('rows and rest of a cut GPU add up to its energy and its time', () => {
  const hours = new Map([
    ['A', new Map(HOURS.map((us) => [us, gpuHour({ counterJoules: 700_000 + us / 1e6 })]))],
  ]);
  const rows = HOURS.flatMap((us) => [rowOf('a3', us, 0.5), rowOf('a2', us, us === 0 ? 0 : 0.25)]);
  const { rows: divided, rests } = divideCut(inventory, hours, rows, powerUsers(hours));
  expect(divided.map(({ sliceRatio }) => sliceRatio)).toEqual([3 / 7, 2 / 7, 3 / 7, 2 / 7]);
  const all = [...divided.map(({ energy }) => energy!), ...rests.map(({ energy }) => energy)];
  expect(all.reduce((sum, { best }) => sum + best.joules, 0)).toBe(1_403_600);
  expect(all.reduce((sum, { power }) => sum + power.joules, 0)).toBeCloseTo(2 * 720_000, 6);
  expect(rests.every(({ isDivided }) => isDivided)).toBe(true);
  expect(rests[0]!.dtUs).toBeCloseTo((2 / 7) * HOUR_US, 0);
  // An hour in which the other instance did nothing is this one's but for the floor.
  expect(divided[0]!.energy!.best.joules).toBeCloseTo(448_000 + 3 * 36_000, 6);
});

test('what two owners had of an instance is the same together as apart, also where activity was not known of all of it', () => {
  const half = (activity: number, knownUs: number): BucketSums => ({
    ...emptyBucket(),
    dtUs: HOUR_US / 2,
    smActive: { sum: activity * knownUs, knownUs },
  });
  const [a, b] = [half(0.8, HOUR_US / 2), half(0.2, HOUR_US / 8)];
  const both = {
    ...a,
    dtUs: HOUR_US,
    smActive: { sum: a.smActive.sum + b.smActive.sum, knownUs: (5 / 8) * HOUR_US },
  };
  const beside = rowOf('a2', 0, 0.5);
  const joulesOf = (...rows: BucketSums[]): number => {
    const hours = new Map([['A', new Map([[0, gpuHour()]])]]);
    const all = [...rows.map((sums) => ({ gpu: 'a3', bucketUs: 0, sums })), beside];
    const { rows: divided } = divideCut(inventory, hours, all, powerUsers(hours));
    return divided.slice(0, -1).reduce((sum, { energy }) => sum + energy!.best.joules, 0);
  };
  expect(joulesOf(a, b)).toBeCloseTo(joulesOf(both), 6);
});

test('an instance whose slices are not known leaves its GPU undivided, in that hour', () => {
  const hours = new Map([['B', new Map(HOURS.map((us) => [us, gpuHour()]))]]);
  const rows = [rowOf('b1', 0, 0.5), rowOf('b?', 0, 0.5), rowOf('b1', HOUR_US, 0.5)];
  const { rows: divided, rests } = divideCut(inventory, hours, rows, powerUsers(hours));
  expect(divided.map(({ sliceRatio }) => sliceRatio)).toEqual([1 / 7, undefined, 1 / 7]);
  expect(divided.map(({ energy }) => energy?.best.joules !== undefined)).toEqual([false, false, true]);
  expect(rests.map(({ isDivided }) => isDivided)).toEqual([false, true]);
  expect(rests[0]!.energy.best.joules).toBe(700_000);
  expect(rests[0]!.dtUs).toBeCloseTo((6 / 7) * HOUR_US, 0);
});

test('nor is a GPU divided of which nobody knows how many slices it has', () => {
  const hours = new Map([['C', new Map([[0, gpuHour()]])]]);
  const { rows: divided, rests } = divideCut(inventory, hours, [rowOf('c7', 0, 1)], new Set());
  expect(divided[0]).toMatchObject({ sliceRatio: undefined, energy: undefined });
  expect(rests[0]).toMatchObject({ dtUs: HOUR_US, isDivided: false });
});

test('an hour without its GPU has hours by slices and no energy', () => {
  const { rows: divided, rests } = divideCut(inventory, new Map(), [rowOf('d4', 0, 1)], new Set());
  expect(divided[0]).toMatchObject({ sliceRatio: 1, energy: undefined });
  expect(rests).toEqual([]);
});

test('a GPU without any instance is all unallocated', () => {
  const hours = new Map([['A', new Map([[0, gpuHour()]])]]);
  const { rests } = divideCut(inventory, hours, [], powerUsers(hours));
  expect(rests[0]).toMatchObject({ dtUs: HOUR_US, isDivided: true });
  expect(rests[0]!.energy.best.joules).toBe(700_000);
});

test('a counter that stands still is not believed, over all hours of the GPU', () => {
  const stuck = new Map([['A', new Map(HOURS.map((us) => [us, gpuHour({ counterJoules: 0 })]))]]);
  expect([...powerUsers(stuck)]).toEqual(['A']);
  const resting = new Map([
    ['A', new Map(HOURS.map((us) => [us, gpuHour({ counterJoules: us === 0 ? 0 : 700_000 })]))],
  ]);
  expect([...powerUsers(resting)]).toEqual([]);
  const { rests } = divideCut(inventory, stuck, [], powerUsers(stuck));
  expect(rests[0]!.energy.best).toEqual(rests[0]!.energy.power);
});

test('an instance may come back in another size under its UUID', () => {
  const instance = {
    parent: 'A',
    profiles: [
      { fromUs: 0, slices: 4 },
      { fromUs: 2.5 * HOUR_US, slices: 3 },
    ],
  };
  expect([0, 1, 2, 3].map((hour) => slicesIn(instance, hour * HOUR_US))).toEqual([4, 4, 3, 3]);
  expect(slicesIn(instance, -5 * HOUR_US)).toBe(4);
});

test("its part of its GPU's energy stands in place of what an instance says of itself", () => {
  const own = {
    ...emptySums(),
    counterJoules: 5,
    counterUs: 70,
    bestJoules: 5,
    bestUs: 70,
    attributedUs: 70,
  };
  const part = { joules: 2, knownUs: 30 };
  const energies = new Map([['a3', { counter: part, power: part, best: part }]]);
  const sums = { all: own, devices: new Map([['a3', own]]), parts: [] };
  const { all, devices } = withInstances(sums, new Map([['a3', 3 / 7]]), energies);
  const expected = {
    bestJoules: 2,
    bestUs: 30,
    counterJoules: 2,
    counterUs: 30,
    powerJoules: 2,
    dividedJoules: 2,
  };
  expect(devices.get('a3')).toMatchObject(expected);
  expect(all).toMatchObject({ ...expected, attributedUs: 30 });
  // Without a part of its GPU's it keeps its own, by slices.
  expect(withInstances(sums, new Map([['a3', 3 / 7]]), new Map()).all).toMatchObject({
    bestJoules: 5,
    bestUs: 30,
  });
});
