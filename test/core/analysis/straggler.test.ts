import { describe, expect, test } from 'vitest';
import { findStraggler, type DeviceMeans } from '../../../src/core/analysis/straggler.ts';
import { createRandom } from '../../../src/core/synthetic/random.ts';
import { gauss } from './made-activity.ts';

const SLICES = 10;
const STEPS = 40;
const WORK_SM = 0.9;
const SPIN_SM = 0.12;
const COLLECTIVE_SM = 0.35;

interface Ranks {
  readonly count: number;
  /** Deviation of the speed of healthy devices, as a part of it. */
  readonly spread: number;
  /** How much more of a step one of them computes, or waits for its input. */
  readonly slow: number;
  readonly kind: 'computes_longest' | 'fed_late';
}

/** Ranks that wait for the last of each step, spinning, and the number of the slow one. */
function makeRanks(
  seed: number,
  { count, spread, slow, kind }: Ranks,
): { devices: DeviceMeans[]; slowGpu: string } {
  const random = createRandom(seed, 'ranks');
  const speeds = Array.from({ length: count }, () => 1 + spread * gauss(random));
  const slowest = random.below(count);
  const devices = speeds.map((_, rank) => ({
    gpu: `g${rank}`,
    smActive: [] as number[],
    engineActive: [] as number[],
  }));
  for (let slice = 0; slice < SLICES; slice += 1) {
    const sm = new Float64Array(count);
    const engine = new Float64Array(count);
    let length = 0;
    for (let step = 0; step < STEPS; step += 1) {
      const isLate = (rank: number): boolean => rank === slowest && kind === 'fed_late';
      const isLong = (rank: number): boolean => rank === slowest && kind === 'computes_longest';
      const input = speeds.map((_, rank) => (isLate(rank) ? slow * (1 + 0.1 * gauss(random)) : 0));
      const work = speeds.map(
        (speed, rank) => speed * (isLong(rank) ? 1 + slow : 1) * (1 + 0.03 * gauss(random)),
      );
      const together = Math.max(...work.map((each, rank) => each + input[rank]!));
      length += together + 0.12;
      for (let rank = 0; rank < count; rank += 1) {
        const waits = together - work[rank]! - input[rank]!;
        sm[rank]! += work[rank]! * WORK_SM + waits * SPIN_SM + 0.12 * COLLECTIVE_SM;
        engine[rank]! += together + 0.12 - input[rank]!;
      }
    }
    devices.forEach((device, rank) => {
      device.smActive.push((sm[rank]! / length) * (1 + 0.002 * gauss(random)));
      device.engineActive.push(engine[rank]! / length);
    });
  }
  return { devices, slowGpu: `g${slowest}` };
}

/** How many of some jobs are named right, and how many wrong. */
function countNames(jobs: number, ranks: Ranks): { right: number; wrong: number } {
  const counts = { right: 0, wrong: 0 };
  for (let seed = 0; seed < jobs; seed += 1) {
    const { devices, slowGpu } = makeRanks(seed, ranks);
    const found = findStraggler(devices);
    if ('none' in found) continue;
    if (ranks.slow > 0 && found.gpu === slowGpu && found.kind === ranks.kind) counts.right += 1;
    else counts.wrong += 1;
  }
  return counts;
}

const JOBS = 200;

describe('a straggler', () => {
  test.each([4, 8, 16])('is nobody among %d healthy devices', (count) => {
    for (const spread of [0, 0.01])
      expect(
        countNames(JOBS, { count, spread, slow: 0, kind: 'computes_longest' }).wrong,
      ).toBeLessThanOrEqual(1);
  });

  test.each([8, 16].flatMap((count) => [0.1, 0.2].map((slow) => ({ count, slow }))))(
    'that is $slow slower is named among $count',
    ({ count, slow }) => {
      for (const kind of ['computes_longest', 'fed_late'] as const) {
        const { right, wrong } = countNames(JOBS, { count, spread: 0.01, slow, kind });
        expect(right).toBeGreaterThanOrEqual(0.99 * JOBS);
        expect(wrong).toBe(0);
      }
    },
  );

  test('that is 5 % slower is named right or not at all', () => {
    expect(countNames(JOBS, { count: 8, spread: 0.01, slow: 0.05, kind: 'computes_longest' }).wrong).toBe(0);
  });

  const means = (...sm: number[]): DeviceMeans[] =>
    sm.map((value, at) => ({
      gpu: `g${at}`,
      smActive: Array.from({ length: SLICES }, () => value),
      engineActive: Array.from({ length: SLICES }, () => 1),
    }));

  test('is nobody of three', () => {
    expect(findStraggler(means(0.5, 0.5, 0.9))).toEqual({ none: 'too_few' });
  });

  test('is nobody where the ranks do different work', () => {
    expect(findStraggler(means(0.9, 0.7, 0.7, 0.5, 0.5, 0.5))).toEqual({ none: 'roles' });
    expect(findStraggler(means(0.8, 0.5, 0.5, 0.5, 0.5, 0.2))).toEqual({ none: 'roles' });
  });

  test('leads in nine of ten slices', () => {
    const devices = means(0.6, 0.5, 0.5, 0.5);
    expect(findStraggler(devices)).toMatchObject({ gpu: 'g0', kind: 'computes_longest', leads: 1 });
    const other = devices.map((device, at) =>
      at === 1
        ? { ...device, smActive: device.smActive.map((sm, slice) => (slice < 2 ? 0.9 : sm - 0.09)) }
        : device,
    );
    expect(findStraggler(other)).toHaveProperty('none');
  });

  test('is nobody where a device was not seen', () => {
    expect(findStraggler(means(0.6, 0.5, 0.5, Number.NaN))).toEqual({ none: 'alike' });
  });
});
