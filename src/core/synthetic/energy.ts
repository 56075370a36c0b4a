import { wattsOf, type Phase } from './level.ts';
import {
  computeUntilUs,
  gapsUntilUs,
  interludesUntil,
  slowestUntilUs,
  stepAt,
  stepStartUs,
  type Rhythm,
} from './rhythm.ts';
import { durationOf } from './shape.ts';

/** Phases one after the other, by what they draw above idle. */
interface Draw {
  readonly phases: readonly Phase[];
  readonly watts: readonly number[];
  /** Of all of them, as long as planned. */
  readonly joules: number;
  /** Mean; 0 where there is no phase. */
  readonly meanWatts: number;
}

/** What one rank of a job draws above idle, phase by phase. */
export interface RankEnergy {
  readonly rhythm: Rhythm;
  readonly rank: number;
  readonly headWatts: number;
  readonly tailWatts: number;
  readonly waitWatts: number;
  readonly gap: Draw;
  readonly compute: Draw;
  readonly collective: Draw;
  readonly evaluation: Draw;
  readonly checkpoint: Draw;
}

export function prepareEnergy(rhythm: Rhythm, rank: number): RankEnergy {
  const { head, tail, wait, gap, compute, collective, evaluation, checkpoint } = rhythm.shape;
  return {
    rhythm,
    rank,
    headWatts: wattsOf(head),
    tailWatts: wattsOf(tail),
    waitWatts: wattsOf(wait),
    gap: drawOf(gap),
    compute: drawOf(compute),
    collective: drawOf(collective),
    evaluation: drawOf(evaluation.phases),
    checkpoint: drawOf(checkpoint.phases),
  };
}

function drawOf(phases: readonly Phase[]): Draw {
  const watts = phases.map(wattsOf);
  const joules = phases.reduce((sum, { durationUs }, at) => sum + watts[at]! * durationUs * 1e-6, 0);
  const meanWatts = phases.length === 0 ? 0 : joules / (durationOf(phases) * 1e-6);
  return { phases, watts, joules, meanWatts };
}

/** Joules above idle from the job's start until `sinceUs` (µs, negative counts as 0): a closed form, whatever the time. */
export function joulesUntil(energy: RankEnergy, sinceUs: number): number {
  if (sinceUs <= 0) return 0;
  const { rhythm } = energy;
  const { head, activeUs } = rhythm.shape;
  const headEndUs = Math.min(head.durationUs, activeUs);
  const workedUs = Math.min(sinceUs, activeUs) - headEndUs;
  const joules =
    (energy.headWatts * Math.min(sinceUs, headEndUs) + energy.tailWatts * Math.max(0, sinceUs - activeUs)) *
    1e-6;
  if (workedUs <= 0) return joules;
  const step = stepAt(rhythm, workedUs);
  const intoUs = workedUs - stepStartUs(rhythm, step);
  return joules + stepsJoules(energy, step) + withinStepJoules(energy, step, intoUs);
}

/** Joules of all steps before `step`. */
function stepsJoules(energy: RankEnergy, step: number): number {
  const { rhythm, rank, gap, compute, collective, waitWatts } = energy;
  const { evaluation, checkpoint } = rhythm.shape;
  const computedUs = computeUntilUs(rhythm, rank, step);
  const waitedUs = slowestUntilUs(rhythm, step) - computedUs;
  return (
    (gap.meanWatts * gapsUntilUs(rhythm, step) + compute.meanWatts * computedUs + waitWatts * waitedUs) *
      1e-6 +
    collective.joules * step +
    energy.evaluation.joules * interludesUntil(evaluation, step) +
    energy.checkpoint.joules * interludesUntil(checkpoint, step)
  );
}

/** Joules of the first `us` of a step. */
function withinStepJoules(energy: RankEnergy, step: number, us: number): number {
  const { rhythm, rank } = energy;
  const { shape } = rhythm;
  const gapUs = gapsUntilUs(rhythm, step + 1) - gapsUntilUs(rhythm, step);
  let joules = drawn(energy.gap, us, gapUs / rhythm.gapUs);
  if (us <= gapUs) return joules;
  const ownUs = computeUntilUs(rhythm, rank, step + 1) - computeUntilUs(rhythm, rank, step);
  const slowestUs = slowestUntilUs(rhythm, step + 1) - slowestUntilUs(rhythm, step);
  const sinceGapUs = us - gapUs;
  joules += drawn(energy.compute, sinceGapUs, ownUs / rhythm.computeUs);
  joules += energy.waitWatts * Math.max(0, Math.min(sinceGapUs, slowestUs) - ownUs) * 1e-6;
  let restUs = sinceGapUs - slowestUs;
  joules += drawn(energy.collective, restUs, 1);
  restUs -= rhythm.collectiveUs;
  if ((step + 1) % shape.evaluation.everySteps === 0) {
    joules += drawn(energy.evaluation, restUs, 1);
    restUs -= rhythm.evaluationUs;
  }
  if ((step + 1) % shape.checkpoint.everySteps === 0) joules += drawn(energy.checkpoint, restUs, 1);
  return joules;
}

/** Joules of the first `us` of some phases, each `scale` times as long as planned; 0 before they begin. */
function drawn({ phases, watts }: Draw, us: number, scale: number): number {
  let joules = 0;
  let leftUs = us;
  for (let at = 0; at < phases.length && leftUs > 0; at += 1) {
    const phaseUs = phases[at]!.durationUs * scale;
    joules += watts[at]! * Math.min(leftUs, phaseUs) * 1e-6;
    leftUs -= phaseUs;
  }
  return joules;
}
