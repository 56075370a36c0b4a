/**
 * Activities that are made for the tests: levels that hold for a while, and their exact means over ticks, as the hardware
 * gives them. Shares no code with what is tested.
 */
import { createRandom, type Random } from '../../../src/core/synthetic/random.ts';

/** A level that holds until a time, seconds. */
export interface Level {
  readonly untilS: number;
  readonly value: number;
}

/** Normal, mean 0, deviation 1. */
export function gauss(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}

/** The mean of the levels over each tick of [0, ticks · tickS). @param levels ascending by time, from before 0 on */
export function meansOf(levels: readonly Level[], tickS: number, ticks: number): Float64Array {
  const means = new Float64Array(ticks);
  let at = 0;
  for (let tick = 0; tick < ticks; tick += 1) {
    const endS = (tick + 1) * tickS;
    let fromS = tick * tickS;
    while (fromS < endS - 1e-12) {
      while (levels[at]!.untilS <= fromS + 1e-12) at += 1;
      const toS = Math.min(endS, levels[at]!.untilS);
      means[tick] = means[tick]! + ((toS - fromS) * levels[at]!.value) / tickS;
      fromS = toS;
    }
  }
  return means;
}

export interface Steps {
  readonly levels: readonly Level[];
  /** Mean length of the steps, seconds. */
  readonly meanS: number;
}

export interface StepShape {
  readonly stepS: number;
  /** Deviation of a step's length, as a part of it. */
  readonly jitter: number;
  /** A step is made of so many like parts and an update, else of one. */
  readonly accumulation: number;
}

/** Training: each step is work of two levels and a collective that uses few SMs. */
export function makeSteps(seed: number, lengthS: number, shape: StepShape): Steps {
  const random = createRandom(seed, 'steps');
  const levels: Level[] = [];
  const lengths: number[] = [];
  let startS = -5 * shape.stepS * random.next();
  while (startS < lengthS) {
    const lastS = shape.stepS * Math.max(0.2, 1 + shape.jitter * gauss(random));
    const workS = (0.85 * lastS) / shape.accumulation;
    for (let part = 0; part < shape.accumulation; part += 1) {
      levels.push({ untilS: startS + (part + 0.8) * workS, value: 0.92 });
      levels.push({ untilS: startS + (part + 1) * workS, value: 0.6 });
    }
    startS += lastS;
    levels.push({ untilS: startS, value: 0.2 });
    lengths.push(lastS);
  }
  return { levels, meanS: lengths.reduce((sum, each) => sum + each, 0) / lengths.length };
}

/** Requests that come when they come: busy and idle for lengths of an exponential distribution. */
export function makeBursts(seed: number, lengthS: number, meanS: number): Level[] {
  const random = createRandom(seed, 'bursts');
  const levels: Level[] = [];
  for (let atS = 0; atS < lengthS;) {
    atS -= meanS * Math.log(1 - random.next());
    levels.push({ untilS: atS, value: 0.02 });
    atS -= 0.5 * meanS * Math.log(1 - random.next());
    levels.push({ untilS: atS, value: 0.9 });
  }
  return levels;
}

/** The mean of eight devices that are 5 % apart at random in each tick, kept in [0, 1]. */
export function measured(seed: number, means: Float64Array): Float64Array {
  const random = createRandom(seed, 'measured');
  return means.map((mean) => {
    let sum = 0;
    for (let device = 0; device < 8; device += 1) sum += mean * (1 + 0.05 * gauss(random));
    return Math.min(1, Math.max(0, sum / 8));
  });
}
