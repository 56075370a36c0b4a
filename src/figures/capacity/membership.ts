import { quoteName, quoteText } from '../../../schemas/tables.ts';
import { quoteTime } from '../sql-text.ts';
import {
  isJobName,
  isPeriod,
  type CapacityFilter,
  type CapacityGrouping,
  type CapacityName,
  type CapacityPeriod,
  type JobName,
} from './figures.ts';
import type { ZoneMonths } from './periods.ts';
import { closeStarts, numberSql, type ReusedId } from './reused-ids.ts';
import type { CapacityWindow } from './window.ts';

/** Of longer windows energy is not told apart by the hour: of many groups, or of many instances, those are too many rows. */
export const BY_HOUR_US_MAX = 100 * 86_400e6;

/** To which group a row belongs that is of a job, a device and a time. */
export interface Membership {
  readonly by: CapacityGrouping;
  /** By what else, in that order. */
  readonly also: readonly CapacityName[];
  /** A row for each of these periods. */
  readonly every: CapacityPeriod | undefined;
  readonly window: CapacityWindow;
  /** At most one cluster is known: ids and nodes need not be told apart by it. */
  readonly isOneCluster: boolean;
  /** Every row that is read says its cluster: nothing has to be looked up for it. */
  readonly areClustersTold: boolean;
  /** No row is of a job: the names of none are looked up. */
  readonly isOfNoJob?: boolean;
  readonly reused: readonly ReusedId[];
  /** Only the devices of this cluster. */
  readonly cluster: string | undefined;
  /** Only what fits all of these. */
  readonly where: readonly CapacityFilter[];
  /** Where rows are of months by other clocks than UTC. */
  readonly months: ZoneMonths | undefined;
}

/** Rows to be put into groups. */
interface Ungrouped {
  /** `WITH … , `: all that `rows` needs. */
  readonly head: string;
  /** Of `rowKeys`; without the period where that is told later, of one of the columns. */
  readonly keys: readonly string[];
  /** A query with the keys and the columns. */
  readonly rows: string;
  readonly columns: readonly string[];
}

/** All by which rows are told apart or chosen, each once. */
function namesOf({ by, also, where }: Pick<Membership, 'by' | 'also' | 'where'>): readonly CapacityName[] {
  return [...new Set([...(isPeriod(by) ? [] : [by]), ...also, ...where.map((filter) => filter.by)])];
}

function isTold(of: Membership, name: CapacityName): boolean {
  return namesOf(of).includes(name);
}

/** Whether a node is one of the names of a group: then its cluster is, too. */
export function isOfNodes({ by, also }: Pick<Membership, 'by' | 'also'>): boolean {
  return by === 'node' || also.includes('node');
}

/** Whether only some jobs are asked about. */
export function isOfSomeJobs({ where }: Pick<Membership, 'where'>): boolean {
  return where.some(({ by }) => isJobName(by));
}

/** Whether it matters of which job a row is, to find its group. */
export function isOfJobNames(of: Pick<Membership, 'by' | 'also' | 'where' | 'isOfNoJob'>): boolean {
  return of.isOfNoJob !== true && namesOf(of).some(isJobName);
}

/** Whether it matters of which cluster a row is. */
function isOfClusters(of: Membership): boolean {
  const { isOneCluster, cluster } = of;
  return !isOneCluster || cluster !== undefined || isTold(of, 'cluster') || isOfNodes(of);
}

/** Whether a row's cluster may be that of its device alone. */
function isOfUntoldClusters(of: Membership): boolean {
  return isOfClusters(of) && !of.areClustersTold;
}

/** The periods that rows are kept apart by. */
export function periodOf({
  by,
  every,
}: {
  readonly by: CapacityGrouping;
  readonly every?: CapacityPeriod | undefined;
}): CapacityPeriod | undefined {
  return every ?? (isPeriod(by) ? by : undefined);
}

/** Column of one of the further names. */
export function alsoColumn(index: number): string {
  return `name_${index + 1}`;
}

/** Columns of `z` that tell groups apart: only a node is named together with its cluster. */
export function groupKeys(of: Membership): readonly string[] {
  return [
    'name',
    ...of.also.map((_, index) => alsoColumn(index)),
    ...(isOfNodes(of) ? ['cluster'] : []),
    ...(of.every === undefined ? [] : ['x_period']),
  ];
}

/**
 * By these columns rows are kept apart until they are in their groups: as few as will do, since each of them costs.
 * @param apart those of each device, those of each job by themselves
 */
export function rowKeys(
  of: Membership,
  { isByDevice, isByJob }: { readonly isByDevice: boolean; readonly isByJob: boolean },
): readonly string[] {
  return [
    ...(isByJob ? ['x_job'] : []),
    ...(isByDevice || isOfUntoldClusters(of) || isTold(of, 'model') ? ['x_gpu'] : []),
    ...(isTold(of, 'node') ? ['x_node'] : []),
    ...(isOfClusters(of) ? ['x_cluster'] : []),
    ...(isByJob && of.reused.length > 0 ? ['x_number'] : []),
    ...(periodOf(of) === undefined ? [] : ['x_period']),
  ];
}

