import { quoteName, quoteText } from '../../../schemas/tables.ts';
import { quoteTime } from '../sql-text.ts';
import { isPeriod, type CapacityGrouping, type CapacityPeriod } from './figures.ts';
import { numberSql, type ReusedId } from './reused-ids.ts';
import type { CapacityWindow } from './window.ts';

/** To which group a row belongs that is of a job, a device and a time. */
export interface Membership {
  readonly by: CapacityGrouping;
  /** A row for each of these periods. */
  readonly every: CapacityPeriod | undefined;
  readonly window: CapacityWindow;
  /** At most one cluster is known: ids and nodes need not be told apart by it. */
  readonly isOneCluster: boolean;
  readonly reused: readonly ReusedId[];
  /** Only the devices of this cluster. */
  readonly cluster: string | undefined;
}

/** Rows to be put into groups. */
interface Ungrouped {
  /** `WITH … , `: all that `rows` needs. */
  readonly head: string;
  /** A query with the keys (`rowKeys`) and the columns. */
  readonly rows: string;
  readonly columns: readonly string[];
}

/** Whether the groups are the jobs' own, wherever they ran. */
export function isOfJobs({ by, cluster }: Membership): boolean {
  return cluster === undefined && (by === 'user' || by === 'account' || by === 'partition' || by === 'qos');
}

/** Whether it matters of which cluster a row is. */
function isOfClusters({ by, isOneCluster, cluster }: Membership): boolean {
  return !isOneCluster || cluster !== undefined || by === 'cluster' || by === 'node';
}

/** The periods that rows are kept apart by. */
export function periodOf({ by, every }: Pick<Membership, 'by' | 'every'>): CapacityPeriod | undefined {
  return every ?? (isPeriod(by) ? by : undefined);
}

/** Columns of `z` that tell groups apart: only a node is named together with its cluster. */
export function groupKeys({ by, every }: Membership): readonly string[] {
  return ['name', ...(by === 'node' ? ['cluster'] : []), ...(every === undefined ? [] : ['x_period'])];
}

/**
 * By these columns rows are kept apart until they are in their groups: as few as will do, since each of them costs.
 * @param isByDevice those of each device by themselves
 */
export function rowKeys(of: Membership, isByDevice: boolean): readonly string[] {
  return [
    'x_job',
    ...(isByDevice || isOfClusters(of) || of.by === 'model' ? ['x_gpu'] : []),
    ...(of.by === 'node' ? ['x_node'] : []),
    ...(isOfClusters(of) ? ['x_cluster'] : []),
    ...(of.reused.length > 0 ? ['x_number'] : []),
    ...(periodOf(of) === undefined ? [] : ['x_period']),
  ];
}

/** Columns of `z` that tell jobs apart. */
export function jobKeys(of: Membership): readonly string[] {
  return [
    'x_job',
    ...(of.isOneCluster ? [] : ['cluster_key']),
    ...(of.reused.length > 0 ? ['x_number'] : []),
  ];
}

/** Which of the jobs that had an id one after the other. */
export function jobNumberSql(of: Membership, job: string, cluster: string, ts: string, stepUs = 1): string {
  return numberSql(of.reused, job, cluster, ts, stepUs);
}

/**
 * The head of a query whose last table is `z`: the rows with the keys of their group (`groupKeys`) and job, and the columns.
 */
export function groupedSql(of: Membership, { head, rows, columns }: Ungrouped): string {
  const named = nameSql(of);
  const periods = of.every === undefined ? [] : ['x_period'];
  const kept = [...jobKeys(of).filter((key) => key !== 'cluster_key'), ...periods, ...columns];
  const passed = (table: string): string =>
    kept.map((column) => `${table}.${column} AS ${column}`).join(', ');
  const start = `${head}${groupsSql(of)}x AS (${rows})`;
  if (!isOfClusters(of))
    return `${start}, z AS (SELECT ${named.name('x')} AS name, ${passed('x')} FROM x${named.join('x')})`;
  // A device is of one cluster: what its samples do not say, since they are older than that was told, it says itself.
  const known = 'coalesce(x.x_cluster, d.device_cluster)';
  const keys = [
    'x_gpu',
    ...(of.by === 'node' ? ['x_node'] : []),
    ...(isPeriod(of.by) ? ['x_period'] : []),
  ].filter((key) => !kept.includes(key));
  const where = of.cluster === undefined ? '' : ` WHERE y.y_cluster = ${quoteText(of.cluster)}`;
  return (
    `${start}, y AS (SELECT ${keys.map((key) => `x.${key} AS ${key}, `).join('')}${passed('x')}, ${known} AS y_cluster, coalesce(${known}, '') AS cluster_key` +
    ' FROM x LEFT JOIN d ON d.device = x.x_gpu),' +
    ` z AS (SELECT ${named.name('y')} AS name, ${of.by === 'node' ? 'y.y_cluster AS cluster, ' : ''}y.cluster_key AS cluster_key, ${passed('y')}` +
    ` FROM y${named.join('y')}${where})`
  );
}

