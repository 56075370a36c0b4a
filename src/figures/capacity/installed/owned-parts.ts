import { causeColumnsOf } from '../../../../schemas/kept/conclusion-columns.ts';
import { idleColumnsOf } from '../../../../schemas/idle-columns.ts';
import { CAUSES, type Cause } from '../../../core/analysis/causes.ts';
import { ask, type Asked, type Cells } from '../../query-cells.ts';
import { quoteTime } from '../../sql-text.ts';
import type { DeviceClasses } from '../device-classes.ts';
import {
  groupedSql,
  groupKeys,
  isOfJobNames,
  jobNumberSql,
  ownClusterSql,
  periodOf,
  rowKeys,
  type Membership,
} from '../membership.ts';
import { periodSql } from '../periods.ts';
import { keyOfRow, textOf } from '../tally.ts';
import type { InstalledPart } from './parts.ts';

/** Where the time of ended jobs went, as `job_figures` keeps it, in µs by shares and slices. */
export interface ToldOwned {
  readonly parts: Readonly<Partial<Record<InstalledPart, number>>>;
  /** What of this time was idle by the limits of the report. */
  readonly idleUs: number;
}

/** How causes stand in a waterfall; what was not seen is no part of what was owned and seen. */
const PART_OF_CAUSE: Readonly<Record<Exclude<Cause, 'notSeen'>, InstalledPart>> = {
  untold: 'untold',
  idleHead: 'idleHead',
  idleTail: 'idleTail',
  pause: 'idle',
  hang: 'stalled',
  deviceIdle: 'idle',
  gaps: 'idle',
  waiting: 'stalled',
  throttled: 'low',
  low: 'low',
  effective: 'effective',
};

const SEEN_CAUSES = CAUSES.filter((cause) => cause !== 'notSeen');
const CAUSE_SUMS = SEEN_CAUSES.map((cause) => ({ name: `c_${cause}`, sql: `s.${causeColumnsOf(cause).us}` }));

/**
 * Where the time of the jobs of each group went, by the key of the group. Only of runs that lie in the window as a whole, and in one period where
 * rows are by these: of others nobody knows which part of it was in there.
 * @returns empty where the store keeps none
 * @throws what `ask` throws
 */
export async function ownedParts(
  db: Asked,
  of: Membership,
  { classes }: DeviceClasses,
): Promise<Map<string, ToldOwned>> {
  if (!(await keepsCauses(db))) return new Map();
  const hasVoids = (await ask(db, `${voidStaysSql(of)} LIMIT 1`)).length > 0;
  const told = new Map<string, ToldOwned>();
  for (const devices of classes) {
    const { idleDt } = idleColumnsOf(devices.limit);
    for (const row of await ask(db, groupSql(of, { idleDt, andSql: devices.andSql, hasVoids }))) {
      const key = textOf(keyOfRow(of, row));
      told.set(key, addTold(told.get(key), row));
    }
  }
  return told;
}

function addTold(before: ToldOwned | undefined, row: Cells): ToldOwned {
  const parts: Partial<Record<InstalledPart, number>> = { ...before?.parts };
  for (const cause of SEEN_CAUSES) {
    const part = PART_OF_CAUSE[cause];
    parts[part] = (parts[part] ?? 0) + (row.number(`c_${cause}`) ?? 0);
  }
  return { parts, idleUs: (before?.idleUs ?? 0) + (row.number('idle_us') ?? 0) };
}

async function keepsCauses(db: Asked): Promise<boolean> {
  const rows = await ask(
    db,
    "SELECT column_name FROM information_schema.columns() WHERE table_name = 'job_figures' AND column_name = 'causes_origin'",
  );
  return rows.length > 0;
}

/** Whole runs of the window. */
function withinSql({ window, by, every, months }: Membership): string {
  const period = periodOf({ by, every });
  const ofOne =
    period === undefined
      ? ''
      : ` AND ${periodSql(period, 's.ts', months)} = ${periodSql(period, 's.end_ts', months)}`;
  return (
    `s.ts >= ${quoteTime(window.fromUs)} AND s.end_ts < ${quoteTime(window.toUs)}${ofOne}` +
    // Samples at its end are of the bucket that begins then.
    " AND s.causes_origin IN ('samples', 'minutes', 'minutes_alone')"
  );
}

