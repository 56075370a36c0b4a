import type { Lane } from '../../core/fields/lane.ts';
import { quoteName } from '../../../schemas/tables.ts';
import {
  isOwned,
  type CapacityFigures,
  type CapacityGrouping,
  type CapacityKind,
  type CapacityRow,
} from './figures.ts';
import { addSums, capacitySums, emptySums, sumsOf, type Sums } from './sums.ts';
import { jobCountsSql, wholeDevicesSql } from './samples.ts';
import { sharedSums } from './shared.ts';
import { capacityWindow, invalidRollups, segmentsOf, type CapacityWindow, type Segment } from './window.ts';
import { gaugesByLane, type LaneGauges } from '../gauges.ts';
import type { Quantity } from '../quantity.ts';
import { ask, type Asked, type Cells } from '../query-cells.ts';
import { oldestSampleUs, recordedLanes } from '../recorded-lanes.ts';
import { quoteTime } from '../sql-text.ts';

export interface CapacityQueryOptions {
  readonly fromUs: number;
  readonly toUs: number;
  readonly by: CapacityGrouping;
}

interface Group {
  readonly kind: CapacityKind;
  readonly name: string | undefined;
  readonly sums: Sums;
  /** Of a group of devices: its part of the row `unowned`. */
  unownedUs: number | undefined;
}

/** What is added up, lane by lane. */
interface Tally {
  readonly groups: Map<string, Group>;
  readonly all: Sums;
  /** Rows of the first lane's table. */
  samples: number;
  areSharesScaled: boolean;
}

/**
 * What all devices did in a window and for whom, from the rollups; shared devices from the samples, by share.
 * @throws OperatingError `report.window`, and what `QuestDb.exec` throws
 */
export async function capacityFigures(
  db: Asked,
  lanes: readonly Lane[],
  options: CapacityQueryOptions,
): Promise<CapacityFigures> {
  const { by } = options;
  const window = capacityWindow(options.fromUs, options.toUs);
  const sources = capacitySources(await recordedLanes(db, lanes));
  const tally: Tally = { groups: new Map(), all: emptySums(), samples: 0, areSharesScaled: false };
  let segments: readonly Segment[] = [];
  for (const [index, source] of sources.entries()) {
    const isPrimary = index === 0;
    const parts = await segmentsOf(db, source.lane, window);
    if (isPrimary) segments = parts;
    await addLane(db, { by, window, source, segments: parts, isPrimary }, tally);
  }
  const { firstUs, ...fleet } = await devicesIn(db, window, segments);
  const jobs = await jobCounts(db, by, window);
  const rows = rowsOf(tally, jobs);
  const hasActivity = sources.some(({ gauges }) => gauges.some(([key]) => key === 'smActive'));
  return {
    by,
    ...window,
    ...fleet,
    samples: tally.samples,
    sampledUs: tally.all.attributedUs,
    rows,
    all: { ...capacitySums(tally.all), jobs: jobs.all },
    allocatedIdle: hasActivity ? allocatedIdleOf(rows) : undefined,
    areSharesScaled: tally.areSharesScaled,
    sharesKnownFromUs: await sharesKnownFromUs(db, sources[0], tally, Math.max(window.fromUs, firstUs)),
    invalidRollups: await invalidRollups(db, segments),
    hasActivity,
  };
}

/** Groups by GPU time, most first; then the other kinds. */
function rowsOf({ groups }: Tally, jobs: JobCounts): CapacityRow[] {
  return [...groups.values()]
    .filter(({ sums, unownedUs }) => sums.attributedUs > 0 || unownedUs !== undefined)
    .map(({ kind, name, sums, unownedUs }): CapacityRow => ({
      kind,
      name,
      ...capacitySums(sums),
      unownedUs,
      jobs: kind === 'group' ? (jobs.byName.get(name) ?? 0) : 0,
    }))
    .sort(
      (a, b) => KIND_ORDER.indexOf(a.kind) - KIND_ORDER.indexOf(b.kind) || b.attributedUs - a.attributedUs,
    );
}