/** Moments that no bucket may hold: where a job of an id follows another one, and where a month begins by other clocks. */
export function dividingUs({ reused, months }: Pick<Membership, 'reused' | 'months'>): readonly number[] {
  return [...closeStarts(reused), ...(months?.startsUs.slice(1) ?? [])];
}

/** Columns of `z` that tell jobs apart. */
export function jobKeys(of: Membership): readonly string[] {
  return [
    'x_job',
    ...(of.isOneCluster ? [] : ['cluster_key']),
    ...(of.reused.length > 0 ? ['x_number'] : []),
  ];
}

/** Of which cluster a row says that it is. As STRING where some table may have no such column. */
export function ownClusterSql({ areClustersTold }: Membership, column: string): string {
  return areClustersTold ? column : `cast(${column} AS STRING)`;
}

/** Which of the jobs that had an id one after the other. */
export function jobNumberSql(of: Membership, job: string, cluster: string, ts: string, stepUs = 1): string {
  return numberSql(of.reused, job, cluster, ts, stepUs);
}

/** Floating sums of parts may miss the whole by so much of a device. */
const FREE_PART_MIN = '1e-9';

/**
 * `w`: the members of the owner sets, and of each set one row without a member: the part that no share covers, which also counts
 * the set's samples once. No row has a NULL set, which would be joined to all that is not shared: NULL = NULL.
 */
export function ownerSetsSql(of: Membership): string {
  const where = `FROM gpu_owner_sets WHERE ts < ${quoteTime(of.window.toUs)} AND owner_set IS NOT NULL`;
  const sharing = "CASE WHEN sharing = 'stated' THEN 1 WHEN sharing = 'measured' THEN 2 ELSE 3 END";
  return (
    `SELECT owner_set AS w_set, job_id AS w_member, ${jobNumberSql(of, 'job_id', 'cluster', 'ts')} AS w_number, part AS w_part,` +
    ` ${sharing} AS w_sharing, scaled AS w_scaled, 0 AS w_counts ${where}` +
    ' UNION ALL SELECT w_set, cast(null AS VARCHAR) AS w_member, 0 AS w_number,' +
    ` CASE WHEN 1 - taken > ${FREE_PART_MIN} THEN 1 - taken ELSE 0.0 END AS w_part, 0 AS w_sharing, 0 AS w_scaled, 1 AS w_counts` +
    ` FROM (SELECT owner_set AS w_set, sum(part) AS taken ${where} GROUP BY owner_set)`
  );
}

/**
 * The head of a query whose last table is `z`: the rows with the keys of their group (`groupKeys`) and, where they are by job, of that,
 * and the columns.
 */
export function groupedSql(of: Membership, { head, keys: rowKeys, rows, columns }: Ungrouped): string {
  const periods = of.every === undefined ? [] : ['x_period'].filter((key) => rowKeys.includes(key));
  const kept = [...jobKeys(of).filter((key) => rowKeys.includes(key)), ...periods, ...columns];
  const passed = (table: string): string =>
    kept.map((column) => `${table}.${column} AS ${column}`).join(', ');
  const start = `${head}${groupsSql(of)}x AS (${rows})`;
  if (!isOfClusters(of))
    return `${start}, z AS (${chosenSql(of, `${namedSql(of, 'x')}, ${passed('x')}`, `FROM x${joinsSql(of, 'x')}`)})`;
  // A device is of one cluster: what its samples do not say, since they are older than that was told, it says itself.
  const known = of.areClustersTold ? 'x.x_cluster' : 'coalesce(x.x_cluster, d.device_cluster)';
  const keys = [
    ...(of.areClustersTold && !isTold(of, 'model') ? [] : ['x_gpu']),
    ...(isTold(of, 'node') ? ['x_node'] : []),
    ...(isPeriod(of.by) ? ['x_period'] : []),
  ].filter((key) => !kept.includes(key));
  const where = of.cluster === undefined ? '' : ` WHERE y.y_cluster = ${quoteText(of.cluster)}`;
  const cluster = isOfNodes(of) ? 'y.y_cluster AS cluster, ' : '';
  return (
    `${start}, y AS (SELECT ${keys.map((key) => `x.${key} AS ${key}, `).join('')}${passed('x')}, ${known} AS y_cluster, ${of.areClustersTold ? known : `coalesce(${known}, '')`} AS cluster_key` +
    ` FROM x${of.areClustersTold ? '' : ' LEFT JOIN d ON d.device = x.x_gpu'}),` +
    ` z AS (${chosenSql(of, `${namedSql(of, 'y')}, ${cluster}y.cluster_key AS cluster_key, ${passed('y')}`, `FROM y${joinsSql(of, 'y')}${where}`)})`
  );
}

