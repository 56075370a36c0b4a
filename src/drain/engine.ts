import { createEncoder, type Encoder, type SampleColumns } from '../core/wire/encode.ts';
import { inCluster } from '../core/devices/device.ts';
import type { GpuEvent } from '../core/sampling/event.ts';
import type { Ledger } from '../core/base/ledger.ts';
import type { Batch, Fate } from '../core/wire/sink.ts';
import type { Interval } from '../core/jobs/interval.ts';
import type { JobInput, JobRecord } from '../core/jobs/job-fact.ts';
import { energyColumnOf, type Lane } from '../core/fields/lane.ts';
import type { Ownership } from '../core/jobs/ownership.ts';
import type { PulledRows } from '../core/ring/pulled-rows.ts';
import type { RowBefore } from '../core/ring/row-carry.ts';
import type { SampledLane } from '../core/sampling/source.ts';
import { readJobs } from './jobs.ts';
import { laneReport, statOf, type EngineReport, type LaneReport, type LaneStat } from './report.ts';
import type { ThrottleBefore } from '../source/dcgm/kept-events.ts';
import type { KeptSamples, KeptSource } from '../source/dcgm/kept-source.ts';
import { openEngineJobs, readEngineCluster, type EngineJobPaths } from '../ownership/open-inputs.ts';
import type { OlderNews } from '../job-map/session.ts';
import type { RelabelOrder } from '../questdb/rows/relabel-samples.ts';
import type { OwnerSetRow } from '../questdb/rows/owner-set-rows.ts';
import type { EventRow, InventoryRow } from '../questdb/rows/small-tables.ts';
import type { EngineTask } from './engines.ts';

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
  /** Of all engines; absent: as the scheduler of an engine's own node calls it, if that is this machine. */
  readonly cluster?: string;
  readonly jobs: EngineJobPaths;
  readonly version: string;
}

/** What the store knows about the devices of an engine. */
interface EnginePlan {
  /** Per lane, by device UUID, the newest row. */
  readonly before: readonly ReadonlyMap<string, RowBefore>[];
  /** Per lane, why rows may be there that are not seen yet. */
  readonly behind: readonly (string | undefined)[];
  readonly ownership: readonly Interval[];
  readonly throttled: readonly ThrottleBefore[];
}

/**
 * What must be stored before the samples: once the watermark has moved on, nothing tells it again. Of owner sets, what is
 * stored by now is told again.
 */
export interface RowsBefore {
  readonly ownerSets: readonly OwnerSetRow[];
  readonly events: readonly EventRow[];
  readonly inventory: readonly InventoryRow[];
}

/** What must be stored after the samples, in this order: stored ownership says that the samples bear its labels. */
export interface RowsAfter {
  /** Samples that are stored with a label which is no longer right. */
  readonly relabel: readonly RelabelOrder[];
  /** What was told of older times; absent: nothing. */
  readonly older?: OlderNews;
  readonly ownership: readonly Interval[];
  readonly jobs: readonly JobRecord[];
  /** Devices that a job has left: all its samples are stored now. */
  readonly leftGpus: readonly string[];
  /** One a lane; what became of the rows is for the receiver to say. */
  readonly stats: readonly LaneStat[];
}

/** Encoded rows of one lane. */
export interface SamplePortion extends Batch {
  readonly lane: string;
}

/** What the drain does with an engine's rows. @throws OperatingError when the store does not take them; so does the next. */
export interface EngineStore {
  plan(gpus: readonly string[]): Promise<EnginePlan>;
  /** @returns what became of them; nothing is unsent. */
  writeSamples(portion: SamplePortion): Promise<Fate>;
  writeBefore(rows: RowsBefore): Promise<void>;
  /** @param ledgers of the lanes, by name: what became of their samples */
  writeAfter(rows: RowsAfter, ledgers: ReadonlyMap<string, Ledger>): Promise<void>;
}

/** The same as the engine's process sees it: what it hands over is stored in that order, and it need not wait for it. */
export interface Handover {
  plan(gpus: readonly string[]): Promise<EnginePlan>;
  before(rows: RowsBefore): void;
  /** Resolves when there is room for the next. */
  samples(portion: SamplePortion): Promise<void>;
  after(rows: RowsAfter): void;
}

/** What one engine had, all of it handed over. */
export interface DrainedEngine {
  /** As if everything were acknowledged. */
  readonly report: EngineReport;
  /** To be called when everything is stored; absent: nobody wants to know. */
  readonly onStored?: () => void;
}

/**
 * Fetches what one engine kept after the watermarks, labels it, and hands it over: the whole of `drain` for one engine.
 * Blocks while the engine answers.
 * @throws OperatingError
 */
