import {
  dcgmStatus,
  diagErrorDetail,
  healthResponseV4,
  healthResponseV5,
  healthSetParamsV2,
  healthSystems,
  incidentInfo,
} from '../../../native/dcgm-layout.ts';
import { entityGroup, readCString } from '../../../native/dcgm-record.ts';
import type { Dcgm } from '../../../native/dcgm.ts';
import type { Device } from '../../core/devices/device.ts';
import { XID_FIELD_ID } from '../../core/fields/well-known.ts';
import { EVENT_FIELDS, FieldEvents } from '../../core/sampling/field-events.ts';
import { SeenStamps } from '../../core/sampling/seen-stamps.ts';
import { sampleState } from '../../core/sampling/sample-state.ts';
import type { EventSink } from '../../core/sampling/source.ts';
import type { DcgmDevice } from './devices.ts';
import { createInstanceXidReader } from './instance-xids.ts';
import { createHistoryReader, createLatestReader, TCP_RECORDS_MAX } from './reader.ts';
import type { Session } from './session.ts';

const READ_EVERY_US = 1_000_000;
/** PCIe, thermal and power health judge by the last 60 s. */
const HEALTH_EVERY_US = 60_000_000;

export interface DcgmEventReader {
  /** Reads the event fields once a second and health once a minute, whatever the rate of the lanes. @returns dcgmReturn_t */
  read(session: Session, nowUs: number): number;
}

/** XIDs, throttle edges, ECC and remap steps, health incidents. */
export function createDcgmEventReader(options: {
  readonly dcgm: Dcgm;
  /** Every GPU of the node, sampled or parent of a sampled instance. */
  readonly gpus: readonly DcgmDevice[];
  /** What is sampled: of the instances among it, XIDs. */
  readonly devices: readonly DcgmDevice[];
  readonly node: string;
  readonly isTcp: boolean;
  readonly sinceUs: number;
  readonly onEvent: EventSink;
}): DcgmEventReader {
  const { dcgm, gpus } = options;
  const events = new FieldEvents(options.onEvent);
  const history = createHistoryReader(dcgm, options.isTcp);
  const recordsMax = options.isTcp ? TCP_RECORDS_MAX : Infinity;
  const instanceXids = createInstanceXidReader({ ...options, recordsMax, events });
  const health = createHealthReader(dcgm, gpus, options.node, options.onEvent);
  let reader: { readonly fields: string; readonly latest: ReturnType<typeof createLatestReader> } | undefined;
  let readAtUs = -Infinity;
  const seenXids = new SeenStamps<number>(options.sinceUs);

  const readerFor = (session: Session): ReturnType<typeof createLatestReader> => {
    const fieldIds = EVENT_FIELDS.map(({ fieldId }) => fieldId).filter((id) => !session.refused.has(id));
    if (reader?.fields !== fieldIds.join()) {
      const entities = gpus.map(({ entity }) => entity);
      reader = {
        fields: fieldIds.join(),
        latest: createLatestReader(dcgm, entities, fieldIds, TCP_RECORDS_MAX),
      };
    }
    return reader.latest;
  };

  return {
    read(session, nowUs) {
      if (nowUs - readAtUs < READ_EVERY_US && nowUs >= readAtUs) return dcgmStatus.OK;
      readAtUs = nowUs;
      const newXids: { readonly gpu: DcgmDevice; readonly fromUs: number }[] = [];
      const status = readerFor(session).read(session.handle, (entity, _field, record) => {
        const gpu = gpus[entity]!;
        const isValue = record.state === sampleState.value;
        if (record.fieldId === XID_FIELD_ID) {
          const fromUs = seenXids.look(gpu.gpuId, isValue ? record.tsUs : undefined);
          if (fromUs !== undefined) newXids.push({ gpu, fromUs });
        } else if (isValue) events.observe(gpu.device, record.fieldId, record.tsUs, record.value);
      });
      // XIDs come in bursts and the newest value shows the last of them only.
      for (const { gpu, fromUs } of newXids) {
        history.read(session.handle, gpu.gpuId, XID_FIELD_ID, fromUs, (record) => {
          seenXids.note(gpu.gpuId, record.tsUs);
          if (record.state === sampleState.value) events.xid(gpu.device, record.tsUs, record.value);
        });
      }
      if (status !== dcgmStatus.OK) return status;
      health.read(session, nowUs);
      return instanceXids.read(session);
    },
  };
}

