import { entityGroup } from '../../../native/dcgm-record.ts';
import {
  dcgmStatus,
  deviceAttributesV3,
  deviceIdentifiersV1,
  deviceMemoryUsageV1,
  migEntityInfo,
  migHierarchyInfoV2,
  migHierarchyV2,
} from '../../../native/dcgm-layout.ts';
import { dcgmError } from '../../../native/dcgm.ts';
import type { Dcgm, DcgmHandle } from '../../../native/dcgm.ts';
import { readCString } from '../../../native/dcgm-record.ts';
import type { SelectableDevice } from '../../core/devices/device-selector.ts';
import type { DeviceFacts } from '../../core/devices/device.ts';
import { migProfileOf } from '../../core/devices/mig-profile.ts';
import type { EngineEndpoint } from '../../../native/dcgm.ts';
import { readDeviceFacts } from './identity/device-facts.ts';
import type { ReadFacts } from './identity/device-facts.ts';
import type { EntityPair } from './groups.ts';
import { readIdentityFields } from './identity/identity-fields.ts';
import type { IdentityFields } from './identity/identity-fields.ts';

/** A device as the engine knows it. `selectorId` is the GPU's or the GPU instance's entity id. */
export interface DcgmDevice extends SelectableDevice {
  readonly entity: EntityPair;
  /** DCGM's number of the GPU that it is or is cut from. */
  readonly gpuId: number;
  /** Of an instance: its compute instances, under which an XID may stand. */
  readonly computeInstances?: readonly EntityPair[];
}

const GPUS_MAX = 32;
const LIST_TIMEOUT_MS = 1_000;
const MEBIBYTE = 1_048_576;
/** `<<<NULL>>>` and its like. */
const BLANK_TEXT = '<<<';
const NO_COMPUTE_INSTANCE = 0xffff_ffff;

interface Instance {
  readonly entityId: number;
  readonly gpuId: number;
  readonly gpuInstanceId: number;
  readonly slices: number;
  readonly computeInstances: readonly { readonly entityId: number; readonly id: number }[];
}

/**
 * Every GPU and MIG GPU instance with every identity that the engine has.
 * @throws OperatingError when the engine does not answer.
 */
export function listDcgmDevices(
  dcgm: Dcgm,
  handle: DcgmHandle,
  node: string,
  where: string,
): readonly DcgmDevice[] {
  const gpuIds = readGpuIds(dcgm, handle, where);
  const instances = readInstances(dcgm, handle);
  const entities: EntityPair[] = [
    ...gpuIds.map((id) => ({ group: entityGroup.gpu, id })),
    ...instances.map(({ entityId }) => ({ group: entityGroup.gpuInstance, id: entityId })),
    ...instances.flatMap(({ computeInstances }) =>
      computeInstances
        .slice(0, 1)
        .map(({ entityId }) => ({ group: entityGroup.computeInstance, id: entityId })),
    ),
  ];
  const identity = readIdentityFields(dcgm, handle, entities);
  const told = new Map(gpuIds.map((gpuId) => [gpuId, readAttributes(dcgm, handle, gpuId)]));
  const hasAttributes = [...told.values()].every((attributes) => attributes !== undefined);
  const facts = readDeviceFacts(dcgm, handle, gpuIds, hasAttributes);
  const gpus = gpuIds.map((gpuId) => gpuOf(node, gpuId, told.get(gpuId), identity, facts.get(gpuId)));
  const byId = new Map(gpus.map((gpu) => [gpu.gpuId, gpu]));
  return gpus.flatMap((gpu) => [
    gpu,
    ...instances
      .filter((instance) => instance.gpuId === gpu.gpuId)
      .map((instance) => instanceOf(instance, byId.get(instance.gpuId) ?? gpu, identity)),
  ]);
}

/**
 * Lists over a connection of its own, which watches and unwatches the identity fields. All persistent connections are one
 * watcher, so on one of those it would end the watches that a lane, a drain or the collector's last life has of them.
 * @throws OperatingError when the engine does not answer.
 */
export function listEngineDevices(
  dcgm: Dcgm,
  engine: EngineEndpoint & { readonly text: string },
  node: string,
): readonly DcgmDevice[] {
  const { status, handle } = dcgm.connect(engine, { timeoutMs: LIST_TIMEOUT_MS, isPersistent: false });
  if (status !== dcgmStatus.OK) throw dcgmError('dcgmConnect', status, engine.text);
  try {
    return listDcgmDevices(dcgm, handle, node, engine.text);
  } finally {
    dcgm.disconnect(handle);
  }
}

/** The MIG layout as one text, to see that it changed. */
export function migFingerprint(dcgm: Dcgm, handle: DcgmHandle): string {
  return JSON.stringify(readInstances(dcgm, handle));
}

function readGpuIds(dcgm: Dcgm, handle: DcgmHandle, where: string): readonly number[] {
  const ids = new Uint32Array(GPUS_MAX);
  const count = new Int32Array(1);
  const status = dcgm.call.getAllSupportedDevices(handle, ids, count);
  if (status !== dcgmStatus.OK) throw dcgmError('dcgmGetAllSupportedDevices', status, where);
  return [...ids.subarray(0, count[0])];
}

