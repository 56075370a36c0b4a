import type { OwnerSetMember } from '../../core/jobs/device-parts.ts';
import type { OwnerSetRow } from '../rows/owner-set-rows.ts';
import type { QuestDb } from '../http.ts';

/** Sets asked for in one query: its text stays below 30 KiB. */
const SETS_PER_QUERY_MAX = 1_000;

/**
 * What `gpu_owner_sets` has of these sets; a `part` that it does not tell is NaN.
 * @throws OperatingError when the store does not answer
 */
export async function readOwnerSets(
  db: Pick<QuestDb, 'exec'>,
  sets: readonly Pick<OwnerSetMember, 'ownerSet' | 'startUs'>[],
): Promise<OwnerSetRow[]> {
  const byId = [...new Map(sets.map((set) => [set.ownerSet, set])).values()];
  const found: OwnerSetRow[] = [];
  for (let from = 0; from < byId.length; from += SETS_PER_QUERY_MAX) {
    const some = byId.slice(from, from + SETS_PER_QUERY_MAX);
    const startsUs = some.map(({ startUs }) => startUs);
    const { rows } = await db.exec(
      // A number of 19 digits would lose the last ones on its way.
      'SELECT cast(owner_set AS STRING), cast(ts AS LONG), cluster, gpu, job_id, share, part, sharing, scaled FROM gpu_owner_sets' +
        ` WHERE owner_set IN (${some.map(({ ownerSet }) => ownerSet).join(', ')})` +
        ` AND ts >= cast(${Math.min(...startsUs)} AS TIMESTAMP) AND ts <= cast(${Math.max(...startsUs)} AS TIMESTAMP)`,
    );
    found.push(...rows.map(rowOf));
  }
  return found;
}

function rowOf(cells: readonly unknown[]): OwnerSetRow {
  const [ownerSet, startUs, cluster, gpu, jobId, share, part, sharing, scaled] = cells;
  return {
    ownerSet: String(ownerSet),
    startUs: Number(startUs),
    ...(typeof cluster === 'string' ? { cluster } : {}),
    gpu: String(gpu),
    jobId: String(jobId),
    share: share === null ? NaN : Number(share),
    part: part === null ? NaN : Number(part),
    sharing: sharing as OwnerSetRow['sharing'],
    isScaled: scaled === 1,
  };
}
