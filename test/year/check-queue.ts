import type { Beside, QueueFigures } from '../../src/figures/queue/figures.ts';
import { queueFigures } from '../../src/figures/queue/query.ts';
import type { Asked } from '../../src/figures/query-cells.ts';
import { yearLane } from './fill-year.ts';
import { HOUR_US, type Year } from './plan.ts';
import { waitKey, type BesideTruth, type QueueTruth } from './queue-truth.ts';

/** @param fromHour of the year @param toHour not included */
export async function askQueue(
  db: Asked,
  { startUs }: Year,
  fromHour: number,
  toHour: number,
): Promise<QueueFigures> {
  return await queueFigures(db, [yearLane], {
    fromUs: startUs + fromHour * HOUR_US,
    toUs: startUs + toHour * HOUR_US,
  });
}

/** What the report says. */
export function toldQueue(figures: QueueFigures): QueueTruth {
  const { devices, migInstances, time, queue = {}, beside, fragmentation = [], waits } = figures;
  const besideOf = (one: Beside | undefined): BesideTruth => ({
    besideUs: one?.besideUs ?? NaN,
    hadUs: one?.hadUs ?? NaN,
    fitsUs: one?.fitsUs ?? NaN,
  });
  return {
    ...{ devices, migInstances, time, queue: { ...queue } },
    ...{ free: besideOf(beside.free), idle: besideOf(beside.idle) },
    usableUs: Object.fromEntries(fragmentation.map(({ gpus, usableUs }) => [gpus, usableUs])),
    waits: Object.fromEntries(
      waits.map(({ account, model, size, started, waiting }) => [
        waitKey(account, model, size),
        { started, waiting },
      ]),
    ),
  };
}
