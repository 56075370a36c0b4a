import { levelAt, memoryRatioAt } from './shape.ts';
import { joulesAt, segmentAt, withinCycle, type Segment, type Timeline } from './timeline.ts';

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

/** What a device is doing at one time; kept and overwritten, so that reading a value allocates nothing. */
export interface Activity {
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

export function loadActivity(a: Activity, timeline: Timeline, deviceBytes: number, atUs: number): void {
  const withinUs = withinCycle(timeline.cycleUs, atUs);
  const segment = segmentAt(timeline, withinUs);
  a.isHeld = segment.loads.length > 0;
  a.isThrottled = segment.isThrottled;
  a.throttledSeconds = segment.isThrottled ? (withinUs - segment.startUs) * 1e-6 : 0;
  addLoads(a, segment, withinUs, deviceBytes);
}

function addLoads(a: Activity, segment: Segment, withinUs: number, deviceBytes: number): void {
  const { levels } = a;
  levels.fill(0);
  let memoryBytes = 0;
  for (const load of segment.loads) {
    const sinceUs = Math.max(0, withinUs - load.jobStartUs);
    const level = levelAt(load.shape, sinceUs);
    const part = load.activity;
    levels[LEVEL.sm]! += level.sm * part;
    levels[LEVEL.tensor]! += level.tensor * part;
    levels[LEVEL.dram]! += level.dram * part;
    levels[LEVEL.fp64]! += level.fp64 * part;
    levels[LEVEL.fp32]! += level.fp32 * part;
    levels[LEVEL.fp16]! += level.fp16 * part;
    levels[LEVEL.pcieTx]! += level.pcieTx * part;
    levels[LEVEL.pcieRx]! += level.pcieRx * part;
    levels[LEVEL.nvlink]! += level.nvlink * part;
    const roomBytes = deviceBytes - RESERVED_BYTES - IDLE_BYTES;
    memoryBytes += memoryRatioAt(load.shape, sinceUs) * load.memoryPart * roomBytes;
  }
  levels[LEVEL.engine] = Math.min(1, levels[LEVEL.sm]! * 1.06);
  a.memoryBytes = memoryBytes;
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
