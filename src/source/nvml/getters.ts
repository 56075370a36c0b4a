import {
  bAR1Memory as bar1Memory,
  marginTemperatureV1,
  memory,
  memoryV2,
  nvmlReturn,
  temperatureV1,
  utilization,
} from '../../../native/nvml-layout.ts';
import type { Nvml, NvmlHandle } from '../../../native/nvml.ts';
import { THROTTLE_FIELD_ID } from '../../core/fields/well-known.ts';
import {
  BAR1_FIELDS,
  ECC_PLACES,
  FRAMEBUFFER_FIELDS,
  MARGIN_FIELD,
  PAIRS,
  PERCENT,
  SINGLES,
  TEMPERATURE_FIELD,
  UTILIZATION_FIELDS,
} from './getter-tables.ts';
import type { Pair, Single } from './getter-tables.ts';

/** Takes one reading in the base unit of the field's column; NaN where `code` (nvmlReturn_t) is not 0. */
export type OnReading = (fieldId: number, value: number, code: number) => void;

/** Reads some fields of one device by one call. Shared by all devices: nothing of a device is kept. */
export interface FieldGetter {
  readonly fieldIds: readonly number[];
  read(handle: NvmlHandle, onReading: OnReading): void;
}

const SUCCESS: number = nvmlReturn.NVML_SUCCESS;
const ABSENT: number = nvmlReturn.FUNCTION_NOT_FOUND;
const NO_DATA: number = nvmlReturn.NO_DATA;

/** The getters that together read those of `fieldIds` that have one, in the order in which they are called. */
export function createGetters(nvml: Nvml, fieldIds: readonly number[]): readonly FieldGetter[] {
  const wanted = new Set(fieldIds);
  const pick = (ids: readonly number[]): readonly number[] => ids.filter((id) => wanted.has(id));
  const getters: FieldGetter[] = [];
  for (const single of SINGLES) if (wanted.has(single.fieldId)) getters.push(getSingle(nvml, single));
  for (const pair of PAIRS)
    if (pair.fieldIds.some((id) => id !== undefined && wanted.has(id)))
      getters.push(getPair(nvml, pair, wanted));
  const groups: readonly (readonly [
    readonly number[],
    (nvml: Nvml, ids: readonly number[]) => FieldGetter,
  ])[] = [
    [pick(FRAMEBUFFER_FIELDS), getFramebuffer],
    [pick(BAR1_FIELDS), getBar1],
    [pick(UTILIZATION_FIELDS), getUtilization],
    [pick([THROTTLE_FIELD_ID]), getReasons],
    [pick([TEMPERATURE_FIELD]), getTemperature],
    [pick([MARGIN_FIELD]), getMargin],
  ];
  for (const [ids, create] of groups) if (ids.length > 0) getters.push(create(nvml, ids));
  for (const id of wanted) if (ECC_PLACES.has(id)) getters.push(getEccPlace(nvml, id));
  return getters;
}

function getSingle(nvml: Nvml, { fieldId, symbol, factor, argument, unknown }: Single): FieldGetter {
  const call = nvml.optional(symbol);
  const out = new Uint32Array(1);
  return {
    fieldIds: [fieldId],
    read(handle, onReading) {
      let code = (argument === undefined ? call?.(handle, out) : call?.(handle, argument, out)) ?? ABSENT;
      if (code === SUCCESS && out[0] === unknown) code = NO_DATA;
      onReading(fieldId, code === SUCCESS ? out[0]! * factor : NaN, code);
    },
  };
}

function getPair(nvml: Nvml, pair: Pair, wanted: ReadonlySet<number>): FieldGetter {
  const call = nvml.optional(pair.symbol);
  const both = [new Uint32Array(1), new Uint32Array(1)] as const;
  const asked = pair.fieldIds.flatMap((id, position) =>
    id !== undefined && wanted.has(id) ? [{ id, out: both[position]! }] : [],
  );
  return {
    fieldIds: asked.map(({ id }) => id),
    read(handle, onReading) {
      const code = call?.(handle, both[0], both[1]) ?? ABSENT;
      for (const { id, out } of asked) onReading(id, code === SUCCESS ? out[0]! * pair.factor : NaN, code);
    },
  };
}

