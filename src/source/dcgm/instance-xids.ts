import { entityGroup } from '../../../native/dcgm-record.ts';
import type { DcgmRecord } from '../../../native/dcgm-record.ts';
import { dcgmStatus } from '../../../native/dcgm-layout.ts';
import type { Dcgm } from '../../../native/dcgm.ts';
import type { Device } from '../../core/devices/device.ts';
import { XID_FIELD_ID } from '../../core/fields/well-known.ts';
import type { FieldEvents } from '../../core/sampling/field-events.ts';
import { SeenStamps } from '../../core/sampling/seen-stamps.ts';
import { sampleState } from '../../core/sampling/sample-state.ts';
import type { DcgmDevice } from './devices.ts';
import type { EntityPair } from './groups.ts';
import { createLatestReader } from './reader.ts';
import type { Session } from './session.ts';

/** An entity under which XIDs of an instance stand: the GPU instance itself, or a compute instance of it. */
interface XidPlace {
  readonly entity: EntityPair;
  readonly device: Device;
}

/** Where an XID that names an instance may stand: never under the GPU. */
export function xidPlacesOf(devices: readonly DcgmDevice[]): readonly XidPlace[] {
  return devices
    .filter(({ entity }) => entity.group === entityGroup.gpuInstance)
    .flatMap(({ entity, computeInstances = [], device }) =>
      [entity, ...computeInstances].map((each) => ({ entity: each, device })),
    );
}

interface InstanceXidReader {
  /** Tells the XIDs of instances since the last read. @returns dcgmReturn_t of looking whether there are any. */
  read(session: Session): number;
}

export function createInstanceXidReader(options: {
  readonly dcgm: Dcgm;
  readonly devices: readonly DcgmDevice[];
  readonly recordsMax: number;
  readonly sinceUs: number;
  readonly events: FieldEvents;
}): InstanceXidReader {
  const { dcgm, events } = options;
  const places = xidPlacesOf(options.devices);
  const entities = places.map(({ entity }) => entity);
  const latest = createLatestReader(dcgm, entities, [XID_FIELD_ID], options.recordsMax);
  const seen = new SeenStamps<number>(options.sinceUs);
  const indexOf = new Map(entities.map(({ group, id }, index) => [`${group} ${id}`, index]));

  /** All of these places since then: XIDs come in bursts and the newest value shows the last of them only. */
  const readKept = (session: Session, sinceUs: ReadonlyMap<number, number>): void => {
    const fromUs = Math.min(...sinceUs.values());
    const found: { index: number; tsUs: number; code: number }[] = [];
    const add = (record: DcgmRecord): void => {
      if (record.fieldId !== XID_FIELD_ID || record.state !== sampleState.value) return;
      const index = indexOf.get(`${record.entityGroup} ${record.entityId}`);
      if (index !== undefined && record.tsUs >= (sinceUs.get(index) ?? Infinity))
        found.push({ index, tsUs: record.tsUs, code: record.value });
    };
    for (const { entities: watched, fieldIds, group, fieldGroup } of session.watches) {
      const areInstances = watched.some((entity) => entity.group !== entityGroup.gpu);
      if (areInstances && fieldIds.includes(XID_FIELD_ID))
        dcgm.since.read(session.handle, group, fieldGroup, fromUs, add);
    }
    for (const { index, tsUs, code } of found.sort((a, b) => a.tsUs - b.tsUs)) {
      seen.note(index, tsUs);
      events.xid(places[index]!.device, tsUs, code);
    }
  };

  return {
    read(session) {
      if (places.length === 0 || session.refused.has(XID_FIELD_ID)) return dcgmStatus.OK;
      const sinceUs = new Map<number, number>();
      const status = latest.read(session.handle, (index, _field, { state, tsUs }) => {
        const fromUs = seen.look(index, state === sampleState.value ? tsUs : undefined);
        if (fromUs !== undefined) sinceUs.set(index, fromUs);
      });
      if (status === dcgmStatus.OK && sinceUs.size > 0) readKept(session, sinceUs);
      return status;
    },
  };
}
