import type { Device } from '../device.ts';
import { createRandom, noise } from './random.ts';
import { levelAt, memoryRatioAt } from './shape.ts';
import { joulesAt, segmentAt, withinCycle, type Segment, type Timeline } from './timeline.ts';

/** What a device is doing at one time; kept and overwritten, so that reading a value allocates nothing. */
interface Activity {
  sm: number;
  tensor: number;
  dram: number;
  fp64: number;
  fp32: number;
  fp16: number;
  pcieTx: number;
  pcieRx: number;
  nvlink: number;
  memoryBytes: number;
  /** A job holds the device, be it idle or not. */
  isHeld: boolean;
  isThrottled: boolean;
  /** Seconds since the throttling began; 0 when there is none. */
  throttledSeconds: number;
  /** Board power as the sensor gives it: the mean of the last second, watts. */
  watts: number;
  /** Mean power of the last minute, watts: what the temperatures follow. */
  warmthWatts: number;
}

const HERTZ = { idle: 345e6, max: 1980e6, memory: 3201e6, video: 1500e6, throttled: 1110e6 };
const POWER_LIMIT_WATTS = 700;
const RESERVED_BYTES = 620 * 1024 * 1024;
const IDLE_BYTES = 4 * 1024 * 1024;
const MIB = 1024 * 1024;

/** NVML's bits of the reasons why a clock is below its maximum. */
export const REASON = { idle: 0x1, powerCap: 0x4, swThermal: 0x20 } as const;

/** Fields that belong to an instance as well; everything else is known of whole GPUs only. */
function isInstanceField(fieldId: number): boolean {
  return (
    (fieldId >= 1001 && fieldId <= 1008) ||
    (fieldId >= 1013 && fieldId <= 1016) ||
    (fieldId >= 250 && fieldId <= 254) ||
    fieldId === 230
  );
}

/** Fields that must agree with each other scatter together: the engine is never less active than its SMs. */
function noiseOf(fieldId: number): number {
  if (fieldId === 1001 || fieldId === 1003) return 1002;
  return fieldId === 1014 ? 1004 : fieldId;
}

export interface Readings {
  /** Base units; NaN for what a synthetic device does not have. `atUs`: since the plan's origin; `tsUs`: epoch. */
  value(device: number, fieldId: number, atUs: number, tsUs: number): number;
  /** The energy counter without resets, joules. */
  energyJoules(device: number, atUs: number): number;
}

export function createReadings(
  devices: readonly Device[],
  timelines: readonly Timeline[],
  seed: number,
): Readings {
  const random = createRandom(seed, 'readings');
  const energyBaseJoules = devices.map(() => random.between(2e8, 9e8));
  const ambientCelsius = devices.map((device) => 27 + (device.index % 4) * 1.5 + random.between(0, 1.5));
  const activity = createActivity();
  let loadedDevice = -1;
  let loadedUs = NaN;

  const value = (device: number, fieldId: number, atUs: number, tsUs: number): number => {
    const isMig = devices[device]!.parentUuid !== undefined;
    if (isMig && !isInstanceField(fieldId)) return NaN;
    if (fieldId === 156) return energyJoules(device, atUs);
    if (device !== loadedDevice || atUs !== loadedUs) {
      loadActivity(activity, timelines[device]!, devices[device]!.memoryBytes, atUs);
      loadedDevice = device;
      loadedUs = atUs;
    }
    const jitter = noise(seed, device, noiseOf(fieldId), tsUs);
    if (fieldId >= 1001 && fieldId <= 1016) return profiling(fieldId, activity, jitter);
    if (fieldId >= 250 && fieldId <= 254) return memory(fieldId, activity, devices[device]!.memoryBytes);
    return board(fieldId, activity, jitter, ambientCelsius[device]!);
  };
  const energyJoules = (device: number, atUs: number): number =>
    energyBaseJoules[device]! + joulesAt(timelines[device]!, atUs);
  return { value, energyJoules };
}

