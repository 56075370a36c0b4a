import { entityGroup } from '../../../native/dcgm-record.ts';
import { dcgmStatus } from '../../../native/dcgm-layout.ts';
import { dcgmError, dcgmStatusText } from '../../../native/dcgm.ts';
import type { Dcgm, DcgmHandle } from '../../../native/dcgm.ts';
import { findField } from '../../core/fields/find-field.ts';
import { isOfInstances } from '../../core/fields/lane.ts';
import { XID_FIELD_ID } from '../../core/fields/well-known.ts';
import { EVENT_FIELDS } from '../../core/sampling/field-events.ts';
import type { SampledLane } from '../../core/sampling/source.ts';
import { planWatches } from '../../core/sampling/watch-plan.ts';
import type { Watch } from '../../core/sampling/watch-plan.ts';
import type { DcgmDevice } from './devices.ts';
import type { EntityPair } from './groups.ts';
import { createEntityGroup, watchFields } from './groups.ts';
import type { GroupId } from './groups.ts';

/** One watch that stands: these fields of these entities. */
export interface SessionWatch {
  readonly group: GroupId;
  readonly fieldGroup: GroupId;
  readonly entities: readonly EntityPair[];
  readonly fieldIds: readonly number[];
  readonly intervalMs: number;
}

/** Groups and watches within one life of an engine; nothing of it outlives the engine. */
export interface Session {
  readonly handle: DcgmHandle;
  readonly watches: readonly SessionWatch[];
  /** Fields that the engine does not know or will not watch, and why (dcgmReturn_t). */
  readonly refused: ReadonlyMap<number, number>;
  /** A group of all GPUs concerned, for health; undefined when the engine made none. */
  readonly gpuGroup: GroupId | undefined;
}

export interface SessionPlan {
  readonly devices: readonly DcgmDevice[];
  readonly lanes: readonly SampledLane[];
  readonly keepS: number;
  /** Embedded: the engine is told a little less than the interval, so that every tick finds every series due. */
  readonly isTicked: boolean;
  /** Prefix of all group names. */
  readonly name: string;
  readonly where: string;
}

/**
 * Of the smallest interval: how much earlier than its tick a series is due in a ticked engine. A series is due again from
 * when the pass came to it, and what is not due when the next pass begins is left out: so a pass may take that much of
 * the interval. Profiling samples older than three times their interval are no baseline, so a late tick needs that to be
 * longer.
 */
const DUE_EARLIER = 0.5;
const PROFILING_DUE_EARLIER = 0.4;

/**
 * Makes the groups and watches, or finds them (of a persistent connection's last life), and waits for one pass.
 * @throws OperatingError when the engine refuses everything.
 */
export function openSession(dcgm: Dcgm, handle: DcgmHandle, plan: SessionPlan): Session {
  const watches: SessionWatch[] = [];
  const refused = new Map<number, number>();
  const smallestMs = Math.min(...plan.lanes.map(({ intervalMs }) => intervalMs));
  let gpuGroup: GroupId | undefined;
  for (const { name, entities, wanted } of classesOf(plan)) {
    if (entities.length === 0) continue;
    const group = createEntityGroup(dcgm, handle, `${plan.name}-${name}`, entities);
    if (group === undefined) throw dcgmError('dcgmGroupCreate', dcgmStatus.MAX_LIMIT, plan.where);
    if (name === 'gpus') gpuGroup = group;
    for (const watch of wanted) {
      const intervalUs = Math.round(
        (watch.intervalMs - (plan.isTicked ? dueEarlier(watch) * smallestMs : 0)) * 1000,
      );
      const options = { keepS: plan.keepS, intervalUs, name: `${plan.name}-${name}` };
      const result = watchFields(dcgm, handle, group, watch, options);
      for (const { fieldGroup, fieldIds } of result.watched) {
        watches.push({ group, fieldGroup, fieldIds, entities, intervalMs: watch.intervalMs });
      }
      for (const { fieldIds, status } of result.refused) for (const id of fieldIds) refused.set(id, status);
    }
  }
  const isAnyWatched = watches.some(({ fieldIds }) =>
    plan.lanes.some((lane) => lane.fields.some(({ id }) => fieldIds.includes(id))),
  );
  if (!isAnyWatched) {
    const status = refused.values().next().value ?? dcgmStatus.GENERIC_ERROR;
    throw dcgmError('dcgmWatchFields', status, plan.where, refusalHints(status));
  }
  // A series that somebody watched more slowly before would otherwise wait up to 10 s for its first sample of ours.
  dcgm.call.updateAllFields(handle, 1);
  return { handle, watches, refused, gpuGroup };
}

