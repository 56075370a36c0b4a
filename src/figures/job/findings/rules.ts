import { assert } from '../../../core/base/assert.ts';
import type { FindingLimits } from '../../../core/analysis/finding-limits.ts';
import { UNRESOLVED_PREFIX } from '../../../core/devices/identity.ts';
import type { IdleLimit } from '../../../core/fields/idle-limits.ts';
import type { Quantity } from '../../quantity.ts';
import type { DeviceMean, Found, FullDevice, JobDevice, JobFacts } from '../figures.ts';
import { possibleTail } from '../idle-tail.ts';
import { fragmented, pcieDegraded } from './hardware-rules.ts';
import { dips, hang, idleHead, kernelGaps, pauses } from './cause-rules.ts';
import { lowOccupancy, noTensor } from './pipe-rules.ts';
import { powerCap } from './power-cap.ts';

/** What was seen for less of its time is not judged. */
const SEEN_RATIO_MIN = 0.95;
/** A tail of which more than this was not seen on one of the devices says nothing. */
const UNSEEN_TAIL_RATIO_MAX = 0.05;
/** Shorter jobs have not shown what memory they need. */
const MEMORY_JOB_US_MIN = 600e6;
/** From here on the memory counts as full. */
const MEMORY_FULL_RATIO_MIN = 0.95;
/** The known times of two energies differ by so much at most. */
const ENERGY_TIME_STRAY_RATIO_MAX = 0.02;
/** Boards average their power over up to a second and the counter steps: a short job says nothing about the sensors. */
const ENERGY_CHECK_US_MIN = 60e6;

type Rule = (facts: JobFacts, limits: FindingLimits) => readonly Found[];

/** Faults first, then in the order in which they are believed of the same time. What they mean: docs/reports.md. */
const RULES: readonly Rule[] = [
  noData,
  xids,
  outOfMemory,
  unused,
  hang,
  idleTail,
  idleHead,
  throttled,
  slowest,
  imbalance,
  dips,
  pauses,
  kernelGaps,
  lowOccupancy,
  idle,
  noTensor,
  memoryHalf,
  powerCap,
  pcieDegraded,
  fragmented,
  lowCoverage,
  energyCheck,
];

/** What the rules find in a job, in their order. */
export function foundIn(facts: JobFacts, limits: FindingLimits): Found[] {
  return RULES.flatMap((find) => find(facts, limits));
}

function noData({ all, devices, oldestSampleUs, boundaryUs }: JobFacts): readonly Found[] {
  if (all.samples > 0 || devices.length === 0) return [];
  const isUnresolved = devices.every(({ gpu }) => gpu.startsWith(UNRESOLVED_PREFIX));
  const isShort = devices.every(({ ownedUs }) => ownedUs < boundaryUs);
  const why = isUnresolved ? 'unresolved' : isShort ? 'short' : undefined;
  return [{ rule: 'no-data', oldestSampleUs, why, devices, intervalUs: boundaryUs }];
}

function xids({ devices }: JobFacts): readonly Found[] {
  return devices.flatMap((device) =>
    device.events
      .filter(({ kind }) => kind === 'xid')
      .map((event): Found => ({ rule: 'xid', device, event })),
  );
}

/** Of one that all the job long is slow its own rule speaks, and names the throttle. */
function throttled(
  { throttleEffects, devices, analysis }: JobFacts,
  { throttledRatio }: FindingLimits,
): readonly Found[] {
  return throttleEffects
    .filter(({ gpu }) => gpu !== analysis.slowest?.gpu)
    .filter(({ sm, othersSm }) => sm.value < throttledRatio * othersSm.value)
    .map(({ gpu, sm, othersSm, event }): Found => {
      const device = devices.find((candidate) => candidate.gpu === gpu);
      assert(device !== undefined, `a throttle of ${gpu}, which the job did not own`);
      return { rule: 'throttle', device, event, ratio: sm.value / othersSm.value };
    });
}

