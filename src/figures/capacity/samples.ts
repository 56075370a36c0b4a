import { idleColumnsOf } from '../../../schemas/idle-columns.ts';
import { quoteName, quoteText } from '../../../schemas/tables.ts';
import { INSTANCE_PREFIX } from '../../core/devices/mig-slices.ts';
import { UNRESOLVED_JOB_ID } from '../../core/jobs/label.ts';
import {
  groupedSql,
  groupKeys,
  isOfJobNames,
  jobKeys,
  jobNumberSql,
  ownClusterSql,
  ownerSetsSql,
  periodOf,
  rowKeys,
  type Membership,
} from './membership.ts';
import { periodSql } from './periods.ts';
import { isPeriod } from './figures.ts';
import { STEP_US, withinSql, type DeviceTimes, type Segment } from '../levels.ts';
import { BUCKET_SQL } from '../mig-energy.ts';
import { isCountedSql } from '../quantity.ts';
import { quoteTime } from '../sql-text.ts';
import { counterSummands, gaugeSummands, idleSummands, summandSql, TIME, type Summand } from '../summands.ts';
import type { AlikeDevices } from '../idle-limits.ts';
import type { IdleLimit } from '../../core/fields/idle-limits.ts';

/** These devices, or all but these, or each at its own times. */
export type DeviceFilter =
  { readonly gpus: readonly string[]; readonly isWithout: boolean } | { readonly times: DeviceTimes };

/** Condition of a row `s`: a bucket that does not lie wholly in the times of its device is none of theirs. */
export function onlySql({ only }: CapacitySource, { level }: Segment): string {
  if (only === undefined) return '';
  if ('gpus' in only)
    return ` AND ${only.isWithout ? 'NOT ' : ''}s.gpu IN (${only.gpus.map(quoteText).join(', ')})`;
  const devices = [...only.times].map(([gpu, spans]) => {
    const times = spans.map(
      ({ fromUs, toUs }) => `(s.ts >= ${quoteTime(fromUs)} AND s.ts <= ${quoteTime(toUs - STEP_US[level])})`,
    );
    return `(s.gpu = ${quoteText(gpu)} AND (${times.join(' OR ')}))`;
  });
  return ` AND (${devices.join(' OR ')})`;
}

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
  /** Only some devices, some of them at some times; all where it is undefined. */
  readonly only?: DeviceFilter;
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

/** Beside them, where idleness may be known for less time than activity. */
const IDLE_KNOWN_SUM = 'idle_known_us';
/** Beside them, where hours of instances are asked for. */
const ENGINE_SUMS = ['engine_sum', 'engine_us'] as const;

/** Which devices are asked about. Of MIG instances each device and hour has rows of its own: `cut_gpu`, `bucket_us`. */
export type Scope = 'all' | 'whole' | 'instances';

export const INSTANCE_SQL = `s.gpu LIKE '${INSTANCE_PREFIX}%'`;
const SCOPES_SQL: Readonly<Record<Scope, string>> = {
  all: '',
  whole: ` AND s.owners IS NOT NULL AND NOT ${INSTANCE_SQL}`,
  instances: ` AND ${INSTANCE_SQL}`,
};

function sumNames({ scope, devices }: Question): readonly string[] {
  return [
    ...SUMS,
    ...(isIdleAlwaysKnown(devices) ? [] : [IDLE_KNOWN_SUM]),
    ...(scope === 'instances' ? ENGINE_SUMS : []),
  ];
}

/** Whether every rollup tells of idleness by this limit. */
function isIdleAlwaysKnown({ limit }: AlikeDevices): boolean {
  return idleColumnsOf(limit).isOfAllVersions;
}

/** By these rows are kept apart until they are in their groups. */
function keyNames(question: Question): readonly string[] {
  const isByDevice = question.traits.hasDoubtfulCounters;
  return [...rowKeys(question.of, { isByDevice, isByJob: isByJob(question) }), ...hourKeys(question), 'kind'];
}

function isByJob({ of, traits }: Pick<Question, 'of' | 'traits'>): boolean {
  return traits.hasDoubtfulCounters || isOfJobNames(of);
}

function hourKeys({ scope, isByHour = false }: Pick<Question, 'scope' | 'isByHour'>): readonly string[] {
  if (scope === 'instances') return ['cut_gpu', 'bucket_us'];
  return isByHour ? ['bucket_us'] : [];
}

