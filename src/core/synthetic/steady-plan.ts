import type { Device } from '../devices/device.ts';
import type { Fault, Plan, PlannedJob } from './plan.ts';
import { createRandom, type Random } from './random.ts';
import { MINUTE_US, SECOND_US } from './level.ts';
import { SHAPE_NAMES } from './shape-catalogue.ts';

/** 2025-01-01T00:00:00Z: a steady scenario counts its cycles, and with them its job ids and joules, from here. */
const ORIGIN_US = 1_735_689_600_000_000;
const CYCLE_US = 4 * 60 * MINUTE_US;
const FIRST_ID = 1000;

const USERS = [
  ['ada', 'physics'],
  ['bohr', 'physics'],
  ['curie', 'chemistry'],
  ['darwin', 'biology'],
  ['emmy', 'ml-core'],
] as const;

/**
 * Jobs of two to twenty minutes on every node, packed one after the other, the same four hours again and again. Nothing
 * in it makes a device silent, so that rows can be counted.
 */
export function planSteady(devices: readonly Device[], seed: number): Plan {
  const jobs: PlannedJob[] = [];
  const faults: Fault[] = [];
  const ownable = [...devices.keys()].filter((device) => devices[device]!.isCut !== true);
  const byNode = Map.groupBy(ownable, (device) => devices[device]!.node);
  for (const [node, own] of byNode) {
    const random = createRandom(seed, `jobs of ${node}`);
    const planned = packNode(own, random);
    for (const job of planned) {
      jobs.push({ ...job, id: FIRST_ID + jobs.length });
      // Heat is of a whole GPU: one that is cut would slow down all the jobs of its instances.
      const isWhole = job.devices.every(({ device }) => devices[device]!.parentUuid === undefined);
      if (random.below(24) === 0 && isWhole) faults.push(throttleIn(job, random));
    }
  }
  return { jobs, faults, originUs: ORIGIN_US, cycleUs: CYCLE_US, idsPerCycle: jobs.length };
}

function packNode(devices: readonly number[], random: Random): PlannedJob[] {
  const jobs: PlannedJob[] = [];
  const freeUs = devices.map(() => Math.round(random.between(0, 90) * SECOND_US));
  for (;;) {
    const wanted = Math.min(devices.length, random.pick([1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 8]));
    const order = [...freeUs.keys()].sort((a, b) => freeUs[a]! - freeUs[b]! || a - b).slice(0, wanted);
    const idleUs = random.below(3) === 0 ? 0 : Math.round(random.between(0, 120) * SECOND_US);
    const startUs = Math.max(...order.map((slot) => freeUs[slot]!)) + idleUs;
    // Half of all jobs begin and end on whole seconds, where the ticks are.
    const grainUs = random.below(2) === 0 ? SECOND_US : 1;
    const durationUs = Math.round(random.between(2, 20) * MINUTE_US);
    const fromUs = Math.ceil(startUs / grainUs) * grainUs;
    const toUs = Math.ceil((fromUs + durationUs) / grainUs) * grainUs;
    if (toUs > CYCLE_US) return jobs;
    const held = order.map((slot) => devices[slot]!).sort((a, b) => a - b);
    for (const share of sharing(held.length, random)) jobs.push(makeJob(held, fromUs, toUs, share, random));
    for (const slot of order) freeUs[slot] = toUs;
  }
}

/** One job on whole devices, or two that share one; of some of those nobody knows the shares. */
function sharing(deviceCount: number, random: Random): readonly number[] {
  if (deviceCount > 1 || random.below(8) !== 0) return [1];
  return random.pick([
    [0.5, 0.5],
    [0.25, 0.75],
    [NaN, NaN],
  ]);
}

function makeJob(
  devices: readonly number[],
  startUs: number,
  endUs: number,
  share: number,
  random: Random,
): PlannedJob {
  const shape = random.pick(SHAPE_NAMES);
  const [user, account] = random.pick(USERS);
  const hasFailed = shape === 'out-of-memory';
  const slow = devices.length >= 4 && random.below(4) === 0 ? random.below(devices.length) : NaN;
  const slowness = random.between(0.1, 0.25);
  const isHanging = shape === 'training' && random.below(6) === 0;
  return {
    id: 0,
    run: 0,
    startUs,
    endUs,
    shape,
    devices: devices.map((device, rank) => ({ device, share, ...(rank === slow ? { slowness } : {}) })),
    ...(isHanging ? { hangsAtUs: Math.round(startUs + 0.6 * (endUs - startUs)) } : {}),
    details: {
      name: `${shape}-${random.below(1000)}`,
      user,
      account,
      partition: share === 1 ? 'gpu' : 'shared',
      qos: random.pick(['normal', 'normal', 'high']),
      nodes: 1,
      gpus: devices.length,
      state: hasFailed ? 'OUT_OF_MEMORY' : isHanging ? 'CANCELLED' : 'COMPLETED',
      exitCode: hasFailed ? 125 : 0,
    },
  };
}

function throttleIn(job: PlannedJob, random: Random): Fault {
  const thirdUs = Math.floor((job.endUs - job.startUs) / 3);
  const { device } = job.devices[random.below(job.devices.length)]!;
  return { kind: 'throttle', device, fromUs: job.startUs + thirdUs, toUs: job.startUs + 2 * thirdUs };
}
