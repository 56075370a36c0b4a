import type { Lane } from '../../core/fields/lane.ts';
import { GAUGES, GAUGES_WITH_PERCENTILES, gaugesByLane, type GaugeKey, type LaneGauges } from '../gauges.ts';
import { eventsOf, findRun, inventoryOf, jobRecord, type JobRun } from './facts.ts';
import type { GaugeFigures, JobDevice, JobEvent, JobFigures, JobGauge } from './figures.ts';
import { gapsOf } from './gaps.ts';
import { rhythmOf, throttleEffects, type ActivityColumn } from './rhythm.ts';
import { rankedValues, scanLane, type JobWindow } from '../owned-samples.ts';
import { addRow, emptySums, energyOf, figuresOf, type SampleSums } from '../job-scan.ts';
import { keptGauges, keptSums, withKept } from './kept-figures.ts';
import type { Asked, Cells } from '../query-cells.ts';
import { oldestSampleUs, recordedLanes } from '../recorded-lanes.ts';

/** Equal parts of the job's interval in the little plots; a short job has one per tick. */
const SERIES_PARTS_MAX = 20;
/** Gaps that are listed one by one; all are counted. */
const GAPS_LISTED_MAX = 20;
/** Ticks that wait for a busy machine lengthen the mean step by less than this. */
const INTERVAL_STRAY_RATIO = 0.2;
/** A running job is looked at up to its newest sample, as long as that is not older than this. */
const FRESH_SAMPLE_US = 60e6;

export interface JobQueryOptions {
  /** Restart count of the run that is wanted; the newest when absent. */
  readonly run?: number;
  /** Epoch µs up to which a running job is looked at. */
  readonly nowUs: number;
}

/**
 * Every figure of one run of a job, computed by the server over ownership intervals × raw samples (start < ts ≤ end).
 * @param lanes which tables and columns there are; a gauge that no lane holds is left out and named in `notMeasured`.
 * @throws OperatingError `report.job_id`, `report.unknown_job`, `report.unknown_run`, and what `QuestDb.exec` throws
 */
export async function jobFigures(
  db: Asked,
  lanes: readonly Lane[],
  jobId: string,
  options: JobQueryOptions,
): Promise<JobFigures> {
  const run = await findRun(db, jobId, options.run, options.nowUs);
  const [record, inventory] = [await jobRecord(db, jobId, run.run), await inventoryOf(db, jobId, run.run)];
  const sources = gaugesByLane(await recordedLanes(db, lanes));
  let window = windowOf(jobId, run);
  let sums = await sumsOf(db, sources, window);
  const asOfUs = upToNewestSample(window, sums.all.lastUs);
  if (asOfUs < window.endUs) {
    window = cutAt(window, asOfUs);
    sums = await sumsOf(db, sources, window);
  }
  const oldestUs = sources[0] === undefined ? undefined : await oldestSampleUs(db, sources[0].lane.table);
  const configuredUs = (sources[0]?.lane.intervalMs ?? 0) * 1000;
  const isRawComplete = oldestUs !== undefined && oldestUs <= window.startUs + configuredUs;
  const kept = isRawComplete ? undefined : withKept(window, sums.devices, await keptSums(db, jobId, run.run));
  if (kept !== undefined) sums = { ...kept, parts: [] };
  const intervalUs = observedIntervalUs(sources[0], sums.all);
  const events =
    window.intervals.length === 0 ? [] : await eventsOf(db, window.intervals, window.startUs, window.endUs);
  const activity = kept === undefined ? activityColumn(sources, intervalUs) : undefined;
  const isSampled = sums.all.samples > 0;
  const gaps =
    isSampled && kept === undefined ? await gapsOf(db, sources[0]!.lane.table, window, intervalUs) : [];
  const dips = isSampled && activity !== undefined ? await rhythmOf(db, activity, window) : undefined;
  return {
    jobId,
    run: run.run,
    otherRuns: run.otherRuns,
    ...recordFigures(record),
    isSynthetic: [...inventory.values()].some((device) => device.text('source') === 'synthetic'),
    startUs: window.startUs,
    endUs: window.endUs,
    isOpen: window.intervals.some((interval) => interval.isOpen),
    boundaryUs: intervalUs,
    sharing: sharingOf(window, sums),
    ownedUs: ownedUsOf(window),
    sampledUs: sums.all.sampledUs,
    attributedUs: sums.all.attributedUs,
    samples: sums.all.samples,
    ...(isSampled ? { coverageRatio: sums.all.sampledUs / ownedUsOf(window) } : {}),
    ...(oldestUs !== undefined && oldestUs > window.startUs + intervalUs ? { oldestSampleUs: oldestUs } : {}),
    ...(kept === undefined ? {} : { isFromKeptFigures: true }),
    gapCount: gaps.length,
    gapUs: gaps.reduce((sum, gap) => sum + gap.toUs - gap.fromUs, 0),
    gaps: gaps.slice(0, GAPS_LISTED_MAX),
    devices: devicesOf(window, sums, inventory, events),
    gauges: kept === undefined ? await jobGauges(db, sources, window, sums) : keptGauges(kept.all),
    energy: energyOf(sums.all),
    ...(sums.all.idleUs === undefined ? {} : { idleUs: sums.all.idleUs }),
    ...(sums.all.lastActiveUs === undefined ? {} : { lastActiveUs: sums.all.lastActiveUs }),
    nodeEvents: events.filter((event) => event.gpu === undefined),
    ...(dips === undefined ? {} : { dips }),
    throttleEffects:
      isSampled && activity !== undefined ? await throttleEffects(db, activity, window, events) : [],
    notMeasured: isSampled ? notMeasured(sources, sums.all, kept !== undefined) : [],
  };
}

