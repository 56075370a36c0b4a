import type { DcgmRecord } from '../../../../native/dcgm-record.ts';
import type { Dcgm, DcgmHandle } from '../../../../native/dcgm.ts';
import type { EntityPair } from '../groups.ts';
import { readFieldsOnce } from './read-once.ts';

/** What the identity fields said of one entity. */
interface Identity {
  uuid?: string;
  model?: string;
  minor?: number;
  pciBusId?: string;
  memoryMebibytes?: number;
  /** As CUDA_VISIBLE_DEVICES would name it: the MIG UUID of an instance. */
  visibleAs?: string;
}

/** By `<entity group> <entity id>`. */
export type IdentityFields = ReadonlyMap<string, Identity>;

const FIELD = { model: 50, uuid: 54, minor: 55, pciBusId: 57, visibleAs: 68, memory: 250 } as const;
/** What the identity fields say of each entity. What an engine does not know is absent. */
export function readIdentityFields(
  dcgm: Dcgm,
  handle: DcgmHandle,
  entities: readonly EntityPair[],
): IdentityFields {
  const found = new Map<string, Identity>();
  // By time: whoever drains takes the engine's clock from this read.
  readFieldsOnce(dcgm, handle, 'gpuledger-identity', entities, Object.values(FIELD), 'time', (record) => {
    note(found, record);
  });
  return found;
}

function note(found: Map<string, Identity>, record: DcgmRecord): void {
  const key = `${record.entityGroup} ${record.entityId}`;
  const identity = found.get(key) ?? {};
  found.set(key, identity);
  switch (record.fieldId) {
    case FIELD.model:
      identity.model = record.text;
      break;
    case FIELD.uuid:
      identity.uuid = record.text;
      break;
    case FIELD.pciBusId:
      identity.pciBusId = record.text;
      break;
    case FIELD.visibleAs:
      identity.visibleAs = record.text;
      break;
    case FIELD.minor:
      identity.minor = record.value;
      break;
    case FIELD.memory:
      identity.memoryMebibytes = record.value;
      break;
  }
}
