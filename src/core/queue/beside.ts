import { createCells, fitOf, type Cells } from './cells.ts';
import type { AskedJobs, AskedSpan, HadSpan } from './had-and-asked.ts';
import { forStretches } from './stretches.ts';

export interface BesideSums {
  /** Σ GPUs × time that were there to be had. */
  readonly hadUs: number;
  /** The part of it for which somebody told who waited. */
  readonly hadAskedUs: number;
  /** Of all of it what a request for so many GPUs on one node can use: Σ over cells of the whole multiples, by size. */
  readonly usableUs: readonly number[];
  /** GPUs × time beside a job that they would have held: at most as many as were asked for. */
  readonly besideUs: number;
  /** Time in which at least one waiting job would have fitted. */
  readonly fitsUs: number;
}

/**
 * @param modelOfCell numbers of models, from 0
 * @param sizes of requests on one node
 */
export function besideSums(
  spans: readonly HadSpan[],
  modelOfCell: readonly number[],
  asked: readonly AskedSpan[],
  sizes: readonly number[],
): BesideSums {
  const there = createCells(modelOfCell, sizes);
  const sums = { hadUs: 0, hadAskedUs: 0, usableUs: sizes.map(() => 0), besideUs: 0, fitsUs: 0 };
  forStretches(spans, asked, there, ({ us, asked: waiting }) => {
    sums.hadUs += there.gpus() * us;
    for (const [index, gpus] of there.usable.entries()) sums.usableUs[index]! += gpus * us;
    if (waiting === undefined || there.gpus() === 0) return;
    sums.hadAskedUs += there.gpus() * us;
    const gpus = gpusBeside(there, waiting);
    sums.besideUs += gpus * us;
    if (gpus > 0) sums.fitsUs += us;
  });
  return sums;
}

/** GPUs in cells that hold a part of some job that fits; at most what the jobs that fit ask for. */
function gpusBeside(cells: Cells, asked: readonly AskedJobs[]): number {
  const { needs, askedGpus } = fitOf(cells, asked);
  let reachable = 0;
  for (const [model, own] of cells.counts.entries())
    for (let gpus = needs[model]!; gpus < own.length; gpus += 1) reachable += gpus * (own[gpus] ?? 0);
  return Math.min(reachable, askedGpus);
}
