import { FLEET, fleetSums } from './fleet-sums.ts';
import { gaugeSummands } from '../../src/figures/summands.ts';
import { rowsSql, stepOf, stepSources, type LaneWord } from './levels.ts';
import type { Dashboard, Panel, Unit } from './panel.ts';
import { DEVICES, inCluster, named } from './sums.ts';
import { CLUSTER, NODE, PAGES, SAMPLES, TEMPERATURES } from './variables.ts';

const HERE = `s.node = @node AND ${inCluster('s.')}`;

const SUMMARY: Panel = {
  title: 'The node',
  about:
    "In the window, which begins with the hour that holds its begin: GPU-hours of jobs and nobody's, by parts and slices; energy of its GPUs.",
  kind: 'figures',
  width: 24,
  height: 4,
  units: {
    'SM active (owned)': 'percentunit',
    'energy (owned)': 'kwatth',
    energy: 'kwatth',
    'energy (unowned)': 'kwatth',
  },
  sql: `${fleetSums(['node'])}
SELECT ${FLEET.gpuHours} AS "GPU-hours", ${FLEET.ownedHours} AS owned, ${FLEET.unownedHours} AS unowned, ${FLEET.sm} AS "SM active (owned)",
  ${FLEET.unusedHours} AS "unused (owned)", ${FLEET.idleHours} AS "idle (owned)", ${FLEET.kwh} AS energy, ${FLEET.ownedKwh} AS "energy (owned)",
  ${FLEET.unownedKwh} AS "energy (unowned)"
FROM told
WHERE node = @node`,
};

const NOW: Panel = {
  title: 'Devices at the end of the window',
  about:
    'What the inventory knows, with the newest sample of the last ten minutes. Where several jobs own a device no single one is named.',
  kind: 'table',
  width: 24,
  height: 8,
  links: { job_id: 'job' },
  units: {
    sm_active: 'percentunit',
    watts: 'watt',
    memory_used: 'bytes',
    memory: 'bytes',
    celsius: 'celsius',
    age: 's',
  },
  sql: `WITH listed AS (
  SELECT gpu, gpu_index, model, memory_bytes, mig_profile FROM gpu_inventory WHERE ts <= @to AND node = @node AND ${inCluster('')} LATEST ON ts PARTITION BY gpu
), newest AS (
  SELECT ts, gpu, job_id, owners, sm_active_ratio, power_watts, fb_used_bytes FROM @samples
  WHERE node = @node AND ts > dateadd('m', -10, @to) AND ts <= @to LATEST ON ts PARTITION BY gpu
), warmth AS (
  SELECT gpu, gpu_temp_celsius FROM @temperatures
  WHERE node = @node AND ts > dateadd('m', -10, @to) AND ts <= @to LATEST ON ts PARTITION BY gpu
)
SELECT l.gpu_index AS gpu_index, l.gpu AS gpu, l.model AS model, l.mig_profile AS mig_profile, n.owners AS owners, n.job_id AS job_id, n.sm_active_ratio AS sm_active,
  n.power_watts AS watts, n.fb_used_bytes AS memory_used, l.memory_bytes AS memory, w.gpu_temp_celsius AS celsius, (@to - n.ts) / 1e6 AS age
FROM listed l LEFT JOIN newest n ON n.gpu = l.gpu LEFT JOIN warmth w ON w.gpu = l.gpu
ORDER BY gpu_index, gpu`,
};

