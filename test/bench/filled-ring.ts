import { defaultLanes } from '../../src/core/fields/lane.ts';
import type { Field } from '../../src/core/fields/field.ts';
import { Ring, type RingShape } from '../../src/core/ring/ring.ts';

export const FIELD_COUNT = 40;
export const DEVICE_COUNT = 8;
export const INTERVAL_US = 100_000;
export const START_US = 1_766_311_200_000_000;

/** Fields that the default lanes hold, the counted ones (energy among them) as well as the measured ones. */
export const fields: readonly Field[] = defaultLanes.flatMap((lane) => lane.fields).slice(0, FIELD_COUNT);

export const devices = Array.from({ length: DEVICE_COUNT }, (_, index) => ({
  node: 'gpu-node-0123',
  uuid: `GPU-5a1d3f0${index}-8c41-4b7e-9d2a-6f3e0b7c915${index}`,
}));

export function shapeOf(capacityTicks: number): RingShape {
  const energyColumn = fields.findIndex(({ id }) => id === 156);
  return {
    capacityTicks,
    deviceCount: DEVICE_COUNT,
    columnCount: FIELD_COUNT,
    intervalUs: INTERVAL_US,
    energyColumn,
  };
}

/** A value as the field would have: a ratio with many digits, watts, whole bytes, a counter, now and then a blank. */
function sampleOf(field: Field, tick: number, device: number): number {
  const wave = (Math.sin(tick * 0.37 + device + field.id) + 1) / 2;
  if (tick % 50 === 0 && field.id % 7 === 0) return NaN;
  if (field.kind === 'counter') return Math.round(tick * 50 + device);
  if (field.unit === 'ratio') return wave;
  if (field.unit === 'bytes' || field.unit === 'hertz') return Math.round(wave * 1e11);
  return Math.round(wave * 700_000) / 1000;
}

/** Values for `ticks` ticks, [tick][device × fields + field], made beforehand so that no bench measures `Math.sin`. */
export function makeSamples(ticks: number): Float64Array[] {
  return Array.from({ length: ticks }, (_, tick) => {
    const values = new Float64Array(DEVICE_COUNT * FIELD_COUNT);
    for (let device = 0; device < DEVICE_COUNT; device += 1) {
      for (let column = 0; column < FIELD_COUNT; column += 1) {
        values[device * FIELD_COUNT + column] = sampleOf(fields[column]!, tick, device);
      }
    }
    return values;
  });
}

/** Writes one tick as a source does, value by value. */
export function addTick(ring: Ring, tsUs: number, values: Float64Array): void {
  ring.reserve();
  for (let device = 0; device < DEVICE_COUNT; device += 1) {
    ring.setRow(device, tsUs);
    const base = device * FIELD_COUNT;
    for (let column = 0; column < FIELD_COUNT; column += 1) ring.set(device, column, values[base + column]!);
  }
  ring.commit();
}

export function filledRing(ticks: number): Ring {
  const ring = new Ring(shapeOf(ticks));
  makeSamples(ticks).forEach((values, tick) => {
    addTick(ring, START_US + tick * INTERVAL_US, values);
  });
  return ring;
}
