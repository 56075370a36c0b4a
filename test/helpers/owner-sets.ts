import { ownerSetsOf, type TellingOfStay } from '../../src/core/jobs/device-parts.ts';
import type { MeasuredUse } from '../../src/core/jobs/measured-use.ts';
import { ownerSetId, ownerSetOf, textOfSet } from '../../src/core/jobs/owner-set.ts';
import type { Row } from './insert-rows.ts';

/** How a sample at `us` is labelled: columns of a sample table. @param stays of any devices */
export function labelColumns(
  stays: readonly TellingOfStay[],
  gpu: string,
  us: number,
): { readonly job_id?: string; readonly owners: number; readonly owner_set?: string } {
  const live = stays.filter((stay) => stay.gpu === gpu && stay.startUs < us && us <= stay.endUs);
  const owners = [...new Set(live.map(({ jobId }) => jobId))];
  const set = ownerSetOf(live);
  return {
    ...(owners.length === 1 ? { job_id: owners[0]! } : {}),
    owners: owners.length,
    ...(set === undefined ? {} : { owner_set: ownerSetId(textOfSet(set)) }),
  };
}

/** Rows of `gpu_owner_sets`. */
export function ownerSetRows(stays: readonly TellingOfStay[], uses: readonly MeasuredUse[] = []): Row[] {
  return ownerSetsOf(stays, uses).map(
    ({ startUs, gpu, ownerSet, jobId, share, part, sharing, isScaled }) => ({
      ts: startUs,
      gpu,
      owner_set: ownerSet,
      job_id: jobId,
      ...(Number.isNaN(share) ? {} : { share }),
      part,
      sharing,
      scaled: isScaled ? 1 : 0,
    }),
  );
}