/** `d`: the cluster of each device, where it matters; `g`, `b`: what each job or device belongs to. */
function groupsSql(of: Membership): string {
  const { by, window, isOneCluster, reused } = of;
  const [from, to] = [quoteTime(window.fromUs), quoteTime(window.toUs)];
  const devices = isOfClusters(of)
    ? `d AS (SELECT gpu AS device, last_not_null(cluster) AS device_cluster FROM gpu_inventory WHERE ts < ${to} GROUP BY gpu), `
    : '';
  switch (by) {
    case 'user':
    case 'account':
    case 'partition':
    case 'qos': {
      // The latest row that tells: last_not_null() costs twice as much, and what comes out of it is grouped slowly.
      const told = (keys: Readonly<Record<string, string>>, condition = ''): string => {
        const names = ['member', ...Object.keys(keys)].join(', ');
        return (
          `SELECT ${names}, group_name FROM (SELECT ts, job_id AS member, ${Object.entries(keys)
            .map(([name, key]) => `${key} AS ${name}, `)
            .join('')}${quoteName(by)} AS group_name` +
          ` FROM jobs WHERE ts < ${to} AND (end_ts IS NULL OR end_ts >= ${from}) AND ${quoteName(by)} IS NOT NULL${condition})` +
          ` LATEST ON ts PARTITION BY ${names}`
        );
      };
      const keys = {
        ...(isOneCluster ? {} : { member_cluster: "coalesce(cluster, '')" }),
        ...(reused.length === 0 ? {} : { member_number: jobNumberSql(of, 'job_id', 'cluster', 'ts') }),
      };
      const unknown = isOneCluster ? '' : `b AS (${told({}, ` AND cluster IS NULL${withoutReused(of)}`)}), `;
      return `${devices}g AS (${told(keys)}), ${unknown}`;
    }
    case 'model':
      return `${devices}g AS (SELECT gpu AS member, last_not_null(model) AS group_name FROM gpu_inventory GROUP BY gpu), `;
    case 'node':
    case 'cluster':
    case 'day':
    case 'week':
    case 'month':
      return devices;
  }
}

/** A job whose cluster nobody has told may be any cluster's, as long as the id is of one job only. */
function withoutReused({ reused }: Membership): string {
  if (reused.length === 0) return '';
  return ` AND NOT job_id IN (${[...new Set(reused.map(({ jobId }) => quoteText(jobId)))].join(', ')})`;
}

/** How the group of a row is found, and its name. */
function nameSql({ by, isOneCluster, reused }: Membership): {
  readonly join: (rows: string) => string;
  readonly name: (rows: string) => string;
} {
  switch (by) {
    case 'user':
    case 'account':
    case 'partition':
    case 'qos':
      return {
        join: (rows) =>
          ` LEFT JOIN g ON g.member = ${rows}.x_job` +
          (isOneCluster ? '' : ` AND g.member_cluster = ${rows}.cluster_key`) +
          (reused.length === 0 ? '' : ` AND g.member_number = ${rows}.x_number`) +
          (isOneCluster ? '' : ` LEFT JOIN b ON b.member = ${rows}.x_job`),
        name: () => (isOneCluster ? 'g.group_name' : 'coalesce(g.group_name, b.group_name)'),
      };
    case 'model':
      return { join: (rows) => ` LEFT JOIN g ON g.member = ${rows}.x_gpu`, name: () => 'g.group_name' };
    case 'node':
      return { join: () => '', name: (rows) => `${rows}.x_node` };
    case 'cluster':
      return { join: () => '', name: (rows) => `${rows}.y_cluster` };
    case 'day':
    case 'week':
    case 'month':
      return { join: () => '', name: (rows) => `cast(${rows}.x_period AS STRING)` };
  }
}
