/** The single values of the configuration: their keys, and the environment variables above the file. */
export interface Setting {
  /** As in the file: `flush.interval`. */
  readonly key: string;
  /** `path`: relative to the file that holds it. `whole` and `truth` are read from the environment's text. */
  readonly kind: 'text' | 'path' | 'whole' | 'truth';
  /** The value may hold a password or a token. */
  readonly isSecret?: true;
}

export const SETTINGS: readonly Setting[] = [
  { key: 'node', kind: 'text' },
  { key: 'source', kind: 'text' },
  { key: 'devices', kind: 'text' },
  { key: 'synthetic.nodes', kind: 'whole' },
  { key: 'synthetic.gpus', kind: 'whole' },
  { key: 'synthetic.seed', kind: 'whole' },
  { key: 'synthetic.mig', kind: 'truth' },
  { key: 'dcgm.library', kind: 'path' },
  { key: 'dcgm.engine', kind: 'text' },
  { key: 'dcgm.route', kind: 'text' },
  { key: 'nvml.library', kind: 'path' },
  { key: 'recording.file', kind: 'path' },
  { key: 'questdb.client_conf', kind: 'text', isSecret: true },
  { key: 'questdb.client_conf_file', kind: 'path' },
  { key: 'questdb.request_timeout', kind: 'text' },
  { key: 'questdb.gzip', kind: 'truth' },
  { key: 'flush.interval', kind: 'text' },
  { key: 'flush.batch_rows', kind: 'whole' },
  { key: 'delivery.journal', kind: 'truth' },
  { key: 'delivery.spool_bytes', kind: 'text' },
  { key: 'delivery.spool_age', kind: 'text' },
  { key: 'delivery.confirm', kind: 'text' },
  { key: 'jobs.hpc_job_mapping_dir', kind: 'path' },
  { key: 'jobs.journal_dir', kind: 'path' },
  { key: 'jobs.gpustat_dir', kind: 'path' },
  { key: 'jobs.device_map', kind: 'text' },
  { key: 'retention.raw', kind: 'text' },
  { key: 'retention.rollup_1m', kind: 'text' },
  { key: 'retention.rollup_1h', kind: 'text' },
  { key: 'state_dir', kind: 'path' },
  { key: 'log.format', kind: 'text' },
  { key: 'log.level', kind: 'text' },
];

/** The lane that `--interval` and `--counters` are about. */
export const FLAGGED_LANE = 'profiling';
export const LANE_INTERVAL_KEY = `lanes.${FLAGGED_LANE}.interval`;
export const LANE_COUNTERS_KEY = `lanes.${FLAGGED_LANE}.fields_file`;

/** `flush.batch_rows` → `GPULEDGER_FLUSH_BATCH_ROWS`; the official client's variable for its own string. */
export function environmentVariableOf(key: string): string {
  if (key === 'questdb.client_conf') return 'QDB_CLIENT_CONF';
  if (key === LANE_INTERVAL_KEY) return 'GPULEDGER_INTERVAL';
  if (key === LANE_COUNTERS_KEY) return 'GPULEDGER_COUNTERS';
  return `GPULEDGER_${key.toUpperCase().replaceAll('.', '_')}`;
}

/** Names the file itself. */
export const CONFIG_FILE_VARIABLE = 'GPULEDGER_CONFIG';
export const DEFAULT_CONFIG_FILE = '/etc/gpuledger/gpuledger.yaml';