function windowOf(jobId: string, { run, startUs, intervals }: JobRun): JobWindow {
  return {
    jobId,
    run,
    startUs: intervals.length === 0 ? startUs : Math.min(...intervals.map((interval) => interval.startUs)),
    endUs: intervals.length === 0 ? startUs : Math.max(...intervals.map((interval) => interval.endUs)),
    intervals,
  };
}

/**
 * The lane's interval as the samples show it, where that is not what this configuration says: the collector may have had
 * another one, and may have been given it on its command line.
 */
function observedIntervalUs(source: LaneGauges | undefined, sums: SampleSums): number {
  const configuredUs = (source?.lane.intervalMs ?? 0) * 1000;
  if (sums.steps === 0) return configuredUs;
  const meanUs = sums.sampledUs / sums.steps;
  return Math.abs(meanUs - configuredUs) <= INTERVAL_STRAY_RATIO * configuredUs
    ? configuredUs
    : Math.round(meanUs / 1000) * 1000;
}

/** What has not been flushed yet is no gap: a running job ends, for now, at its newest sample. */
function upToNewestSample({ endUs, intervals }: JobWindow, newestUs: number): number {
  const isOpen = intervals.some((interval) => interval.isOpen && interval.endUs === endUs);
  return isOpen && newestUs > endUs - FRESH_SAMPLE_US ? newestUs : endUs;
}

function cutAt(window: JobWindow, endUs: number): JobWindow {
  const intervals = window.intervals.map((interval) => ({
    ...interval,
    endUs: Math.max(interval.startUs, Math.min(interval.endUs, endUs)),
  }));
  return { ...window, endUs, intervals };
}

/** Sums of the job as a whole, of each device, and of each part of the interval. */
interface Sums {
  readonly all: SampleSums;
  readonly devices: ReadonlyMap<string, SampleSums>;
  readonly parts: readonly SampleSums[];
}

async function sumsOf(db: Asked, sources: readonly LaneGauges[], window: JobWindow): Promise<Sums> {
  const all = emptySums();
  const devices = new Map<string, SampleSums>();
  const ticks = Math.floor((window.endUs - window.startUs) / 1000 / (sources[0]?.lane.intervalMs ?? 1));
  const partCount = Math.max(1, Math.min(SERIES_PARTS_MAX, ticks));
  const parts = Array.from({ length: partCount }, emptySums);
  if (window.intervals.length === 0) return { all, devices, parts };
  for (const [index, source] of sources.entries()) {
    for (const row of await scanLane(db, source, window, partCount)) {
      const gpu = row.text('gpu') ?? '';
      const device = devices.get(gpu) ?? emptySums();
      devices.set(gpu, device);
      const part = parts[Math.max(0, Math.min(partCount - 1, row.number('part') ?? 0))]!;
      for (const sums of [all, device, part]) addRow(sums, row, source, index === 0);
    }
  }
  return { all, devices, parts };
}

async function jobGauges(
  db: Asked,
  sources: readonly LaneGauges[],
  window: JobWindow,
  sums: Sums,
): Promise<JobGauge[]> {
  const gauges: JobGauge[] = [];
  for (const { lane, gauges: columns } of sources) {
    for (const [key, column] of columns) {
      const known = sums.all.gauges.get(key);
      if (known === undefined) continue;
      const ranked = GAUGES_WITH_PERCENTILES.includes(key)
        ? await rankedValues(db, lane.table, column, window, known, [0.5, 0.95])
        : undefined;
      gauges.push({
        key,
        column,
        ...figuresOf(known),
        ...(ranked === undefined ? {} : { p50: ranked[0]!, p95: ranked[1]! }),
        series: sums.parts.map((part) => meanOf(part, key)),
      });
    }
  }
  const order = Object.keys(GAUGES);
  return gauges.sort((a, b) => order.indexOf(a.key) - order.indexOf(b.key));
}

