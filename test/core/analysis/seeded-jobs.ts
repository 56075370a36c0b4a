import { CAUSES, type Cause } from '../../../src/core/analysis/causes.ts';
import { createRandom } from '../../../src/core/synthetic/random.ts';
import type { Fault } from '../../../src/core/synthetic/plan.ts';
import type { ShapeName } from '../../../src/core/synthetic/shape-catalogue.ts';
import { BEFORE_US, oneJob, SECOND_US } from '../synthetic/one-job.ts';
import { analyse } from './made-job.ts';

/** Parts of the owned time of all devices. */
export interface Compared {
  readonly what: string;
  readonly isHealthy: boolean;
  readonly told: Readonly<Record<Cause, number>>;
  readonly truth: Readonly<Record<Cause, number>>;
  readonly waitingLeast: number;
  readonly waitingMost: number;
  /** Each device's causes are whole µs that add up to its owned time. */
  readonly isExact: boolean;
}

const SHAPES: readonly ShapeName[] = [
  'training',
  'training',
  'training',
  'fp64',
  'memory-bound',
  'data-starved',
  'inference',
  'small-kernels',
  'idle-ends',
  'out-of-memory',
  'starved-then-idle',
  'idle',
];

const INFERENCE_SECONDS = 7200;

/** A job that is drawn by its seed, analysed from what a lane would have recorded, beside what it did in truth. */
export function seededJob(seed: number, tickUs: number, secondsMax: number): Compared {
  const random = createRandom(seed, 'seeded job');
  const shape = random.pick(SHAPES);
  // Beside a kernel that does as little as one that waits nobody can tell waiting.
  const gpus = shape === 'small-kernels' ? 1 : random.pick([1, 2, 4, 8]);
  // So that a gap after the head, which looks like it, is little.
  const seconds = shape === 'inference' ? INFERENCE_SECONDS : secondsMax;
  const isTraining = shape === 'training';
  const hangsAfter = isTraining && random.next() < 0.25 ? 0.5 * seconds : undefined;
  const slowness = gpus >= 4 && isTraining && random.next() < 0.5 ? { 1: random.between(0.05, 0.2) } : {};
  const others = gpus >= 4 && isTraining && random.next() < 0.2 ? { 2: 'idle' as const } : {};
  const pace =
    isTraining && random.next() < 0.6
      ? { stepUs: Math.round(random.between(0.4, 12) * SECOND_US), jitter: random.pick([0, 0.03, 0.05]) }
      : undefined;
  const throttle: Fault = {
    kind: 'throttle',
    device: 0,
    fromUs: BEFORE_US + 0.2 * seconds * SECOND_US,
    toUs: BEFORE_US + 0.3 * seconds * SECOND_US,
  };
  const faults = shape === 'fp64' ? [throttle] : [];
  const { scenario, job } = oneJob({
    ...{ shape, gpus, seconds, seed, slowness, others, faults },
    ...(pace === undefined ? {} : { pace }),
    ...(hangsAfter === undefined ? {} : { hangsAfter }),
  });
  const spans = faults.map(({ fromUs, toUs }) => ({
    fromUs: scenario.startUs + fromUs + 1,
    toUs: scenario.startUs + toUs + 1,
  }));
  const { devices } = analyse(scenario, job, tickUs, new Map([[0, spans]]));
  const ownedUs = job.endUs - job.startUs;
  const [told, truth] = [emptyParts(), emptyParts()];
  for (const { causes } of devices)
    for (const [cause, { us }] of causes) told[cause] += us / (ownedUs * gpus);
  for (const { causeUs } of scenario.storyOf(job, job.startUs, job.endUs).devices)
    for (const [cause, us] of Object.entries(causeUs)) truth[cause as Cause] += us / (ownedUs * gpus);
  const sumOf = (read: (device: (typeof devices)[number]) => number): number =>
    devices.reduce((sum, device) => sum + read(device), 0) / (ownedUs * gpus);
  return {
    what: JSON.stringify({ seed, tickUs, shape, gpus, slowness, others, pace, hangsAfter }),
    isHealthy: hangsAfter === undefined,
    told,
    truth,
    waitingLeast: sumOf(({ waiting }) => waiting?.leastUs ?? 0),
    waitingMost: sumOf(({ waiting }) => waiting?.mostUs ?? 0),
    isExact: devices.every(({ causes }) => {
      const parts = [...causes.values()].map(({ us }) => us);
      return parts.every(Number.isSafeInteger) && parts.reduce((a, b) => a + b, 0) === ownedUs;
    }),
  };
}

function emptyParts(): Record<Cause, number> {
  return Object.fromEntries(CAUSES.map((cause) => [cause, 0])) as Record<Cause, number>;
}

const STRAY_MAX = 0.01;
const WAITING_STRAY_MAX = 0.015;

/** What is wrong with what was told; nothing where it is right. */
export function wrongIn(job: Compared): string[] {
  const { told, truth, waitingLeast, waitingMost } = job;
  const wrong: string[] = [];
  const isWaitingNear = Math.abs(told.waiting - truth.waiting) <= WAITING_STRAY_MAX;
  const isInRange = waitingLeast <= truth.waiting && truth.waiting <= waitingMost;
  if (!isWaitingNear && !isInRange) wrong.push('waiting');
  // What waiting has too much, or too little, work has not.
  const isWork = (cause: Cause): boolean => cause === 'waiting' || cause === 'effective';
  const workStray = Math.abs(told.waiting + told.effective - truth.waiting - truth.effective);
  if (workStray > STRAY_MAX) wrong.push('waiting and effective');
  // A job that ends in a pause has a tail: nobody can tell that it would have gone on.
  const endsInPause = truth.idleTail === 0 && truth.pause > 0 && told.idleTail > 0;
  const rest = endsInPause ? { ...told, pause: told.pause + told.idleTail, idleTail: 0 } : told;
  for (const cause of CAUSES)
    if (!isWork(cause) && Math.abs(rest[cause] - truth[cause]) > STRAY_MAX) wrong.push(cause);
  if (job.isHealthy && told.hang > 0) wrong.push('a hang that was none');
  if (truth.pause === 0 && told.pause > 0) wrong.push('a pause that was none');
  if (!job.isExact) wrong.push('the sum');
  return wrong.map(
    (what) =>
      `${what} of ${job.what}: ${JSON.stringify([told, truth, waitingLeast, waitingMost], (_, value: unknown) => (typeof value === 'number' ? Math.round(value * 1e4) / 1e4 : value))}`,
  );
}