/**
 * Places a watch again: idempotent, and it gives back what another client has taken. The samples that are kept stay.
 * @param isAnew unwatches it first, for an engine that holds on to the interval of an earlier watch
 * @returns dcgmReturn_t
 */
export function placeAgain(
  dcgm: Dcgm,
  session: Session,
  watch: SessionWatch,
  keepS: number,
  isAnew: boolean,
): number {
  const { handle } = session;
  if (isAnew) dcgm.call.unwatchFields(handle, watch.group, watch.fieldGroup);
  const intervalUs = BigInt(Math.round(watch.intervalMs * 1000));
  const status = dcgm.call.watchFields(handle, watch.group, watch.fieldGroup, intervalUs, keepS, 0);
  if (status === dcgmStatus.OK) dcgm.call.updateAllFields(handle, 1);
  return status;
}

function dueEarlier({ isProfiling }: Watch): number {
  return isProfiling ? PROFILING_DUE_EARLIER : DUE_EARLIER;
}

interface EntityClass {
  readonly name: string;
  readonly entities: readonly EntityPair[];
  readonly wanted: readonly Watch[];
}

/**
 * GPUs carry the event fields too. Of instances only what they have is watched: an engine answers the rest with the
 * parent's values. An XID of an instance stands under it or under its compute instance.
 */
function classesOf(plan: SessionPlan): readonly EntityClass[] {
  const gpus = plan.devices.filter(({ entity }) => entity.group === entityGroup.gpu);
  const instances = plan.devices.filter(({ entity }) => entity.group === entityGroup.gpuInstance);
  const onInstances = planWatches(plan.lanes, XID_FIELDS).map((watch) => ({
    ...watch,
    fieldIds: watch.fieldIds.filter(isFieldOfInstances),
  }));
  return [
    {
      name: 'gpus',
      entities: gpus.map(({ entity }) => entity),
      wanted: planWatches(plan.lanes, EVENT_FIELDS),
    },
    {
      name: 'instances',
      entities: instances.map(({ entity }) => entity),
      wanted: onInstances.filter(({ fieldIds }) => fieldIds.length > 0),
    },
    {
      name: 'computes',
      entities: instances.flatMap(({ computeInstances = [] }) => computeInstances),
      wanted: planWatches([], XID_FIELDS),
    },
  ];
}

const XID_FIELDS = EVENT_FIELDS.filter(({ fieldId }) => fieldId === XID_FIELD_ID);

function isFieldOfInstances(id: number): boolean {
  const field = findField(id);
  return field !== undefined && isOfInstances(field);
}

/** What a person can do about a refused watch; said once, where the source describes itself. */
function refusalHints(status: number): readonly string[] {
  switch (status) {
    case dcgmStatus.REQUIRES_ROOT:
    case dcgmStatus.NO_PERMISSION:
      return [
        'profiling needs root or CAP_SYS_ADMIN here, or the driver option NVreg_RestrictProfilingToAdminUsers=0',
      ];
    case dcgmStatus.MODULE_NOT_LOADED:
      return [
        'GPUs before Hopper need the closed profiling module: package datacenter-gpu-manager-4-proprietary',
      ];
    case dcgmStatus.PROFILING_LIBRARY_ERROR:
    case dcgmStatus.IN_USE:
      return [
        'another profiler or engine holds the counters: gpuledger profiling pause, or share its engine with -r',
      ];
    default:
      return [];
  }
}

/** `12 fields refused: REQUIRES_ROOT (-29): profiling needs root …`, one a status. */
export function describeRefusals(refused: ReadonlyMap<number, number>): readonly string[] {
  const byStatus = new Map<number, number[]>();
  for (const [id, status] of refused) byStatus.set(status, [...(byStatus.get(status) ?? []), id]);
  return [...byStatus].map(([status, ids]) => {
    const what = `fields ${ids.join(', ')} refused: ${dcgmStatusText(status)}`;
    return [what, ...refusalHints(status)].join('; ');
  });
}
