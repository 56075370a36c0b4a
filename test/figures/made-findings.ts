import { CAUSES } from '../../src/core/analysis/causes.ts';
import type { Span } from '../../src/core/analysis/contexts.ts';
import { findStraggler } from '../../src/core/analysis/straggler.ts';
import { createRandom } from '../../src/core/synthetic/random.ts';
import type { Fault } from '../../src/core/synthetic/plan.ts';
import type { ShapeName } from '../../src/core/synthetic/shape-catalogue.ts';
import { NO_ANALYSIS } from '../../src/figures/job/analysis/analyse.ts';
import type { Slowest } from '../../src/figures/job/analysis/figures.ts';
import type { JobCauses } from '../../src/figures/job/causes/figures.ts';
import { findDips } from '../../src/figures/job/dips.ts';
import type {
  Finding,
  JobDevice,
  JobEvent,
  JobFacts,
  ThrottleEffect,
} from '../../src/figures/job/figures.ts';
import { findingsOf } from '../../src/figures/job/findings/find.ts';
import { analyse, type MadeSamples } from '../core/analysis/made-job.ts';
import { BEFORE_US, oneJob, SECOND_US } from '../core/synthetic/one-job.ts';
import { device, job, level } from './made-facts.ts';

/** What is wrong with a drawn job, and which rule has to come first; nothing is wrong with `sound`. */
export const FLAWS = {
  sound: undefined,
  unused: 'unused',
  hang: 'hang',
  slow: 'computes-longest',
  'idle-ends': 'idle-tail',
  'data-starved': 'kernel-gaps',
  'small-kernels': 'low-occupancy',
  throttle: 'throttle',
  'out-of-memory': 'out-of-memory',
  'broken GPU': 'xid',
} as const;
export type Flaw = keyof typeof FLAWS;

const TICK_US = 1e6;
const IDLE_SM = 0.05;
const SLICES = 12;

export interface DrawnFindings {
  readonly what: string;
  /** The scenario itself states that all devices paused together. */
  readonly hasPauses: boolean;
  readonly findings: readonly Finding[];
  readonly facts: JobFacts;
}

/** A job with one flaw, drawn by its seed, analysed from what a lane would have recorded. */
export function drawnFindings(seed: number, flaw: Flaw, seconds: number): DrawnFindings {
  const random = createRandom(seed, 'findings');
  const shapes: readonly ShapeName[] = ['training', 'training', 'fp64', 'memory-bound'];
  const isShape = flaw === 'idle-ends' || flaw === 'data-starved' || flaw === 'small-kernels';
  const isParallel = ['unused', 'slow', 'hang', 'throttle'].includes(flaw);
  const shape = isShape ? flaw : flaw === 'throttle' ? 'fp64' : isParallel ? 'training' : random.pick(shapes);
  // Beside a kernel that does as little as one that waits nobody can tell waiting.
  const gpus = shape === 'small-kernels' ? 1 : random.pick(isParallel ? [4, 8] : [1, 2, 4, 8]);
  const span = {
    fromUs: BEFORE_US + 0.2 * seconds * SECOND_US,
    toUs: BEFORE_US + 0.5 * seconds * SECOND_US,
  };
  const faults: readonly Fault[] = flaw === 'throttle' ? [{ kind: 'throttle', device: 0, ...span }] : [];
  const wish = {
    ...{ shape, gpus, seconds, seed, faults },
    ...(flaw === 'slow' ? { slowness: { 1: random.between(0.12, 0.3) } } : {}),
    ...(flaw === 'unused' ? { others: { 2: 'idle' as const } } : {}),
    ...(flaw === 'hang' ? { hangsAfter: 0.5 * seconds } : {}),
    ...(shape === 'training'
      ? {
          pace: {
            stepUs: Math.round(random.between(0.4, 12) * SECOND_US),
            jitter: random.pick([0, 0.03, 0.05]),
          },
        }
      : {}),
  };
  const { scenario, job: made } = oneJob(wish);
  const story = scenario.storyOf(made, made.startUs, made.endUs).devices;
  const facts = factsOf(wish, flaw, flaw === 'throttle' ? [span] : []);
  return {
    what: JSON.stringify({ flaw, ...wish }),
    hasPauses: story.some(({ causeUs }) => causeUs.pause > 0),
    findings: findingsOf(facts),
    facts,
  };
}