export async function drainEngine(
  source: KeptSource,
  settings: DrainSettings,
  task: EngineTask,
  store: Handover,
  onStep: (step: string) => void,
): Promise<DrainedEngine> {
  const lanes = settings.lanes.map((lane, index): SampledLane => ({ ...lane, index }));
  const order = {
    lanes,
    keepS: settings.keepMs / 1000,
    ...(settings.devices === undefined ? {} : { devices: settings.devices }),
  };
  const opened = source.open(task.engine, task.node, order, onStep);
  try {
    const cluster = settings.cluster ?? (await readEngineCluster(settings.jobs, task.node));
    const kept = { ...opened, devices: inCluster(opened.devices, cluster) };
    onStep('plan');
    // The store takes a moment to answer: time to open what tells the jobs.
    const [plan, jobs] = await Promise.all([
      store.plan(kept.devices.map(({ uuid }) => uuid)),
      openEngineJobs(settings.jobs, task.node, kept.devices),
    ]);
    return await drainKept(kept, settings, task, store, plan, jobs);
  } finally {
    opened.close();
  }
}

async function drainKept(
  kept: KeptSamples,
  settings: DrainSettings,
  task: EngineTask,
  store: Handover,
  plan: EnginePlan,
  inputs: readonly JobInput[],
): Promise<DrainedEngine> {
  const oldestUs = oldestOf(plan);
  const sinceUs = Math.max(
    settings.sinceUs ?? 0,
    settings.windowMs === undefined ? 0 : kept.engineNowUs - settings.windowMs * 1000,
  );
  const times = { oldestUs, newestUs: newestOf(plan), nowUs: kept.engineNowUs };
  const jobs = await readJobs(inputs, plan.ownership, times, kept.devices[0]!.cluster);
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
    store.before({
      ownerSets: jobs.ownerSets,
      events: events.map((event) => rowOf(event, kept, jobs.ownership)),
      inventory: newDevices(kept, plan),
    });
  }
  const reports: LaneReport[] = [];
  for (const [index, lane] of settings.lanes.entries()) {
    const { rows } = pulled[index]!;
    if (!settings.isDryRun) await writeLane(lane, rows, kept, jobs.ownership, settings.batchRows, store);
    reports.push(laneReport(lane, pulled[index]!, kept, plan.before[index]!));
  }
  if (!settings.isDryRun) {
    store.after({
      relabel: jobs.relabel,
      ...(jobs.older === undefined ? {} : { older: jobs.older }),
      ownership: jobs.intervals,
      jobs: jobs.records,
      leftGpus: leftDevices(jobs.ownership),
      stats: reports.map((report) => statOf(report, kept, task, settings.version)),
    });
  }
  const report = {
    ...task,
    version: kept.engineVersion,
    devices: kept.devices.length,
    lanes: reports,
    clockOffsetUs: kept.clockOffsetUs,
    areJobsTold: jobs.ownership.intervals().length > 0,
    warnings: [...kept.warnings(), ...jobs.warnings],
  };
  const onStored = settings.isDryRun ? undefined : jobs.acknowledge;
  return { report, ...(onStored === undefined ? {} : { onStored }) };
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
  store: Handover,
): Promise<void> {
  const encoder: Encoder = createEncoder({
    table: lane.table,
    devices: kept.devices,
    columns: lane.fields.map((field) => field.column),
    hasEnergyRise: energyColumnOf(lane) >= 0,
  });
  for (let from = 0; from < rows.count; from += batchRows) {
    const to = Math.min(rows.count, from + batchRows);
    const body = encoder.encodeRows(
      slice(rows, from, to),
      to - from,
      (row) => rows.deviceOf(from + row),
      (device, tsUs) => ownership.labelAt(kept.devices[device]!.uuid, tsUs),
    );
    await store.samples({ lane: lane.name, table: lane.table, rows: to - from, body });
  }
}

function slice(rows: PulledRows, from: number, to: number): SampleColumns {
  return {
    tsUs: rows.tsUs.subarray(from, to),
    dtUs: rows.dtUs.subarray(from, to),
    energyRise: rows.energyRise.subarray(from, to),
    energyRiseDtUs: rows.energyRiseDtUs.subarray(from, to),
    columns: rows.columns.map((column) => column.subarray(from, to)),
  };
}

function leftDevices(ownership: Ownership): string[] {
  const left = ownership.intervals().filter(({ endUs }) => endUs < Infinity);
  return [...new Set(left.map(({ gpu }) => gpu))];
}

function rowOf(event: GpuEvent, { devices }: KeptSamples, ownership: Ownership): EventRow {
  const { cluster } = devices[0]!;
  const jobId = event.gpu === undefined ? null : ownership.labelAt(event.gpu, event.tsUs).jobId;
  return { ...event, ...(cluster === undefined ? {} : { cluster }), jobId };
}

/** A device is told once: when nothing of it is stored yet. */
function newDevices(kept: KeptSamples, plan: EnginePlan): InventoryRow[] {
  return kept.devices
    .filter(({ uuid }) => plan.before.every((rows) => !rows.has(uuid)))
    .map((device) => ({ tsUs: Math.floor(kept.engineNowUs), device, source: 'dcgm' }));
}
