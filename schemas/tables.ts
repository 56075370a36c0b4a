import { assert } from '../src/core/base/assert.ts';
import type { Field } from '../src/core/fields/field.ts';
import { findField } from '../src/core/fields/find-field.ts';
import { IDLE_LIMITS } from '../src/core/fields/idle-limits.ts';
import {
  ENERGY_FIELD_ID,
  ENERGY_RISE_COLUMN,
  ENERGY_RISE_DT_COLUMN,
  GAUGE_FIELD_IDS,
} from '../src/core/fields/well-known.ts';
import { BILLS } from './kept/bills-table.ts';
import { CONCLUSION_COLUMNS } from './kept/conclusion-columns.ts';
import { idleColumnsOf } from './idle-columns.ts';

/** The tables of gpuledger as data, and their DDL. The rollups over them: `views.ts`. For people: `docs/tables.md`. */

/** Raised when a change needs more than new tables, columns or views. Stands in `gpuledger_schema`. */
export const SCHEMA_VERSION = 3;

type ColumnType = 'TIMESTAMP' | 'SYMBOL' | 'VARCHAR' | 'LONG' | 'DOUBLE';

export interface TableColumn {
  readonly name: string;
  readonly type: ColumnType;
}

export interface Table {
  readonly name: string;
  /** The first is `ts`, the designated timestamp. */
  readonly columns: readonly TableColumn[];
  readonly partitionBy: 'HOUR' | 'DAY' | 'MONTH';
  /** QuestDB TTL (`14 DAYS`), absent for ever. */
  readonly ttl?: string;
  /** A second row with the same key replaces the first. */
  readonly upsertKeys: readonly string[];
}

/** What a table needs to know of a lane. */
export interface LaneTable {
  readonly name: string;
  readonly table: string;
  readonly intervalMs: number;
  readonly fields: readonly Field[];
}

/** QuestDB TTLs, a whole number and a unit (`14 DAYS`, `2 YEARS`); empty keeps for ever. */
export interface Retention {
  readonly raw: string;
  readonly rollup1m: string;
  readonly rollup1h: string;
  readonly rollup1d: string;
}

/**
 * Partitions of 30 to 80 million rows are read best. At one row a second a thousand GPUs make 86 million a day; lanes
 * faster than this many ms a tick make an hour's partition large enough with a hundred GPUs.
 */
const HOURLY_BELOW_INTERVAL_MS = 1_000;

const ENERGY_RISE_COLUMNS: readonly TableColumn[] = [
  { name: ENERGY_RISE_COLUMN, type: 'DOUBLE' },
  { name: ENERGY_RISE_DT_COLUMN, type: 'LONG' },
];

/** `gpu_<lane>`: one wide row per device and tick. The column order is the order on the wire, with `ts` first. */
export function sampleTable(lane: LaneTable, retention: Pick<Retention, 'raw'>): Table {
  const hasEnergy = lane.fields.some((field) => field.id === ENERGY_FIELD_ID);
  return {
    name: lane.table,
    columns: [
      { name: 'ts', type: 'TIMESTAMP' },
      { name: 'cluster', type: 'SYMBOL' },
      { name: 'node', type: 'SYMBOL' },
      { name: 'gpu', type: 'SYMBOL' },
      { name: 'job_id', type: 'VARCHAR' },
      { name: 'owners', type: 'LONG' },
      { name: 'owner_set', type: 'LONG' },
      { name: 'dt_us', type: 'LONG' },
      ...lane.fields.map(({ column }): TableColumn => ({ name: column, type: 'DOUBLE' })),
      ...(hasEnergy ? ENERGY_RISE_COLUMNS : []),
    ],
    partitionBy: lane.intervalMs < HOURLY_BELOW_INTERVAL_MS ? 'HOUR' : 'DAY',
    ...ttlOf(retention.raw),
    upsertKeys: ['ts', 'gpu'],
  };
}

