/**
 * The owners of a device at one moment, where they divide it or the only one has just a part of it, as an id that samples bear.
 * It is a function of nothing but the intervals that are live at that moment, so everybody finds the same one, whenever he looks.
 */

/** A stay that is live. Tellings of one job may overlap. */
interface LiveStay {
  /** Device UUID. */
  readonly gpu: string;
  readonly jobId: string;
  /** Epoch µs. */
  readonly startUs: number;
  /** Part of the device in (0, 1]; undefined or NaN where nobody told. */
  readonly share?: number | undefined;
}

export interface OwnerSet {
  readonly gpu: string;
  /** The newest start of the members' stays, epoch µs. */
  readonly startUs: number;
  /** By job id, in its ascending order: the share that was told, else NaN. */
  readonly shares: ReadonlyMap<string, number>;
}

/** @param live the stays of one device that hold the moment; @returns undefined where nobody owns it, or one owner all of it */
export function ownerSetOf(live: readonly LiveStay[]): OwnerSet | undefined {
  if (live.length === 0 || (live.length === 1 && !(live[0]!.share! < 1))) return undefined;
  const byJob = [...Map.groupBy(live, ({ jobId }) => jobId)].sort(([a], [b]) => (a < b ? -1 : 1));
  const shares = new Map(byJob.map(([jobId, own]) => [jobId, toldShareOf(own)]));
  const [only, ...others] = shares.values();
  if (others.length === 0 && !(only! < 1)) return undefined;
  const startUs = live.reduce((newest, stay) => Math.max(newest, stay.startUs), -Infinity);
  return { gpu: live[0]!.gpu, startUs, shares };
}

/** What tells one set from all others: equal texts are the same set. */
export function textOfSet({ gpu, startUs, shares }: OwnerSet): string {
  return JSON.stringify([gpu, startUs, ...shares]);
}

/**
 * The number of a set, which is the `owner_set` of its samples: decimal digits of a whole number in [0, 2^63). No JS number
 * holds it.
 * @param text of `textOfSet`
 */
export function ownerSetId(text: string): string {
  let hash = FNV_OFFSET;
  for (const byte of new TextEncoder().encode(text))
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * FNV_PRIME);
  return String(BigInt.asUintN(63, hash));
}

/** Of several shares the smallest; NaN where none was told. */
function toldShareOf(stays: readonly LiveStay[]): number {
  const told = stays.map(({ share = NaN }) => share).filter((share) => share > 0);
  return told.length === 0 ? NaN : Math.min(1, ...told);
}

/** FNV-1a of 64 bits, of which a LONG that is no NULL and not negative has 63. */
const FNV_OFFSET = 0xcbf29ce484222325n;
const FNV_PRIME = 0x100000001b3n;