function allocatedIdleOf(rows: readonly CapacityRow[]): Quantity<'microseconds'> {
  const idle = rows.filter(({ kind }) => isOwned(kind)).flatMap((row) => row.idle ?? []);
  return {
    value: idle.reduce((sum, { value }) => sum + value, 0),
    unit: 'microseconds',
    knownUs: idle.reduce((sum, { knownUs }) => sum + knownUs, 0),
  };
}

/** The time of the oldest sample, where samples of shared devices have aged out. @param fromUs first time that is asked for. */
async function sharesKnownFromUs(
  db: Asked,
  primary: LaneGauges | undefined,
  { groups }: Tally,
  fromUs: number,
): Promise<number | undefined> {
  const hasFree = [...groups.values()].some(
    ({ kind, sums }) => kind === 'unattributed' && sums.attributedUs > 0,
  );
  if (!hasFree || primary === undefined) return undefined;
  const oldestUs = await oldestSampleUs(db, primary.lane.table);
  return oldestUs !== undefined && oldestUs > fromUs + AGED_US_MIN ? oldestUs : undefined;
}

/** A rollup's first bucket begins up to an hour before the first sample in it. */
const AGED_US_MIN = 3600e6;
/** What shares that add up to one may leave over. */
const ROUNDING_US_MAX = 0.5;

const KIND_ORDER: readonly CapacityKind[] = ['group', 'unresolved', 'unattributed', 'unowned'];

/** Only what a capacity report shows is read. */
function capacitySources(lanes: readonly Lane[]): LaneGauges[] {
  const sources = gaugesByLane(lanes)
    .map((source) => ({
      ...source,
      gauges: source.gauges.filter(([key]) => key === 'smActive' || key === 'power'),
    }))
    .sort((a, b) => b.gauges.length - a.gauges.length);
  const useful = sources.filter(
    ({ gauges, hasEnergy }, index) => index === 0 || gauges.length > 0 || hasEnergy,
  );
  if (useful.length > 0) return useful;
  // A lane without any of them still tells who owned what, and how much of it was seen.
  return lanes.slice(0, 1).map((lane) => ({ lane, gauges: [], hasEnergy: false }));
}

interface LaneQuestion {
  readonly by: CapacityGrouping;
  readonly window: CapacityWindow;
  readonly source: LaneGauges;
  readonly segments: readonly Segment[];
  /** Whether the lane decides time and samples. */
  readonly isPrimary: boolean;
}

/** Adds one lane's sums to the groups and to all. */
async function addLane(db: Asked, question: LaneQuestion, tally: Tally): Promise<void> {
  const { by, window, source, segments, isPrimary } = question;
  const { groups, all } = tally;
  const shared = emptySums();
  for (const row of await ask(db, wholeDevicesSql(by, window, source, segments))) {
    const sums = sumsOf(row, source, isPrimary);
    if (isPrimary) tally.samples += row.number('samples') ?? 0;
    addSums(all, sums, 1);
    if (row.text('kind') === 'shared') addSums(shared, sums, 1);
    else addSums(groupOf(groups, row), sums, 1);
    // A node that nobody used all the time is a row too: the one that a planner looks for.
    if (row.text('kind') === 'unowned' && isOfDevices(by)) {
      const group = rowOf(groups, 'group', row.text('name'));
      group.unownedUs = (group.unownedUs ?? 0) + sums.attributedUs;
    }
  }
  if (shared.attributedUs === 0 && shared.smKnownUs === 0 && shared.powerUs === 0) return;
  const { rows, areSharesScaled } = await sharedSums(db, by, window, source, segments);
  tally.areSharesScaled ||= areSharesScaled;
  for (const row of rows) {
    const sums = sumsOf(row, source, isPrimary);
    addSums(groupOf(groups, row), sums, 1);
    addSums(shared, sums, -1);
  }
  // What is left of the shared devices' time is the part that no share covers. Rounding is not time.
  if (shared.attributedUs > ROUNDING_US_MAX || !isPrimary)
    addSums(rowOf(groups, 'unattributed', undefined).sums, shared, 1);
}

