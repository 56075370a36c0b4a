/** Facts of a job made by hand: what a test does not speak of is that of a job that uses what it has. */
import type { IdleLimit } from '../../src/core/fields/idle-limits.ts';
import { NO_HARDWARE } from '../../src/figures/job/hardware/figures.ts';
import { NO_ANALYSIS } from '../../src/figures/job/analysis/analyse.ts';
import type {
  GaugeFigures,
  JobDevice,
  JobEvent,
  JobFacts,
  OwnedFigures,
} from '../../src/figures/job/figures.ts';
import type { Energy, Quantity, Unit } from '../../src/figures/quantity.ts';

export const SECOND = 1e6;
export const HOUR = 3600 * SECOND;
export const GIB = 2 ** 30;

export function level<U extends Unit>(value: number, unit: U): Quantity<U> {
  return { value, unit, knownUs: HOUR };
}

export function gauge(mean: number, max = mean): GaugeFigures {
  return {
    mean: level(mean, 'ratio'),
    min: undefined,
    max: level(max, 'ratio'),
    p50: undefined,
    p95: undefined,
  };
}

/** The same level, known over this part of the hour. */
export function knownFor(ratio: number, { mean, max, ...rest }: GaugeFigures): GaugeFigures {
  const knownUs = ratio * HOUR;
  return { ...rest, mean: { ...mean!, knownUs }, max: { ...max, knownUs } };
}

export const energy = (counter: number, power: number): Energy => ({
  counter: level(counter, 'joules'),
  power: level(power, 'joules'),
  best: level(counter, 'joules'),
});

interface DeviceChanges {
  readonly sm?: GaugeFigures;
  readonly idleUs?: number;
  readonly idleSmRatio?: IdleLimit;
  readonly memoryPeakBytes?: number;
  readonly events?: readonly JobEvent[];
}

export function device(index: number, changes: DeviceChanges = {}): JobDevice {
  return {
    gpu: `GPU-${index}`,
    node: 'n1',
    index,
    model: 'NVIDIA H200',
    memoryBytes: 140 * GIB,
    migProfile: undefined,
    sliceRatio: 1,
    endUs: HOUR,
    ownedUs: HOUR,
    ownedGpuUs: HOUR,
    sampledUs: HOUR,
    attributedUs: HOUR,
    samples: 3600,
    coverage: level(1, 'ratio'),
    gauges: {
      smActive: changes.sm ?? gauge(0.8, 0.95),
      memoryUsed: {
        mean: level(80 * GIB, 'bytes'),
        min: undefined,
        max: level(changes.memoryPeakBytes ?? 100 * GIB, 'bytes'),
        p50: undefined,
        p95: undefined,
      },
    },
    energy: energy(1e6, 1e6),
    smShares: {},
    longestIdle: undefined,
    idleSmRatio: changes.idleSmRatio ?? 0.05,
    lastActiveUs: HOUR,
    lastSampleUs: HOUR,
    idle: level(changes.idleUs ?? 0, 'microseconds'),
    used: undefined,
    events: changes.events ?? [],
  };
}

export interface JobChanges extends Partial<JobFacts> {
  readonly state?: string;
  readonly exitCode?: number;
  readonly of?: Partial<OwnedFigures>;
}

/** The facts of a job with these devices. @param changes `of`: to the figures of all of them. */
export function job(
  devices: readonly JobDevice[],
  { state, exitCode, of, ...changes }: JobChanges = {},
): JobFacts {
  const sum = (value: (one: JobDevice) => number): number =>
    devices.reduce((total, one) => total + value(one), 0);
  return {
    job: {
      jobId: '1',
      run: 0,
      otherRuns: [],
      otherJobs: [],
      cluster: undefined,
      submitUs: undefined,
      sluid: undefined,
      arrayJobId: undefined,
      hetJobId: undefined,
      task: undefined,
      askedStep: undefined,
      name: undefined,
      user: undefined,
      account: undefined,
      partition: undefined,
      qos: undefined,
      state: state ?? 'COMPLETED',
      exitCode: exitCode ?? 0,
    },
    isSynthetic: false,
    startUs: 0,
    endUs: HOUR,
    isOpen: false,
    boundaryUs: SECOND,
    sharing: 'whole',
    areSharesScaled: false,
    origin: 'samples',
    oldestSampleUs: undefined,
    all: {
      ownedUs: sum(({ ownedUs }) => ownedUs),
      ownedGpuUs: sum(({ ownedGpuUs }) => ownedGpuUs),
      sampledUs: sum(({ sampledUs }) => sampledUs),
      attributedUs: sum(({ attributedUs }) => attributedUs),
      samples: sum(({ samples }) => samples),
      coverage: level(1, 'ratio'),
      energy: energy(1e6, 1e6),
      idle: level(
        sum(({ idle }) => idle?.value ?? 0),
        'microseconds',
      ),
      used: undefined,
      smShares: {},
      lastActiveUs: HOUR,
      lastSampleUs: HOUR,
      ...of,
    },
    undividedUs: 0,
    idleLimits: { smRatio: 0.05 },
    invalidRollups: [],
    mixedUs: 0,
    gaps: [],
    unplacedGaps: { count: 0, us: 0 },
    tailUnseenUs: undefined,
    devices,
    gauges: [],
    nodeEvents: [],
    dips: undefined,
    throttleEffects: [],
    analysis: NO_ANALYSIS,
    hardware: NO_HARDWARE,
    timeline: undefined,
    causes: undefined,
    host: undefined,
    notMeasured: [],
    ...changes,
  };
}
