import { inCluster } from './sums.ts';
import { ALL, type Variable } from './panel.ts';

/** Tables that hold a column: those of lanes, whatever they are called. */
const tablesWith = (column: string): string =>
  `SELECT DISTINCT table_name FROM information_schema.columns() WHERE column_name = '${column}' ORDER BY table_name`;

/** Where activity is read: of several tables that have it the first by name, unless another one is chosen. */
export const SAMPLES: Variable = {
  kind: 'choice',
  name: 'samples',
  label: 'samples',
  sql: tablesWith('sm_active_ratio'),
  first: 'gpu_profiling',
};

export const TEMPERATURES: Variable = {
  kind: 'choice',
  name: 'temperatures',
  label: 'temperatures',
  sql: tablesWith('gpu_temp_celsius'),
  first: 'gpu_device',
};

export const CLUSTER: Variable = {
  kind: 'choice',
  name: 'cluster',
  label: 'cluster',
  sql: 'SELECT DISTINCT cluster FROM gpu_inventory WHERE cluster IS NOT NULL ORDER BY cluster',
  first: ALL,
};

export const ACCOUNT: Variable = {
  kind: 'choice',
  name: 'account',
  label: 'account',
  sql: 'SELECT DISTINCT account FROM jobs WHERE account IS NOT NULL AND ts < @to AND (end_ts IS NULL OR end_ts > @from) ORDER BY account',
  first: ALL,
};

export const NODE: Variable = {
  kind: 'choice',
  name: 'node',
  label: 'node',
  sql: `SELECT DISTINCT node FROM gpu_inventory WHERE ${inCluster('')} ORDER BY node`,
  first: '',
};

/** Those of the time that is looked at, the newest first; another id may be typed. */
export const JOB: Variable = {
  kind: 'choice',
  name: 'job',
  label: 'job',
  sql: `SELECT job_id FROM (
  SELECT job_id, max(ts) AS ts FROM gpu_ownership WHERE ts < @to AND (end_ts IS NULL OR end_ts > @from) AND ${inCluster('')}
) ORDER BY ts DESC LIMIT 500`,
  first: '',
};

/** Address of `gpuledger serve`, as `serve.url` has it. */
export const PAGES: Variable = {
  kind: 'text',
  name: 'pages',
  label: 'gpuledger serve',
  first: 'http://127.0.0.1:8470',
};
