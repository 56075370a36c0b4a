/**
 * Parts of a shared device by what its owners' processes were seen to do. Sums are kept per window of time, so that a fact
 * which comes late can still cut the windows otherwise. `docs/ownership.md` says it for people.
 */

/** Whose processes: a job's; an MPS server, whose work is its clients'; nobody's; or it cannot be told. */
export type UserKind = 'job' | 'mps_server' | 'no_job' | 'unknown';

/** What one user of a device did in the window (fromUs, toUs], epoch µs. */
export interface MeasuredUse {
  /** Device UUID. */
  readonly gpu: string;
  readonly fromUs: number;
  readonly toUs: number;
  readonly kind: UserKind;
  /** Of kind `job` only. */
  readonly jobId?: string;
  /** Σ part of the SMs' time · dt; NaN where the driver does not tell. */
  readonly smUseSeconds: number;
  /** Σ memory · dt; NaN where the driver does not tell. */
  readonly memoryByteSeconds: number;
  /** How much of the window was looked at, µs. */
  readonly seenUs: number;
}

/** Epoch µs. */
interface UseSpan {
  readonly startUs: number;
  readonly endUs: number;
}

/** A measure speaks for time that was not looked at only where it is the smaller part. */
const SEEN_RATIO_MIN = 0.5;

/**
 * Which part of the device each owner used in all the time in which the owners were the same: by SM use, else by memory.
 * @param uses of one device; those of other times have no weight
 * @param spans that time, (startUs, endUs]; endUs is Infinity while they still are: then what was seen until now counts
 * @returns parts that add up to 1; undefined where too little was seen, or some of it may be the work of an owner that was
 * seen doing nothing
 */
export function measuredParts(
  uses: readonly MeasuredUse[],
  owners: readonly string[],
  spans: readonly UseSpan[],
): ReadonlyMap<string, number> | undefined {
  const newestUs = uses.reduce((newest, use) => Math.max(newest, use.toUs), -Infinity);
  const ended = spans.map(({ startUs, endUs }) => ({
    startUs,
    endUs: endUs === Infinity ? Math.max(startUs, newestUs) : endUs,
  }));
  const allUs = ended.reduce((sum, { startUs, endUs }) => sum + endUs - startUs, 0);
  const weighed = uses
    .map((use) => ({ use, ratio: ended.reduce((sum, span) => sum + overlapRatio(use, span), 0) }))
    .filter(({ ratio }) => ratio > 0);
  // Every user of a window was looked at for the same time.
  const windows = new Map(weighed.map(({ use, ratio }) => [use.fromUs, use.seenUs * ratio]));
  const seenUs = [...windows.values()].reduce((sum, us) => sum + us, 0);
  if (seenUs === 0 || seenUs < SEEN_RATIO_MIN * allUs) return undefined;
  const bySm = weighed.map(({ use, ratio }) => ({ use, amount: use.smUseSeconds * ratio }));
  // What an MPS server holds is its own; what it computes is not.
  const byMemory = weighed
    .filter(({ use }) => use.kind !== 'mps_server')
    .map(({ use, ratio }) => ({ use, amount: use.memoryByteSeconds * ratio }));
  return partsBy(bySm, owners) ?? partsBy(byMemory, owners);
}

function overlapRatio(use: MeasuredUse, { startUs, endUs }: UseSpan): number {
  const commonUs = Math.min(use.toUs, endUs) - Math.max(use.fromUs, startUs);
  return use.toUs > use.fromUs ? Math.max(0, commonUs) / (use.toUs - use.fromUs) : 0;
}

interface Amount {
  readonly use: MeasuredUse;
  /** NaN: not known. */
  readonly amount: number;
}

function partsBy(
  amounts: readonly Amount[],
  owners: readonly string[],
): ReadonlyMap<string, number> | undefined {
  const sums = new Map(owners.map((jobId) => [jobId, 0]));
  let others = 0;
  for (const { use, amount } of amounts) {
    if (Number.isNaN(amount)) return undefined;
    const own = use.jobId === undefined ? undefined : sums.get(use.jobId);
    if (own === undefined) others += amount;
    else sums.set(use.jobId!, own + amount);
  }
  const all = [...sums.values()].reduce((sum, amount) => sum + amount, 0);
  const isAnyIdle = [...sums.values()].includes(0);
  if (all === 0 || (isAnyIdle && others > 0)) return undefined;
  return new Map([...sums].map(([jobId, amount]) => [jobId, amount / all]));
}
