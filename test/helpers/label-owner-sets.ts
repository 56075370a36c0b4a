import { ownerSetsOf, type TellingOfStay } from '../../src/core/jobs/device-parts.ts';
import { ownerSetId, ownerSetOf, textOfSet } from '../../src/core/jobs/owner-set.ts';
import type { QuestDb } from '../../src/questdb/http.ts';
import { readSharedUse } from '../../src/questdb/reads/shared-use.ts';
import { relabelSamples } from '../../src/questdb/rows/relabel-samples.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { quoteTime } from '../../src/figures/sql-text.ts';
import { quoteText } from '../../schemas/tables.ts';

/** Gives the samples of these devices the owner sets that their rows of `gpu_ownership` say, and writes the sets. */
export async function labelOwnerSets(db: QuestDb, table: string, gpus: readonly string[]): Promise<void> {
  const names = gpus.map(quoteText).join(', ');
  const { rows } = await db.exec(
    `SELECT gpu, job_id, cast(ts AS LONG), cast(end_ts AS LONG), share FROM gpu_ownership WHERE gpu IN (${names})`,
  );
  const stays = rows.map(([gpu, jobId, startUs, endUs, share]): TellingOfStay => ({
    gpu: String(gpu),
    jobId: String(jobId),
    startUs: Number(startUs),
    endUs: endUs === null ? Infinity : Number(endUs),
    share: share === null ? NaN : Number(share),
  }));
  await writeSets(db, stays, gpus);
  for (const [gpu, own] of Map.groupBy(stays, (stay) => stay.gpu)) {
    const edgesUs = [...new Set(own.flatMap(({ startUs, endUs }) => [startUs, endUs]))].sort((a, b) => a - b);
    const stretches = edgesUs.slice(1).flatMap((toUs, index) => {
      const fromUs = edgesUs[index]!;
      const live = own.filter((stay) => stay.startUs <= fromUs && stay.endUs >= toUs);
      const set = ownerSetOf(live);
      if (set === undefined) return [];
      const jobIds = [...set.shares.keys()];
      const label = {
        jobId: jobIds.length === 1 ? jobIds[0]! : null,
        owners: jobIds.length,
        ownerSet: ownerSetId(textOfSet(set)),
      };
      return [{ fromUs, toUs, label }];
    });
    if (stretches.length > 0) await relabelSamples(db, table, [{ gpu, stretches }]);
  }
  await waitForVisible(db, table);
}

async function writeSets(
  db: QuestDb,
  stays: readonly TellingOfStay[],
  gpus: readonly string[],
): Promise<void> {
  const uses = await readSharedUse(db, { gpus, fromUs: 0, toUs: Infinity });
  const members = ownerSetsOf(stays, uses).map(
    ({ startUs, gpu, ownerSet, jobId, share, part, sharing, isScaled }) =>
      `(${quoteTime(startUs)}, ${quoteText(gpu)}, ${ownerSet}L, ${quoteText(jobId)}, ${Number.isNaN(share) ? 'null' : share}, ${part}, '${sharing}', ${isScaled ? 1 : 0})`,
  );
  for (let from = 0; from < members.length; from += 100)
    await db.exec(
      'INSERT INTO gpu_owner_sets (ts, gpu, owner_set, job_id, share, part, sharing, scaled) VALUES ' +
        members.slice(from, from + 100).join(', '),
    );
  await waitForVisible(db, 'gpu_owner_sets');
}