function createActivity(): Activity {
  return {
    sm: 0,
    tensor: 0,
    dram: 0,
    fp64: 0,
    fp32: 0,
    fp16: 0,
    pcieTx: 0,
    pcieRx: 0,
    nvlink: 0,
    memoryBytes: 0,
    isHeld: false,
    isThrottled: false,
    throttledSeconds: 0,
    watts: 0,
    warmthWatts: 0,
  };
}

function loadActivity(activity: Activity, timeline: Timeline, deviceBytes: number, atUs: number): void {
  const withinUs = withinCycle(timeline.cycleUs, atUs);
  const segment = segmentAt(timeline, withinUs);
  addLoads(activity, segment, withinUs, deviceBytes);
  activity.isThrottled = segment.isThrottled;
  activity.throttledSeconds = segment.isThrottled ? (withinUs - segment.startUs) * 1e-6 : 0;
  const joules = joulesAt(timeline, atUs);
  activity.watts = joules - joulesAt(timeline, atUs - 1e6);
  activity.warmthWatts = (joules - joulesAt(timeline, atUs - 60e6)) / 60;
}

function addLoads(a: Activity, segment: Segment, withinUs: number, deviceBytes: number): void {
  a.sm = a.tensor = a.dram = a.fp64 = a.fp32 = a.fp16 = a.pcieTx = a.pcieRx = a.nvlink = a.memoryBytes = 0;
  a.isHeld = segment.loads.length > 0;
  for (const load of segment.loads) {
    const sinceUs = Math.max(0, withinUs - load.jobStartUs);
    const level = levelAt(load.shape, sinceUs);
    a.sm += level.sm * load.activity;
    a.tensor += level.tensor * load.activity;
    a.dram += level.dram * load.activity;
    a.fp64 += level.fp64 * load.activity;
    a.fp32 += level.fp32 * load.activity;
    a.fp16 += level.fp16 * load.activity;
    a.pcieTx += level.pcieTx * load.activity;
    a.pcieRx += level.pcieRx * load.activity;
    a.nvlink += level.nvlink * load.activity;
    const roomBytes = deviceBytes - RESERVED_BYTES - IDLE_BYTES;
    a.memoryBytes += memoryRatioAt(load.shape, sinceUs) * load.memoryPart * roomBytes;
  }
}

/** A measured ratio: what is nothing stays nothing, what is something scatters by some per cent. */
function ratio(level: number, jitter: number): number {
  return Math.min(1, level * (1 + 0.05 * jitter));
}

function profiling(fieldId: number, a: Activity, jitter: number): number {
  switch (fieldId) {
    case 1001:
      return ratio(Math.min(1, a.sm * 1.06), jitter);
    case 1002:
      return ratio(a.sm, jitter);
    case 1003:
      return ratio(a.sm * 0.61, jitter);
    case 1004:
      return ratio(a.tensor, jitter);
    case 1005:
      return ratio(a.dram, jitter);
    case 1006:
      return ratio(a.fp64, jitter);
    case 1007:
      return ratio(a.fp32, jitter);
    case 1008:
      return ratio(a.fp16, jitter);
    case 1009:
      return Math.round(a.pcieTx * (1 + 0.1 * jitter));
    case 1010:
      return Math.round(a.pcieRx * (1 + 0.1 * jitter));
    case 1011:
    case 1012:
      return Math.round(a.nvlink * (1 + 0.1 * jitter));
    case 1014:
      return ratio(a.tensor * 0.97, jitter);
    case 1015:
      return ratio(a.fp64 * 0.4, jitter);
    case 1016:
      return ratio(a.sm * 0.19, jitter);
    default:
      return fieldId === 1013 ? 0 : NaN;
  }
}

function memory(fieldId: number, a: Activity, deviceBytes: number): number {
  const usedBytes = IDLE_BYTES + Math.floor(a.memoryBytes / MIB) * MIB;
  switch (fieldId) {
    case 250:
      return deviceBytes;
    case 251:
      return deviceBytes - RESERVED_BYTES - usedBytes;
    case 252:
      return usedBytes;
    case 253:
      return RESERVED_BYTES;
    default:
      return usedBytes / (deviceBytes - RESERVED_BYTES);
  }
}