function meanOf(part: SampleSums, key: GaugeKey): number | null {
  const known = part.gauges.get(key);
  return known === undefined || known.knownUs === 0 ? null : known.sum / known.knownUs;
}

function devicesOf(
  window: JobWindow,
  sums: Sums,
  inventory: ReadonlyMap<string, Cells>,
  events: readonly JobEvent[],
): JobDevice[] {
  const devices = new Map<string, JobDevice>();
  for (const { gpu, node, startUs, endUs } of window.intervals) {
    const ownedUs = endUs - startUs + (devices.get(gpu)?.ownedUs ?? 0);
    devices.set(
      gpu,
      deviceOf(gpu, node, ownedUs, sums.devices.get(gpu) ?? emptySums(), inventory.get(gpu), events),
    );
  }
  return [...devices.values()].sort(
    (a, b) =>
      a.node.localeCompare(b.node, 'en', { numeric: true }) ||
      (a.index ?? 0) - (b.index ?? 0) ||
      a.gpu.localeCompare(b.gpu, 'en', { numeric: true }),
  );
}

function deviceOf(
  gpu: string,
  node: string,
  ownedUs: number,
  sums: SampleSums,
  known: Cells | undefined,
  events: readonly JobEvent[],
): JobDevice {
  const index = known?.number('gpu_index');
  const model = known?.text('model');
  const memoryBytes = known?.number('memory_bytes');
  const migProfile = known?.text('mig_profile');
  const gauges: Partial<Record<GaugeKey, GaugeFigures>> = {};
  for (const [key, gauge] of sums.gauges) gauges[key] = figuresOf(gauge);
  return {
    gpu,
    node,
    ...(index === undefined ? {} : { index }),
    ...(model === undefined ? {} : { model }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    ...(migProfile === undefined || migProfile === '' ? {} : { migProfile }),
    ownedUs,
    sampledUs: sums.sampledUs,
    attributedUs: sums.attributedUs,
    samples: sums.samples,
    gauges,
    energy: energyOf(sums),
    ...(sums.lastActiveUs === undefined ? {} : { lastActiveUs: sums.lastActiveUs }),
    ...(sums.idleUs === undefined ? {} : { idleUs: sums.idleUs }),
    events: events.filter((event) => event.gpu === gpu),
  };
}

function ownedUsOf(window: JobWindow): number {
  return window.intervals.reduce((sum, interval) => sum + interval.endUs - interval.startUs, 0);
}

/** An unknown share matters only where the device had other owners too: its amounts are then less than its samples. */
function sharingOf(window: JobWindow, sums: Sums): JobFigures['sharing'] {
  const isGuessed = window.intervals.some(({ gpu, share }) => {
    const device = sums.devices.get(gpu);
    return share === undefined && device !== undefined && device.attributedUs !== device.sampledUs;
  });
  if (isGuessed) return 'equal';
  return window.intervals.some(({ share }) => share !== undefined && share < 1) ? 'stated' : 'whole';
}

function recordFigures(record: Cells | undefined): Partial<JobFigures> {
  if (record === undefined) return {};
  const figures: Record<string, string | number> = {};
  for (const name of ['name', 'user', 'account', 'partition', 'qos', 'state'] as const) {
    const text = record.text(name);
    if (text !== undefined && text !== '') figures[name] = text;
  }
  const exitCode = record.number('exit_code');
  if (exitCode !== undefined) figures.exitCode = exitCode;
  return figures;
}

function activityColumn(
  sources: readonly LaneGauges[],
  primaryIntervalUs: number,
): ActivityColumn | undefined {
  for (const source of sources) {
    const { lane, gauges } = source;
    const column = new Map(gauges).get('smActive');
    const intervalUs = source === sources[0] ? primaryIntervalUs : lane.intervalMs * 1000;
    if (column !== undefined) return { table: lane.table, column, intervalUs };
  }
  return undefined;
}

function notMeasured(
  sources: readonly LaneGauges[],
  all: SampleSums,
  isKept: boolean,
): JobFigures['notMeasured'] {
  const inLanes = new Set(sources.flatMap(({ gauges }) => gauges.map(([key]) => key)));
  const keys = Object.keys(GAUGES) as GaugeKey[];
  const noLane = keys.filter((key) => !inLanes.has(key) && !(isKept && all.gauges.has(key)));
  const blank = keys.filter((key) => inLanes.has(key) && !all.gauges.has(key));
  return [
    ...(noLane.length === 0 ? [] : [{ keys: noLane, reason: 'no lane records it' }]),
    ...(blank.length === 0 ? [] : [{ keys: blank, reason: 'the device gave no values' }]),
  ];
}
