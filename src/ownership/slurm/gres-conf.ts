import { expandHostlist } from '../../core/devices/hostlist.ts';
import type { DeviceOrder, FoundOrder } from '../../core/devices/identity.ts';
import type { ConfWord } from './conf-lines.ts';
import type { ConfFault, ConfText } from './conf-reader.ts';
import { gresTypesOf, nodeGresOf, parseGresCount, type GresCount } from './slurm-conf.ts';

/**
 * The GPUs of a node as Slurm counts them, from gres.conf and the node's line in slurm.conf: which is "GPU 0", and into how
 * many shards it is cut. `docs/ownership.md` says the rules for people.
 */

/** One GPU of a node: its place in the list is the number by which Slurm calls it. */
interface GresGpu {
  /** Device file, `/dev/nvidia3`; undefined for a part of a GPU (MultipleFiles). */
  readonly file: string | undefined;
  /** `h100`, in lower case; undefined where the site does not say. */
  readonly type: string | undefined;
}

export interface NodeGres {
  /** `files`: as listed. `found`: Slurm finds the GPUs itself. `unknown`: the files do not tell beyond doubt. */
  readonly kind: 'files' | 'found' | 'unknown';
  /** For `found`: in which order. */
  readonly along: FoundOrder['along'];
  /** In Slurm's order for `files`; as far as they are named, for `found`. */
  readonly gpus: readonly GresGpu[];
  /** How many Slurm counts; undefined where only the node itself can tell. */
  readonly count: number | undefined;
  /** More than one type on the node: the hooks' lists are incomplete then (Slurm's own fault). */
  readonly isMixed: boolean;
  readonly shared: ReadonlyMap<SharedKind, SharedUnits>;
}

/** What Slurm hands out parts of a GPU as. */
export type SharedKind = 'shard' | 'mps';

/** Spread over all GPUs, or told for each device file. */
type SharedUnits = { readonly total: number } | { readonly byFile: ReadonlyMap<string, number> };

/** A record of gres.conf for one node. */
interface GresRecord {
  readonly name: string;
  readonly type: string | undefined;
  readonly files: readonly string[];
  readonly isOneDevice: boolean;
  readonly count: number;
}

/** What gres.conf says to one node. */
interface NodeRecords {
  /** The value of AutoDetect in lower case. */
  readonly detect: string | undefined;
  /** In Slurm's order: lines for all nodes before lines for some. */
  readonly records: readonly GresRecord[];
  readonly faults: readonly ConfFault[];
}

const GRES_KEYS = new Set([
  ...['autodetect', 'count', 'cpus', 'cores', 'file', 'files', 'flags', 'link', 'links', 'multiplefiles'],
  ...['name', 'type'],
]);
/**
 * Values of AutoDetect with the order in which the GPUs are counted then; Slurm looks for them within the word, in this
 * order. Through NVML it is the PCI bus; without it (`nvidia`) the device files; `full` is one of the two. The rest is other
 * makers'. Any other value finds nothing.
 */
const DETECTORS: readonly (readonly [value: string, along: FoundOrder['along']])[] = [
  ['full', ['pci', 'minor']],
  ['nvml', ['pci']],
  ['rsmi', []],
  ['oneapi', []],
  ['nrt', []],
  ['nvidia', ['minor']],
];
/** Far more than a node has; `Count=1G` is not one of it. */
const GPUS_MAX = 4096;

/** @param slurm undefined where there is no slurm.conf to be read */
export function nodeGresFrom(
  gres: ConfText,
  slurm: ConfText | undefined,
  node: string,
): { readonly gres: NodeGres; readonly faults: readonly ConfFault[] } {
  const { detect, records, faults } = recordsOf(gres, node);
  const counts = slurm && nodeGresOf(slurm, node);
  const merged = (name: string): readonly GresRecord[] | undefined => {
    const isName = (one: { readonly name: string }): boolean => one.name === name;
    return mergeRecords(records.filter(isName), counts?.filter(isName));
  };
  const own = merged('gpu');
  const isWhole = gres.faults.length + faults.length === 0;
  const along = DETECTORS.find(([value]) => detect?.includes(value) === true)?.[1];
  const kind = isWhole ? kindOf(along, own, slurm) : 'unknown';
  // Slurm hands out no GPU of which it has no file, and does not count it.
  const counted = own?.filter(({ files }) => kind === 'found' || files.length > 0) ?? [];
  const gpus = counted.flatMap(gpusOf);
  const types = slurm && gresTypesOf(slurm);
  const shared = (['shard', 'mps'] as const).flatMap((name) => {
    const isHandedOut = kind !== 'unknown' && types?.includes(name) !== false;
    const units = isHandedOut ? unitsOf(merged(name)) : undefined;
    return units === undefined ? [] : [[name, units] as const];
  });
  return {
    gres: {
      kind,
      along: along ?? [],
      gpus,
      count: kind === 'files' || counts !== undefined ? gpus.length : undefined,
      isMixed: [records, counts ?? []].some((told) => typesOf(told).size > 1),
      shared: new Map(shared),
    },
    faults,
  };
}

