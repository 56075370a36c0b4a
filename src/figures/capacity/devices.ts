import { quoteName } from '../../../schemas/tables.ts';
import type { CapacityFigures, LastSign } from './figures.ts';
import type { CapacityWindow } from './window.ts';
import {
  segmentsOf,
  STEP_US,
  wholeSpan,
  withinSql,
  type KeptLane,
  type Segment,
  type Span,
} from '../levels.ts';
import { ratioIn, type CutInventory } from '../mig-energy.ts';
import { ask, type Asked, type Cells } from '../query-cells.ts';
import { quoteTime } from '../sql-text.ts';

/** A device whose last sign of life is so much older than the window's end is told. */
const GONE_US_MIN = 3600e6;

type FleetFigures = Pick<
  CapacityFigures,
  'devices' | 'migInstances' | 'nodes' | 'isSynthetic' | 'lastSigns'
> & { readonly knownUs: number };

/** First and last sign of life, epoch µs, of whatever time. */
interface Life {
  readonly firstUs: number;
  readonly lastUs: number;
}

/** What was there in a window: a device, or a GPU beside its MIG instances, which is none of its own. */
export interface KnownDevice {
  readonly gpu: string;
  /** On which it was; the last one it is on. */
  readonly nodes: readonly string[];
  readonly cluster: string | undefined;
  readonly model: string | undefined;
  readonly kind: 'whole' | 'instance' | 'cut';
  readonly isSynthetic: boolean;
  /** The part of the window from its first to its last sign of life. */
  readonly fromUs: number;
  readonly toUs: number;
  /** Its last sign of life, of whatever time. */
  readonly lastUs: number;
  /** GPUs that it counts as: an instance by its slices, and not at all where its GPU was seen, which counts for all of them. */
  readonly weight: number;
  /** The part of a GPU that it is: of an instance by its slices, 0 where nobody told these. */
  readonly ratio: number;
}

/**
 * What was there, and for how long each was known: from its first to its last sign of life, which are samples and rows of the
 * inventory, also of before and after the window.
 * @param lanes all that there are, whatever is read of them
 * @throws what `ask` throws
 */
export async function knownDevices(
  db: Asked,
  window: Span,
  lanes: readonly KeptLane[],
  inventory: CutInventory,
): Promise<KnownDevice[]> {
  const signs = await signsOfSamples(db, lanes, 'IS NOT NULL');
  const cutSigns = inventory.instances.size === 0 ? [] : await signsOfSamples(db, lanes, 'IS NULL');
  const listed = await ask(db, listedSql(window));
  const isIn = ({ firstUs, lastUs }: Life): boolean => firstUs < window.toUs && lastUs >= window.fromUs;
  const sampled = signs.filter((row) => isIn(lifeOf(row)));
  const told = [...sampled, ...listed.filter(isNotCut(sampled, listed))];
  const lives = new Map<string, Life>();
  for (const row of [...signs, ...cutSigns, ...listed]) {
    const gpu = row.text('gpu') ?? '';
    const { firstUs, lastUs } = lives.get(gpu) ?? { firstUs: Infinity, lastUs: -Infinity };
    const life = lifeOf(row);
    lives.set(gpu, { firstUs: Math.min(firstUs, life.firstUs), lastUs: Math.max(lastUs, life.lastUs) });
  }
  const facts = new Map(listed.map((row) => [row.text('gpu') ?? '', row]));
  const cut = cutSigns.filter((row) => isIn(lifeOf(row)));
  const cutGpus = new Set(cut.map((row) => row.text('gpu') ?? ''));
  const present = told.filter((row) => isIn(lives.get(row.text('gpu') ?? '')!));
  const own = Map.groupBy(present, (row) => row.text('gpu') ?? '');
  // One that was a device of its own, and cut at another time of the window, is the device.
  const beside = Map.groupBy(
    cut.filter((row) => !own.has(row.text('gpu') ?? '')),
    (row) => row.text('gpu') ?? '',
  );
  const deviceOf = (gpu: string, rows: readonly Cells[], isCut: boolean): KnownDevice => {
    const { firstUs, lastUs } = lives.get(gpu)!;
    const fact = facts.get(gpu);
    const isInstance = fact?.text('mig_profile') !== undefined;
    return {
      gpu,
      nodes: rows.map((row) => row.text('node') ?? ''),
      cluster:
        rows.findLast((row) => row.text('cluster') !== undefined)?.text('cluster') ??
        inventory.clusters.get(gpu),
      model: fact?.text('model'),
      kind: isCut ? 'cut' : isInstance ? 'instance' : 'whole',
      isSynthetic: fact?.text('source') === 'synthetic',
      fromUs: Math.max(window.fromUs, firstUs),
      toUs: Math.max(Math.max(window.fromUs, firstUs), Math.min(window.toUs, lastUs)),
      lastUs,
      weight: weightOf(gpu, inventory, cutGpus),
      ratio: inventory.instances.has(gpu) ? (ratioIn(inventory, gpu) ?? 0) : 1,
    };
  };
  return [
    ...[...own].map(([gpu, rows]) => deviceOf(gpu, rows, false)),
    ...[...beside].map(([gpu, rows]) => deviceOf(gpu, rows, true)),
  ];
}