/** The tables that do not depend on the lanes. */
export function smallTables(retention: Pick<Retention, 'raw' | 'rollup1m'>): readonly Table[] {
  return [
    OWNERSHIP,
    OWNER_SETS,
    SHARED_USE,
    JOBS,
    JOB_FIGURES,
    BILLS,
    INVENTORY,
    EVENTS,
    { ...HOST_JOBS, ...ttlOf(retention.raw) },
    NODE_STATES,
    { ...QUEUE, ...ttlOf(retention.rollup1m) },
    { ...COLLECTOR_STATS, ...ttlOf(retention.raw) },
    SCHEMA,
  ];
}

/** Every table, sample tables first. */
export function allTables(lanes: readonly LaneTable[], retention: Retention): readonly Table[] {
  return [...lanes.map((lane) => sampleTable(lane, retention)), ...smallTables(retention)];
}

export function createTableSql(table: Table): string {
  const columns = table.columns.map(({ name, type }) => `  ${quoteName(name)} ${type}`).join(',\n');
  const keys = table.upsertKeys.map(quoteName).join(', ');
  const ttl = table.ttl === undefined ? '' : ` TTL ${table.ttl}`;
  return (
    `CREATE TABLE IF NOT EXISTS ${quoteName(table.name)} (\n${columns}\n) TIMESTAMP(ts)` +
    ` PARTITION BY ${table.partitionBy}${ttl} WAL\nDEDUP UPSERT KEYS(${keys})`
  );
}

export function addColumnSql(table: string, { name, type }: TableColumn): string {
  return `ALTER TABLE ${quoteName(table)} ADD COLUMN IF NOT EXISTS ${quoteName(name)} ${type}`;
}

/** Quotes a table or column name. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Quotes a text value. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function ttlOf(ttl: string): { ttl?: string } {
  return ttl === '' ? {} : { ttl };
}

function columnsOf(text: string): readonly TableColumn[] {
  return text
    .trim()
    .split(/\s*,\s*/)
    .map((entry) => {
      const [name, type] = entry.split(' ');
      return { name: name!, type: type as ColumnType };
    });
}

/** One row per job run and device; `end_ts` is NULL while the job owns it. */
const OWNERSHIP: Table = {
  name: 'gpu_ownership',
  columns:
    columnsOf(`ts TIMESTAMP, end_ts TIMESTAMP, cluster SYMBOL, node SYMBOL, gpu SYMBOL, job_id VARCHAR, run LONG,
    share DOUBLE, source SYMBOL`),
  partitionBy: 'MONTH',
  upsertKeys: ['ts', 'cluster', 'gpu', 'job_id'],
};

/**
 * One row per member of an owner set. `ts` is the newest start of its members' stays, which the set's id is made of too: so
 * (owner_set, job_id) has one row, and a join by `owner_set` needs nothing else.
 */
const OWNER_SETS: Table = {
  name: 'gpu_owner_sets',
  columns:
    columnsOf(`ts TIMESTAMP, cluster SYMBOL, gpu SYMBOL, owner_set LONG, job_id VARCHAR, share DOUBLE, part DOUBLE,
    sharing SYMBOL, scaled LONG`),
  partitionBy: 'MONTH',
  upsertKeys: ['ts', 'owner_set', 'job_id'],
};

/** One row per user of a shared device and stretch of time: what its processes did there. `ts` is the start. */
const SHARED_USE: Table = {
  name: 'gpu_shared_use',
  columns: columnsOf(`ts TIMESTAMP, end_ts TIMESTAMP, cluster SYMBOL, node SYMBOL, gpu SYMBOL, kind SYMBOL,
    job_id VARCHAR, sm_use_seconds DOUBLE, memory_byte_seconds DOUBLE, seen_us LONG, processes LONG`),
  partitionBy: 'MONTH',
  upsertKeys: ['ts', 'cluster', 'gpu', 'kind', 'job_id'],
};

