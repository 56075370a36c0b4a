import { FLEET, fleetSums, UNRESOLVED } from './fleet-sums.ts';
import { gaugeSummands, type Summand } from '../../src/figures/summands.ts';
import { rowsSql, stepOf, STEPS, stepSources } from './levels.ts';
import { namedQuery } from './named-query.ts';
import type { Dashboard, Panel, Unit } from './panel.ts';
import { inCluster, named } from './sums.ts';
import { ACCOUNT, CLUSTER, PAGES, SAMPLES } from './variables.ts';

const WINDOW =
  'The window begins with the hour that holds its begin; of a longer time than some hours also the hour that holds its end counts whole.';
const MIG =
  'MIG instances count by slices; energy is of whole GPUs, and is not divided among instances here.';

const UNITS: Readonly<Record<string, Unit>> = {
  gpu_hours: 'short',
  unused_gpu_hours: 'short',
  idle_gpu_hours: 'short',
  unowned_gpu_hours: 'short',
  sm_active: 'percentunit',
  kwh: 'kwatth',
  unowned_kwh: 'kwatth',
};

const SUMMARY: Panel = {
  title: 'The fleet',
  about: `Seen GPU-hours of all GPUs; owned ones are of jobs, unused those that were owned and not used: owned time less SM activity times time. ${MIG} ${WINDOW}`,
  kind: 'figures',
  width: 24,
  height: 4,
  units: { 'SM active (owned)': 'percentunit', energy: 'kwatth', 'energy (unowned)': 'kwatth' },
  sql: `${fleetSums()}
SELECT ${FLEET.gpuHours} AS "GPU-hours", ${FLEET.ownedHours} AS owned, ${FLEET.unownedHours} AS unowned, ${FLEET.sm} AS "SM active (owned)",
  ${FLEET.unusedHours} AS "unused (owned)", ${FLEET.idleHours} AS "idle (owned)", ${FLEET.kwh} AS energy, ${FLEET.unownedKwh} AS "energy (unowned)"
FROM told`,
};

const BY_DAY: Panel = {
  title: 'GPU-hours by day',
  about: `Used and unused by jobs and nobody's, on each other; lines are what was owned and all that was seen (UTC). ${MIG}`,
  kind: 'days',
  stacked: ['used', 'unused', 'unowned'],
  unit: 'h',
  width: 12,
  height: 9,
  sql: `${fleetSums(['day'])}
SELECT day AS time, ${FLEET.usedHours} AS used, ${FLEET.unusedHours} AS unused, ${FLEET.unownedHours} AS unowned, ${FLEET.ownedHours} AS owned,
  ${FLEET.gpuHours} AS seen
FROM told
GROUP BY day
ORDER BY time`,
};

const KWH_BY_DAY: Panel = {
  title: 'Energy by day',
  about: `What GPUs drew while jobs owned them, and while nobody did, on each other; the line is all of it (UTC). ${MIG}`,
  kind: 'days',
  stacked: ['owned', 'unowned'],
  unit: 'kwatth',
  width: 12,
  height: 9,
  sql: `${fleetSums(['day'])}
SELECT day AS time, ${FLEET.ownedKwh} AS owned, ${FLEET.unownedKwh} AS unowned, ${FLEET.kwh} AS energy
FROM told
GROUP BY day
ORDER BY time`,
};

const POWER: readonly Summand[] = gaugeSummands('power', 'power_watts');

