import { quoteText } from '../../../schemas/tables.ts';
import { UNRESOLVED_JOB_ID } from '../../core/jobs/label.ts';
import type { CapacityPeriod } from './figures.ts';
import {
  groupedSql,
  groupKeys,
  isOfNodes,
  jobKeys,
  jobNumberSql,
  ownClusterSql,
  periodOf,
  rowKeys,
  type Membership,
} from './membership.ts';
import { laterPeriods, laterPeriodsSql, nextPeriodSql, periodSql } from './periods.ts';
import type { CapacityWindow } from './window.ts';
import { quoteTime } from '../sql-text.ts';

/** The ownership intervals of jobs that reach into the window, and where in it each begins and ends. */
function staysSql({ fromUs, toUs }: CapacityWindow): Record<'fromSql' | 'startTs' | 'stopUs', string> {
  const [from, to] = [quoteTime(fromUs), quoteTime(toUs)];
  return {
    fromSql:
      `FROM gpu_ownership WHERE ts < ${to} AND (end_ts IS NULL OR (end_ts >= ${from} AND end_ts > ts))` +
      ` AND job_id != ${quoteText(UNRESOLVED_JOB_ID)}`,
    startTs: `CASE WHEN ts < ${from} THEN cast(${from} AS TIMESTAMP) ELSE ts END`,
    stopUs: `CASE WHEN end_ts IS NULL OR end_ts >= ${to} THEN ${toUs - 1} ELSE cast(end_ts AS LONG) END`,
  };
}

/** How many periods later than its first one a stay may reach, within the window: `later`, of the longest. */
export function stayPeriodsSql(of: Membership, period: CapacityPeriod): string {
  const { fromSql, startTs, stopUs } = staysSql(of.window);
  return `SELECT ${laterPeriodsSql(period, startTs, stopUs, of.months)} AS later ${fromSql}`;
}

/** Columns that tell of which job, device and period a row of the table is. */
function picksOf(of: Membership, startTs: string): Readonly<Record<string, string>> {
  const period = periodOf(of);
  return {
    x_job: 'job_id',
    x_gpu: 'gpu',
    x_node: 'node',
    x_cluster: ownClusterSql(of, 'cluster'),
    x_number: jobNumberSql(of, 'job_id', 'cluster', 'ts'),
    ...(period === undefined ? {} : { x_period: periodSql(period, startTs, of.months) }),
  };
}

/**
 * The keys of the stays, each once, in the order of their starts: so it takes less than half the work that it takes in any order, and
 * looking up whose they are half as long, since names lie in memory in the same one. The later periods that a stay reaches into may be
 * another's, too.
 */
function keysSql(of: Membership, keys: readonly string[], later: number): string {
  const period = periodOf(of);
  const { fromSql, startTs, stopUs } = staysSql(of.window);
  const picks = picksOf(of, startTs);
  const select = (some: readonly string[]): string =>
    some.map((key) => `${picks[key]!} AS ${key}, `).join('');
  // The constant keeps the order: without it the server groups the table itself.
  const first = `SELECT ${select(keys)}1 AS stays ${fromSql}`;
  if (period === undefined || later === 0) return `SELECT DISTINCT ${keys.join(', ')} FROM (${first})`;
  const { fromSql: laterSql, startUs } = laterPeriods(period, later, of.months);
  const longer =
    `SELECT ${select(keys.filter((key) => key !== 'x_period'))}${startTs} AS start_ts, ${stopUs} AS stop_us ${fromSql}` +
    ` AND ${nextPeriodSql(period, startTs, of.months)} <= ${stopUs}`;
  const columns = keys.map((key) => `${key === 'x_period' ? startUs : `o.${key}`} AS ${key}`).join(', ');
  return (
    `SELECT DISTINCT ${keys.join(', ')} FROM (${first} UNION ALL SELECT ${columns}, 1 AS stays` +
    ` FROM (${longer}) o CROSS JOIN ${laterSql} WHERE ${startUs} > cast(o.start_ts AS LONG) AND ${startUs} <= o.stop_us)`
  );
}

/**
 * Jobs that owned a device in the window, a row per group, and one for all (`is_all`) where a job may be of several groups.
 * @param later of `stayPeriodsSql`, where it is by periods: as many more of a stay's periods are looked at
 */
export function jobCountsSql(of: Membership, later: number): string {
  const [job, keys] = [jobKeys(of), rowKeys(of, { isByDevice: false, isByJob: true })];
  const isById = job.length === 1;
  const head = groupedSql(of, { head: 'WITH ', keys, rows: keysSql(of, keys, later), columns: [] });
  const groups = groupKeys(of).join(', ');
  const hasNodes = keys.includes('x_node');
  // No row is of a part of what a job has in its group.
  const isOnce = !keys.includes('x_gpu') && (!hasNodes || isOfNodes(of));
  const apart = isOnce || isById ? 'z' : `(SELECT DISTINCT ${[groups, ...job].join(', ')} FROM z)`;
  const count = isById && !isOnce ? 'count_distinct(x_job)' : 'count()';
  const byGroup = `SELECT ${groups}, 0 AS is_all, ${count} AS jobs FROM ${apart} GROUP BY ${groups}`;
  // Each job is in one of the groups: all of them are the sum of the groups'.
  if (isOnce && !hasNodes && periodOf(of) === undefined) return `${head} ${byGroup}`;
  const none = groupKeys(of).map((key) => `${key === 'x_period' ? 'cast(null AS LONG)' : "''"} AS ${key}`);
  const isOfAll = of.cluster === undefined && of.where.length === 0;
  const all =
    isOfAll && (of.isOneCluster || of.areClustersTold)
      ? keysSql(
          { ...of, every: undefined, by: 'cluster', also: [] },
          job.map((key) => (key === 'cluster_key' ? 'x_cluster' : key)),
          0,
        )
      : `SELECT DISTINCT ${job.join(', ')} FROM z`;
  return (
    `${head} SELECT ${groups}, is_all, jobs FROM (${byGroup}` +
    ` UNION ALL SELECT ${none.join(', ')}, 1 AS is_all, count() AS jobs FROM (${all}))`
  );
}