function smClockHertz(a: Activity, jitter: number): number {
  if (!a.isHeld) return HERTZ.idle;
  if (a.isThrottled) return HERTZ.throttled + Math.round(2 * jitter) * 15e6;
  // Near the power limit the board gives up clock in steps of 15 MHz.
  const excess = Math.max(0, a.watts - 0.85 * POWER_LIMIT_WATTS) / (0.15 * POWER_LIMIT_WATTS);
  return HERTZ.max - Math.round(11 * excess + jitter) * 15e6 - 15e6;
}

function temperature(a: Activity, ambient: number, celsiusPerWatt: number): number {
  // A throttled GPU is one whose cooling fails: hotter although it does less.
  const fault = a.isThrottled ? 28 * Math.min(1, 0.4 + a.throttledSeconds / 120) : 0;
  return Math.round(ambient + celsiusPerWatt * a.warmthWatts + fault);
}

function throttleMask(a: Activity): number {
  if (a.isThrottled) return REASON.swThermal;
  if (!a.isHeld) return REASON.idle;
  return a.watts > 0.97 * POWER_LIMIT_WATTS ? REASON.powerCap : 0;
}

/** Everything that the board as a whole tells. Constants are those of an H200 on an HGX board. */
function board(fieldId: number, a: Activity, jitter: number, ambient: number): number {
  switch (fieldId) {
    case 155:
    case 157:
      return Math.round(a.watts * (1 + 0.015 * jitter) * 1000) / 1000;
    case 100:
      return smClockHertz(a, jitter);
    case 101:
      return HERTZ.memory;
    case 102:
      return a.isHeld ? HERTZ.video : HERTZ.idle;
    case 112:
      return throttleMask(a);
    case 150:
      return temperature(a, ambient, 0.062);
    case 140:
      return temperature(a, ambient + 4, 0.068);
    case 153:
      return 87 - temperature(a, ambient, 0.062);
    case 190:
      return 0;
    case 203:
      return Math.round(100 * Math.min(1, a.sm * 1.1)) / 100;
    case 204:
      return Math.round(100 * a.dram) / 100;
    case 200:
      return Math.round(a.pcieTx);
    case 201:
      return Math.round(a.pcieRx);
    case 449:
      return Math.round(2 * a.nvlink);
    case 843:
    case 897:
      return Math.round(a.nvlink);
    default:
      return CONSTANTS.get(fieldId) ?? NaN;
  }
}

/** What does not change on a healthy H200, in base units, by field id. */
const CONSTANTS: ReadonlyMap<number, number> = new Map([
  [65, 0], // compute mode
  [66, 1], // persistence mode
  [67, 0], // MIG mode
  [110, HERTZ.max],
  [111, HERTZ.memory],
  [113, HERTZ.max],
  [114, HERTZ.memory],
  [115, 1545e6],
  [151, 95],
  [152, 87],
  [158, 90],
  [159, 92],
  [160, POWER_LIMIT_WATTS],
  [161, 200],
  [162, POWER_LIMIT_WATTS],
  [163, POWER_LIMIT_WATTS],
  [164, POWER_LIMIT_WATTS],
  [170, 3], // fabric manager: completed
  [174, 0],
  [235, 5], // PCIe generation and lanes
  [236, 16],
  [237, 5],
  [238, 16],
  [300, 1], // ECC on
  [385, 5120],
  ...[386, 387, 388, 389, 346].map((id) => [id, 0] as const),
  ...[230, 240, 241, 310, 312, 1422].map((id) => [id, 0] as const), // as long as nothing happens: see fault.ts
  ...[202, 206, 207, 311, 313].map((id) => [id, 0] as const), // replays, codecs, double-bit errors
  ...[242, 243, 244, 245, 246, 247].map((id) => [id, 0] as const), // violations that never happen here
  ...[393, 394, 395, 396].map((id) => [id, 0] as const), // remapped rows
  ...[409, 419, 429, 439, 497, 498, 499].map((id) => [id, 0] as const), // NVLink errors
  ...[1420, 1421, 1423, 1424, 1501, 1507, 1523].map((id) => [id, 0] as const),
]);
