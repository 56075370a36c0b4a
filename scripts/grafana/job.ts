import { causeColumnsOf } from '../../schemas/kept/conclusion-columns.ts';
import { CAUSES } from '../../src/core/analysis/causes.ts';
import { gaugeSummands, type Summand } from '../../src/figures/summands.ts';
import { CAUSE_LABELS } from '../../src/report/causes-text.ts';
import { rowsSql, stepOf, STEPS, stepSources, wholeSources } from './levels.ts';
import { namedQuery } from './named-query.ts';
import type { Dashboard, Panel } from './panel.ts';
import { AMOUNTS, BEST_JOULES, DEVICES, extremes, inCluster } from './sums.ts';
import { CLUSTER, JOB, PAGES, SAMPLES } from './variables.ts';

/** Its stays that lie in the time that is looked at, whole: an id that was given again, years apart, is another job. */
const STAYS = `FROM gpu_ownership WHERE job_id = @job AND ts < @to AND (end_ts IS NULL OR end_ts > @from) AND ${inCluster('')}`;
const BEGIN_HOUR = `(SELECT timestamp_floor('1h', min(ts)) ${STAYS})`;
const END = `(SELECT max(coalesce(end_ts, now())) ${STAYS})`;

/** Rows of the job, by its label: alone on a device, or by its part of an owner set. */
function ofJob(
  sources: Parameters<typeof rowsSql>[0],
  keys: readonly string[],
  summands: readonly Summand[],
): string {
  const alone = rowsSql(sources, [...keys, '1.0 AS part'], summands, {
    where: `s.job_id = @job AND s.owner_set IS NULL AND ${inCluster('s.')}`,
  });
  const shared = rowsSql(sources, [...keys, 'o.part AS part'], summands, {
    join: 'JOIN gpu_owner_sets o ON o.owner_set = s.owner_set',
    where: `o.job_id = @job AND s.owner_set IS NOT NULL AND ${inCluster('s.')}`,
  });
  return `${alone}\n  UNION ALL\n${shared}`;
}

const LAST: Summand = { name: 'last_ts', rollup: 'last_ts', raw: 's.ts' };

/**
 * A row for each device that the job had. Hours and energy by its part and by slices; levels (means, the time that was seen) as the device
 * had them. What runs still is looked at up to its newest sample, or up to now where that is older than a minute.
 */
const OF_DEVICES = `WITH mine AS (
${ofJob(wholeSources({ lane: 'samples', fromHour: BEGIN_HOUR, upTo: `<= ${END}` }), ['s.gpu AS gpu'], [...AMOUNTS, LAST])}
), sums AS (
  SELECT gpu, sum(dt_us) AS dt_us, sum(dt_us * part) AS part_us, sum(sm_sum) AS sm_sum, sum(sm_us) AS sm_us,
    sum(sm_sum * part) AS used_us, sum(sm_us * part) AS known_us, sum(idle5_us * part) AS idle_us, sum(power_sum) AS watt_us, sum(power_us) AS watts_known_us,
    sum(power_sum * part) AS power_sum, sum(power_us * part) AS power_us, sum(counter_joules * part) AS counter_joules, sum(counter_us * part) AS counter_us
  FROM mine
), newest AS (
  SELECT CASE WHEN now() - max(last_ts) > 60000000 THEN now() ELSE max(last_ts) END AS open_ts FROM mine
), owned AS (
  SELECT st.node AS node, st.gpu AS gpu, sum(coalesce(st.end_ts, n.open_ts) - st.ts) AS owned_us
  FROM (SELECT node, gpu, ts, end_ts ${STAYS}) st CROSS JOIN newest n
  GROUP BY st.node, st.gpu
), sized AS (
  ${DEVICES}
), devices AS (
  SELECT o.node AS node, o.gpu AS gpu, z.label AS label, o.owned_us AS owned_us, coalesce(z.size, 1.0) AS size, s.dt_us AS dt_us, s.part_us AS part_us,
    s.sm_sum AS sm_sum, s.sm_us AS sm_us, s.used_us AS used_us, s.known_us AS known_us, s.idle_us AS idle_us, s.watt_us AS watt_us,
    s.watts_known_us AS watts_known_us, ${BEST_JOULES.replaceAll(/\b(counter_joules|counter_us|power_sum|power_us)\b/g, 's.$1')} AS joules
  FROM owned o LEFT JOIN sums s ON s.gpu = o.gpu LEFT JOIN sized z ON z.gpu = o.gpu
)`;

