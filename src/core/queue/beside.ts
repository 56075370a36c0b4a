/**
 * GPUs that nobody used beside jobs that waited for them. A cell is the GPUs of one model on one node: what a job asks for on
 * one node it gets from one cell. Times are epoch µs.
 */

/** GPUs of a cell that are there to be had, for a time: fromUs < t ≤ toUs. Spans of one cell add up where they overlap. */
export interface HadSpan {
  readonly cell: number;
  readonly fromUs: number;
  readonly toUs: number;
  readonly gpus: number;
}

/** Jobs that wait and ask for the same. */
export interface AskedJobs {
  readonly jobs: number;
  /** That one of them asks for, over all of its nodes. */
  readonly gpus: number;
  readonly nodes: number;
  /** Any of these will do; undefined: whichever there are. */
  readonly models: readonly number[] | undefined;
}

/** Who waited in a time; such times are ascending and do not overlap. */
export interface AskedSpan {
  readonly fromUs: number;
  readonly toUs: number;
  readonly asked: readonly AskedJobs[];
}

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
  const changes = spans
    .flatMap(({ cell, fromUs, toUs, gpus }) => [
      { atUs: fromUs, cell, gpus },
      { atUs: toUs, cell, gpus: -gpus },
    ])
    .sort((a, b) => a.atUs - b.atUs);
  const edges = asked.flatMap((one) => [one.fromUs, one.toUs]);
  const there = createCells(modelOfCell, sizes);
  const sums = { hadUs: 0, hadAskedUs: 0, usableUs: sizes.map(() => 0), besideUs: 0, fitsUs: 0 };
  let [change, edge, span] = [0, 0, 0];
  let atUs = -Infinity;
  while (change < changes.length) {
    const nextUs = Math.min(changes[change]!.atUs, edges[edge] ?? Infinity);
    if (nextUs > atUs && atUs > -Infinity) addStretch(atUs, nextUs);
    atUs = nextUs;
    while (edge < edges.length && edges[edge]! <= atUs) edge += 1;
    while (change < changes.length && changes[change]!.atUs <= atUs) {
      there.add(changes[change]!.cell, changes[change]!.gpus);
      change += 1;
    }
  }
  return sums;

  function addStretch(fromUs: number, toUs: number): void {
    const us = toUs - fromUs;
    sums.hadUs += there.gpus() * us;
    for (const [index, gpus] of there.usable().entries()) sums.usableUs[index]! += gpus * us;
    while (span < asked.length && asked[span]!.toUs <= fromUs) span += 1;
    const own = asked[span];
    if (own === undefined || own.fromUs > fromUs || there.gpus() === 0) return;
    sums.hadAskedUs += there.gpus() * us;
    const gpus = gpusBeside(there, own.asked);
    sums.besideUs += gpus * us;
    if (gpus > 0) sums.fitsUs += us;
  }
}

/** How many cells of each model have how many GPUs now. */
interface Cells {
  add(cell: number, gpus: number): void;
  gpus(): number;
  /** By size. */
  usable(): readonly number[];
  /** By model, by GPUs: cells. */
  readonly counts: readonly number[][];
}

function createCells(modelOfCell: readonly number[], sizes: readonly number[]): Cells {
  const models = Math.max(0, ...modelOfCell.map((model) => model + 1));
  const counts = Array.from({ length: models }, (): number[] => []);
  const had = modelOfCell.map(() => 0);
  const usable = sizes.map(() => 0);
  let all = 0;
  return {
    counts,
    gpus: () => all,
    usable: () => usable,
    add(cell, gpus) {
      const before = had[cell]!;
      const now = before + gpus;
      had[cell] = now;
      all += gpus;
      for (const [index, size] of sizes.entries())
        usable[index]! += (Math.floor(now / size) - Math.floor(before / size)) * size;
      const own = counts[modelOfCell[cell]!]!;
      if (before > 0) own[before] = (own[before] ?? 0) - 1;
      if (now > 0) own[now] = (own[now] ?? 0) + 1;
    },
  };
}

/** GPUs in cells that hold a part of some job that fits; at most what the jobs that fit ask for. */
function gpusBeside({ counts }: Cells, asked: readonly AskedJobs[]): number {
  const needs = counts.map(() => Infinity);
  const every = [...counts.keys()];
  let askedGpus = 0;
  for (const { jobs, gpus, nodes, models = every } of asked) {
    const perNode = Math.ceil(gpus / nodes);
    const cells = models.reduce((sum, model) => sum + cellsWith(counts[model]!, perNode), 0);
    if (cells < nodes) continue;
    askedGpus += gpus * jobs;
    for (const model of models) needs[model] = Math.min(needs[model]!, perNode);
  }
  let reachable = 0;
  for (const [model, own] of counts.entries())
    for (let gpus = needs[model]!; gpus < own.length; gpus += 1) reachable += gpus * (own[gpus] ?? 0);
  return Math.min(reachable, askedGpus);
}

function cellsWith(counts: readonly number[], gpusMin: number): number {
  let cells = 0;
  for (let gpus = gpusMin; gpus < counts.length; gpus += 1) cells += counts[gpus] ?? 0;
  return cells;
}
