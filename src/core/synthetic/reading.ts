import type { Device } from '../devices/device.ts';
import { findField } from '../fields/find-field.ts';
import { isOfInstances } from '../fields/lane.ts';
import { createActivity, createEnergyMeter, createMeansReader, loadState } from './activity.ts';
import { IDLE_BYTES, LEVEL, RESERVED_BYTES, type Activity } from './activity.ts';
import { CONSTANTS, HERTZ, POWER_LIMIT_WATTS } from './board-constants.ts';
import { createRandom, fillNoise } from './random.ts';
import type { Timeline } from './timeline.ts';

const MIB = 1024 * 1024;

/** NVML's bits of the reasons why a clock is below its maximum. */
export const REASON = { idle: 0x1, powerCap: 0x4, swThermal: 0x20 } as const;

function isInstanceField(fieldId: number): boolean {
  const field = findField(fieldId);
  return field !== undefined && isOfInstances(field);
}

/** Some fields, prepared for being read row by row. */
interface RowReader {
  /**
   * Fills `into` with the fields of `device` in their order: base units, NaN for what a synthetic device does not have.
   * Ratios and rates are means over (fromUs, atUs], µs since the plan's origin; all else is as it is at `atUs`, which is
   * `tsUs` of the epoch. Allocates nothing.
   */
  read(device: number, fromUs: number, atUs: number, tsUs: number, into: Float64Array): void;
}

export interface Readings {
  readerOf(fieldIds: readonly number[]): RowReader;
  /** The energy counter without resets, joules. */
  energyJoules(device: number, atUs: number): number;
}

export function createReadings(
  devices: readonly Device[],
  timelines: readonly Timeline[],
  seed: number,
): Readings {
  const random = createRandom(seed, 'readings');
  const energyBaseJoules = Float64Array.from(devices, () => random.between(2e8, 9e8));
  const ambientCelsius = devices.map((device) => 27 + (device.index % 4) * 1.5 + random.between(0, 1.5));
  const joulesAt = createEnergyMeter(timelines);
  const activity = createActivity();
  const readMeans = createMeansReader(seed);
  const state: BoardState = { watts: NaN, warmthWatts: NaN, ambientCelsius: NaN, jitter: NaN };
  /** Of the device that is being read, at the times of `LOOK_BACKS_US`. */
  const joules = new Float64Array(LOOK_BACKS_US.length);

  const loadBoard = (device: number, atUs: number, { firstLookBack }: FieldPlan): void => {
    // From the oldest on: the one before the last is the newest of the row before.
    for (let at = firstLookBack; at < LOOK_BACKS_US.length; at += 1)
      joules[at] = joulesAt(device, atUs - LOOK_BACKS_US[at]!);
    state.warmthWatts = (joules[2]! - joules[0]!) / 60;
    state.watts = joules[2]! - joules[1]!;
    state.ambientCelsius = ambientCelsius[device]!;
  };

  const readerOf = (fieldIds: readonly number[]): RowReader => {
    const whole = planOf(fieldIds, false);
    const instance = planOf(fieldIds, true);
    const jitters = new Float64Array(fieldIds.length);
    return {
      read(device, fromUs, atUs, tsUs, into) {
        const { memoryBytes, parentUuid } = devices[device]!;
        const plan = parentUuid === undefined ? whole : instance;
        loadState(activity, timelines[device]!, memoryBytes, atUs);
        if (plan.hasMeans) readMeans(activity.levels, timelines[device]!, device, fromUs, atUs);
        loadBoard(device, atUs, plan);
        fillNoise(seed, device, tsUs, plan.scatters, jitters);
        fillRates(plan, activity.levels, into);
        for (let other = 0; other < plan.others.length; other += 1) {
          const at = plan.others[other]!;
          const kind = plan.kinds[at];
          if (kind === KIND.energy) into[at] = energyBaseJoules[device]! + joules[2]!;
          else if (kind === KIND.memory) into[at] = memory(fieldIds[at]!, activity, memoryBytes);
          else {
            state.jitter = jitters[other]!;
            into[at] = board(fieldIds[at]!, activity, state);
          }
        }
      },
    };
  };
  return {
    readerOf,
    energyJoules: (device, atUs) => energyBaseJoules[device]! + joulesAt(device, atUs),
  };
}

