import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { Ring, type RingShape } from '../../../src/core/ring/ring.ts';
import {
  FIRST_TS_US,
  tellingValue,
  type ProducerOrder,
  type ProducerReport,
} from '../../helpers/ring-producer.ts';

const SECOND_US = 1_000_000;
const shape: RingShape = {
  capacityTicks: 4,
  deviceCount: 2,
  columnCount: 1,
  intervalUs: SECOND_US,
  energyColumn: 0,
};

/** Commits one tick with the same time and energy for all devices. */
function add(ring: Ring, tsUs: number, energyJoules = NaN): void {
  ring.reserve();
  for (let device = 0; device < ring.shape.deviceCount; device += 1) {
    ring.setRow(device, tsUs);
    ring.set(device, 0, energyJoules);
  }
  ring.commit();
}

/** Takes everything that is not in flight and returns one figure of the first device per tick. */
function take(ring: Ring, figures: Float64Array): number[] {
  const seen: number[] = [];
  ring.peek(Infinity, ({ from, to }) => {
    for (let tick = from; tick < to; tick += 1) seen.push(figures[ring.baseOf(tick)]!);
    return to - from;
  });
  return seen;
}

function seconds(...numbers: number[]): number[] {
  return numbers.map((second) => second * SECOND_US);
}

describe('order', () => {
  test('is that of the commits, over many turns of the ring', () => {
    const ring = new Ring(shape);
    const seen: number[] = [];
    for (let tick = 1; tick <= 103; tick += 1) {
      add(ring, tick * SECOND_US);
      if (tick % 3 !== 0) continue;
      seen.push(...take(ring, ring.tsUs));
      ring.release(tick);
    }
    expect(seen).toEqual(seconds(...Array.from({ length: 102 }, (_, tick) => tick + 1)));
  });

  test('a tick that nobody answered is not kept', () => {
    const ring = new Ring(shape);
    ring.reserve();
    ring.commit();
    expect(ring.heldTicks).toBe(0);
    expect(ring.sampledRows).toBe(0);
  });

  test('a slot that is used again shows nothing of what it held', () => {
    const ring = new Ring(shape);
    for (let tick = 1; tick <= 4; tick += 1) add(ring, tick * SECOND_US, 7);
    ring.reserve();
    ring.setRow(1, 5 * SECOND_US);
    ring.commit();
    const base = ring.baseOf(4);
    expect(ring.tsUs[base]).toBeNaN();
    expect(ring.columns[0]![base + 1]).toBeNaN();
    expect(ring.rowCountOf(4)).toBe(1);
  });
});

describe('memory', () => {
  test('of later slots stays untouched as long as the consumer keeps up', () => {
    const ring = new Ring({ ...shape, capacityTicks: 16 });
    for (let flush = 0; flush < 20; flush += 1) {
      for (let tick = 0; tick < 3; tick += 1) add(ring, (flush * 3 + tick + 1) * SECOND_US);
      expect(take(ring, ring.tsUs)).toEqual(seconds(...[1, 2, 3].map((tick) => flush * 3 + tick)));
      ring.release(ring.peek(0, () => 0).to);
    }
    expect(ring.heldTicks).toBe(0);
    expect(ring.tsUs.subarray(3 * shape.deviceCount).every((tsUs) => tsUs === 0)).toBe(true);
  });
});

describe('a full ring', () => {
  test('gives up its oldest tick, counts it and tells of the episode once', () => {
    const ring = new Ring(shape);
    for (let tick = 1; tick <= 7; tick += 1) add(ring, tick * SECOND_US);
    expect(ring.heldTicks).toBe(4);
    expect(ring.sampledRows).toBe(14);
    expect(ring.droppedRows).toBe(6);
    expect(ring.takeDropEpisode()).toEqual({ ticks: 3, rows: 6, firstUs: SECOND_US, lastUs: 3 * SECOND_US });
    expect(ring.takeDropEpisode()).toBeUndefined();
    expect(take(ring, ring.tsUs)).toEqual(seconds(4, 5, 6, 7));
  });

  test('loses nothing by reusing the slot of a tick that is in flight', () => {
    const ring = new Ring(shape);
    for (let tick = 1; tick <= 4; tick += 1) add(ring, tick * SECOND_US);
    expect(ring.peek(3, () => 3)).toEqual({ from: 0, to: 3 });
    for (let tick = 5; tick <= 7; tick += 1) add(ring, tick * SECOND_US);
    expect(ring.droppedRows).toBe(0);
    add(ring, 8 * SECOND_US);
    expect(ring.droppedRows).toBe(2);
    ring.release(3);
    expect(ring.heldTicks).toBe(4);
    expect(take(ring, ring.tsUs)).toEqual(seconds(5, 6, 7, 8));
  });

  test('has space again after a release only', () => {
    const ring = new Ring(shape);
    for (let tick = 1; tick <= 4; tick += 1) add(ring, tick * SECOND_US);
    take(ring, ring.tsUs);
    expect(ring.hasSpace()).toBe(false);
    expect(ring.waitForSpace(1)).toBe(false);
    ring.release(1);
    expect(ring.waitForSpace(1)).toBe(true);
  });

  test('refuses a tick while the consumer holds on to it', () => {
    const ring = new Ring(shape);
    for (let tick = 1; tick <= 4; tick += 1) add(ring, tick * SECOND_US);
    ring.peek(Infinity, () => {
      expect(ring.reserve()).toBe(false);
      ring.refuseTick(2, 5 * SECOND_US);
      return 0;
    });
    expect(ring.takeDropEpisode()).toEqual({
      ticks: 1,
      rows: 2,
      firstUs: 5 * SECOND_US,
      lastUs: 5 * SECOND_US,
    });
    expect(ring.sampledRows).toBe(10);
    expect(ring.reserve()).toBe(true);
  });
});

