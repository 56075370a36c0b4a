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
const TOLD_SQL = SEEN_CAUSES.map((cause) => `s.${causeColumnsOf(cause).us}`).join(' + ');

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
    // By the run's part, as the causes are, and of MIG instances by slices, too.
    const idle = `CASE WHEN s.attributed_us > 0 THEN s.${idleDt} * (${TOLD_SQL}) / s.attributed_us END`;
    for (const row of await ask(db, groupSql(of, { idle, andSql: devices.andSql, hasVoids }))) {
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

function groupSql(
  of: Membership,
  { idle, andSql, hasVoids }: { readonly idle: string; readonly andSql: string; readonly hasVoids: boolean },
): string {
  const picks: Record<string, string> = {
    x_job: 's.job_id',
    x_gpu: 's.gpu',
    x_node: 's.node',
    x_cluster: ownClusterSql(of, 's.cluster'),
    x_number: jobNumberSql(of, 's.job_id', 's.cluster', 's.ts'),
    x_period: periodSql(periodOf(of) ?? 'month', 's.ts', of.months),
  };
  const isByJob = isOfJobNames(of);
  const keys = rowKeys(of, { isByDevice: false, isByJob });
  const sums = [...SEEN_CAUSES.map((cause) => `c_${cause}`), 'idle_us'];
  const values = [...SEEN_CAUSES.map((cause) => `s.${causeColumnsOf(cause).us}`), idle];
  const from = hasVoids
    ? `(SELECT * FROM job_figures s LEFT JOIN (${voidStaysSql(of)}) v ON v.v_job = s.job_id AND v.v_gpu = s.gpu AND v.v_ts = s.ts) s`
    : 'job_figures s';
  // A row is of one run and device: by jobs there is nothing to be added up before it is known whose they are.
  const added = values.map((value, at) => `${isByJob ? value : `sum(${value})`} AS ${sums[at]!}`);
  const rows =
    `SELECT ${[...keys.map((key) => `${picks[key]!} AS ${key}`), ...added].join(', ')}` +
    ` FROM ${from} WHERE ${withinSql(of)}${andSql}${hasVoids ? ' AND s.v_ts IS NULL' : ''}`;
  const groups = groupKeys(of).join(', ');
  return (
    groupedSql(of, { head: 'WITH ', keys, rows, columns: sums }) +
    ` SELECT ${groups}, ${sums.map((sum) => `sum(${sum}) AS ${sum}`).join(', ')} FROM z GROUP BY ${groups}`
  );
}