/** By these keys energy is chosen: over the whole window, of instances hour by hour, as the energy of their GPU is divided. */
function chosenKeys(keys: readonly string[], of: Membership, scope: Scope): readonly string[] {
  const ofPeriod = ['x_period', ...(isPeriod(of.by) ? ['name'] : [])];
  const ofTime = scope === 'instances' ? ofPeriod : [...ofPeriod, 'bucket_us'];
  return keys.filter((key) => !ofTime.includes(key));
}

/** What the rows of a question have: what they have not is not asked for. */
export interface Traits {
  /** Some row bears an owner set. */
  readonly hasSets: boolean;
  /** Some row's counter told nothing, or that it stood still. Of what is in the scope of the question. */
  readonly hasDoubtfulCounters: boolean;
  /** A job has several buckets of days: it pays to add them up before it is looked up whose they are. */
  readonly hasManyBuckets: boolean;
}

/** Which rows are asked about, and what is known of them. */
export interface Question {
  readonly of: Membership;
  readonly sources: readonly CapacitySource[];
  readonly traits: Traits;
  readonly scope: Scope;
  readonly devices: AlikeDevices;
  /** Rows of each hour by themselves: `bucket_us`. */
  readonly isByHour?: boolean;
  /** Only the days that one job alone had, or all but these; everything when absent. */
  readonly days?: 'sole' | 'others';
}

function summandsOf(
  { sm, power, engine, hasEnergy, isTime }: CapacitySource,
  limit: IdleLimit,
): ReadonlyMap<string, Summand> {
  const summands = [
    ...(isTime ? [SAMPLES, TIME] : []),
    ...(sm === undefined ? [] : [...gaugeSummands('sm', sm), ...idleSums(sm, limit)]),
    ...(power === undefined ? [] : gaugeSummands('power', power)),
    ...(engine === undefined ? [] : gaugeSummands('engine', engine)),
    ...(hasEnergy ? counterSummands() : []),
  ];
  return new Map(summands.map((summand) => [summand.name, summand]));
}

