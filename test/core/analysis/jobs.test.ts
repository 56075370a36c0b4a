/**
 * Goal: of jobs whose truth the synthetic source states, steps and slow devices are told right or not at all, and nobody healthy is
 * accused. Method: means over ticks of each device, as a lane records them, through the same windows as in a report; without SQL.
 * More of them: `GPULEDGER_JOBS=200 npx vitest run test/core/analysis/jobs.test.ts`.
 */
import { describe, expect, test } from 'vitest';
import {
  activeSteps,
  chooseWindows,
  sliceWindows,
  USUAL_WINDOWS,
  type Window,
} from '../../../src/core/analysis/active-windows.ts';
import { combineWindows, type JobSteps } from '../../../src/core/analysis/job-steps.ts';
import { findStepPeriod } from '../../../src/core/analysis/step-period.ts';
import { findStraggler, type Straggler } from '../../../src/core/analysis/straggler.ts';
import { oneJob } from '../synthetic/one-job.ts';

const JOBS = Number(process.env['GPULEDGER_JOBS'] ?? 8);
const SECOND = 1e6;
const MINUTE = 60 * SECOND;
const SLICES_MIN = 10;

type Wish = Parameters<typeof oneJob>[0];

interface Told {
  readonly periodUs: number | undefined;
  /** Rank and kind. */
  readonly slowest: { readonly rank: number; readonly kind: Straggler['kind'] } | undefined;
  /** Of the source. */
  readonly meanUs: number;
}

/** Activity of all ranks by tick. */
function sampled(wish: Wish, tickUs: number): { sm: Float64Array[]; engine: Float64Array[]; meanUs: number } {
  const { scenario, job, parts } = oneJob(wish);
  const reader = scenario.readerOf([1002, 1001]);
  const ticks = Math.floor((wish.seconds * SECOND) / tickUs);
  const read = new Float64Array(2);
  const sm = parts.map(() => new Float64Array(ticks));
  const engine = parts.map(() => new Float64Array(ticks));
  for (const [rank, { share }] of parts.entries())
    for (let tick = 0; tick < ticks; tick += 1) {
      reader.read(share.device, job.startUs + (tick + 1) * tickUs, tickUs, read);
      sm[rank]![tick] = read[0]!;
      engine[rank]![tick] = read[1]!;
    }
  return { sm, engine, meanUs: scenario.storyOf(job, job.startUs, job.endUs).steps.meanUs };
}

function averageOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function tell(wish: Wish, tickUs = SECOND): Told {
  const { sm, engine, meanUs } = sampled(wish, tickUs);
  const pooled = sm[0]!.map((_, tick) => sm.reduce((sum, own) => sum + own[tick]!, 0) / sm.length);
  const within = (values: Float64Array, { fromUs, toUs }: Window): Float64Array =>
    values.slice(Math.round(fromUs / tickUs), Math.round(toUs / tickUs));
  const minutes = Array.from({ length: Math.floor((wish.seconds * SECOND) / MINUTE) }, (_, minute) => {
    const fromUs = minute * MINUTE;
    return { fromUs, ratio: averageOf(within(pooled, { fromUs, toUs: fromUs + MINUTE })), knownUs: MINUTE };
  });
  const windows = chooseWindows(activeSteps(minutes), MINUTE, USUAL_WINDOWS);
  const steps: JobSteps | { readonly none: unknown } =
    windows.length === 0
      ? { none: 'inactive' }
      : combineWindows(windows.map((window) => findStepPeriod({ tickUs, values: within(pooled, window) })));
  const slices = sliceWindows(windows, SLICES_MIN);
  const meansOf = (values: Float64Array): number[] => slices.map((slice) => averageOf(within(values, slice)));
  const found = findStraggler(
    sm.map((own, rank) => ({
      gpu: String(rank),
      smActive: meansOf(own),
      engineActive: meansOf(engine[rank]!),
    })),
  );
  return {
    periodUs: 'none' in steps ? undefined : steps.periodUs,
    slowest: 'none' in found ? undefined : { rank: Number(found.gpu), kind: found.kind },
    meanUs,
  };
}

function many(wish: Wish, tickUs?: number): Told[] {
  return Array.from({ length: JOBS }, (_, seed) => tell({ ...wish, seed: seed + 1 }, tickUs));
}

