import { quoteText } from '../../../schemas/tables.ts';
import { periodSql } from '../capacity/periods.ts';
import type { Span } from '../levels.ts';
import { ask, type Asked } from '../query-cells.ts';
import { quoteTime } from '../sql-text.ts';
import { WAITS_FOR_GPUS } from '../queue/waits-for-gpus.ts';
import { WEEK_US } from './figures.ts';

const QUEUE_TABLE = 'queue_1m';
/** Of less of a week nobody knows how much waited. */
const ASKED_RATIO_MIN = 0.8;

/**
 * GPU time that waited in the queue, by week (its Monday, epoch µs); weeks in which the queue was asked too seldom have none. Of the
 * time between in which it was not asked what it was on average stands. All have none in a store without the table.
 * @throws what `ask` throws
 */
export async function unmetByWeek(
  db: Asked,
  { fromUs, toUs }: Span,
  cluster: string | undefined,
): Promise<Map<number, number>> {
  const columns = await ask(
    db,
    `SELECT column_name FROM information_schema.columns() WHERE table_name = ${quoteText(QUEUE_TABLE)}`,
  );
  if (columns.length === 0) return new Map();
  // A row without jobs tells that the queue was asked. An answer without it was cut short, and its time is in the next one.
  const waited = `CASE WHEN reason IN (${WAITS_FOR_GPUS.map(quoteText).join(', ')}) THEN cast(jobs AS DOUBLE) * gpus * dt_us END`;
  const answers =
    `SELECT ts, cluster, max(CASE WHEN jobs = 0 THEN 1 ELSE 0 END) AS told, sum(CASE WHEN jobs = 0 THEN dt_us END) AS dt_us,` +
    ` sum(${waited}) AS waited_us FROM ${QUEUE_TABLE} WHERE ts > ${quoteTime(fromUs)} AND ts <= ${quoteTime(toUs)}` +
    `${cluster === undefined ? '' : ` AND cluster = ${quoteText(cluster)}`} GROUP BY ts, cluster`;
  const rows = await ask(
    db,
    `SELECT ${periodSql('week', 'ts', undefined)} AS week_us, cluster, sum(dt_us) AS asked_us, sum(waited_us) AS waited_us` +
      ` FROM (${answers}) WHERE told = 1 GROUP BY week_us, cluster`,
  );
  const weeks = Map.groupBy(rows, (row) => row.number('week_us')!);
  const clusters = new Set(rows.map((row) => row.text('cluster'))).size;
  const unmet = new Map<number, number>();
  for (const [weekUs, own] of weeks) {
    const parts = own.map((row) => {
      const ratio = Math.min(1, (row.number('asked_us') ?? 0) / WEEK_US);
      return ratio < ASKED_RATIO_MIN ? undefined : (row.number('waited_us') ?? 0) / ratio;
    });
    // Of several clusters all have to be known.
    if (parts.length === clusters && parts.every((part) => part !== undefined))
      unmet.set(
        weekUs,
        parts.reduce((sum, part) => sum + part, 0),
      );
  }
  return unmet;
}
