import { assert } from '../assert.ts';
import type { Random } from './random.ts';

/** What a job does to one of its GPUs while it is in one phase. Ratios are 0..1, rates bytes per second. */
export interface Level {
  readonly sm: number;
  readonly tensor: number;
  readonly dram: number;
  readonly fp64: number;
  readonly fp32: number;
  readonly fp16: number;
  readonly pcieTx: number;
  readonly pcieRx: number;
  readonly nvlink: number;
}

export interface Phase extends Level {
  readonly durationUs: number;
}

/** Power above an idle GPU, watts. Linear, so that the energy of jobs that share a GPU simply adds up. */
export function wattsOf(level: Level): number {
  const contextWatts = 38;
  const nvlinkWatts = level.nvlink * 1e-10;
  return (
    contextWatts + 245 * level.sm + 390 * level.tensor + 190 * level.dram + 120 * level.fp64 + nvlinkWatts
  );
}

/**
 * The life of a job on one GPU, in time since the job's start:
 *
 *   warm-up │ steps steps steps … pause │ steps steps … pause │ … │ tail
 *           └──────── periodUs ─────────┘                       └ activeUs
 *
 * `steps` repeats within a period, which ends with `pause` (a checkpoint); from `activeUs` on only `tail` remains.
 * Everything is piecewise constant, so the energy up to any time has a closed form and needs no history.
 */
export interface Shape {
  readonly name: string;
  readonly warmup: Phase;
  readonly steps: readonly Phase[];
  /** Infinity when there are no pauses. */
  readonly periodUs: number;
  readonly pause: Phase;
  readonly activeUs: number;
  readonly tail: Level;
  /** Memory used after the warm-up, as a part of the device's memory. */
  readonly memoryRatio: number;
  /** Memory still grows to this part until `memoryFullUs` (equal to memoryRatio: it does not). */
  readonly memoryEndRatio: number;
  readonly memoryFullUs: number;
}

/** Indexes that `phaseAt` returns for what is no step. */
const WARMUP = -1;
const PAUSE = -2;
const TAIL = -3;

/** A shape with its sums worked out once. */
export interface PreparedShape {
  readonly shape: Shape;
  readonly stepEndUs: readonly number[];
  readonly stepWatts: readonly number[];
  /** Joules of one round of steps up to the beginning of each, and of the whole round. */
  readonly stepJoules: readonly number[];
  readonly roundJoules: number;
  readonly roundUs: number;
  readonly pauseWatts: number;
  readonly warmupWatts: number;
  readonly tailWatts: number;
}

export function prepareShape(shape: Shape): PreparedShape {
  assert(shape.steps.length > 0, 'a shape has at least one step');
  assert(shape.periodUs > shape.pause.durationUs, 'a pause is shorter than its period');
  const stepEndUs: number[] = [];
  const stepWatts = shape.steps.map(wattsOf);
  const stepJoules: number[] = [];
  let us = 0;
  let joules = 0;
  for (const [index, step] of shape.steps.entries()) {
    stepJoules.push(joules);
    us += step.durationUs;
    joules += stepWatts[index]! * step.durationUs * 1e-6;
    stepEndUs.push(us);
  }
  return {
    shape,
    stepEndUs,
    stepWatts,
    stepJoules,
    roundJoules: joules,
    roundUs: us,
    pauseWatts: wattsOf(shape.pause),
    warmupWatts: wattsOf(shape.warmup),
    tailWatts: wattsOf(shape.tail),
  };
}

function phaseAt(prepared: PreparedShape, sinceUs: number): number {
  const { shape } = prepared;
  if (sinceUs >= shape.activeUs) return TAIL;
  if (sinceUs < shape.warmup.durationUs) return WARMUP;
  const inPeriodUs = (sinceUs - shape.warmup.durationUs) % shape.periodUs;
  if (inPeriodUs >= shape.periodUs - shape.pause.durationUs) return PAUSE;
  const inRoundUs = inPeriodUs % prepared.roundUs;
  let step = 0;
  while (inRoundUs >= prepared.stepEndUs[step]! && step < prepared.stepEndUs.length - 1) step += 1;
  return step;
}