/** @param spans in which its first device is throttled, since the beginning of the scenario */
function factsOf(wish: Parameters<typeof oneJob>[0], flaw: Flaw, spans: readonly Span[]): JobFacts {
  const { scenario, job: made } = oneJob(wish);
  const { startUs, endUs } = made;
  const throttled = spans.map(({ fromUs, toUs }) => ({
    fromUs: scenario.startUs + fromUs + 1,
    toUs: scenario.startUs + toUs + 1,
  }));
  const { devices: own, contexts, samples } = analyse(scenario, made, TICK_US, new Map([[0, throttled]]));
  const events = eventsOf(flaw, throttled, startUs);
  const devices = own.map(({ gpu }, rank) =>
    deviceOf(samples, { gpu, rank, startUs, endUs, events: rank === 0 ? events : [] }),
  );
  const lastActiveUs = Math.max(...devices.map((one) => one.lastActiveUs ?? -Infinity));
  const slowest = slowestOf(samples);
  return job(devices, {
    ...{ startUs, endUs, causes: causesOf(own, contexts), gauges: gaugesOf(samples) },
    ...(flaw === 'out-of-memory' ? { state: 'OUT_OF_MEMORY' } : {}),
    of: { lastActiveUs: Number.isFinite(lastActiveUs) ? lastActiveUs : undefined, lastSampleUs: endUs },
    analysis: { ...NO_ANALYSIS, slowest },
    dips: findDips(stepsOf(samples), TICK_US),
    throttleEffects: throttled.length === 0 ? [] : [effectOf(samples, events[0]!)],
  });
}

function eventsOf(
  flaw: Flaw,
  throttled: readonly { fromUs: number; toUs: number }[],
  startUs: number,
): JobEvent[] {
  const where = { node: 'n1', gpu: '0', text: '' };
  const xid = { ...where, tsUs: startUs + 60e6, kind: 'xid', code: 79, subject: '' };
  return [
    ...throttled.map(({ fromUs, toUs }) => ({
      ...where,
      ...{ tsUs: fromUs, endUs: toUs, kind: 'throttle', subject: 'sw_thermal_slowdown' },
    })),
    ...(flaw === 'broken GPU' ? [xid] : []),
  ];
}