/** How many devices there were, and for how long. @param known those that are asked about */
export function fleetOf(known: readonly KnownDevice[], { toUs }: CapacityWindow): FleetFigures {
  const devices = known.filter(({ kind }) => kind !== 'cut');
  const nodes = new Set(
    devices.flatMap(({ cluster, nodes }) => nodes.map((node) => JSON.stringify([cluster, node]))),
  );
  return {
    devices: devices.length,
    migInstances: devices.filter(({ kind }) => kind === 'instance').length,
    nodes: nodes.size,
    knownUs: known.reduce((sum, device) => sum + (device.toUs - device.fromUs) * device.weight, 0),
    isSynthetic: devices.some(({ isSynthetic }) => isSynthetic),
    lastSigns: devices
      .filter(({ lastUs }) => lastUs < toUs - GONE_US_MIN)
      .map(({ gpu, nodes, lastUs }): LastSign => ({ gpu, node: nodes.at(-1) ?? '', lastUs }))
      .sort((a, b) => a.lastUs - b.lastUs || (a.gpu < b.gpu ? -1 : 1)),
  };
}

function weightOf(gpu: string, inventory: CutInventory, cut: ReadonlySet<string>): number {
  const instance = inventory.instances.get(gpu);
  if (instance === undefined) return 1;
  return cut.has(instance.parent) ? 0 : (ratioIn(inventory, gpu) ?? 0);
}

function lifeOf(row: Cells): Life {
  return { firstUs: row.number('first_us') ?? Infinity, lastUs: row.number('last_us') ?? -Infinity };
}

/** First and last sample of each device on each node, of all that is kept. @param owners NULL of GPUs beside their MIG instances */
async function signsOfSamples(
  db: Asked,
  lanes: readonly KeptLane[],
  owners: 'IS NULL' | 'IS NOT NULL',
): Promise<Cells[]> {
  const parts = lanes.flatMap((lane) => {
    const span = wholeSpan(lane);
    return span === undefined ? [] : segmentsOf(lane, span).map((segment) => signsSql(segment, owners));
  });
  if (parts.length === 0) return [];
  return await ask(
    db,
    'SELECT node, gpu, min(first_us) AS first_us, max(last_us) AS last_us, last_not_null(cluster) AS cluster' +
      ` FROM (${parts.join(' UNION ALL ')}) GROUP BY node, gpu`,
  );
}

function signsSql(segment: Segment, owners: 'IS NULL' | 'IS NOT NULL'): string {
  const { table, level, columns } = segment;
  const first = columns.has('first_ts') ? 's.first_ts' : 's.ts';
  const last = columns.has('last_ts')
    ? 'cast(max(s.last_ts) AS LONG)'
    : `cast(max(s.ts) AS LONG) + ${lengthOf(level)}`;
  const cluster = columns.has('cluster') ? 's.cluster' : 'null';
  return (
    `SELECT s.node AS node, s.gpu AS gpu, cast(min(${first}) AS LONG) AS first_us, ${last} AS last_us, last_not_null(cast(${cluster} AS STRING)) AS cluster` +
    ` FROM ${quoteName(table)} s WHERE ${withinSql(segment)} AND s.owners ${owners} GROUP BY node, gpu`
  );
}

/** A bucket that does not say when its last sample was ends with it. */
function lengthOf(level: Segment['level']): number {
  return level === 'raw' ? 0 : STEP_US[level];
}

/** What the inventory says of devices up to the window's end (`told_us` the last time), and their first and last row. */
function listedSql({ toUs }: Span): string {
  return (
    'SELECT i.node AS node, i.gpu AS gpu, i.cluster AS cluster, i.first_us AS first_us, l.last_us AS last_us, i.told_us AS told_us, i.source AS source,' +
    ' i.mig_profile AS mig_profile, i.parent AS parent, i.model AS model FROM (SELECT last(node) AS node, gpu, last_not_null(cluster) AS cluster,' +
    ' cast(min(ts) AS LONG) AS first_us, cast(max(ts) AS LONG) AS told_us, last(source) AS source, last(mig_profile) AS mig_profile, last(parent) AS parent, last_not_null(model) AS model' +
    ` FROM gpu_inventory WHERE ts < ${quoteTime(toUs)} GROUP BY gpu) i` +
    ' JOIN (SELECT gpu, cast(max(ts) AS LONG) AS last_us FROM gpu_inventory GROUP BY gpu) l ON l.gpu = i.gpu'
  );
}

/** Whether a listed GPU is a device of its own: not one beside its instances, unless it was sampled whole before it was cut. */
function isNotCut(sampled: readonly Cells[], listed: readonly Cells[]): (row: Cells) => boolean {
  const seen = new Set(sampled.map((row) => row.text('gpu')));
  const cutUs = new Map<string | undefined, number>();
  for (const row of listed) {
    const parent = row.text('parent');
    cutUs.set(parent, Math.max(cutUs.get(parent) ?? -Infinity, row.number('told_us') ?? -Infinity));
  }
  return (row) => {
    const gpu = row.text('gpu');
    return seen.has(gpu) || (cutUs.get(gpu) ?? -Infinity) < (row.number('told_us') ?? -Infinity);
  };
}