function getFramebuffer(nvml: Nvml, fieldIds: readonly number[]): FieldGetter {
  const v2 = nvml.optional('nvmlDeviceGetMemoryInfo_v2');
  const v1 = nvml.optional('nvmlDeviceGetMemoryInfo');
  const info = Buffer.alloc(memoryV2.sizeBytes);
  const at = v2 === undefined ? memory.at : memoryV2.at;
  const read = (offset: number): number => Number(info.readBigUInt64LE(offset));
  const amounts: Readonly<Record<number, () => number>> = {
    250: () => read(at.total),
    251: () => read(at.free),
    252: () => read(at.used),
    253: () => read(memoryV2.at.reserved),
    // As DCGM reckons it: of what is not reserved. The first version of the call counts that as used.
    254: () => read(at.used) / (read(at.total) - (v2 === undefined ? 0 : read(memoryV2.at.reserved))),
  };
  return {
    fieldIds,
    read(handle, onReading) {
      if (v2 !== undefined) info.writeUInt32LE(memoryV2.version, memoryV2.at.version);
      const code = (v2 ?? v1)?.(handle, info) ?? ABSENT;
      for (const id of fieldIds) {
        const own = code === SUCCESS && id === 253 && v2 === undefined ? ABSENT : code;
        onReading(id, own === SUCCESS ? amounts[id]!() : NaN, own);
      }
    },
  };
}

function getBar1(nvml: Nvml, fieldIds: readonly number[]): FieldGetter {
  const call = nvml.optional('nvmlDeviceGetBAR1MemoryInfo');
  const info = Buffer.alloc(bar1Memory.sizeBytes);
  const { at } = bar1Memory;
  const offsets: Readonly<Record<number, number>> = { 90: at.bar1Total, 92: at.bar1Used, 93: at.bar1Free };
  return {
    fieldIds,
    read(handle, onReading) {
      const code = call?.(handle, info) ?? ABSENT;
      for (const id of fieldIds)
        onReading(id, code === SUCCESS ? Number(info.readBigUInt64LE(offsets[id])) : NaN, code);
    },
  };
}

function getUtilization(nvml: Nvml, fieldIds: readonly number[]): FieldGetter {
  const call = nvml.optional('nvmlDeviceGetUtilizationRates');
  const rates = Buffer.alloc(utilization.sizeBytes);
  return {
    fieldIds,
    read(handle, onReading) {
      const code = call?.(handle, rates) ?? ABSENT;
      for (const id of fieldIds) {
        const offset = id === 203 ? utilization.at.gpu : utilization.at.memory;
        onReading(id, code === SUCCESS ? rates.readUInt32LE(offset) * PERCENT : NaN, code);
      }
    },
  };
}

function getReasons(nvml: Nvml, fieldIds: readonly number[]): FieldGetter {
  // Drivers before R535 have it under the older name only.
  const call =
    nvml.optional('nvmlDeviceGetCurrentClocksEventReasons') ??
    nvml.optional('nvmlDeviceGetCurrentClocksThrottleReasons');
  const mask = Buffer.alloc(8);
  return {
    fieldIds,
    read(handle, onReading) {
      const code = call?.(handle, mask) ?? ABSENT;
      onReading(THROTTLE_FIELD_ID, code === SUCCESS ? Number(mask.readBigUInt64LE(0)) : NaN, code);
    },
  };
}

function getTemperature(nvml: Nvml, fieldIds: readonly number[]): FieldGetter {
  const versioned = nvml.optional('nvmlDeviceGetTemperatureV');
  const plain = nvml.optional('nvmlDeviceGetTemperature');
  const reading = Buffer.alloc(temperatureV1.sizeBytes);
  const celsius = reading.subarray(temperatureV1.at.temperature);
  return {
    fieldIds,
    read(handle, onReading) {
      let code = ABSENT;
      if (versioned !== undefined) {
        reading.writeUInt32LE(temperatureV1.version, temperatureV1.at.version);
        code = versioned(handle, reading);
      } else if (plain !== undefined) {
        code = plain(handle, 0, celsius);
      }
      onReading(TEMPERATURE_FIELD, code === SUCCESS ? celsius.readInt32LE(0) : NaN, code);
    },
  };
}

function getMargin(nvml: Nvml, fieldIds: readonly number[]): FieldGetter {
  const call = nvml.optional('nvmlDeviceGetMarginTemperature');
  const margin = Buffer.alloc(marginTemperatureV1.sizeBytes);
  const { at, version } = marginTemperatureV1;
  return {
    fieldIds,
    read(handle, onReading) {
      margin.writeUInt32LE(version, at.version);
      const code = call?.(handle, margin) ?? ABSENT;
      onReading(MARGIN_FIELD, code === SUCCESS ? margin.readInt32LE(at.marginTemperature) : NaN, code);
    },
  };
}

function getEccPlace(nvml: Nvml, fieldId: number): FieldGetter {
  const call = nvml.optional('nvmlDeviceGetMemoryErrorCounter');
  const [error, counter, place] = ECC_PLACES.get(fieldId)!;
  const count = Buffer.alloc(8);
  return {
    fieldIds: [fieldId],
    read(handle, onReading) {
      const code = call?.(handle, error, counter, place, count) ?? ABSENT;
      onReading(fieldId, code === SUCCESS ? Number(count.readBigUInt64LE(0)) : NaN, code);
    },
  };
}
