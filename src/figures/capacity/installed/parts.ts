/**
 * Where the time of GPUs that are there goes, in the order of a waterfall: what nobody saw, what nobody could have, what nobody had, and
 * what was done with the rest. `fragmented`: free, and in pieces too small for the jobs that waited; `unowned`: nobody told whether the node took jobs; `partlyFree`: what shares and MIG instances leave
 * of GPUs; `untold`: owned, and it is not known what was done.
 */
export const INSTALLED_PARTS = [
  'unseen',
  'down',
  'drained',
  'fragmented',
  'free',
  'unowned',
  'partlyFree',
  'idleHead',
  'idle',
  'idleTail',
  'stalled',
  'low',
  'effective',
  'untold',
] as const;
export type InstalledPart = (typeof INSTALLED_PARTS)[number];

/** Time that some job owned, and of it what no GPU worked in, and what was lost. What is not told apart (`untold`) is owned alone. */
export const IDLE_PARTS: readonly InstalledPart[] = ['idleHead', 'idle', 'idleTail'];
export const LOST_PARTS: readonly InstalledPart[] = [...IDLE_PARTS, 'stalled', 'low'];
export const OWNED_PARTS: readonly InstalledPart[] = [...LOST_PARTS, 'effective', 'untold'];

/** Whole µs of GPU time; a part of no time is left out. */
export type InstalledTimes = Readonly<Partial<Record<InstalledPart, number>>>;

/** Of several together. */
export function addTimes(all: readonly InstalledTimes[]): InstalledTimes {
  return Object.fromEntries(
    INSTALLED_PARTS.flatMap((part) => {
      const us = all.reduce((sum, times) => sum + (times[part] ?? 0), 0);
      return us === 0 ? [] : [[part, us] as const];
    }),
  );
}

/** Σ over some parts. */
export function partsUs(times: InstalledTimes, parts: readonly InstalledPart[]): number {
  return parts.reduce((sum, part) => sum + (times[part] ?? 0), 0);
}

/** Σ over the parts. */
export function timesUs(times: InstalledTimes): number {
  return Object.values(times).reduce((sum, us) => sum + us, 0);
}
