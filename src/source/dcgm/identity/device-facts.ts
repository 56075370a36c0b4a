import { entityGroup } from '../../../../native/dcgm-record.ts';
import type { DcgmRecord } from '../../../../native/dcgm-record.ts';
import type { Dcgm, DcgmHandle } from '../../../../native/dcgm.ts';
import type { DeviceFacts } from '../../../core/devices/device.ts';
import { readFieldsOnce } from './read-once.ts';

/** The driver is a fact too, of which more than the inventory makes use. */
export type ReadFacts = DeviceFacts & { readonly driver?: string };
type Fact = keyof ReadFacts;

/** The fields that only say what dcgmGetDeviceAttributes says too, which some engines refuse. */
const OF_ATTRIBUTES: ReadonlyMap<number, Fact> = new Map([
  [1, 'driver'],
  [51, 'brand'],
  [53, 'serial'],
  [82, 'inforomImageVersion'],
  [85, 'vbiosVersion'],
]);
const OTHERS: ReadonlyMap<number, Fact> = new Map([
  [2, 'nvmlVersion'],
  [3, 'processName'],
  [56, 'inforomOemVersion'],
  [80, 'inforomEccVersion'],
  [81, 'inforomPowerVersion'],
]);
const FACT_OF_FIELD: ReadonlyMap<number, Fact> = new Map([...OF_ATTRIBUTES, ...OTHERS]);

/**
 * What the engine says of each GPU that is not needed to sample it. What it does not say is absent.
 * @param hasAttributes whether the engine has told the attributes of these GPUs already
 * @returns by the GPU's number
 */
export function readDeviceFacts(
  dcgm: Dcgm,
  handle: DcgmHandle,
  gpuIds: readonly number[],
  hasAttributes: boolean,
): ReadonlyMap<number, ReadFacts> {
  const found = new Map<number, ReadFacts>();
  const entities = gpuIds.map((id) => ({ group: entityGroup.gpu, id }));
  const fieldIds = [...(hasAttributes ? OTHERS : FACT_OF_FIELD).keys()];
  const note = ({ entityId, fieldId, text }: DcgmRecord): void => {
    const fact = FACT_OF_FIELD.get(fieldId);
    if (fact !== undefined && text !== '') found.set(entityId, { ...found.get(entityId), [fact]: text });
  };
  readFieldsOnce(dcgm, handle, 'gpuledger-facts', entities, fieldIds, 'latest', note);
  return found;
}