/** Of one rank, tick by tick. */
function ofRank(values: Float64Array, { gpus, ts }: MadeSamples, rank: number): number[] {
  return ts.map((_, tick) => values[tick * gpus + rank]!);
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

interface MadeDevice {
  readonly gpu: string;
  readonly rank: number;
  readonly startUs: number;
  readonly endUs: number;
  readonly events: readonly JobEvent[];
}

function deviceOf(samples: MadeSamples, { gpu, rank, startUs, endUs, events }: MadeDevice): JobDevice {
  const us = endUs - startUs;
  const sm = ofRank(samples.sm, samples, rank);
  const gaugeOf = (values: readonly number[]): JobDevice['gauges']['smActive'] => {
    const told = (value: number) => ({ value, unit: 'ratio' as const, knownUs: us });
    const rest = { min: undefined, p50: undefined, p95: undefined };
    return { mean: told(meanOf(values)), max: told(Math.max(...values)), ...rest };
  };
  const lastActive = sm.findLastIndex((value) => value >= IDLE_SM);
  return {
    ...device(rank, { events }),
    ...{ gpu, endUs, ownedUs: us, ownedGpuUs: us, sampledUs: us, attributedUs: us },
    gauges: {
      smActive: gaugeOf(sm)!,
      engineActive: gaugeOf(ofRank(samples.engine, samples, rank))!,
    },
    idle: {
      value: sm.filter((value) => value < IDLE_SM).length * TICK_US,
      unit: 'microseconds',
      knownUs: us,
    },
    lastActiveUs: lastActive < 0 ? undefined : samples.ts[lastActive],
    lastSampleUs: endUs,
  };
}

function gaugesOf({ sm, engine, tensor, ts, gpus }: MadeSamples): JobFacts['gauges'] {
  const columns = { smActive: sm, engineActive: engine, tensorActive: tensor } as const;
  return Object.entries(columns).map(([key, values]) => {
    const mean = { ...level(meanOf([...values]), 'ratio'), knownUs: ts.length * gpus * TICK_US };
    const rest = { min: undefined, p50: undefined, p95: undefined, spread: undefined, series: [] };
    return { key: key as keyof typeof columns, mean, max: mean, ...rest };
  });
}

function causesOf(own: ReturnType<typeof analyse>['devices'], contexts: JobCauses['contexts']): JobCauses {
  const devices = own.map(({ gpu, causes, waiting }) => ({
    ...{ gpu, waiting },
    causes: new Map([...causes].map(([cause, { us }]) => [cause, { us, joules: undefined }])),
  }));
  const total = CAUSES.map((cause) => {
    const us = devices.reduce((sum, { causes }) => sum + (causes.get(cause)?.us ?? 0), 0);
    return [cause, { us, joules: undefined }] as const;
  });
  return {
    ...{ origin: 'samples', isCut: false, isKept: false, waiting: undefined, devices, contexts },
    causes: new Map(total.filter(([, { us }]) => us > 0)),
  };
}

/** The pooled activity, tick by tick. */
function stepsOf({ sm, ts, gpus }: MadeSamples): { step: number; ratio: number; dtUs: number }[] {
  return ts.map((_, step) => ({
    ...{ step, dtUs: TICK_US * gpus },
    ratio: meanOf([...sm.subarray(step * gpus, (step + 1) * gpus)]),
  }));
}

/** Over equal slices of the ticks in which anything was done, of the devices that take part. */
function slowestOf(samples: MadeSamples): Slowest | undefined {
  const active = stepsOf(samples).flatMap(({ step, ratio }) => (ratio >= 0.3 ? [step] : []));
  const length = Math.ceil(active.length / SLICES);
  const slicesOf = (values: Float64Array, rank: number): number[] =>
    Array.from({ length: SLICES }, (_, slice) =>
      meanOf(
        active.slice(slice * length, (slice + 1) * length).map((tick) => values[tick * samples.gpus + rank]!),
      ),
    );
  const devices = Array.from({ length: samples.gpus }, (_, rank) => ({
    gpu: String(rank),
    smActive: slicesOf(samples.sm, rank),
    engineActive: slicesOf(samples.engine, rank),
  })).filter(({ smActive }) => meanOf(smActive) >= IDLE_SM);
  const found = findStraggler(devices);
  if ('none' in found) return undefined;
  const rest = { why: undefined, lostUsMax: undefined, linkErrors: 0, pcieLanes: undefined };
  return {
    ...{
      gpu: found.gpu,
      kind: found.kind,
      deviceCount: devices.length,
      ratio: 1,
      othersRatio: 0,
      leads: found.leads,
    },
    ...rest,
  };
}

/** What the first device did while it was throttled, beside the others. */
function effectOf(samples: MadeSamples, event: JobEvent): ThrottleEffect {
  const within = samples.ts.flatMap((us, tick) => (us > event.tsUs && us <= event.endUs! ? [tick] : []));
  const smOf = (rank: number): number =>
    meanOf(within.map((tick) => samples.sm[tick * samples.gpus + rank]!));
  const others = Array.from({ length: samples.gpus - 1 }, (_, at) => smOf(at + 1));
  return { event, gpu: '0', sm: level(smOf(0), 'ratio'), othersSm: level(meanOf(others), 'ratio') };
}
