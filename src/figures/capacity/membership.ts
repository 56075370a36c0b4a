import { quoteName, quoteText } from '../../../schemas/tables.ts';
import { quoteTime } from '../sql-text.ts';
import type { CapacityGrouping } from './figures.ts';
import { numberSql, type ReusedId } from './reused-ids.ts';
import type { CapacityWindow } from './window.ts';

/** To which group a row belongs that is of a job, a device and a time. */
export interface Membership {
  readonly by: CapacityGrouping;
  readonly window: CapacityWindow;
  /** At most one cluster is known: ids and nodes need not be told apart by it. */
  readonly isOneCluster: boolean;
  readonly reused: readonly ReusedId[];
  /** Only the devices of this cluster. */
  readonly cluster: string | undefined;
}

/** Rows to be put into groups. */
interface Ungrouped {
  /** `WITH … , `: all that `rows` and `join` need. */
  readonly head: string;
  /** A query with `x_job`, `x_gpu`, `x_node`, `x_cluster`, `x_number` (`jobNumberSql`) and the columns. */
  readonly rows: string;
  readonly columns: readonly string[];
  /** Further joins to `y`, and what is picked of them. */
  readonly join?: string;
  readonly picks?: readonly string[];
}

/**
 * The head of a query whose last table is `z`: the rows with `name` of their group, `cluster` where it is a node's, job,
 * number and `cluster_key`, and the columns and picks.
 */
export function groupedSql(
  of: Membership,
  { head, rows, columns, join = '', picks = [] }: Ungrouped,
): string {
  const { by, isOneCluster, cluster } = of;
  // A device is of one cluster: what its samples do not say, since they are older than that was told, it says itself.
  const known = 'coalesce(x.x_cluster, d.device_cluster)';
  const key = isOneCluster ? "''" : "coalesce(x.x_cluster, d.device_cluster, '')";
  const kept = ['x_job', 'x_gpu', 'x_node', 'x_number', ...columns].map(
    (column) => `x.${column} AS ${column}`,
  );
  const passed = ['x_job', 'x_number', 'cluster_key', ...columns].map((column) => `y.${column} AS ${column}`);
  const where = cluster === undefined ? '' : ` WHERE y.y_cluster = ${quoteText(cluster)}`;
  const named = nameSql(of);
  return (
    `${head}${groupsSql(of)}x AS (${rows}),` +
    ` y AS (SELECT ${kept.join(', ')}, ${known} AS y_cluster, ${key} AS cluster_key FROM x LEFT JOIN d ON d.device = x.x_gpu),` +
    ` z AS (SELECT ${named.name} AS name, ${by === 'node' ? 'y.y_cluster' : "''"} AS cluster, ${[...passed, ...picks].join(', ')}` +
    ` FROM y${named.join}${join}${where})`
  );
}

/** Which of the jobs that had an id one after the other. */
export function jobNumberSql(of: Membership, job: string, cluster: string, ts: string, stepUs = 1): string {
  return numberSql(of.reused, job, cluster, ts, stepUs);
}

/** `d`: the cluster of each device; `g`, `b`: what each job or device belongs to. */
function groupsSql(of: Membership): string {
  const { by, window } = of;
  const [from, to] = [quoteTime(window.fromUs), quoteTime(window.toUs)];
  const devices = `d AS (SELECT gpu AS device, last_not_null(cluster) AS device_cluster FROM gpu_inventory WHERE ts < ${to} GROUP BY gpu), `;
  switch (by) {
    case 'user':
    case 'account':
    case 'partition': {
      // As STRING: QuestDB 9.3.4 returns rubbish for a VARCHAR that went through an aggregate, a join and a GROUP BY.
      const told = (key: string, number: string, condition: string): string =>
        `SELECT member, member_cluster, member_number, last_not_null(told) AS group_name FROM (SELECT job_id AS member, ${key} AS member_cluster,` +
        ` ${number} AS member_number, cast(${quoteName(by)} AS STRING) AS told FROM jobs WHERE ts < ${to} AND (end_ts IS NULL OR end_ts >= ${from})${condition})` +
        ' GROUP BY member, member_cluster, member_number';
      const key = of.isOneCluster ? "''" : "coalesce(cluster, '')";
      const unknown = of.isOneCluster
        ? ''
        : `b AS (${told("''", '0', ` AND cluster IS NULL${withoutReused(of)}`)}), `;
      return `${devices}g AS (${told(key, jobNumberSql(of, 'job_id', 'cluster', 'ts'), '')}), ${unknown}`;
    }
    case 'model':
      return `${devices}g AS (SELECT gpu AS member, last_not_null(model) AS group_name FROM gpu_inventory GROUP BY gpu), `;
    case 'node':
    case 'cluster':
      return devices;
  }
}

/** A job whose cluster nobody has told may be any cluster's, as long as the id is of one job only. */
function withoutReused({ reused }: Membership): string {
  if (reused.length === 0) return '';
  return ` AND NOT job_id IN (${[...new Set(reused.map(({ jobId }) => quoteText(jobId)))].join(', ')})`;
}

/** How the group of `y` is found, and its name. */
function nameSql({ by, isOneCluster }: Membership): { readonly join: string; readonly name: string } {
  switch (by) {
    case 'user':
    case 'account':
    case 'partition': {
      const join =
        ' LEFT JOIN g ON g.member = y.x_job AND g.member_cluster = y.cluster_key AND g.member_number = y.x_number';
      return isOneCluster
        ? { join, name: 'g.group_name' }
        : { join: `${join} LEFT JOIN b ON b.member = y.x_job`, name: 'coalesce(g.group_name, b.group_name)' };
    }
    case 'model':
      return { join: ' LEFT JOIN g ON g.member = y.x_gpu', name: 'g.group_name' };
    case 'node':
      return { join: '', name: 'y.x_node' };
    case 'cluster':
      return { join: '', name: 'y.y_cluster' };
  }
}
