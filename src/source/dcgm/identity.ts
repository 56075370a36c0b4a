import type { DcgmRecord } from '../../../native/dcgm-record.ts';
import type { Dcgm, DcgmHandle } from '../../../native/dcgm.ts';
import { sampleState } from '../../core/sampling/sample-state.ts';
import { createEntityGroup, destroyEntityGroup, watchFields } from './groups.ts';
import type { EntityPair } from './groups.ts';

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
const HOUR_MS = 3_600_000;
const KEEP_S = 60;

/**
 * Reads the identity fields by watching them for a moment and asking for the values since then: the one read that works
 * with an engine older than the library, and on MIG instances. What an engine does not know is absent.
 */
export function readIdentityFields(
  dcgm: Dcgm,
  handle: DcgmHandle,
  entities: readonly EntityPair[],
): IdentityFields {
  const found = new Map<string, Identity>();
  const group = createEntityGroup(dcgm, handle, `gpuledger-identity-${process.pid}`, entities);
  if (group === undefined) return found;
  const watch = { intervalMs: HOUR_MS, isProfiling: false, fieldIds: Object.values(FIELD) };
  const options = { keepS: KEEP_S, intervalUs: HOUR_MS * 1000, name: `gpuledger-identity-${process.pid}` };
  const { watched } = watchFields(dcgm, handle, group, watch, options);
  dcgm.call.updateAllFields(handle, 1);
  for (const { fieldGroup } of watched) {
    dcgm.since.read(handle, group, fieldGroup, 0, (record) => {
      note(found, record);
    });
    dcgm.call.unwatchFields(handle, group, fieldGroup);
    dcgm.call.fieldGroupDestroy(handle, fieldGroup);
  }
  destroyEntityGroup(dcgm, handle, group);
  return found;
}

function note(found: Map<string, Identity>, record: DcgmRecord): void {
  if (record.state !== sampleState.value) return;
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