describe('what is in flight', () => {
  test('is not shown again, and what was not taken is', () => {
    const ring = new Ring(shape);
    for (let tick = 1; tick <= 3; tick += 1) add(ring, tick * SECOND_US);
    ring.peek(Infinity, () => 1);
    expect(take(ring, ring.tsUs)).toEqual(seconds(2, 3));
    expect(take(ring, ring.tsUs)).toEqual([]);
  });

  test('is kept when encoding throws, and the ring is not left locked', () => {
    const ring = new Ring(shape);
    add(ring, SECOND_US);
    expect(() =>
      ring.peek(1, () => {
        throw new Error('from the encoder');
      }),
    ).toThrow('from the encoder');
    expect(take(ring, ring.tsUs)).toEqual(seconds(1));
  });

  test('bounds what can be released and what an encoder can take', () => {
    const ring = new Ring(shape);
    add(ring, SECOND_US);
    expect(() => {
      ring.release(1);
    }).toThrow('never in flight');
    expect(() => ring.peek(1, () => 2)).toThrow('was not shown');
  });
});

describe('dt', () => {
  /** The dt of each tick whose times (in seconds) are given. */
  const dtOf = (...times: number[]): number[] => {
    const ring = new Ring({ ...shape, capacityTicks: 16 });
    for (const time of times) add(ring, time * SECOND_US);
    return take(ring, ring.dtUs);
  };

  test('is the time since the tick before, 0 for the first', () => {
    expect(dtOf(10, 11, 12.000_25)).toEqual([0, SECOND_US, 1_000_250]);
  });

  test('is 0 after a gap of more than 2.5 intervals, and not before', () => {
    expect(dtOf(10, 12.5, 15.000_001, 16)).toEqual([0, 2_500_000, 0, 999_999]);
  });

  test('is 0 when the clock went back, and counts on from there', () => {
    expect(dtOf(10, 9, 10)).toEqual([0, 0, SECOND_US]);
  });

  test('is 1 µs between two equal stamps, which are told apart by it', () => {
    const ring = new Ring(shape);
    add(ring, SECOND_US);
    add(ring, SECOND_US);
    expect(take(ring, ring.tsUs)).toEqual([SECOND_US, SECOND_US + 1]);
    expect(ring.dtUs[ring.baseOf(1)]).toBe(1);
  });

  test('is 0 after the clock was set, however small the step, and so is the time of the rise, which is known', () => {
    const ring = new Ring(shape);
    add(ring, SECOND_US, 100);
    ring.breakTime();
    add(ring, 2 * SECOND_US, 200);
    add(ring, 3 * SECOND_US, 300);
    const bases = [0, 1, 2].map((tick) => ring.baseOf(tick));
    expect(bases.map((base) => ring.dtUs[base])).toEqual([0, 0, SECOND_US]);
    expect(bases.map((base) => ring.energyRise[base])).toEqual([NaN, 100, 100]);
    expect(bases.map((base) => ring.energyRiseDtUs[base])).toEqual([0, 0, SECOND_US]);
  });

  test('is that of each device for itself', () => {
    const ring = new Ring(shape);
    add(ring, 1 * SECOND_US);
    ring.reserve();
    ring.setRow(0, 2 * SECOND_US);
    ring.commit();
    add(ring, 3 * SECOND_US);
    const base = ring.baseOf(2);
    expect([ring.dtUs[base], ring.dtUs[base + 1]]).toEqual([SECOND_US, 2 * SECOND_US]);
  });
});

