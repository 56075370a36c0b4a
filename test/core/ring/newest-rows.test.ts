/**
 * Goal: the newest row of each device is there for whoever asks, whatever has become of the ring's rows. Method: any ticks beside a map that
 * remembers; a real producer in a thread, whose rows would show if one was read half written.
 */
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Ring } from '../../../src/core/ring/ring.ts';
import { FIRST_TS_US, tellingValue, type ProducerOrder } from '../../helpers/ring-producer.ts';

const SHAPE = { capacityTicks: 2, deviceCount: 3, columnCount: 2, intervalUs: 1e6, energyColumn: -1 };

test('is what each device said last, over drops, releases and devices that did not answer', () => {
  const tick = fc.record({
    answers: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
    isReleased: fc.boolean(),
    value: fc.oneof(fc.double({ noNaN: true }), fc.constant(NaN)),
  });
  fc.assert(
    fc.property(fc.array(tick, { maxLength: 30 }), (ticks) => {
      const ring = new Ring(SHAPE);
      const last: number[][] = [0, 1, 2].map(() => [NaN, NaN, NaN]);
      for (const [index, { answers, isReleased, value }] of ticks.entries()) {
        ring.reserve();
        for (const [device, isThere] of answers.entries()) {
          if (!isThere) continue;
          ring.setRow(device, (index + 1) * 1e6);
          ring.set(device, 1, value);
          last[device] = [(index + 1) * 1e6, NaN, value];
        }
        ring.commit();
        if (isReleased) {
          const { to } = ring.peek(10, ({ from, to: end }) => end - from);
          ring.release(to);
        }
      }
      expect([...ring.newest.read()]).toEqual(last.flat());
    }),
  );
});

test('a tick that is refused or not committed yet changes nothing', () => {
  const ring = new Ring(SHAPE);
  ring.reserve();
  ring.setRow(0, 1e6);
  expect(ring.newest.read()[0]).toBeNaN();
  ring.commit();
  expect(ring.newest.read()[0]).toBe(1e6);
});

test('is never half of one tick and half of another', async () => {
  const shape = { ...SHAPE, deviceCount: 40, columnCount: 20 };
  const ring = new Ring(shape);
  const order: ProducerOrder = { shape, memory: ring.memory, ticks: 30_000, doesWait: false };
  const worker = new Worker(new URL('../../helpers/ring-producer.ts', import.meta.url), {
    workerData: order,
  });
  const ticksOf = (rows: Float64Array): Set<number> =>
    new Set(
      Array.from(rows, (number, at) => {
        const [device, column] = [Math.floor(at / 21), (at % 21) - 1];
        return column < 0
          ? (number - FIRST_TS_US) / shape.intervalUs
          : (number - tellingValue(0, device, column)) / tellingValue(1, 0, 0);
      }),
    );
  const done = once(worker, 'message').then(() => true);
  const seen = new Set<number>();
  for (let isDone = false; !isDone; isDone = await Promise.race([done, setImmediate(false)])) {
    const ticks = ticksOf(ring.newest.read());
    if (ticks.size !== 1) throw new Error(`rows of the ticks ${[...ticks].join(', ')}`);
    for (const tick of ticks) seen.add(tick);
  }
  await worker.terminate();
  expect(seen.size).toBeGreaterThan(1);
  expect([...ticksOf(ring.newest.read())]).toEqual([order.ticks - 1]);
});
