import { IDLE_SM_RATIO } from '../core/fields/well-known.ts';
import { deviceName, deviceNames } from './text/device-name.ts';
import {
  calendarDate,
  clockTime,
  formatCoverage,
  formatGpuHours,
  formatMemory,
  formatRatio,
  formatSpan,
} from './text/format-quantity.ts';
import type { JobDevice, JobFigures } from '../figures/job/figures.ts';

/** One thing about a job that a person should know. The rules, their limits and where those come from: docs/reports.md. */
export interface Finding {
  readonly rule: string;
  /** One or two sentences for people. */
  readonly text: string;
}

type Rule = (figures: JobFigures) => readonly string[];

/** A throttled device that keeps up with the others is no news. */
const THROTTLED_RATIO_MAX = 0.9;
/** More than half of the GPU time without work is a waste whatever the rest does. */
const IDLE_TIME_RATIO_MIN = 0.5;
const IDLE_TAIL_US_MIN = 600e6;
const IDLE_TAIL_RATIO_MIN = 0.1;
/** NERSC: a high-water mark of at most half the memory means that a smaller device would do. */
const MEMORY_HALF_RATIO = 0.5;
/** Shorter jobs have not shown what they need. */
const MEMORY_JOB_US_MIN = 600e6;
/** From here on the memory counts as full. */
const MEMORY_FULL_RATIO = 0.95;
/** Largest share by which the slowest device may stay behind the fastest: (max − min) / max of the means. */
const IMBALANCE_RATIO_MIN = 0.3;
const COVERAGE_RATIO_MIN = 0.95;
/** Counter and power integral of the same energy agree to a few percent on real boards. */
const ENERGY_STRAY_RATIO = 0.1;
/** Boards average their power over up to a second and the counter steps: a short job says nothing about the sensors. */
const ENERGY_CHECK_US_MIN = 60e6;

const RULES: Readonly<Record<string, Rule>> = {
  'no-data': noData,
  xid: ({ devices }) =>
    devices.flatMap((device) =>
      device.events
        .filter((event) => event.kind === 'xid')
        .map(
          (event) =>
            `XID ${event.code ?? '?'} on ${deviceName(device)} at ${clockTime(event.tsUs)}: ${event.text.replace(/^XID \d+: /, '')}`,
        ),
    ),
  'out-of-memory': outOfMemory,
  throttle: ({ throttleEffects, devices }) =>
    throttleEffects
      .filter(({ smRatio, othersSmRatio }) => smRatio < THROTTLED_RATIO_MAX * othersSmRatio)
      .map(({ gpu, smRatio, othersSmRatio }) => {
        const device = devices.find((candidate) => candidate.gpu === gpu);
        const name = device === undefined ? gpu : deviceName(device);
        return (
          `${name} ran at ${formatRatio(smRatio / othersSmRatio)} of the others' SM activity while throttled;` +
          ' the job waits for its slowest GPU.'
        );
      }),
  unused,
  idle,
  'idle-tail': idleTail,
  imbalance,
  dips: ({ dips }) =>
    dips === undefined
      ? []
      : [
          `SM activity falls to ${formatRatio(dips.floorRatio)} for ${formatSpan(dips.lengthUs)} every` +
            ` ${formatSpan(dips.periodUs)} on all GPUs (checkpoints?): ${formatRatio(dips.timeRatio)} of the time.`,
        ],
  'memory-half': memoryHalf,
  coverage: ({ samples, sampledUs, ownedUs, oldestSampleUs }) =>
    samples > 0 && sampledUs < COVERAGE_RATIO_MIN * ownedUs
      ? [
          `the figures speak for ${formatCoverage(sampledUs / ownedUs)} of the owned time only; ${oldestSampleUs === undefined ? 'the rest was not sampled' : agedOut(oldestSampleUs)}.`,
        ]
      : [],
  'energy-check': ({ energy }) => {
    const { counterJoules, powerJoules, counterUs, powerUs } = energy;
    if (
      counterJoules === undefined ||
      powerJoules === undefined ||
      counterUs !== powerUs ||
      counterUs < ENERGY_CHECK_US_MIN
    )
      return [];
    const stray = Math.abs(counterJoules - powerJoules) / Math.max(counterJoules, powerJoules, 1);
    return stray > ENERGY_STRAY_RATIO
      ? [
          `energy counter and power integral differ by ${formatRatio(stray)}: one of the two sensors is wrong.`,
        ]
      : [];
  },
};

/** What stands out in a job, gravest first. */
export function standOut(figures: JobFigures): Finding[] {
  return Object.entries(RULES).flatMap(([rule, find]) => find(figures).map((text) => ({ rule, text })));
}

function noData({ samples, devices, oldestSampleUs }: JobFigures): readonly string[] {
  if (samples > 0 || devices.length === 0) return [];
  return oldestSampleUs === undefined
    ? ['no data: nothing was sampled while the job owned its GPUs. Was a collector running on its nodes?']
    : [`no data: ${agedOut(oldestSampleUs)}.`];
}

function agedOut(oldestUs: number): string {
  return `the oldest sample is of ${calendarDate(oldestUs)} ${clockTime(oldestUs)} UTC, older ones have aged out or were never taken`;
}

