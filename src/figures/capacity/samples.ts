import { ENERGY_RISE_COLUMN, IDLE_SM_RATIO } from '../../core/fields/well-known.ts';
import { quoteName, quoteText } from '../../../schemas/tables.ts';
import { ENERGY_RISE_DT_COLUMN, IDLE_DT_COLUMN } from '../../../schemas/views.ts';
import { UNRESOLVED_JOB_ID } from '../../core/jobs/label.ts';
import type { CapacityGrouping } from './figures.ts';
import type { CapacityWindow, Segment } from './window.ts';
import type { LaneGauges } from '../gauges.ts';
import type { OwnedSamples } from '../owned-samples.ts';
import { quoteTime } from '../sql-text.ts';

/** A sum of a capacity report: how a rollup holds it, and how it is made from one sample `s`. */
interface Summand {
  readonly name: string;
  readonly rollup: string;
  readonly raw: string;
}

/** The sums that a lane can give. Names are the columns of the queries' answers. */
function summandsOf({ gauges, hasEnergy }: LaneGauges): readonly Summand[] {
  const columns = new Map(gauges);
  const gauge = (prefix: string, column: string): Summand[] => {
    const x = quoteName(column);
    return [
      { name: `${prefix}_sum`, rollup: quoteName(`${column}_dtsum`), raw: `s.${x} * s.dt_us` },
      {
        name: `${prefix}_us`,
        rollup: quoteName(`${column}_dt`),
        raw: `CASE WHEN s.${x} IS NOT NULL THEN s.dt_us END`,
      },
    ];
  };
  const sm = columns.get('smActive');
  const power = columns.get('power');
  const rise = quoteName(ENERGY_RISE_COLUMN);
  return [
    { name: 'dt_us', rollup: 'dt_us', raw: 's.dt_us' },
    ...(sm === undefined
      ? []
      : [
          ...gauge('sm', sm),
          {
            name: 'idle_us',
            rollup: IDLE_DT_COLUMN,
            raw: `CASE WHEN s.${quoteName(sm)} < ${IDLE_SM_RATIO} THEN s.dt_us END`,
          },
        ]),
    ...(power === undefined ? [] : gauge('power', power)),
    ...(hasEnergy
      ? [
          { name: 'counter_joules', rollup: rise, raw: `s.${rise}` },
          {
            name: 'counter_us',
            rollup: ENERGY_RISE_DT_COLUMN,
            raw: `CASE WHEN s.${rise} IS NOT NULL THEN s.dt_us END`,
          },
        ]
      : []),
  ];
}

/** `o`: the ownership intervals that reach into the window; `g`: what each job or device belongs to. */
function commonHead(by: CapacityGrouping, window: CapacityWindow): string {
  const groups = groupsSql(by, window);
  const [from, to] = [quoteTime(window.fromUs), quoteTime(window.toUs)];
  return (
    `WITH o AS (SELECT node, gpu AS owned_gpu, job_id AS owner, ts AS start_ts, coalesce(end_ts, cast(${to} AS TIMESTAMP)) AS stop_ts, share` +
    ` FROM gpu_ownership WHERE ts < ${to} AND (end_ts IS NULL OR (end_ts >= ${from} AND end_ts > ts)))` +
    (groups === '' ? '' : `, ${groups}`)
  );
}

/** `g AS (…)`, or nothing where the row itself says what it belongs to. */
function groupsSql(by: CapacityGrouping, { fromUs, toUs }: CapacityWindow): string {
  const [from, to] = [quoteTime(fromUs), quoteTime(toUs)];
  switch (by) {
    case 'user':
    case 'account':
    case 'partition':
      // As STRING: QuestDB 9.3.4 returns rubbish for a VARCHAR that went through an aggregate, a join and a GROUP BY.
      return (
        `g AS (SELECT job_id AS member, last_not_null(cast(${quoteName(by)} AS STRING)) AS name FROM jobs` +
        ` WHERE ts < ${to} AND (end_ts IS NULL OR end_ts >= ${from}) GROUP BY job_id)`
      );
    case 'model':
      return `g AS (SELECT gpu AS member, last_not_null(model) AS name FROM gpu_inventory GROUP BY gpu)`;
    case 'node':
      return '';
  }
}

/** How `g` is joined to a row that has a job and a device, and what the group is then called. */
function groupJoin(
  by: CapacityGrouping,
  job: string,
  gpu: string,
  node: string,
): { join: string; name: string } {
  switch (by) {
    case 'user':
    case 'account':
    case 'partition':
      return { join: ` LEFT JOIN g ON g.member = ${job}`, name: 'g.name' };
    case 'model':
      return { join: ` LEFT JOIN g ON g.member = ${gpu}`, name: 'g.name' };
    case 'node':
      return { join: '', name: node };
  }
}