/** Stays that own no time: their starts were taken back. A row of `job_figures` with such a start is of nothing. */
function voidStaysSql({ window }: Membership): string {
  return (
    `SELECT ts AS v_ts, job_id AS v_job, gpu AS v_gpu FROM gpu_ownership` +
    ` WHERE ts >= ${quoteTime(window.fromUs)} AND ts < ${quoteTime(window.toUs)} AND end_ts = ts`
  );
}

/** Of one run and device: by the run's part, as the causes are, and of MIG instances by slices, too. */
function idleSql(causes: readonly string[], idleDt: string, attributedUs: string): string {
  return `CASE WHEN ${attributedUs} > 0 THEN ${idleDt} * (${causes.join(' + ')}) / ${attributedUs} END`;
}

function groupSql(
  of: Membership,
  { idleDt, ...how }: { readonly idleDt: string; readonly andSql: string; readonly hasVoids: boolean },
): string {
  const picks: Record<string, string> = {
    x_job: 's.job_id',
    x_gpu: 's.gpu',
    x_node: 's.node',
    x_cluster: ownClusterSql(of, 's.cluster'),
    x_number: jobNumberSql(of, 's.job_id', 's.cluster', 's.ts'),
    x_period: periodSql(periodOf(of) ?? 'month', 's.ts', of.months),
    x_ts: 's.ts',
  };
  const isByJob = isOfJobNames(of);
  const isLate = isByJob && of.every !== undefined;
  const keys = rowKeys(of, { isByDevice: false, isByJob }).filter((key) => !isLate || key !== 'x_period');
  const names = CAUSE_SUMS.map(({ name }) => name);
  // A row is of one run and device: by jobs it goes to its group as it is, and what is computed of it is computed there.
  const [columns, idle] = isByJob
    ? [
        [...CAUSE_SUMS, { name: 'idle_dt', sql: `s.${idleDt}` }, { name: 'own_us', sql: 's.attributed_us' }],
        idleSql(names, 'idle_dt', 'own_us'),
      ]
    : [
        [
          ...CAUSE_SUMS.map(({ name, sql }) => ({ name, sql: `sum(${sql})` })),
          {
            name: 'idle_us',
            sql: `sum(${idleSql(
              CAUSE_SUMS.map(({ sql }) => sql),
              `s.${idleDt}`,
              's.attributed_us',
            )})`,
          },
        ],
        'idle_us',
      ];
  const late = isLate ? ['x_ts'] : [];
  const picked = [...keys, ...late].map((key) => ({ name: key, sql: picks[key]! }));
  const rows = `SELECT ${[...picked, ...columns].map(({ name, sql }) => `${sql} AS ${name}`).join(', ')} ${fromSql(of, how)}`;
  const head = groupedSql(of, {
    head: 'WITH ',
    keys,
    rows,
    columns: [...late, ...columns.map(({ name }) => name)],
  });
  const groups = groupKeys(of);
  const told = groups.map((key) =>
    isLate && key === 'x_period' ? `${periodSql(of.every, 'x_ts', of.months)} AS x_period` : key,
  );
  const sums = [...names.map((name) => `sum(${name}) AS ${name}`), `sum(${idle}) AS idle_us`];
  return `${head} SELECT ${[...told, ...sums].join(', ')} FROM z GROUP BY ${groups.join(', ')}`;
}

function fromSql(
  of: Membership,
  { andSql, hasVoids }: { readonly andSql: string; readonly hasVoids: boolean },
): string {
  if (!hasVoids) return `FROM job_figures s WHERE ${withinSql(of)}${andSql}`;
  const joined = `SELECT * FROM job_figures s LEFT JOIN (${voidStaysSql(of)}) v ON v.v_job = s.job_id AND v.v_gpu = s.gpu AND v.v_ts = s.ts`;
  return `FROM (${joined}) s WHERE ${withinSql(of)}${andSql} AND s.v_ts IS NULL`;
}
