import {
  accountOf,
  CLUSTERS,
  CYCLE_HOURS,
  HOUR_US,
  INSTANCES,
  isCut,
  isIdle,
  isSeen,
  jobOf,
  JOB_HOURS,
  modelOf,
  MODELS,
  nodeOf,
  stateOf,
  waitingIn,
  waitUs,
  type Waiting,
  type Year,
} from './plan.ts';

/** So long before the end of its last hour a job is over. */
const EARLY_US = 60e6;
/** Of requests on one node. */
const SIZES = [1, 2, 4, 8] as const;

export interface BesideTruth {
  besideUs: number;
  hadUs: number;
  fitsUs: number;
}

interface WaitTruth {
  readonly started: { jobs: number; medianUs: number; p95Us: number } | undefined;
  readonly waiting: { jobs: number; gpus: number; meanWaitUs: number } | undefined;
}

/** What the queue and the whole GPUs of all clusters had of each other. */
export interface QueueTruth {
  readonly devices: number;
  readonly migInstances: number;
  readonly time: { knownUs: number; ownedUs: number; freeUs: number; outOfUseUs: number; untoldUs: number };
  readonly queue: Readonly<Record<string, unknown>>;
  readonly free: BesideTruth;
  readonly idle: BesideTruth;
  /** By size of a request. */
  readonly usableUs: Readonly<Record<number, number>>;
  /** By account, model and size. */
  readonly waits: Readonly<Record<string, WaitTruth>>;
}

/** Counted hour by hour. @param fromHour of the year @param toHour not included; before the last of the year */
export function trueQueue(year: Year, fromHour: number, toHour: number): QueueTruth {
  const gpus = Array.from({ length: year.gpus }, (_, gpu) => gpu);
  const whole = gpus.filter((gpu) => !isCut(gpu));
  const time = { knownUs: 0, ownedUs: 0, freeUs: 0, outOfUseUs: 0, untoldUs: 0 };
  const [free, idle] = [emptyBeside(), emptyBeside()];
  const usableUs: Record<number, number> = Object.fromEntries(SIZES.map((size) => [size, 0]));
  let [waitedGpuUs, unknownTypeGpuUs] = [0, 0];
  for (let hour = fromHour; hour < toHour; hour += 1) {
    const [cycle, hourOfJob] = [Math.floor(hour / CYCLE_HOURS), hour % CYCLE_HOURS];
    const isLast = hourOfJob === JOB_HOURS - 1;
    const owned = whole.filter((gpu) => hourOfJob < JOB_HOURS && jobOf(gpu, cycle, year) !== undefined);
    const others = whole.filter((gpu) => !owned.includes(gpu));
    const up = others.filter((gpu) => stateOf(nodeOf(gpu), cycle) === 'up');
    const earlyUs = isLast ? EARLY_US : 0;
    time.knownUs += whole.length * HOUR_US;
    time.ownedUs += owned.length * (HOUR_US - earlyUs);
    time.freeUs += up.length * HOUR_US + owned.length * earlyUs;
    time.outOfUseUs += (others.length - up.length) * HOUR_US;
    const idling = isIdle(hourOfJob) ? owned.filter((gpu) => isSeen(gpu, hour)) : [];
    for (const [had, sums, us] of [
      [up, free, HOUR_US - earlyUs],
      [[...up, ...owned], free, earlyUs],
      [idling, idle, HOUR_US],
    ] as const)
      for (const cluster of CLUSTERS.keys())
        addBeside(sums, byNode(had, cluster), waitingIn(cluster, hour), us);
    for (const [had, us] of [
      [up, HOUR_US - earlyUs],
      [[...up, ...owned], earlyUs],
    ] as const)
      for (const size of SIZES)
        for (const cluster of CLUSTERS.keys())
          for (const count of byNode(had, cluster).values())
            usableUs[size]! += Math.floor(count / size) * size * us;
    for (const { jobs, gpus: each, type } of [...CLUSTERS.keys()].flatMap((one) =>
      ofGpus(waitingIn(one, hour)),
    )) {
      waitedGpuUs += jobs * each * HOUR_US;
      if (type === 'b200') unknownTypeGpuUs += jobs * each * HOUR_US;
    }
  }
  const last = [...CLUSTERS.keys()].flatMap((cluster) => waitingIn(cluster, toHour - 1));
  const sum = (some: readonly Waiting[], of: (one: Waiting) => number): number =>
    some.reduce((total, one) => total + of(one), 0);
  const windowUs = CLUSTERS.length * (toHour - fromHour) * HOUR_US;
  return {
    ...{ devices: whole.length, migInstances: (year.gpus - whole.length) * INSTANCES.length },
    ...{ time, free, idle, usableUs },
    queue: {
      ...{ askedUs: windowUs, windowUs, waitedGpuUs, unknownTypeGpuUs },
      unknownTypes: unknownTypeGpuUs > 0 ? ['b200'] : [],
      lastPollUs: year.startUs + toHour * HOUR_US,
      waitingJobs: sum(ofGpus(last), ({ jobs }) => jobs),
      waitingGpus: sum(ofGpus(last), ({ jobs, gpus: each }) => jobs * each),
      otherJobs: sum(last, ({ jobs }) => jobs) - sum(ofGpus(last), ({ jobs }) => jobs),
    },
    waits: waitsOf(year, fromHour, toHour, ofGpus(last)),
  };
}