/** Groups of devices have unowned time of their own; groups of jobs cannot. */
function isOfDevices(by: CapacityGrouping): boolean {
  return by === 'node' || by === 'model';
}

function groupOf(groups: Map<string, Group>, row: Cells): Sums {
  const kind = row.text('kind');
  if (kind === 'unowned' || kind === 'unresolved') return rowOf(groups, kind, undefined).sums;
  return rowOf(groups, 'group', row.text('name')).sums;
}

function rowOf(groups: Map<string, Group>, kind: CapacityKind, name: string | undefined): Group {
  const key = JSON.stringify([kind, name]);
  const group = groups.get(key) ?? { kind, name, sums: emptySums(), unownedUs: undefined };
  groups.set(key, group);
  return group;
}

interface FleetFigures extends Pick<
  CapacityFigures,
  'devices' | 'migInstances' | 'nodes' | 'knownUs' | 'isSynthetic'
> {
  /** First bucket with samples in the window; Infinity without any. */
  readonly firstUs: number;
}

/** How many devices there were, and for how long each was known: from its first inventory row or sample on. */
async function devicesIn(
  db: Asked,
  window: CapacityWindow,
  segments: readonly Segment[],
): Promise<FleetFigures> {
  const parts = segments.map(
    ({ table, fromUs, toUs }) =>
      `SELECT node, gpu, min(ts) AS first_ts FROM ${quoteName(table)}` +
      ` WHERE ts >= ${quoteTime(fromUs)} AND ts < ${quoteTime(toUs)} GROUP BY node, gpu`,
  );
  const sampled = await ask(
    db,
    `SELECT node, gpu, cast(min(first_ts) AS LONG) AS first_us FROM (${parts.join(' UNION ALL ')}) GROUP BY node, gpu`,
  );
  const listed = await ask(
    db,
    'SELECT last(node) AS node, gpu, cast(min(ts) AS LONG) AS first_us, last(source) AS source, last(mig_profile) AS mig_profile FROM gpu_inventory' +
      ` WHERE ts < ${quoteTime(window.toUs)} GROUP BY gpu`,
  );
  const firstUs = new Map<string, number>();
  const nodes = new Set<string>();
  for (const row of [...sampled, ...listed]) {
    const gpu = row.text('gpu') ?? '';
    firstUs.set(gpu, Math.min(firstUs.get(gpu) ?? Infinity, row.number('first_us') ?? Infinity));
    nodes.add(row.text('node') ?? '');
  }
  const endUs = Math.min(window.toUs, window.askedToUs);
  let knownUs = 0;
  for (const us of firstUs.values()) knownUs += Math.max(0, endUs - Math.max(us, window.fromUs));
  return {
    firstUs: Math.min(Infinity, ...sampled.map((row) => row.number('first_us') ?? Infinity)),
    devices: firstUs.size,
    migInstances: listed.filter((row) => row.text('mig_profile') !== undefined).length,
    nodes: nodes.size,
    knownUs,
    isSynthetic: listed.some((row) => row.text('source') === 'synthetic'),
  };
}

/** Distinct jobs by the name of their group, and in all. */
interface JobCounts {
  readonly byName: ReadonlyMap<string | undefined, number>;
  readonly all: number;
}

async function jobCounts(db: Asked, by: CapacityGrouping, window: CapacityWindow): Promise<JobCounts> {
  const byName = new Map<string | undefined, number>();
  let all = 0;
  for (const row of await ask(db, jobCountsSql(by, window))) {
    const jobs = row.number('jobs') ?? 0;
    if (row.number('is_all') === 1) all = jobs;
    else byName.set(row.text('name'), jobs);
  }
  return { byName, all };
}
