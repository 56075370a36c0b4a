/**
 * A fleet of a year in closed form: four clusters, three models, a node whose GPUs are cut, a demand that grows, a queue, nodes that are down or
 * drained, hours that nobody saw. What is told of it in SQL (`fill-year.ts`, `fill-queue.ts`) and counted hour by hour (`truth.ts`,
 * `queue-truth.ts`) are two writings of these rules.
 */

export const HOUR_US = 3600e6;
export const GPUS_PER_NODE = 8;
/** A device has a job for 15 hours, then none for three. */
export const CYCLE_HOURS = 18;
export const JOB_HOURS = 15;
export const CLUSTERS = ['ash', 'elm', 'oak', 'yew'] as const;
export const MODELS = ['NVIDIA H100 80GB HBM3', 'NVIDIA A100-SXM4-80GB', 'NVIDIA A30'] as const;
/** Its GPUs are A30, of four slices, so that a part of an hour is a whole number of µs. */
export const CUT_NODE = 8;
/** What each of them is cut into: the first has the jobs, the second none, and a quarter of the GPU is left. */
export const INSTANCES = [
  { profile: '2g.12gb', part: 0.5 },
  { profile: '1g.6gb', part: 0.25 },
] as const;
export const LEFT_PART = 0.25;
export const ACCOUNTS = 40;
export const USERS = 500;
/** In cycles of eighteen hours, of nodes: about one in a thousand is down, one in five hundred drained. */
export const DOWN_OF = 997;
export const DRAINED_OF = 499;
/** One hour of so many nobody sees. */
export const HOLE_OF = 501;
export const FIRST_ID = 1_000_000;

export interface Year {
  readonly gpus: number;
  readonly days: number;
  /** Midnight UTC, epoch µs. */
  readonly startUs: number;
}

export const hoursOf = ({ days }: Year): number => days * 24;
export const endUsOf = ({ startUs, days }: Year): number => startUs + days * 24 * HOUR_US;

export const nodeOf = (gpu: number): number => Math.floor(gpu / GPUS_PER_NODE);
export const isCut = (gpu: number): boolean => nodeOf(gpu) === CUT_NODE;

export type NodeHour = 'up' | 'drained' | 'down';

/** How a node is in a cycle. */
export function stateOf(node: number, cycle: number): NodeHour {
  if ((node * 131 + cycle * 53 + 1) % DOWN_OF === 0) return 'down';
  return (node * 113 + cycle * 37 + 1) % DRAINED_OF === 0 ? 'drained' : 'up';
}

/** The first hour in which a device is in demand: half of them from the beginning on, the others one after the other. */
function wantedFrom(gpu: number, year: Year): number {
  const rank = (gpu * 7919) % 1000;
  return rank < 500 ? 0 : Math.floor(((rank - 500) * hoursOf(year)) / 1000);
}

/** The job of a device in a cycle; undefined where it has none. */
export function jobOf(gpu: number, cycle: number, year: Year): number | undefined {
  const from = cycle * CYCLE_HOURS;
  const isWhole = from + JOB_HOURS <= hoursOf(year);
  const isWanted = from >= wantedFrom(gpu, year);
  const isUp = stateOf(nodeOf(gpu), cycle) === 'up';
  return isWhole && isWanted && isUp ? FIRST_ID + cycle * year.gpus + gpu : undefined;
}

export function isSeen(gpu: number, hour: number): boolean {
  const cycle = Math.floor(hour / CYCLE_HOURS);
  return stateOf(nodeOf(gpu), cycle) !== 'down' && (gpu + hour) % HOLE_OF !== 0;
}

/** What a device does in an hour of its job, from 0 on: the cause under which `job_figures` has it. */
export function causeOf(
  hourOfJob: number,
): 'idle_head' | 'idle_tail' | 'pause' | 'waiting' | 'low' | 'effective' {
  if (hourOfJob === 0) return 'idle_head';
  if (hourOfJob === JOB_HOURS - 1) return 'idle_tail';
  if (hourOfJob % 5 === 2) return 'pause';
  return hourOfJob === 4 ? 'waiting' : hourOfJob === 9 ? 'low' : 'effective';
}

export function isIdle(hourOfJob: number): boolean {
  return ['idle_head', 'idle_tail', 'pause'].includes(causeOf(hourOfJob));
}

/** How long the job of a device waited before it began. */
export const waitUs = (gpu: number, cycle: number): number => (1 + ((gpu * 11 + cycle * 3) % 20)) * 60e6;

/** One kind of jobs that waits: they ask for their GPUs on one node. */
export interface Waiting {
  readonly jobs: number;
  readonly gpus: number;
  /** A type of the scheduler: a word of a model; undefined where any GPU will do. */
  readonly type: string | undefined;
  readonly reason: 'Resources' | 'Priority' | 'Dependency';
  readonly account: string;
  /** Since its submission, of each. */
  readonly waitUs: number;
}

/** Who waits in a cluster for all of an hour; the queue is asked at its end. */
export function waitingIn(cluster: number, hour: number): readonly Waiting[] {
  const any = { gpus: 1, type: undefined, reason: 'Resources', account: 'acc-1' } as const;
  const large = { gpus: 4, type: 'h100', reason: 'Priority', account: 'acc-2' } as const;
  const unknown = { gpus: 2, type: 'b200', reason: 'Resources', account: 'acc-1' } as const;
  const held = { gpus: 8, type: undefined, reason: 'Dependency', account: 'acc-3' } as const;
  return [
    { ...any, jobs: (hour * 7 + cluster * 3) % 5, waitUs: HOUR_US * (1 + (hour % 3)) },
    { ...large, jobs: (hour + cluster) % 3, waitUs: HOUR_US * 2 },
    { ...unknown, jobs: (hour + cluster * 2) % 7 === 0 ? 1 : 0, waitUs: HOUR_US },
    { ...held, jobs: (hour + cluster) % 2, waitUs: HOUR_US * 5 },
  ].filter(({ jobs }) => jobs > 0);
}

/** A whole number of J, and a quarter of it is one, so that sums are exact. */
export function joulesOf(gpu: number): number {
  return 3600 * (200 + 50 * (gpu % 7));
}

export const accountOf = (gpu: number, cycle: number): string => `acc-${(gpu * 31 + cycle) % ACCOUNTS}`;
export const userOf = (gpu: number, cycle: number): string => `user-${(gpu * 17 + cycle * 7) % USERS}`;
export const nodeName = (node: number): string => `n${node}`;
export const clusterOf = (node: number): string => CLUSTERS[node % CLUSTERS.length]!;
export const modelOf = (node: number): string => MODELS[Math.floor(node / CLUSTERS.length) % MODELS.length]!;