/** The level at a time since the job's start (µs). Returns an object of the shape itself: nothing is allocated. */
export function levelAt(prepared: PreparedShape, sinceUs: number): Level {
  const phase = phaseAt(prepared, sinceUs);
  if (phase >= 0) return prepared.shape.steps[phase]!;
  if (phase === WARMUP) return prepared.shape.warmup;
  return phase === PAUSE ? prepared.shape.pause : prepared.shape.tail;
}

/** Joules above idle from the job's start until `sinceUs` (µs, negative counts as 0). */
export function joulesUntil(prepared: PreparedShape, sinceUs: number): number {
  const { shape } = prepared;
  if (sinceUs <= 0) return 0;
  const activeUs = Math.min(sinceUs, shape.activeUs);
  const tailJoules = prepared.tailWatts * (sinceUs - activeUs) * 1e-6;
  const warmUs = Math.min(activeUs, shape.warmup.durationUs);
  const workUs = activeUs - warmUs;
  const periods = Number.isFinite(shape.periodUs) ? Math.floor(workUs / shape.periodUs) : 0;
  const inPeriodUs = periods === 0 ? workUs : workUs - periods * shape.periodUs;
  return (
    tailJoules +
    prepared.warmupWatts * warmUs * 1e-6 +
    (periods === 0 ? 0 : periods * periodJoules(prepared, shape.periodUs)) +
    periodJoules(prepared, inPeriodUs)
  );
}

function periodJoules(prepared: PreparedShape, inPeriodUs: number): number {
  const { shape } = prepared;
  const workUs = Math.min(inPeriodUs, shape.periodUs - shape.pause.durationUs);
  const rounds = Math.floor(workUs / prepared.roundUs);
  const inRoundUs = workUs - rounds * prepared.roundUs;
  let step = 0;
  while (inRoundUs >= prepared.stepEndUs[step]! && step < prepared.stepEndUs.length - 1) step += 1;
  const stepStartUs = step === 0 ? 0 : prepared.stepEndUs[step - 1]!;
  return (
    rounds * prepared.roundJoules +
    prepared.stepJoules[step]! +
    prepared.stepWatts[step]! * (inRoundUs - stepStartUs) * 1e-6 +
    prepared.pauseWatts * (inPeriodUs - workUs) * 1e-6
  );
}

/** Part of the device's memory that the job holds at a time since its start. */
export function memoryRatioAt(prepared: PreparedShape, sinceUs: number): number {
  const { shape } = prepared;
  const warmUs = shape.warmup.durationUs;
  if (sinceUs < warmUs) return shape.memoryRatio * (sinceUs / warmUs);
  if (shape.memoryEndRatio === shape.memoryRatio) return shape.memoryRatio;
  const grown = Math.min(1, (sinceUs - warmUs) / Math.max(1, shape.memoryFullUs - warmUs));
  return shape.memoryRatio + (shape.memoryEndRatio - shape.memoryRatio) * grown;
}

export const SECOND_US = 1_000_000;
export const MINUTE_US = 60 * SECOND_US;

export const SHAPE_NAMES = [
  'training',
  'inference',
  'memory-bound',
  'data-starved',
  'idle',
  'fp64',
  'out-of-memory',
  'starved-then-idle',
] as const;
export type ShapeName = (typeof SHAPE_NAMES)[number];

const STILL: Level = {
  sm: 0,
  tensor: 0,
  dram: 0,
  fp64: 0,
  fp32: 0,
  fp16: 0,
  pcieTx: 0,
  pcieRx: 0,
  nvlink: 0,
};
const phase = (seconds: number, level: Partial<Level>): Phase => ({
  ...STILL,
  ...level,
  durationUs: Math.round(seconds * SECOND_US),
});

/** What a shape is made for. */
export interface ShapeSetting {
  readonly jobDurationUs: number;
  /** The job shares GPUs over NVLink (it has more than one). */
  readonly isParallel: boolean;
  /** From this time since the start on the job only waits: a rank was lost. */
  readonly hangsAfterUs?: number;
}

