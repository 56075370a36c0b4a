import type { DcgmRecord } from '../../../../native/dcgm-record.ts';
import type { Dcgm, DcgmHandle } from '../../../../native/dcgm.ts';
import { sampleState } from '../../../core/sampling/sample-state.ts';
import { createEntityGroup, destroyEntityGroup, watchFields } from '../groups.ts';
import type { EntityPair } from '../groups.ts';

const HOUR_MS = 3_600_000;
const KEEP_S = 60;

/**
 * Hands what these entities say now of these fields to `onValue`, one record a value, by watching them for a moment and
 * asking for the values since then: the one read that works with an engine older than the library, and on MIG instances.
 * What an engine does not know is left out. The record is reused: copy out what is needed.
 * @param name of the groups that are made for it
 */
export function readFieldsOnce(
  dcgm: Dcgm,
  handle: DcgmHandle,
  name: string,
  entities: readonly EntityPair[],
  fieldIds: readonly number[],
  onValue: (record: DcgmRecord) => void,
): void {
  const group = createEntityGroup(dcgm, handle, `${name}-${process.pid}`, entities);
  if (group === undefined) return;
  const options = { keepS: KEEP_S, intervalUs: HOUR_MS * 1000, name: `${name}-${process.pid}` };
  const watch = { intervalMs: HOUR_MS, isProfiling: false, fieldIds };
  const { watched } = watchFields(dcgm, handle, group, watch, options);
  dcgm.call.updateAllFields(handle, 1);
  for (const { fieldGroup } of watched) {
    dcgm.since.read(handle, group, fieldGroup, 0, (record) => {
      if (record.state === sampleState.value) onValue(record);
    });
    dcgm.call.unwatchFields(handle, group, fieldGroup);
    dcgm.call.fieldGroupDestroy(handle, fieldGroup);
  }
  destroyEntityGroup(dcgm, handle, group);
}
