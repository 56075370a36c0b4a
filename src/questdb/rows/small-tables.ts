import type { Device } from '../../core/devices/device.ts';
import { INVENTORY_FACTS } from '../../core/devices/inventory-facts.ts';
import type { GpuEvent } from '../../core/sampling/event.ts';
import type { JobRecord } from '../../core/jobs/job-fact.ts';
import type { Tell } from '../../core/base/notice.ts';
import type { HostUse } from '../../core/jobs/host-use.ts';
import type { NodeSpell } from '../../core/jobs/node-spells.ts';
import type { WaitingRow } from '../../core/jobs/waiting-rows.ts';
import type { Interval } from '../../core/jobs/interval.ts';
import type { MeasuredUse } from '../../core/jobs/measured-use.ts';
import type { SourceName } from '../../core/sampling/source.ts';
import type { Sink } from '../../core/wire/sink.ts';
import { encodeOwnerSets, type OwnerSetRow } from './owner-set-rows.ts';
import { createRowBuffer, type RowBuffer } from './row-buffer.ts';

/** One row of `gpu_inventory`: a device as a collector found it when it started. */
export interface InventoryRow {
  /** Epoch µs of the start. */
  readonly tsUs: number;
  readonly device: Device;
  readonly source: SourceName;
}

/** One row of `gpu_shared_use`. */
export interface SharedUseRow extends MeasuredUse {
  /** Absent where nobody told. */
  readonly cluster?: string;
  readonly node: string;
  /** Most of the user's processes at once. */
  readonly processes: number;
}

/** One row of `gpu_events`: with the job that owned the device at that time, null when none or several did. */
export interface EventRow extends GpuEvent {
  /** Absent where nobody told. */
  readonly cluster?: string;
  readonly jobId: string | null;
}

/**
 * One row of `collector_stats`: a lane as the collector sees itself. Rows are counted over the life of the state
 * directory. What was not measured is absent, and NULL in the table.
 */
export interface CollectorStat {
  /** Epoch µs. */
  readonly tsUs: number;
  /** Absent where nobody told. */
  readonly cluster?: string;
  readonly node: string;
  readonly lane: string;
  readonly source: SourceName;
  /** Of gpuledger. */
  readonly version?: string;
  /** When this process began, epoch µs. */
  readonly lifeStartUs?: number;
  readonly sampledRows: number;
  readonly acknowledgedRows: number;
  readonly heldRows: number;
  readonly spooledRows?: number;
  readonly refusedRows: number;
  readonly droppedRows: number;
  readonly sentBytes?: number;
  readonly spoolBytes?: number;
  readonly flushCount?: number;
  readonly flushFailedCount?: number;
  readonly flushMsMean?: number;
  readonly flushMsMax?: number;
  readonly sampleMsMean?: number;
  readonly sampleMsMax?: number;
  readonly lateTicks?: number;
  /** Values that could not be true and became NULL, in this life. */
  readonly implausibleValues?: number;
  /** Age of the oldest tick that is neither acknowledged nor spooled. */
  readonly oldestUnsentMs?: number;
  /** In [0, 1]. */
  readonly ringFillRatio?: number;
  /** CPU time of this process over elapsed time since the row before; 1 is one core. */
  readonly cpuRatio?: number;
  readonly rssBytes?: number;
  /** The clock of the engine that was drained, less ours. */
  readonly engineOffsetUs?: number;
}

/** One row of `host_jobs`: what a job did on a node in the time before it. */
export interface HostJobRow extends HostUse {
  /** Epoch µs. */
  readonly tsUs: number;
  /** Absent where nobody told. */
  readonly cluster?: string;
  readonly node: string;
  readonly jobId: string;
}

/** One row of `node_states`. */
interface NodeStateRow extends NodeSpell {
  /** Absent where nobody told. */
  readonly cluster?: string;
}

/** One row of `queue_1m`; without labels and jobs: that the queue was asked. */
export interface QueueRow extends Partial<WaitingRow> {
  /** Epoch µs of the poll. */
  readonly tsUs: number;
  /** Absent where nobody told. */
  readonly cluster?: string;
  /** Time before it for which it speaks. */
  readonly dtUs: number;
}

/**
 * The rows of the tables that are written rarely, encoded with the official client's buffer and sent by a sink, so that
 * the caller still has them when the store does not take them (the client's own flush would lose them).
 *
 * Each function writes all of `rows`, in order.
 * @returns false when the store did not take them now: call again with the same rows, which cannot double (upsert keys).
 * A row that the server refuses is of no use at any time: it becomes a dead letter and counts as taken.
 */
