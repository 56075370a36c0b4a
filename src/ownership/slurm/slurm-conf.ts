import { asClusterName } from '../../core/devices/cluster-name.ts';
import { expandHostlist, splitOutsideBrackets } from '../../core/devices/hostlist.ts';
import type { ConfText } from './conf-reader.ts';

/** What slurm.conf says about clusters and their GPUs. Where a part of it cannot be read, that part may say otherwise. */

/** `gpu:h100:4` of a node. */
export interface GresCount {
  /** `gpu`, `shard`, `mps`, … */
  readonly name: string;
  /** In lower case; undefined where slurm.conf names none. */
  readonly type: string | undefined;
  readonly count: number;
}

/** ClusterName; undefined where it is not told. */
export function clusterNameOf(text: ConfText): string | undefined {
  const name = lastOf(text, 'clustername');
  return name === undefined || name === '' ? undefined : asClusterName(name);
}

/** GresTypes: what can be asked for besides processors; undefined where it is not told beyond doubt. */
export function gresTypesOf(text: ConfText): readonly string[] | undefined {
  if (text.faults.length > 0) return undefined;
  return lastOf(text, 'grestypes')
    ?.split(',')
    .map((type) => type.trim().toLowerCase());
}

/** Whether parts of GPUs are handed out (MPS, shards); undefined where that is not told beyond doubt. */
export function sharesGpus(text: ConfText): boolean | undefined {
  return gresTypesOf(text)?.some((type) => type === 'mps' || type === 'shard');
}

/** `Gres=` of a node in its order; undefined where the node is not named beyond doubt. */
export function nodeGresOf(text: ConfText, node: string): readonly GresCount[] | undefined {
  if (text.faults.length > 0) return undefined;
  let usual = '';
  for (const { words } of text.lines) {
    if (words[0]!.key !== 'nodename') continue;
    const names = words[0]!.value;
    const gres = words.findLast(({ key }) => key === 'gres')?.value;
    if (names.toUpperCase() === 'DEFAULT') usual = gres ?? usual;
    else if (expandHostlist(names).includes(node)) return countsOf(gres ?? usual);
  }
  return undefined;
}

/** A key that is given twice has its last value. */
function lastOf({ lines }: ConfText, key: string): string | undefined {
  return lines.findLast(({ words }) => words[0]!.key === key)?.words[0]!.value;
}

/** `gpu:a100:2(S:0),gpu:4,shard:1K,gpu`. */
function countsOf(text: string): GresCount[] {
  return splitOutsideBrackets(text).map((entry) => {
    const [name, ...rest] = entry.replace(/\(.*$/s, '').split(':');
    const count = parseGresCount(rest.at(-1) ?? '');
    if (count !== undefined) rest.pop();
    return { name: name!.toLowerCase(), type: rest.join(':').toLowerCase() || undefined, count: count ?? 1 };
  });
}

/** `4`, `16K` (of 1024), `16KB` (of 1000); undefined for what is no count. */
export function parseGresCount(text: string): number | undefined {
  const match = /^(\d{1,9})(?:([kmgtp])(b|ib)?)?$/i.exec(text);
  if (match === null) return undefined;
  const [, digits, letter = '', unit = ''] = match;
  const power = letter === '' ? 0 : 'kmgtp'.indexOf(letter.toLowerCase()) + 1;
  return Number(digits) * (unit.toLowerCase() === 'b' ? 1000 : 1024) ** power;
}
