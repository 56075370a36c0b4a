import { isInstance, type Device } from './device.ts';
import { isInstanceName } from './mig-slices.ts';

/** What a hook said about the devices of a job, in the workload manager's own words. */
export interface DeviceNames {
  /** Positions in the manager's list of GPUs, `0,1` (`SLURM_JOB_GPUS`). */
  readonly positions?: string;
  /** `CUDA_VISIBLE_DEVICES` of the hook: positions, or UUIDs where the manager knows them. */
  readonly visible?: string;
  /** UUIDs, or indices as NVML counts them. */
  readonly devices?: string;
}

/** How the manager's positions are to be read on this node. Without any of it nobody knows the order. */
export interface DeviceOrder {
  /** The minor number at each position, where it is known. */
  readonly minors?: readonly (number | undefined)[];
  /** The manager finds the GPUs itself. */
  readonly found?: FoundOrder;
  /** Position → UUID, where the site knows better. */
  readonly map?: ReadonlyMap<number, string>;
}

/** How a manager counts the GPUs that it finds itself. */
export interface FoundOrder {
  /** Ascending by the place on the PCI bus, or by minor number; where it may be either, both have to agree. */
  readonly along: readonly ('pci' | 'minor')[];
  /** How many it counts, where it says so. */
  readonly count?: number;
  /** The minor numbers of those that it counts, where it says so. Absent: all of the node. */
  readonly among?: readonly number[];
}

export interface Resolution {
  readonly devices: readonly Device[];
  /** Names for which no device could be told beyond doubt. */
  readonly unresolved: readonly string[];
}

/** What a device is called of which only the name is known that a hook gave it; node and name stand behind it. */
export const UNRESOLVED_PREFIX = 'unresolved:';

/**
 * Turns the names of a hook into devices of this node, and guesses nothing. In this order: names that gpuledger itself
 * knows; UUIDs in CUDA_VISIBLE_DEVICES; the site's own map; the manager's own order, by minor number or PCI bus.
 */
export function resolveDevices(
  names: DeviceNames,
  devices: readonly Device[],
  order: DeviceOrder,
): Resolution {
  if (names.devices !== undefined)
    return resolveEach(listOf(names.devices), (name) => byOwnName(name, devices));
  const visible = listOf(names.visible ?? '');
  if (visible.some(isUuid)) return resolveEach(visible, (name) => byUuid(name, devices));
  return resolveEach(listOf(names.positions ?? ''), (name) => byPosition(name, devices, order));
}

function resolveEach(names: readonly string[], find: (name: string) => Device | undefined): Resolution {
  const found = new Set<Device>();
  const unresolved: string[] = [];
  for (const name of names) {
    const device = find(name);
    if (device === undefined) unresolved.push(name);
    else found.add(device);
  }
  return { devices: [...found], unresolved };
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

function isUuid(name: string): boolean {
  return name.startsWith('GPU-') || isInstanceName(name);
}

function byOwnName(name: string, devices: readonly Device[]): Device | undefined {
  if (isUuid(name)) return byUuid(name, devices);
  const [index, instance] = name.split('.');
  const isMeant = (device: Device): boolean =>
    instance === undefined ? isWhole(device) : idOf(device.gpuInstanceId) === instance;
  return only(devices.filter((device) => String(device.index) === index && isMeant(device)));
}

/** `GPU-<uuid>`, `MIG-<uuid>`, or the older `MIG-GPU-<uuid>/<GPU instance>/<compute instance>`. */
function byUuid(name: string, devices: readonly Device[]): Device | undefined {
  const old = /^MIG-(GPU-[^/]+)\/(\d+)\/(\d+)$/.exec(name);
  if (old === null) return only(devices.filter((device) => device.uuid === name && device.isCut !== true));
  const [, parent, gpuInstance, computeInstance] = old;
  return only(
    devices.filter(
      (device) =>
        device.parentUuid === parent &&
        idOf(device.gpuInstanceId) === gpuInstance &&
        (device.computeInstanceId === undefined || idOf(device.computeInstanceId) === computeInstance),
    ),
  );
}

function byPosition(name: string, devices: readonly Device[], order: DeviceOrder): Device | undefined {
  if (!/^\d+$/.test(name)) return undefined;
  const position = Number(name);
  const mapped = order.map?.get(position);
  if (mapped !== undefined) return byUuid(mapped, devices);
  const gpus = devices.filter(isWhole);
  if (order.found !== undefined) {
    // With MIG on the node each instance takes a number, in an order that no manager defines.
    return gpus.length < devices.length ? undefined : byFoundOrder(position, gpus, order.found);
  }
  const minor = order.minors?.[position];
  return minor === undefined ? undefined : only(gpus.filter((device) => device.minor === minor));
}

function byFoundOrder(
  position: number,
  gpus: readonly Device[],
  { along, count, among }: FoundOrder,
): Device | undefined {
  const counted = gpus.filter(
    ({ minor }) => among === undefined || (minor !== undefined && among.includes(minor)),
  );
  // Where we see other GPUs than the manager does, its numbers are not ours.
  if (count !== undefined && counted.length !== count) return undefined;
  const candidates = along.map(
    (by) => (by === 'pci' ? inPciOrder(counted) : inMinorOrder(counted))[position],
  );
  return new Set(candidates).size === 1 ? candidates[0] : undefined;
}

function inMinorOrder(gpus: readonly Device[]): readonly Device[] {
  const minors = gpus.flatMap(({ minor }) => minor ?? []);
  if (new Set(minors).size < gpus.length) return [];
  return [...gpus].sort((a, b) => a.minor! - b.minor!);
}

function inPciOrder(gpus: readonly Device[]): readonly Device[] {
  if (gpus.some((gpu) => gpu.pciBusId === undefined)) return [];
  // One of two at the same place was taken out, and which one nobody says.
  if (new Set(gpus.map(pciKey)).size < gpus.length) return [];
  return [...gpus].sort((a, b) => (pciKey(a) < pciKey(b) ? -1 : 1));
}

/** PCI ids are hexadecimal with zeros in front, but some say the domain with four digits and some with eight. */
function pciKey(gpu: Device): string {
  const [domain, ...rest] = gpu.pciBusId!.toLowerCase().split(':');
  return [domain!.padStart(8, '0'), ...rest].join(':');
}

function idOf(id: number | undefined): string | undefined {
  return id === undefined ? undefined : String(id);
}

/** What is cut into MIG instances is never handed out whole. */
function isWhole(device: Device): boolean {
  return !isInstance(device) && device.isCut !== true;
}

/** Two devices by one name is as bad as none. */
function only(found: readonly Device[]): Device | undefined {
  return found.length === 1 ? found[0] : undefined;
}