/**
 * Whole devices, from the rollups: a row per group and kind. Kinds: `unowned`, `sole`, `unresolved`, and `shared` for what
 * has to be divided sample by sample (several owners, or one who has only a part).
 */
export function wholeDevicesSql(
  by: CapacityGrouping,
  window: CapacityWindow,
  source: LaneGauges,
  segments: readonly Segment[],
): string {
  const summands = summandsOf(source);
  const parts = segments.map(({ table, isRaw, fromUs, toUs }) => {
    const sums = summands.map(({ name, rollup, raw }) => `${isRaw ? raw : `s.${rollup}`} AS ${name}`);
    return (
      `SELECT s.node AS node, s.gpu AS gpu, s.job_id AS job_id, s.owners AS owners, ${isRaw ? '1' : 's.row_count'} AS samples, ${sums.join(', ')}` +
      ` FROM ${quoteName(table)} s WHERE s.ts >= ${quoteTime(fromUs)} AND s.ts < ${quoteTime(toUs)}`
    );
  });
  const names = ['samples', ...summands.map(({ name }) => name)];
  const { join, name } = groupJoin(by, 'p.job_id', 'p.gpu', 'p.node');
  const kind =
    "CASE WHEN p.owners = 0 THEN 'unowned' WHEN p.owners > 1 OR q.part_owner IS NOT NULL THEN 'shared'" +
    ` WHEN p.job_id = ${quoteText(UNRESOLVED_JOB_ID)} THEN 'unresolved' ELSE 'sole' END`;
  return (
    `${commonHead(by, window)}, q AS (SELECT DISTINCT owner AS part_owner, owned_gpu AS part_gpu FROM o WHERE share < 1),` +
    ` r AS (${parts.join(' UNION ALL ')}),` +
    ` p AS (SELECT node, gpu, job_id, owners, ${names.map((sum) => `sum(${sum}) AS ${sum}`).join(', ')} FROM r GROUP BY node, gpu, job_id, owners)` +
    ` SELECT ${name} AS name, ${kind} AS kind, ${names.map((sum) => `sum(p.${sum}) AS ${sum}`).join(', ')}` +
    ` FROM p LEFT JOIN q ON q.part_owner = p.job_id AND q.part_gpu = p.gpu${join} GROUP BY name, kind`
  );
}

/**
 * Shared devices, from the samples of just those: a row per group, by each owner's part. What counts as shared is what
 * `wholeDevicesSql` calls so, or the rows would not add up.
 */
export function sharedDevicesSql(
  by: CapacityGrouping,
  window: CapacityWindow,
  source: LaneGauges,
  samples: OwnedSamples,
): string {
  const sums = summandsOf(source).map(({ name, raw }) => `sum((${raw}) * ${samples.share}) AS ${name}`);
  const groups = groupsSql(by, window);
  const { join, name } = groupJoin(by, 'o.owner', 's.gpu', 's.node');
  const [from, to] = [quoteTime(window.fromUs), quoteTime(window.toUs)];
  return (
    `${groups === '' ? '' : `WITH ${groups} `}SELECT ${name} AS name,` +
    ` CASE WHEN o.owner = ${quoteText(UNRESOLVED_JOB_ID)} THEN 'unresolved' ELSE 'sole' END AS kind, ${sums.join(', ')}` +
    ` ${samples.from}${join} WHERE ${samples.where} AND s.ts >= ${from} AND s.ts < ${to}` +
    ' AND (s.owners > 1 OR (s.owners = 1 AND o.has_share = 1 AND s.job_id = o.owner)) GROUP BY name, kind'
  );
}

/** Distinct jobs that owned a device in the window, a row per group and one for all (`is_all`). */
export function jobCountsSql(by: CapacityGrouping, window: CapacityWindow): string {
  const { join, name } = groupJoin(by, 'o.owner', 'o.owned_gpu', 'o.node');
  const owners = `o.owner != ${quoteText(UNRESOLVED_JOB_ID)}`;
  return (
    `${commonHead(by, window)} SELECT name, is_all, jobs FROM (` +
    `SELECT ${name} AS name, 0 AS is_all, count_distinct(o.owner) AS jobs FROM o${join} WHERE ${owners} GROUP BY name` +
    ` UNION ALL SELECT NULL AS name, 1 AS is_all, count_distinct(o.owner) AS jobs FROM o WHERE ${owners})`
  );
}
