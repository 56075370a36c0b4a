import { stepOf, STEPS } from './levels.ts';
import { namedQuery } from './named-query.ts';
import type { Dashboard, Panel } from './panel.ts';
import { inCluster } from './sums.ts';
import { CLUSTER, SAMPLES } from './variables.ts';

const TOLD = `FROM collector_stats WHERE ts > @from AND ts <= @to AND ${inCluster('')}`;
const NEWEST = `SELECT * ${TOLD} LATEST ON ts PARTITION BY cluster, node, lane`;

const FATES: Panel = {
  title: 'Where the rows are',
  about:
    'Of all collectors, by their newest report of each lane in the window. What was sampled is acknowledged by the store, held in memory, on disk, refused or dropped: nothing else. Counts go up over the life of a state directory.',
  kind: 'figures',
  unit: 'short',
  width: 24,
  height: 4,
  sql: `SELECT sum(sampled_rows) AS sampled, sum(acknowledged_rows) AS acknowledged, sum(held_rows) AS held, sum(spooled_rows) AS spooled,
  sum(refused_rows) AS refused, sum(dropped_rows) AS dropped, max(oldest_unsent_ms) / 1e3 AS "oldest unsent (s)", max(ring_fill_ratio) * 100 AS "fullest ring (%)"
FROM (${NEWEST})`,
};

/** Over all nodes and lanes in steps of time. */
function overTime(columns: Readonly<Record<string, string>>, each: string): string {
  const told = Object.entries(columns);
  return `WITH each AS (
  SELECT ${stepOf('ts')} AS t, node, lane, ${each}
  ${TOLD}
  GROUP BY ${stepOf('ts')}, node, lane
), plot AS (
  SELECT t, ${told.map(([, sql], index) => `${sql} AS x${index}`).join(', ')} FROM each GROUP BY t
), steps AS (
  ${STEPS}
)
SELECT steps.time AS time, ${told.map(([name], index) => `plot.x${index} AS "${name}"`).join(', ')}
FROM steps LEFT JOIN plot ON plot.t = steps.time
ORDER BY time`;
}

const PLOTS: readonly Panel[] = [
  {
    title: 'Waiting to be sent',
    about: 'Rows in memory and on disk, Σ over all collectors. While the store is away they grow.',
    kind: 'lines',
    unit: 'short',
    width: 12,
    height: 8,
    sql: overTime(
      { held: 'sum(held)', spooled: 'sum(spooled)' },
      'max(held_rows) AS held, max(spooled_rows) AS spooled',
    ),
  },
  {
    title: 'Spool on disk',
    about: 'Σ over all collectors.',
    kind: 'lines',
    unit: 'bytes',
    width: 12,
    height: 8,
    sql: overTime({ spool: 'sum(bytes)' }, 'max(spool_bytes) AS bytes'),
  },
  {
    title: 'Writing',
    about: 'What a flush took: the mean, and the longest of any collector.',
    kind: 'lines',
    unit: 'ms',
    width: 12,
    height: 8,
    sql: overTime(
      { mean: 'avg(mean)', longest: 'max(longest)' },
      'avg(flush_ms_mean) AS mean, max(flush_ms_max) AS longest',
    ),
  },
  {
    title: 'Sampling',
    about:
      'What a tick took: the mean, and the longest of any collector. One that takes a whole interval makes the next late.',
    kind: 'lines',
    unit: 'ms',
    width: 12,
    height: 8,
    sql: overTime(
      { mean: 'avg(mean)', longest: 'max(longest)' },
      'avg(sample_ms_mean) AS mean, max(sample_ms_max) AS longest',
    ),
  },
  {
    title: 'Rings',
    about: 'How full the fullest one was. A full ring drops.',
    kind: 'lines',
    unit: 'percentunit',
    width: 12,
    height: 8,
    sql: overTime({ fullest: 'max(fill)' }, 'max(ring_fill_ratio) AS fill'),
  },
  {
    title: 'Late ticks and failed flushes',
    about: 'Counts since each collector was started, Σ over all: a step is a fault.',
    kind: 'lines',
    unit: 'short',
    width: 12,
    height: 8,
    sql: overTime(
      { 'late ticks': 'sum(late)', 'failed flushes': 'sum(failed)', 'dropped rows': 'sum(dropped)' },
      'max(late_ticks) AS late, max(flush_failed_count) AS failed, max(dropped_rows) AS dropped',
    ),
  },
];

