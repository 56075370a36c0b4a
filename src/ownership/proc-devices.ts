import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Device } from '../core/devices/device.ts';
import { codeOf } from './bounded-read.ts';

const PROC_GPUS = '/proc/driver/nvidia/gpus';

/**
 * The GPUs of this node as the driver lists them in `/proc`, in the order of the PCI bus, which is NVML's: enough to
 * resolve names where nothing else of NVIDIA is at hand. MIG instances are not there. Empty without a driver.
 */
export function readProcDevices(node: string, directory = PROC_GPUS): Device[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
  return names.sort().flatMap((name, index): Device[] => {
    const facts = factsOf(readFileSync(join(directory, name, 'information'), 'utf8'));
    const uuid = facts.get('gpu uuid');
    if (uuid === undefined || uuid.includes('?')) return [];
    const minor = Number(facts.get('device minor'));
    return [
      {
        uuid,
        node,
        index,
        model: facts.get('model') ?? '',
        memoryBytes: NaN,
        pciBusId: facts.get('bus location') ?? name,
        ...(Number.isInteger(minor) ? { minor } : {}),
        ...(hasInstances(join(directory, '../capabilities', `gpu${minor}`, 'mig')) ? { isCut: true } : {}),
      },
    ];
  });
}

/** Whether the driver has a capability for a GPU instance there, `gi3`. What may not be looked at is taken for cut. */
function hasInstances(directory: string): boolean {
  try {
    return readdirSync(directory).some((name) => /^gi\d+$/.test(name));
  } catch (error) {
    const reason = codeOf(error);
    if (reason === undefined) throw error;
    return reason !== 'ENOENT';
  }
}

/**
 * `known` with the other GPUs of the same node: positions in a scheduler's list count those too that nobody samples; and with
 * what only the driver tells of those that are known. A GPU of which instances are known is not one to be handed out whole.
 * Devices of another node, or of none, stay as they are.
 */
export function withNeighbours(known: readonly Device[], local: readonly Device[]): readonly Device[] {
  const taken = new Set(known.flatMap(({ uuid, parentUuid }) => [uuid, parentUuid]));
  const others = local.filter(({ uuid }) => !taken.has(uuid));
  if (others.length === local.length && known.length > 0) return known;
  const byUuid = new Map(local.map((one) => [one.uuid, one]));
  const told = known.map((device) => {
    const { minor, isCut } = byUuid.get(device.uuid) ?? {};
    return { ...(minor === undefined ? {} : { minor }), ...device, ...(isCut === true ? { isCut } : {}) };
  });
  return [...told, ...others];
}

/** `Key:   value` lines, keys in lower case. */
function factsOf(text: string): Map<string, string> {
  return new Map(
    text.split('\n').flatMap((line): [string, string][] => {
      const colon = line.indexOf(':');
      return colon < 0 ? [] : [[line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()]];
    }),
  );
}
