import { quoteText } from '../../schemas/tables.ts';
import type { TellingOfStay } from '../core/jobs/device-parts.ts';
import { ask, type Asked } from './query-cells.ts';
import { quoteTime } from './sql-text.ts';

/** Their names are written into the query. */
export const DEVICES_PER_QUERY_MAX = 200;

/**
 * Everybody's stays on these devices that touch (fromUs, toUs], epoch µs: who shared them with whom. Some devices at a time,
 * all stays of a device at once.
 * @throws what `ask` throws
 */
export async function* readStays(
  db: Asked,
  gpus: readonly string[],
  { fromUs, toUs }: { readonly fromUs: number; readonly toUs: number },
): AsyncGenerator<TellingOfStay[]> {
  for (let from = 0; from < gpus.length; from += DEVICES_PER_QUERY_MAX) {
    const some = gpus.slice(from, from + DEVICES_PER_QUERY_MAX).map(quoteText);
    const rows = await ask(
      db,
      'SELECT gpu, job_id, cast(ts AS LONG) AS start_us, cast(end_ts AS LONG) AS end_us, share, source FROM gpu_ownership' +
        ` WHERE gpu IN (${some.join(', ')}) AND ts < ${quoteTime(toUs)} AND (end_ts IS NULL OR end_ts > ${quoteTime(fromUs)})`,
    );
    yield rows.map((row) => ({
      gpu: row.text('gpu') ?? '',
      jobId: row.text('job_id') ?? '',
      startUs: row.number('start_us')!,
      endUs: row.number('end_us') ?? Infinity,
      share: row.number('share'),
      source: row.text('source'),
    }));
  }
}
