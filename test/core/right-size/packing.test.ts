/**
 * Goal: what packing is said to free could really be packed. Method: brute force over the places that MIG has on a GPU, and over all ways
 * to divide few instances among GPUs; a replay minute by minute against the one by changes.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gpusFor, packedTimes, type Holding } from '../../../src/core/right-size/packing.ts';
import { sizesOf, smallestFor, wouldDo, type Size } from '../../../src/core/right-size/sizes.ts';

const GIB = 2 ** 30;
const MIB = 2 ** 20;
const H200 = sizesOf({ memoryBytes: 143_771 * MIB, slices: 7, seen: new Map() });
const A30 = sizesOf({ memoryBytes: 24_576 * MIB, slices: 4, seen: new Map() });
const named = (sizes: readonly Size[], profile: string | undefined): Size =>
  sizes.find((size) => size.profile === profile)!;

describe('sizes', () => {
  test.each([
    [H200, ['1g.18gb', '1g.35gb', '2g.35gb', '3g.71gb', '4g.71gb', undefined], [7, 4, 3, 2, 1, 1]],
    [A30, ['1g.6gb', '2g.12gb', undefined], [4, 2, 1]],
    [
      sizesOf({ memoryBytes: 40_536 * MIB, slices: 7, seen: new Map() }),
      ['1g.5gb', '1g.10gb', '2g.10gb', '3g.20gb', '4g.20gb', undefined],
      [7, 4, 3, 2, 1, 1],
    ],
    [
      sizesOf({ memoryBytes: 97_887 * MIB, slices: 4, seen: new Map() }),
      ['1g.24gb', '2g.48gb', undefined],
      [4, 2, 1],
    ],
    [sizesOf({ memoryBytes: 16 * GIB, slices: undefined, seen: new Map() }), [undefined], [1]],
  ])('are what NVIDIA has, by its names: %#', (sizes, profiles, counts) => {
    expect(sizes.map(({ profile }) => profile)).toEqual(profiles);
    expect(sizes.map(({ countMax }) => countMax)).toEqual(counts);
  });

  test('have no more memory than instances that were measured, and what was seen counts', () => {
    const measured = new Map([
      ['1g.18gb', 16_384],
      ['1g.35gb', 34_304],
      ['3g.71gb', 71_424],
    ]);
    for (const [profile, mebibytes] of measured)
      expect(named(H200, profile).memoryBytes).toBeLessThanOrEqual(mebibytes * MIB);
    const seen = sizesOf({
      memoryBytes: 143_771 * MIB,
      slices: 7,
      seen: new Map([['1g.18gb', 16_384 * MIB]]),
    });
    expect(named(seen, '1g.18gb').memoryBytes).toBe(16_384 * MIB);
  });

  test.each([
    [10, 0.1, '1g.18gb'],
    [14, 0.1, '1g.35gb'],
    [10, 0.2, '2g.35gb'],
    [26, 0.1, '1g.35gb'],
    [40, 0.1, '3g.71gb'],
    [40, 0.5, '4g.71gb'],
    [60, 0.1, undefined],
    [10, 0.6, undefined],
    // At the edges: nine tenths of a seventh, and memory of which a fifth more is just there.
    [1, 0.9 / 7, '1g.18gb'],
    [1, 0.9 / 7 + 0.001, '2g.35gb'],
  ])('%d GiB and %d of the SMs need %s', (gib, smP95, profile) => {
    expect(smallestFor(H200, [{ memoryPeakBytes: gib * GIB, smP95 }]).profile).toBe(profile);
  });

  test('of several uses the largest decides, and the next smaller would not have done', () => {
    const use = fc.record({
      memoryPeakBytes: fc.nat({ max: 140 * GIB }),
      smP95: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(use, { minLength: 1, maxLength: 5 }), (uses) => {
        const size = smallestFor(H200, uses);
        expect(uses.every((one) => wouldDo(size, one))).toBe(true);
        for (const smaller of H200.slice(0, H200.indexOf(size)))
          expect(uses.every((one) => wouldDo(smaller, one))).toBe(false);
      }),
    );
  });
});

/** Where instances may begin on a GPU of 8 eighths, and how many they take: as the guide draws it. */
const PLACES: Readonly<Record<string, readonly number[]>> = {
  '1g.18gb': [0, 1, 2, 3, 4, 5, 6],
  '1g.35gb': [0, 2, 4, 6],
  '2g.35gb': [0, 2, 4],
  '3g.71gb': [0, 4],
  '4g.71gb': [0],
  whole: [0],
};

function hasPlaces(sizes: readonly Size[], taken = 0): boolean {
  const [first, ...others] = sizes;
  if (first === undefined) return true;
  return PLACES[first.profile ?? 'whole']!.some((from) => {
    const bits = ((1 << first.eighths) - 1) << from;
    return (taken & bits) === 0 && hasPlaces(others, taken | bits);
  });
}

