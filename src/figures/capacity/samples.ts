import { quoteName, quoteText } from '../../../schemas/tables.ts';
import { INSTANCE_PREFIX } from '../../core/devices/mig-slices.ts';
import { UNRESOLVED_JOB_ID } from '../../core/jobs/label.ts';
import {
  groupedSql,
  isOfJobs,
  jobKeys,
  jobNumberSql,
  periodKeys,
  periodOf,
  rowKeys,
  type Membership,
} from './membership.ts';
import { laterPeriodSql, laterPeriodsSql, periodSql } from './periods.ts';
import { isPeriod, type CapacityPeriod } from './figures.ts';
import type { CapacityWindow } from './window.ts';
import { STEP_US, withinSql, type Segment } from '../levels.ts';
import { BUCKET_SQL } from '../mig-energy.ts';
import { quoteTime } from '../sql-text.ts';
import { counterSummands, gaugeSummands, idleSummand, summandSql, TIME, type Summand } from '../summands.ts';

/** One table that a report reads, and what it reads of it. */
export interface CapacitySource {
  readonly segments: readonly Segment[];
  /** Column of SM activity, if it is read here. */
  readonly sm?: string;
  readonly power?: string;
  /** Of engine activity: it tells how the energy of GPUs that are cut is divided. */
  readonly engine?: string;
  readonly hasEnergy: boolean;
  /** Whether the table decides time and samples. */
  readonly isTime: boolean;
}

/** Rows of the table, which a rollup counts. */
const SAMPLES: Summand = { name: 'samples', rollup: 'row_count', raw: '1' };

/** What the queries add up, each a column of the answer. */
const SUMS = [
  'samples',
  'dt_us',
  'sm_sum',
  'sm_us',
  'idle_us',
  'power_sum',
  'power_us',
  'counter_joules',
  'counter_us',
] as const;

/** Beside them, where hours of instances are asked for. */
const ENGINE_SUMS = ['engine_sum', 'engine_us'] as const;

/** Which devices are asked about. Of MIG instances each device and hour has rows of its own: `cut_gpu`, `bucket_us`. */
export type Scope = 'all' | 'whole' | 'instances';

const INSTANCE_SQL = `s.gpu LIKE '${INSTANCE_PREFIX}%'`;
const SCOPES_SQL: Readonly<Record<Scope, string>> = {
  all: '',
  whole: ` AND s.owners IS NOT NULL AND NOT ${INSTANCE_SQL}`,
  instances: ` AND ${INSTANCE_SQL}`,
};

function sumNames(scope: Scope): readonly string[] {
  return scope === 'instances' ? [...SUMS, ...ENGINE_SUMS] : SUMS;
}

function keyNames(of: Membership, scope: Scope): readonly string[] {
  return scope === 'instances' ? [...rowKeys(of), 'cut_gpu', 'bucket_us'] : rowKeys(of);
}

function summandsOf({ sm, power, engine, hasEnergy, isTime }: CapacitySource): ReadonlyMap<string, Summand> {
  const summands = [
    ...(isTime ? [SAMPLES, TIME] : []),
    ...(sm === undefined ? [] : [...gaugeSummands('sm', sm), idleSummand(sm)]),
    ...(power === undefined ? [] : gaugeSummands('power', power)),
    ...(engine === undefined ? [] : gaugeSummands('engine', engine)),
    ...(hasEnergy ? counterSummands() : []),
  ];
  return new Map(summands.map((summand) => [summand.name, summand]));
}

/** `o`: the ownership intervals that reach into the window, cut to it. */
function ownersSql({ fromUs, toUs }: CapacityWindow): string {
  const [from, to] = [quoteTime(fromUs), quoteTime(toUs)];
  return (
    'o AS (SELECT cluster, node, gpu AS owned_gpu, job_id AS owner, ts AS begin_ts,' +
    ` CASE WHEN ts < ${from} THEN cast(${from} AS TIMESTAMP) ELSE ts END AS start_ts,` +
    ` CASE WHEN end_ts IS NULL OR end_ts >= ${to} THEN ${toUs - 1} ELSE cast(end_ts AS LONG) END AS stop_us` +
    ` FROM gpu_ownership WHERE ts < ${to} AND (end_ts IS NULL OR (end_ts >= ${from} AND end_ts > ts)))`
  );
}

