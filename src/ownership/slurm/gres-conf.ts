import { expandHostlist } from '../../core/devices/hostlist.ts';
import type { DeviceOrder } from '../../core/devices/identity.ts';

/** One GPU of a node in the order of gres.conf: its place in the list is the number by which Slurm calls it. */
interface GresGpu {
  /** Device file, `/dev/nvidia3`. */
  readonly file: string;
  /** `h100`; empty when the site does not say. */
  readonly type: string;
}

export interface GresOrder {
  /** `files`: as listed. `pci`: Slurm finds the GPUs itself, in the order of the PCI bus. */
  readonly kind: 'files' | 'pci';
  readonly gpus: readonly GresGpu[];
  /** More than one type on the node: the hooks' lists are incomplete then (Slurm's own fault). */
  readonly isMixed: boolean;
}

/**
 * The order in which Slurm counts the GPUs of `node`, from the text of gres.conf; undefined where the text does not tell.
 */
export function gresOrderOf(text: string, node: string): GresOrder | undefined {
  const gpus: GresGpu[] = [];
  let isAutomatic = false;
  let isNamed = false;
  for (const line of text.split('\n')) {
    const words = wordsOf(line);
    const name = words.get('name')?.toLowerCase();
    const nodes = words.get('nodename');
    if (nodes !== undefined && !expandHostlist(nodes).includes(node)) continue;
    const detect = words.get('autodetect')?.toLowerCase();
    // A node's own line stands above the line for all.
    if (detect !== undefined && (nodes !== undefined || !isNamed)) {
      isAutomatic = detect !== 'off';
      isNamed = nodes !== undefined;
    }
    if (name !== 'gpu') continue;
    const type = words.get('type') ?? '';
    const files = words.get('file');
    const multiple = words.get('multiplefiles');
    if (multiple !== undefined) gpus.push({ file: multiple, type });
    else if (files !== undefined) for (const file of expandHostlist(files)) gpus.push({ file, type });
  }
  if (gpus.length === 0 && !isAutomatic) return undefined;
  return {
    kind: isAutomatic ? 'pci' : 'files',
    gpus,
    isMixed: new Set(gpus.map((gpu) => gpu.type)).size > 1,
  };
}

/** The same, as positions are resolved: a device file ends in the minor number of its GPU. */
export function placesOf({ kind, gpus }: GresOrder): NonNullable<DeviceOrder['places']> {
  if (kind === 'pci') return 'pci';
  return gpus.map(({ file }) => {
    const minor = /(\d+)$/.exec(file)?.[1];
    return minor === undefined ? undefined : Number(minor);
  });
}

/** True when the text of slurm.conf says that parts of GPUs are handed out (MPS, shards); undefined when it says nothing. */
export function sharesGpus(slurmConf: string): boolean | undefined {
  const types = slurmConf
    .split('\n')
    .map((line) => wordsOf(line).get('grestypes'))
    .filter((value) => value !== undefined);
  if (types.length === 0) return undefined;
  return types.some((value) => value.split(',').some((type) => type === 'mps' || type === 'shard'));
}

/** The `Key=value` words of a line, keys in lower case. */
function wordsOf(line: string): Map<string, string> {
  const words = new Map<string, string>();
  for (const word of line.replace(/#.*/, '').trim().split(/\s+/)) {
    const equals = word.indexOf('=');
    if (equals > 0) words.set(word.slice(0, equals).toLowerCase(), word.slice(equals + 1));
  }
  return words;
}
