import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Ring } from '../../src/core/ring/ring.ts';
import type { SampledLane, Source } from '../../src/core/sampling/source.ts';
import { SamplerControl } from '../../src/sampler/sampler-control.ts';
import { runRealClock, type TickerListener } from '../../src/sampler/ticker.ts';
import { createWallClock } from '../../src/sampler/wall-clock.ts';

const INTERVAL_MS = 50;
const lane: SampledLane = { index: 0, name: 'fast', intervalMs: INTERVAL_MS, fields: [] };

/**
 * A clock that only moves when the ticker sleeps or the test says so: the outcome does not depend on how busy the machine
 * is. Both clocks that the ticker reads follow it.
 */
const time = { monotonicMs: 0, wallMs: 0 };

function pass(ms: number): void {
  time.monotonicMs += ms;
  time.wallMs += ms;
}

class InstantControl extends SamplerControl {
  override sleep(ms: number): void {
    if (ms > 0) pass(ms);
  }
}

beforeEach(() => {
  time.monotonicMs = 1_000;
  time.wallMs = 1_800_000_000_000;
  vi.spyOn(performance, 'now').mockImplementation(() => time.monotonicMs);
  vi.spyOn(Date, 'now').mockImplementation(() => Math.floor(time.wallMs));
});
afterEach(() => {
  vi.restoreAllMocks();
});

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

/** Samples for `forMs` and calls `onTick` inside each tick. */
function runFor(forMs: number, onTick: (tick: number) => void = () => undefined) {
  const ring = newRing();
  const { told, listener } = recordingListener();
  ring.onGap = (_, fromUs, toUs) => told.gaps.push({ fromUs, toUs });
  const lanes = [{ lane, ring, isContinuous: true }];
  const control = new InstantControl();
  runRealClock({ source: sourceOf(onTick), lanes, control, listener, forMs });
  return { ring, told, control };
}

describe('the ticker', () => {
  it('ends before the tick that falls on the end', () => {
    const { ring, told, control } = runFor(500);
    expect(ring.sampledRows).toBe(10);
    expect([control.calls, control.clockSteps, control.callMs]).toEqual([10, 0, 0]);
    expect(control.callsMs).toBeGreaterThan(0);
    expect(told).toEqual({ missedTicks: 0, gaps: [], stepsUs: [] });
  });

  it('reports the hole that a blocked call leaves, and gives the sample after it no time to speak for', () => {
    const { ring, told } = runFor(1_000, (tick) => {
      pass(tick === 3 ? 400 : 1);
    });
    expect(told.missedTicks).toBe(8);
    expect(ring.tally.lateTicks).toBe(8);
    expect(ring.sampledRows).toBe(20 - 8);
    expect(ring.tally.takeCost()).toEqual({ meanMs: (400 + 11) / 12, maxMs: 400 });
    expect(ring.tally.takeCost()).toBeUndefined();
    const rows = rowsOf(ring);
    expect(told.gaps).toEqual([{ fromUs: rows[2]!.tsUs, toUs: rows[3]!.tsUs }]);
    expect(rows.map(({ dtUs }) => dtUs).slice(0, 5)).toEqual([0, 50_000, 50_000, 0, 50_000]);
  });

  it.each([
    { stepMs: 60_000, is: 'far forward' },
    { stepMs: 60, is: 'forward by less than a gap' },
    { stepMs: -60_000, is: 'far back' },
  ])('says when the clock is set $is, and lets no dt lead across it', ({ stepMs }) => {
    const { ring, told, control } = runFor(300, (tick) => {
      if (tick === 3) time.wallMs += stepMs;
    });
    expect(control.clockSteps).toBe(1);
    expect(told).toEqual({ missedTicks: 0, gaps: [], stepsUs: [stepMs * 1000] });
    const rows = rowsOf(ring);
    expect(rows[3]!.tsUs - rows[2]!.tsUs).toBe((INTERVAL_MS + stepMs) * 1000);
    expect(rows.map(({ dtUs }) => dtUs)).toEqual([0, 50_000, 50_000, 0, 50_000, 50_000]);
  });
});

describe('the wall clock', () => {
  it('tells a step once, forward and back', () => {
    const clock = createWallClock();
    const beforeUs = clock.nowUs();
    time.wallMs += 60_000;
    expect(clock.nowUs() - beforeUs).toBe(60_000_000);
    expect(clock.takeStepUs()).toBe(60_000_000);
    expect(clock.takeStepUs()).toBe(0);
    time.wallMs -= 90_000;
    clock.nowUs();
    expect(clock.takeStepUs()).toBe(-90_000_000);
  });

  it.each([
    { correctionMs: 2, followedUs: 0, toldUs: 0 },
    { correctionMs: 3, followedUs: 3_000, toldUs: 0 },
    { correctionMs: 50, followedUs: 50_000, toldUs: 0 },
    { correctionMs: -50, followedUs: -50_000, toldUs: 0 },
    { correctionMs: 51, followedUs: 51_000, toldUs: 51_000 },
    { correctionMs: -51, followedUs: -51_000, toldUs: -51_000 },
  ])(
    'follows a correction of $correctionMs ms by $followedUs µs and calls $toldUs µs of it a step',
    (given) => {
      const clock = createWallClock();
      const beforeUs = clock.nowUs();
      time.wallMs += given.correctionMs;
      expect(clock.nowUs() - beforeUs).toBe(given.followedUs);
      expect(clock.takeStepUs()).toBe(given.toldUs);
    },
  );
});