function createHealthReader(
  dcgm: Dcgm,
  gpus: readonly DcgmDevice[],
  node: string,
  onEvent: EventSink,
): { read(session: Session, nowUs: number): void } {
  const layout = dcgm.version.major >= 4 ? healthResponseV5 : healthResponseV4;
  const response = Buffer.alloc(layout.sizeBytes);
  let watched: Session | undefined;
  let isAvailable = true;
  let readAtUs = -Infinity;
  const openSinceUs = new Map<string, number>();
  const tell = (key: string, sinceUs: number, endUs: number | undefined): void => {
    const { gpu, code, subject, text } = JSON.parse(key) as {
      gpu: string;
      code: number;
      subject: string;
      text: string;
    };
    const device: Device | undefined = gpus.find((each) => each.device.uuid === gpu)?.device;
    onEvent({
      tsUs: sinceUs,
      ...(endUs === undefined ? {} : { endUs }),
      node,
      ...(device === undefined ? {} : { gpu: device.uuid }),
      kind: 'health',
      code,
      subject,
      text,
    });
  };
  return {
    read(session, nowUs) {
      if (!isAvailable || session.gpuGroup === undefined) return;
      if (watched !== session) {
        watched = session;
        isAvailable = startHealth(dcgm, session) === dcgmStatus.OK;
        if (!isAvailable) return;
      }
      if (nowUs - readAtUs < HEALTH_EVERY_US && nowUs >= readAtUs) return;
      readAtUs = nowUs;
      response.writeUInt32LE(layout.version, layout.at.version);
      if (dcgm.call.healthCheck?.(session.handle, session.gpuGroup, response) !== dcgmStatus.OK) return;
      const present = new Set(incidentsOf(response, layout, gpus));
      for (const key of present) {
        if (openSinceUs.has(key)) continue;
        openSinceUs.set(key, nowUs);
        tell(key, nowUs, undefined);
      }
      for (const [key, sinceUs] of openSinceUs) {
        if (present.has(key)) continue;
        openSinceUs.delete(key);
        tell(key, sinceUs, nowUs);
      }
    },
  };
}

function startHealth(dcgm: Dcgm, session: Session): number {
  const params = Buffer.alloc(healthSetParamsV2.sizeBytes);
  const at = healthSetParamsV2.at;
  params.writeUInt32LE(healthSetParamsV2.version, at.version);
  params.writeBigUInt64LE(session.gpuGroup ?? 0n, at.groupId);
  params.writeUInt32LE(healthSystems.ALL, at.systems);
  params.writeBigInt64LE(30_000_000n, at.updateInterval);
  params.writeDoubleLE(120, at.maxKeepAge);
  return dcgm.call.healthSet?.(session.handle, params) ?? dcgmStatus.FUNCTION_NOT_FOUND;
}

function incidentsOf(
  response: Buffer,
  layout: typeof healthResponseV4 | typeof healthResponseV5,
  gpus: readonly DcgmDevice[],
): readonly string[] {
  const count = response.readUInt32LE(layout.at.incidentCount);
  const names = Object.entries(healthSystems);
  return Array.from({ length: count }, (_, index) => {
    const at = layout.at.incidents + index * incidentInfo.sizeBytes;
    const system = response.readUInt32LE(at + incidentInfo.at.system);
    const group = response.readUInt32LE(at + incidentInfo.at.entityInfo);
    const id = response.readUInt32LE(at + incidentInfo.at.entityInfo + 4);
    const gpu = group === entityGroup.gpu ? gpus.find(({ gpuId }) => gpuId === id)?.device.uuid : undefined;
    return JSON.stringify({
      gpu: gpu ?? '',
      code: response.readUInt32LE(at + incidentInfo.at.error + diagErrorDetail.at.code),
      subject: names.find(([, bit]) => bit === system)?.[0].toLowerCase() ?? `system_${system}`,
      text: readCString(response, at + incidentInfo.at.error + diagErrorDetail.at.msg, 1024),
    });
  });
}