function emptyBeside(): BesideTruth {
  return { besideUs: 0, hadUs: 0, fitsUs: 0 };
}

/** Those that more GPUs would start. */
function ofGpus(waiting: readonly Waiting[]): Waiting[] {
  return waiting.filter(({ reason }) => reason !== 'Dependency');
}

function byNode(gpus: readonly number[], cluster: number): Map<number, number> {
  const counts = new Map<number, number>();
  for (const gpu of gpus) {
    const node = nodeOf(gpu);
    if (node % CLUSTERS.length === cluster) counts.set(node, (counts.get(node) ?? 0) + 1);
  }
  return counts;
}

/** @param had GPUs by node, of one cluster */
function addBeside(
  sums: BesideTruth,
  had: ReadonlyMap<number, number>,
  waiting: readonly Waiting[],
  us: number,
): void {
  sums.hadUs += [...had.values()].reduce((sum, count) => sum + count, 0) * us;
  const holds = ({ gpus, type }: Waiting, node: number, count: number): boolean =>
    count >= gpus && (type === undefined || (type === 'h100' && modelOf(node) === MODELS[0]));
  const nodes = [...had];
  const fitting = ofGpus(waiting).filter((one) => nodes.some(([node, count]) => holds(one, node, count)));
  const asked = fitting.reduce((sum, { jobs, gpus }) => sum + jobs * gpus, 0);
  const reachable = nodes
    .filter(([node, count]) => fitting.some((one) => holds(one, node, count)))
    .reduce((sum, [, count]) => sum + count, 0);
  sums.besideUs += Math.min(asked, reachable) * us;
  if (fitting.length > 0) sums.fitsUs += us;
}

function waitsOf(
  year: Year,
  fromHour: number,
  toHour: number,
  last: readonly Waiting[],
): Record<string, WaitTruth> {
  const started = new Map<string, number[]>();
  for (let hour = fromHour; hour < toHour; hour += 1)
    for (let gpu = 0; hour % CYCLE_HOURS === 0 && gpu < year.gpus; gpu += 1) {
      const cycle = hour / CYCLE_HOURS;
      if (jobOf(gpu, cycle, year) === undefined) continue;
      const key = waitKey(accountOf(gpu, cycle), modelOf(nodeOf(gpu)), '1');
      started.set(key, [...(started.get(key) ?? []), waitUs(gpu, cycle)]);
    }
  const waiting = Map.groupBy(last, ({ account, type, gpus }) =>
    waitKey(account, type === 'h100' ? MODELS[0] : type, gpus === 1 ? '1' : '2-4'),
  );
  const truth = (key: string): WaitTruth => {
    const us = (started.get(key) ?? []).sort((a, b) => a - b);
    const ranked = (percent: number): number => us[Math.ceil((percent * us.length) / 100) - 1]!;
    const own = waiting.get(key) ?? [];
    const jobs = own.reduce((sum, one) => sum + one.jobs, 0);
    return {
      started: us.length === 0 ? undefined : { jobs: us.length, medianUs: ranked(50), p95Us: ranked(95) },
      waiting:
        jobs === 0
          ? undefined
          : {
              jobs,
              gpus: own.reduce((sum, one) => sum + one.jobs * one.gpus, 0),
              meanWaitUs: own.reduce((sum, one) => sum + one.jobs * one.waitUs, 0) / jobs,
            },
    };
  };
  return Object.fromEntries(
    [...new Set([...started.keys(), ...waiting.keys()])].map((key) => [key, truth(key)]),
  );
}

export function waitKey(account: string | undefined, model: string | undefined, size: string): string {
  return [account, model, size].join(' | ');
}