/** The device that the others wait for. */
function slowest({ analysis, devices }: JobFacts): readonly Found[] {
  const device = devices.find(({ gpu }) => gpu === analysis.slowest?.gpu);
  if (analysis.slowest === undefined || device === undefined) return [];
  const rule = analysis.slowest.kind === 'fed_late' ? 'fed-late' : 'computes-longest';
  return [{ rule, device, slowest: analysis.slowest }];
}

/** Below its limit all the time, of which nearly all was seen: what nobody saw is no idleness. */
function unusedOf(devices: readonly JobDevice[]): readonly JobDevice[] {
  return devices.filter((device) => {
    const sm = device.gauges.smActive;
    return sm !== undefined && sm.max.value < device.idleSmRatio && isSeen(device, sm.max);
  });
}

function isSeen({ ownedUs }: JobDevice, { knownUs }: Quantity): boolean {
  return knownUs >= SEEN_RATIO_MIN * ownedUs;
}

function unused({ devices }: JobFacts): readonly Found[] {
  const never = unusedOf(devices);
  const attributedUs = sumOf(never, (device) => device.attributedUs);
  return never.length === 0
    ? []
    : [
        {
          rule: 'unused',
          devices: never,
          deviceCount: devices.length,
          attributedUs,
          limits: limitsOf(never),
        },
      ];
}

/**
 * Of the devices that were used at all: the others have been told of. The time that was idle is half of all their time, whatever
 * they did while nobody saw it; what is told is its part of the time that was seen.
 */
function idle({ devices }: JobFacts, { idleRatio }: FindingLimits): readonly Found[] {
  const never = new Set(unusedOf(devices));
  const used = devices.filter((device) => !never.has(device));
  const idleUs = sumOf(used, (device) => device.idle?.value ?? 0);
  const knownUs = sumOf(used, (device) => device.idle?.knownUs ?? 0);
  const allUs = sumOf(used, (device) => device.ownedUs * partOf(device));
  if (knownUs === 0 || idleUs < idleRatio * Math.max(knownUs, allUs)) return [];
  return [
    {
      rule: 'idle',
      idle: { value: idleUs, unit: 'microseconds', knownUs },
      knownRatio: knownUs / Math.max(knownUs, allUs),
      devices: used,
      areOthersUnused: never.size > 0,
      limits: limitsOf(used),
    },
  ];
}

function limitsOf(devices: readonly JobDevice[]): IdleLimit[] {
  return [...new Set(devices.map(({ idleSmRatio }) => idleSmRatio))].sort((a, b) => a - b);
}

/** Its mean share. */
function partOf({ attributedUs, sampledUs }: JobDevice): number {
  return sampledUs > 0 ? attributedUs / sampledUs : 1;
}

function idleTail(facts: JobFacts, limits: FindingLimits): readonly Found[] {
  const tail = possibleTail(facts, limits);
  // Of a job without samples in it nothing is told of its course.
  if (tail === undefined || facts.all.samples === 0) return [];
  const { devices, tailUnseenUs, endUs, isOpen } = facts;
  const lengthUs = tail.untilUs - tail.fromUs;
  // Of kept figures any of the time of which nothing is known may be of the tail.
  const unseenUs = ({ gpu, ownedUs, gauges }: JobDevice): number =>
    tailUnseenUs === undefined ? ownedUs - (gauges.smActive?.max.knownUs ?? 0) : (tailUnseenUs.get(gpu) ?? 0);
  const held = devices.filter((device) => device.endUs > tail.fromUs);
  if (held.some((device) => unseenUs(device) > UNSEEN_TAIL_RATIO_MAX * lengthUs)) return [];
  return [{ rule: 'idle-tail', fromUs: tail.fromUs, lengthUs, isCutOff: tail.untilUs < endUs, isOpen }];
}

