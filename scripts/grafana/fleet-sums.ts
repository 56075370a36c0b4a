import { UNRESOLVED_JOB_ID } from '../../src/core/jobs/label.ts';
import { rowsSql, wholeSources } from './levels.ts';
import { AMOUNTS, BEST_JOULES, DEVICES, inCluster } from './sums.ts';

/** Of many jobs and devices, in a window: from the hour that holds its begin up to its end. */

/**
 * Rows by whom they belong to (`kind`): `job`, by its part; `unowned`; `free shares`, what no part of a shared device covers, or nobody
 * knows how to divide; `cut`, a GPU beside its MIG instances, in whose place those are owned.
 */
function parts(keys: readonly string[]): string {
  const sources = wholeSources({ lane: 'samples', fromHour: `timestamp_floor('1h', @from)`, upTo: '< @to' });
  const alone = rowsSql(
    sources,
    [
      ...keys,
      's.job_id AS job_id',
      `CASE WHEN s.owners IS NULL THEN 'cut' WHEN s.owners = 0 THEN 'unowned' WHEN s.job_id IS NULL THEN 'free shares' ELSE 'job' END AS kind`,
      '1.0 AS part',
    ],
    AMOUNTS,
    { where: `s.owner_set IS NULL AND ${inCluster('s.')}` },
  );
  const members = rowsSql(
    sources,
    [...keys, 'o.job_id AS job_id', `'job' AS kind`, 'o.part AS part'],
    AMOUNTS,
    {
      join: 'JOIN gpu_owner_sets o ON o.owner_set = s.owner_set',
      where: `s.owner_set IS NOT NULL AND ${inCluster('s.')}`,
    },
  );
  const rest = rowsSql(
    sources,
    [...keys, 'cast(null AS VARCHAR) AS job_id', `'free shares' AS kind`, 'o.part AS part'],
    AMOUNTS,
    {
      join: 'JOIN (SELECT owner_set, 1.0 - sum(part) AS part FROM gpu_owner_sets) o ON o.owner_set = s.owner_set',
      where: `s.owner_set IS NOT NULL AND o.part > 1e-9 AND ${inCluster('s.')}`,
    },
  );
  return [alone, members, rest].join('\n  UNION ALL\n');
}

/** Columns by which the sums are told apart beside kind, job and device. */
export type FleetKey = 'cluster' | 'node' | 'day';
const KEYS: Readonly<Record<FleetKey, string>> = {
  cluster: 's.cluster AS cluster',
  node: 's.node AS node',
  day: `timestamp_floor('1d', s.ts) AS day`,
};

/**
 * `told`: of each kind, job and device `us`, `sm_us`, `used_us` and `idle_us` by part and slices, `joules`, and `gpu_us`: the time of
 * whole GPUs, in which instances are not counted once more.
 */
export function fleetSums(by: readonly FleetKey[] = []): string {
  const keys = by.map((key) => `${key}, `).join('');
  return `WITH parts AS (
${parts([...by.map((key) => KEYS[key]), 's.gpu AS gpu'])}
), sums AS (
  SELECT ${keys}kind, job_id, gpu, sum(dt_us * part) AS dt_us, sum(sm_sum * part) AS sm_sum, sum(sm_us * part) AS sm_us, sum(idle5_us * part) AS idle_us,
    sum(power_sum * part) AS power_sum, sum(power_us * part) AS power_us, sum(counter_joules * part) AS counter_joules, sum(counter_us * part) AS counter_us
  FROM parts
), sized AS (
  ${DEVICES}
), told AS (
  SELECT ${by.map((key) => `s.${key} AS ${key}, `).join('')}s.kind AS kind, s.job_id AS job_id, s.gpu AS gpu, z.label AS label,
    CASE WHEN z.parent IS NULL THEN s.dt_us END AS gpu_us, s.dt_us * coalesce(z.size, CASE WHEN z.parent IS NULL THEN 1.0 END) AS us,
    s.sm_sum * coalesce(z.size, CASE WHEN z.parent IS NULL THEN 1.0 END) AS used_us, s.sm_us * coalesce(z.size, CASE WHEN z.parent IS NULL THEN 1.0 END) AS sm_us,
    s.idle_us * coalesce(z.size, CASE WHEN z.parent IS NULL THEN 1.0 END) AS idle_us,
    ${BEST_JOULES.replaceAll(/\b(counter_joules|counter_us|power_sum|power_us)\b/g, 's.$1')} AS joules
  FROM sums s LEFT JOIN sized z ON z.gpu = s.gpu
)`;
}

const of = (kind: string, column: string): string => `sum(CASE WHEN kind = '${kind}' THEN ${column} END)`;
/** 0 where there is none: that is known. */
const hoursOf = (kind: string, column = 'us'): string => `coalesce(${of(kind, column)}, 0) / 3.6e9`;

/** Columns over `told`, whatever it is grouped by. Time and levels of jobs alone; energy of all that is there. */
export const FLEET = {
  gpuHours: 'coalesce(sum(gpu_us), 0) / 3.6e9',
  ownedHours: hoursOf('job'),
  unownedHours: hoursOf('unowned'),
  freeHours: hoursOf('free shares'),
  usedHours: `${of('job', 'used_us')} / 3.6e9`,
  unusedHours: `(${of('job', 'sm_us')} - ${of('job', 'used_us')}) / 3.6e9`,
  idleHours: `CASE WHEN ${of('job', 'sm_us')} > 0 THEN coalesce(${of('job', 'idle_us')}, 0) END / 3.6e9`,
  sm: `${of('job', 'used_us')} / ${of('job', 'sm_us')}`,
  kwh: 'sum(joules) / 3.6e6',
  ownedKwh: `${of('job', 'joules')} / 3.6e6`,
  unownedKwh: `${of('unowned', 'joules')} / 3.6e6`,
} as const;

/** What reports call rows whose job nobody could name. */
export const UNRESOLVED = UNRESOLVED_JOB_ID;