/** One row per job run. Submission and SLUID are learnt later than the start, so they cannot be keys. */
const JOBS: Table = {
  name: 'jobs',
  columns:
    columnsOf(`ts TIMESTAMP, end_ts TIMESTAMP, cluster SYMBOL, job_id VARCHAR, run LONG, submit_ts TIMESTAMP,
    sluid VARCHAR, name VARCHAR, user VARCHAR,
    account SYMBOL, partition SYMBOL, qos SYMBOL, array_job_id VARCHAR, array_task_id VARCHAR, het_job_id VARCHAR,
    nodes LONG, gpus LONG, state SYMBOL, exit_code LONG`),
  partitionBy: 'MONTH',
  upsertKeys: ['ts', 'cluster', 'job_id'],
};

/** Columns of `job_figures` that hold one gauge: Σ value·dt, Σ dt where the value was known, and the largest value. */
export function keptColumns(gauge: keyof typeof GAUGE_FIELD_IDS): {
  /** Of the sample tables. */
  readonly column: string;
  readonly sum: string;
  readonly knownUs: string;
  readonly max: string;
} {
  const field = findField(String(GAUGE_FIELD_IDS[gauge]));
  assert(field !== undefined, `the catalogue has no field of the gauge ${gauge}`);
  const { column } = field;
  return { column, sum: `${column}_dtsum`, knownUs: `${column}_dt`, max: `${column}_max` };
}

/** One row per job run and device, from the samples, so that reports outlive them. `ts` is the start. */
const JOB_FIGURES: Table = {
  name: 'job_figures',
  columns: [
    ...columnsOf(`ts TIMESTAMP, end_ts TIMESTAMP, cluster SYMBOL, node SYMBOL, gpu SYMBOL, job_id VARCHAR, run LONG,
    share DOUBLE, owned_us LONG, shared_us LONG, samples LONG, step_count LONG, dt_us LONG, attributed_us DOUBLE`),
    ...(Object.keys(GAUGE_FIELD_IDS) as (keyof typeof GAUGE_FIELD_IDS)[]).flatMap((gauge): TableColumn[] => {
      const { sum, knownUs, max } = keptColumns(gauge);
      return [
        { name: sum, type: 'DOUBLE' },
        { name: knownUs, type: 'LONG' },
        { name: max, type: 'DOUBLE' },
      ];
    }),
    ...columnsOf('energy_rise_joules DOUBLE, energy_rise_dt_us LONG, power_joules DOUBLE'),
    ...IDLE_LIMITS.flatMap((limit): TableColumn[] => {
      const { idleDt, lastActive } = idleColumnsOf(limit);
      return [
        { name: idleDt, type: 'DOUBLE' },
        { name: lastActive, type: 'TIMESTAMP' },
      ];
    }),
    ...columnsOf('written_ts TIMESTAMP'),
    ...CONCLUSION_COLUMNS,
  ],
  partitionBy: 'MONTH',
  upsertKeys: ['ts', 'cluster', 'job_id', 'gpu'],
};

/** One row per device and collector life. */
const INVENTORY: Table = {
  name: 'gpu_inventory',
  columns:
    columnsOf(`ts TIMESTAMP, cluster SYMBOL, node SYMBOL, gpu SYMBOL, gpu_index LONG, minor LONG, model SYMBOL,
    memory_bytes LONG, parent SYMBOL, gpu_instance LONG, compute_instance LONG, mig_profile SYMBOL, pci_bus_id SYMBOL, driver SYMBOL, source SYMBOL,
    serial SYMBOL, brand SYMBOL, vbios_version SYMBOL, inforom_image_version SYMBOL, inforom_oem_version SYMBOL,
    inforom_ecc_version SYMBOL, inforom_power_version SYMBOL, nvml_version SYMBOL, process_name SYMBOL`),
  partitionBy: 'MONTH',
  upsertKeys: ['ts', 'gpu'],
};