const COLLECTORS: Panel = {
  title: 'Collectors',
  about: 'The newest report of each lane of each collector in the last day of the window, the oldest first.',
  kind: 'table',
  width: 24,
  height: 10,
  links: { node: 'node' },
  units: {
    age_seconds: 's',
    cpu_ratio: 'percentunit',
    rss_bytes: 'bytes',
    oldest_unsent_seconds: 's',
    sample_ms_max: 'ms',
  },
  sql: namedQuery('collectors', { at: '@to', within: '86400000000' }),
};

const AGES: Panel = {
  title: 'Newest sample of each node',
  about: 'Its age at the end of the window; empty where there is none of the last ten minutes.',
  kind: 'table',
  width: 12,
  height: 10,
  links: { node: 'node' },
  units: { age: 's' },
  sql: `WITH newest AS (
  SELECT node, max(ts) AS ts FROM @samples WHERE ts > dateadd('m', -10, @to) AND ts <= @to AND ${inCluster('')}
), listed AS (
  SELECT node, max(ts) AS listed_ts FROM gpu_inventory WHERE ts <= @to AND ${inCluster('')}
)
SELECT l.node AS node, n.ts AS newest, (@to - n.ts) / 1e6 AS age
FROM listed l LEFT JOIN newest n ON n.node = l.node
ORDER BY age DESC, node`,
};

const GAPS: Panel = {
  title: 'Where nothing was collected',
  about: 'Gaps, drops, pauses and lost engines by node.',
  kind: 'table',
  width: 12,
  height: 10,
  links: { node: 'node' },
  units: { seconds: 's', longest_seconds: 's' },
  sql: namedQuery('gaps', { from: '@from', to: '@to' }),
};

const NOTICES: Panel = {
  title: 'What collectors told of themselves',
  about:
    'Events that concern no single GPU, the newest first: engines lost and found, drops, clocks that were set, values that cannot be.',
  kind: 'table',
  width: 24,
  height: 10,
  links: { node: 'node' },
  sql: `SELECT ts, end_ts, node, kind, code, subject, text FROM gpu_events
WHERE gpu IS NULL AND ts > @from AND ts <= @to AND ${inCluster('')}
ORDER BY ts DESC
LIMIT 500`,
};

const STORE: readonly Panel[] = [
  {
    title: 'Tables of the store',
    about:
      'What waits to be applied. A suspended table takes rows and shows none: gpuledger tells how to resume it.',
    kind: 'table',
    width: 12,
    height: 10,
    sql: `SELECT name, suspended, sequencerTxn - writerTxn AS waiting, errorMessage AS error FROM wal_tables()
ORDER BY suspended DESC, waiting DESC, name`,
  },
  {
    title: 'Rollups',
    about: 'One that is invalid is not kept up to date any more: gpuledger schema apply builds it again.',
    kind: 'table',
    width: 12,
    height: 10,
    sql: `SELECT view_name AS rollup, view_status AS state, base_table_txn - refresh_base_table_txn AS behind, last_refresh_finish_timestamp AS refreshed,
  invalidation_reason AS reason
FROM materialized_views()
ORDER BY state, behind DESC, rollup`,
  },
];

export const HEALTH_DASHBOARD: Dashboard = {
  name: 'health',
  title: 'gpuledger: collectors and store',
  about: 'Whether what is recorded arrives.',
  since: 'now-6h',
  refresh: '1m',
  variables: [CLUSTER, SAMPLES],
  marks: [],
  sections: [
    { title: 'Collectors', panels: [FATES, ...PLOTS, COLLECTORS, AGES, GAPS, NOTICES] },
    { title: 'Store', panels: STORE },
  ],
};
