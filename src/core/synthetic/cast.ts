import type { Device } from '../devices/device.ts';
import type { Plan, PlannedJob, PlannedShare } from './plan.ts';
import { createRandom } from './random.ts';
import { createRhythm, type Rhythm } from './rhythm.ts';
import { makeShape, type ShapeName } from './shape-catalogue.ts';

/** In what one device differs from the next. */
export interface Chip {
  readonly idleWatts: number;
  /** Power above idle, against the plan. */
  readonly wattsFactor: number;
  /** Compute time, against the plan: a persistent spread of 1 % (standard deviation). */
  readonly computeFactor: number;
  /** The ranks of a job do not need quite the same memory. */
  readonly memoryPart: number;
}

/** Half the width of a triangle whose standard deviation is 1 %. */
const COMPUTE_SPREAD = 0.0245;

export function makeChips(devices: readonly Device[], seed: number): readonly Chip[] {
  const random = createRandom(seed, 'chips');
  return devices.map(() => ({
    idleWatts: random.between(72, 79),
    wattsFactor: random.between(0.98, 1.02),
    computeFactor: 1 + COMPUTE_SPREAD * (random.next() - random.next()),
    memoryPart: random.between(0.985, 1),
  }));
}

/** One device's part in a job: those that do the same keep the same time. */
export interface Part {
  readonly share: PlannedShare;
  readonly shape: ShapeName;
  readonly rhythm: Rhythm;
  readonly rank: number;
}

/** The parts of all jobs, in the order of `plan.jobs` and their devices. */
export function castJobs(plan: Plan, chips: readonly Chip[], seed: number): readonly (readonly Part[])[] {
  return plan.jobs.map((job) => castJob(job, chips, seed));
}

function castJob(job: PlannedJob, chips: readonly Chip[], seed: number): readonly Part[] {
  const shapeOf = (share: PlannedShare): ShapeName => share.shape ?? job.shape;
  const groups = Map.groupBy(job.devices, shapeOf);
  const rhythms = new Map(
    [...groups].map(([shape, shares]) => [shape, rhythmOf(job, shape, shares, chips, seed)]),
  );
  return job.devices.map((share) => {
    const shape = shapeOf(share);
    return { share, shape, rhythm: rhythms.get(shape)!, rank: groups.get(shape)!.indexOf(share) };
  });
}

function rhythmOf(
  job: PlannedJob,
  name: ShapeName,
  shares: readonly PlannedShare[],
  chips: readonly Chip[],
  seed: number,
): Rhythm {
  const isOther = name !== job.shape;
  const random = createRandom(seed, `shape ${job.id}.${job.run}${isOther ? `.${name}` : ''}`);
  const durationUs = job.endUs - job.startUs;
  const setting = {
    jobDurationUs: durationUs,
    isParallel: job.devices.length > 1,
    ...(job.hangsAtUs === undefined ? {} : { hangsAfterUs: job.hangsAtUs - job.startUs }),
    ...(job.pace === undefined ? {} : { pace: job.pace }),
  };
  const shape = makeShape(name, setting, random);
  const factors = shares.map(({ device, slowness = 0 }) => chips[device]!.computeFactor * (1 + slowness));
  return createRhythm(shape, factors, random.below(0x100000000), durationUs);
}