const USE: Panel = {
  title: 'Activity over time',
  about: 'SM activity of owned devices, and the part of the seen time that was owned.',
  kind: 'lines',
  unit: 'percentunit',
  width: 24,
  height: 8,
  sql: `WITH rows AS (
${rowsSql(stepSources('samples'), ['s.ts AS ts', 's.owners AS owners', 's.dt_us AS us'], [...gaugeSummands('sm', 'sm_active_ratio'), ...POWER], { where: `s.owners IS NOT NULL AND ${inCluster('s.')}` })}
), plot AS (
  SELECT ${stepOf('ts')} AS t, sum(CASE WHEN owners > 0 THEN sm_sum END) / sum(CASE WHEN owners > 0 THEN sm_us END) AS sm,
    coalesce(sum(CASE WHEN owners > 0 THEN us END), 0) * 1.0 / sum(us) AS owned
  FROM rows
  GROUP BY ${stepOf('ts')}
), steps AS (
  ${STEPS}
)
SELECT steps.time AS time, plot.sm AS "SM active (owned)", plot.owned AS owned
FROM steps LEFT JOIN plot ON plot.t = steps.time
ORDER BY time`,
};

/** Of jobs, with the account of each; time that belongs to no job has a name in brackets. */
const OF_ACCOUNTS = `${fleetSums()}, accounts AS (
  ${named(['account'])}
), rows AS (
  SELECT CASE WHEN t.kind != 'job' THEN concat('(', t.kind, ')') WHEN t.job_id = '${UNRESOLVED}' THEN '(unresolved)'
      ELSE cast(a.account AS STRING) END AS account,
    'job' AS kind, t.us AS us, t.sm_us AS sm_us, t.used_us AS used_us, t.idle_us AS idle_us, t.joules AS joules
  FROM told t LEFT JOIN accounts a ON a.job_id = t.job_id
  WHERE t.kind != 'cut'
)`;

const BY_ACCOUNT: Panel = {
  title: 'By account',
  about: `Time and energy of the jobs of each account; an empty name is of jobs of which nobody told it, and what is in brackets of no job. ${MIG} ${WINDOW}`,
  kind: 'table',
  width: 12,
  height: 10,
  units: UNITS,
  sql: `${OF_ACCOUNTS}
SELECT account, ${FLEET.ownedHours} AS gpu_hours, ${FLEET.sm} AS sm_active, ${FLEET.unusedHours} AS unused_gpu_hours, ${FLEET.idleHours} AS idle_gpu_hours,
  ${FLEET.ownedKwh} AS kwh
FROM rows
WHERE @account = '' OR account = @account
GROUP BY account
ORDER BY gpu_hours DESC, account`,
};

const KWH_BY_ACCOUNT: Panel = {
  title: 'Energy by account',
  about: 'The same of energy, the most first.',
  kind: 'bars',
  unit: 'kwatth',
  width: 12,
  height: 10,
  sql: `${OF_ACCOUNTS}
SELECT coalesce(account, '(not told)') AS account, ${FLEET.ownedKwh} AS kwh
FROM rows
WHERE @account = '' OR account = @account
GROUP BY account
ORDER BY kwh DESC, account
LIMIT 20`,
};

const BY_NODE: Panel = {
  title: 'By node',
  about: `Time of jobs on each node, and what was nobody's; nodes of two clusters with one name are two. ${MIG}`,
  kind: 'table',
  width: 24,
  height: 10,
  links: { node: 'node' },
  units: UNITS,
  sql: `${fleetSums(['cluster', 'node'])}
SELECT cluster, node, ${FLEET.ownedHours} AS gpu_hours, ${FLEET.unownedHours} AS unowned_gpu_hours, ${FLEET.sm} AS sm_active, ${FLEET.unusedHours} AS unused_gpu_hours,
  ${FLEET.idleHours} AS idle_gpu_hours, ${FLEET.ownedKwh} AS kwh, ${FLEET.unownedKwh} AS unowned_kwh
FROM told
GROUP BY cluster, node
ORDER BY cluster, node`,
};