describe('energy rise', () => {
  /** Rise in joules and its time in seconds, row by row. */
  const risesOf = (...samples: [second: number, joules: number][]): [number, number][] => {
    const ring = new Ring({ ...shape, capacityTicks: 16 });
    for (const [second, joules] of samples) add(ring, second * SECOND_US, joules);
    return samples.map((_, tick) => {
      const base = ring.baseOf(tick);
      return [ring.energyRise[base]!, ring.energyRiseDtUs[base]! / SECOND_US];
    });
  };

  test('is the rise of the counter, over dt where every row has a reading', () => {
    expect(risesOf([1, 100], [2, 600], [3, 600], [4, 1_100])).toEqual([
      [NaN, 0],
      [500, 1],
      [0, 1],
      [500, 1],
    ]);
  });

  test('is carried over a blank, and begins anew after a fall', () => {
    expect(risesOf([1, 100], [2, NaN], [3, NaN], [4, 160], [5, 50], [6, 70])).toEqual([
      [NaN, 0],
      [NaN, 0],
      [NaN, 0],
      [60, 3],
      [NaN, 0],
      [20, 1],
    ]);
  });

  test('over a gap stands on the row without dt, and has no time on a later row', () => {
    expect(risesOf([1, 100], [9, 180], [10, 190])).toEqual([
      [NaN, 0],
      [80, 8],
      [10, 1],
    ]);
    expect(risesOf([1, 100], [9, NaN], [10, 190], [11, 200])).toEqual([
      [NaN, 0],
      [NaN, 0],
      [90, 0],
      [10, 1],
    ]);
  });

  test('is blank where it would be infinite', () => {
    expect(risesOf([1, -Number.MAX_VALUE], [2, Number.MAX_VALUE])).toEqual([
      [NaN, 0],
      [NaN, 0],
    ]);
  });

  test('is blank in a lane without the energy field', () => {
    const ring = new Ring({ ...shape, energyColumn: -1 });
    add(ring, SECOND_US, 1);
    add(ring, 2 * SECOND_US, 2);
    expect(take(ring, ring.energyRise)).toEqual([NaN, NaN]);
  });
});

test('a ring does not open memory of another shape', () => {
  const { memory } = new Ring(shape);
  expect(() => new Ring({ ...shape, deviceCount: 3 }, memory)).toThrow('does not fit');
  expect(() => new Ring({ ...shape, capacityTicks: 1 })).toThrow('at least two ticks');
});

describe('with its producer on another thread', () => {
  const wide: RingShape = {
    capacityTicks: 16,
    deviceCount: 4,
    columnCount: 8,
    intervalUs: 1_000,
    energyColumn: 0,
  };

  /** Consumes while the producer runs; every tick that is shown must be whole. */
  async function consume(order: Omit<ProducerOrder, 'shape' | 'memory'>) {
    const ring = new Ring(wide);
    const workerData: ProducerOrder = { ...order, shape: wide, memory: ring.memory };
    const worker = new Worker(new URL('../../helpers/ring-producer.ts', import.meta.url), { workerData });
    let report: ProducerReport | undefined;
    let failure: Error | undefined;
    worker.on('message', (message: ProducerReport) => (report = message));
    worker.on('error', (error: Error) => (failure = error));
    const seen: number[] = [];
    let droppedInEpisodes = 0;
    for (let isOver = false; !isOver;) {
      isOver = report !== undefined;
      if (failure !== undefined) throw failure;
      const range = ring.peek(5, ({ from, to }) => {
        for (let tick = from; tick < to; tick += 1) seen.push(wholeTickAt(ring, ring.baseOf(tick)));
        return to - from;
      });
      droppedInEpisodes += ring.takeDropEpisode()?.rows ?? 0;
      // The answer of the store takes a while: ticks stay in flight over some turns of the event loop.
      await setImmediate();
      ring.release(range.to);
      if (isOver && ring.heldTicks > 0) isOver = false;
    }
    droppedInEpisodes += ring.takeDropEpisode()?.rows ?? 0;
    await worker.terminate();
    return { ring, seen, droppedInEpisodes, refusedTicks: report!.refusedTicks };
  }

  /** The number of the tick that the slot holds, after looking at every value of it. */
  function wholeTickAt(ring: Ring, base: number): number {
    const tick = (ring.tsUs[base]! - FIRST_TS_US) / wide.intervalUs;
    for (let device = 0; device < wide.deviceCount; device += 1) {
      if (ring.tsUs[base + device] !== ring.tsUs[base]) throw new Error(`tick ${tick}: a torn time`);
      for (let column = 0; column < wide.columnCount; column += 1) {
        const value = ring.columns[column]![base + device]!;
        if (value !== tellingValue(tick, device, column))
          throw new Error(`tick ${tick}: ${value} is not of this tick`);
      }
    }
    return tick;
  }

  test('shows every tick once and in order when the producer waits for space', async () => {
    const { ring, seen, droppedInEpisodes } = await consume({ ticks: 20_000, doesWait: true });
    expect(seen).toEqual(Array.from({ length: 20_000 }, (_, tick) => tick));
    expect(ring.droppedRows + droppedInEpisodes).toBe(0);
  });

  test('shows whole ticks in order and counts exactly the others when the oldest give way', async () => {
    const ticks = 200_000;
    const { ring, seen, droppedInEpisodes } = await consume({ ticks, doesWait: false });
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.every((tick, at) => at === 0 || tick > seen[at - 1]!)).toBe(true);
    expect(ring.sampledRows).toBe(ticks * wide.deviceCount);
    expect(ring.droppedRows).toBe((ticks - seen.length) * wide.deviceCount);
    expect(droppedInEpisodes).toBe(ring.droppedRows);
  });
});