/** What is no sample. `node` is in the key because an event of a whole node has no `gpu`. */
const EVENTS: Table = {
  name: 'gpu_events',
  columns:
    columnsOf(`ts TIMESTAMP, end_ts TIMESTAMP, cluster SYMBOL, node SYMBOL, gpu SYMBOL, kind SYMBOL, code LONG,
    subject SYMBOL, text VARCHAR, job_id VARCHAR`),
  partitionBy: 'MONTH',
  upsertKeys: ['ts', 'cluster', 'node', 'gpu', 'kind', 'subject'],
};

/** One row per job, node and reading: what the job's cgroup did in the `dt_us` before `ts`. */
const HOST_JOBS: Table = {
  name: 'host_jobs',
  columns:
    columnsOf(`ts TIMESTAMP, cluster SYMBOL, node SYMBOL, job_id VARCHAR, dt_us LONG, cpu_cores DOUBLE, cpu_wait_ratio DOUBLE,
    io_wait_ratio DOUBLE, read_bytes_per_second DOUBLE, write_bytes_per_second DOUBLE, memory_bytes DOUBLE,
    memory_peak_bytes DOUBLE`),
  partitionBy: 'DAY',
  upsertKeys: ['ts', 'cluster', 'node', 'job_id'],
};

/**
 * One row per node and spell: from `ts` (not included) to `end_ts` the scheduler told this state of it. Cut at whole hours,
 * so that a poll changes rows of the newest partition alone.
 */
const NODE_STATES: Table = {
  name: 'node_states',
  columns:
    columnsOf(`ts TIMESTAMP, end_ts TIMESTAMP, cluster SYMBOL, node SYMBOL, state SYMBOL, slurm_state VARCHAR, reason VARCHAR,
    gpus LONG, partitions VARCHAR`),
  partitionBy: 'DAY',
  upsertKeys: ['ts', 'cluster', 'node'],
};

/** One row per poll of the queue and kind of waiting jobs, and one without labels that says that it was asked. */
const QUEUE: Table = {
  name: 'queue_1m',
  columns:
    columnsOf(`ts TIMESTAMP, cluster SYMBOL, partition SYMBOL, account SYMBOL, user SYMBOL, qos SYMBOL, reason SYMBOL,
    gpu_type SYMBOL, gpus LONG, nodes LONG, jobs LONG, wait_us LONG, dt_us LONG`),
  partitionBy: 'DAY',
  upsertKeys: ['ts', 'cluster', 'partition', 'account', 'user', 'qos', 'reason', 'gpu_type', 'gpus', 'nodes'],
};

/**
 * The collector measuring itself, one row per lane and report. Row counts go up over the life of the state directory:
 * sampled = acknowledged + held + spooled + refused + dropped (held and spooled are levels, the others totals).
 */
const COLLECTOR_STATS: Table = {
  name: 'collector_stats',
  columns:
    columnsOf(`ts TIMESTAMP, cluster SYMBOL, node SYMBOL, lane SYMBOL, source SYMBOL, version SYMBOL, life_start_ts TIMESTAMP,
    sampled_rows LONG, acknowledged_rows LONG, held_rows LONG, spooled_rows LONG, refused_rows LONG, dropped_rows LONG,
    sent_bytes LONG, spool_bytes LONG, flush_count LONG, flush_failed_count LONG, flush_ms_mean DOUBLE,
    flush_ms_max DOUBLE, sample_ms_mean DOUBLE, sample_ms_max DOUBLE, late_ticks LONG, implausible_values LONG, oldest_unsent_ms DOUBLE,
    ring_fill_ratio DOUBLE, cpu_ratio DOUBLE, rss_bytes LONG, engine_offset_us LONG`),
  partitionBy: 'DAY',
  upsertKeys: ['ts', 'cluster', 'node', 'lane'],
};

/** Which version of this file the database was brought to, and when. */
const SCHEMA: Table = {
  name: 'gpuledger_schema',
  columns: columnsOf('ts TIMESTAMP, version LONG'),
  partitionBy: 'MONTH',
  upsertKeys: ['ts', 'version'],
};
