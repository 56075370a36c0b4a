import { createEncoder, type Encoder, type SampleColumns } from './core/encode.ts';
import type { GpuEvent } from './core/event.ts';
import type { JobFact, JobInput, JobRecord } from './core/job-fact.ts';
import { energyColumnOf, type Lane } from './core/lane.ts';
import type { Interval, Ownership } from './core/ownership.ts';
import type { PulledRows, RowBefore } from './core/pulled-rows.ts';
import type { SampledLane } from './core/source.ts';
import { readJobs, relabelOrders } from './drain-jobs.ts';
import type { ThrottleBefore } from './source/dcgm-kept-events.ts';
import type { KeptLane, KeptSamples, KeptSource } from './source/dcgm-kept.ts';
import { openEngineJobs, type EngineJobPaths } from './ownership/engine-jobs.ts';
import type { RelabelOrder } from './store/relabel-samples.ts';
import type { CollectorStat, EventRow, InventoryRow } from './store/small-tables.ts';

/** What every engine of a drain is asked for; plain data, since it crosses to another process. */
export interface DrainSettings {
  readonly lanes: readonly Lane[];
  readonly keepMs: number;
  /** Nothing older than this is fetched, ms before the engine's now; absent: all that is kept. */
  readonly windowMs?: number;
  /** Where a device begins that has no row yet, epoch µs; absent: with all that is kept. */
  readonly sinceUs?: number;
  readonly batchRows: number;
  readonly isDryRun: boolean;
  /** File or directory of libdcgm. */
  readonly library?: string;
  readonly devices?: string;
  readonly jobs: EngineJobPaths;
  readonly version: string;
}

export interface EngineTask {
  /** As the user wrote it: `host:5555`, `unix:///path`. */
  readonly engine: string;
  /** Name of its node in every row. */
  readonly node: string;
}

/** What the store knows about the devices of an engine. */
export interface EnginePlan {
  /** Per lane, by device UUID, the newest row. */
  readonly before: readonly ReadonlyMap<string, RowBefore>[];
  /** Per lane, why rows may be there that are not seen yet. */
  readonly behind: readonly (string | undefined)[];
  readonly ownership: readonly JobFact[];
  readonly throttled: readonly ThrottleBefore[];
}

/** What must be stored before the samples: once the watermark has moved on, nothing tells it again. */
export interface RowsBefore {
  readonly events: readonly EventRow[];
  readonly inventory: readonly InventoryRow[];
}

/** What must be stored after the samples, in this order: stored ownership says that the samples bear its labels. */
export interface RowsAfter {
  /** Samples that are stored with a label which is no longer right. */
  readonly relabel: readonly RelabelOrder[];
  readonly ownership: readonly Interval[];
  readonly jobs: readonly JobRecord[];
  readonly stats: readonly CollectorStat[];
}

/** The way from an engine's process to the store. */
export interface EngineStore {
  plan(gpus: readonly string[]): Promise<EnginePlan>;
  /** @returns rows that were acknowledged; the rest was refused. @throws OperatingError when the store takes none. */
  writeSamples(table: string, body: Uint8Array, rows: number): Promise<number>;
  /** @throws OperatingError when the store does not take them; so does the next. */
  writeBefore(rows: RowsBefore): Promise<void>;
  writeAfter(rows: RowsAfter): Promise<void>;
}

export interface LaneReport {
  readonly lane: string;
  readonly rows: number;
  readonly refusedRows: number;
  readonly gaps: number;
  /** Summed over the devices. */
  readonly gapSeconds: number;
  /** From the newest stored row of the device that is furthest behind to the engine's now; absent without any row. */
  readonly lagSeconds?: number;
  /** Epoch µs: the newest stored row of that device; the next drain goes on there. */
  readonly watermarkUs?: number;
}

export interface EngineReport {
  readonly engine: string;
  readonly node: string;
  readonly version: string;
  readonly devices: number;
  readonly lanes: readonly LaneReport[];
  readonly clockOffsetUs: number;
  /** Whether anybody told whose jobs ran there. */
  readonly areJobsTold: boolean;
  readonly warnings: readonly string[];
}

