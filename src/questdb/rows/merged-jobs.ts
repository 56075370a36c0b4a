import { OperatingError } from '../../core/base/errors.ts';
import type { JobRecord } from '../../core/jobs/job-fact.ts';
import type { Tell } from '../../core/base/notice.ts';
import { mergeJob } from '../../core/jobs/merge-job.ts';
import { quoteText } from '../../../schemas/tables.ts';
import type { QuestDb } from '../http.ts';
import type { SmallTables } from './small-tables.ts';

/** Jobs asked for in one query: its text stays below 100 KiB even with the longest ids. */
export const JOBS_PER_QUERY_MAX = 256;

/**
 * The same tables, but rows of `jobs` are first brought together with what is stored of the same run, whoever wrote it:
 * a job has one row, whole, under one start.
 */
export function withMergedJobs(db: QuestDb, tables: SmallTables, tell?: Tell): SmallTables {
  return {
    ...tables,
    async writeJobs(rows) {
      let merged: JobRecord[];
      try {
        const stored = await readJobRows(
          db,
          rows.map((row) => row.jobId),
        );
        merged = rows.map((row) => mergeJob(stored.get(row.jobId) ?? [], row));
      } catch (thrown) {
        if (!(thrown instanceof OperatingError)) throw thrown;
        tell?.({
          level: 'warn',
          code: 'small_table.held',
          sentence: `jobs: ${rows.length} rows wait: ${thrown.message}`,
        });
        return false;
      }
      return await tables.writeJobs(merged);
    },
  };
}

/** Every stored row of these jobs, by job id. */
export async function readJobRows(db: QuestDb, jobIds: readonly string[]): Promise<Map<string, JobRecord[]>> {
  const distinct = [...new Set(jobIds)];
  const found = new Map<string, JobRecord[]>();
  for (let from = 0; from < distinct.length; from += JOBS_PER_QUERY_MAX) {
    const list = distinct
      .slice(from, from + JOBS_PER_QUERY_MAX)
      .map(quoteText)
      .join(', ');
    const { rows } = await db.exec(
      'SELECT job_id, run, cast(ts AS LONG), cast(end_ts AS LONG), name, "user", account, "partition", qos,' +
        ` array_job_id, array_task_id, het_job_id, nodes, gpus, state, exit_code FROM jobs WHERE job_id IN (${list})`,
    );
    for (const row of rows) {
      const record = jobOf(row);
      found.set(record.jobId, [...(found.get(record.jobId) ?? []), record]);
    }
  }
  return found;
}

function jobOf(row: readonly unknown[]): JobRecord {
  const [jobId, run, startUs, endUs, name, user, account, partition, qos, ...rest] = row;
  const [arrayJobId, arrayTaskId, hetJobId, nodes, gpus, state, exitCode] = rest;
  const cells = {
    endUs,
    name,
    user,
    account,
    partition,
    qos,
    arrayJobId,
    arrayTaskId,
    hetJobId,
    nodes,
    gpus,
    state,
    exitCode,
  };
  const known = Object.entries(cells).filter(([, cell]) => cell !== null && cell !== undefined);
  return {
    ...Object.fromEntries(known),
    jobId: String(jobId),
    run: Number(run ?? 0),
    startUs: Number(startUs),
  };
}
