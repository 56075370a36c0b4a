import type { Device } from '../../src/core/devices/device.ts';
import type { Interval } from '../../src/core/jobs/interval.ts';
import type { TrueStay } from './truth.ts';

/** How much of the time between allocation and epilog, outside the job's own stamps, the ownership takes in. */
export function marginsOf(
  stays: readonly TrueStay[],
  intervals: readonly Interval[],
  devices: readonly Device[],
): string[] {
  const byGpu = new Map(devices.map((device) => [device.uuid, device]));
  const before: number[] = [];
  const after: number[] = [];
  const unownedBefore: number[] = [];
  const unownedAfter: number[] = [];
  for (const { jobId, run, gpu, startUs, endUs } of intervals) {
    const device = byGpu.get(gpu);
    const stay = stays.find(
      (one) =>
        one.jobId === jobId && one.occurrence === run && one.node === device?.node && one.inner.length > 0,
    );
    if (stay === undefined) continue;
    before.push(Math.min(...stay.inner.map((span) => span.firstUs)) - startUs);
    after.push(endUs - Math.max(...stay.inner.map((span) => span.lastUs)));
    unownedBefore.push(startUs - stay.allocatedUs);
    unownedAfter.push(stay.completedUs - endUs);
  }
  return [
    `owned before the job's first line:            ${spread(before)}`,
    `owned after the job's last stamp:             ${spread(after)}`,
    `not owned after the allocation:               ${spread(unownedBefore)}`,
    `not owned before the end of the epilog:       ${spread(unownedAfter)}`,
  ];
}

function spread(valuesUs: number[]): string {
  const sorted = valuesUs.sort((a, b) => a - b);
  const at = (part: number): string =>
    ((sorted[Math.floor(part * (sorted.length - 1))] ?? NaN) / 1000).toFixed(1);
  return `least ${at(0)}, median ${at(0.5)}, p99 ${at(0.99)} ms`;
}
