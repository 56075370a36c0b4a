// Imported, since the global of this name is a getter, which costs time three times a tick.
import { performance } from 'node:perf_hooks';
import type { Ring } from '../core/ring/ring.ts';
import type { SampledLane, Source } from '../core/sampling/source.ts';
import type { SamplerControl } from './sampler-control.ts';
import { createWallClock } from './wall-clock.ts';

export interface TickedLane {
  readonly lane: SampledLane;
  readonly ring: Ring;
  /** False for a lane that ticks on request only. */
  readonly isContinuous: boolean;
}

interface Ticking {
  readonly source: Source;
  readonly lanes: readonly TickedLane[];
  readonly control: SamplerControl;
}

/** Hears what happened beside the ticks. */
export interface TickerListener {
  /** A lane was late by whole ticks. */
  onMissed(lane: string, ticks: number): void;
  /** The wall clock was set by so many µs (negative: back); `tsUs` is the time after it. */
  onClockStep(stepUs: number, tsUs: number): void;
  /** Between two ticks: the rings of `lanes` shall be replaced. */
  onExchange?(): void;
}

/** How long a virtual tick waits for room before it looks again whether it should stop. */
const SPACE_PATIENCE_MS = 100;

/**
 * Ticks every continuous lane on an absolute schedule (start + n × interval on the monotonic clock, so lateness never
 * adds up) until told to stop or until `forMs` is over. A lane that was late by whole intervals skips the ticks that it
 * missed and says how many: samples are never made up.
 */
export function runRealClock(
  options: Ticking & { readonly forMs: number; readonly listener: TickerListener },
): void {
  const { source, lanes, control, listener } = options;
  const clock = createWallClock();
  const startMs = performance.now();
  const endMs = startMs + options.forMs;
  const nextMs = lanes.map(({ isContinuous }) => (isContinuous ? startMs : Infinity));
  const sampleLane = (index: number): void => {
    const ticked = lanes[index]!;
    const nowUs = clock.nowUs();
    const stepUs = clock.takeStepUs();
    if (stepUs !== 0) {
      for (const { ring } of lanes) ring.breakTime();
      control.noteClockStep();
      listener.onClockStep(stepUs, nowUs);
    }
    sampleOnce(source, ticked, control, nowUs);
  };
  while (!control.shouldStop) {
    if (control.takeExchange()) listener.onExchange?.();
    const requests = control.takeRequests();
    for (const [index, ticked] of lanes.entries()) {
      const isDue = performance.now() >= nextMs[index]!;
      if (!isDue && (requests & (1 << index)) === 0) continue;
      sampleLane(index);
      if (isDue) {
        const callIntervalMs = source.callIntervalMs?.(ticked.lane) ?? ticked.lane.intervalMs;
        const late = Math.floor((performance.now() - nextMs[index]!) / callIntervalMs);
        if (late > 0 && source.callIntervalMs === undefined) {
          ticked.ring.tally.late(late);
          listener.onMissed(ticked.lane.name, late);
        }
        nextMs[index]! += (late + 1) * callIntervalMs;
      }
    }
    // The tick that would fall on the end belongs to whoever comes next: `--for 30s` at 100 ms is 300 ticks, not 301.
    for (const [index, ms] of nextMs.entries()) if (ms >= endMs - 0.001) nextMs[index] = Infinity;
    const wakeMs = Math.min(endMs, ...nextMs);
    if (performance.now() >= endMs) return;
    control.sleep(wakeMs === Infinity ? 1000 : wakeMs - performance.now());
  }
}

/**
 * Plays all lanes from `startUs` to just before `endUs` in the order of time, as fast as the rings are emptied: a
 * full ring makes the virtual clock wait instead of dropping. Never samples a time that has not come yet.
 */
export function runVirtualClock(
  options: Ticking & { readonly startUs: number; readonly endUs: number },
): void {
  const { source, lanes, control } = options;
  const nextUs = lanes.map(() => options.startUs);
  const endUs = Math.min(options.endUs, Date.now() * 1000);
  for (let nowUs = options.startUs; nowUs < endUs; nowUs = Math.min(...nextUs)) {
    for (const [index, ticked] of lanes.entries()) {
      if (nextUs[index]! > nowUs) continue;
      while (!ticked.ring.waitForSpace(SPACE_PATIENCE_MS)) if (control.shouldStop) return;
      sampleOnce(source, ticked, control, nowUs);
      nextUs[index]! += ticked.lane.intervalMs * 1000;
    }
    control.virtualNowUs = nowUs;
    if (control.shouldStop) return;
  }
  control.virtualNowUs = endUs;
}

function sampleOnce(source: Source, ticked: TickedLane, control: SamplerControl, nowUs: number): void {
  const { ring, lane } = ticked;
  if (!ring.reserve()) {
    ring.refuseTick(source.devices.length, nowUs);
    return;
  }
  control.beginCall(nowUs);
  const startMs = performance.now();
  source.sample(lane, ring, nowUs);
  control.endCall();
  if (ring.isReserved) ring.commit();
  ring.tally.spend(performance.now() - startMs);
}

/** Takes what the source has held back, lane by lane. */
export function finishLanes(source: Source, lanes: readonly TickedLane[]): void {
  for (const { lane, ring } of lanes) {
    if (source.finish === undefined || !ring.reserve()) continue;
    source.finish(lane, ring);
    if (ring.isReserved) ring.commit();
  }
}
