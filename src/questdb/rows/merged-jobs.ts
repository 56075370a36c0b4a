import { OperatingError } from '../../core/base/errors.ts';
import type { JobRecord } from '../../core/jobs/job-fact.ts';
import type { Tell } from '../../core/base/notice.ts';
import { mergeJob } from '../../core/jobs/merge-job.ts';
import { quoteText } from '../../../schemas/tables.ts';
import type { QuestDb } from '../http.ts';
import { JOB_US_MAX } from '../reads/stored-ownership.ts';
import type { SmallTables } from './small-tables.ts';

/** Jobs asked for in one query. */
const JOBS_PER_QUERY_MAX = 1000;
/** The text of a query is part of its address: the ids in it, as they are written there. */
const LIST_CHARACTERS_MAX = 60_000;

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
        merged = mergeAll(await readJobRows(db, rows), rows);
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

/** One row a run: a row that others of the same call add to is written once, with all of them. */
function mergeAll(stored: Map<string, JobRecord[]>, fresh: readonly JobRecord[]): JobRecord[] {
  const merged = new Set<JobRecord>();
  for (const one of fresh) {
    const before = stored.get(one.jobId) ?? [];
    const row = mergeJob(before, one);
    const others = before.filter(
      ({ startUs, cluster }) => startUs !== row.startUs || cluster !== row.cluster,
    );
    for (const replaced of before) if (!others.includes(replaced)) merged.delete(replaced);
    merged.add(row);
    stored.set(one.jobId, [...others, row]);
  }
  return [...merged];
}

/**
 * The stored rows of these jobs, by job id: of their clusters, and those of which nobody knew the cluster. What began long
 * before is of other jobs under their ids.
 */
export async function readJobRows(
  db: QuestDb,
  jobs: readonly Pick<JobRecord, 'cluster' | 'jobId' | 'startUs'>[],
): Promise<Map<string, JobRecord[]>> {
  const clusters = new Set(jobs.map(({ cluster }) => cluster));
  const ofThem = clusters.has(undefined)
    ? ''
    : ` AND (cluster IS NULL OR cluster IN (${[...clusters].map((cluster) => quoteText(cluster!)).join(', ')}))`;
  const found = new Map<string, JobRecord[]>();
  const sinceUs = Math.floor(Math.min(...jobs.map(({ startUs }) => startUs)) - JOB_US_MAX);
  for (const list of idLists(jobs.map(({ jobId }) => jobId))) {
    const { rows } = await db.exec(
      'SELECT job_id, run, cast(ts AS LONG), cast(end_ts AS LONG), cluster, cast(submit_ts AS LONG), sluid, name,' +
        ' "user", account, "partition", qos, array_job_id, array_task_id, het_job_id, nodes, gpus, state, exit_code' +
        ` FROM jobs WHERE job_id IN (${list}) AND ts > cast(${sinceUs} AS timestamp)${ofThem}`,
    );
    for (const row of rows) {
      const record = jobOf(row);
      found.set(record.jobId, [...(found.get(record.jobId) ?? []), record]);
    }
  }
  return found;
}

/** The ids as lists for SQL, each with as many of them as a query may have. */
export function idLists(jobIds: readonly string[]): string[] {
  const lists: string[] = [];
  let ids: string[] = [];
  let characters = 0;
  for (const id of new Set(jobIds)) {
    const text = quoteText(id);
    const length = encodeURIComponent(text).length;
    if (ids.length === JOBS_PER_QUERY_MAX || characters + length > LIST_CHARACTERS_MAX) {
      lists.push(ids.join(', '));
      [ids, characters] = [[], 0];
    }
    ids.push(text);
    characters += length;
  }
  return ids.length === 0 ? lists : [...lists, ids.join(', ')];
}

function jobOf(row: readonly unknown[]): JobRecord {
  const [jobId, run, startUs, endUs, cluster, submitUs, sluid, name, user, ...rest] = row;
  const [account, partition, qos, arrayJobId, arrayTaskId, hetJobId, nodes, gpus, state, exitCode] = rest;
  const cells = {
    ...{ run, endUs, cluster, submitUs, sluid, name, user, account, partition, qos },
    ...{ arrayJobId, arrayTaskId, hetJobId, nodes, gpus, state, exitCode },
  };
  const known = Object.entries(cells).filter(([, cell]) => cell !== null && cell !== undefined);
  return { ...Object.fromEntries(known), jobId: String(jobId), startUs: Number(startUs) };
}
