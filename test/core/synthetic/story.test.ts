import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Part } from '../../../src/core/synthetic/cast.ts';
import { createScenario } from '../../../src/core/synthetic/create-scenario.ts';
import { STRAGGLER_JOB_ID } from '../../../src/core/synthetic/demo-plan.ts';
import { walkPieces, type PieceKind } from '../../../src/core/synthetic/pieces.ts';
import { computeUntilUs, slowestUntilUs, stepStartUs } from '../../../src/core/synthetic/rhythm.ts';
import type { Cause, DeviceStory } from '../../../src/core/synthetic/story.ts';
import { oneJob, SECOND_US, START_US } from './one-job.ts';

const demo = createScenario({ kind: 'demo', seed: 1, nodes: 2, gpusPerNode: 8, startUs: START_US });
const jobs = demo.jobsBetween(START_US, demo.endUs);
const total = (us: Readonly<Record<string, number>>): number =>
  Object.values(us).reduce((sum, one) => sum + one, 0);
const busyUs = ({ causeUs }: DeviceStory): number =>
  causeUs.waiting + causeUs.throttled + causeUs.low + causeUs.effective;

describe('the causes of a job', () => {
  test('add up to the time of each device, in any window and over neighbouring ones', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...jobs),
        fc.integer({ min: 0, max: 1e6 }),
        fc.integer({ min: 0, max: 1e6 }),
        (job, a, b) => {
          const lengthUs = job.endUs - job.startUs;
          const [fromUs, toUs] = [a, b]
            .sort((x, y) => x - y)
            .map((part) => job.startUs + Math.round((lengthUs * part) / 1e6)) as [number, number];
          const whole = demo.storyOf(job, job.startUs - 5, job.endUs + 5);
          const windows = [
            [job.startUs, fromUs],
            [fromUs, toUs],
            [toUs, job.endUs],
          ].map(([from, to]) => demo.storyOf(job, from!, to!));
          for (const [rank, device] of whole.devices.entries()) {
            expect(total(device.causeUs)).toBeCloseTo(lengthUs, 3);
            expect(total(windows[1]!.devices[rank]!.causeUs)).toBeCloseTo(toUs - fromUs, 3);
            for (const cause of Object.keys(device.causeUs) as Cause[]) {
              const parts = windows.map(({ devices }) => devices[rank]!.causeUs[cause]);
              expect(parts.reduce((sum, us) => sum + us, 0)).toBeCloseTo(device.causeUs[cause], 2);
              expect(Math.min(...parts)).toBeGreaterThanOrEqual(0);
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test.each([
    ['training', 8],
    ['inference', 1],
    ['data-starved', 2],
    ['small-kernels', 1],
    ['memory-bound', 4],
    ['fp64', 4],
  ] as const)('of shape %s are those that its engine shows', (shape, gpus) => {
    const { scenario, job } = oneJob({ shape, gpus, seconds: 1200, seed: 3 });
    // After the head and before the first checkpoint.
    const [fromUs, toUs] = [job.startUs + 200 * SECOND_US, job.startUs + 1100 * SECOND_US];
    const { devices } = scenario.storyOf(job, fromUs, toUs);
    for (const device of devices) {
      if (device.causeUs.pause > 0) continue;
      const engine = scenario.value(device.device, 1001, toUs, toUs - fromUs);
      expect(busyUs(device)).toBeCloseTo(engine * (toUs - fromUs), 1);
      expect(device.causeUs.gaps).toBeCloseTo((1 - engine) * (toUs - fromUs), 1);
    }
  });

  test.each([
    ['training', 8, ['idleHead', 'pause', 'gaps', 'waiting', 'effective']],
    ['training', 1, ['idleHead', 'pause', 'gaps', 'effective']],
    ['out-of-memory', 2, ['idleHead', 'gaps', 'waiting', 'effective']],
    ['inference', 1, ['idleHead', 'gaps', 'effective']],
    ['memory-bound', 1, ['idleHead', 'gaps', 'effective']],
    ['data-starved', 1, ['idleHead', 'gaps', 'effective']],
    ['fp64', 4, ['idleHead', 'waiting', 'effective']],
    ['idle', 2, ['idleHead']],
    ['starved-then-idle', 1, ['idleHead', 'idleTail', 'gaps', 'effective']],
    ['small-kernels', 1, ['idleHead', 'low']],
    ['idle-ends', 1, ['idleHead', 'idleTail', 'gaps', 'effective']],
  ] as const)('of shape %s on %i GPUs', (shape, gpus, causes) => {
    const { scenario, job } = oneJob({ shape, gpus, seconds: 7200 });
    const found = new Set<string>();
    for (const { causeUs } of scenario.storyOf(job, job.startUs, job.endUs).devices)
      for (const [cause, us] of Object.entries(causeUs)) if (us > 0) found.add(cause);
    expect([...found].sort()).toEqual([...causes].sort());
  });

  test('of a device that does nothing while others work is its own', () => {
    const { scenario, job } = oneJob({ shape: 'training', gpus: 4, seconds: 900, others: { 2: 'idle' } });
    const { devices } = scenario.storyOf(job, job.startUs, job.endUs);
    expect(devices.map(({ causeUs }) => causeUs.deviceIdle)).toEqual([0, 0, 900 * SECOND_US, 0]);
  });

  test('of a throttled device is throttled as long as it is busy then', () => {
    const faults = [{ kind: 'throttle', device: 1, fromUs: 400 * SECOND_US, toUs: 500 * SECOND_US }] as const;
    const { scenario, job } = oneJob({ shape: 'fp64', gpus: 2, seconds: 900, faults });
    const { devices } = scenario.storyOf(job, job.startUs, job.endUs);
    const throttledUs = devices.map(({ causeUs }) => causeUs.throttled);
    expect(throttledUs[0]).toBe(0);
    expect(throttledUs[1]).toBeGreaterThan(85 * SECOND_US);
    expect(throttledUs[1]).toBeLessThanOrEqual(100 * SECOND_US);
  });
});

interface Piece {
  readonly kind: PieceKind;
  readonly fromUs: number;
  readonly toUs: number;
  readonly pcieTx: number;
}

function piecesOf({ rhythm, rank }: Part, toUs: number): Piece[] {
  const pieces: Piece[] = [];
  walkPieces(rhythm, rank, 0, toUs, {
    add: (level, kind, from, to) => {
      pieces.push({ kind, fromUs: from, toUs: to, pcieTx: level.pcieTx });
    },
  });
  return pieces;
}

describe('the ranks of a job', () => {
  test('wait for the slowest of each step, which waits for nobody, and never for less than nothing', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1e9 }),
        fc.integer({ min: 2, max: 16 }),
        fc.integer({ min: 0, max: 5000 }),
        (seed, gpus, step) => {
          const { parts } = oneJob({ shape: 'training', gpus, seconds: 90_000, seed });
          const waits = parts.map(({ rhythm, rank }) => {
            const ownUs = computeUntilUs(rhythm, rank, step + 1) - computeUntilUs(rhythm, rank, step);
            expect(ownUs).toBeGreaterThan(0);
            return slowestUntilUs(rhythm, step + 1) - slowestUntilUs(rhythm, step) - ownUs;
          });
          expect(Math.min(...waits)).toBe(0);
          expect(waits.every(Number.isSafeInteger)).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('meet at the same microsecond, and pause together', () => {
    const { parts } = oneJob({ shape: 'training', gpus: 12, seconds: 7200 });
    const meetings = parts.map((part) =>
      piecesOf(part, 7200 * SECOND_US)
        .filter(({ kind }) => kind === 'collective' || kind === 'checkpoint' || kind === 'evaluation')
        .map(({ fromUs }) => fromUs),
    );
    expect(meetings[0]!.length).toBeGreaterThan(1000);
    for (const other of meetings) expect(other).toEqual(meetings[0]);
  });

  test('a checkpoint begins with what goes out over PCIe', () => {
    const { parts } = oneJob({ shape: 'training', gpus: 8, seconds: 7200 });
    const pieces = piecesOf(parts[0]!, 7200 * SECOND_US).filter(({ kind }) => kind === 'checkpoint');
    expect(pieces.length).toBeGreaterThanOrEqual(4);
    const out = pieces.map(({ pcieTx }) => pcieTx > 1e10);
    expect(out).toEqual(out.map((_, at) => at % 2 === 0));
  });

  test('a slow one is named with its slowness, and waits least', () => {
    const { scenario, job } = oneJob({ shape: 'training', gpus: 8, seconds: 3600, slowness: { 5: 0.12 } });
    const { devices } = scenario.storyOf(job, job.startUs, job.endUs);
    expect(devices.map(({ slowness }) => slowness)).toEqual([0, 0, 0, 0, 0, 0.12, 0, 0]);
    const waits = devices.map(({ causeUs }) => causeUs.waiting);
    expect(Math.min(...waits)).toBe(waits[5]);
    expect(waits[5]).toBeLessThan(0.1 * waits[0]!);
    const factors = devices.map(({ computeFactor }) => computeFactor);
    expect(Math.max(...factors)).toBe(factors[5]);
    // The slow one is busiest, which is how it is told from those that wait for it.
    const sm = devices.map(({ device }) => scenario.value(device, 1002, job.endUs, job.endUs - job.startUs));
    expect(Math.max(...sm)).toBe(sm[5]);
  });

  test('are healthy within some per cent of each other', () => {
    const factors = Array.from({ length: 40 }, (_, seed) =>
      oneJob({ shape: 'fp64', gpus: 8, seconds: 60, seed }),
    ).flatMap(({ parts }) => parts.map(({ rhythm, rank }) => rhythm.factors[rank]!));
    const mean = factors.reduce((sum, x) => sum + x, 0) / factors.length;
    const deviation = Math.sqrt(factors.reduce((sum, x) => sum + (x - mean) ** 2, 0) / factors.length);
    expect(mean).toBeCloseTo(1, 2);
    expect(deviation).toBeGreaterThan(0.008);
    expect(deviation).toBeLessThan(0.012);
  });

  test('the demo has a job with a slow one', () => {
    const job = jobs.find(({ jobId }) => jobId === STRAGGLER_JOB_ID)!;
    const { devices } = demo.storyOf(job, job.startUs, job.endUs);
    expect(devices.map(({ slowness }) => slowness)).toEqual([0, 0, 0.15, 0]);
  });
});

describe('a job that hangs', () => {
  const { scenario, job } = oneJob({ shape: 'training', gpus: 8, seconds: 1800, hangsAfter: 600 });

  test('spins: the engine is busy, and nothing else', () => {
    const value = (id: number): number => scenario.value(3, id, job.endUs, 900 * SECOND_US);
    expect(value(1001)).toBeCloseTo(1, 9);
    expect(value(1002)).toBeGreaterThan(0.05);
    expect(value(1002)).toBeLessThan(0.2);
    expect(value(1004)).toBe(0);
    expect(value(1005)).toBeLessThan(0.02);
    expect([value(1009), value(1011)]).toEqual([0, 0]);
    const idleWatts = scenario.value(3, 155, START_US + 60 * SECOND_US, SECOND_US);
    expect(value(155) - idleWatts).toBeGreaterThan(60);
    expect(value(155) - idleWatts).toBeLessThan(120);
  });

  test('hangs to its end', () => {
    for (const { causeUs } of scenario.storyOf(job, job.startUs, job.endUs).devices) {
      expect(causeUs.hang).toBe(1200 * SECOND_US);
      expect(causeUs.idleTail).toBe(0);
    }
  });
});

describe('the steps of a job', () => {
  test.each([0, 0.05, 0.2])(
    'have the mean of their lengths at jitter %f, without what comes between',
    (jitter) => {
      const pace = { stepUs: 1_200_000, jitter };
      const { scenario, job, parts } = oneJob({ shape: 'training', gpus: 4, seconds: 5400, pace });
      const pieces = piecesOf(parts[0]!, 5400 * SECOND_US);
      const begins = pieces.filter(({ kind }) => kind === 'gap').map(({ fromUs }) => fromUs);
      const between = pieces
        .filter(({ kind }) => kind === 'evaluation' || kind === 'checkpoint')
        .reduce((us, { fromUs, toUs }) => us + toUs - fromUs, 0);
      const { count, meanUs } = scenario.storyOf(job, job.startUs, job.endUs).steps;
      // The last step that begins is cut off by the job's end.
      expect(count).toBe(begins.length - 1);
      expect(meanUs).toBeCloseTo((begins.at(-1)! - begins[0]! - between) / count, 6);
      expect(between).toBeGreaterThan(30 * SECOND_US);
    },
  );

  test('are of one length in a perfectly regular job, whose unequal ranks still wait', () => {
    const { parts } = oneJob({ shape: 'training', gpus: 2, seconds: 600, pace: { stepUs: 4e5, jitter: 0 } });
    const lengths = Array.from(
      { length: 100 },
      (_, step) => stepStartUs(parts[0]!.rhythm, step + 1) - stepStartUs(parts[0]!.rhythm, step),
    );
    // In whole microseconds.
    expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(2);
    expect(parts.flatMap((part) => piecesOf(part, 6e8)).some(({ kind }) => kind === 'wait')).toBe(true);
  });

  test('add up without a grid: their begins stray further and further', () => {
    const stray = (step: number): number => {
      const squares = Array.from({ length: 60 }, (_, seed) => {
        const { rhythm } = oneJob({ shape: 'memory-bound', gpus: 1, seconds: 9e4, seed }).parts[0]!;
        const meanUs = stepStartUs(rhythm, 1000) / 1000;
        return ((stepStartUs(rhythm, step) - step * meanUs) / meanUs) ** 2;
      });
      return Math.sqrt(squares.reduce((sum, x) => sum + x, 0) / squares.length);
    };
    expect(stray(500)).toBeGreaterThan(3 * stray(20));
  });

  test('inference has none of one length', () => {
    const { parts } = oneJob({ shape: 'inference', gpus: 1, seconds: 36_000 });
    const lengths = Array.from(
      { length: 500 },
      (_, step) => stepStartUs(parts[0]!.rhythm, step + 1) - stepStartUs(parts[0]!.rhythm, step),
    );
    const mean = lengths.reduce((sum, us) => sum + us, 0) / lengths.length;
    const deviation = Math.sqrt(lengths.reduce((sum, us) => sum + (us - mean) ** 2, 0) / lengths.length);
    expect(deviation / mean).toBeGreaterThan(0.5);
  });
});
