import type { LateJob } from '../ownership/scheduler.ts';
import { quoteText } from '../../schemas/tables.ts';
import type { QuestDb } from '../questdb/http.ts';
import { JOBS_PER_QUERY_MAX, readJobRows, withMergedJobs } from '../questdb/rows/merged-jobs.ts';
import type { Tell } from '../core/base/notice.ts';
import { withBisect } from '../delivery/with-bisect.ts';
import { toldOnly } from '../disk/dead-letter.ts';
import { createSmallTables } from '../questdb/rows/small-tables.ts';

interface SyncOutcome {
  readonly writtenRows: number;
  /** Jobs that have no GPU, or of which nobody here has heard. */
  readonly skippedJobs: number;
  readonly isAllWritten: boolean;
}

/** Upserts into `jobs` what the scheduler knows. It knows no devices: ownership comes from the hooks alone. */
export async function syncJobs(db: QuestDb, jobs: readonly LateJob[], tell: Tell): Promise<SyncOutcome> {
  const ids = [...new Set(jobs.map(({ record }) => record.jobId))];
  const stored = await readJobRows(
    db,
    jobs.map(({ record }) => record),
  );
  const owners = await readOwners(db, ids);
  const isOurs = ({ record, hasGpus }: LateJob): boolean =>
    hasGpus === true || stored.has(record.jobId) || owners.has(record.jobId);
  const rows = jobs.filter(isOurs).map(({ record }) => record);
  const small = createSmallTables(withBisect(db, toldOnly(tell), tell), tell);
  const isAllWritten = rows.length === 0 || (await withMergedJobs(db, small, tell).writeJobs(rows));
  return {
    writtenRows: isAllWritten ? rows.length : 0,
    skippedJobs: jobs.length - rows.length,
    isAllWritten,
  };
}

async function readOwners(db: QuestDb, ids: readonly string[]): Promise<Set<string>> {
  const owners = new Set<string>();
  for (let from = 0; from < ids.length; from += JOBS_PER_QUERY_MAX) {
    const list = ids
      .slice(from, from + JOBS_PER_QUERY_MAX)
      .map(quoteText)
      .join(', ');
    const { rows } = await db.exec(`SELECT DISTINCT job_id FROM gpu_ownership WHERE job_id IN (${list})`);
    for (const [jobId] of rows) owners.add(String(jobId));
  }
  return owners;
}