function imbalance(
  { devices, throttleEffects, analysis }: JobFacts,
  { imbalanceRatio }: FindingLimits,
): readonly Found[] {
  // That the others do less is since they wait for it.
  if (analysis.slowest !== undefined) return [];
  const means = devices
    .flatMap((device): DeviceMean[] => {
      const mean = device.gauges.smActive?.mean;
      // Means over different times say nothing of each other.
      return mean === undefined || !isSeen(device, mean) ? [] : [{ device, mean }];
    })
    .sort((a, b) => a.mean.value - b.mean.value);
  const [slowest, fastest] = [means[0], means.at(-1)];
  if (slowest === undefined || fastest === undefined) return [];
  if (unusedOf(devices).length > 0 || throttleEffects.length > 0) return [];
  const [least, most] = [slowest.mean.value, fastest.mean.value];
  if (most < 2 * fastest.device.idleSmRatio || (most - least) / most < imbalanceRatio) return [];
  return [{ rule: 'imbalance', slowest, fastest }];
}

/** Whether the memory of every device was measured nearly all of the time: a peak may have come while nobody saw it. */
function isMemorySeen(devices: readonly JobDevice[]): boolean {
  return devices.every((device) => {
    const memory = device.gauges.memoryUsed;
    return memory !== undefined && isSeen(device, memory.max);
  });
}

/** Device with the highest memory peak in relation to its size. */
function fullestOf(devices: readonly JobDevice[]): FullDevice | undefined {
  let best: FullDevice | undefined;
  for (const device of devices) {
    const peak = device.gauges.memoryUsed?.max;
    if (peak === undefined || device.memoryBytes === undefined || device.memoryBytes === 0) continue;
    const ratio = peak.value / device.memoryBytes;
    if (best === undefined || ratio > best.ratio) best = { device, peak, ratio };
  }
  return best;
}

function outOfMemory({ job: { state, exitCode }, devices }: JobFacts): readonly Found[] {
  const isTold = state === 'OUT_OF_MEMORY';
  const hasFailed = state === 'FAILED' || (exitCode !== undefined && exitCode !== 0);
  const fullest = fullestOf(devices);
  const isFull = fullest !== undefined && fullest.ratio >= MEMORY_FULL_RATIO_MIN;
  return isTold || (hasFailed && isFull)
    ? [{ rule: 'out-of-memory', isTold, fullest, isFull, isSeen: isMemorySeen(devices) }]
    : [];
}

function memoryHalf(
  { devices, startUs, endUs, job, all }: JobFacts,
  { memoryRatio }: FindingLimits,
): readonly Found[] {
  const fullest = fullestOf(devices);
  if (fullest === undefined || all.samples === 0 || !isMemorySeen(devices)) return [];
  if (endUs - startUs < MEMORY_JOB_US_MIN || job.state === 'OUT_OF_MEMORY') return [];
  if (unusedOf(devices).length === devices.length || fullest.ratio > memoryRatio) return [];
  return [{ rule: 'memory-half', fullest }];
}

function lowCoverage(
  { all: { coverage }, oldestSampleUs, undividedUs, mixedUs }: JobFacts,
  { coverageRatio }: FindingLimits,
): readonly Found[] {
  if (coverage === undefined || coverage.value >= coverageRatio) return [];
  return [{ rule: 'coverage', coverage, oldestSampleUs, isUndivided: undividedUs + mixedUs > 0 }];
}

function energyCheck({ all: { energy } }: JobFacts, { energyRatio }: FindingLimits): readonly Found[] {
  const { counter, power } = energy;
  if (counter === undefined || power === undefined) return [];
  if (Math.min(counter.knownUs, power.knownUs) < ENERGY_CHECK_US_MIN) return [];
  // A rise may begin before the window; over another time than the power's they say nothing of each other.
  if (Math.abs(counter.knownUs - power.knownUs) > ENERGY_TIME_STRAY_RATIO_MAX * power.knownUs) return [];
  const counterJoules = counter.value * (power.knownUs / counter.knownUs);
  const strayRatio = Math.abs(counterJoules - power.value) / Math.max(counterJoules, power.value, 1);
  return strayRatio > energyRatio ? [{ rule: 'energy-check', strayRatio }] : [];
}

function sumOf<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((sum, item) => sum + value(item), 0);
}
