import { dcgmStatus } from '../../../../native/dcgm-layout.ts';
import type { DcgmRecord } from '../../../../native/dcgm-record.ts';
import type { Dcgm, DcgmHandle } from '../../../../native/dcgm.ts';
import { sampleState } from '../../../core/sampling/sample-state.ts';
import { createEntityGroup, destroyEntityGroup, watchFields } from '../groups.ts';
import type { EntityPair } from '../groups.ts';
import { createLatestReader } from '../reader.ts';

const HOUR_MS = 3_600_000;
const KEEP_S = 60;
/** Texts are up to 256 bytes long: so many fit into the 16 KiB that a TCP reply may have. */
const TEXT_RECORDS_MAX = 50;

/**
 * Hands what these entities say now of these fields to `onValue`, one record a value, by watching them for a moment. What an
 * engine does not know is left out. The record is reused: copy out what is needed.
 * @param name of the groups that are made for it
 * @param read by `time` takes a round trip a series, and tells the engine's clock; the `latest` values are one request, and
 * are read by time where the engine is older than the library and refuses that
 */
export function readFieldsOnce(
  dcgm: Dcgm,
  handle: DcgmHandle,
  name: string,
  entities: readonly EntityPair[],
  fieldIds: readonly number[],
  read: 'time' | 'latest',
  onValue: (record: DcgmRecord) => void,
): void {
  const group = createEntityGroup(dcgm, handle, `${name}-${process.pid}`, entities);
  if (group === undefined) return;
  const options = { keepS: KEEP_S, intervalUs: HOUR_MS * 1000, name: `${name}-${process.pid}` };
  const watch = { intervalMs: HOUR_MS, isProfiling: false, fieldIds };
  const { watched } = watchFields(dcgm, handle, group, watch, options);
  dcgm.call.updateAllFields(handle, 1);
  const take = (record: DcgmRecord): void => {
    if (record.state === sampleState.value) onValue(record);
  };
  for (const { fieldGroup, fieldIds: ids } of watched) {
    const isRead =
      read === 'latest' &&
      createLatestReader(dcgm, entities, ids, TEXT_RECORDS_MAX).read(handle, (_, __, record) => {
        take(record);
      }) === dcgmStatus.OK;
    if (!isRead) dcgm.since.read(handle, group, fieldGroup, 0, take);
    dcgm.call.unwatchFields(handle, group, fieldGroup);
    dcgm.call.fieldGroupDestroy(handle, fieldGroup);
  }
  destroyEntityGroup(dcgm, handle, group);
}