/** The part of a row that goes by the pattern: most of it. */
function fillRates(plan: FieldPlan, levels: Float64Array, into: Float64Array): void {
  const { kinds, sources, numbers } = plan;
  for (let at = 0; at < kinds.length; at += 1) {
    const kind = kinds[at];
    // A busy engine's pieces may add up to a hair more than all of the time.
    if (kind === KIND.ratio) into[at] = Math.min(1, levels[sources[at]!]! * numbers[at]!);
    else if (kind === KIND.rate) into[at] = Math.round(levels[sources[at]!]!);
    else if (kind === KIND.constant) into[at] = numbers[at]!;
  }
}

/** How a field comes about. */
const KIND = { constant: 0, ratio: 1, rate: 2, energy: 3, memory: 4, board: 5 } as const;

/** The fields of a reader as numbers side by side: for rows by the hundred thousand. */
interface FieldPlan {
  readonly kinds: Uint8Array;
  /** Of a ratio or a rate: position in `Activity.levels`. */
  readonly sources: Uint8Array;
  /** Of a constant its value, of a ratio the factor before its level. */
  readonly numbers: Float64Array;
  /** Positions of what is neither constant nor ratio nor rate. */
  readonly others: readonly number[];
  /** Of `others`, the field whose noise it is. */
  readonly scatters: Int32Array;
  /** A field goes by what the device did over the interval. */
  readonly hasMeans: boolean;
  /** The first of `LOOK_BACKS_US` that is needed. */
  readonly firstLookBack: number;
}

function planOf(fieldIds: readonly number[], isInstance: boolean): FieldPlan {
  const recipes = fieldIds.map((id) => (isInstance && !isInstanceField(id) ? constant(NaN) : recipeOf(id)));
  const isShown = (at: number): boolean => recipes[at]!.kind !== KIND.constant;
  const others = [...recipes.keys()].filter((at) => recipes[at]!.kind >= KIND.energy);
  return {
    kinds: Uint8Array.from(recipes, ({ kind }) => kind),
    sources: Uint8Array.from(recipes, ({ source }) => source),
    numbers: Float64Array.from(recipes, ({ number }) => number),
    others,
    scatters: Int32Array.from(others, (at) => fieldIds[at]!),
    hasMeans: recipes.some(
      ({ kind }, at) => kind === KIND.ratio || kind === KIND.rate || isMeanOfBoard(fieldIds[at]!),
    ),
    firstLookBack: Math.min(LOOK_BACKS_US.length, ...fieldIds.filter((_, at) => isShown(at)).map(lookBackOf)),
  };
}

/** µs; power is a mean over a second, warmth one over a minute, and the counter knows no past. */
const LOOK_BACKS_US = [60e6, 1e6, 0] as const;

/** The first of `LOOK_BACKS_US` that a field needs. */
function lookBackOf(fieldId: number): number {
  if ([150, 140, 153].includes(fieldId)) return 0;
  if ([155, 157, 100, 112].includes(fieldId)) return 1;
  return fieldId === 156 ? 2 : LOOK_BACKS_US.length;
}

interface Recipe {
  readonly kind: number;
  readonly source: number;
  readonly number: number;
}

const constant = (value: number): Recipe => ({ kind: KIND.constant, source: 0, number: value });
const ratio = (source: number, factor = 1): Recipe => ({ kind: KIND.ratio, source, number: factor });
const rate = (source: number): Recipe => ({ kind: KIND.rate, source, number: 1 });
const kindOnly = (kind: number): Recipe => ({ kind, source: 0, number: 0 });