const SUMMARY: Panel = {
  title: 'The job',
  about:
    'All of the job, whatever part of it the plots below show, if some of it lies in the time that is looked at. Seen is the part of the owned time for which samples speak. Used is SM activity times time; GPU-hours and energy are by its part of shared devices, and of MIG instances by slices; MIG instances have no energy of their own here.',
  kind: 'figures',
  width: 24,
  height: 4,
  units: {
    seen: 'percentunit',
    'GPU-hours': 'short',
    'SM active': 'percentunit',
    'used GPU-hours': 'short',
    idle: 'percentunit',
    energy: 'kwatth',
    'power of a device': 'watt',
  },
  sql: `${OF_DEVICES}
SELECT count() AS devices, CASE WHEN sum(dt_us) >= sum(owned_us) THEN 1.0 ELSE sum(dt_us) * 1.0 / sum(owned_us) END AS seen,
  sum(part_us * size) / 3.6e9 AS "GPU-hours", sum(sm_sum) / sum(sm_us) AS "SM active", sum(used_us * size) / 3.6e9 AS "used GPU-hours",
  CASE WHEN sum(known_us) > 0 THEN coalesce(sum(idle_us * size), 0) / sum(known_us * size) END AS idle,
  sum(joules) / 3.6e6 AS energy, sum(watt_us) / sum(watts_known_us) AS "power of a device"
FROM devices`,
};

const BY_DEVICE: Panel = {
  title: 'Its devices',
  about: 'The same of each device. What was not seen is not idle; nobody knows it.',
  kind: 'table',
  width: 24,
  height: 8,
  links: { node: 'node' },
  units: {
    seen: 'percentunit',
    sm_active: 'percentunit',
    idle: 'percentunit',
    kwh: 'kwatth',
    watts: 'watt',
    gpu_hours: 'short',
    used_gpu_hours: 'short',
  },
  sql: `${OF_DEVICES}
SELECT node, label AS device, gpu, CASE WHEN dt_us >= owned_us THEN 1.0 ELSE dt_us * 1.0 / owned_us END AS seen, part_us * size / 3.6e9 AS gpu_hours,
  sm_sum / sm_us AS sm_active, used_us * size / 3.6e9 AS used_gpu_hours, CASE WHEN known_us > 0 THEN coalesce(idle_us, 0) / known_us END AS idle,
  joules / 3.6e6 AS kwh, watt_us / watts_known_us AS watts
FROM devices
ORDER BY node, device, gpu`,
};

const GAUGES = {
  sm: 'sm_active_ratio',
  tensor: 'tensor_active_ratio',
  dram: 'dram_active_ratio',
  power: 'power_watts',
  memory: 'fb_used_bytes',
  nvlink_tx: 'nvlink_tx_bytes_per_second',
  nvlink_rx: 'nvlink_rx_bytes_per_second',
  pcie_tx: 'pcie_tx_bytes_per_second',
  pcie_rx: 'pcie_rx_bytes_per_second',
} as const;
type GaugeName = keyof typeof GAUGES;

const sumsOf = (names: readonly GaugeName[]): Summand[] =>
  names.flatMap((name) => gaugeSummands(name, GAUGES[name]));
const meanOf = (name: string): string => `sum(${name}_sum) / sum(${name}_us)`;

