import { USUAL_IDLE_LIMITS, type IdleLimits } from '../../core/fields/idle-limits.ts';
import type { Lane } from '../../core/fields/lane.ts';
import { besideSums, type BesideSums } from '../../core/queue/beside.ts';
import type { HadSpan } from '../../core/queue/had-and-asked.ts';
import { knownDevices } from '../capacity/devices.ts';
import { chosenDevices } from '../capacity/filters.ts';
import { readNodeStates } from '../fleet-states/node-states.ts';
import { storedLanes } from '../gauge-lanes.ts';
import { readIdleLimits } from '../idle-limits.ts';
import type { Span } from '../levels.ts';
import { readCutInventory } from '../mig-energy.ts';
import type { Asked } from '../query-cells.ts';
import { readAsked, type AskedCluster } from './asked-spans.ts';
import { queuesOfCells } from './clusters.ts';
import { deviceTimeOf, readOwned } from './device-time.ts';
import type { Beside, Fragmentation, QueueFigures, QueueTime } from './figures.ts';
import { gpuCellsOf, type GpuCells } from './gpu-cells.ts';
import { readOwnedIdle } from './idle-spans.ts';
import { readWaits } from './wait-rows.ts';

/** Requests on one node of which fragmentation is told, as far as any node has so many GPUs. */
const SIZES = [1, 2, 4, 8] as const;

export interface QueueQueryOptions {
  /** Epoch µs. */
  readonly fromUs: number;
  readonly toUs: number;
  /** Only what is of this cluster; all when absent. */
  readonly cluster?: string;
  /** Below which SM activity devices count as idle; the usual 5 % when absent. */
  readonly idleLimits?: IdleLimits;
}

/**
 * Who waited for GPUs, how long, and which GPUs nobody used meanwhile. What nobody told (the queue, the states of nodes) is unknown, and
 * GPUs of which it is unknown whether they could be had are not counted as free.
 * @throws OperatingError `report.unknown_cluster`, and what `recordedLanes` and `ask` throw
 */
export async function queueFigures(
  db: Asked,
  lanes: readonly Lane[],
  { fromUs, toUs, cluster, idleLimits = USUAL_IDLE_LIMITS }: QueueQueryOptions,
): Promise<QueueFigures> {
  const window = { fromUs, toUs };
  const stored = await storedLanes(db, lanes, window);
  const inventory = await readCutInventory(db);
  const kept = stored.map((one) => one.kept);
  const known = await chosenDevices(db, window, await knownDevices(db, window, kept, inventory), {
    ...{ cluster, where: [] },
  });
  const devices = known.filter(({ kind }) => kind === 'whole');
  const cells = gpuCellsOf(devices);
  const limits = await readIdleLimits(
    db,
    idleLimits,
    devices.map(({ gpu }) => gpu),
  );
  const [states, owned, asked, idle] = await Promise.all([
    readNodeStates(db, window, cluster),
    readOwned(db, window),
    readAsked(db, window, cluster, cells.modelsOf),
    readOwnedIdle(db, stored, window, limits, cells.cellOf),
  ]);
  const waits = await readWaits(db, window, cluster, asked.length > 0, (type) => modelNames(cells, type));
  const { time, free } = deviceTimeOf(devices, owned, states, cells.cellOf);
  const queues = queuesOfCells(asked, devices, cells);
  const sumsOf = (spans: readonly HadSpan[]): Beside | undefined => besideAll(spans, queues, cells);
  const isAsked = asked.length > 0;
  const idleSums = idle && sumsOf(idle.spans);
  return {
    ...{ fromUs, toUs, cluster, time, idleLimits: limits.told },
    isSynthetic: devices.some(({ isSynthetic }) => isSynthetic),
    devices: devices.length,
    migInstances: known.filter(({ kind }) => kind === 'instance').length,
    queue: isAsked && waits.lastPoll !== undefined ? queueTimeOf(asked, window, waits.lastPoll) : undefined,
    beside: {
      free: states.length > 0 ? sumsOf(free) : undefined,
      idle: idleSums && { ...idleSums, bucketUs: idle.bucketUs, keptUs: idle.keptUs },
    },
    fragmentation:
      states.length === 0
        ? undefined
        : fragmentationOf(besideSums(free, cells.modelOfCell, [], SIZES), largestOf(cells)),
    waits: waits.rows,
    unknownWaits: waits.unknownWaits,
  };
}

/** Undefined where no cluster that was asked has any of these GPUs. */
function besideAll(
  spans: readonly HadSpan[],
  queues: ReturnType<typeof queuesOfCells>,
  { modelOfCell }: GpuCells,
): Beside | undefined {
  if (queues.length === 0) return undefined;
  const all = { besideUs: 0, hadUs: 0, fitsUs: 0 };
  for (const queue of queues) {
    const own = spans.filter(({ cell }) => queue.isOf(cell));
    const sums = besideSums(own, modelOfCell, queue.spans, []);
    all.besideUs += sums.besideUs;
    all.hadUs += sums.hadAskedUs;
    all.fitsUs += sums.fitsUs;
  }
  return all;
}

function fragmentationOf({ hadUs, usableUs }: BesideSums, gpusMax: number): Fragmentation[] {
  return SIZES.map((gpus, index) => ({
    gpus,
    usableUs: usableUs[index]!,
    ratio: hadUs === 0 ? undefined : 1 - usableUs[index]! / hadUs,
  })).filter(({ gpus }) => gpus <= gpusMax);
}

/** GPUs of the largest node. */
function largestOf({ cellOf, modelOfCell }: GpuCells): number {
  const gpus = modelOfCell.map(() => 0);
  for (const cell of cellOf.values()) gpus[cell]! += 1;
  return Math.max(0, ...gpus);
}

function queueTimeOf(
  asked: readonly AskedCluster[],
  { fromUs, toUs }: Span,
  lastPoll: Pick<QueueTime, 'lastPollUs' | 'waitingJobs' | 'waitingGpus' | 'otherJobs'>,
): QueueTime {
  const sum = (value: (one: AskedCluster) => number): number =>
    asked.reduce((total, one) => total + value(one), 0);
  return {
    askedUs: sum((one) => one.askedUs),
    windowUs: (toUs - fromUs) * asked.length,
    waitedGpuUs: sum((one) => one.waitedGpuUs),
    unknownTypeGpuUs: sum((one) => one.unknownTypeGpuUs),
    unknownTypes: [...new Set(asked.flatMap(({ unknownTypes }) => [...unknownTypes]))].sort(),
    ...lastPoll,
  };
}

/** The models that a type means here, or the type itself. */
function modelNames({ models, modelsOf }: GpuCells, type: string): string {
  const names = modelsOf(type).flatMap((model) => models[model] ?? []);
  return names.length === 0 ? type : names.sort().join(' + ');
}