const RECIPES: ReadonlyMap<number, Recipe> = new Map([
  [156, kindOnly(KIND.energy)],
  ...[250, 251, 252, 253, 254].map((id) => [id, kindOnly(KIND.memory)] as const),
  [1001, ratio(LEVEL.engine)],
  [1002, ratio(LEVEL.sm)],
  [1003, ratio(LEVEL.sm, 0.61)],
  [1004, ratio(LEVEL.tensor)],
  [1005, ratio(LEVEL.dram)],
  [1006, ratio(LEVEL.fp64)],
  [1007, ratio(LEVEL.fp32)],
  [1008, ratio(LEVEL.fp16)],
  [1009, rate(LEVEL.pcieTx)],
  [1010, rate(LEVEL.pcieRx)],
  [1011, rate(LEVEL.nvlink)],
  [1012, rate(LEVEL.nvlink)],
  [1013, constant(0)],
  [1014, ratio(LEVEL.tensor, 0.97)],
  [1015, ratio(LEVEL.fp64, 0.4)],
  [1016, ratio(LEVEL.sm, 0.19)],
  ...[155, 157, 100, 102, 112, 150, 140, 153, 203, 204, 200, 201, 449, 843, 897].map(
    (id) => [id, kindOnly(KIND.board)] as const,
  ),
]);

function recipeOf(fieldId: number): Recipe {
  return RECIPES.get(fieldId) ?? constant(CONSTANTS.get(fieldId) ?? NaN);
}

/** Utilization and throughput that the board tells beside the profiling fields. */
function isMeanOfBoard(fieldId: number): boolean {
  return [203, 204, 200, 201, 449, 843, 897].includes(fieldId);
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

/** What a board tells beside its activity; kept and overwritten, for numbers that are handed over would be allocated. */
interface BoardState {
  /** Board power as the sensor gives it: the mean of the last second. */
  watts: number;
  /** Mean power of the last minute: what the temperatures follow. */
  warmthWatts: number;
  ambientCelsius: number;
  /** The noise of the field, in [-1, 1). */
  jitter: number;
}

function smClockHertz(a: Activity, { watts, jitter }: BoardState): number {
  if (!a.isHeld) return HERTZ.idle;
  if (a.isThrottled) return HERTZ.throttled + Math.round(2 * jitter) * 15e6;
  // Near the power limit the board gives up clock in steps of 15 MHz.
  const excess = Math.max(0, watts - 0.85 * POWER_LIMIT_WATTS) / (0.15 * POWER_LIMIT_WATTS);
  return HERTZ.max - Math.round(11 * excess + jitter) * 15e6 - 15e6;
}

function temperature(a: Activity, state: BoardState, aboveAmbient: number, celsiusPerWatt: number): number {
  // A throttled GPU is one whose cooling fails: hotter although it does less.
  const fault = a.isThrottled ? 28 * Math.min(1, 0.4 + a.throttledSeconds / 120) : 0;
  return Math.round(state.ambientCelsius + aboveAmbient + celsiusPerWatt * state.warmthWatts + fault);
}

function throttleMask(a: Activity, watts: number): number {
  if (a.isThrottled) return REASON.swThermal;
  if (!a.isHeld) return REASON.idle;
  return watts > 0.97 * POWER_LIMIT_WATTS ? REASON.powerCap : 0;
}

/** What the board as a whole tells and what changes. Constants are those of an H200 on an HGX board. */
function board(fieldId: number, a: Activity, state: BoardState): number {
  const { levels } = a;
  switch (fieldId) {
    case 155:
    case 157:
      return Math.round(state.watts * (1 + 0.015 * state.jitter) * 1000) / 1000;
    case 100:
      return smClockHertz(a, state);
    case 102:
      return a.isHeld ? HERTZ.video : HERTZ.idle;
    case 112:
      return throttleMask(a, state.watts);
    case 150:
      return temperature(a, state, 0, 0.062);
    case 140:
      return temperature(a, state, 4, 0.068);
    case 153:
      return 87 - temperature(a, state, 0, 0.062);
    case 203:
      return Math.round(100 * levels[LEVEL.engine]!) / 100;
    case 204:
      return Math.round(100 * levels[LEVEL.dram]!) / 100;
    case 200:
      return Math.round(levels[LEVEL.pcieTx]!);
    case 201:
      return Math.round(levels[LEVEL.pcieRx]!);
    case 449:
      return Math.round(2 * levels[LEVEL.nvlink]!);
    default:
      return Math.round(levels[LEVEL.nvlink]!); // 843, 897
  }
}