/** Floating sums of parts may miss the whole by so much of a device. */
const FREE_PART_MIN = '1e-9';

/**
 * `w`: the members of the owner sets, and of each set one row without a member: the part that no share covers, which also counts
 * the set's samples once. No row has a NULL set, which would be joined to all that is not shared: NULL = NULL.
 */
function ownerSetsSql(of: Membership): string {
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

/** What a row of a group is of; its index stands in the queries, since numbers are grouped faster than texts. */
export const ROW_KINDS = ['sole', 'unresolved', 'unattributed', 'undivided', 'unowned', 'cut'] as const;
export type RowKind = (typeof ROW_KINDS)[number];

function kindSql(kind: RowKind): string {
  return String(ROW_KINDS.indexOf(kind));
}

/** Kind of what bears one label. `undivided`: several owned it, and no owner set tells who. */
function labelKindSql(prefix: string, job: string): string {
  const owners = `${prefix}owners`;
  return (
    `CASE WHEN ${owners} IS NULL THEN ${kindSql('cut')} WHEN ${owners} = 0 THEN ${kindSql('unowned')} WHEN ${owners} > 1 THEN ${kindSql('undivided')}` +
    ` WHEN ${prefix}${job} = ${quoteText(UNRESOLVED_JOB_ID)} THEN ${kindSql('unresolved')} ELSE ${kindSql('sole')} END`
  );
}

/** The rows of a source's segments: `x_job`, the keys, `kind`, the sums, and `owner_set` where there are any. */
function labelledSql(of: Membership, source: CapacitySource, hasSets: boolean, scope: Scope): string[] {
  const summands = summandsOf(source);
  return source.segments.map((segment) => {
    const { table, level, columns } = segment;
    const sums = sumNames(scope).map((name) => {
      const summand = summands.get(name);
      return `${summand === undefined ? 'cast(null AS DOUBLE)' : summandSql(summand, segment)} AS ${name}`;
    });
    const hasCluster = columns.has('cluster');
    // A sample at the moment at which a job begins is of the time before.
    const numberTs = level === 'raw' ? "dateadd('u', -1, s.ts)" : 's.ts';
    const picks: Record<string, string> = {
      x_job: 's.job_id',
      x_gpu: 's.gpu',
      x_node: 's.node',
      // As STRING, since there may be no such column.
      x_cluster: `cast(${hasCluster ? 's.cluster' : 'null'} AS STRING)`,
      x_number: jobNumberSql(of, 's.job_id', hasCluster ? 's.cluster' : "''", numberTs, STEP_US[level]),
      x_period: periodSql(periodOf(of) ?? 'month', 's.ts'),
      cut_gpu: 's.gpu',
      bucket_us: BUCKET_SQL,
      kind: labelKindSql('s.', 'job_id'),
      owner_set: columns.has('owner_set') ? 's.owner_set' : 'cast(null AS LONG)',
    };
    const wanted = [...keyNames(of, scope), 'kind', ...(hasSets ? ['owner_set'] : [])];
    return (
      `SELECT ${wanted.map((key) => `${picks[key]!} AS ${key}`).join(', ')}, ${sums.join(', ')}` +
      ` FROM ${quoteName(table)} s WHERE ${withinSql(segment)}${SCOPES_SQL[scope]}`
    );
  });
}

/** The rows with those of owner sets once per member, and once for what no member has. */
function dividedSql(of: Membership, rows: string, scope: Scope): string {
  const isShared = 'u.owner_set IS NOT NULL AND w.w_set IS NOT NULL';
  const picks: Record<string, string> = {
    x_job: 'CASE WHEN u.owner_set IS NULL THEN u.x_job ELSE w.w_member END',
    x_number: 'CASE WHEN u.owner_set IS NULL THEN u.x_number ELSE w.w_number END',
  };
  const kind =
    `CASE WHEN u.owner_set IS NULL THEN u.kind WHEN w.w_set IS NULL THEN ${kindSql('undivided')} WHEN w.w_member IS NULL THEN ${kindSql('unattributed')}` +
    ` WHEN w.w_member = ${quoteText(UNRESOLVED_JOB_ID)} THEN ${kindSql('unresolved')} ELSE ${kindSql('sole')} END`;
  return (
    `SELECT ${keyNames(of, scope)
      .map((key) => `${picks[key] ?? `u.${key}`} AS ${key}`)
      .join(', ')}, ${kind} AS kind, CASE WHEN ${isShared} THEN w.w_part ELSE 1.0 END AS part,` +
    ` CASE WHEN ${isShared} THEN w.w_counts ELSE 1 END AS counts, w.w_sharing AS sharing, w.w_scaled AS scaled,` +
    ` ${sumNames(scope)
      .map((name) => `u.${name} AS ${name}`)
      .join(', ')} FROM (${rows}) u LEFT JOIN w ON w.w_set = u.owner_set`
  );
}

/** Sums of the answer beside `SUMS`: Σ dt with each device once, and of the divided part by how it was divided. */
const WAYS = ['stated', 'measured', 'equal'] as const;

/**
 * Time, activity and energy of the window, a row per group and kind (an index of `ROW_KINDS`). Energy is chosen per job and device:
 * `bestOfDevice` says the same.
 * @param hasSets whether any row bears an owner set: without, nothing is joined
 */
export function groupSumsSql(
  of: Membership,
  sources: readonly CapacitySource[],
  hasSets: boolean,
  scope: Scope,
): string {
  const parts = sources.flatMap((source) => labelledSql(of, source, hasSets, scope)).join(' UNION ALL ');
  const keys = [...keyNames(of, scope), 'kind'].join(', ');
  const names = sumNames(scope).slice(1);
  const hourKeys = scope === 'instances' ? ['cut_gpu', 'bucket_us'] : [];
  const by = (factor: string): string => (hasSets ? ` * ${factor}` : '');
  const sums = [
    `sum(samples${by('counts')}) AS samples`,
    `sum(dt_us${by('counts')}) AS seen_us`,
    ...names.map((name) => `sum(${name}${by('part')}) AS ${name}`),
    ...(hasSets
      ? WAYS.map((way, index) => `sum(CASE WHEN sharing = ${index + 1} THEN dt_us * part END) AS ${way}_us`)
      : []),
    ...(hasSets ? ['max(scaled) AS scaled'] : []),
  ];
  const groups = ['name', 'cluster', ...periodKeys(of), 'kind', ...hourKeys].join(', ');
  const added = [
    ...['samples', 'seen_us', ...names, 'best_joules', 'best_us'],
    ...(hasSets ? WAYS.map((way) => `${way}_us`) : []),
  ];
  const rows = hasSets ? dividedSql(of, parts, scope) : parts;
  const head = groupedSql(of, {
    head: hasSets ? `WITH w AS (${ownerSetsSql(of)}), ` : 'WITH ',
    rows: bestSql(
      keyNames(of, scope),
      periodOf(of) !== undefined,
      `SELECT ${keys}, ${sums.join(', ')} FROM (${rows}) GROUP BY ${keys}`,
    ),
    columns: ['kind', ...hourKeys, ...added, ...(hasSets ? ['scaled'] : [])],
  });
  return (
    `${head} SELECT ${groups}, ${added.map((sum) => `sum(${sum}) AS ${sum}`).join(', ')}${hasSets ? ', max(scaled) AS scaled' : ''}` +
    ` FROM z GROUP BY ${groups}`
  );
}

/** `rows` with the energy that can be believed. A period has that by which the whole window's would be told. */
function bestSql(keys: readonly string[], isByPeriod: boolean, rows: string): string {
  const whole = keys.filter((key) => key !== 'x_period');
  const told = ['counter_joules', 'counter_us', 'power_sum', 'power_us'];
  const [joules, us, power] = told.map((sum) => (isByPeriod ? `whole_${sum}` : sum));
  const from = isByPeriod
    ? `(SELECT *, ${told.map((sum) => `sum(${sum}) OVER (PARTITION BY ${whole.join(', ')}, kind) AS whole_${sum}`).join(', ')} FROM (${rows}))`
    : `(${rows})`;
  // A counter that stood still while power was drawn says nothing.
  const isCounted = `${us} > 0 AND (${joules} > 0 OR (${joules} = 0 AND NOT ${power} > 0))`;
  return (
    `SELECT *, CASE WHEN ${isCounted} THEN counter_joules WHEN power_us > 0 THEN power_sum * 1e-6 END AS best_joules,` +
    ` CASE WHEN ${isCounted} THEN counter_us WHEN power_us > 0 THEN power_us END AS best_us FROM ${from}`
  );
}

/** Whether any row of these segments bears an owner set: `found` 1. */
export function hasSetsSql(sources: readonly CapacitySource[]): string | undefined {
  const parts = sources
    .flatMap(({ segments }) => segments)
    .filter(({ columns }) => columns.has('owner_set'))
    .map(
      (segment) =>
        `SELECT 1 AS found FROM (SELECT s.ts FROM ${quoteName(segment.table)} s WHERE ${withinSql(segment)} AND s.owner_set IS NOT NULL LIMIT 1)`,
    );
  return parts.length === 0 ? undefined : `SELECT found FROM (${parts.join(' UNION ALL ')}) LIMIT 1`;
}

/** How many periods later than its first one a stay may reach, within the window: `later`, of the longest. */
export function stayPeriodsSql(of: Membership, period: CapacityPeriod): string {
  return `WITH ${ownersSql(of.window)} SELECT ${laterPeriodsSql(period)} AS later FROM o`;
}

/**
 * Jobs that owned a device in the window, a row per group, and one for all (`is_all`) where a job may be of several groups.
 * @param later of `stayPeriodsSql`, where it is by periods: as many more of a stay's periods are looked at
 */
export function jobCountsSql(of: Membership, later: number): string {
  const period = periodOf(of);
  const picks: Record<string, string> = {
    x_job: 'o.owner',
    x_gpu: 'o.owned_gpu',
    x_node: 'o.node',
    x_cluster: 'cast(o.cluster AS STRING)',
    x_number: jobNumberSql(of, 'o.owner', 'o.cluster', 'o.begin_ts'),
    x_period: period === undefined ? '' : laterPeriodSql(period, 'o.start_ts', 'k.n - 1'),
  };
  const keys = rowKeys(of);
  // A device says nothing of a job's user: one row per job.
  const isApart = !isOfJobs(of) && !isPeriod(of.by);
  const wanted = isApart ? keys : keys.filter((key) => key !== 'x_gpu' || !of.isOneCluster);
  const head = groupedSql(of, {
    head: `WITH ${ownersSql(of.window)}, `,
    rows:
      `SELECT DISTINCT ${wanted.map((key) => `${picks[key]!} AS ${key}`).join(', ')} FROM o` +
      (period === undefined ? '' : ` CROSS JOIN (SELECT x AS n FROM long_sequence(${later + 1})) k`) +
      ` WHERE o.owner != ${quoteText(UNRESOLVED_JOB_ID)}${period === undefined ? '' : ` AND ${picks['x_period']!} <= o.stop_us`}`,
    columns: [],
  });
  const groups = ['name', 'cluster', ...periodKeys(of)].join(', ');
  // One row per job already: all of them are the sum of the groups'.
  if (isOfJobs(of) && of.isOneCluster && period === undefined)
    return `${head} SELECT ${groups}, 0 AS is_all, count() AS jobs FROM z GROUP BY ${groups}`;
  const job = jobKeys(of).join(', ');
  const none = ["'' AS name, '' AS cluster", ...periodKeys(of).map((key) => `cast(null AS LONG) AS ${key}`)];
  return (
    `${head} SELECT ${groups}, is_all, jobs FROM (` +
    `SELECT ${groups}, 0 AS is_all, count() AS jobs FROM (SELECT DISTINCT ${groups}, ${job} FROM z) GROUP BY ${groups}` +
    ` UNION ALL SELECT ${none.join(', ')}, 1 AS is_all, count() AS jobs FROM (SELECT DISTINCT ${job} FROM z))`
  );
}
