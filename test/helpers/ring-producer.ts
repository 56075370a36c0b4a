import { parentPort, workerData } from 'node:worker_threads';
import { Ring, type RingShape } from '../../src/core/ring/ring.ts';

/** A producer on a thread of its own, for tests: every value of a tick tells which tick, device and column it is. */
export interface ProducerOrder {
  readonly shape: RingShape;
  readonly memory: SharedArrayBuffer;
  readonly ticks: number;
  /** Waits for space as a virtual clock does; otherwise the oldest tick gives way. */
  readonly doesWait: boolean;
}

export interface ProducerReport {
  readonly refusedTicks: number;
}

export const FIRST_TS_US = 1_766_311_200_000_000;

/** The value that the producer writes. Ticks count from 0. */
export function tellingValue(tick: number, device: number, column: number): number {
  return tick * 1_000 + device * 10 + column;
}

function produce({ shape, memory, ticks, doesWait }: ProducerOrder): ProducerReport {
  const ring = new Ring(shape, memory);
  let refusedTicks = 0;
  for (let tick = 0; tick < ticks; tick += 1) {
    const tsUs = FIRST_TS_US + tick * shape.intervalUs;
    if (doesWait) while (!ring.waitForSpace(1_000));
    if (!ring.reserve()) {
      ring.refuseTick(shape.deviceCount, tsUs);
      refusedTicks += 1;
      continue;
    }
    for (let device = 0; device < shape.deviceCount; device += 1) {
      ring.setRow(device, tsUs);
      for (let column = 0; column < shape.columnCount; column += 1) {
        ring.set(device, column, tellingValue(tick, device, column));
      }
    }
    ring.commit();
  }
  return { refusedTicks };
}

parentPort?.postMessage(produce(workerData as ProducerOrder));