/**
 * Fetches what one engine kept after the watermarks, labels it, and hands it to the store: the whole of `drain` for one
 * engine. Blocks while the engine answers.
 * @throws OperatingError
 */
export async function drainEngine(
  source: KeptSource,
  settings: DrainSettings,
  task: EngineTask,
  store: EngineStore,
  onStep: (step: string) => void,
): Promise<EngineReport> {
  const lanes = settings.lanes.map((lane, index): SampledLane => ({ ...lane, index }));
  const order = {
    lanes,
    keepS: settings.keepMs / 1000,
    ...(settings.devices === undefined ? {} : { devices: settings.devices }),
  };
  const kept = source.open(task.engine, task.node, order, onStep);
  try {
    onStep('plan');
    // The store takes a moment to answer: time to open what tells the jobs.
    const [plan, jobs] = await Promise.all([
      store.plan(kept.devices.map(({ uuid }) => uuid)),
      openEngineJobs(settings.jobs, task.node, kept.devices),
    ]);
    return await drainKept(kept, settings, task, store, plan, jobs);
  } finally {
    kept.close();
  }
}

async function drainKept(
  kept: KeptSamples,
  settings: DrainSettings,
  task: EngineTask,
  store: EngineStore,
  plan: EnginePlan,
  inputs: readonly JobInput[],
): Promise<EngineReport> {
  const oldestUs = oldestOf(plan);
  const sinceUs = Math.max(
    settings.sinceUs ?? 0,
    settings.windowMs === undefined ? 0 : kept.engineNowUs - settings.windowMs * 1000,
  );
  const jobs = readJobs(inputs, plan.ownership, oldestUs, kept.engineNowUs);
  const floorUs = settings.windowMs === undefined ? 0 : sinceUs;
  const { lanes: pulled, events: told } = kept.pull({
    before: plan.before.map((rows) => limited(rows, floorUs)),
    sinceUs,
    eventsSinceUs: Number.isFinite(oldestUs) ? oldestUs : kept.engineNowUs,
    throttled: plan.throttled,
  });
  const events = [
    ...told,
    ...pulled.flatMap(({ gaps }, index) => (plan.behind[index] === undefined ? gaps : [])),
  ];
  if (!settings.isDryRun) {
    await store.writeBefore({
      events: events.map((event) => withJob(event, jobs.ownership)),
      inventory: newDevices(kept, plan),
    });
  }
  const reports: LaneReport[] = [];
  for (const [index, lane] of settings.lanes.entries()) {
    const acknowledged = settings.isDryRun
      ? pulled[index]!.rows.count
      : await writeLane(lane, pulled[index]!.rows, kept, jobs.ownership, settings.batchRows, store);
    reports.push(laneReport(lane, pulled[index]!, acknowledged, kept, plan.before[index]!));
  }
  if (!settings.isDryRun) {
    await store.writeAfter({
      relabel: relabelOrders(jobs, newestOf(plan)),
      ownership: jobs.changes.map(({ interval }) => interval),
      jobs: jobs.records,
      stats: reports.map((report) => statOf(report, kept, task, settings.version)),
    });
    for (const input of inputs) input.acknowledge?.(kept.engineNowUs);
  }
  return {
    ...task,
    version: kept.engineVersion,
    devices: kept.devices.length,
    lanes: reports,
    clockOffsetUs: kept.clockOffsetUs,
    areJobsTold: jobs.ownership.intervals().length > 0,
    warnings: [...kept.warnings(), ...jobs.problems],
  };
}

/** Oldest watermark of all; NaN without any. */
function oldestOf(plan: EnginePlan): number {
  const all = plan.before.flatMap((rows) => [...rows.values()].map(({ tsUs }) => tsUs));
  return all.length === 0 ? NaN : Math.min(...all);
}