/** Steps of time over all devices; a step in which nothing was seen is a gap. @param columns by name, over the rows of a step */
function overTime(
  names: readonly GaugeName[],
  columns: Readonly<Record<string, string>>,
  also: readonly Summand[] = [],
): string {
  const told = Object.entries(columns);
  return `WITH mine AS (
${ofJob(stepSources('samples'), ['s.ts AS ts'], [...sumsOf(names), ...also])}
), plot AS (
  SELECT ${stepOf('ts')} AS t, ${told.map(([, sql], index) => `${sql} AS x${index}`).join(', ')}
  FROM mine
  GROUP BY ${stepOf('ts')}
), steps AS (
  ${STEPS}
)
SELECT steps.time AS time, ${told.map(([name], index) => `plot.x${index} AS "${name}"`).join(', ')}
FROM steps LEFT JOIN plot ON plot.t = steps.time
ORDER BY time`;
}

/** The same of each device. */
function overTimeByDevice(name: GaugeName): string {
  return `WITH mine AS (
${ofJob(stepSources('samples'), ['s.ts AS ts', 's.gpu AS gpu'], sumsOf([name]))}
), plot AS (
  SELECT ${stepOf('ts')} AS t, gpu, ${meanOf(name)} AS x
  FROM mine
  GROUP BY ${stepOf('ts')}, gpu
), sized AS (
  ${DEVICES}
)
SELECT p.t AS time, coalesce(z.label, p.gpu) AS device, p.x AS "${name}"
FROM plot p LEFT JOIN sized z ON z.gpu = p.gpu
WHERE p.x IS NOT NULL
ORDER BY time, device`;
}

const PLOTS: readonly Panel[] = [
  {
    title: 'Activity',
    about: 'Means over all its devices, by the time that samples speak for.',
    kind: 'lines',
    unit: 'percentunit',
    width: 12,
    height: 8,
    sql: overTime(['sm', 'tensor', 'dram'], {
      SM: meanOf('sm'),
      tensor: meanOf('tensor'),
      DRAM: meanOf('dram'),
    }),
  },
  {
    title: 'Power of a device',
    about:
      'The mean, and the lowest and the highest sample of any of its devices: no peak is lost at any zoom.',
    kind: 'lines',
    unit: 'watt',
    width: 12,
    height: 8,
    sql: overTime(
      ['power'],
      { mean: meanOf('power'), lowest: 'min(power_min)', highest: 'max(power_max)' },
      extremes('power', GAUGES.power),
    ),
  },
  {
    title: 'SM activity of every device',
    about:
      'A line of cells for each device: a straggler is a line of another colour, a pause a column. White was not seen.',
    kind: 'map',
    isByDevice: true,
    stepsMax: 200,
    unit: 'percentunit',
    width: 24,
    height: 12,
    sql: overTimeByDevice('sm'),
  },
  {
    title: 'Memory of a device',
    about: 'The mean over its devices, and the highest sample of any.',
    kind: 'lines',
    unit: 'bytes',
    width: 12,
    height: 8,
    sql: overTime(
      ['memory'],
      { mean: meanOf('memory'), highest: 'max(memory_max)' },
      extremes('memory', GAUGES.memory),
    ),
  },
  {
    title: 'Links of a device',
    about: 'Means over its devices.',
    kind: 'lines',
    unit: 'binBps',
    width: 12,
    height: 8,
    sql: overTime(['nvlink_tx', 'nvlink_rx', 'pcie_tx', 'pcie_rx'], {
      'NVLink sent': meanOf('nvlink_tx'),
      'NVLink received': meanOf('nvlink_rx'),
      'PCIe sent': meanOf('pcie_tx'),
      'PCIe received': meanOf('pcie_rx'),
    }),
  },
];

const EACH: readonly Panel[] = (
  [
    ['sm', 'SM activity', 'percentunit'],
    ['tensor', 'Tensor activity', 'percentunit'],
    ['dram', 'DRAM activity', 'percentunit'],
    ['power', 'Power', 'watt'],
  ] as const
).map(([name, title, unit]) => ({
  title: `${title} of each device`,
  about: 'A line for each device. A time in which none of them was seen is bridged: see the picture above.',
  kind: 'lines',
  isByDevice: true,
  stepsMax: 300,
  unit,
  width: 12,
  height: 10,
  sql: overTimeByDevice(name),
}));

