import { dcgmStatus, fieldValueV1, fieldValueV2, groupEntityPair } from '../../../native/dcgm-layout.ts';
import { createRecord, readRecordV1, readRecordV2 } from '../../../native/dcgm-record.ts';
import type { DcgmRecord } from '../../../native/dcgm-record.ts';
import type { Dcgm, DcgmHandle } from '../../../native/dcgm.ts';
import type { EntityPair } from './groups.ts';

/**
 * A TCP reply over 16 KiB waits 44 ms for a delayed acknowledgement when the exchange before was less than 40 ms ago.
 * 240 latest values and 500 samples of history fit; these leave room.
 */
export const TCP_RECORDS_MAX = 200;
export const TCP_HISTORY_MAX = 400;
const HISTORY_MAX = 4_000;

/** Values from the cache. 1 would ask the driver, and kills the engine when the field is a profiling field: never used. */
const FROM_CACHE = 0;
const ASCENDING = 1;

/** @param entity position among the entities of the reader; @param field position among its fields. */
type OnRecord = (entity: number, field: number, record: DcgmRecord) => void;

export interface LatestReader {
  /** Newest value of every series, from the cache. @returns dcgmReturn_t; nothing was delivered unless it is 0. */
  read(handle: DcgmHandle, onRecord: OnRecord): number;
}

/** Reads the newest values of some fields of some entities, in one call or, over TCP, in calls small enough not to stall. */
export function createLatestReader(
  dcgm: Dcgm,
  entities: readonly EntityPair[],
  fieldIds: readonly number[],
  recordsMax: number,
): LatestReader {
  const pairs = Buffer.alloc(entities.length * groupEntityPair.sizeBytes);
  for (const [index, { group, id }] of entities.entries()) {
    pairs.writeUInt32LE(group, index * groupEntityPair.sizeBytes + groupEntityPair.at.entityGroupId);
    pairs.writeUInt32LE(id, index * groupEntityPair.sizeBytes + groupEntityPair.at.entityId);
  }
  const fields = Uint16Array.from(fieldIds);
  const perCall = Math.max(1, Math.floor(recordsMax / Math.max(1, fields.length)));
  const parts: { readonly from: number; readonly count: number; readonly pairs: Buffer }[] = [];
  for (let from = 0; from < entities.length; from += perCall) {
    const count = Math.min(perCall, entities.length - from);
    const start = from * groupEntityPair.sizeBytes;
    parts.push({ from, count, pairs: pairs.subarray(start, start + count * groupEntityPair.sizeBytes) });
  }
  const values = Buffer.alloc(Math.min(perCall, entities.length) * fields.length * fieldValueV2.sizeBytes);
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength);
  const record = createRecord();
  const position = new Map(entities.map(({ group, id }, index) => [group * 0x1_0000 + id, index]));
  const fieldPosition = new Int16Array(0x1_0000).fill(-1);
  for (const [index, id] of fields.entries()) fieldPosition[id] = index;

  return {
    read(handle, onRecord) {
      if (fields.length === 0) return dcgmStatus.OK;
      for (const part of parts) {
        const status = dcgm.call.entitiesGetLatestValues(
          handle,
          part.pairs,
          part.count,
          fields,
          fields.length,
          FROM_CACHE,
          values,
        );
        // The buffer then still holds what was read before.
        if (status !== dcgmStatus.OK) return status;
        const end = part.count * fields.length * fieldValueV2.sizeBytes;
        for (let offset = 0; offset < end; offset += fieldValueV2.sizeBytes) {
          readRecordV2(view, offset, record);
          const entity = position.get(record.entityGroup * 0x1_0000 + record.entityId);
          const field = fieldPosition[record.fieldId]!;
          if (entity !== undefined && field >= 0) onRecord(entity, field, record);
        }
      }
      return dcgmStatus.OK;
    },
  };
}

export interface HistoryReader {
  /**
   * Every kept sample of one GPU's field with a stamp ≥ `sinceUs`, oldest first. Not for MIG instances: the engine has no
   * such request for them. @returns dcgmReturn_t
   */
  read(
    handle: DcgmHandle,
    gpuId: number,
    fieldId: number,
    sinceUs: number,
    onRecord: (record: DcgmRecord) => void,
  ): number;
}

export function createHistoryReader(dcgm: Dcgm, isTcp: boolean): HistoryReader {
  const most = isTcp ? TCP_HISTORY_MAX : HISTORY_MAX;
  const count = new Int32Array(1);
  const record = createRecord();
  // Up to 16 MB, and most readers never read: they are there in case something was missed.
  let reply: { readonly values: Buffer; readonly view: DataView } | undefined;
  const room = (): { readonly values: Buffer; readonly view: DataView } => {
    const values = Buffer.alloc(most * fieldValueV1.sizeBytes);
    return { values, view: new DataView(values.buffer, values.byteOffset, values.byteLength) };
  };
  return {
    read(handle, gpuId, fieldId, sinceUs, onRecord) {
      reply ??= room();
      const { values, view } = reply;
      let fromUs = Math.floor(sinceUs);
      for (;;) {
        count[0] = most;
        const status = dcgm.call.getMultipleValuesForField(
          handle,
          gpuId,
          fieldId,
          count,
          BigInt(fromUs),
          0n,
          ASCENDING,
          values,
        );
        if (status !== dcgmStatus.OK) return status;
        const got = count[0];
        for (let index = 0; index < got; index += 1) {
          record.entityGroup = 1;
          record.entityId = gpuId;
          readRecordV1(view, index * fieldValueV1.sizeBytes, record);
          // Nothing in range comes as one record that says so.
          if (record.status !== dcgmStatus.OK) return dcgmStatus.OK;
          fromUs = record.tsUs + 1;
          onRecord(record);
        }
        if (got < most) return dcgmStatus.OK;
      }
    },
  };
}
