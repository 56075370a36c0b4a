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
  /** Who told; `MEASURED_SOURCE` makes the share a measured one. */
  readonly source?: string | undefined;
}

/** Source of a share that was measured: how much of what owners without a told share did was the job's. */
export const MEASURED_SOURCE = 'measured';

/**
 * Where a part comes from. `whole`: it is all of the device; `stated`: the share that was told; `measured`; `equal`: nobody
 * told, so that it is an equal part of what the told ones leave.
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
 * @returns by device, ascending by end; those of one job on one device do not overlap
 */
export function partsOf(stays: readonly TellingOfStay[]): DevicePart[] {
  return [...Map.groupBy(stays, ({ gpu }) => gpu)].flatMap(([gpu, own]) => partsOfDevice(gpu, own));
}

function partsOfDevice(gpu: string, stays: readonly TellingOfStay[]): DevicePart[] {
  const owning = stays.filter(({ startUs, endUs }) => endUs > startUs);
  const starting = Map.groupBy(owning, ({ startUs }) => startUs);
  const ending = Map.groupBy(owning, ({ endUs }) => endUs);
  const edgesUs = [...new Set([...starting.keys(), ...ending.keys()])].sort((a, b) => a - b);
  const live = new Map<string, TellingOfStay[]>();
  const current = new Map<string, Portion & { readonly startUs: number }>();
  const parts: DevicePart[] = [];
  for (const atUs of edgesUs) {
    for (const stay of starting.get(atUs) ?? [])
      live.set(stay.jobId, [...(live.get(stay.jobId) ?? []), stay]);
    for (const { jobId } of ending.get(atUs) ?? []) {
      const left = (live.get(jobId) ?? []).filter(({ endUs }) => endUs > atUs);
      if (left.length === 0) live.delete(jobId);
      else live.set(jobId, left);
    }
    const portions = portionsOf(live);
    for (const [jobId, portion] of current) {
      if (isSamePortion(portion, portions.get(jobId))) continue;
      parts.push({ gpu, jobId, ...portion, endUs: atUs });
      current.delete(jobId);
    }
    for (const [jobId, portion] of portions)
      if (!current.has(jobId)) current.set(jobId, { ...portion, startUs: atUs });
  }
  return parts;
}

/** Told ones take their share, measured ones divide in proportion what is theirs of the rest, the others equally. */
function portionsOf(live: ReadonlyMap<string, readonly TellingOfStay[]>): Map<string, Portion> {
  const owners = [...live].map(([jobId, stays]) => ({ jobId, ...knownShareOf(stays) }));
  const told = owners.filter(({ how }) => how === 'stated');
  const measured = owners.filter(({ how }) => how === 'measured');
  const measuredSum = sumOfShares(measured);
  const toldSum = sumOfShares(told);
  const isScaled = toldSum > 1 + ROUNDING_MAX;
  const equal = Math.max(0, 1 - toldSum) / (owners.length - told.length);
  return new Map(
    owners.map(({ jobId, share, how }): [string, Portion] => {
      const stated = isScaled ? share / toldSum : share;
      const part = { stated, measured: (share / measuredSum) * equal * measured.length, equal }[how];
      return [jobId, { part, sharing: part === 1 ? 'whole' : how, isScaled: isScaled && how === 'stated' }];
    }),
  );
}

/** Of several tellings the one that knows more; of several shares the smallest. */
function knownShareOf(stays: readonly TellingOfStay[]): {
  share: number;
  how: 'stated' | 'measured' | 'equal';
} {
  const known = stays.filter(
    (stay): stay is TellingOfStay & { share: number } => stay.share !== undefined && stay.share > 0,
  );
  const told = known.filter(({ source }) => source !== MEASURED_SOURCE);
  const best = told.length > 0 ? told : known;
  if (best.length === 0) return { share: NaN, how: 'equal' };
  const share = Math.min(1, ...best.map((stay) => stay.share));
  return { share, how: told.length > 0 ? 'stated' : 'measured' };
}

/** The smallest first, so that the order in which they were told changes nothing. */
function sumOfShares(owners: readonly { readonly share: number }[]): number {
  return owners
    .map(({ share }) => share)
    .sort((a, b) => a - b)
    .reduce((sum, share) => sum + share, 0);
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
