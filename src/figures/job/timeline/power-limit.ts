import { quoteName } from '../../../../schemas/tables.ts';
import { findField } from '../../../core/fields/find-field.ts';
import type { Lane } from '../../../core/fields/lane.ts';
import { keptLanes } from '../../levels.ts';
import type { Asked } from '../../query-cells.ts';
import { recordedLanes } from '../../recorded-lanes.ts';
import { askOwn } from '../rows/ask-labelled.ts';
import { jobSegments } from '../rows/job-segments.ts';
import type { SummedJob } from '../rows/summed-job.ts';

/** DCGM field of the power limit in force. */
const POWER_LIMIT_FIELD_ID = 164;

/**
 * The lowest power limit that was in force on any device of a job, watts; undefined where no lane holds it.
 * @throws what `ask` throws
 */
export async function powerLimitOf(
  db: Asked,
  lanes: readonly Lane[],
  { job }: Pick<SummedJob, 'job'>,
): Promise<number | undefined> {
  const column = findField(POWER_LIMIT_FIELD_ID)!.column;
  const holders = (await recordedLanes(db, lanes)).filter(({ fields }) =>
    fields.some(({ id }) => id === POWER_LIMIT_FIELD_ID),
  );
  // No table would be none of SQL's lists.
  if (holders.length === 0) return undefined;
  const kept = await keptLanes(
    db,
    holders.map(({ table }) => table),
  );
  const lowest = kept.map(async (lane) => {
    const { groups } = jobSegments(lane, job);
    const rows = await askOwn(db, job, groups, ({ level, columns }) => {
      const name = level === 'raw' ? column : `${column}_min`;
      const lowest = columns.has(name) ? `s.${quoteName(name)}` : 'cast(null AS DOUBLE)';
      return { isPooled: true, keys: [], picks: [`min(${lowest}) AS lowest`] };
    });
    return rows.flatMap((row) => row.number('lowest') ?? []);
  });
  const all = (await Promise.all(lowest)).flat();
  return all.length === 0 ? undefined : Math.min(...all);
}
