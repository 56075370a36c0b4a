import { fragmentedByCell } from '../../../core/queue/fragmented.ts';
import { readNodeStates } from '../../fleet-states/node-states.ts';
import type { Span } from '../../levels.ts';
import type { Asked } from '../../query-cells.ts';
import { readAsked } from '../../queue/asked-spans.ts';
import { queuesOfCells } from '../../queue/clusters.ts';
import { deviceTimeOf, readOwned } from '../../queue/device-time.ts';
import { gpuCellsOf, type GpuCells } from '../../queue/gpu-cells.ts';
import type { KnownDevice } from '../devices.ts';
import type { InPieces } from '../figures.ts';
import { periodOf, type Membership } from '../membership.ts';
import { periodsIn, seenKey } from './device-times.ts';

/** Of a thousand GPUs and a poll a minute, a month takes a second; longer windows are answered from rollups alone. */
const WINDOW_US_MAX = 31 * 86_400e6;
/** So that all who wait fit into memory. */
const PORTION_US = 3 * 86_400e6;

/** Which part of the free time of devices lay in pieces too small for those who waited. */
export interface Fragmented {
  readonly told: InPieces;
  /** Of the free time of a device, by `seenKey`; what is missing is 0. */
  readonly ratios: ReadonlyMap<string, number>;
}

const NONE: ReadonlyMap<string, number> = new Map();

/**
 * Free GPUs that lay in pieces, by stays, states of nodes and the queue. Who waits fits among all GPUs of the cluster, also where only
 * some are asked about.
 * @param devices all that there are
 * @throws what `ask` throws
 */
export async function readFragmented(
  db: Asked,
  of: Membership,
  devices: readonly KnownDevice[],
): Promise<Fragmented> {
  const { window } = of;
  if (window.toUs - window.fromUs > WINDOW_US_MAX) return { told: 'windowTooLong', ratios: NONE };
  const whole = devices.filter(({ kind }) => kind === 'whole');
  const cells = gpuCellsOf(whole);
  const periods = periodsIn(window, periodOf(of), of.months);
  const sums = { inPieces: emptySums(periods.length, cells), free: emptySums(periods.length, cells) };
  let isAsked = false;
  for (let fromUs = window.fromUs; fromUs < window.toUs; fromUs += PORTION_US) {
    const portion = { fromUs, toUs: Math.min(fromUs + PORTION_US, window.toUs) };
    if (await addPortion(db, portion, { whole, cells, periods, ...sums })) isAsked = true;
  }
  if (!isAsked) return { told: 'queueNotAsked', ratios: NONE };
  const ratios = whole.flatMap(({ gpu }) => {
    const cell = cells.cellOf.get(gpu)!;
    return periods.flatMap(({ name }, at): [string, number][] => {
      const us = sums.inPieces[at]![cell]!;
      return us === 0 ? [] : [[seenKey(gpu, name), us / sums.free[at]![cell]!]];
    });
  });
  return { told: 'told', ratios: new Map(ratios) };
}

type Sums = readonly number[][];

function emptySums(periods: number, { modelOfCell }: GpuCells): Sums {
  return Array.from({ length: periods }, () => modelOfCell.map(() => 0));
}

/** @returns whether anybody asked who waits */
async function addPortion(
  db: Asked,
  portion: Span,
  to: {
    readonly whole: readonly KnownDevice[];
    readonly cells: GpuCells;
    readonly periods: readonly Span[];
    readonly inPieces: Sums;
    readonly free: Sums;
  },
): Promise<boolean> {
  const { whole, cells, periods } = to;
  const there = whole
    .map((device) => ({
      ...device,
      fromUs: Math.max(device.fromUs, portion.fromUs),
      toUs: Math.min(device.toUs, portion.toUs),
    }))
    .filter(({ fromUs, toUs }) => fromUs < toUs);
  const [asked, states, owned] = await Promise.all([
    readAsked(db, portion, undefined, cells.modelsOf),
    readNodeStates(db, portion),
    readOwned(db, portion),
  ]);
  const { free } = deviceTimeOf(there, owned, states, cells.cellOf);
  for (const { cell, fromUs, toUs } of free)
    for (const [at, period] of periods.entries()) {
      const us = Math.min(toUs, period.toUs) - Math.max(fromUs, period.fromUs);
      if (us > 0) to.free[at]![cell]! += us;
    }
  const edgesUs = periods.slice(1).map((period) => period.fromUs);
  for (const { spans, isOf } of queuesOfCells(asked, whole, cells)) {
    const own = free.filter(({ cell }) => isOf(cell));
    for (const [at, byCell] of fragmentedByCell(own, cells.modelOfCell, spans, edgesUs).entries())
      for (const [cell, us] of byCell.entries()) to.inPieces[at]![cell]! += us;
  }
  return asked.length > 0;
}
