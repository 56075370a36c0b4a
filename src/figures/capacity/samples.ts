import { quoteName, quoteText } from '../../../schemas/tables.ts';
import { UNRESOLVED_JOB_ID } from '../../core/jobs/label.ts';
import { groupedSql, jobNumberSql, type Membership } from './membership.ts';
import type { CapacityWindow } from './window.ts';
import type { LaneGauges } from '../gauges.ts';
import { STEP_US, withinSql, type Segment } from '../levels.ts';
import type { OwnedSamples } from '../owned-samples.ts';
import { quoteTime } from '../sql-text.ts';
import { counterSummands, gaugeSummands, idleSummand, summandSql, TIME, type Summand } from '../summands.ts';

/** The sums that a lane can give. Names are the columns of the queries' answers. */
function summandsOf({ gauges, hasEnergy }: LaneGauges): readonly Summand[] {
  const columns = new Map(gauges);
  const [sm, power] = [columns.get('smActive'), columns.get('power')];
  return [
    TIME,
    ...(sm === undefined ? [] : [...gaugeSummands('sm', sm), idleSummand(sm)]),
    ...(power === undefined ? [] : gaugeSummands('power', power)),
    ...(hasEnergy ? counterSummands() : []),
  ];
}

/** `o`: the ownership intervals that reach into the window. */
function ownersSql({ fromUs, toUs }: CapacityWindow): string {
  const [from, to] = [quoteTime(fromUs), quoteTime(toUs)];
  return (
    'WITH o AS (SELECT cluster, node, gpu AS owned_gpu, job_id AS owner, ts AS start_ts, share' +
    ` FROM gpu_ownership WHERE ts < ${to} AND (end_ts IS NULL OR (end_ts >= ${from} AND end_ts > ts))), `
  );
}

/**
 * Whole devices, from the rollups: a row per group and kind. Kinds: `unowned`, `sole`, `unresolved`, `cut` (a GPU beside its
 * MIG instances), and `shared` for what has to be divided sample by sample (several owners, or one who has only a part).
 */
export function wholeDevicesSql(of: Membership, source: LaneGauges, segments: readonly Segment[]): string {
  const summands = summandsOf(source);
  const parts = segments.map((segment) => {
    const { table, level, columns } = segment;
    const sums = summands.map((summand) => `${summandSql(summand, segment)} AS ${summand.name}`);
    const hasCluster = columns.has('cluster');
    // As STRING, since there may be no such column.
    const cluster = `cast(${hasCluster ? 's.cluster' : 'null'} AS STRING)`;
    const number = jobNumberSql(of, 's.job_id', hasCluster ? 's.cluster' : "''", 's.ts', STEP_US[level]);
    return (
      `SELECT s.job_id AS x_job, s.gpu AS x_gpu, s.node AS x_node, ${cluster} AS x_cluster, ${number} AS x_number,` +
      ` s.owners AS owners, ${level === 'raw' ? '1' : 's.row_count'} AS samples, ${sums.join(', ')}` +
      ` FROM ${quoteName(table)} s WHERE ${withinSql(segment)}`
    );
  });
  const names = ['samples', ...summands.map(({ name }) => name)];
  const keys = 'x_job, x_gpu, x_node, x_cluster, x_number, owners';
  const kind =
    "CASE WHEN y.owners IS NULL THEN 'cut' WHEN y.owners = 0 THEN 'unowned' WHEN y.owners > 1 OR q.part_owner IS NOT NULL THEN 'shared'" +
    ` WHEN y.x_job = ${quoteText(UNRESOLVED_JOB_ID)} THEN 'unresolved' ELSE 'sole' END AS kind`;
  const head = groupedSql(of, {
    head: `${ownersSql(of.window)}q AS (SELECT DISTINCT owner AS part_owner, owned_gpu AS part_gpu FROM o WHERE share < 1), `,
    rows: `SELECT ${keys}, ${names.map((sum) => `sum(${sum}) AS ${sum}`).join(', ')} FROM (${parts.join(' UNION ALL ')}) GROUP BY ${keys}`,
    columns: ['owners', ...names],
    join: ' LEFT JOIN q ON q.part_owner = y.x_job AND q.part_gpu = y.x_gpu',
    picks: [kind],
  });
  return `${head} SELECT name, cluster, kind, ${names.map((sum) => `sum(${sum}) AS ${sum}`).join(', ')} FROM z GROUP BY name, cluster, kind`;
}

/**
 * Shared devices, from the samples of just those: a row per group, by each owner's part. What counts as shared is what
 * `wholeDevicesSql` calls so, or the rows would not add up.
 */
export function sharedDevicesSql(of: Membership, source: LaneGauges, samples: OwnedSamples): string {
  const summands = summandsOf(source);
  const parts = summands.map(({ name, raw }) => `(${raw}) * ${samples.share} AS ${name}`);
  const [from, to] = [quoteTime(of.window.fromUs), quoteTime(of.window.toUs)];
  const number = jobNumberSql(of, 'o.owner', 's.cluster', 'o.start_ts');
  const names = summands.map(({ name }) => name);
  const keys = 'x_job, x_gpu, x_node, x_cluster, x_number, sharing';
  const head = groupedSql(of, {
    head: 'WITH ',
    rows:
      `SELECT ${keys}, ${names.map((sum) => `sum(${sum}) AS ${sum}`).join(', ')} FROM (` +
      `SELECT o.owner AS x_job, s.gpu AS x_gpu, s.node AS x_node, cast(s.cluster AS STRING) AS x_cluster, ${number} AS x_number, o.sharing AS sharing, ${parts.join(', ')}` +
      ` ${samples.from} WHERE ${samples.where} AND s.ts >= ${from} AND s.ts < ${to}` +
      ` AND (s.owners > 1 OR (s.owners = 1 AND o.has_share = 1 AND s.job_id = o.owner))) GROUP BY ${keys}`,
    columns: ['sharing', ...names],
    picks: [`CASE WHEN y.x_job = ${quoteText(UNRESOLVED_JOB_ID)} THEN 'unresolved' ELSE 'sole' END AS kind`],
  });
  return `${head} SELECT name, cluster, kind, sharing, ${names.map((sum) => `sum(${sum}) AS ${sum}`).join(', ')} FROM z GROUP BY name, cluster, kind, sharing`;
}

/** Jobs that owned a device in the window, a row per group and one for all (`is_all`). */
export function jobCountsSql(of: Membership): string {
  const number = jobNumberSql(of, 'o.owner', 'o.cluster', 'o.start_ts');
  const head = groupedSql(of, {
    head: ownersSql(of.window),
    rows:
      `SELECT DISTINCT o.owner AS x_job, o.owned_gpu AS x_gpu, o.node AS x_node, cast(o.cluster AS STRING) AS x_cluster, ${number} AS x_number` +
      ` FROM o WHERE o.owner != ${quoteText(UNRESOLVED_JOB_ID)}`,
    columns: [],
  });
  const job = 'x_job, cluster_key, x_number';
  return (
    `${head} SELECT name, cluster, is_all, jobs FROM (` +
    `SELECT name, cluster, 0 AS is_all, count() AS jobs FROM (SELECT DISTINCT name, cluster, ${job} FROM z) GROUP BY name, cluster` +
    ` UNION ALL SELECT '' AS name, '' AS cluster, 1 AS is_all, count() AS jobs FROM (SELECT DISTINCT ${job} FROM z))`
  );
}