function readInstances(dcgm: Dcgm, handle: DcgmHandle): readonly Instance[] {
  const bytes = Buffer.alloc(migHierarchyV2.sizeBytes);
  bytes.writeUInt32LE(migHierarchyV2.version, migHierarchyV2.at.version);
  // An engine without MIG, or too old to know it, has no instances to list.
  if (dcgm.call.getGpuInstanceHierarchy(handle, bytes) !== dcgmStatus.OK) return [];
  const count = bytes.readUInt32LE(migHierarchyV2.at.count);
  const row = migHierarchyInfoV2.at;
  const rows = Array.from({ length: count }, (_, index) => {
    const at = migHierarchyV2.at.entityList + index * migHierarchyInfoV2.sizeBytes;
    const info = at + row.info;
    return {
      group: bytes.readUInt32LE(at + row.entity),
      id: bytes.readUInt32LE(at + row.entity + 4),
      parentId: bytes.readUInt32LE(at + row.parent + 4),
      gpuInstanceId: bytes.readUInt32LE(info + migEntityInfo.at.nvmlInstanceId),
      computeInstanceId: bytes.readUInt32LE(info + migEntityInfo.at.nvmlComputeInstanceId),
      slices: bytes.readUInt32LE(info + migEntityInfo.at.nvmlProfileSlices),
    };
  });
  return rows
    .filter(({ group }) => group === entityGroup.gpuInstance)
    .map(({ id, parentId, gpuInstanceId, slices }) => ({
      entityId: id,
      gpuId: parentId,
      gpuInstanceId,
      slices,
      computeInstances: rows
        .filter((each) => each.group === entityGroup.computeInstance && each.parentId === id)
        .filter(({ computeInstanceId }) => computeInstanceId !== NO_COMPUTE_INSTANCE)
        .map((each) => ({ entityId: each.id, id: each.computeInstanceId })),
    }));
}

function gpuOf(
  node: string,
  gpuId: number,
  told: Attributes | undefined,
  identity: IdentityFields,
  { driver = told?.driver, ...facts }: ReadFacts = {},
): DcgmDevice {
  const known = identity.get(`${entityGroup.gpu} ${gpuId}`);
  const minor = known?.minor;
  const pciBusId = told?.pciBusId ?? known?.pciBusId;
  return {
    entity: { group: entityGroup.gpu, id: gpuId },
    gpuId,
    selectorId: gpuId,
    device: {
      uuid: told?.uuid ?? known?.uuid ?? `unknown-gpu-${gpuId}`,
      node,
      index: gpuId,
      model: told?.model ?? known?.model ?? 'unknown',
      memoryBytes: told?.memoryBytes ?? (known?.memoryMebibytes ?? 0) * MEBIBYTE,
      ...(driver === undefined ? {} : { driver }),
      ...(minor === undefined ? {} : { minor }),
      ...(pciBusId === undefined ? {} : { pciBusId }),
      facts: { ...told?.facts, ...facts },
    },
  };
}

function instanceOf(instance: Instance, parent: DcgmDevice, identity: IdentityFields): DcgmDevice {
  const own = identity.get(`${entityGroup.gpuInstance} ${instance.entityId}`);
  const compute = instance.computeInstances[0];
  const ofCompute = compute && identity.get(`${entityGroup.computeInstance} ${compute.entityId}`);
  const memoryBytes = (own?.memoryMebibytes ?? 0) * MEBIBYTE;
  const named = [own?.visibleAs, ofCompute?.visibleAs].find((text) => text?.startsWith('MIG-'));
  return {
    entity: { group: entityGroup.gpuInstance, id: instance.entityId },
    gpuId: parent.gpuId,
    selectorId: instance.entityId,
    computeInstances: instance.computeInstances.map(({ entityId }) => ({
      group: entityGroup.computeInstance,
      id: entityId,
    })),
    device: {
      ...parent.device,
      // Engines that cannot tell the MIG UUID get the older spelling, which is as unique.
      uuid: named ?? `MIG-${parent.device.uuid}/${instance.gpuInstanceId}/${compute?.id ?? 0}`,
      memoryBytes,
      parentUuid: parent.device.uuid,
      gpuInstanceId: instance.gpuInstanceId,
      ...(compute === undefined ? {} : { computeInstanceId: compute.id }),
      migProfile: migProfileOf({
        name: own?.model,
        slices: instance.slices,
        memoryBytes,
        gpuMemoryBytes: parent.device.memoryBytes,
      }),
    },
  };
}

interface Attributes {
  readonly uuid: string;
  readonly model: string;
  readonly pciBusId: string;
  readonly driver: string;
  readonly memoryBytes: number;
  readonly facts: DeviceFacts;
}

/** Undefined when the engine refuses: one that is older than the library answers -20 here. */
function readAttributes(dcgm: Dcgm, handle: DcgmHandle, gpuId: number): Attributes | undefined {
  const bytes = Buffer.alloc(deviceAttributesV3.sizeBytes);
  bytes.writeUInt32LE(deviceAttributesV3.version, deviceAttributesV3.at.version);
  if (dcgm.call.getDeviceAttributes(handle, gpuId, bytes) !== dcgmStatus.OK) return undefined;
  const text = (offset: number): string =>
    readCString(bytes, deviceAttributesV3.at.identifiers + offset, 256);
  const factOf = (name: keyof DeviceFacts, offset: number): DeviceFacts => {
    const said = text(offset);
    return said === '' || said.startsWith(BLANK_TEXT) ? {} : { [name]: said };
  };
  const at = deviceIdentifiersV1.at;
  const mebibytes = bytes.readUInt32LE(deviceAttributesV3.at.memoryUsage + deviceMemoryUsageV1.at.fbTotal);
  return {
    uuid: text(at.uuid),
    model: text(at.deviceName),
    pciBusId: text(at.pciBusId),
    driver: text(at.driverVersion),
    memoryBytes: mebibytes * MEBIBYTE,
    facts: {
      ...factOf('brand', at.brandName),
      ...factOf('serial', at.serial),
      ...factOf('vbiosVersion', at.vbios),
      ...factOf('inforomImageVersion', at.inforomImageVersion),
    },
  };
}