/** Newest watermark of all; -Infinity without any. */
function newestOf(plan: EnginePlan): number {
  return Math.max(...plan.before.flatMap((rows) => [...rows.values()].map(({ tsUs }) => tsUs)));
}

/** With a window: rows older than it count as not there, so that nothing before it is fetched. */
function limited(before: ReadonlyMap<string, RowBefore>, floorUs: number): ReadonlyMap<string, RowBefore> {
  return new Map([...before].filter(([, { tsUs }]) => tsUs >= floorUs));
}

async function writeLane(
  lane: Lane,
  rows: PulledRows,
  kept: KeptSamples,
  ownership: Ownership,
  batchRows: number,
  store: EngineStore,
): Promise<number> {
  const encoder: Encoder = createEncoder({
    table: lane.table,
    devices: kept.devices,
    columns: lane.fields.map((field) => field.column),
    hasEnergyRise: energyColumnOf(lane) >= 0,
  });
  let acknowledged = 0;
  for (let from = 0; from < rows.count; from += batchRows) {
    const to = Math.min(rows.count, from + batchRows);
    const body = encoder.encodeRows(
      slice(rows, from, to),
      to - from,
      (row) => rows.deviceOf(from + row),
      (device, tsUs) => ownership.labelAt(kept.devices[device]!.uuid, tsUs),
    );
    acknowledged += await store.writeSamples(lane.table, body, to - from);
  }
  return acknowledged;
}

function slice(rows: PulledRows, from: number, to: number): SampleColumns {
  return {
    tsUs: rows.tsUs.subarray(from, to),
    dtUs: rows.dtUs.subarray(from, to),
    energyRise: rows.energyRise.subarray(from, to),
    columns: rows.columns.map((column) => column.subarray(from, to)),
  };
}

function laneReport(
  lane: Lane,
  { rows, gaps }: KeptLane,
  acknowledged: number,
  kept: KeptSamples,
  before: ReadonlyMap<string, RowBefore>,
): LaneReport {
  const newest = kept.devices.map(({ uuid }) => before.get(uuid)?.tsUs ?? -Infinity);
  for (let row = 0; row < rows.count; row += 1) {
    const device = rows.deviceOf(row);
    newest[device] = Math.max(newest[device]!, rows.tsUs[row]!);
  }
  const watermarkUs = Math.min(...newest.filter(Number.isFinite));
  const gapUs = gaps.reduce((sum, { tsUs, endUs }) => sum + ((endUs ?? tsUs) - tsUs), 0);
  return {
    lane: lane.name,
    rows: acknowledged,
    refusedRows: rows.count - acknowledged,
    gaps: gaps.length,
    gapSeconds: gapUs / 1e6,
    ...(Number.isFinite(watermarkUs)
      ? { watermarkUs, lagSeconds: (kept.engineNowUs - watermarkUs) / 1e6 }
      : {}),
  };
}

function withJob(event: GpuEvent, ownership: Ownership): EventRow {
  const jobId = event.gpu === undefined ? null : ownership.labelAt(event.gpu, event.tsUs).jobId;
  return { ...event, jobId };
}

/** A device is told once: when nothing of it is stored yet. */
function newDevices(kept: KeptSamples, plan: EnginePlan): InventoryRow[] {
  return kept.devices
    .filter(({ uuid }) => plan.before.every((rows) => !rows.has(uuid)))
    .map((device) => ({ tsUs: Math.floor(kept.engineNowUs), device, source: 'dcgm' }));
}

function statOf(report: LaneReport, kept: KeptSamples, task: EngineTask, version: string): CollectorStat {
  return {
    tsUs: Math.floor(kept.engineNowUs),
    node: task.node,
    lane: report.lane,
    source: 'dcgm',
    version,
    sampledRows: report.rows + report.refusedRows,
    acknowledgedRows: report.rows,
    heldRows: 0,
    refusedRows: report.refusedRows,
    droppedRows: 0,
    engineOffsetUs: Math.round(kept.clockOffsetUs),
    rssBytes: process.memoryUsage.rss(),
  };
}
