import { assert } from '../base/assert.ts';

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
