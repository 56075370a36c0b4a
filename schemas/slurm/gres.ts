import { splitOutsideBrackets } from '../../src/core/devices/hostlist.ts';

/**
 * Slurm's words for devices, as its commands write them: `gres/gpu:h100=4` (given, in accounting), `gres:gpu:2` (asked for),
 * `gpu:h100:2(IDX:0-1)` (given on one node).
 */

/** Kinds of generic resources that stand on GPUs. Shards and MPS are parts of one. */
export type GresKind = 'gpu' | 'shard' | 'mps';

export interface Gres {
  readonly kind: GresKind;
  /** `h100`, or a MIG profile `1g.10gb`; absent where none is named. */
  readonly type?: string;
  /** Absent where none is told, as in a request for one. */
  readonly count?: number;
  /** What stands in the parentheses behind it, without them: `IDX:0-1`. */
  readonly inside?: string;
}

const KINDS: ReadonlySet<string> = new Set<GresKind>(['gpu', 'shard', 'mps']);
const UNITS: Readonly<Record<string, number>> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };

/** Every GPU, shard and MPS of a list; what else is in it (`cpu=1`, `gres/gpumem=4G`, `gres/nic`) is passed over. */
export function parseGres(list: string): Gres[] {
  // Most jobs have none.
  if (!/gpu|shard|mps/.test(list)) return [];
  return splitOutsideBrackets(list).flatMap((entry) => {
    const one = parseEntry(entry);
    return one === undefined ? [] : [one];
  });
}

function parseEntry(entry: string): Gres | undefined {
  const bracket = entry.indexOf('(');
  const words = bracket < 0 ? entry : entry.slice(0, bracket);
  const [left = '', given] = words
    .trim()
    .replace(/^gres[/:]/, '')
    .split('=');
  const [kind = '', ...rest] = left.split(':');
  if (!KINDS.has(kind)) return undefined;
  // Behind a colon stands a type or a count; a type never is a number.
  const told = given ?? (/^\d+[KMG]?$/.test(rest.at(-1) ?? '') ? rest.pop() : undefined);
  const count = countOf(told);
  const type = rest.join(':');
  return {
    kind: kind as GresKind,
    ...(type === '' ? {} : { type }),
    ...(count === undefined ? {} : { count }),
    ...(bracket < 0 ? {} : { inside: entry.slice(bracket + 1).replace(/\)$/, '') }),
  };
}

function countOf(text: string | undefined): number | undefined {
  const match = /^(\d+)([KMG]?)$/.exec(text ?? '');
  return match === null ? undefined : Number(match[1]) * UNITS[match[2]!]!;
}

/**
 * GPUs (and MIG instances) that a job was given, from its list of trackable resources (`cpu=1,gres/gpu=2,gres/gpu:h100=2`):
 * the total where one is told, else the sum over the types. Undefined where none is told; 0 is told as well.
 */
export function gpusOfTres(tres: string): number | undefined {
  const gpus = parseGres(tres).filter(({ kind, count }) => kind === 'gpu' && count !== undefined);
  const total = gpus.find(({ type }) => type === undefined);
  if (total !== undefined) return total.count;
  return gpus.length === 0 ? undefined : gpus.reduce((sum, { count }) => sum + count!, 0);
}

/** The same from what is told of each node (`gpu:h100:2(IDX:0-1)`): there is no total among the entries. */
export function gpusOfNodes(details: readonly string[]): number | undefined {
  const gpus = details.flatMap(parseGres).filter(({ kind }) => kind === 'gpu');
  if (gpus.length === 0 || gpus.some(({ count }) => count === undefined)) return undefined;
  return gpus.reduce((sum, { count }) => sum + count!, 0);
}

/** Whether a list names GPUs or parts of them, and not none of them. */
export function namesGpus(list: string): boolean {
  return parseGres(list).some(({ count }) => count !== 0);
}
