import { afterEach, describe, expect, it, vi } from 'vitest';
import { Ring } from '../../src/core/ring/ring.ts';
import type { SampledLane, Source } from '../../src/core/sampling/source.ts';
import { SamplerControl } from '../../src/sampler/sampler-control.ts';
import { runRealClock, type TickerListener } from '../../src/sampler/ticker.ts';
import { createWallClock } from '../../src/sampler/wall-clock.ts';

const lane: SampledLane = { index: 0, name: 'fast', intervalMs: 50, fields: [] };

function newRing(): Ring {
  return new Ring({
    capacityTicks: 100,
    deviceCount: 1,
    columnCount: 0,
    intervalUs: 50_000,
    energyColumn: -1,
  });
}

/** One device; `onTick` runs inside the sampling call, which is where a real library blocks. */
function sourceOf(onTick: (tick: number) => void): Source {
  let ticks = 0;
  return {
    name: 'synthetic',
    devices: [{ uuid: 'GPU-1', node: 'n1', index: 0, model: 'm', memoryBytes: 1 }],
    sample(_, tick, nowUs) {
      tick.setRow(0, nowUs);
      ticks += 1;
      onTick(ticks);
    },
    close: () => undefined,
  };
}

function recordingListener() {
  const told = { missedTicks: 0, gaps: [] as { fromUs: number; toUs: number }[], stepsUs: [] as number[] };
  const listener: TickerListener = {
    onMissed: (_, ticks) => {
      told.missedTicks += ticks;
    },
    onGap: (_, fromUs, toUs) => told.gaps.push({ fromUs, toUs }),
    onClockStep: (stepUs) => told.stepsUs.push(stepUs),
  };
  return { told, listener };
}

function rowsOf(ring: Ring): { tsUs: number; dtUs: number }[] {
  const rows: { tsUs: number; dtUs: number }[] = [];
  ring.peek(1000, ({ from, to }) => {
    for (let tick = from; tick < to; tick += 1) {
      const row = ring.baseOf(tick);
      rows.push({ tsUs: ring.tsUs[row]!, dtUs: ring.dtUs[row]! });
    }
    return to - from;
  });
  return rows;
}

afterEach(() => {
  vi.useRealTimers();
});

describe('the ticker', () => {
  it('ends before the tick that falls on the end', () => {
    const ring = newRing();
    const { told, listener } = recordingListener();
    const lanes = [{ lane, ring, isContinuous: true }];
    runRealClock({
      source: sourceOf(() => undefined),
      lanes,
      control: new SamplerControl(),
      listener,
      forMs: 500,
    });
    expect(ring.sampledRows + told.missedTicks).toBe(10);
  });

  it('reports the hole that a blocked call leaves, and gives the sample after it no time to speak for', () => {
    const ring = newRing();
    const { told, listener } = recordingListener();
    const block = (tick: number): void => {
      if (tick === 3) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
    };
    const lanes = [{ lane, ring, isContinuous: true }];
    runRealClock({ source: sourceOf(block), lanes, control: new SamplerControl(), listener, forMs: 1_000 });
    expect(told.missedTicks).toBeGreaterThanOrEqual(7);
    expect(ring.tally.lateTicks).toBe(told.missedTicks);
    const cost = ring.tally.takeCost()!;
    expect(cost.maxMs).toBeGreaterThanOrEqual(400);
    const ticks = ring.heldTicks;
    expect(cost.meanMs).toBeGreaterThanOrEqual(400 / ticks);
    expect(cost.meanMs).toBeLessThan(cost.maxMs);
    expect(ring.tally.takeCost()).toBeUndefined();
    const rows = rowsOf(ring);
    const hole = told.gaps.find(({ fromUs }) => fromUs === rows[2]!.tsUs);
    expect(hole).toEqual({ fromUs: rows[2]!.tsUs, toUs: rows[3]!.tsUs });
    expect(rows[3]!.dtUs).toBe(0);
    expect(rows[1]!.dtUs).toBe(rows[1]!.tsUs - rows[0]!.tsUs);
  });

  it('follows a clock that is set, says by how much, and lets no dt lead across it', () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 });
    const ring = newRing();
    const { told, listener } = recordingListener();
    const startMs = performance.now();
    // The faked clock stands still: every tick moves it to where a running one would be at the next, and the third sets it.
    const set = (tick: number): void => {
      const runningMs = performance.now() - startMs + lane.intervalMs;
      vi.setSystemTime(1_800_000_000_000 + runningMs + (tick >= 3 ? 60_000 : 0));
    };
    const lanes = [{ lane, ring, isContinuous: true }];
    runRealClock({ source: sourceOf(set), lanes, control: new SamplerControl(), listener, forMs: 300 });
    expect(told.stepsUs.filter((stepUs) => stepUs > 50_000_000)).toHaveLength(1);
    const rows = rowsOf(ring);
    const across = rows.findIndex((row, index) => index > 0 && row.tsUs - rows[index - 1]!.tsUs > 50_000_000);
    expect(across).toBeGreaterThan(0);
    expect(rows[across]!.dtUs).toBe(0);
  });
});

describe('the wall clock', () => {
  it('tells a step once, forward and back', () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 });
    const clock = createWallClock();
    const beforeUs = clock.nowUs();
    vi.setSystemTime(Date.now() + 60_000);
    expect(clock.nowUs() - beforeUs).toBeGreaterThan(59_000_000);
    expect(clock.takeStepUs()).toBeGreaterThan(59_000_000);
    expect(clock.takeStepUs()).toBe(0);
    vi.setSystemTime(Date.now() - 90_000);
    clock.nowUs();
    expect(clock.takeStepUs()).toBeLessThan(-89_000_000);
  });
});
