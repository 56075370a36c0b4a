import { createHash } from 'node:crypto';
import { partOf } from '../oracle/attribution.ts';
import type { Row } from './insert-rows.ts';

/**
 * Labels and owner sets of rows made by hand. What tells a set apart and what its members have is worked out here, without the
 * product's code; the numbers of sets are others than the product's, which asks of them only that they are the same in all tables.
 */

/** What a row of `gpu_ownership` tells, epoch µs; no share where nobody told one. Tellings of one job may overlap. */
export interface ToldStay {
  readonly gpu: string;
  readonly jobId: string;
  readonly startUs: number;
  readonly endUs: number;
  readonly share?: number;
}

/** Parts of the owners whose shares nobody told, by job id, where they were measured: all members of the set are named. */
export type MeasuredParts = Readonly<Record<string, number>>;

interface Owners {
  readonly startUs: number;
  /** By job id, ascending: the smallest share that was told, else NaN. */
  readonly shares: ReadonlyMap<string, number>;
  /** Undefined where nobody owns the device, or one all of it. */
  readonly ownerSet: string | undefined;
}

/** How a sample at `us` is labelled: columns of a sample table. @param stays of any devices */
export function labelColumns(
  stays: readonly ToldStay[],
  gpu: string,
  us: number,
): { readonly job_id?: string; readonly owners: number; readonly owner_set?: string } {
  const { shares, ownerSet } = ownersAt(stays, gpu, us);
  const [jobId] = shares.keys();
  return {
    ...(shares.size === 1 ? { job_id: jobId! } : {}),
    owners: shares.size,
    ...(ownerSet === undefined ? {} : { owner_set: ownerSet }),
  };
}

/** Rows of `gpu_owner_sets`. */
export function ownerSetRows(stays: readonly ToldStay[], measured: readonly MeasuredParts[] = []): Row[] {
  const rows = new Map<string, Row>();
  for (const [gpu, own] of Map.groupBy(stays, (stay) => stay.gpu))
    for (const us of new Set(own.flatMap(({ startUs, endUs }) => [startUs, endUs]))) {
      const owners = ownersAt(own, gpu, us);
      for (const row of rowsOf(gpu, owners, measured)) rows.set(`${row['owner_set']} ${row['job_id']}`, row);
    }
  return [...rows.values()];
}

function rowsOf(
  gpu: string,
  { startUs, shares, ownerSet }: Owners,
  measured: readonly MeasuredParts[],
): Row[] {
  if (ownerSet === undefined) return [];
  const members = [...shares.keys()].join();
  const parts = measured.find((one) => Object.keys(one).sort().join() === members);
  const told = [...shares.values()].filter((share) => !Number.isNaN(share));
  const isScaled = told.reduce((sum, share) => sum + share, 0) > 1 + 1e-9;
  return [...shares].map(([jobId, share]) => ({
    ts: startUs,
    gpu,
    owner_set: ownerSet,
    job_id: jobId,
    ...(Number.isNaN(share) ? {} : { share }),
    part: (Number.isNaN(share) ? parts?.[jobId] : undefined) ?? partOf(share, [...shares.values()]),
    sharing: Number.isNaN(share) ? (parts === undefined ? 'equal' : 'measured') : 'stated',
    scaled: isScaled && !Number.isNaN(share) ? 1 : 0,
  }));
}

function ownersAt(stays: readonly ToldStay[], gpu: string, us: number): Owners {
  const live = stays.filter((stay) => stay.gpu === gpu && stay.startUs < us && us <= stay.endUs);
  const shares = new Map<string, number>();
  for (const { jobId, share = NaN } of live.toSorted((a, b) => (a.jobId < b.jobId ? -1 : 1))) {
    const known = shares.get(jobId) ?? NaN;
    shares.set(jobId, Number.isNaN(share) ? known : Math.min(share, Number.isNaN(known) ? 1 : known));
  }
  const startUs = Math.max(...live.map((stay) => stay.startUs));
  const isDivided = shares.size > 1 || [...shares.values()].some((share) => share < 1);
  return { startUs, shares, ownerSet: isDivided ? numberOf([gpu, startUs, ...shares]) : undefined };
}

/** 63 bits, in decimal digits. */
function numberOf(set: readonly unknown[]): string {
  const digest = createHash('sha256').update(JSON.stringify(set)).digest();
  return String(BigInt.asUintN(63, digest.readBigUInt64BE()));
}