/** The rows that are asked about: by conditions on what was joined before, or they would be those of the joined table. */
function chosenSql(of: Membership, columns: string, from: string): string {
  if (of.where.length === 0) return `SELECT ${columns} ${from}`;
  const rows = from.startsWith('FROM y') ? 'y' : 'x';
  const asked = of.where.map(({ by }, index) => `${nameSql(of, by, rows)} AS f_${index}`);
  const conditions = of.where.map(
    ({ names }, index) => `cast(f_${index} AS STRING) IN (${names.map(quoteText).join(', ')})`,
  );
  return `SELECT * FROM (SELECT ${columns}, ${asked.join(', ')} ${from}) WHERE ${conditions.join(' AND ')}`;
}

/** The names of the group of a row. */
function namedSql(of: Membership, rows: string): string {
  const name = isPeriod(of.by) ? `cast(${rows}.x_period AS STRING)` : nameSql(of, of.by, rows);
  return [
    `${name} AS name`,
    ...of.also.map((by, at) => `${nameSql(of, by, rows)} AS ${alsoColumn(at)}`),
  ].join(', ');
}

/**
 * `d`: the cluster of each device, where it matters; `g_model`: its model; `g_account`, `b_account`: of whom each job is, as its cluster
 * or nobody's told.
 */
function groupsSql(of: Membership): string {
  const { window } = of;
  const devices = isOfUntoldClusters(of)
    ? `d AS (SELECT gpu AS device, last_not_null(cluster) AS device_cluster FROM gpu_inventory WHERE ts < ${quoteTime(window.toUs)} GROUP BY gpu), `
    : '';
  const groups = namesOf(of).map((name) => {
    if (isJobName(name)) return of.isOfNoJob === true ? '' : jobNamesSql(of, name);
    return name === 'model'
      ? 'g_model AS (SELECT gpu AS member, last_not_null(model) AS group_name FROM gpu_inventory GROUP BY gpu), '
      : '';
  });
  return devices + groups.join('');
}

function jobNamesSql(of: Membership, by: JobName): string {
  const { window, isOneCluster, areClustersTold, reused } = of;
  const [from, to] = [quoteTime(window.fromUs), quoteTime(window.toUs)];
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
    ...(isOneCluster ? {} : { member_cluster: areClustersTold ? 'cluster' : "coalesce(cluster, '')" }),
    ...(reused.length === 0 ? {} : { member_number: jobNumberSql(of, 'job_id', 'cluster', 'ts') }),
  };
  const unknown =
    isOneCluster || areClustersTold
      ? ''
      : `b_${by} AS (${told({}, ` AND cluster IS NULL${withoutReused(of)}`)}), `;
  return `g_${by} AS (${told(keys)}), ${unknown}`;
}

/** A job whose cluster nobody has told may be any cluster's, as long as the id is of one job only. */
function withoutReused({ reused }: Membership): string {
  if (reused.length === 0) return '';
  return ` AND NOT job_id IN (${[...new Set(reused.map(({ jobId }) => quoteText(jobId)))].join(', ')})`;
}

/** How the names of a row are found. */
function joinsSql(of: Membership, rows: string): string {
  const { isOneCluster, areClustersTold, isOfNoJob = false, reused } = of;
  const joins = namesOf(of).map((name) => {
    if (name === 'model') return ` LEFT JOIN g_model ON g_model.member = ${rows}.x_gpu`;
    if (!isJobName(name) || isOfNoJob) return '';
    const [g, b] = [`g_${name}`, `b_${name}`];
    return (
      ` LEFT JOIN ${g} ON ${g}.member = ${rows}.x_job` +
      (isOneCluster ? '' : ` AND ${g}.member_cluster = ${rows}.cluster_key`) +
      (reused.length === 0 ? '' : ` AND ${g}.member_number = ${rows}.x_number`) +
      (isOneCluster || areClustersTold ? '' : ` LEFT JOIN ${b} ON ${b}.member = ${rows}.x_job`)
    );
  });
  return joins.join('');
}

function nameSql(of: Membership, name: CapacityName, rows: string): string {
  const { isOneCluster, areClustersTold, isOfNoJob = false } = of;
  switch (name) {
    case 'user':
    case 'account':
    case 'partition':
    case 'qos':
      if (isOfNoJob) return 'cast(null AS STRING)';
      return isOneCluster || areClustersTold
        ? `g_${name}.group_name`
        : `coalesce(g_${name}.group_name, b_${name}.group_name)`;
    case 'model':
      return 'g_model.group_name';
    case 'node':
      return `${rows}.x_node`;
    case 'cluster':
      return `${rows}.y_cluster`;
  }
}
