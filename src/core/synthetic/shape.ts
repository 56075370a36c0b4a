import type { Level, Phase } from './level.ts';

/**
 * The life of a job on one GPU, in time since the job's start:
 *
 *   head │ step step step … step checkpoint │ step … │ tail
 *                                                    └ activeUs
 *
 * One step, of one rank:
 *
 *   gap │ compute      │ wait │ collective │ (evaluation) │ (checkpoint)
 *
 * All ranks begin a step together and all but the slowest of that step wait, so that the collective begins together too.
 * How long the gap and the compute phases last differs from step to step. Levels are constant within a phase.
 */
export interface Shape {
  readonly head: Phase;
  /** Before the ranks compute: input that is late, or its way into the device. The same for all of them. */
  readonly gap: readonly Phase[];
  /** The rank's own work: slow devices need longer. */
  readonly compute: readonly Phase[];
  /** What a rank does that has to wait for a slower one. */
  readonly wait: Level;
  /** What all ranks do together. */
  readonly collective: readonly Phase[];
  readonly evaluation: Interlude;
  readonly checkpoint: Interlude;
  readonly jitter: Jitter;
  /** From here on only `tail`. */
  readonly activeUs: number;
  readonly tail: Level;
  /** What the tail is: the job has lost a rank and spins, or has nothing left to do. */
  readonly isHanging: boolean;
  /** Memory used after the head, as a part of the device's memory. */
  readonly memoryRatio: number;
  /** Memory still grows to this part until `memoryFullUs` (equal to memoryRatio: it does not). */
  readonly memoryEndRatio: number;
  readonly memoryFullUs: number;
}

/** Something that all ranks do at the end of every so many steps. */
export interface Interlude {
  /** Infinity: never. */
  readonly everySteps: number;
  readonly phases: readonly Phase[];
}

export const NEVER: Interlude = { everySteps: Infinity, phases: [] };

interface Jitter {
  /** A step's gap and compute times are scaled by 1 ± this, all ranks alike; aperiodic: each by an exponential draw. */
  readonly step: number | 'aperiodic';
  /** Of the compute time, ±, for each rank and step by itself. */
  readonly rank: number;
}

export function durationOf(phases: readonly Phase[]): number {
  return phases.reduce((us, { durationUs }) => us + durationUs, 0);
}

/** Part of the device's memory that the job holds at a time since its start. */
export function memoryRatioAt(shape: Shape, sinceUs: number): number {
  const headUs = shape.head.durationUs;
  if (sinceUs < headUs) return shape.memoryRatio * (sinceUs / headUs);
  if (shape.memoryEndRatio === shape.memoryRatio) return shape.memoryRatio;
  const grown = Math.min(1, (sinceUs - headUs) / Math.max(1, shape.memoryFullUs - headUs));
  return shape.memoryRatio + (shape.memoryEndRatio - shape.memoryRatio) * grown;
}
