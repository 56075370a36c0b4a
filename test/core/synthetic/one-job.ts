import { castJobs, makeChips, type Part } from '../../../src/core/synthetic/cast.ts';
import { scenarioOf } from '../../../src/core/synthetic/create-scenario.ts';
import { makeFleet } from '../../../src/core/synthetic/fleet.ts';
import type { Fault, Plan, PlannedJob } from '../../../src/core/synthetic/plan.ts';
import type { Scenario, ScenarioJob, ScenarioOptions } from '../../../src/core/synthetic/scenario.ts';
import type { Pace, ShapeName } from '../../../src/core/synthetic/shape-catalogue.ts';

export const SECOND_US = 1_000_000;
export const START_US = Date.UTC(2026, 10, 21, 8) * 1000;
/** The job begins so long after the scenario. */
export const BEFORE_US = 100 * SECOND_US;

interface JobWish {
  readonly shape: ShapeName;
  readonly gpus: number;
  readonly seconds: number;
  readonly seed?: number;
  /** By rank. */
  readonly slowness?: Readonly<Record<number, number>>;
  readonly others?: Readonly<Record<number, ShapeName>>;
  readonly pace?: Pace;
  /** Seconds since the job's start. */
  readonly hangsAfter?: number;
  readonly faults?: readonly Fault[];
}

/** A fleet of nodes with eight GPUs that one job has, from 100 s after the beginning on. */
export function oneJob(wish: JobWish): {
  scenario: Scenario;
  job: ScenarioJob;
  parts: readonly Part[];
} {
  const { shape, gpus, seconds, seed = 1, slowness = {}, others = {}, pace, hangsAfter, faults = [] } = wish;
  const options: ScenarioOptions = {
    kind: 'demo',
    seed,
    nodes: Math.ceil(gpus / 8),
    gpusPerNode: 8,
    startUs: START_US,
  };
  const devices = makeFleet(options);
  const planned: PlannedJob = {
    id: 1,
    run: 0,
    startUs: BEFORE_US,
    endUs: BEFORE_US + Math.round(seconds * SECOND_US),
    shape,
    devices: Array.from({ length: gpus }, (_, device) => ({
      device,
      share: 1,
      ...(others[device] === undefined ? {} : { shape: others[device] }),
      ...(slowness[device] === undefined ? {} : { slowness: slowness[device] }),
    })),
    details: { name: shape, user: 'ada', account: 'physics' },
    ...(pace === undefined ? {} : { pace }),
    ...(hangsAfter === undefined ? {} : { hangsAtUs: BEFORE_US + hangsAfter * SECOND_US }),
  };
  const plan: Plan = { jobs: [planned], faults, originUs: START_US, cycleUs: Infinity, idsPerCycle: 0 };
  const scenario = scenarioOf(plan, devices, options);
  const [job] = scenario.jobsBetween(START_US, START_US + 1e12);
  const [parts] = castJobs(plan, makeChips(devices, seed), seed);
  return { scenario, job: job!, parts: parts! };
}

/** Ends of ticks within (fromUs, toUs]. */
export function ticksOf(fromUs: number, toUs: number, everyUs: number): number[] {
  const ticks = [];
  for (let us = fromUs + everyUs; us <= toUs; us += everyUs) ticks.push(us);
  return ticks;
}
