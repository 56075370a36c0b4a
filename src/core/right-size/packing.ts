import type { Size } from './sizes.ts';

/** What an instance takes of a GPU. */
type Taken = Pick<Size, 'slices' | 'eighths' | 'wholeSlices'>;

/**
 * How many GPUs of one model it takes to hold these at once: first-fit decreasing, largest first, each where it fits first. Instances fit
 * on a GPU where its slices and the eighths of its memory suffice, which is when MIG has places for them.
 */
export function gpusFor(sizes: readonly Taken[]): number {
  const left: { slices: number; eighths: number }[] = [];
  for (const { slices, eighths, wholeSlices } of [...sizes].sort(byLargest)) {
    const place = left.find((gpu) => gpu.slices >= slices && gpu.eighths >= eighths);
    if (place === undefined) left.push({ slices: wholeSlices - slices, eighths: 8 - eighths });
    else {
      place.slices -= slices;
      place.eighths -= eighths;
    }
  }
  return left.length;
}

function byLargest(a: Taken, b: Taken): number {
  return b.eighths - a.eighths || b.slices - a.slices;
}

/** A device in the hands of a job, (startUs, endUs], epoch µs. */
export interface Holding {
  readonly startUs: number;
  readonly endUs: number;
  /** GPUs that can stand for each other: of one model and cluster. */
  readonly pool: string;
  /** The GPU that it was, or of which it was an instance. */
  readonly gpu: string;
  /** What it would be given instead; undefined where it keeps what it has. */
  readonly size: Size | undefined;
}

/** GPU time in µs: of GPUs that were in use, and of those that would have sufficed. */
export interface PackedTime {
  readonly usedUs: number;
  readonly neededUs: number;
  /** The most GPUs at once, as it was and as it would have been. */
  readonly usedMost: number;
  readonly neededMost: number;
}

/** Who holds what at a moment, in one pool. */
interface Held {
  /** Holdings of each GPU; of those that stay as they are. */
  readonly gpus: Map<string, number>;
  readonly kept: Map<string, number>;
  /** Of each size that was packed at any time. */
  readonly sizes: Map<Size, number>;
  /** By those numbers, how many GPUs can hold so many: they come again and again. */
  readonly known: Map<string, number>;
  /** How many can hold those of now. */
  packedSizes: number;
  used: number;
  packed: number;
}

/**
 * Packs, whenever anything changes, what is in use into as few GPUs of each pool as first-fit decreasing finds; never more than were in
 * use, since everything may stay where it is.
 * @param spans of time, which are told apart; holdings are cut at their edges
 * @returns one of each span
 */
export function packedTimes(
  holdings: readonly Holding[],
  spans: readonly { readonly fromUs: number; readonly toUs: number }[],
  needed: (sizes: readonly Size[]) => number = gpusFor,
): PackedTime[] {
  return spans.map((span) => packedTime(holdings, span, needed));
}

function packedTime(
  holdings: readonly Holding[],
  { fromUs, toUs }: { readonly fromUs: number; readonly toUs: number },
  needed: (sizes: readonly Size[]) => number,
): PackedTime {
  const changes = holdings
    .flatMap((one) => {
      const [startUs, endUs] = [Math.max(one.startUs, fromUs), Math.min(one.endUs, toUs)];
      return endUs > startUs
        ? [
            { atUs: startUs, one, by: 1 },
            { atUs: endUs, one, by: -1 },
          ]
        : [];
    })
    .sort((a, b) => a.atUs - b.atUs);
  const pools = new Map<string, Held>();
  const time = { usedUs: 0, neededUs: 0, usedMost: 0, neededMost: 0 };
  let [used, packed] = [0, 0];
  for (let index = 0; index < changes.length; index += 1) {
    const { atUs, one, by } = changes[index]!;
    const pool = pools.get(one.pool) ?? nobodyHolds();
    pools.set(one.pool, pool);
    addTo(pool.gpus, one.gpu, by);
    if (one.size === undefined) addTo(pool.kept, one.gpu, by);
    else addSize(pool, one.size, by, needed);
    const nextUs = changes[index + 1]?.atUs;
    const packedNow = Math.min(pool.gpus.size, pool.kept.size + pool.packedSizes);
    used += pool.gpus.size - pool.used;
    packed += packedNow - pool.packed;
    pool.used = pool.gpus.size;
    pool.packed = packedNow;
    if (nextUs === undefined || nextUs === atUs) continue;
    time.usedUs += used * (nextUs - atUs);
    time.neededUs += packed * (nextUs - atUs);
    time.usedMost = Math.max(time.usedMost, used);
    time.neededMost = Math.max(time.neededMost, packed);
  }
  return time;
}

function nobodyHolds(): Held {
  return {
    ...{ gpus: new Map(), kept: new Map(), sizes: new Map(), known: new Map() },
    ...{ packedSizes: 0, used: 0, packed: 0 },
  };
}

/** Sizes stay in the order in which they came, also when nobody has one of them: so the same numbers are the same text. */
function addSize(pool: Held, one: Size, by: number, needed: (sizes: readonly Size[]) => number): void {
  const { sizes, known } = pool;
  sizes.set(one, (sizes.get(one) ?? 0) + by);
  const counts = [...sizes.values()].join();
  const packed =
    known.get(counts) ?? needed([...sizes].flatMap(([size, many]) => Array<Size>(many).fill(size)));
  known.set(counts, packed);
  pool.packedSizes = packed;
}

function addTo<Key>(counts: Map<Key, number>, key: Key, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