function byDevice(lane: LaneWord, column: string, name: string): string {
  const summands = gaugeSummands('x', column);
  return `WITH mine AS (
${rowsSql(stepSources(lane), ['s.ts AS ts', 's.gpu AS gpu'], summands, { where: HERE })}
), plot AS (
  SELECT ${stepOf('ts')} AS t, gpu, sum(x_sum) / sum(x_us) AS x
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

const PLOTS: readonly Panel[] = (
  [
    ['SM activity', 'samples', 'sm_active_ratio', 'SM', 'percentunit'],
    ['Power', 'samples', 'power_watts', 'power', 'watt'],
    ['Memory used', 'samples', 'fb_used_bytes', 'memory', 'bytes'],
    ['Temperature', 'temperatures', 'gpu_temp_celsius', 'temperature', 'celsius'],
  ] as const satisfies readonly (readonly [string, LaneWord, string, string, Unit])[]
).map(([title, lane, column, name, unit]) => ({
  title,
  about: 'Means of each device, by the time that samples speak for.',
  kind: 'lines',
  isByDevice: true,
  unit,
  width: 12,
  height: 8,
  sql: byDevice(lane, column, name),
}));

const WHO_OWNS: Panel = {
  title: 'Who has the devices',
  about: 'In each step who had most of what was seen of the device. What was not seen is left out.',
  kind: 'states',
  width: 24,
  height: 8,
  sql: `WITH mine AS (
${rowsSql(
  stepSources('samples'),
  ['s.ts AS ts', 's.gpu AS gpu', 's.job_id AS job_id', 's.owners AS owners', 's.dt_us AS us'],
  [],
  { where: `s.owners IS NOT NULL AND ${HERE}` },
)}
), steps AS (
  SELECT ${stepOf('ts')} AS t, gpu, job_id, owners, sum(us) AS us FROM mine GROUP BY ${stepOf('ts')}, gpu, job_id, owners
), ranked AS (
  SELECT t, gpu, job_id, owners, row_number() OVER (PARTITION BY t, gpu ORDER BY us DESC, owners DESC, job_id) AS n FROM steps
), sized AS (
  ${DEVICES}
)
SELECT r.t AS time, coalesce(z.label, r.gpu) AS device,
  CASE WHEN r.owners = 0 THEN 'nobody' WHEN r.job_id IS NULL THEN concat('shared by ', r.owners) ELSE cast(r.job_id AS STRING) END AS state
FROM ranked r LEFT JOIN sized z ON z.gpu = r.gpu
WHERE r.n = 1
ORDER BY time, device`,
};

const JOBS: Panel = {
  title: 'Jobs that had devices of it',
  about: 'In the window, the newest first.',
  kind: 'table',
  width: 12,
  height: 10,
  links: { job_id: 'job' },
  sql: `WITH stay AS (
  SELECT job_id, min(ts) AS began, max(coalesce(end_ts, now())) AS until, count() AS devices FROM gpu_ownership
  WHERE node = @node AND ts < @to AND (end_ts IS NULL OR end_ts > @from) AND ${inCluster('')}
), names AS (
  ${named(['user', 'account', 'name', 'state'])}
)
SELECT s.job_id AS job_id, n.user AS user, n.account AS account, n.name AS name, n.state AS state, s.devices AS devices, s.began AS began, s.until AS until
FROM stay s LEFT JOIN names n ON n.job_id = s.job_id
ORDER BY began DESC, job_id
LIMIT 200`,
};

const EVENTS_HERE = `FROM gpu_events WHERE node = @node AND ts >= @from AND ts <= @to AND ${inCluster('')}`;

const EVENTS: Panel = {
  title: 'Events',
  about: 'XIDs, throttling, errors, gaps and what the collector tells of itself, the newest first.',
  kind: 'table',
  width: 12,
  height: 10,
  links: { job_id: 'job' },
  sql: `SELECT ts, end_ts, gpu, kind, code, subject, text, job_id ${EVENTS_HERE}
ORDER BY ts DESC
LIMIT 500`,
};

export const NODE_DASHBOARD: Dashboard = {
  name: 'node',
  title: 'gpuledger: node',
  about: 'The GPUs of one node: what they do, and whose they are.',
  since: 'now-6h',
  refresh: '1m',
  variables: [CLUSTER, NODE, SAMPLES, TEMPERATURES, PAGES],
  marks: [
    {
      name: 'XIDs',
      color: 'red',
      sql: `SELECT ts AS time, coalesce(end_ts, ts) AS timeEnd, concat(kind, ' ', code) AS title, concat(gpu, ' ', subject, ' ', text) AS text, kind AS tags
${EVENTS_HERE} AND kind = 'xid'
ORDER BY time LIMIT 1000`,
    },
  ],
  sections: [
    { title: 'In all', panels: [SUMMARY, NOW] },
    { title: 'Over time', panels: [WHO_OWNS, ...PLOTS] },
    { title: 'What happened', panels: [JOBS, EVENTS] },
  ],
};
