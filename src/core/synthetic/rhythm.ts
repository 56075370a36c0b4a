import { assert } from '../base/assert.ts';
import { hashUnit } from './random.ts';
import { durationOf, type Interlude, type Shape } from './shape.ts';

/**
 * When the steps of one job begin and how long each of its ranks computes: a pure function of shape, ranks and seed, in
 * whole microseconds. Step lengths are random and add up, as they do on hardware; around a fixed grid they would stay in
 * phase with the ticks for ever. So that no sum ever walks the steps of a day, the draws repeat after
 * `CYCLE_STEPS_MAX` steps: one table holds their sums, and everything before the cycle is a product. What a rank alone
 * adds is the difference of two hashes, which needs no table.
 */
export interface Rhythm {
  readonly shape: Shape;
  /** Of each rank: how long it computes, against the plan. */
  readonly factors: readonly number[];
  readonly seed: number;
  /** Planned times of a step, without jitter. */
  readonly gapUs: number;
  readonly computeUs: number;
  readonly collectiveUs: number;
  readonly evaluationUs: number;
  readonly checkpointUs: number;
  /** Steps in the tables. */
  readonly cycleSteps: number;
  /** Prefix sums over the steps of a cycle: the gap, µs; the scale of the compute time; the slowest rank's, µs. */
  readonly gapsUs: Float64Array;
  readonly scales: Float64Array;
  readonly slowestUs: Float64Array;
  /** Mean length of a step with its part of the interludes: where to begin to look for a time. */
  readonly meanUs: number;
  /** The step that was found last, its beginning and that of the next: the next question is mostly about it. */
  readonly found: Float64Array;
}

/** The draws of longer jobs repeat. */
const CYCLE_STEPS_MAX = 1024;

/** Streams of draws. Those of ranks follow the last one. */
const GAP_STREAM = 1;
const COMPUTE_STREAM = 2;
const RANK_STREAM = 3;

/** An exponential draw of mean 1 stays within these. */
const SCALE_MIN = 0.05;
const SCALE_MAX = 4;

/** @param durationUs time of the job: steps beyond it need no table */
export function createRhythm(
  shape: Shape,
  factors: readonly number[],
  seed: number,
  durationUs: number,
): Rhythm {
  const gapUs = durationOf(shape.gap);
  const computeUs = durationOf(shape.compute);
  const collectiveUs = durationOf(shape.collective);
  const stepUs = gapUs + computeUs + collectiveUs;
  assert(stepUs > 0, 'a step takes time');
  assert(factors.length > 0, 'a job has a rank at least');
  const cycleSteps = Math.min(CYCLE_STEPS_MAX, Math.ceil(durationUs / stepUs) + 1);
  const rhythm = {
    shape,
    factors,
    seed,
    gapUs,
    computeUs,
    collectiveUs,
    evaluationUs: durationOf(shape.evaluation.phases),
    checkpointUs: durationOf(shape.checkpoint.phases),
    cycleSteps,
    gapsUs: new Float64Array(cycleSteps + 1),
    scales: new Float64Array(cycleSteps + 1),
    slowestUs: new Float64Array(cycleSteps + 1),
    meanUs: stepUs,
    found: Float64Array.of(0, 0, 0),
  };
  let gapScale = 0;
  for (let step = 0; step < cycleSteps; step += 1) {
    gapScale += scaleOf(rhythm, GAP_STREAM, step);
    rhythm.gapsUs[step + 1] = Math.round(gapUs * gapScale);
    rhythm.scales[step + 1] = rhythm.scales[step]! + scaleOf(rhythm, COMPUTE_STREAM, step);
  }
  for (let step = 0; step < cycleSteps; step += 1)
    rhythm.slowestUs[step + 1] = rhythm.slowestUs[step]! + slowestOf(rhythm, step);
  return { ...rhythm, meanUs: Math.max(1, stepStartUs(rhythm, cycleSteps) / cycleSteps) };
}

function scaleOf({ seed, shape: { jitter } }: Rhythm, stream: number, step: number): number {
  const draw = hashUnit(seed, stream, step);
  if (jitter.step === 'aperiodic') return Math.min(SCALE_MAX, Math.max(SCALE_MIN, -Math.log(1 - draw)));
  return 1 + jitter.step * (draw + hashUnit(seed, stream, -1 - step) - 1);
}