export interface SmallTables {
  writeOwnership(rows: readonly Interval[]): Promise<boolean>;
  writeOwnerSets(rows: readonly OwnerSetRow[]): Promise<boolean>;
  writeSharedUse(rows: readonly SharedUseRow[]): Promise<boolean>;
  writeJobs(rows: readonly JobRecord[]): Promise<boolean>;
  writeInventory(rows: readonly InventoryRow[]): Promise<boolean>;
  writeEvents(rows: readonly EventRow[]): Promise<boolean>;
  writeCollectorStats(rows: readonly CollectorStat[]): Promise<boolean>;
  writeHostJobs(rows: readonly HostJobRow[]): Promise<boolean>;
  writeNodeStates(rows: readonly NodeStateRow[]): Promise<boolean>;
  writeQueue(rows: readonly QueueRow[]): Promise<boolean>;
}

/** Rows of one request. A row has some 300 bytes. */
const REQUEST_ROWS_MAX = 1_000;

type Encode<Row> = (buffer: RowBuffer, row: Row) => void;

/** @param sink one that finds bad rows by itself (`with-bisect.ts`): a batch that it refuses as a whole would wait for ever */
export function createSmallTables(sink: Sink, tell?: Tell): SmallTables {
  async function writeTable<Row>(table: string, encode: Encode<Row>, rows: readonly Row[]): Promise<boolean> {
    return await writeChunks(table, rows, (chunk) => {
      const buffer = createRowBuffer(table);
      for (const row of chunk) encode(buffer, row);
      return buffer.bytes();
    });
  }

  async function writeChunks<Row>(
    table: string,
    rows: readonly Row[],
    encodeAll: (chunk: readonly Row[]) => Uint8Array<ArrayBuffer>,
  ): Promise<boolean> {
    for (let from = 0; from < rows.length; from += REQUEST_ROWS_MAX) {
      const chunk = rows.slice(from, from + REQUEST_ROWS_MAX);
      if (!(await send(table, encodeAll(chunk), chunk.length))) return false;
    }
    return true;
  }

  async function send(table: string, body: Uint8Array<ArrayBuffer>, rows: number): Promise<boolean> {
    const { unsent } = await sink.send({ table, body, rows });
    if (unsent === undefined) return true;
    tell?.({
      level: 'warn',
      code: 'small_table.held',
      sentence: `${table}: ${rows} rows wait: ${unsent.reason}`,
      data: { table, rows },
    });
    return false;
  }

  return {
    writeOwnership: (rows) => writeTable('gpu_ownership', encodeOwnership, rows),
    writeOwnerSets: (rows) => writeChunks('gpu_owner_sets', rows, encodeOwnerSets),
    writeSharedUse: (rows) => writeTable('gpu_shared_use', encodeSharedUse, rows),
    writeJobs: (rows) => writeTable('jobs', encodeJob, rows),
    writeInventory: (rows) => writeTable('gpu_inventory', encodeInventory, rows),
    writeEvents: (rows) => writeTable('gpu_events', encodeEvent, rows),
    writeCollectorStats: (rows) => writeTable('collector_stats', encodeStat, rows),
    writeHostJobs: (rows) => writeTable('host_jobs', encodeHostJob, rows),
    writeNodeStates: (rows) => writeTable('node_states', encodeNodeState, rows),
    writeQueue: (rows) => writeTable('queue_1m', encodeQueue, rows),
  };
}

function encodeOwnership(buffer: RowBuffer, row: Interval): void {
  buffer
    .row()
    .symbol('cluster', row.cluster)
    .symbol('node', row.node)
    .symbol('gpu', row.gpu)
    .symbol('source', row.source)
    .time('end_ts', row.endUs)
    .text('job_id', row.jobId)
    .long('run', row.run)
    .double('share', row.share)
    .at(row.startUs);
}

function encodeSharedUse(buffer: RowBuffer, row: SharedUseRow): void {
  buffer
    .row()
    .symbol('cluster', row.cluster)
    .symbol('node', row.node)
    .symbol('gpu', row.gpu)
    .symbol('kind', row.kind)
    .time('end_ts', row.toUs)
    .text('job_id', row.jobId)
    .double('sm_use_seconds', row.smUseSeconds)
    .double('memory_byte_seconds', row.memoryByteSeconds)
    .long('seen_us', row.seenUs)
    .long('processes', row.processes)
    .at(row.fromUs);
}

