import { Ring } from '../../src/core/ring/ring.ts';
import {
  addTick,
  DEVICE_COUNT,
  FIELD_COUNT,
  INTERVAL_US,
  makeSamples,
  shapeOf,
  START_US,
} from './filled-ring.ts';
import { interleave, type Bench, type Measurement } from './measurement.ts';

/** The smallest that the configuration gives by itself. */
const CAPACITY_TICKS = 600;
/** Both hold this many when the consumer comes: one flush of 5 s at 10 Hz. */
const TICKS_PER_FLUSH = 50;
const FLUSHES = 60;
const ROUNDS = 9;
const WARM_UP_ROUNDS = 3;
const ROWS = FLUSHES * TICKS_PER_FLUSH * DEVICE_COUNT;

interface PlainSample {
  readonly device: number;
  readonly tsUs: number;
  readonly values: readonly number[];
}

const samples = makeSamples(TICKS_PER_FLUSH);

/** reserve, set × 40, commit on one side; peek, a look at every row, release on the other. */
function turnRing(ring: Ring): number {
  let tsUs = START_US;
  let seen = 0;
  const startMs = performance.now();
  for (let flush = 0; flush < FLUSHES; flush += 1) {
    for (let tick = 0; tick < TICKS_PER_FLUSH; tick += 1)
      addTick(ring, (tsUs += INTERVAL_US), samples[tick]!);
    const { to } = ring.peek(Infinity, (range) => {
      for (let tick = range.from; tick < range.to; tick += 1) {
        const base = ring.baseOf(tick);
        for (let device = 0; device < DEVICE_COUNT; device += 1) if (ring.tsUs[base + device]! > 0) seen += 1;
      }
      return range.to - range.from;
    });
    ring.release(to);
  }
  return nsPerRow(startMs, seen);
}

/** The obvious queue: an object per row, pushed and shifted. */
function turnArray(): number {
  const queue: PlainSample[] = [];
  let tsUs = START_US;
  let seen = 0;
  const startMs = performance.now();
  for (let flush = 0; flush < FLUSHES; flush += 1) {
    for (let tick = 0; tick < TICKS_PER_FLUSH; tick += 1) {
      tsUs += INTERVAL_US;
      const all = samples[tick]!;
      for (let device = 0; device < DEVICE_COUNT; device += 1) {
        const values: number[] = [];
        const base = device * FIELD_COUNT;
        for (let column = 0; column < FIELD_COUNT; column += 1) values.push(all[base + column]!);
        queue.push({ device, tsUs, values });
      }
    }
    for (let row = queue.shift(); row !== undefined; row = queue.shift()) if (row.tsUs > 0) seen += 1;
  }
  return nsPerRow(startMs, seen);
}

function nsPerRow(startMs: number, seen: number): number {
  if (seen !== ROWS) throw new Error(`${seen} rows came out of ${ROWS}`);
  return ((performance.now() - startMs) * 1e6) / seen;
}

async function measure(): Promise<Measurement[]> {
  const ring = new Ring(shapeOf(CAPACITY_TICKS));
  for (let round = 0; round < WARM_UP_ROUNDS; round += 1) {
    turnRing(ring);
    turnArray();
  }
  const { value, baseline } = await interleave(ROUNDS, () => turnRing(ring), turnArray);
  return [{ name: 'ring_ns_per_row', value, unit: 'ns/row', baseline }];
}

export const ringBench: Bench = {
  name: 'ring',
  about: 'a row of 40 values through the ring, against an array of objects with push and shift',
  measure,
};
