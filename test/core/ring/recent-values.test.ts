/**
 * Goal: whoever counts the values of a column finds each of them once, in its order, and none that is half of another. Method: any mixture of
 * ticks and looks beside a list; a real producer in a thread that writes over what is being read.
 */
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Ring } from '../../../src/core/ring/ring.ts';
import { FIRST_TS_US, tellingValue, type ProducerOrder } from '../../helpers/ring-producer.ts';

const SHAPE = {
  ...{ capacityTicks: 2, deviceCount: 2, columnCount: 2, intervalUs: 1e6 },
  ...{ energyColumn: -1, countedColumn: 1 },
};
/** So many are kept of a ring that is no longer than that, and the last of them may be being written over. */
const KEPT = 63;

function takenOf(ring: Ring, device: number): [number, number][] {
  const taken: [number, number][] = [];
  ring.recent!.take(device, (tsUs, value) => taken.push([tsUs, value]));
  return taken;
}

test('each value is taken once; of many since the last look the newest', () => {
  const step = fc.oneof(
    fc.record({ value: fc.oneof(fc.integer({ min: 0, max: 511 }), fc.constant(NaN)), isThere: fc.boolean() }),
    fc.constant('look' as const),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const ring = new Ring(SHAPE);
      let waiting: [number, number][] = [];
      for (const [index, one] of steps.entries()) {
        if (one === 'look') {
          expect(takenOf(ring, 1)).toEqual(waiting.slice(-KEPT));
          waiting = [];
          continue;
        }
        ring.reserve();
        ring.setRow(0, index);
        ring.set(0, 1, 7);
        if (one.isThere) {
          ring.setRow(1, index);
          ring.set(1, 1, one.value);
          if (!Number.isNaN(one.value)) waiting.push([index, one.value]);
        }
        ring.commit();
      }
      expect(takenOf(ring, 1)).toEqual(waiting.slice(-KEPT));
      expect(takenOf(ring, 1)).toEqual([]);
    }),
  );
});

test('a ring without such a column keeps none', () => {
  expect(new Ring({ ...SHAPE, countedColumn: -1 }).recent).toBeUndefined();
});

test('what is written over meanwhile is left out', async () => {
  const ring = new Ring(SHAPE);
  const order: ProducerOrder = { shape: SHAPE, memory: ring.memory, ticks: 200_000, doesWait: false };
  const worker = new Worker(new URL('../../helpers/ring-producer.ts', import.meta.url), {
    workerData: order,
  });
  const done = once(worker, 'message').then(() => true);
  let lastUs = 0;
  let taken = 0;
  const look = (): void => {
    for (const [tsUs, value] of takenOf(ring, 1)) {
      if (tsUs <= lastUs) throw new Error(`${tsUs} after ${lastUs}`);
      if (value !== tellingValue((tsUs - FIRST_TS_US) / SHAPE.intervalUs, 1, 1))
        throw new Error(`${value} at ${tsUs}`);
      lastUs = tsUs;
      taken += 1;
    }
  };
  for (let isDone = false; !isDone; isDone = await Promise.race([done, setImmediate(false)])) look();
  look();
  await worker.terminate();
  expect(taken).toBeGreaterThan(KEPT);
  expect(lastUs).toBe(FIRST_TS_US + (order.ticks - 1) * SHAPE.intervalUs);
});