/** How far each period that was told is from the true mean, as a part of it. */
function strays(told: readonly Told[]): number[] {
  return told.flatMap(({ periodUs, meanUs }) =>
    periodUs === undefined ? [] : [Math.abs(periodUs / meanUs - 1)],
  );
}

const paced = (stepS: number, jitter: number): Pick<Wish, 'pace'> => ({
  pace: { stepUs: stepS * SECOND, jitter },
});

describe('steps', () => {
  test.each<[string, Wish, number]>([
    ['training', { shape: 'training', gpus: 4, seconds: 1500 }, 1],
    ['FP64', { shape: 'fp64', gpus: 2, seconds: 1800 }, 1],
    ['late input', { shape: 'data-starved', gpus: 2, seconds: 1500 }, 1],
    ['5 s, regular', { shape: 'training', gpus: 2, seconds: 1500, ...paced(5, 0) }, 1],
    ['1.2 s', { shape: 'training', gpus: 2, seconds: 500, ...paced(1.2, 0.05) }, 0.1],
    ['0.5 s', { shape: 'training', gpus: 2, seconds: 500, ...paced(0.5, 0.02) }, 0.1],
  ])('of %s are right within 1 % in nearly all jobs, and never wrong', (_, wish, tickS) => {
    const all = strays(many(wish, tickS * SECOND));
    expect(all.length).toBeGreaterThanOrEqual(0.9 * JOBS);
    expect(all.filter((stray) => stray > 0.01).length).toBeLessThanOrEqual(0.05 * JOBS);
    expect(Math.max(...all)).toBeLessThan(0.05);
  });

  test.each<[string, Wish]>([
    ['3 s', { shape: 'training', gpus: 1, seconds: 1500, ...paced(3, 0.05) }],
    ['7 s that scatter', { shape: 'training', gpus: 1, seconds: 1500, ...paced(7, 0.2) }],
    ['1.2 s, regular', { shape: 'training', gpus: 2, seconds: 1500, ...paced(1.2, 0) }],
    ['1.2 s', { shape: 'training', gpus: 1, seconds: 1500, ...paced(1.2, 0.05) }],
    ['0.4 s, regular', { shape: 'training', gpus: 1, seconds: 1500, ...paced(0.4, 0) }],
    ['0.4 s', { shape: 'training', gpus: 2, seconds: 1500, ...paced(0.4, 0.05) }],
    ['two phases in turns', { shape: 'memory-bound', gpus: 1, seconds: 1500 }],
  ])('of %s at 1 s are right within 5 %, or none', (_, wish) => {
    for (const stray of strays(many(wish))) expect(stray).toBeLessThan(0.05);
  });

  test('of bursts are none', () => {
    expect(strays(many({ shape: 'inference', gpus: 2, seconds: 1500 }))).toEqual([]);
  });
});

describe('the device that the others wait for', () => {
  const names = (wish: Wish): (number | undefined)[] => many(wish).map(({ slowest }) => slowest?.rank);

  test.each<[string, Wish]>([
    ['training', { shape: 'training', gpus: 8, seconds: 1500 }],
    ['FP64', { shape: 'fp64', gpus: 4, seconds: 1500 }],
    ['late input', { shape: 'data-starved', gpus: 4, seconds: 1500 }],
    ['memory-bound', { shape: 'memory-bound', gpus: 8, seconds: 1500 }],
    ['inference', { shape: 'inference', gpus: 4, seconds: 1500 }],
  ])('is nobody in a healthy job: %s', (_, wish) => {
    expect(names(wish).filter((rank) => rank !== undefined).length).toBeLessThanOrEqual(0.005 * JOBS);
  });

  test('is named from 10 % on, and at 5 % or not at all', () => {
    const slow = (slowness: number): (number | undefined)[] =>
      names({ shape: 'training', gpus: 8, seconds: 1500, slowness: { 5: slowness } });
    expect(slow(0.1).filter((rank) => rank === 5).length).toBeGreaterThanOrEqual(0.99 * JOBS);
    expect(slow(0.05).filter((rank) => rank !== undefined && rank !== 5).length).toBeLessThanOrEqual(
      0.005 * JOBS,
    );
  });
});