/** How positions are resolved: a device file ends in the minor number of its GPU. */
export function orderOf({ kind, along, gpus, count }: NodeGres): DeviceOrder {
  if (kind === 'unknown') return {};
  const minors = gpus.map(({ file }) => minorOf(file));
  if (kind === 'files') return { minors };
  if (count === undefined) return { found: { along } };
  const named = minors.flatMap((minor) => minor ?? []);
  return { found: { along, count, ...(named.length === count ? { among: named } : {}) } };
}

/**
 * How many shards, or parts of MPS, the GPU at a position has; undefined where the files do not tell.
 * @param minor of the device at the position, where it is known: needed where Slurm finds the GPUs itself
 */
export function sharesOfDevice(
  { kind, gpus, count, shared }: NodeGres,
  sharedKind: SharedKind,
  position: number,
  minor?: number,
): number | undefined {
  const units = shared.get(sharedKind);
  if (units === undefined || count === undefined || position >= count) return undefined;
  const file =
    kind === 'files' ? gpus[position]?.file : minor === undefined ? undefined : `/dev/nvidia${minor}`;
  if ('byFile' in units) return file === undefined ? undefined : (units.byFile.get(file) ?? 0);
  // A GPU of several device files takes several parts, and nobody says how many.
  if (kind === 'files' && gpus.some((gpu) => gpu.file === undefined)) return undefined;
  return partOf(units.total, count, position);
}

function typesOf(
  told: readonly { readonly name: string; readonly type: string | undefined }[],
): Set<unknown> {
  return new Set(told.filter(({ name }) => name === 'gpu').map(({ type }) => type));
}

/** Slurm gives each GPU in turn what is left, divided by the GPUs that are left, rounded down. */
function partOf(total: number, count: number, position: number): number {
  let left = total;
  for (let at = 0; at < position; at += 1) left -= Math.floor(left / (count - at));
  return Math.floor(left / (count - position));
}

function kindOf(
  along: FoundOrder['along'] | undefined,
  own: readonly GresRecord[] | undefined,
  slurm: ConfText | undefined,
): NodeGres['kind'] {
  if (along !== undefined) {
    // A node that slurm.conf does not name gives Slurm all that it finds; one that cannot be looked up may give a part.
    const isTold = slurm !== undefined && slurm.faults.length === 0;
    return isTold && along.length > 0 ? 'found' : 'unknown';
  }
  return own === undefined ? 'unknown' : 'files';
}

/**
 * Brings gres.conf and slurm.conf together as Slurm does: in slurm.conf's order of types, and no more than it counts.
 * Undefined where the order is not known: several types, and slurm.conf does not say.
 */
function mergeRecords(
  records: readonly GresRecord[],
  counts: readonly GresCount[] | undefined,
): readonly GresRecord[] | undefined {
  if (counts === undefined) {
    return new Set(records.map(({ type }) => type)).size > 1 ? undefined : records;
  }
  const wanted = new Map<string | undefined, number>();
  for (const { type, count } of counts) wanted.set(type, (wanted.get(type) ?? 0) + count);
  // Slurm itself refuses that.
  if (wanted.size > 1 && wanted.has(undefined)) return undefined;
  return [...wanted].flatMap(([type, count]) => {
    let left = count;
    const matching = records.filter((record) => type === undefined || record.type === type);
    const taken = matching.flatMap((record) => {
      if (left === 0) return [];
      const part = Math.min(left, record.count);
      left -= part;
      return [
        { ...record, count: part, files: record.isOneDevice ? record.files : record.files.slice(0, part) },
      ];
    });
    const [name] = counts.map((one) => one.name);
    return left === 0 ? taken : [...taken, { name: name!, type, files: [], isOneDevice: false, count: left }];
  });
}

