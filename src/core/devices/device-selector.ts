import type { Device } from './device.ts';
import { OperatingError } from '../base/errors.ts';

/**
 * Which devices to sample, in the language of dcgm-exporter's `-d`:
 *   f          flex: of each GPU its MIG instances if it has any, else the GPU itself
 *   g[:list]   whole GPUs, by GPU index
 *   i[:list]   MIG GPU instances, by entity id (`selectorId`)
 * Beside instances their GPU is sampled too, once: power, energy, clocks and temperatures are the whole GPU's alone.
 *   g…+i…      both, in any order
 * A list is comma-joined numbers or inclusive ranges `A-B`, without blanks; without a list all that are present.
 */
export interface DeviceSelector {
  readonly isFlex: boolean;
  /** Undefined: no GPUs; empty: all. */
  readonly gpus: readonly number[] | undefined;
  readonly instances: readonly number[] | undefined;
}

/** A device with the number by which a selector names it: GPU index, or the entity id of a MIG instance. */
export interface SelectableDevice {
  readonly device: Device;
  readonly selectorId: number;
}

/** More ids than this in one list is a slip of the pen: an engine has at most 1024 entities. */
const IDS_MAX = 1024;

/** @throws OperatingError (exit 78) that says what is wrong with the text. */
export function parseDeviceSelector(text: string): DeviceSelector {
  if (text === 'f') return { isFlex: true, gpus: undefined, instances: undefined };
  const found = new Map<string, readonly number[]>();
  for (const part of text.split('+')) {
    const match = /^([gi])(?::(.+))?$/.exec(part);
    const kind = match?.[1];
    if (kind === undefined || (part.includes(':') && match?.[2] === undefined)) {
      throw badSelector(text, `"${part}" is none of f, g, g:0,2-4, i, i:1-2`);
    }
    if (found.has(kind)) throw badSelector(text, `"${kind}" stands there twice`);
    found.set(kind, match?.[2] === undefined ? [] : parseList(text, match[2]));
  }
  return { isFlex: false, gpus: found.get('g'), instances: found.get('i') };
}

function parseList(text: string, list: string): readonly number[] {
  const ids: number[] = [];
  for (const item of list.split(',')) {
    const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(item);
    if (match === null) throw badSelector(text, `"${item}" is neither a number nor a range like 2-4`);
    const from = Number(match[1]);
    const to = match[2] === undefined ? from : Number(match[2]);
    if (to < from) throw badSelector(text, `the range ${item} runs backwards`);
    if (ids.length + to - from + 1 > IDS_MAX)
      throw badSelector(text, `it names more than ${IDS_MAX} devices`);
    for (let id = from; id <= to; id += 1) ids.push(id);
  }
  return ids;
}

function badSelector(text: string, why: string): OperatingError {
  return new OperatingError(`device selector "${text}": ${why}`, {
    code: 'config.device_selector',
    exit: 'config',
    hints: [
      'f: MIG instances where there are any, else the GPU',
      'g:0,2-4: GPUs by index',
      'i:1-2: MIG instances',
      'g:0+i:9: both',
    ],
  });
}

export interface Selection<T extends SelectableDevice> {
  /** In the order in which they were offered; GPUs beside whose instances they are sampled are marked as cut. */
  readonly selected: readonly T[];
  /** What the selector names and nobody has: `g:5`. */
  readonly absent: readonly string[];
}

/** Picks the devices that the selector means. An id that is not there is told, not an error: the other devices go on. */
export function selectDevices<T extends SelectableDevice>(
  selector: DeviceSelector,
  devices: readonly T[],
): Selection<T> {
  const isWanted = wantedBy(selector, devices);
  const cut = new Set(devices.filter(isWanted).map(({ device }) => device.parentUuid));
  const selected = devices.flatMap((each) => {
    if (cut.has(each.device.uuid)) return [{ ...each, device: { ...each.device, isCut: true as const } }];
    return isWanted(each) ? [each] : [];
  });
  if (selector.isFlex) return { selected, absent: [] };
  const missing = (kind: string, list: readonly number[] | undefined, ofInstance: boolean): string[] =>
    (list ?? [])
      .filter((id) => !selected.some((each) => isPart(each) === ofInstance && each.selectorId === id))
      .map((id) => `${kind}:${id}`);
  return {
    selected,
    absent: [...missing('g', selector.gpus, false), ...missing('i', selector.instances, true)],
  };
}

function isPart({ device }: SelectableDevice): boolean {
  return device.parentUuid !== undefined;
}

function wantedBy(
  selector: DeviceSelector,
  devices: readonly SelectableDevice[],
): (each: SelectableDevice) => boolean {
  if (selector.isFlex) {
    const parents = new Set(devices.map(({ device }) => device.parentUuid));
    return ({ device }) => !parents.has(device.uuid);
  }
  return (each) => {
    const list = isPart(each) ? selector.instances : selector.gpus;
    return list !== undefined && (list.length === 0 || list.includes(each.selectorId));
  };
}
