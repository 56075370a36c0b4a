import { measuredParts, type MeasuredUse } from './measured-use.ts';

/**
 * How the jobs that own a device at one moment divide it. No device is ever given away more than once, and here alone is
 * decided who has which part. `docs/ownership.md` says it for people.
 */

/** What was told of one stay of a job on a device, (startUs, endUs] in epoch µs. Tellings of one job may overlap. */
export interface TellingOfStay {
  readonly gpu: string;
  readonly jobId: string;
  readonly startUs: number;
  /** Infinity while it is open. */
  readonly endUs: number;
  /** Part of the device in (0, 1]; undefined or NaN where nobody told. */
  readonly share?: number | undefined;
}

/**
 * Where a part comes from. `whole`: it is all of the device; `stated`: the share that was told; `measured`: nobody told, and it
 * is the job's part of what was done of all that the told ones leave; `equal`: it is an equal part of that.
 */
export type Sharing = 'whole' | 'stated' | 'measured' | 'equal';

/** Over (startUs, endUs] this part of the device, in [0, 1], was the job's. */
export interface DevicePart {
  readonly gpu: string;
  readonly jobId: string;
  readonly startUs: number;
  readonly endUs: number;
  readonly part: number;
  readonly sharing: Sharing;
  /** The shares that were told add up to more than the device, and were made smaller in proportion. */
  readonly isScaled: boolean;
}

type Portion = Pick<DevicePart, 'part' | 'sharing' | 'isScaled'>;

/** Thirds of a device add up to a little more than 1. */
const ROUNDING_MAX = 1e-9;

/**
 * The parts of all owners of these devices: at each moment they add up to at most 1, and to 1 where any of the owners was not
 * told its share. A job has one part at a moment, however many tellings there are of it.
 * @param stays every one that touches the time of interest, or the parts of the others are too large
 * @param uses what was measured of these devices in all of the time of these stays
 * @returns by device, ascending by end; those of one job on one device do not overlap
 */
export function partsOf(stays: readonly TellingOfStay[], uses: readonly MeasuredUse[] = []): DevicePart[] {
  const usesOf = Map.groupBy(uses, ({ gpu }) => gpu);
  return [...Map.groupBy(stays, ({ gpu }) => gpu)].flatMap(([gpu, own]) =>
    partsOfDevice(gpu, own, usesOf.get(gpu) ?? []),
  );
}

function partsOfDevice(
  gpu: string,
  stays: readonly TellingOfStay[],
  uses: readonly MeasuredUse[],
): DevicePart[] {
  const current = new Map<string, Portion & { readonly startUs: number }>();
  const parts: DevicePart[] = [];
  for (const stretch of stretchesOf(stays)) {
    const portions = portionsOf(stretch, uses);
    for (const [jobId, portion] of current) {
      if (isSamePortion(portion, portions.get(jobId))) continue;
      parts.push({ gpu, jobId, ...portion, endUs: stretch.startUs });
      current.delete(jobId);
    }
    for (const [jobId, portion] of portions)
      if (!current.has(jobId)) current.set(jobId, { ...portion, startUs: stretch.startUs });
  }
  return parts;
}

/** Time in which the owners of a device and what is known of their shares were the same. */
interface Stretch {
  readonly startUs: number;
  readonly endUs: number;
  /** By job: the share that was told, else NaN. */
  readonly owners: ReadonlyMap<string, number>;
}

/** Without a hole, up to one without owners. */
function stretchesOf(stays: readonly TellingOfStay[]): Stretch[] {
  const owning = stays.filter(({ startUs, endUs }) => endUs > startUs);
  const starting = Map.groupBy(owning, ({ startUs }) => startUs);
  const ending = Map.groupBy(owning, ({ endUs }) => endUs);
  const edgesUs = [...new Set([...starting.keys(), ...ending.keys()])].sort((a, b) => a - b);
  const live = new Map<string, TellingOfStay[]>();
  const stretches: Stretch[] = [];
  for (const [index, startUs] of edgesUs.entries()) {
    for (const stay of starting.get(startUs) ?? [])
      live.set(stay.jobId, [...(live.get(stay.jobId) ?? []), stay]);
    for (const { jobId } of ending.get(startUs) ?? []) {
      const left = (live.get(jobId) ?? []).filter(({ endUs }) => endUs > startUs);
      if (left.length === 0) live.delete(jobId);
      else live.set(jobId, left);
    }
    const owners = new Map([...live].map(([jobId, own]) => [jobId, toldShareOf(own)]));
    const endUs = edgesUs[index + 1] ?? Infinity;
    const last = stretches.at(-1);
    if (last !== undefined && areSameOwners(last.owners, owners))
      stretches[stretches.length - 1] = { ...last, endUs };
    else stretches.push({ startUs, endUs, owners });
  }
  return stretches;
}