function encodeJob(buffer: RowBuffer, row: JobRecord): void {
  buffer
    .row()
    .symbol('cluster', row.cluster)
    .symbol('account', row.account)
    .symbol('partition', row.partition)
    .symbol('qos', row.qos)
    .symbol('state', row.state)
    .time('end_ts', row.endUs)
    .text('job_id', row.jobId)
    .long('run', row.run)
    .time('submit_ts', row.submitUs)
    .text('sluid', row.sluid)
    .text('name', row.name)
    .text('user', row.user)
    .text('array_job_id', row.arrayJobId)
    .text('array_task_id', row.arrayTaskId)
    .text('het_job_id', row.hetJobId)
    .long('nodes', row.nodes)
    .long('gpus', row.gpus)
    .long('exit_code', row.exitCode)
    .at(row.startUs);
}

function encodeInventory(buffer: RowBuffer, { tsUs, device, source }: InventoryRow): void {
  buffer.row().symbol('source', source);
  for (const { column, kind, of } of INVENTORY_FACTS) {
    const value = of(device);
    if (kind === 'symbol') buffer.symbol(column, value === undefined ? undefined : String(value));
    else buffer.long(column, value === undefined ? undefined : Number(value));
  }
  buffer.at(tsUs);
}

function encodeEvent(buffer: RowBuffer, row: EventRow): void {
  buffer
    .row()
    .symbol('cluster', row.cluster)
    .symbol('node', row.node)
    .symbol('gpu', row.gpu)
    .symbol('kind', row.kind)
    .symbol('subject', row.subject)
    .time('end_ts', row.endUs)
    .long('code', row.code)
    .text('text', row.text)
    .text('job_id', row.jobId ?? undefined)
    .at(row.tsUs);
}

function encodeStat(buffer: RowBuffer, row: CollectorStat): void {
  buffer
    .row()
    .symbol('cluster', row.cluster)
    .symbol('node', row.node)
    .symbol('lane', row.lane)
    .symbol('source', row.source)
    .symbol('version', row.version)
    .time('life_start_ts', row.lifeStartUs)
    .long('sampled_rows', row.sampledRows)
    .long('acknowledged_rows', row.acknowledgedRows)
    .long('held_rows', row.heldRows)
    .long('spooled_rows', row.spooledRows)
    .long('refused_rows', row.refusedRows)
    .long('dropped_rows', row.droppedRows)
    .long('sent_bytes', row.sentBytes)
    .long('spool_bytes', row.spoolBytes)
    .long('flush_count', row.flushCount)
    .long('flush_failed_count', row.flushFailedCount)
    .double('flush_ms_mean', row.flushMsMean)
    .double('flush_ms_max', row.flushMsMax)
    .double('sample_ms_mean', row.sampleMsMean)
    .double('sample_ms_max', row.sampleMsMax)
    .long('late_ticks', row.lateTicks)
    .long('implausible_values', row.implausibleValues)
    .double('oldest_unsent_ms', row.oldestUnsentMs)
    .double('ring_fill_ratio', row.ringFillRatio)
    .double('cpu_ratio', row.cpuRatio)
    .long('rss_bytes', row.rssBytes)
    .long('engine_offset_us', row.engineOffsetUs)
    .at(row.tsUs);
}

function encodeHostJob(buffer: RowBuffer, row: HostJobRow): void {
  buffer
    .row()
    .symbol('cluster', row.cluster)
    .symbol('node', row.node)
    .text('job_id', row.jobId)
    .long('dt_us', row.dtUs)
    .double('cpu_cores', row.cpuCores)
    .double('cpu_wait_ratio', row.cpuWaitRatio)
    .double('io_wait_ratio', row.ioWaitRatio)
    .double('read_bytes_per_second', row.readBytesPerSecond)
    .double('write_bytes_per_second', row.writeBytesPerSecond)
    .double('memory_bytes', row.memoryBytes)
    .double('memory_peak_bytes', row.memoryPeakBytes)
    .at(row.tsUs);
}

function encodeNodeState(buffer: RowBuffer, row: NodeStateRow): void {
  buffer
    .row()
    .symbol('cluster', row.cluster)
    .symbol('node', row.node)
    .symbol('state', row.state)
    .time('end_ts', row.toUs)
    .text('slurm_state', row.slurmState)
    .text('reason', row.reason)
    .long('gpus', row.gpus)
    .text('partitions', row.partitions)
    .at(row.fromUs);
}

function encodeQueue(buffer: RowBuffer, row: QueueRow): void {
  buffer
    .row()
    .symbol('cluster', row.cluster)
    .symbol('partition', row.partition)
    .symbol('account', row.account)
    .symbol('user', row.user)
    .symbol('qos', row.qos)
    .symbol('reason', row.reason)
    .symbol('gpu_type', row.gpuType)
    .long('gpus', row.gpus)
    .long('nodes', row.nodes)
    .long('jobs', row.jobs ?? 0)
    .long('wait_us', row.waitUs ?? 0)
    .long('dt_us', row.dtUs)
    .at(row.tsUs);
}