function unusedOf(devices: readonly JobDevice[]): readonly JobDevice[] {
  return devices.filter((device) => {
    const sm = device.gauges.smActive;
    return sm !== undefined && sm.max < IDLE_SM_RATIO;
  });
}

function unused({ devices, attributedUs }: JobFigures): readonly string[] {
  const idle = unusedOf(devices);
  if (idle.length === 0) return [];
  if (idle.length === devices.length) {
    const all = devices.length === 1 ? 'its GPU' : `any of its ${devices.length} GPUs`;
    return [
      `the job never used ${all} (SM activity below 5 % all the time): ${formatGpuHours(attributedUs)} allocated and idle.`,
    ];
  }
  const idleUs = idle.reduce((sum, device) => sum + device.attributedUs, 0);
  return [
    `${idle.length} of ${devices.length} GPUs were never used (${deviceNames(idle)}; SM activity below 5 % all the time):` +
      ` ${formatGpuHours(idleUs)}. Ask for ${devices.length - idle.length}.`,
  ];
}

/** Of the devices that were used at all: the others have been told of. */
function idle({ devices }: JobFigures): readonly string[] {
  const never = new Set(unusedOf(devices));
  const used = devices.filter((device) => device.idleUs !== undefined && !never.has(device));
  const ownedUs = used.reduce((sum, device) => sum + device.attributedUs, 0);
  const idleUs = used.reduce((sum, device) => sum + device.idleUs!, 0);
  if (used.length === 0 || ownedUs === 0 || idleUs < IDLE_TIME_RATIO_MIN * ownedUs) return [];
  const which = never.size === 0 ? 'SM activity was below 5 %' : 'the GPUs that were used were idle';
  return [`${which} for ${formatRatio(idleUs / ownedUs)} of the time: ${formatGpuHours(idleUs)} idle.`];
}

function idleTail({ lastActiveUs, startUs, endUs, isOpen }: JobFigures): readonly string[] {
  if (lastActiveUs === undefined) return [];
  const tailUs = endUs - lastActiveUs;
  if (tailUs < IDLE_TAIL_US_MIN || tailUs < IDLE_TAIL_RATIO_MIN * (endUs - startUs)) return [];
  return isOpen
    ? [`all GPUs have been idle since ${clockTime(lastActiveUs)} (${formatSpan(tailUs)}).`]
    : [`all GPUs were idle for the last ${formatSpan(tailUs)} (from ${clockTime(lastActiveUs)}).`];
}

function imbalance({ devices, throttleEffects }: JobFigures): readonly string[] {
  const means = devices
    .map((device) => ({ device, mean: device.gauges.smActive?.mean ?? NaN }))
    .filter(({ mean }) => !Number.isNaN(mean))
    .sort((a, b) => a.mean - b.mean);
  const [slowest, fastest] = [means[0], means.at(-1)];
  if (
    slowest === undefined ||
    fastest === undefined ||
    unusedOf(devices).length > 0 ||
    throttleEffects.length > 0
  )
    return [];
  if (fastest.mean < 2 * IDLE_SM_RATIO || (fastest.mean - slowest.mean) / fastest.mean < IMBALANCE_RATIO_MIN)
    return [];
  return [
    `the load is uneven: ${deviceName(slowest.device)} had ${formatRatio(slowest.mean)} SM activity,` +
      ` ${deviceName(fastest.device)} ${formatRatio(fastest.mean)}.`,
  ];
}

/** Device with the highest memory peak in relation to its size. */
function fullest(devices: readonly JobDevice[]): { device: JobDevice; ratio: number } | undefined {
  let best: { device: JobDevice; ratio: number } | undefined;
  for (const device of devices) {
    const peak = device.gauges.memoryUsed?.max;
    if (peak === undefined || device.memoryBytes === undefined || device.memoryBytes === 0) continue;
    const ratio = peak / device.memoryBytes;
    if (best === undefined || ratio > best.ratio) best = { device, ratio };
  }
  return best;
}

function outOfMemory({ state, exitCode, devices }: JobFigures): readonly string[] {
  const isTold = state === 'OUT_OF_MEMORY';
  const hasFailed = state === 'FAILED' || (exitCode !== undefined && exitCode !== 0);
  const full = fullest(devices);
  const isFull = full !== undefined && full.ratio >= MEMORY_FULL_RATIO;
  if (!isTold && !(hasFailed && isFull)) return [];
  const how = isTold ? 'the job ended out of memory' : 'the job failed with its GPU memory full';
  if (full === undefined) return [`${how}.`];
  const where = `GPU memory reached ${formatRatio(full.ratio)} on ${deviceName(full.device)}`;
  return [isFull ? `${how}; ${where}.` : `${how}; ${where}, so it was the host's memory.`];
}

function memoryHalf({ devices, startUs, endUs, state, samples }: JobFigures): readonly string[] {
  const full = fullest(devices);
  if (full === undefined || samples === 0 || endUs - startUs < MEMORY_JOB_US_MIN || state === 'OUT_OF_MEMORY')
    return [];
  if (unusedOf(devices).length === devices.length || full.ratio > MEMORY_HALF_RATIO) return [];
  const peak = full.device.gauges.memoryUsed!.max;
  return [
    `GPU memory peaked at ${formatMemory(peak)} (${formatRatio(full.ratio)} of the device): a GPU or MIG slice of half the memory would do.`,
  ];
}
