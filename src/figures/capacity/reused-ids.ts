import { quoteText } from '../../../schemas/tables.ts';
import { CLOCK_SKEW_US_MAX, differ, jobsOf, type Job } from '../../core/jobs/job-runs.ts';
import { UNRESOLVED_JOB_ID } from '../../core/jobs/label.ts';
import { clusterOf, jobIdOf } from '../job/bearers.ts';
import { readTold, type Told } from '../job/told-runs.ts';
import { floorTo, STEP_US, type Segment } from '../levels.ts';
import { ask, type Asked } from '../query-cells.ts';
import { quoteTime } from '../sql-text.ts';
import type { CapacityWindow } from './window.ts';

/** An id that several jobs of one cluster had, one after the other. */
export interface ReusedId {
  readonly jobId: string;
  /** Undefined where all of them are of one, or nobody told of any. */
  readonly cluster: string | undefined;
  /** Each of them but the first, ascending. */
  readonly later: readonly LaterJob[];
}

interface LaterJob {
  /** Where it begins, epoch µs. */
  readonly startUs: number;
  /** The last end that was told of the one before; Infinity where nobody told. */
  readonly beforeUs: number;
}

/** A later job may begin in the same bucket of any rollup. */
const CLOSE_US_MAX = STEP_US['1d'];
/** Moments that are read from finer buckets: each costs the minutes of an hour and the hours of a day. */
const CLOSE_COUNT_MAX = 12;

/** Moments at which a bucket may hold time of two jobs of one id, as many as are read from finer ones. */
export function closeStarts(ids: readonly ReusedId[]): readonly number[] {
  const close = ids.flatMap(({ later }) =>
    later.filter(({ startUs, beforeUs }) => startUs - beforeUs < CLOSE_US_MAX),
  );
  return [...new Set(close.map(({ startUs }) => startUs))].slice(0, CLOSE_COUNT_MAX);
}

/**
 * How many of the ids were given again within a bucket that is read, which is then all taken for the later job's: finer ones have
 * aged out, or such moments were too many.
 */
export function mixedIds(ids: readonly ReusedId[], segments: readonly Segment[]): number {
  const rollups = segments.filter(({ level }) => level !== 'raw');
  const isMixed = ({ startUs, beforeUs }: LaterJob): boolean =>
    rollups.some(
      ({ level, spans }) =>
        floorTo(startUs, level) <= beforeUs &&
        spans.some(({ fromUs, toUs }) => fromUs <= startUs && startUs < toUs),
    );
  return ids.filter(({ later }) => later.some(isMixed)).length;
}

/**
 * The ids that were given again within the window.
 * @param isById clusters are not told apart: there is at most one
 * @param only the cluster that is asked about; all when undefined
 */
export async function reusedIds(
  db: Asked,
  window: CapacityWindow,
  isById: boolean,
  only: string | undefined,
): Promise<ReusedId[]> {
  const rows = await ask(db, candidatesSql(window, isById));
  const ids = rows.map((row) => row.text('job_id') ?? '').filter((id) => id !== UNRESOLVED_JOB_ID);
  const told = jobsOf(await readTold(db, { ids, apart: [], sql: undefined }));
  const jobs = told.filter((job) => !differ(clusterOf(job), only));
  return [...Map.groupBy(jobs, jobIdOf)].flatMap(([jobId, own]) => {
    const clusters = new Set(own.map(clusterOf));
    // An id of one cluster alone: rows that do not know theirs are of it, too.
    const isOne = isById || clusters.size === 1;
    return (isOne ? [undefined] : [...clusters]).flatMap((cluster) => {
      const spans = spansOf(own.filter((job) => isOne || clusterOf(job) === cluster));
      const later = spans
        .map(({ startUs }, index) => ({ startUs, beforeUs: spans[index - 1]?.endUs ?? -Infinity }))
        .slice(1)
        .filter(({ startUs }) => startUs > window.fromUs && startUs < window.toUs);
      return later.length === 0 ? [] : [{ jobId, cluster, later }];
    });
  });
}

/** From the start of its first run to the last end that was told of any, ascending. */
function spansOf(jobs: readonly Job<Told>[]): { startUs: number; endUs: number }[] {
  return jobs
    .map(({ runs }) => ({
      startUs: runs[0]!.told.startUs,
      endUs: Math.max(...runs.map(({ told }) => told.endUs ?? Infinity)),
    }))
    .sort((a, b) => a.startUs - b.startUs);
}

/** Ids of which more was told than one run can begin at: requeues too, which the one rule then tells apart. */
function candidatesSql({ fromUs, toUs }: CapacityWindow, isById: boolean): string {
  const [from, to] = [quoteTime(fromUs), quoteTime(toUs)];
  const told = ['jobs', 'gpu_ownership'].map(
    (table) =>
      `SELECT ts, cluster, job_id FROM ${table} WHERE ts < ${to} AND (end_ts IS NULL OR end_ts >= ${from})`,
  );
  const key = isById ? 'job_id' : 'job_id, cluster';
  return (
    `SELECT DISTINCT job_id FROM (SELECT ${key}, min(ts) AS first_ts, max(ts) AS last_ts FROM (${told.join(' UNION ALL ')}) GROUP BY ${key})` +
    ` WHERE cast(last_ts AS LONG) - cast(first_ts AS LONG) > ${CLOCK_SKEW_US_MAX}`
  );
}

/** Characters that the numbers of reused ids may take in a query, several times over, as it travels in a URL. */
const SQL_LENGTH_MAX = 3000;

/** As many of the ids as a query can hold, and how many are left. */
export function asManyAsFit(ids: readonly ReusedId[]): {
  readonly ids: readonly ReusedId[];
  readonly left: number;
} {
  let length = 0;
  const fitting = ids.filter(
    (id) =>
      (length += encodeURIComponent(whenSql(id, 'p.job_id', 'p.cluster', 'p.ts', 1)).length) <=
      SQL_LENGTH_MAX,
  );
  return { ids: fitting, left: ids.length - fitting.length };
}

/**
 * Which of the jobs that had the id a row is of, counted from 0: by its time.
 * @param cluster as the row knows it @param stepUs rows are of that much time from `ts` on: those of the period in which a
 * job begins are all taken for its own
 */
export function numberSql(
  ids: readonly ReusedId[],
  job: string,
  cluster: string,
  ts: string,
  stepUs: number,
): string {
  if (ids.length === 0) return '0';
  return `CASE ${ids.map((id) => whenSql(id, job, cluster, ts, stepUs)).join(' ')} ELSE 0 END`;
}

function whenSql(
  { jobId, cluster: of, later }: ReusedId,
  job: string,
  cluster: string,
  ts: string,
  stepUs: number,
): string {
  const here = of === undefined ? '' : ` AND ${cluster} = ${quoteText(of)}`;
  const begun = later.map(
    ({ startUs }) =>
      `CASE WHEN ${ts} >= ${quoteTime(Math.floor(startUs / stepUs) * stepUs)} THEN 1 ELSE 0 END`,
  );
  return `WHEN ${job} = ${quoteText(jobId)}${here} THEN ${begun.join(' + ')}`;
}
