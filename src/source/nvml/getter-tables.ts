import type { NvmlSymbol } from '../../../native/nvml.ts';
import { THROTTLE_FIELD_ID } from '../../core/fields/well-known.ts';

const MEGA = 1e6;
const MILLI = 0.001;
export const PERCENT = 0.01;

/** One unsigned number by one call: column = number × factor. `argument` stands between the handle and the result. */
export interface Single {
  readonly fieldId: number;
  readonly symbol: NvmlSymbol;
  readonly factor: number;
  readonly argument?: number;
  /** The number by which the driver says that it does not know. */
  readonly unknown?: number;
}

const CLOCK = { sm: 1, memory: 2, video: 3 } as const;
const THRESHOLD = { shutdown: 0, slowdown: 1, memoryMax: 2, gpuMax: 3 } as const;

export const SINGLES: readonly Single[] = [
  { fieldId: 52, symbol: 'nvmlDeviceGetIndex', factor: 1 },
  { fieldId: 55, symbol: 'nvmlDeviceGetMinorNumber', factor: 1 },
  { fieldId: 65, symbol: 'nvmlDeviceGetComputeMode', factor: 1 },
  { fieldId: 66, symbol: 'nvmlDeviceGetPersistenceMode', factor: 1 },
  { fieldId: 100, symbol: 'nvmlDeviceGetClockInfo', factor: MEGA, argument: CLOCK.sm },
  { fieldId: 101, symbol: 'nvmlDeviceGetClockInfo', factor: MEGA, argument: CLOCK.memory },
  { fieldId: 102, symbol: 'nvmlDeviceGetClockInfo', factor: MEGA, argument: CLOCK.video },
  { fieldId: 110, symbol: 'nvmlDeviceGetApplicationsClock', factor: MEGA, argument: CLOCK.sm },
  { fieldId: 111, symbol: 'nvmlDeviceGetApplicationsClock', factor: MEGA, argument: CLOCK.memory },
  { fieldId: 113, symbol: 'nvmlDeviceGetMaxClockInfo', factor: MEGA, argument: CLOCK.sm },
  { fieldId: 114, symbol: 'nvmlDeviceGetMaxClockInfo', factor: MEGA, argument: CLOCK.memory },
  { fieldId: 115, symbol: 'nvmlDeviceGetMaxClockInfo', factor: MEGA, argument: CLOCK.video },
  { fieldId: 151, symbol: 'nvmlDeviceGetTemperatureThreshold', factor: 1, argument: THRESHOLD.memoryMax },
  { fieldId: 152, symbol: 'nvmlDeviceGetTemperatureThreshold', factor: 1, argument: THRESHOLD.gpuMax },
  { fieldId: 158, symbol: 'nvmlDeviceGetTemperatureThreshold', factor: 1, argument: THRESHOLD.slowdown },
  { fieldId: 159, symbol: 'nvmlDeviceGetTemperatureThreshold', factor: 1, argument: THRESHOLD.shutdown },
  { fieldId: 155, symbol: 'nvmlDeviceGetPowerUsage', factor: MILLI },
  { fieldId: 160, symbol: 'nvmlDeviceGetPowerManagementLimit', factor: MILLI },
  { fieldId: 163, symbol: 'nvmlDeviceGetPowerManagementDefaultLimit', factor: MILLI },
  { fieldId: 164, symbol: 'nvmlDeviceGetEnforcedPowerLimit', factor: MILLI },
  { fieldId: 190, symbol: 'nvmlDeviceGetPerformanceState', factor: 1, unknown: 32 },
  { fieldId: 191, symbol: 'nvmlDeviceGetFanSpeed', factor: PERCENT },
  { fieldId: 202, symbol: 'nvmlDeviceGetPcieReplayCounter', factor: 1 },
  { fieldId: 235, symbol: 'nvmlDeviceGetMaxPcieLinkGeneration', factor: 1 },
  { fieldId: 236, symbol: 'nvmlDeviceGetMaxPcieLinkWidth', factor: 1 },
  { fieldId: 237, symbol: 'nvmlDeviceGetCurrPcieLinkGeneration', factor: 1 },
  { fieldId: 238, symbol: 'nvmlDeviceGetCurrPcieLinkWidth', factor: 1 },
];

