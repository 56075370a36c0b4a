import { parseGres } from './gres.ts';

/** What a job asks for, in Slurm's words (`gres:gpu:h100:2`, from 23.11 on `gres/gpu:h100=2`). */
export interface AskedWords {
  readonly perJob: string;
  readonly perNode: string;
  readonly perSocket: string;
  readonly perTask: string;
  /** Least number of each. */
  readonly nodes: number;
  readonly tasks: number;
  /** Of one node. */
  readonly sockets: number;
}

export interface AskedGpus {
  /** Over all nodes, MIG instances among them; undefined where parts of GPUs are asked for. */
  readonly gpus: number | undefined;
  /** `h100`, a MIG profile, `a100+v100`, `shard`, `mps`; undefined where any GPU will do. */
  readonly type: string | undefined;
}

/**
 * The total where one is asked for; else the most that the other words come to, each of which must be met. @returns undefined
 * where no GPUs are asked for
 */
export function askedGpus(words: AskedWords): AskedGpus | undefined {
  const { perJob, perNode, perSocket, perTask, nodes, tasks, sockets } = words;
  const lists = [perJob, perNode, perSocket, perTask].map(parseGres);
  const all = lists.flat().filter(({ count }) => count !== 0);
  if (all.length === 0) return undefined;
  const gpuLists = lists.map((list) => list.filter(({ kind }) => kind === 'gpu'));
  const [ofJob = 0, ofNode = 0, ofSocket = 0, ofTask = 0] = gpuLists.map((list) =>
    list.reduce((sum, { count = 1 }) => sum + count, 0),
  );
  const gpus = ofJob > 0 ? ofJob : Math.max(ofNode * nodes, ofSocket * sockets * nodes, ofTask * tasks);
  if (gpus === 0) return { gpus: undefined, type: namesOf(all.map(({ kind }) => kind)) };
  return { gpus, type: namesOf(gpuLists.flat().map(({ type = '' }) => type)) };
}

function namesOf(names: readonly string[]): string | undefined {
  const told = [...new Set(names)].filter((name) => name !== '').sort();
  return told.length === 0 ? undefined : told.join('+');
}
