import type { KnownDevice } from '../capacity/devices.ts';

/** The GPUs of one model on one node: what a job asks for on one node it gets from one of these. */
export interface GpuCells {
  /** Of each cell the number of its model. */
  readonly modelOfCell: readonly number[];
  readonly models: readonly (string | undefined)[];
  readonly cellOf: ReadonlyMap<string, number>;
  /** Numbers of the models that a type of the scheduler means. */
  readonly modelsOf: (type: string) => readonly number[];
}

export function gpuCellsOf(devices: readonly KnownDevice[]): GpuCells {
  const models: (string | undefined)[] = [];
  const modelOfCell: number[] = [];
  const cells = new Map<string, number>();
  const cellOf = new Map<string, number>();
  for (const { gpu, cluster, nodes, model } of devices) {
    if (!models.includes(model)) models.push(model);
    const key = JSON.stringify([cluster, nodes.at(-1), model]);
    const cell = cells.get(key) ?? modelOfCell.push(models.indexOf(model)) - 1;
    cells.set(key, cell);
    cellOf.set(gpu, cell);
  }
  const words = models.map((model) => new Set(wordsOf(model ?? '')));
  const known = new Map<string, readonly number[]>();
  return {
    ...{ models, modelOfCell, cellOf },
    modelsOf(type) {
      const found = known.get(type) ?? modelsOfType(type, words);
      known.set(type, found);
      return found;
    },
  };
}

/** `h100` is a word of `NVIDIA H100 80GB HBM3`, and `nvidia_a100-sxm4-80gb` is all words of another; of `a100+v100` either will do. */
function modelsOfType(type: string, words: readonly ReadonlySet<string>[]): number[] {
  const ways = type
    .split('+')
    .map(wordsOf)
    .filter((way) => way.length > 0);
  return [...words.keys()].filter((model) =>
    ways.some((way) => way.every((word) => words[model]!.has(word))),
  );
}

function wordsOf(name: string): string[] {
  return name
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
}
