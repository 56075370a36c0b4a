import {
  allFieldGroupV1,
  dcgmStatus,
  fieldGroupInfoV1,
  groupInfoV2,
  groupInfoV3,
} from '../../../native/dcgm-layout.ts';
import { readCString } from '../../../native/dcgm-record.ts';
import type { Dcgm, DcgmHandle } from '../../../native/dcgm.ts';
import type { Watch } from '../../core/sampling/watch-plan.ts';

/** A group of one engine: an id that may pass 2^53, and that means nothing to the next engine. */
export interface EntityPair {
  readonly group: number;
  readonly id: number;
}

export type GroupId = bigint;

export interface WatchedFields {
  readonly fieldGroup: GroupId;
  readonly fieldIds: readonly number[];
}

export interface RefusedFields {
  readonly fieldIds: readonly number[];
  /** dcgmReturn_t */
  readonly status: number;
}

const EMPTY_GROUP = 1;
const GROUPS_MAX = 64;
const NAME_BYTES = 256;

/**
 * An entity group of that name holding these entities: found if it is there already (a persistent one, of our own last
 * life), else made. Entity-group names are not unique, so look before making, or each run adds one to the 64.
 * @returns undefined when the engine refuses.
 */
export function createEntityGroup(
  dcgm: Dcgm,
  handle: DcgmHandle,
  name: string,
  entities: readonly EntityPair[],
): GroupId | undefined {
  const known = findEntityGroup(dcgm, handle, name, entities);
  if (known !== undefined) return known;
  const out = new BigUint64Array(1);
  if (dcgm.call.groupCreate(handle, EMPTY_GROUP, name, out) !== dcgmStatus.OK) return undefined;
  const group = out[0]!;
  for (const { group: entityGroup, id } of entities) {
    // An entity that is gone since it was listed is refused; the others are worth having.
    dcgm.call.groupAddEntity(handle, group, entityGroup, id);
  }
  return group;
}

export function destroyEntityGroup(dcgm: Dcgm, handle: DcgmHandle, group: GroupId): void {
  dcgm.call.groupDestroy(handle, group);
}

function findEntityGroup(
  dcgm: Dcgm,
  handle: DcgmHandle,
  name: string,
  entities: readonly EntityPair[],
): GroupId | undefined {
  const layout = dcgm.version.major >= 4 ? groupInfoV3 : groupInfoV2;
  const ids = new BigUint64Array(GROUPS_MAX);
  const count = new Uint32Array(1);
  if (dcgm.call.groupGetAllIds(handle, ids, count) !== dcgmStatus.OK) return undefined;
  const wanted = new Set(entities.map(({ group, id }) => `${group} ${id}`));
  for (const id of ids.subarray(0, count[0])) {
    const info = Buffer.alloc(layout.sizeBytes);
    info.writeUInt32LE(layout.version, layout.at.version);
    if (dcgm.call.groupGetInfo(handle, id, info) !== dcgmStatus.OK) continue;
    if (readCString(info, layout.at.groupName, NAME_BYTES) !== name) continue;
    const held = info.readUInt32LE(layout.at.count);
    const isSame =
      held === wanted.size &&
      Array.from({ length: held }, (_, index) => layout.at.entityList + 8 * index).every((at) =>
        wanted.has(`${info.readUInt32LE(at)} ${info.readUInt32LE(at + 4)}`),
      );
    if (isSame) return id;
    // Ours by name, of another MIG layout: nobody reads it any more.
    dcgm.call.groupDestroy(handle, id);
  }
  return undefined;
}

export interface WatchOptions {
  /** How long the engine keeps samples. */
  readonly keepS: number;
  /** What the engine is told; a little below the watch's interval where the tick is the sample. */
  readonly intervalUs: number;
  /** Prefix of the field groups' names, which are unique in an engine. */
  readonly name: string;
}

/** Statuses that concern the watch as a whole: a smaller one would be refused just so. */
const NOT_OF_ONE_FIELD: ReadonlySet<number> = new Set([
  dcgmStatus.UNINITIALIZED,
  dcgmStatus.TIMEOUT,
  dcgmStatus.CONNECTION_NOT_VALID,
  dcgmStatus.MAX_LIMIT,
  dcgmStatus.REQUIRES_ROOT,
  dcgmStatus.NO_PERMISSION,
  dcgmStatus.MODULE_NOT_LOADED,
  dcgmStatus.PROFILING_NOT_SUPPORTED,
  dcgmStatus.PROFILING_LIBRARY_ERROR,
  dcgmStatus.NVML_NOT_LOADED,
]);