function idleSums(sm: string, limit: IdleLimit): Summand[] {
  const { idle, known = gaugeSummands('sm', sm)[1]! } = idleSummands(sm, limit);
  return [
    { ...idle, name: 'idle_us' },
    { ...known, name: IDLE_KNOWN_SUM },
  ];
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

const SOLE_SQL = `s.owners = 1 AND s.job_id != ${quoteText(UNRESOLVED_JOB_ID)}`;

/** The sums of each segment of a source, by the keys, and `owner_set` where there are any. */
function labelledSql(question: Question, source: CapacitySource): string[] {
  const { traits, devices } = question;
  const summands = summandsOf(source, devices.limit);
  const keys = [...keyNames(question), ...(traits.hasSets ? ['owner_set'] : [])];
  return source.segments.map((segment) => {
    const sums = sumNames(question).map((name) => {
      const summand = summands.get(name);
      return `sum(${summand === undefined ? NONE_SQL : summandSql(summand, segment)}) AS ${name}`;
    });
    const picks = picksOf(question, segment);
    // There is no GROUP BY, which refuses constants: the server groups by whatever is no aggregate.
    return `SELECT ${keys.map((key) => `${picks[key]!} AS ${key}`).join(', ')}, ${sums.join(', ')} ${fromSql(question, source, segment)}`;
  });
}

/** The keys of a row `s`. */
function picksOf({ of }: Question, { level, columns }: Segment): Readonly<Record<string, string>> {
  const cluster = columns.has('cluster') ? 's.cluster' : undefined;
  // A sample at the moment at which a job begins is of the time before.
  const numberTs = level === 'raw' ? "dateadd('u', -1, s.ts)" : 's.ts';
  return {
    x_job: 's.job_id',
    x_gpu: 's.gpu',
    x_node: 's.node',
    x_cluster: ownClusterSql(of, cluster ?? 'null'),
    x_number: jobNumberSql(of, 's.job_id', cluster ?? "''", numberTs, STEP_US[level]),
    x_period: periodSql(periodOf(of) ?? 'month', 's.ts', of.months),
    cut_gpu: 's.gpu',
    bucket_us: BUCKET_SQL,
    kind: labelKindSql('s.', 'job_id'),
    owner_set: columns.has('owner_set') ? 's.owner_set' : 'cast(null AS LONG)',
  };
}

/** The rows `s` that are asked about. */
function fromSql({ scope, devices, days }: Question, source: CapacitySource, segment: Segment): string {
  const soleSql = segment.columns.has('owner_set') ? `${SOLE_SQL} AND s.owner_set IS NULL` : SOLE_SQL;
  const ofDaysSql = { sole: ` AND ${soleSql}`, others: ` AND NOT (${soleSql})` };
  return (
    `FROM ${quoteName(segment.table)} s WHERE ${withinSql(segment)}${onlySql(source, segment)}${SCOPES_SQL[scope]}${devices.andSql}` +
    (days !== undefined && segment.level === '1d' ? ofDaysSql[days] : '')
  );
}

const NONE_SQL = 'cast(null AS DOUBLE)';

/** Of how a part was found, in the order of `sharing` in `ownerSetsSql`: Σ dt of each is a sum of the answer. */
const WAYS = ['stated', 'measured', 'equal'] as const;
const WAY_SUMS = WAYS.map((way) => `${way}_us`);

/** The sums of some sources, those of owner sets once per member, and once for what no member has: then with `SET_SUMS`. */
function rowsSql(question: Question, sources: readonly CapacitySource[]): string {
  const { traits } = question;
  const rows = sources.flatMap((source) => labelledSql(question, source)).join(' UNION ALL ');
  if (!traits.hasSets) return rows;
  const isShared = 'u.owner_set IS NOT NULL AND w.w_set IS NOT NULL';
  const part = `CASE WHEN ${isShared} THEN w.w_part ELSE 1.0 END`;
  const counts = `CASE WHEN ${isShared} THEN w.w_counts ELSE 1 END`;
  const picks: Record<string, string> = {
    x_job: 'CASE WHEN u.owner_set IS NULL THEN u.x_job ELSE w.w_member END',
    x_number: 'CASE WHEN u.owner_set IS NULL THEN u.x_number ELSE w.w_number END',
    kind:
      `CASE WHEN u.owner_set IS NULL THEN u.kind WHEN w.w_set IS NULL THEN ${kindSql('undivided')} WHEN w.w_member IS NULL THEN ${kindSql('unattributed')}` +
      ` WHEN w.w_member = ${quoteText(UNRESOLVED_JOB_ID)} THEN ${kindSql('unresolved')} ELSE ${kindSql('sole')} END`,
    samples: `u.samples * ${counts}`,
    seen_us: `u.dt_us * ${counts}`,
    scaled: 'w.w_scaled',
  };
  for (const name of sumNames(question).slice(1)) picks[name] = `u.${name} * ${part}`;
  for (const [index, name] of WAY_SUMS.entries())
    picks[name] = `CASE WHEN w.w_sharing = ${index + 1} THEN u.dt_us * ${part} END`;
  const columns = [...keyNames(question), ...sumNames(question), ...SET_SUMS, 'scaled'];
  return (
    `SELECT ${columns.map((column) => `${picks[column] ?? `u.${column}`} AS ${column}`).join(', ')}` +
    ` FROM (${rows}) u LEFT JOIN w ON w.w_set = u.owner_set`
  );
}

/** Where there are owner sets: Σ dt with each device once, and by how parts were found. */
const SET_SUMS = ['seen_us', ...WAY_SUMS] as const;

const POWER_SQL = {
  joules: 'CASE WHEN power_us > 0 THEN power_sum * 1e-6 END',
  us: 'CASE WHEN power_us > 0 THEN power_us END',
};

/** What is the same as one of the sums. @param areSetsSummed what was seen is a sum of its own */
function wholeSums({ sources, traits, devices }: Question, areSetsSummed: boolean): string[] {
  const hasCounter = sources.some(({ hasEnergy }) => hasEnergy);
  const best = hasCounter
    ? ['counter_joules AS best_joules', 'counter_us AS best_us']
    : [`${POWER_SQL.joules} AS best_joules`, `${POWER_SQL.us} AS best_us`];
  return [
    ...(areSetsSummed ? [] : ['dt_us AS seen_us']),
    ...(isIdleAlwaysKnown(devices) ? [`sm_us AS ${IDLE_KNOWN_SUM}`] : []),
    ...(traits.hasDoubtfulCounters ? [] : best),
  ];
}

/**
 * Those of the days that one job alone had. Their columns go as they are to where it is known whose they are: what is computed of each on
 * the way takes as long as all else.
 */
function soleSumsSql(question: Question, source: CapacitySource): string {
  const { of, traits, scope, devices } = question;
  const summands = summandsOf(source, devices.limit);
  const sums = sumNames(question).filter((name) => summands.has(name));
  const others = sumNames(question).filter((name) => !summands.has(name));
  // By these it is grouped at last.
  const late: Readonly<Record<string, string>> = {
    ...(of.every === undefined ? {} : { x_period: periodSql(of.every, 'x_ts', of.months) }),
    ...(scope === 'instances' ? { cut_gpu: 'cut_gpu', bucket_us: 'cast(x_ts AS LONG)' } : {}),
  };
  const keys = keyNames(question).filter((key) => key !== 'kind' && !(key in late));
  const columns = [
    ...('x_period' in late || 'bucket_us' in late ? ['x_ts'] : []),
    ...('cut_gpu' in late ? ['cut_gpu'] : []),
  ];
  const rows = source.segments.map((segment) => {
    const picks: Readonly<Record<string, string>> = { ...picksOf(question, segment), x_ts: 's.ts' };
    return `SELECT ${[
      ...[...keys, ...columns].map((key) => `${picks[key]!} AS ${key}`),
      ...sums.map((name) => `${summandSql(summands.get(name)!, segment)} AS ${name}`),
    ].join(', ')} ${fromSql(question, source, segment)}`;
  });
  const groups = [...groupKeys(of).filter((key) => !(key in late)), ...Object.keys(late)];
  const head = groupedSql(of, {
    head: 'WITH ',
    keys,
    rows: rows.join(' UNION ALL '),
    columns: [...columns, ...sums],
  });
  const told = [
    `${kindSql('sole')} AS kind`,
    ...others.map((name) => `${NONE_SQL} AS ${name}`),
    ...(traits.hasSets ? [...WAY_SUMS, 'scaled'].map((name) => `${NONE_SQL} AS ${name}`) : []),
  ];
  const grouped =
    `SELECT ${groups.map((key) => (key in late ? `${late[key]!} AS ${key}` : key)).join(', ')}, ${sums.map((sum) => `sum(${sum}) AS ${sum}`).join(', ')}` +
    ` FROM z GROUP BY ${groups.join(', ')}`;
  return `${head} SELECT ${['*', ...wholeSums(question, false)].join(', ')} FROM (SELECT ${['*', ...told].join(', ')} FROM (${grouped}))`;
}

/**
 * Time, activity and energy of the window, a row per group and kind (an index of `ROW_KINDS`). Energy is chosen per job and device
 * over the whole window: `isCounted` says the same.
 */
function groupSumsSql(question: Question): string {
  const { of, sources, traits, scope } = question;
  const { hasSets, hasDoubtfulCounters } = traits;
  const keys = keyNames(question);
  const [telling, others] = [sources.filter(tellsEnergy), sources.filter((source) => !tellsEnergy(source))];
  const isApart = hasDoubtfulCounters && others.length > 0;
  const chosen = chosenKeys(keys, of, scope);
  const sums = [...sumNames(question), ...(hasSets ? SET_SUMS : [])];
  const best = [
    `CASE WHEN q.q_kind IS NULL THEN r.counter_joules ELSE ${POWER_SQL.joules} END AS best_joules`,
    `CASE WHEN q.q_kind IS NULL THEN r.counter_us ELSE ${POWER_SQL.us} END AS best_us`,
  ];
  const passed = [...keys, ...sums, ...(hasSets ? ['scaled'] : [])].map(
    (column) => `r.${column} AS ${column}`,
  );
  const head = groupedSql(of, {
    head:
      (hasSets ? `WITH w AS (${ownerSetsSql(of)}), ` : 'WITH ') +
      (isApart
        ? `t AS (${rowsSql(question, telling)}), n AS (${rowsSql(question, others)}), r AS (SELECT * FROM t UNION ALL SELECT * FROM n), `
        : `r AS (${rowsSql(question, sources)}), `) +
      (hasDoubtfulCounters
        ? `q AS (${byPowerSql(chosen, isApart ? 't' : 'r', telling.length === 1)}), `
        : ''),
    keys,
    rows: hasDoubtfulCounters
      ? `SELECT ${[...passed, ...best].join(', ')} FROM r LEFT JOIN q ON ${chosen.map((key) => `q.${chosenName(key)} = r.${key}`).join(' AND ')}`
      : `SELECT ${passed.join(', ')} FROM r`,
    columns: [
      ...['kind', ...hourKeys(question), ...sums],
      ...(hasDoubtfulCounters ? ['best_joules', 'best_us'] : []),
      ...(hasSets ? ['scaled'] : []),
    ],
  });
  const groups = [...groupKeys(of), 'kind', ...hourKeys(question)].join(', ');
  const added = [...sums, ...(hasDoubtfulCounters ? ['best_joules', 'best_us'] : [])].map(
    (sum) => `sum(${sum}) AS ${sum}`,
  );
  return (
    `${head} SELECT ${['*', ...wholeSums(question, hasSets)].join(', ')} FROM` +
    ` (SELECT ${[groups, ...added, ...(hasSets ? ['max(scaled) AS scaled'] : [])].join(', ')} FROM z GROUP BY ${groups})`
  );
}

/**
 * A question in parts, of which each has other rows: where a job has few buckets of days those that it alone had are asked for by
 * themselves, of each table, and whose they are is looked up of these alone.
 */
export function sumsSqls(question: Question): string[] {
  const { of, sources, traits, devices, isByHour = false } = question;
  const isDay = ({ level }: Segment): boolean => level === '1d';
  const hasSums = (source: CapacitySource): boolean =>
    sumNames(question).some((name) => summandsOf(source, devices.limit).has(name));
  const days = sources
    .map((source) => ({ ...source, segments: source.segments.filter(isDay) }))
    .filter((source) => source.segments.length > 0 && hasSums(source));
  const isWhole = traits.hasManyBuckets || traits.hasDoubtfulCounters || isByHour || !isOfJobNames(of);
  if (isWhole || days.length === 0) return [groupSumsSql(question)];
  const isOfNoJob = !traits.hasSets && sources.every(({ segments }) => segments.every(isDay));
  const others: Question = { ...question, of: { ...of, isOfNoJob }, days: 'others' };
  return [...days.map((source) => soleSumsSql({ ...question, days: 'sole' }, source)), groupSumsSql(others)];
}

/** A question about each job and device of the groups: its keys, those of them by which energy is chosen, and its sums. */
export interface DeviceSums {
  readonly sql: string;
  readonly keys: readonly string[];
  readonly chosen: readonly string[];
  readonly sums: readonly string[];
}

/** The same sums, not yet of whole groups and without the energy that can be believed: answers of parts of the time can be added up. */
export function deviceSumsSql(asked: Question): DeviceSums {
  const { of, traits, scope } = asked;
  // Devices are told apart, as where a counter is in doubt.
  const question = { ...asked, traits: { ...traits, hasDoubtfulCounters: true } };
  const sums = [...sumNames(question), ...(traits.hasSets ? [...SET_SUMS, 'scaled'] : [])];
  const keys = [...groupKeys(of), ...jobKeys(of), 'x_gpu', ...hourKeys(question), 'kind'];
  const chosen = chosenKeys(keys, of, scope);
  const head = groupedSql(of, {
    head: traits.hasSets ? `WITH w AS (${ownerSetsSql(of)}), ` : 'WITH ',
    keys: keyNames(question),
    rows: rowsSql(question, question.sources),
    columns: ['x_gpu', ...hourKeys(question), 'kind', ...sums],
  });
  const added = sums.map((sum) => `${sum === 'scaled' ? 'max' : 'sum'}(${sum}) AS ${sum}`);
  const sql = `${head} SELECT ${[...keys, ...added].join(', ')} FROM z GROUP BY ${keys.join(', ')}`;
  return { sql, keys, chosen, sums };
}

export function tellsEnergy({ hasEnergy, power }: CapacitySource): boolean {
  return hasEnergy || power !== undefined;
}

/** `q_job` for `x_job`. */
function chosenName(key: string): string {
  return `q_${key.replace(/^x_/, '')}`;
}

/**
 * Of which jobs and devices the energy is the integral of power: a counter that stood still while power was drawn says nothing.
 * @param rows that tell of energy @param isOneTable each of them tells of both: one with a counter that ran is enough
 */
function byPowerSql(keys: readonly string[], rows: string, isOneTable: boolean): string {
  const named = keys.map((key) => `${key} AS ${chosenName(key)}`).join(', ');
  const doubtful = ` JOIN (SELECT DISTINCT ${named} FROM ${rows} WHERE CASE WHEN counter_us > 0 AND counter_joules > 0 THEN 0 ELSE 1 END = 1) e ON ${keys.map((key) => `e.${chosenName(key)} = i.${key}`).join(' AND ')}`;
  const told = ['counter_joules', 'counter_us', 'power_sum'].map((sum) => `sum(i.${sum}) AS ${sum}`);
  return (
    `SELECT ${named} FROM (SELECT ${[...keys.map((key) => `i.${key} AS ${key}`), ...told].join(', ')} FROM ${rows} i${isOneTable ? doubtful : ''}` +
    ` GROUP BY ${keys.map((key) => `i.${key}`).join(', ')})` +
    ` WHERE NOT ${isCountedSql({ joules: 'counter_joules', us: 'counter_us', power: 'power_sum' })}`
  );
}