function slowestOf(rhythm: Rhythm, step: number): number {
  let slowestUs = 0;
  for (let rank = 0; rank < rhythm.factors.length; rank += 1)
    slowestUs = Math.max(
      slowestUs,
      withinCycleUs(rhythm, rank, step + 1) - withinCycleUs(rhythm, rank, step),
    );
  return slowestUs;
}

/** Compute time of a rank in the first `step` steps of a cycle. */
function withinCycleUs(rhythm: Rhythm, rank: number, step: number): number {
  const { computeUs, factors, scales, seed, shape } = rhythm;
  const plannedUs = computeUs * factors[rank]! * scales[step]!;
  if (step === 0 || shape.jitter.rank === 0) return Math.round(plannedUs);
  const stream = RANK_STREAM + rank;
  const strayUs = shape.jitter.rank * computeUs * (hashUnit(seed, stream, step) - hashUnit(seed, stream, 0));
  return Math.round(plannedUs + strayUs);
}

/** Whole cycles before a step, as a factor before a sum over one cycle, and the step within its own. */
const cyclesBefore = (rhythm: Rhythm, step: number): number => Math.floor(step / rhythm.cycleSteps);

/** µs that a rank computes in the steps before `step`. */
export function computeUntilUs(rhythm: Rhythm, rank: number, step: number): number {
  const cycles = cyclesBefore(rhythm, step);
  const within = withinCycleUs(rhythm, rank, step - cycles * rhythm.cycleSteps);
  return cycles === 0 ? within : within + cycles * withinCycleUs(rhythm, rank, rhythm.cycleSteps);
}

/** µs of the gaps of the steps before `step`. */
export function gapsUntilUs(rhythm: Rhythm, step: number): number {
  return sumUntil(rhythm, rhythm.gapsUs, step);
}

/** µs from the beginning of compute to that of the collective, of the steps before `step`: what the slowest needs. */
export function slowestUntilUs(rhythm: Rhythm, step: number): number {
  return sumUntil(rhythm, rhythm.slowestUs, step);
}

function sumUntil(rhythm: Rhythm, sums: Float64Array, step: number): number {
  const cycles = cyclesBefore(rhythm, step);
  return cycles * sums[rhythm.cycleSteps]! + sums[step - cycles * rhythm.cycleSteps]!;
}

/** How often an interlude comes in the steps before `step`. */
export function interludesUntil({ everySteps }: Interlude, step: number): number {
  return Math.floor(step / everySteps);
}

/** µs from the end of the head to the beginning of a step. */
export function stepStartUs(rhythm: Rhythm, step: number): number {
  const { shape, collectiveUs, evaluationUs, checkpointUs } = rhythm;
  return (
    gapsUntilUs(rhythm, step) +
    slowestUntilUs(rhythm, step) +
    collectiveUs * step +
    evaluationUs * interludesUntil(shape.evaluation, step) +
    checkpointUs * interludesUntil(shape.checkpoint, step)
  );
}

/** The step that a time (µs since the end of the head, 0 at least) lies in: the last that begins no later. */
export function stepAt(rhythm: Rhythm, us: number): number {
  const { found } = rhythm;
  if (us >= found[1]! && us < found[2]!) return found[0]!;
  const step = searchStep(rhythm, us);
  found[0] = step;
  found[1] = stepStartUs(rhythm, step);
  found[2] = stepStartUs(rhythm, step + 1);
  return step;
}

function searchStep(rhythm: Rhythm, us: number): number {
  let low = Math.floor(us / rhythm.meanUs);
  let stride = 1;
  while (low > 0 && stepStartUs(rhythm, low) > us) {
    low = Math.max(0, low - stride);
    stride *= 2;
  }
  let high = low + stride;
  while (stepStartUs(rhythm, high) <= us) {
    low = high;
    high += stride;
    stride *= 2;
  }
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (stepStartUs(rhythm, middle) <= us) low = middle;
    else high = middle;
  }
  return low;
}