function gpusOf({ type, files, isOneDevice, count }: GresRecord): GresGpu[] {
  if (isOneDevice) return [{ file: undefined, type }];
  if (files.length > 0) return files.map((file) => ({ file, type }));
  return Array.from({ length: Math.min(count, GPUS_MAX) }, () => ({ file: undefined, type }));
}

/** Undefined where Slurm hands out none, or would not start. */
function unitsOf(records: readonly GresRecord[] | undefined): SharedUnits | undefined {
  if (records === undefined || records.length === 0) return undefined;
  const [first] = records;
  if (records.length === 1 && first!.files.length === 0) return { total: first!.count };
  if (records.some(({ files }) => files.length === 0)) return undefined;
  return {
    byFile: new Map(
      records.flatMap(({ files, count }) =>
        files.map((file) => [file, Math.floor(count / files.length)] as const),
      ),
    ),
  };
}

function recordsOf(text: ConfText, node: string): NodeRecords {
  const forAll: GresRecord[] = [];
  const forSome: GresRecord[] = [];
  const faults: ConfFault[] = [];
  let forAllDetect: string | undefined;
  let detect: string | undefined;
  for (const { where, words } of text.lines) {
    const [first, ...rest] = words;
    const { key, value } = first!;
    const own = key === 'nodename' ? rest : words;
    if (key === 'autodetect' && rest.length === 0) forAllDetect = value.toLowerCase();
    else if (key === 'name' || (key === 'nodename' && expandHostlist(value).includes(node))) {
      const line = lineOf(own);
      if ('fault' in line) faults.push({ where, message: line.fault });
      else if (key === 'name') forAll.push(...line.records);
      else {
        // The first line of a node counts, and stands above the one for all. Within a line for all it counts for nothing.
        detect ??= line.detect;
        forSome.push(...line.records);
      }
    } else if (key !== 'nodename') {
      faults.push({ where, message: `expected a line of NodeName, Name or AutoDetect, found ${key}=` });
    }
  }
  return { detect: detect ?? forAllDetect, records: [...forAll, ...forSome], faults };
}

/** A line that is about this node. */
function lineOf(
  words: readonly ConfWord[],
):
  | { readonly records: readonly GresRecord[]; readonly detect: string | undefined }
  | { readonly fault: string } {
  const unknown = words.find(({ key }) => !GRES_KEYS.has(key));
  if (unknown !== undefined) return { fault: `expected a key of gres.conf, found ${unknown.key}=` };
  const values = new Map(words.map(({ key, value }) => [key, value]));
  const detect = values.get('autodetect')?.toLowerCase();
  // Of two names Slurm takes the one that began the line.
  const name = words.find(({ key }) => key === 'name')?.value.toLowerCase();
  if (name !== 'gpu' && name !== 'shard' && name !== 'mps') return { records: [], detect };
  const multiple = values.get('multiplefiles');
  const file = values.get('file') ?? values.get('files');
  if (multiple !== undefined && file !== undefined)
    return { fault: 'expected File or MultipleFiles, found both' };
  const files = expandHostlist(multiple ?? file ?? '');
  if (files.some((one) => /[[\]]/.test(one)) || (files.length === 0 && (multiple ?? file) !== undefined))
    return { fault: `expected device files, found ${JSON.stringify(multiple ?? file)}` };
  const isOneDevice = multiple !== undefined;
  const told = values.get('count');
  const count = told === undefined ? (isOneDevice ? 1 : Math.max(1, files.length)) : parseGresCount(told);
  if (count === undefined) return { fault: `expected a number as Count, found ${JSON.stringify(told)}` };
  if (name === 'gpu' && files.length > 0 && count !== (isOneDevice ? 1 : files.length))
    return { fault: `expected as many devices as files (${files.length}), found Count=${told}` };
  const type = values.get('type')?.toLowerCase() || undefined;
  return { records: [{ name, type, files, isOneDevice, count }], detect };
}

function minorOf(file: string | undefined): number | undefined {
  const minor = /(\d+)$/.exec(file ?? '')?.[1];
  return minor === undefined ? undefined : Number(minor);
}
