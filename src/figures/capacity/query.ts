import { OperatingError } from '../../core/base/errors.ts';
import type { Lane } from '../../core/fields/lane.ts';
import { quoteName } from '../../../schemas/tables.ts';
import {
  isOwned,
  type CapacityFigures,
  type CapacityGrouping,
  type CapacityKind,
  type CapacityRow,
} from './figures.ts';
import { addSums, capacitySums, emptySums, energyOnly, sumsOf, type Sums } from './sums.ts';
import type { Membership } from './membership.ts';
import { asManyAsFit, reusedIds } from './reused-ids.ts';
import { jobCountsSql, wholeDevicesSql } from './samples.ts';
import { sharedSums, sharingIn } from './shared.ts';
import { capacityWindow, invalidRollups, type CapacityWindow } from './window.ts';
import { gaugesByLane, type LaneGauges } from '../gauges.ts';
import { keptLanes, segmentsOf, withinSql, type Segment } from '../levels.ts';
import type { Quantity } from '../quantity.ts';
import { ask, type Asked, type Cells } from '../query-cells.ts';
import { oldestSampleUs, recordedLanes } from '../recorded-lanes.ts';
import { quoteTime } from '../sql-text.ts';

export interface CapacityQueryOptions {
  readonly fromUs: number;
  readonly toUs: number;
  readonly by: CapacityGrouping;
  /** Only the devices of this cluster; of all when absent. */
  readonly cluster?: string;
}

interface Group {
  readonly kind: CapacityKind;
  readonly name: string | undefined;
  readonly cluster: string | undefined;
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
  readonly sharedUs: { stated: number; measured: number; equal: number };
  areSharesScaled: boolean;
}

/**
 * What all devices did in a window and for whom, from the rollups; shared devices from the samples, by share.
 * @throws OperatingError `report.window`, `report.unknown_cluster`, and what `QuestDb.exec` throws
 */
export async function capacityFigures(
  db: Asked,
  lanes: readonly Lane[],
  options: CapacityQueryOptions,
): Promise<CapacityFigures> {
  const { by, cluster } = options;
  const sources = capacitySources(await recordedLanes(db, lanes));
  const kept = await keptLanes(
    db,
    sources.map(({ lane }) => lane.table),
  );
  const window = capacityWindow(kept, options.fromUs, options.toUs);
  const isOneCluster = await hasOneCluster(db, window);
  const { ids: reused, left: reusedIdsLeft } = asManyAsFit(await reusedIds(db, window, isOneCluster));
  const of: Membership = { by, window, cluster, isOneCluster, reused };
  const tally: Tally = {
    groups: new Map(),
    all: emptySums(),
    samples: 0,
    sharedUs: { stated: 0, measured: 0, equal: 0 },
    areSharesScaled: false,
  };
  let segments: readonly Segment[] = [];
  for (const [index, source] of sources.entries()) {
    const isPrimary = index === 0;
    const parts = segmentsOf(kept[index]!, window, window.roundedTo === 'minute' ? ['1m'] : ['1h', '1m']);
    if (isPrimary) segments = parts;
    await addLane(db, { of, source, segments: parts, isPrimary }, tally);
  }
  const { firstUs, ...fleet } = await devicesIn(db, window, segments, options.cluster);
  const jobs = await jobCounts(db, of);
  const rows = rowsOf(tally, jobs);
  const hasActivity = sources.some(({ gauges }) => gauges.some(([key]) => key === 'smActive'));
  return {
    by,
    cluster,
    ...window,
    ...fleet,
    reusedIdsLeft,
    samples: tally.samples,
    sampledUs: tally.all.attributedUs,
    rows,
    all: { ...capacitySums(tally.all), jobs: jobs.all },
    allocatedIdle: hasActivity ? allocatedIdleOf(rows) : undefined,
    sharedUs: tally.sharedUs,
    areSharesScaled: tally.areSharesScaled,
    sharesKnownFromUs: await sharesKnownFromUs(db, sources[0], tally, Math.max(window.fromUs, firstUs)),
    invalidRollups: await invalidRollups(db, segments),
    hasActivity,
  };
}