test('instances for which slices and memory suffice have places on the GPU, and others have none', () => {
  const fits = (sizes: readonly Size[]): boolean =>
    sizes.reduce((sum, { slices }) => sum + slices, 0) <= 7 &&
    sizes.reduce((sum, { eighths }) => sum + eighths, 0) <= 8;
  const total = (sizes: readonly Size[], of: (size: Size) => number): number =>
    sizes.reduce((sum, size) => sum + of(size), 0);
  // What is one too many shows all: what fits no more, fits no better with more.
  const isNear = (sizes: readonly Size[]): boolean =>
    total(sizes, ({ slices }) => slices) <= 8 && total(sizes, ({ eighths }) => eighths) <= 9;
  const all: Size[][] = [[]];
  for (const size of H200)
    for (const sizes of [...all])
      for (let more = [...sizes, size]; isNear(more); more = [...more, size]) all.push(more);
  let possible = 0;
  for (const sizes of all) {
    if (fits(sizes)) possible += 1;
    if (fits(sizes) !== hasPlaces(sizes)) expect.fail(sizes.map(({ profile }) => profile).join(' '));
  }
  expect(possible).toBeGreaterThan(30);
});

/** The fewest GPUs, by trying every way. */
function fewest(sizes: readonly Size[]): number {
  let best = sizes.length;
  const place = (index: number, gpus: Size[][]): void => {
    if (gpus.length >= best) return;
    const size = sizes[index];
    if (size === undefined) {
      best = gpus.length;
      return;
    }
    for (const [at, own] of gpus.entries())
      if (hasPlaces([...own, size]))
        place(
          index + 1,
          gpus.map((one, other) => (other === at ? [...one, size] : one)),
        );
    place(index + 1, [...gpus, [size]]);
  };
  place(0, []);
  return best;
}

const anySize = fc.constantFrom(...H200);

test('first-fit decreasing needs no fewer GPUs than it can, and seldom more', () => {
  let [needed, least] = [0, 0];
  fc.assert(
    fc.property(fc.array(anySize, { maxLength: 7 }), (sizes) => {
      const [found, best] = [gpusFor(sizes), fewest(sizes)];
      needed += found;
      least += best;
      expect(found).toBeGreaterThanOrEqual(best);
      expect(found).toBeLessThanOrEqual(best + 1);
    }),
    { numRuns: 300, seed: 7 },
  );
  expect(needed / least).toBeLessThan(1.05);
});

test.each([
  [Array<string>(7).fill('1g.18gb'), 1],
  [Array<string>(8).fill('1g.18gb'), 2],
  [['3g.71gb', '3g.71gb'], 1],
  [['4g.71gb', '3g.71gb'], 1],
  [['4g.71gb', '4g.71gb'], 2],
  [['4g.71gb', '2g.35gb', '1g.18gb', '1g.18gb'], 2],
  [[], 0],
])('%j are held by %i', (profiles, count) => {
  expect(gpusFor(profiles.map((profile) => named(H200, profile)))).toBe(count);
});

test('a replay by changes is that minute by minute', () => {
  const holding = fc
    .record({
      start: fc.nat(50),
      length: fc.integer({ min: 1, max: 30 }),
      pool: fc.constantFrom('a', 'b'),
      gpu: fc.nat(4),
      size: fc.option(anySize, { nil: undefined }),
    })
    .map(({ start, length, pool, gpu, size }): Holding => ({
      ...{ startUs: start, endUs: start + length, pool, gpu: `${pool}${gpu}`, size },
    }));
  fc.assert(
    fc.property(fc.array(holding, { maxLength: 8 }), (holdings) => {
      const truth = { usedUs: 0, neededUs: 0, usedMost: 0, neededMost: 0 };
      for (let minute = 0; minute < 80; minute += 1) {
        let [used, needed] = [0, 0];
        for (const pool of ['a', 'b']) {
          const now = holdings.filter(
            (one) => one.pool === pool && one.startUs <= minute && one.endUs > minute,
          );
          const own = new Set(now.map(({ gpu }) => gpu)).size;
          const kept = new Set(now.filter(({ size }) => size === undefined).map(({ gpu }) => gpu)).size;
          used += own;
          needed += Math.min(own, kept + gpusFor(now.flatMap(({ size }) => size ?? [])));
        }
        truth.usedUs += used;
        truth.neededUs += needed;
        truth.usedMost = Math.max(truth.usedMost, used);
        truth.neededMost = Math.max(truth.neededMost, needed);
      }
      expect(packedTimes(holdings, [{ fromUs: 0, toUs: 80 }])).toEqual([truth]);
      const [first, second] = packedTimes(holdings, [
        { fromUs: 0, toUs: 33 },
        { fromUs: 33, toUs: 80 },
      ]);
      expect(first!.neededUs + second!.neededUs).toBe(truth.neededUs);
    }),
  );
});