const TOP_JOBS: Panel = {
  title: 'Jobs that left most unused',
  about: `GPU-hours that a job had and did not use, in this window. Not the lowest percentage: that is of small jobs. ${MIG}`,
  kind: 'table',
  width: 24,
  height: 12,
  links: { job_id: 'job' },
  units: UNITS,
  sql: `${fleetSums()}, names AS (
  ${named(['user', 'account', 'name', 'state'])}
), jobs_told AS (
  SELECT job_id, kind, sum(us) AS us, sum(sm_us) AS sm_us, sum(used_us) AS used_us, sum(idle_us) AS idle_us, sum(joules) AS joules
  FROM told WHERE kind = 'job'
)
SELECT j.job_id AS job_id, n.user AS user, n.account AS account, n.name AS name, n.state AS state, (j.sm_us - j.used_us) / 3.6e9 AS unused_gpu_hours,
  j.us / 3.6e9 AS gpu_hours, j.used_us / j.sm_us AS sm_active, CASE WHEN j.sm_us > 0 THEN coalesce(j.idle_us, 0) END / 3.6e9 AS idle_gpu_hours, j.joules / 3.6e6 AS kwh
FROM jobs_told j LEFT JOIN names n ON n.job_id = j.job_id
WHERE @account = '' OR n.account = @account
ORDER BY unused_gpu_hours DESC, job_id
LIMIT 50`,
};

/** The newest sign of each device of the inventory in the last 30 days. */
const UNSEEN: Panel = {
  title: 'Devices that were not seen lately',
  about:
    'Devices of the inventory whose newest sample is older than the minutes above, at the end of the window; an empty time is of more than 30 days.',
  kind: 'table',
  width: 12,
  height: 10,
  links: { node: 'node' },
  units: { not_seen: 's' },
  sql: `WITH signs AS (
  SELECT gpu, max(ts) AS last_ts FROM (
    SELECT gpu, last_ts AS ts FROM @samples_1h WHERE ts > dateadd('d', -30, @to) AND ts <= @to
    UNION ALL
    SELECT gpu, last_ts FROM @samples_1m WHERE ts > dateadd('h', -3, @to) AND ts <= @to
    UNION ALL
    SELECT gpu, ts FROM @samples WHERE ts > dateadd('m', -5, @to) AND ts <= @to
  ) WHERE ts <= @to
), listed AS (
  SELECT cluster, node, gpu, gpu_index, model, ts FROM gpu_inventory WHERE ts <= @to AND ${inCluster('')} LATEST ON ts PARTITION BY gpu
)
SELECT l.node AS node, l.gpu_index AS gpu_index, l.gpu AS gpu, l.model AS model, s.last_ts AS last_sample, (@to - s.last_ts) / 1e6 AS not_seen
FROM listed l LEFT JOIN signs s ON s.gpu = l.gpu
WHERE s.last_ts IS NULL OR (@to - s.last_ts) / 60e6 > coalesce(@unseen_minutes, 10.0)
ORDER BY not_seen DESC, node, gpu_index
LIMIT 500`,
};

const RUNNING: Panel = {
  title: 'Jobs that run at the end of the window',
  about: 'With the means of their devices over its last ten minutes.',
  kind: 'table',
  width: 12,
  height: 10,
  links: { job_id: 'job' },
  units: { sm_active_ratio: 'percentunit', power_watts: 'watt' },
  sql: namedQuery('running-jobs', { at: '@to', within: '600000000', user: `''`, lane: '@samples' }),
};

export const FLEET_DASHBOARD: Dashboard = {
  name: 'fleet',
  title: 'gpuledger: fleet',
  about: 'Who had the GPUs, and what was made of them.',
  since: 'now-7d',
  refresh: '',
  variables: [
    CLUSTER,
    ACCOUNT,
    { kind: 'text', name: 'unseen_minutes', label: 'not seen for (minutes)', first: '10' },
    SAMPLES,
    PAGES,
  ],
  marks: [],
  sections: [
    { title: 'In all', panels: [SUMMARY, USE, BY_DAY, KWH_BY_DAY] },
    { title: 'Whose', panels: [BY_ACCOUNT, KWH_BY_ACCOUNT, TOP_JOBS, BY_NODE] },
    { title: 'Now', panels: [RUNNING, UNSEEN] },
  ],
};