function areSameOwners(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean {
  return (
    a.size === b.size && [...a].every(([jobId, share]) => b.has(jobId) && Object.is(share, b.get(jobId)))
  );
}

/** Told ones take their share; the others divide the rest by what they were seen to do, else equally. */
function portionsOf({ startUs, endUs, owners }: Stretch, uses: readonly MeasuredUse[]): Map<string, Portion> {
  const told = [...owners].filter(([, share]) => !Number.isNaN(share));
  const untold = [...owners.keys()].filter((jobId) => Number.isNaN(owners.get(jobId)));
  const toldSum = sumOf(told.map(([, share]) => share));
  const isScaled = toldSum > 1 + ROUNDING_MAX;
  const rest = Math.max(0, 1 - toldSum);
  const measured = untold.length < 2 ? undefined : measuredParts(uses, untold, startUs, endUs);
  const portions = new Map<string, Portion>();
  for (const [jobId, share] of told) {
    const part = isScaled ? share / toldSum : share;
    portions.set(jobId, { part, sharing: part === 1 ? 'whole' : 'stated', isScaled });
  }
  for (const jobId of untold) {
    const part = rest * (measured?.get(jobId) ?? 1 / untold.length);
    const sharing = owners.size === 1 ? 'whole' : measured === undefined ? 'equal' : 'measured';
    portions.set(jobId, { part, sharing, isScaled: false });
  }
  return portions;
}

/** Of several shares the smallest; NaN where none was told. */
function toldShareOf(stays: readonly TellingOfStay[]): number {
  const told = stays.map(({ share = NaN }) => share).filter((share) => share > 0);
  return told.length === 0 ? NaN : Math.min(1, ...told);
}

/** The smallest first, so that the order in which they were told changes nothing. */
function sumOf(shares: readonly number[]): number {
  return shares.toSorted((a, b) => a - b).reduce((sum, share) => sum + share, 0);
}

/** Where the use of several owners whose shares nobody told decides about their parts. */
export interface UseQuestion {
  readonly gpus: readonly string[];
  readonly fromUs: number;
  /** Infinity where one of them still owns a device. */
  readonly toUs: number;
}

/** @returns undefined where no use has to be known for the parts of these stays */
export function useQuestionOf(stays: readonly TellingOfStay[]): UseQuestion | undefined {
  const untold = stays.filter(({ share = NaN, startUs, endUs }) => Number.isNaN(share) && endUs > startUs);
  const shared = [...Map.groupBy(untold, ({ gpu }) => gpu).values()].filter(
    (own) => new Set(own.map(({ jobId }) => jobId)).size > 1,
  );
  if (shared.length === 0) return undefined;
  return {
    gpus: shared.map((own) => own[0]!.gpu),
    fromUs: shared.flat().reduce((least, { startUs }) => Math.min(least, startUs), Infinity),
    toUs: shared.flat().reduce((most, { endUs }) => Math.max(most, endUs), -Infinity),
  };
}

function isSamePortion(a: Portion, b: Portion | undefined): boolean {
  return b !== undefined && a.part === b.part && a.sharing === b.sharing && a.isScaled === b.isScaled;
}

/** Tellings of one device that overlap or touch, as one; ascending by start. The first one stands for what else is known. */
export function joinStays<T extends Pick<TellingOfStay, 'gpu' | 'startUs' | 'endUs'>>(
  stays: readonly T[],
): T[] {
  return [...Map.groupBy(stays, ({ gpu }) => gpu).values()].flatMap((own) => {
    const joined: T[] = [];
    for (const stay of own.toSorted((a, b) => a.startUs - b.startUs)) {
      const last = joined.at(-1);
      if (last === undefined || stay.startUs > last.endUs) joined.push(stay);
      else if (stay.endUs > last.endUs) joined[joined.length - 1] = { ...last, endUs: stay.endUs };
    }
    return joined;
  });
}

/** What of these parts lies in the stays, which do not overlap on one device. */
export function partsWithin(
  parts: readonly DevicePart[],
  stays: readonly Pick<TellingOfStay, 'gpu' | 'startUs' | 'endUs'>[],
): DevicePart[] {
  const byGpu = Map.groupBy(stays, ({ gpu }) => gpu);
  return parts.flatMap((part) =>
    (byGpu.get(part.gpu) ?? [])
      .map((stay) => ({
        ...part,
        startUs: Math.max(part.startUs, stay.startUs),
        endUs: Math.min(part.endUs, stay.endUs),
      }))
      .filter(({ startUs, endUs }) => endUs > startUs),
  );
}
