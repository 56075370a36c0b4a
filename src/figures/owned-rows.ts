import { quoteText } from '../../schemas/tables.ts';
import { quoteTime } from './sql-text.ts';

/** What names a row of `gpu_ownership` among those of one job id: a UUID is of one cluster only. */
export interface OwnedRow {
  readonly gpu: string;
  /** Epoch µs. */
  readonly startUs: number;
}

/**
 * A condition on `gpu_ownership` that is true of these rows of a job id and of no other. An id alone does not name a job:
 * other clusters have it too, it is given again, and a run may have no count.
 * @param own one or more
 * @param others all other rows of that id, as far as they are known; undefined where nobody has looked
 */
export function ownedRowsSql(
  jobId: string,
  own: readonly OwnedRow[],
  others: readonly OwnedRow[] | undefined,
): string {
  const starts = own.map(({ startUs }) => startUs);
  const [firstUs, lastUs] = [Math.min(...starts), Math.max(...starts)];
  const bounds = `job_id = ${quoteText(jobId)} AND ts >= ${quoteTime(firstUs)} AND ts <= ${quoteTime(lastUs)}`;
  const rivals = others?.filter(({ startUs }) => startUs >= firstUs && startUs <= lastUs);
  if (rivals?.length === 0) return bounds;
  return rivals !== undefined && rivals.length < own.length
    ? `${bounds} AND NOT (${keysSql(rivals)})`
    : `${bounds} AND (${keysSql(own)})`;
}

/** Most devices of a job begin at one moment, which is then said once. */
function keysSql(rows: readonly OwnedRow[]): string {
  return [...Map.groupBy(rows, ({ startUs }) => startUs)]
    .map(
      ([startUs, at]) =>
        `(ts = ${quoteTime(startUs)} AND gpu IN (${at.map(({ gpu }) => quoteText(gpu)).join(', ')}))`,
    )
    .join(' OR ');
}
