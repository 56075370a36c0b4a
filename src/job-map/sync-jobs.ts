import type { JobRecord } from '../core/jobs/job-fact.ts';
import { quoteText } from '../../schemas/tables.ts';
import type { SlurmJob } from '../../schemas/slurm-jobs.ts';
import type { QuestDb } from '../questdb/http.ts';
import { readJobRows, withMergedJobs } from '../questdb/rows/merged-jobs.ts';
import { createSmallTables } from '../questdb/rows/small-tables.ts';

export interface SyncOutcome {
  readonly writtenRows: number;
  /** Jobs that have no GPU, or of which nobody here has heard. */
  readonly skippedJobs: number;
  readonly isAllWritten: boolean;
}

/** The scheduler tells whole seconds, the hooks their own moment: the stored start within this time is the same one. */
const SAME_START_US = 600 * 1e6;
const IDS_PER_QUERY = 256;

/** Upserts into `jobs` what the scheduler knows. It knows no devices: ownership comes from the hooks alone. */
export async function syncJobs(db: QuestDb, jobs: readonly SlurmJob[]): Promise<SyncOutcome> {
  const ids = [...new Set(jobs.map(({ record }) => record.jobId))];
  const stored = await readJobRows(db, ids);
  const owners = await readOwners(db, ids);
  const isOurs = ({ record, hasGpus }: SlurmJob): boolean =>
    hasGpus === true || stored.has(record.jobId) || owners.has(record.jobId);
  const rows = jobs.filter(isOurs).map(({ record }) => withStoredRun(record, stored.get(record.jobId) ?? []));
  const isAllWritten = rows.length === 0 || (await withMergedJobs(db, createSmallTables(db)).writeJobs(rows));
  return {
    writtenRows: isAllWritten ? rows.length : 0,
    skippedJobs: jobs.length - rows.length,
    isAllWritten,
  };
}

/** Accounting does not number the runs of a requeued job; the hooks do. */
function withStoredRun(record: JobRecord, stored: readonly JobRecord[]): JobRecord {
  const gapUs = (row: JobRecord): number => Math.abs(row.startUs - record.startUs);
  const nearest = [...stored].sort((a, b) => gapUs(a) - gapUs(b))[0];
  return nearest !== undefined && gapUs(nearest) <= SAME_START_US ? { ...record, run: nearest.run } : record;
}

async function readOwners(db: QuestDb, ids: readonly string[]): Promise<Set<string>> {
  const owners = new Set<string>();
  for (let from = 0; from < ids.length; from += IDS_PER_QUERY) {
    const list = ids
      .slice(from, from + IDS_PER_QUERY)
      .map(quoteText)
      .join(', ');
    const { rows } = await db.exec(`SELECT DISTINCT job_id FROM gpu_ownership WHERE job_id IN (${list})`);
    for (const [jobId] of rows) owners.add(String(jobId));
  }
  return owners;
}