/**
 * Watches fields on a group. One field that the engine does not know fails a whole field group, and one that it cannot
 * watch undoes a whole watch; so what is refused is halved until the guilty fields stand alone.
 */
export function watchFields(
  dcgm: Dcgm,
  handle: DcgmHandle,
  group: GroupId,
  watch: Watch,
  options: WatchOptions,
): { readonly watched: readonly WatchedFields[]; readonly refused: readonly RefusedFields[] } {
  const watched: WatchedFields[] = [];
  const refused: RefusedFields[] = [];
  const attempt = (fieldIds: readonly number[]): void => {
    const { status, fieldGroup } = watchOnce(dcgm, handle, group, fieldIds, options);
    if (status === dcgmStatus.OK) watched.push({ fieldGroup, fieldIds });
    else if (fieldIds.length === 1 || NOT_OF_ONE_FIELD.has(status)) refused.push({ fieldIds, status });
    else {
      const half = Math.ceil(fieldIds.length / 2);
      attempt(fieldIds.slice(0, half));
      attempt(fieldIds.slice(half));
    }
  };
  attempt(watch.fieldIds);
  return { watched, refused };
}

function watchOnce(
  dcgm: Dcgm,
  handle: DcgmHandle,
  group: GroupId,
  fieldIds: readonly number[],
  options: WatchOptions,
): { readonly status: number; readonly fieldGroup: GroupId } {
  // The name says what is in it, so that the next life finds the same one.
  const name = `${options.name}-${hashOf(fieldIds)}`;
  const out = new BigUint64Array(1);
  let status = dcgm.call.fieldGroupCreate(handle, fieldIds.length, Uint16Array.from(fieldIds), name, out);
  let fieldGroup = out[0]!;
  if (status === dcgmStatus.DUPLICATE_KEY) {
    const known = findFieldGroup(dcgm, handle, name, fieldIds);
    if (known === undefined) return { status, fieldGroup };
    fieldGroup = known;
    status = dcgmStatus.OK;
  }
  if (status !== dcgmStatus.OK) return { status, fieldGroup };
  status = dcgm.call.watchFields(handle, group, fieldGroup, BigInt(options.intervalUs), options.keepS, 0);
  if (status !== dcgmStatus.OK) dcgm.call.fieldGroupDestroy(handle, fieldGroup);
  return { status, fieldGroup };
}

function findFieldGroup(
  dcgm: Dcgm,
  handle: DcgmHandle,
  name: string,
  fieldIds: readonly number[],
): GroupId | undefined {
  const all = Buffer.alloc(allFieldGroupV1.sizeBytes);
  all.writeUInt32LE(allFieldGroupV1.version, allFieldGroupV1.at.version);
  if (dcgm.call.fieldGroupGetAll(handle, all) !== dcgmStatus.OK) return undefined;
  const count = all.readUInt32LE(allFieldGroupV1.at.numFieldGroups);
  for (let index = 0; index < count; index += 1) {
    const at = allFieldGroupV1.at.fieldGroups + index * fieldGroupInfoV1.sizeBytes;
    if (readCString(all, at + fieldGroupInfoV1.at.fieldGroupName, NAME_BYTES) !== name) continue;
    const held = all.readUInt32LE(at + fieldGroupInfoV1.at.numFieldIds);
    const ids = Array.from({ length: held }, (_, k) =>
      all.readUInt16LE(at + fieldGroupInfoV1.at.fieldIds + 2 * k),
    );
    if (ids.join() === fieldIds.join()) return all.readBigUInt64LE(at + fieldGroupInfoV1.at.fieldGroupId);
  }
  return undefined;
}

/** FNV-1a over the ids: a name, not a secret. */
function hashOf(ids: readonly number[]): string {
  let hash = 0x811c9dc5;
  for (const id of ids) hash = Math.imul(hash ^ id, 0x01000193) >>> 0;
  return hash.toString(16);
}