/** Two unsigned numbers by one call; undefined where only the other one is wanted by anybody. */
export interface Pair {
  readonly symbol: NvmlSymbol;
  readonly fieldIds: readonly [number | undefined, number | undefined];
  readonly factor: number;
}

export const PAIRS: readonly Pair[] = [
  { symbol: 'nvmlDeviceGetMigMode', fieldIds: [67, undefined], factor: 1 },
  { symbol: 'nvmlDeviceGetPowerManagementLimitConstraints', fieldIds: [161, 162], factor: MILLI },
  // The second number is the window over which the driver averaged.
  { symbol: 'nvmlDeviceGetEncoderUtilization', fieldIds: [206, undefined], factor: PERCENT },
  { symbol: 'nvmlDeviceGetDecoderUtilization', fieldIds: [207, undefined], factor: PERCENT },
];

export const FRAMEBUFFER_FIELDS: readonly number[] = [250, 251, 252, 253, 254];
export const BAR1_FIELDS: readonly number[] = [90, 92, 93];
export const UTILIZATION_FIELDS: readonly number[] = [203, 204];
export const TEMPERATURE_FIELD = 150;
export const MARGIN_FIELD = 153;

const ERROR = { SBE: 0, DBE: 1 } as const;
const COUNTER = { VOL: 0, AGG: 1 } as const;
const PLACE = { L1: 0, L2: 1, DEV: 2, REG: 3, TEX: 4, SHM: 5, CBU: 6, SRM: 7 } as const;

/** Fields 314 to 345 in their order: place by place, corrected before uncorrected. */
const ECC_ORDER: readonly (readonly [
  counter: keyof typeof COUNTER,
  places: readonly (keyof typeof PLACE)[],
])[] = [
  ['VOL', ['L1', 'L2', 'DEV', 'REG', 'TEX']],
  ['AGG', ['L1', 'L2', 'DEV', 'REG', 'TEX']],
  ['VOL', ['SHM', 'CBU']],
  ['AGG', ['SHM', 'CBU']],
  ['VOL', ['SRM']],
  ['AGG', ['SRM']],
];
const ECC_FIRST = 314;

/** ECC errors by place: DCGM field id → error type, counter and place of nvmlDeviceGetMemoryErrorCounter. */
export const ECC_PLACES: ReadonlyMap<number, readonly [error: number, counter: number, place: number]> =
  new Map(
    ECC_ORDER.flatMap(([counter, places]) =>
      places.flatMap((place) =>
        [ERROR.SBE, ERROR.DBE].map((error) => [error, COUNTER[counter], PLACE[place]] as const),
      ),
    ).map((where, position) => [ECC_FIRST + position, where]),
  );

const GROUPS: readonly (readonly [readonly number[], NvmlSymbol])[] = [
  [FRAMEBUFFER_FIELDS, 'nvmlDeviceGetMemoryInfo_v2'],
  [BAR1_FIELDS, 'nvmlDeviceGetBAR1MemoryInfo'],
  [UTILIZATION_FIELDS, 'nvmlDeviceGetUtilizationRates'],
  [[THROTTLE_FIELD_ID], 'nvmlDeviceGetCurrentClocksEventReasons'],
  [[TEMPERATURE_FIELD], 'nvmlDeviceGetTemperatureV'],
  [[MARGIN_FIELD], 'nvmlDeviceGetMarginTemperature'],
  [[...ECC_PLACES.keys()], 'nvmlDeviceGetMemoryErrorCounter'],
];

/** DCGM field id → the call that gives it, where a call of its own does. */
export const GETTER_SYMBOLS: ReadonlyMap<number, NvmlSymbol> = new Map([
  ...SINGLES.map(({ fieldId, symbol }) => [fieldId, symbol] as const),
  ...PAIRS.flatMap(({ fieldIds, symbol }) =>
    fieldIds.filter((id) => id !== undefined).map((id) => [id, symbol] as const),
  ),
  ...GROUPS.flatMap(([fieldIds, symbol]) => fieldIds.map((id) => [id, symbol] as const)),
]);
