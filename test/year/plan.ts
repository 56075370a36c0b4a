/**
 * A fleet of a year in closed form: four clusters, three models, a demand that grows, nodes that are down or drained, hours that nobody saw. What is
 * told of it in SQL (`fill-year.ts`) and counted hour by hour (`truth.ts`) are two writings of these rules.
 */

export const HOUR_US = 3600e6;
export const GPUS_PER_NODE = 8;
/** A device has a job for 15 hours, then none for three. */
export const CYCLE_HOURS = 18;
export const JOB_HOURS = 15;
export const CLUSTERS = ['ash', 'elm', 'oak', 'yew'] as const;
export const MODELS = ['NVIDIA H100 80GB HBM3', 'NVIDIA A100-SXM4-80GB', 'NVIDIA L40S'] as const;
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
  const isUp = stateOf(Math.floor(gpu / GPUS_PER_NODE), cycle) === 'up';
  return isWhole && isWanted && isUp ? FIRST_ID + cycle * year.gpus + gpu : undefined;
}

export function isSeen(gpu: number, hour: number): boolean {
  const cycle = Math.floor(hour / CYCLE_HOURS);
  return stateOf(Math.floor(gpu / GPUS_PER_NODE), cycle) !== 'down' && (gpu + hour) % HOLE_OF !== 0;
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

/** A whole number of J, so that sums are exact. */
export function joulesOf(gpu: number): number {
  return 3600 * (200 + 50 * (gpu % 7));
}

export const accountOf = (gpu: number, cycle: number): string => `acc-${(gpu * 31 + cycle) % ACCOUNTS}`;
export const userOf = (gpu: number, cycle: number): string => `user-${(gpu * 17 + cycle * 7) % USERS}`;
export const nodeName = (node: number): string => `n${node}`;
export const clusterOf = (node: number): string => CLUSTERS[node % CLUSTERS.length]!;
export const modelOf = (node: number): string => MODELS[Math.floor(node / CLUSTERS.length) % MODELS.length]!;
