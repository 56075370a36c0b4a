import { timestampUs } from '../../../schemas/questdb-reply.ts';
import { quoteText } from '../../../schemas/tables.ts';
import type { JobFact } from '../../core/jobs/job-fact.ts';
import type { QuestDb } from '../http.ts';

/** How long an ownership may last and still be found by its start. */
const LONGEST_JOB_US = 40 * 24 * 3600 * 1e6;

/**
 * What `gpu_ownership` has of these devices since `sinceUs` (epoch µs), as the facts that it was made of, oldest first.
 * An interval that is open has a start only.
 */
export async function readStoredOwnership(
  db: QuestDb,
  gpus: readonly string[],
  sinceUs: number,
): Promise<JobFact[]> {
  if (gpus.length === 0) return [];
  const from = Math.floor(sinceUs);
  const { rows } = await db.exec(
    `SELECT ts, end_ts, node, gpu, job_id, run, share, source FROM gpu_ownership` +
      ` WHERE gpu IN (${gpus.map(quoteText).join(', ')})` +
      ` AND ts > cast(${Math.floor(from - LONGEST_JOB_US)} AS timestamp)` +
      ` AND (end_ts IS NULL OR end_ts > cast(${from} AS timestamp)) ORDER BY ts`,
  );
  return rows.flatMap(([ts, end, node, gpu, jobId, run, share, source]) => {
    const fact: JobFact = {
      kind: 'start',
      atUs: timestampUs(ts),
      node: textOf(node),
      gpu: textOf(gpu),
      jobId: textOf(jobId),
      run: Number(run ?? 0),
      share: typeof share === 'number' ? share : NaN,
      source: textOf(source),
    };
    return end === null ? [fact] : [fact, { ...fact, kind: 'end' as const, atUs: timestampUs(end) }];
  });
}

function textOf(cell: unknown): string {
  return typeof cell === 'string' ? cell : '';
}
