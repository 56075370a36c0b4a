import { OperatingError } from '../../core/base/errors.ts';
import { quoteName } from '../../../schemas/tables.ts';
import type { CapacityFigures, LastSign } from './figures.ts';
import type { CapacityWindow } from './window.ts';
import { segmentsOf, STEP_US, wholeSpan, withinSql, type KeptLane, type Segment } from '../levels.ts';
import { ratioIn, type CutInventory } from '../mig-energy.ts';
import { ask, type Asked, type Cells } from '../query-cells.ts';
import { quoteTime } from '../sql-text.ts';

/** A device whose last sign of life is so much older than the window's end is told. */
const GONE_US_MIN = 3600e6;

type FleetFigures = Pick<
  CapacityFigures,
  'devices' | 'migInstances' | 'nodes' | 'knownUs' | 'isSynthetic' | 'lastSigns'
>;

/** First and last sign of life, epoch µs, of whatever time. */
interface Life {
  readonly firstUs: number;
  readonly lastUs: number;
}

/**
 * How many devices there were, and for how long each was known: from its first to its last sign of life, which are samples and
 * rows of the inventory, also of before and after the window.
 * @param lanes all that there are, whatever is read of them
 * @throws OperatingError `report.unknown_cluster`, and what `ask` throws
 */
export async function devicesIn(
  db: Asked,
  window: CapacityWindow,
  lanes: readonly KeptLane[],
  { cluster, inventory }: { readonly cluster: string | undefined; readonly inventory: CutInventory },
): Promise<FleetFigures> {
  const signs = await signsOfSamples(db, lanes, 'IS NOT NULL');
  const cutSigns = inventory.instances.size === 0 ? [] : await signsOfSamples(db, lanes, 'IS NULL');
  const listed = await ask(db, listedSql(window));
  const isIn = ({ firstUs, lastUs }: Life): boolean => firstUs < window.toUs && lastUs >= window.fromUs;
  const sampled = signs.filter((row) => isIn(lifeOf(row)));
  const told = [...sampled, ...listed.filter(isNotCut(sampled, listed))];
  const clusters = new Map(
    told.flatMap((row) =>
      row.text('cluster') === undefined ? [] : [[row.text('gpu'), row.text('cluster')]],
    ),
  );
  const isMeant = (row: Cells): boolean => cluster === undefined || clusters.get(row.text('gpu')) === cluster;
  if (cluster !== undefined && !told.some(isMeant))
    throw unknownCluster(db, cluster, new Set(clusters.values()));
  const lives = new Map<string, Life>();
  for (const row of [...signs, ...cutSigns, ...listed]) {
    const gpu = row.text('gpu') ?? '';
    const { firstUs, lastUs } = lives.get(gpu) ?? { firstUs: Infinity, lastUs: -Infinity };
    const life = lifeOf(row);
    lives.set(gpu, { firstUs: Math.min(firstUs, life.firstUs), lastUs: Math.max(lastUs, life.lastUs) });
  }
  const meant = told.filter((row) => isMeant(row) && isIn(lives.get(row.text('gpu') ?? '')!));
  const nodeOf = new Map(meant.map((row) => [row.text('gpu') ?? '', row.text('node') ?? '']));
  const nodes = new Set(
    meant.map((row) => JSON.stringify([clusters.get(row.text('gpu')), row.text('node')])),
  );
  const knownUsOf = (gpu: string): number => {
    const { firstUs, lastUs } = lives.get(gpu)!;
    return Math.max(0, Math.min(window.toUs, lastUs) - Math.max(window.fromUs, firstUs));
  };
  const isOfCluster = (row: Cells): boolean =>
    cluster === undefined ||
    (row.text('cluster') ?? inventory.clusters.get(row.text('gpu') ?? '')) === cluster;
  const cut = new Set(
    cutSigns.filter((row) => isIn(lifeOf(row)) && isOfCluster(row)).map((row) => row.text('gpu') ?? ''),
  );
  let knownUs = 0;
  for (const gpu of new Set([...nodeOf.keys(), ...cut]))
    knownUs += knownUsOf(gpu) * weightOf(gpu, inventory, cut);
  const lastSigns: LastSign[] = [];
  for (const [gpu, node] of nodeOf) {
    const { lastUs } = lives.get(gpu)!;
    if (lastUs < window.toUs - GONE_US_MIN) lastSigns.push({ gpu, node, lastUs });
  }
  const facts = listed.filter((row) => nodeOf.has(row.text('gpu') ?? ''));
  return {
    devices: nodeOf.size,
    migInstances: facts.filter((row) => row.text('mig_profile') !== undefined).length,
    nodes: nodes.size,
    knownUs,
    isSynthetic: facts.some((row) => row.text('source') === 'synthetic'),
    lastSigns: lastSigns.sort((a, b) => a.lastUs - b.lastUs || (a.gpu < b.gpu ? -1 : 1)),
  };
}

/** GPUs that a device counts as: an instance by its slices, and not at all where its GPU was seen, which counts for all of them. */
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
function listedSql({ toUs }: CapacityWindow): string {
  return (
    'SELECT i.node AS node, i.gpu AS gpu, i.cluster AS cluster, i.first_us AS first_us, l.last_us AS last_us, i.told_us AS told_us, i.source AS source,' +
    ' i.mig_profile AS mig_profile, i.parent AS parent FROM (SELECT last(node) AS node, gpu, last_not_null(cluster) AS cluster,' +
    ' cast(min(ts) AS LONG) AS first_us, cast(max(ts) AS LONG) AS told_us, last(source) AS source, last(mig_profile) AS mig_profile, last(parent) AS parent' +
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