/** Groups by GPU time, most first; then the other kinds. */
function rowsOf({ groups }: Tally, jobs: JobCounts): CapacityRow[] {
  return [...groups.values()]
    .filter(({ kind, sums, unownedUs }) => sums.attributedUs > 0 || unownedUs !== undefined || kind === 'cut')
    .map(({ kind, name, cluster, sums, unownedUs }): CapacityRow => ({
      kind,
      name,
      cluster,
      ...capacitySums(sums),
      unownedUs,
      jobs: jobs.byGroup.get(keyOf(kind, name, cluster)) ?? 0,
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

const KIND_ORDER: readonly CapacityKind[] = ['group', 'unresolved', 'unattributed', 'unowned', 'cut'];

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
  readonly of: Membership;
  readonly source: LaneGauges;
  readonly segments: readonly Segment[];
  /** Whether the lane decides time and samples. */
  readonly isPrimary: boolean;
}

/** Adds one lane's sums to the groups and to all. */
async function addLane(db: Asked, question: LaneQuestion, tally: Tally): Promise<void> {
  const { of, source, segments, isPrimary } = question;
  const { groups, all } = tally;
  const shared = emptySums();
  for (const row of await ask(db, wholeDevicesSql(of, source, segments))) {
    const told = sumsOf(row, source, isPrimary);
    const sums = row.text('kind') === 'cut' ? energyOnly(told) : told;
    if (isPrimary) tally.samples += row.number('samples') ?? 0;
    addSums(all, sums, 1);
    if (row.text('kind') === 'shared') addSums(shared, sums, 1);
    else addSums(groupOf(groups, row), sums, 1);
    // A node that nobody used all the time is a row too: the one that a planner looks for.
    if (row.text('kind') === 'unowned' && isOfDevices(of.by)) {
      const group = rowOf(groups, 'group', row.text('name'), clusterIn(row));
      group.unownedUs = (group.unownedUs ?? 0) + sums.attributedUs;
    }
  }
  if (shared.attributedUs === 0 && shared.smKnownUs === 0 && shared.powerUs === 0) return;
  const { rows, areSharesScaled } = await sharedSums(db, of, source, segments);
  tally.areSharesScaled ||= areSharesScaled;
  for (const row of rows) {
    const sums = sumsOf(row, source, isPrimary);
    addSums(groupOf(groups, row), sums, 1);
    addSums(shared, sums, -1);
    tally.sharedUs[sharingIn(row)] += sums.attributedUs;
  }
  // What is left of the shared devices' time is the part that no share covers. Rounding is not time.
  if (shared.attributedUs > ROUNDING_US_MAX || !isPrimary)
    addSums(rowOf(groups, 'unattributed').sums, shared, 1);
}

/** Groups of devices have unowned time of their own; groups of jobs cannot. */
function isOfDevices(by: CapacityGrouping): boolean {
  return by === 'node' || by === 'model' || by === 'cluster';
}

function groupOf(groups: Map<string, Group>, row: Cells): Sums {
  const kind = row.text('kind');
  if (kind === 'unowned' || kind === 'unresolved' || kind === 'cut') return rowOf(groups, kind).sums;
  return rowOf(groups, 'group', row.text('name'), clusterIn(row)).sums;
}

function rowOf(groups: Map<string, Group>, kind: CapacityKind, name?: string, cluster?: string): Group {
  const key = keyOf(kind, name, cluster);
  const group = groups.get(key) ?? { kind, name, cluster, sums: emptySums(), unownedUs: undefined };
  groups.set(key, group);
  return group;
}

function keyOf(kind: CapacityKind, name: string | undefined, cluster: string | undefined): string {
  return JSON.stringify([kind, name, cluster]);
}

/** Only a node is named together with its cluster. */
function clusterIn(row: Cells): string | undefined {
  const cluster = row.text('cluster');
  return cluster === '' ? undefined : cluster;
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
  cluster: string | undefined,
): Promise<FleetFigures> {
  const parts = segments.map(
    (segment) =>
      `SELECT s.node AS node, s.gpu AS gpu, min(s.ts) AS first_ts, last_not_null(cast(${segment.columns.has('cluster') ? 's.cluster' : 'null'} AS STRING)) AS cluster` +
      ` FROM ${quoteName(segment.table)} s WHERE ${withinSql(segment)} AND s.owners IS NOT NULL GROUP BY node, gpu`,
  );
  const sampled = await ask(
    db,
    `SELECT node, gpu, cast(min(first_ts) AS LONG) AS first_us, last_not_null(cluster) AS cluster FROM (${parts.join(' UNION ALL ')}) GROUP BY node, gpu`,
  );
  const listed = await ask(
    db,
    'SELECT last(node) AS node, gpu, last_not_null(cluster) AS cluster, cast(min(ts) AS LONG) AS first_us, last(source) AS source,' +
      ' last(mig_profile) AS mig_profile, last(parent) AS parent, cast(max(ts) AS LONG) AS last_us FROM gpu_inventory' +
      ` WHERE ts < ${quoteTime(window.toUs)} GROUP BY gpu`,
  );
  const told = [...sampled, ...listed.filter(isNotCut(sampled, listed))];
  const clusters = new Map(
    told.flatMap((row) =>
      row.text('cluster') === undefined ? [] : [[row.text('gpu'), row.text('cluster')]],
    ),
  );
  const isMeant = (row: Cells): boolean => cluster === undefined || clusters.get(row.text('gpu')) === cluster;
  if (cluster !== undefined && !told.some(isMeant))
    throw unknownCluster(db, cluster, new Set(clusters.values()));
  const firstUs = new Map<string, number>();
  const nodes = new Set<string>();
  for (const row of told.filter(isMeant)) {
    const gpu = row.text('gpu') ?? '';
    firstUs.set(gpu, Math.min(firstUs.get(gpu) ?? Infinity, row.number('first_us') ?? Infinity));
    nodes.add(JSON.stringify([clusters.get(gpu), row.text('node')]));
  }
  const endUs = Math.min(window.toUs, window.askedToUs);
  let knownUs = 0;
  for (const us of firstUs.values()) knownUs += Math.max(0, endUs - Math.max(us, window.fromUs));
  const meant = listed.filter(isMeant);
  return {
    firstUs: Math.min(Infinity, ...sampled.filter(isMeant).map((row) => row.number('first_us') ?? Infinity)),
    devices: firstUs.size,
    migInstances: meant.filter((row) => row.text('mig_profile') !== undefined).length,
    nodes: nodes.size,
    knownUs,
    isSynthetic: meant.some((row) => row.text('source') === 'synthetic'),
  };
}

/** Whether a listed GPU is a device of its own: not one beside its instances, unless it was sampled whole before it was cut. */
function isNotCut(sampled: readonly Cells[], listed: readonly Cells[]): (row: Cells) => boolean {
  const seen = new Set(sampled.map((row) => row.text('gpu')));
  const cutUs = new Map<string | undefined, number>();
  for (const row of listed) {
    const parent = row.text('parent');
    cutUs.set(parent, Math.max(cutUs.get(parent) ?? -Infinity, row.number('last_us') ?? -Infinity));
  }
  return (row) => {
    const gpu = row.text('gpu');
    return seen.has(gpu) || (cutUs.get(gpu) ?? -Infinity) < (row.number('last_us') ?? -Infinity);
  };
}

function unknownCluster(db: Asked, cluster: string, known: ReadonlySet<string | undefined>): OperatingError {
  const names = [...known].filter((name) => name !== undefined).sort();
  return new OperatingError(`no cluster "${cluster}": no GPU is known to be of it`, {
    code: 'report.unknown_cluster',
    exit: 'usage',
    where: `${db.where}, tables gpu_inventory and the samples of the window`,
    hints: [
      names.length > 0
        ? `the clusters there: ${names.join(', ')}`
        : 'no GPU there has the name of a cluster: see the key cluster in docs/configuration.md',
    ],
  });
}

/** Jobs by their group, and in all. */
interface JobCounts {
  readonly byGroup: ReadonlyMap<string, number>;
  readonly all: number;
}

async function jobCounts(db: Asked, of: Membership): Promise<JobCounts> {
  const byGroup = new Map<string, number>();
  let all = 0;
  for (const row of await ask(db, jobCountsSql(of))) {
    const jobs = row.number('jobs') ?? 0;
    if (row.number('is_all') === 1) all = jobs;
    else byGroup.set(keyOf('group', row.text('name'), clusterIn(row)), jobs);
  }
  return { byGroup, all };
}

/** Whether there is one cluster at most, as far as anybody told. */
async function hasOneCluster(db: Asked, { fromUs, toUs }: CapacityWindow): Promise<boolean> {
  const [from, to] = [quoteTime(fromUs), quoteTime(toUs)];
  const parts = ['jobs', 'gpu_ownership'].map(
    (table) => `SELECT cluster FROM ${table} WHERE ts < ${to} AND (end_ts IS NULL OR end_ts >= ${from})`,
  );
  const rows = await ask(
    db,
    `SELECT DISTINCT cluster FROM (SELECT cluster FROM gpu_inventory UNION ALL ${parts.join(' UNION ALL ')})`,
  );
  return rows.filter((row) => row.text('cluster') !== undefined).length <= 1;
}
