import { dcgmStatus } from '../../../native/dcgm-layout.ts';
import { entityGroup } from '../../../native/dcgm-record.ts';
import type { DcgmRecord } from '../../../native/dcgm-record.ts';
import type { LaneJoin } from './lane-join.ts';
import { startNudges, type Nudges } from './nudges.ts';
import { createHistoryReader, TCP_HISTORY_MAX } from './reader.ts';
import type { Session, SessionWatch } from './session.ts';
import type { DcgmSetup } from './setup.ts';

/** A pull starts so much before what was had, or before the watermark: a sample is stored some time after its stamp. */
export const PULL_OVERLAP_US = 2_000_000;

export interface Puller {
  /** Fetches every sample that the engine keeps since then, for all lanes at once. @returns the first dcgmReturn_t ≠ 0, else 0. */
  pull(session: Session, sinceUs: number, engineNowUs: number): number;
}

/**
 * How a kept sample finds its lanes: device by entity, columns by field id.
 * @param onRecord sees every sample, also of fields that no lane has; the record is reused
 */
export function createPuller(
  setup: Pick<DcgmSetup, 'dcgm' | 'devices'>,
  lanes: readonly LaneJoin[],
  isTcp: boolean,
  onRecord?: (record: DcgmRecord) => void,
): Puller {
  const { dcgm, devices } = setup;
  const history = createHistoryReader(dcgm, isTcp);
  const deviceByEntity = new Map(
    devices.map(({ entity }, index) => [entity.group * 0x1_0000 + entity.id, index]),
  );
  const columnsByField = new Map<number, { readonly lane: LaneJoin; readonly column: number }[]>();
  for (const lane of lanes) {
    for (const [column, { id }] of lane.lane.fields.entries()) {
      columnsByField.set(id, [...(columnsByField.get(id) ?? []), { lane, column }]);
    }
  }
  let engineNowUs = 0;
  // Records come series by series: the device and the columns are mostly those of the record before.
  let entity = -1;
  let fieldId = -1;
  let device = deviceByEntity.get(entity);
  let columns = columnsByField.get(fieldId);
  const add = (record: DcgmRecord): void => {
    onRecord?.(record);
    const entityNow = record.entityGroup * 0x1_0000 + record.entityId;
    if (entityNow !== entity || record.fieldId !== fieldId) {
      entity = entityNow;
      fieldId = record.fieldId;
      device = deviceByEntity.get(entity);
      columns = columnsByField.get(fieldId);
    }
    if (device === undefined || columns === undefined) return;
    for (const { lane, column } of columns) lane.addRecord(device, column, record, engineNowUs);
  };

  /** Series by series in replies that a TCP connection carries without waiting. */
  const pullInPieces = (session: Session, watch: SessionWatch, sinceUs: number): number => {
    for (const { id } of watch.entities) {
      for (const fieldId of watch.fieldIds) {
        const status = history.read(session.handle, id, fieldId, sinceUs, add);
        // One series that was never watched says nothing about the others.
        if (status !== dcgmStatus.OK && status !== dcgmStatus.NOT_WATCHED) return status;
      }
    }
    return dcgmStatus.OK;
  };

  return {
    pull(session, sinceUs, nowUs) {
      engineNowUs = nowUs;
      let first: number = dcgmStatus.OK;
      let nudges: Nudges | undefined;
      try {
        for (const watch of session.watches) {
          if (onRecord === undefined && !watch.fieldIds.some((id) => columnsByField.has(id))) continue;
          const samples = (nowUs - sinceUs) / (watch.intervalMs * 1000);
          const isLong = isTcp && samples > TCP_HISTORY_MAX;
          const areGpus = watch.entities.every(({ group }) => group === entityGroup.gpu);
          // There is no request for a piece of a MIG instance's history.
          if (isLong && !areGpus) nudges ??= startNudges(dcgm.library.path, session.handle);
          const status =
            isLong && areGpus
              ? pullInPieces(session, watch, sinceUs)
              : dcgm.since.read(session.handle, watch.group, watch.fieldGroup, sinceUs, add);
          if (status !== dcgmStatus.OK && first === dcgmStatus.OK) first = status;
        }
      } finally {
        nudges?.stop();
      }
      return first;
    },
  };
}
