import { quoteText } from '../../schemas/tables.ts';
import type { TellingOfStay } from '../core/jobs/device-parts.ts';
import { ask, type Asked } from './query-cells.ts';
import { quoteTime } from './sql-text.ts';

/** Their names are written into the query. */
export const DEVICES_PER_QUERY_MAX = 200;

/** Epoch µs. */
interface Span {
  readonly fromUs: number;
  readonly toUs: number;
}

/** Everybody's stays on at most `DEVICES_PER_QUERY_MAX` devices that touch (fromUs, toUs]. @throws what `ask` throws */
export async function readStays(
  db: Asked,
  gpus: readonly string[],
  { fromUs, toUs }: Span,
): Promise<TellingOfStay[]> {
  const until = toUs === Infinity ? '' : ` AND ts < ${quoteTime(toUs)}`;
  const rows = await ask(
    db,
    'SELECT gpu, job_id, cast(ts AS LONG) AS start_us, cast(end_ts AS LONG) AS end_us, share FROM gpu_ownership' +
      ` WHERE gpu IN (${gpus.map(quoteText).join(', ')})${until} AND (end_ts IS NULL OR end_ts > ${quoteTime(fromUs)})`,
  );
  return rows.map((row) => ({
    gpu: row.text('gpu') ?? '',
    jobId: row.text('job_id') ?? '',
    startUs: row.number('start_us')!,
    endUs: row.number('end_us') ?? Infinity,
    share: row.number('share'),
  }));
}
