import type { AskedJobs } from './had-and-asked.ts';

/** GPUs that are there to be had now, by cell and model. */
export interface Cells {
  add(cell: number, gpus: number): void;
  /** In all. */
  gpus(): number;
  /** By cell. */
  readonly had: readonly number[];
  /** By size: what requests for so many on one node can use. */
  readonly usable: readonly number[];
  /** By model, by GPUs: how many cells have so many. */
  readonly counts: readonly (readonly number[])[];
  /** By model. */
  readonly gpusOfModel: readonly number[];
}

/**
 * @param modelOfCell numbers of models, from 0
 * @param sizes of requests on one node
 */
export function createCells(modelOfCell: readonly number[], sizes: readonly number[]): Cells {
  const models = Math.max(0, ...modelOfCell.map((model) => model + 1));
  const counts = Array.from({ length: models }, (): number[] => []);
  const gpusOfModel = counts.map(() => 0);
  const had = modelOfCell.map(() => 0);
  const usable = sizes.map(() => 0);
  let all = 0;
  return {
    ...{ had, usable, counts, gpusOfModel },
    gpus: () => all,
    add(cell, gpus) {
      const [before, model] = [had[cell]!, modelOfCell[cell]!];
      const now = before + gpus;
      had[cell] = now;
      all += gpus;
      gpusOfModel[model]! += gpus;
      sizes.forEach((size, index) => {
        usable[index]! += (Math.floor(now / size) - Math.floor(before / size)) * size;
      });
      const own = counts[model]!;
      if (before > 0) own[before] = (own[before] ?? 0) - 1;
      if (now > 0) own[now] = (own[now] ?? 0) + 1;
    },
  };
}

/** What those who wait find among the cells. */
export interface Fit {
  /** By model: from so many GPUs on a cell are of use to a job that fits; Infinity where none does. */
  readonly needs: readonly number[];
  /** That the jobs which fit ask for. */
  readonly askedGpus: number;
  /** By model: whether a job that would take it finds as many GPUs as it asks for, and not on so few nodes. */
  readonly isInPieces: readonly boolean[];
}

export function fitOf({ counts, gpusOfModel }: Cells, asked: readonly AskedJobs[]): Fit {
  const needs = counts.map(() => Infinity);
  const isInPieces = counts.map(() => false);
  const every = [...counts.keys()];
  let askedGpus = 0;
  for (const { jobs, gpus, nodes, models = every } of asked) {
    const perNode = Math.ceil(gpus / nodes);
    const cells = models.reduce((sum, model) => sum + cellsWith(counts[model]!, perNode), 0);
    if (cells >= nodes) {
      askedGpus += gpus * jobs;
      for (const model of models) needs[model] = Math.min(needs[model]!, perNode);
    } else if (models.reduce((sum, model) => sum + gpusOfModel[model]!, 0) >= gpus)
      for (const model of models) isInPieces[model] = true;
  }
  return { needs, askedGpus, isInPieces };
}

function cellsWith(counts: readonly number[], gpusMin: number): number {
  let cells = 0;
  for (let gpus = gpusMin; gpus < counts.length; gpus += 1) cells += counts[gpus] ?? 0;
  return cells;
}
