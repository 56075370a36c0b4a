import type { Level } from './level.ts';
import { walkPieces, type PieceKind, type PieceSink } from './pieces.ts';
import { hashUnit } from './random.ts';
import { memoryRatioAt } from './shape.ts';
import { joulesAt, segmentIndexAt, withinCycle, type Load, type Timeline } from './timeline.ts';

/** Positions in `Activity.levels`: ratios 0..1, but for the last three, which are bytes per second. */
export const LEVEL = {
  engine: 0,
  sm: 1,
  tensor: 2,
  dram: 3,
  fp64: 4,
  fp32: 5,
  fp16: 6,
  pcieTx: 7,
  pcieRx: 8,
  nvlink: 9,
} as const;
const LEVEL_COUNT = 10;

/** What a device did in an interval and is at its end; kept and overwritten, so that reading a value allocates nothing. */
export interface Activity {
  /** Means over the interval. */
  readonly levels: Float64Array;
  memoryBytes: number;
  /** A job holds the device, be it idle or not. */
  isHeld: boolean;
  isThrottled: boolean;
  /** Seconds since the throttling began; 0 when there is none. */
  throttledSeconds: number;
}

export const RESERVED_BYTES = 620 * 1024 * 1024;
export const IDLE_BYTES = 4 * 1024 * 1024;

export function createActivity(): Activity {
  return {
    levels: new Float64Array(LEVEL_COUNT),
    // No whole numbers: an engine that has seen whole numbers in a field must think again at the first fraction.
    memoryBytes: NaN,
    isHeld: false,
    isThrottled: false,
    throttledSeconds: NaN,
  };
}

/** What the device is at a time, µs since the origin. */
export function loadState(a: Activity, timeline: Timeline, deviceBytes: number, atUs: number): void {
  const withinUs = withinCycle(timeline.cycleUs, atUs);
  const segment = timeline.segments[segmentIndexAt(timeline, withinUs)]!;
  a.isHeld = segment.loads.length > 0;
  a.isThrottled = segment.isThrottled;
  a.throttledSeconds = segment.isThrottled ? (withinUs - segment.startUs) * 1e-6 : 0;
  const roomBytes = deviceBytes - RESERVED_BYTES - IDLE_BYTES;
  let memoryBytes = 0;
  for (const { energy, jobStartUs, memoryPart } of segment.loads) {
    const sinceUs = Math.max(0, withinUs - jobStartUs);
    memoryBytes += memoryRatioAt(energy.rhythm.shape, sinceUs) * memoryPart * roomBytes;
  }
  a.memoryBytes = memoryBytes;
}

/**
 * What a device did on average over (fromUs, toUs], µs since the origin, into `levels`.
 *
 * Activity within a phase is not quite even: it ripples, by pairs of stretches of which one is as much above the level as
 * the other is below. So samples of 100 ms scatter by some per cent, those of a second by less, and the sum over any
 * interval needs the ends of its pieces only: neighbouring intervals add up exactly.
 */
export type MeansReader = (
  levels: Float64Array,
  timeline: Timeline,
  device: number,
  fromUs: number,
  toUs: number,
) => void;

const RIPPLE = 0.05;
const RIPPLE_HALF_US = 200_000;
/** Apart from the streams of rhythms, which are few. */
const RIPPLE_STREAM = 1 << 20;

interface Adder extends PieceSink {
  levels: Float64Array;
  device: number;
  load: Load | undefined;
  /** Time 0 of the job, µs since the origin. */
  jobStartUs: number;
}

/** @param seed of the ripple */
export function createMeansReader(seed: number): MeansReader {
  /** µs by which a device was busier than its levels from the beginning of a ripple's pair to `atUs`. */
  const rippleUs = (device: number, atUs: number): number => {
    const pair = Math.floor(atUs / (2 * RIPPLE_HALF_US));
    const intoUs = atUs - pair * (2 * RIPPLE_HALF_US);
    const height = RIPPLE * (2 * hashUnit(seed, RIPPLE_STREAM + device, pair) - 1);
    return height * (intoUs < RIPPLE_HALF_US ? intoUs : 2 * RIPPLE_HALF_US - intoUs);
  };
  const adder: Adder = {
    levels: new Float64Array(0),
    device: 0,
    load: undefined,
    jobStartUs: 0,
    add(level: Level, _: PieceKind, fromUs: number, toUs: number): void {
      const { levels, load, device, jobStartUs } = this;
      const us = toUs - fromUs;
      const ripple = rippleUs(device, jobStartUs + toUs) - rippleUs(device, jobStartUs + fromUs);
      const weight = (us + ripple) * load!.activity;
      levels[LEVEL.engine]! += level.engine * us * load!.part;
      levels[LEVEL.sm]! += level.sm * weight;
      levels[LEVEL.tensor]! += level.tensor * weight;
      levels[LEVEL.dram]! += level.dram * weight;
      levels[LEVEL.fp64]! += level.fp64 * weight;
      levels[LEVEL.fp32]! += level.fp32 * weight;
      levels[LEVEL.fp16]! += level.fp16 * weight;
      levels[LEVEL.pcieTx]! += level.pcieTx * weight;
      levels[LEVEL.pcieRx]! += level.pcieRx * weight;
      levels[LEVEL.nvlink]! += level.nvlink * weight;
    },
  };
  return (levels, timeline, device, fromUs, toUs) => {
    levels.fill(0);
    adder.levels = levels;
    adder.device = device;
    const { cycleUs } = timeline;
    for (let atUs = fromUs; atUs < toUs;) {
      const cycleStartUs = Number.isFinite(cycleUs) ? Math.floor(atUs / cycleUs) * cycleUs : 0;
      const endUs = Math.min(toUs, cycleStartUs + cycleUs);
      addSegments(adder, timeline, cycleStartUs, atUs - cycleStartUs, endUs - cycleStartUs);
      atUs = endUs;
    }
    const perUs = 1 / (toUs - fromUs);
    for (let at = 0; at < LEVEL_COUNT; at += 1) levels[at]! *= perUs;
  };
}

/** Adds what the jobs of (fromUs, toUs] did, µs since the beginning of a cycle. */
function addSegments(
  adder: Adder,
  timeline: Timeline,
  cycleStartUs: number,
  fromUs: number,
  toUs: number,
): void {
  const { segments } = timeline;
  for (let at = segmentIndexAt(timeline, fromUs); at < segments.length; at += 1) {
    const { startUs, loads } = segments[at]!;
    if (startUs >= toUs) return;
    const beginUs = Math.max(startUs, fromUs);
    const endUs = at + 1 < segments.length ? Math.min(segments[at + 1]!.startUs, toUs) : toUs;
    if (beginUs >= endUs) continue;
    for (const load of loads) {
      const { rhythm, rank } = load.energy;
      adder.load = load;
      adder.jobStartUs = cycleStartUs + load.jobStartUs;
      walkPieces(rhythm, rank, beginUs - load.jobStartUs, endUs - load.jobStartUs, adder);
    }
  }
}

/**
 * Joules since the origin of each device, remembering the newest answer of each: a mean over the last second asks for it
 * again a second later.
 */
export function createEnergyMeter(timelines: readonly Timeline[]): (device: number, atUs: number) => number {
  const newestUs = new Float64Array(timelines.length).fill(-Infinity);
  const newestJoules = new Float64Array(timelines.length);
  return (device, atUs) => {
    if (newestUs[device] === atUs) return newestJoules[device]!;
    const joules = joulesAt(timelines[device]!, atUs);
    if (atUs > newestUs[device]!) {
      newestUs[device] = atUs;
      newestJoules[device] = joules;
    }
    return joules;
  };
}