/** Makes a shape; `random` gives every job its own speed and levels. */
export function makeShape(name: ShapeName, setting: ShapeSetting, random: Random): Shape {
  const k = random.between(0.95, 1.03);
  const load = phase(Math.min(random.between(40, 95), setting.jobDurationUs / SECOND_US / 5), {
    sm: 0.02,
    pcieRx: 5.5e9,
  });
  const memoryRatio = random.between(0.62, 0.84);
  const base: Shape = {
    name,
    warmup: load,
    steps: [phase(1, {})],
    periodUs: Infinity,
    pause: phase(0, {}),
    activeUs: setting.hangsAfterUs ?? Infinity,
    tail: STILL,
    memoryRatio,
    memoryEndRatio: memoryRatio,
    memoryFullUs: setting.jobDurationUs,
  };
  switch (name) {
    case 'training':
      return {
        ...base,
        ...training(k, setting.isParallel),
        periodUs: Math.round(random.between(24, 55) * MINUTE_US),
      };
    case 'out-of-memory':
      return { ...base, ...training(k, setting.isParallel), memoryRatio: 0.55, memoryEndRatio: 0.985 };
    case 'inference':
      return { ...base, ...inference(k, random), memoryRatio: 0.9, memoryEndRatio: 0.9 };
    case 'memory-bound':
      return { ...base, steps: [memoryBound(k, 11), memoryBound(k * 0.93, 5)] };
    case 'data-starved':
      return { ...base, ...dataStarved(k), memoryRatio: 0.24, memoryEndRatio: 0.24 };
    case 'idle':
      return { ...base, warmup: phase(20, { sm: 0.01 }), memoryRatio: 0.012, memoryEndRatio: 0.012 };
    case 'fp64':
      return { ...base, steps: fp64(k, setting.isParallel) };
    case 'starved-then-idle':
      return {
        ...base,
        ...dataStarved(k),
        activeUs: 38 * MINUTE_US,
        memoryRatio: 0.17,
        memoryEndRatio: 0.17,
      };
  }
}

function training(k: number, isParallel: boolean): Pick<Shape, 'steps' | 'pause'> {
  const links = isParallel ? 1 : 0;
  return {
    steps: [
      phase(5.2 / k, {
        sm: 0.91 * k,
        tensor: 0.51 * k,
        dram: 0.36,
        fp16: 0.07,
        fp32: 0.05,
        pcieRx: 1.6e9,
        nvlink: 96e9 * links,
      }),
      phase(0.9, { sm: 0.58, tensor: 0.14, dram: 0.31, fp32: 0.06, pcieRx: 0.9e9, nvlink: 285e9 * links }),
      phase(0.6, { sm: 0.42, tensor: 0.02, dram: 0.62, fp32: 0.21, pcieTx: 0.2e9, pcieRx: 2.1e9 }),
    ],
    pause: phase(38, { sm: 0.03, dram: 0.02, pcieTx: 11e9, pcieRx: 0.1e9 }),
  };
}

function inference(k: number, random: Random): Pick<Shape, 'steps'> {
  const burst = { sm: 0.64 * k, tensor: 0.22 * k, dram: 0.55, fp16: 0.09, pcieTx: 0.4e9, pcieRx: 0.7e9 };
  const lull = { sm: 0.09, tensor: 0.02, dram: 0.08, fp16: 0.01, pcieTx: 0.05e9, pcieRx: 0.06e9 };
  return {
    steps: [
      phase(random.between(9, 14), burst),
      phase(random.between(15, 28), lull),
      phase(random.between(3, 6), burst),
      phase(random.between(20, 33), {}),
    ],
  };
}

function memoryBound(k: number, seconds: number): Phase {
  return phase(seconds, { sm: 0.46 * k, tensor: 0.01, dram: 0.84 * k, fp32: 0.17, pcieRx: 0.3e9 });
}

function dataStarved(k: number): Pick<Shape, 'steps'> {
  return {
    steps: [
      phase(1.3, { sm: 0.74 * k, tensor: 0.3 * k, dram: 0.27, fp16: 0.04, pcieRx: 1.1e9 }),
      phase(5.9, { sm: 0.015, pcieRx: 2.9e9 }),
    ],
  };
}

function fp64(k: number, isParallel: boolean): readonly Phase[] {
  const links = isParallel ? 1 : 0;
  return [
    phase(14, { sm: 0.83 * k, dram: 0.52, fp64: 0.47 * k, fp32: 0.03, nvlink: 22e9 * links, pcieRx: 0.2e9 }),
    phase(3, { sm: 0.37, dram: 0.7, fp64: 0.11, pcieTx: 1.4e9, nvlink: 140e9 * links }),
  ];
}
