import type { Field } from './field.ts';

/** What a value in base units may be; both ends are allowed. */
interface Range {
  readonly min: number;
  readonly max: number;
}

/**
 * Of a ratio: a counter pair whose two ends are read a moment apart gives a little more than all of the time. At the
 * 100 ms floor 5 % is 5 ms, more than the calls of a sample take; a fan, a sentinel or a wrong unit lies far beyond.
 */
const RATIO_MAX = 1.05;
/** Of memory: 1 MiB of rounding in each of total, used, free and reserved is far below it, and the next size is above. */
const MEMORY_TOLERANCE = 1.01;
/** A fan may turn faster than its nominal speed, says the header of NVML. */
const FAN_RATIO_MAX = 2;
const TWO_63 = 2 ** 63;

/**
 * By unit. The upper ends are some times what any board of today has (watts 1.4 kW, clocks 15 GHz, links 2 TB/s), and below
 * what a 32-bit sentinel or a unit a thousandfold off would give.
 */
const RANGE_BY_UNIT: Readonly<Record<string, Range>> = {
  ratio: { min: 0, max: RATIO_MAX },
  watts: { min: 0, max: 10_000 },
  watts_per_second: { min: 0, max: 10_000_000 },
  joules: { min: 0, max: 1e13 },
  celsius: { min: -100, max: 250 },
  hertz: { min: 0, max: 100e9 },
  bytes: { min: 0, max: 2 ** 47 },
  bytes_per_second: { min: 0, max: 100e12 },
  seconds: { min: 0, max: 1e10 },
  count: { min: 0, max: 2 ** 53 },
  cycles: { min: 0, max: TWO_63 },
  lanes: { min: 0, max: 64 },
  mask: { min: 0, max: TWO_63 },
};
/** A code may be any 64-bit number but the smallest, which is what an infinity becomes as an integer. */
const CODE_RANGE: Range = { min: -TWO_63 + 1024, max: 2 * TWO_63 };
/** Bytes that were moved, not bytes that are there. */
const BYTES_MOVED: Range = { min: 0, max: TWO_63 };
const FAN_SPEED_FIELD_ID = 191;
/** Frame buffer: total, free, used, reserved. */
const MEMORY_FIELD_IDS: ReadonlySet<number> = new Set([250, 251, 252, 253]);

/**
 * What 32-bit code says for "no value" where 64 bits are read: DCGM's four blanks, and the highest number. A true value that
 * hits one of the five costs one NULL.
 */
const SENTINELS: readonly number[] = [0x7fff_fff0, 0x7fff_fff1, 0x7fff_fff2, 0x7fff_fff3, 0xffff_ffff];

/**
 * What a field of a device can be.
 * @param memoryBytes of the device by the inventory; 0 where it is not known
 */
export function rangeOf(field: Field, memoryBytes: number): Range {
  if (field.id === FAN_SPEED_FIELD_ID) return { min: 0, max: FAN_RATIO_MAX };
  if (MEMORY_FIELD_IDS.has(field.id) && memoryBytes > 0)
    return { min: 0, max: memoryBytes * MEMORY_TOLERANCE };
  if (field.kind === 'counter' && field.unit === 'bytes') return BYTES_MOVED;
  return RANGE_BY_UNIT[field.unit] ?? CODE_RANGE;
}

/** The same of a field, in base units; none for what is no whole number at its source. */
export function sentinelsOf(field: Field): readonly number[] {
  return field.type === 'int64' && field.unit !== 'mask' ? SENTINELS.map((raw) => raw * field.scale) : [];
}
