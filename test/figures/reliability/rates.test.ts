/**
 * Goal: bounds of rates and tests of nodes are exact, and a node is accused for nothing no oftener than is said. Method: values of
 * printed tables, whole numbers of any size, and drawn fleets with and without a lemon.
 */
import { describe, expect, test } from 'vitest';
import { createRandom, type Random } from '../../../src/core/synthetic/random.ts';
import { lemonsOf, type Tested } from '../../../src/figures/reliability/lemons.ts';
import {
  atLeastInPart,
  chiSquaredQuantile,
  meanCountInterval,
} from '../../../src/figures/reliability/rates.ts';

describe('χ²', () => {
  test.each([
    [0.025, 2, 0.050636],
    [0.95, 2, 5.991465],
    [0.975, 2, 7.377759],
    [0.025, 10, 3.246973],
    [0.05, 10, 3.940299],
    [0.95, 10, 18.307038],
    [0.975, 10, 20.483177],
    [0.025, 20, 9.590777],
    [0.975, 20, 34.169607],
    [0.99, 30, 50.892181],
    [0.025, 100, 74.221927],
    [0.975, 100, 129.561197],
  ])('stays below with probability %f and %i degrees: %f', (probability, degrees, value) => {
    expect(chiSquaredQuantile(probability, degrees)).toBeCloseTo(value, 5);
  });

  test('of many degrees is what Wilson and Hilferty tell nearly', () => {
    const near = (z: number, degrees: number): number =>
      degrees * (1 - 2 / (9 * degrees) + z * Math.sqrt(2 / (9 * degrees))) ** 3;
    for (const degrees of [1000, 20_000, 200_000]) {
      expect(chiSquaredQuantile(0.975, degrees) / near(1.959964, degrees)).toBeCloseTo(1, 5);
      expect(chiSquaredQuantile(0.025, degrees) / near(-1.959964, degrees)).toBeCloseTo(1, 5);
    }
  });
});

describe('the interval of a mean count', () => {
  test.each([
    [0, 0, 3.688879],
    [1, 0.025318, 5.571643],
    [3, 0.618672, 8.767273],
    [10, 4.795389, 18.390356],
  ])('of %i events is %f to %f', (count, low, high) => {
    const interval = meanCountInterval(count);
    expect([interval.low, interval.high]).toEqual([expect.closeTo(low, 5), expect.closeTo(high, 5)]);
  });

  test('holds any mean 95 times of 100 or more, by the sum over all counts', () => {
    const intervals = Array.from({ length: 200 }, (_, count) => meanCountInterval(count));
    for (const mean of [0.1, 0.5, 1, 2.7, 5, 12.3, 40, 77]) {
      let probability = Math.exp(-mean);
      let held = 0;
      for (const [count, { low, high }] of intervals.entries()) {
        if (low <= mean && mean <= high) held += probability;
        probability *= mean / (count + 1);
      }
      expect(held).toBeGreaterThanOrEqual(0.95);
    }
  });
});

/** Σ C(n, j) (m − 1)^(n − j) / m^n in whole numbers: of n events, at least k in one of m equal parts. */
function exactly(k: number, n: number, m: number): number {
  let choose = 1n;
  let sum = 0n;
  for (let j = 0; j <= n; j += 1) {
    if (j >= k) sum += choose * BigInt(m - 1) ** BigInt(n - j);
    choose = (choose * BigInt(n - j)) / BigInt(j + 1);
  }
  return Number((sum * 10n ** 300n) / BigInt(m) ** BigInt(n)) / 1e300;
}

test('events in a part of the whole are counted exactly', () => {
  for (const m of [2, 3, 7, 40])
    for (const n of [1, 2, 10, 60, 300])
      for (const k of [0, 1, 2, 5, 9, 30].filter((one) => one <= n)) {
        const exact = exactly(k, n, m);
        expect(atLeastInPart(k, n, 1 / m) / exact, `${k} of ${n} in 1/${m}`).toBeCloseTo(1, 9);
      }
  expect([atLeastInPart(3, 3, 1), atLeastInPart(0, 9, 0.1), atLeastInPart(1, 9, 0)]).toEqual([1, 1, 0]);
});

function poisson(random: Random, mean: number): number {
  let count = 0;
  for (let left = Math.exp(-mean), product = random.next(); product > left; product *= random.next())
    count += 1;
  return count;
}

const WEEK = 7 * 86_400e6;

/** Nodes that were seen for different times and fail at one rate; the first one as many times as often. */
function drawnNodes(seed: number, count: number, { mean = 1, times = 1 } = {}): Tested[] {
  const random = createRandom(seed, 'nodes');
  return Array.from({ length: count }, (_, index) => {
    const weeks = random.between(0.2, 1);
    return { seenUs: weeks * WEEK, failures: poisson(random, weeks * mean * (index === 0 ? times : 1)) };
  });
}

describe('a lemon', () => {
  test.each([
    [2, 20],
    [20, 0.3],
    [50, 1],
    [200, 4],
  ])('there is none among %i alike, but in one window of a hundred', (nodes, mean) => {
    const windows = 2000;
    let accused = 0;
    for (let seed = 0; seed < windows; seed += 1)
      if (lemonsOf(drawnNodes(seed, nodes, { mean })).some(({ isLemon }) => isLemon)) accused += 1;
    // One of a hundred, and three standard deviations.
    expect(accused / windows).toBeLessThanOrEqual(0.01 + 3 * Math.sqrt((0.01 * 0.99) / windows));
  });

  test.each([
    [8, 4, 10],
    [50, 2, 15],
    [200, 1, 30],
  ])('among %i nodes is found, and no other', (nodes, mean, times) => {
    const windows = 300;
    let found = 0;
    let wrong = 0;
    for (let seed = 0; seed < windows; seed += 1) {
      const verdicts = lemonsOf(drawnNodes(seed, nodes, { mean, times }));
      if (verdicts[0]!.isLemon) found += 1;
      if (verdicts.slice(1).some(({ isLemon }) => isLemon)) wrong += 1;
    }
    expect(found / windows).toBeGreaterThan(0.95);
    expect(wrong / windows).toBeLessThanOrEqual(0.03);
  });

  test('takes three failures, however seldom others fail; and others to be held against', () => {
    const seenUs = 1000 * WEEK;
    const quiet = Array.from({ length: 99 }, () => ({ seenUs, failures: 0 }));
    expect(lemonsOf([{ seenUs: WEEK, failures: 2 }, ...quiet])[0]).toMatchObject({ isLemon: false });
    expect(lemonsOf([{ seenUs: WEEK, failures: 3 }, ...quiet])[0]).toMatchObject({ isLemon: true });
    expect(lemonsOf([{ seenUs: WEEK, failures: 50 }])[0]).toMatchObject({
      p: 1,
      adjustedP: 1,
      isLemon: false,
    });
    expect(lemonsOf([])).toEqual([]);
  });

  test('has a p that is held against as many nodes as there are, and no better place than a worse one', () => {
    const verdicts = lemonsOf([5, 1, 0, 9].map((failures) => ({ seenUs: WEEK, failures })));
    const p = [5, 1, 0, 9].map((failures) => exactly(failures, 15, 4));
    expect(verdicts.map((one) => one.p)).toEqual(p.map((one) => expect.closeTo(one, 12) as number));
    expect(verdicts[3]!.adjustedP).toBeCloseTo(4 * p[3]!, 12);
    expect(verdicts[0]!.adjustedP).toBeCloseTo(Math.min(1, 3 * p[0]!), 12);
    expect(verdicts.map(({ expected }) => expected)).toEqual([3.75, 3.75, 3.75, 3.75]);
  });
});
