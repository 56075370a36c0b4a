import { measuredParts, type MeasuredUse } from './measured-use.ts';
import { ownerSetId, ownerSetOf, textOfSet, type OwnerSet } from './owner-set.ts';

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

/** What `gpu_owner_sets` says of one member of a set: which part of the device it has while this set owns it. */
export interface OwnerSetMember {
  /** Decimal digits of a whole number in [0, 2^63). */
  readonly ownerSet: string;
  /** Epoch µs: the newest start of the members' stays. */
  readonly startUs: number;
  readonly gpu: string;
  readonly jobId: string;
  /** As told, in (0, 1]; NaN where nobody told. */
  readonly share: number;
  /** In [0, 1]. */
  readonly part: number;
  /** A share that was told stays told where it is all of the device. */
  readonly sharing: Exclude<Sharing, 'whole'>;
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
  const stretches = stretchesOf(stays);
  const portionsIn = portionsBySet(stretches, uses);
  for (const stretch of stretches) {
    const portions = stretch.key === undefined ? soleOf(stretch) : portionsIn.get(stretch.key)!.portions;
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

/** Time in which one owner set, one owner with all of the device, or nobody had it. */
interface Stretch {
  readonly startUs: number;
  readonly endUs: number;
  /** Who has all of it. */
  readonly sole?: string | undefined;
  readonly set?: OwnerSet | undefined;
  /** Of the set. */
  readonly key?: string | undefined;
}

/** Without a hole, up to one without owners. */
function stretchesOf(stays: readonly TellingOfStay[]): Stretch[] {
  const owning = stays.filter(({ startUs, endUs }) => endUs > startUs);
  const starting = owning.toSorted((a, b) => a.startUs - b.startUs);
  const ending = owning.toSorted((a, b) => a.endUs - b.endUs);
  const edges = new Set(owning.flatMap(({ startUs, endUs }) => [startUs, endUs]));
  const edgesUs = [...edges].sort((a, b) => a - b);
  const live = new Set<TellingOfStay>();
  let [started, ended] = [0, 0];
  return edgesUs.map((startUs, index): Stretch => {
    for (; starting[started]?.startUs === startUs; started += 1) live.add(starting[started]!);
    for (; ending[ended]?.endUs === startUs; ended += 1) live.delete(ending[ended]!);
    const endUs = edgesUs[index + 1] ?? Infinity;
    const set = ownerSetOf([...live]);
    if (set !== undefined) return { startUs, endUs, set, key: textOfSet(set) };
    const [one] = live;
    return { startUs, endUs, sole: one?.jobId };
  });
}

const WHOLE: Portion = { part: 1, sharing: 'whole', isScaled: false };

function soleOf({ sole }: Stretch): ReadonlyMap<string, Portion> {
  return sole === undefined ? NOBODY : new Map([[sole, WHOLE]]);
}

const NOBODY: ReadonlyMap<string, Portion> = new Map();

interface DividedSet {
  readonly set: OwnerSet;
  readonly key: string;
  readonly portions: ReadonlyMap<string, Portion>;
}

/** A set has one division in all of its time: what was measured in one of its stretches speaks for the others. */
function portionsBySet(
  stretches: readonly Stretch[],
  uses: readonly MeasuredUse[],
): ReadonlyMap<string, DividedSet> {
  const divided = new Map<string, DividedSet>();
  for (const [key, own] of Map.groupBy(stretches, (stretch) => stretch.key)) {
    const set = own[0]!.set;
    if (key !== undefined && set !== undefined)
      divided.set(key, { set, key, portions: portionsOf(set, own, uses) });
  }
  return divided;
}

/** Told ones take their share; the others divide the rest by what they were seen to do, else equally. */
function portionsOf(
  { shares }: OwnerSet,
  stretches: readonly Stretch[],
  uses: readonly MeasuredUse[],
): Map<string, Portion> {
  const told = [...shares].filter(([, share]) => !Number.isNaN(share));
  const untold = [...shares.keys()].filter((jobId) => Number.isNaN(shares.get(jobId)));
  const toldSum = sumOf(told.map(([, share]) => share));
  const isScaled = toldSum > 1 + ROUNDING_MAX;
  const rest = Math.max(0, 1 - toldSum);
  const measured = untold.length < 2 ? undefined : measuredParts(uses, untold, stretches);
  const portions = new Map<string, Portion>();
  for (const [jobId, share] of told) {
    const part = isScaled ? share / toldSum : share;
    portions.set(jobId, { part, sharing: part === 1 ? 'whole' : 'stated', isScaled });
  }
  for (const jobId of untold) {
    const part = rest * (measured?.get(jobId) ?? 1 / untold.length);
    portions.set(jobId, { part, sharing: measured === undefined ? 'equal' : 'measured', isScaled: false });
  }
  return portions;
}

/**
 * The owner sets in these stays, a row for each member.
 * @param stays every one that touches the time since the oldest of them, for parts by measured use
 * @param uses what was measured of these devices in all of the time of these stays
 * @param sinceUs epoch µs: those alone that own a device at some moment after it
 */
export function ownerSetsOf(
  stays: readonly TellingOfStay[],
  uses: readonly MeasuredUse[] = [],
  sinceUs = -Infinity,
): OwnerSetMember[] {
  const usesOf = Map.groupBy(uses, ({ gpu }) => gpu);
  return [...Map.groupBy(stays, ({ gpu }) => gpu)].flatMap(([gpu, own]) => {
    const stretches = stretchesOf(own);
    const asked = new Set(stretches.filter(({ endUs }) => endUs > sinceUs).map(({ key }) => key));
    const divided = portionsBySet(
      stretches.filter(({ key }) => asked.has(key)),
      usesOf.get(gpu) ?? [],
    );
    return [...divided.values()].flatMap(membersOf);
  });
}

function membersOf({ set, key, portions }: DividedSet): OwnerSetMember[] {
  const ownerSet = ownerSetId(key);
  const { gpu, startUs } = set;
  return [...set.shares].map(([jobId, share]) => {
    const { part, sharing, isScaled } = portions.get(jobId)!;
    const told = sharing === 'whole' ? 'stated' : sharing;
    return { ownerSet, startUs, gpu, jobId, share, part, sharing: told, isScaled };
  });
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
    (byGpu.get(part.gpu) ?? []).flatMap((stay) => {
      const startUs = Math.max(part.startUs, stay.startUs);
      const endUs = Math.min(part.endUs, stay.endUs);
      if (endUs <= startUs) return [];
      const isWhole = startUs === part.startUs && endUs === part.endUs;
      return isWhole ? part : { ...part, startUs, endUs };
    }),
  );
}