/** Where the time went, as it was concluded when the run had settled. */
const WHERE_TIME_WENT: Panel = {
  title: 'Where the time went',
  about:
    'GPU-hours by cause, of runs that have ended and whose figures are kept (job_figures); they add up to the owned time. Before, gpuledger report job tells it.',
  kind: 'bars',
  unit: 'h',
  width: 12,
  height: 10,
  sql: `WITH kept AS (
  SELECT gpu, run, ${CAUSES.map((cause) => causeColumnsOf(cause).us).join(', ')},
    row_number() OVER (PARTITION BY job_id, run, gpu ORDER BY written_ts DESC) AS n
  FROM job_figures WHERE job_id = @job AND ts < @to AND end_ts > @from AND ${inCluster('')}
), told AS (
  SELECT * FROM kept WHERE n = 1
)
SELECT cause, us / 3.6e9 AS "GPU-hours" FROM (
${CAUSES.map((cause) => `  SELECT '${CAUSE_LABELS[cause]}' AS cause, sum(${causeColumnsOf(cause).us}) AS us FROM told`).join('\n  UNION ALL\n')}
)
WHERE us > 0
ORDER BY us DESC`,
};

const WHO: Panel = {
  title: 'What the scheduler says',
  about: 'Its runs that lie in the time that is looked at.',
  kind: 'table',
  width: 12,
  height: 10,
  sql: `SELECT cluster, job_id, run, user, account, "partition", qos, name, state, exit_code, gpus, ts AS began, end_ts AS ended
FROM jobs WHERE job_id = @job AND ts < @to AND (end_ts IS NULL OR end_ts > @from) AND ${inCluster('')}
ORDER BY began DESC`,
};

const EVENTS: Panel = {
  title: 'Events',
  about:
    'XIDs, throttling, gaps and other events of its devices while it had them, and of its nodes as a whole.',
  kind: 'table',
  width: 12,
  height: 8,
  links: { node: 'node' },
  sql: namedQuery('job-events', { job: '@job', limit: '200' }),
};

const NEIGHBOURS: Panel = {
  title: 'Who else had its devices',
  about: 'Other jobs that owned one of its devices at the same time, and which parts both were told to have.',
  kind: 'table',
  width: 12,
  height: 8,
  links: { node: 'node', job_id: 'job' },
  units: { seconds: 's', own_share: 'percentunit', other_share: 'percentunit' },
  sql: namedQuery('job-neighbours', { job: '@job' }),
};

export const JOB_DASHBOARD: Dashboard = {
  name: 'job',
  title: 'gpuledger: job',
  about: 'What one job did with its GPUs.',
  since: 'now-24h',
  refresh: '',
  variables: [CLUSTER, JOB, SAMPLES, PAGES],
  marks: [
    {
      name: 'XIDs and throttling',
      color: 'red',
      sql: `SELECT e.ts AS time, coalesce(e.end_ts, e.ts) AS timeEnd, concat(e.node, ' ', e.kind) AS title,
  concat(e.kind, ' ', e.subject, ' ', e.code, ' ', e.text) AS text, e.kind AS tags
FROM gpu_events e JOIN (SELECT gpu, min(ts) AS begin_ts, max(coalesce(end_ts, now())) AS end_ts ${STAYS} GROUP BY gpu) st ON st.gpu = e.gpu
WHERE e.kind IN ('xid', 'throttle') AND e.ts >= @from AND e.ts <= @to AND e.ts > st.begin_ts AND e.ts <= st.end_ts
ORDER BY time LIMIT 1000`,
    },
  ],
  sections: [
    { title: 'In all', panels: [SUMMARY, WHO, WHERE_TIME_WENT] },
    { title: 'Over time', panels: PLOTS },
    { title: 'Devices', panels: [BY_DEVICE, EVENTS, NEIGHBOURS] },
    { title: 'Each device over time', isCollapsed: true, panels: EACH },
  ],
};
