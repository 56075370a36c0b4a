import { OperatingError } from '../base/errors.ts';
import { PROFILING_INTERVAL_MS_MIN, WATCH_FIELDS_MAX } from '../fields/limits.ts';
import type { SampledLane } from './source.ts';

/** Fields that one engine watch covers: all of one interval, and either all profiling fields or none. */
export interface Watch {
  readonly intervalMs: number;
  readonly isProfiling: boolean;
  readonly fieldIds: readonly number[];
}

/** The closed profiling module of older GPUs undoes a watch of more fields than this. */
const WATCH_PROFILING_FIELDS_MAX = 64;

/** A field that is wanted beside the lanes, for events. */
export interface ExtraField {
  readonly fieldId: number;
  readonly intervalMs: number;
}

/**
 * What to watch for all lanes together. Two watches of a field on one connection replace each other, so each field
 * stands in one watch only, at the smallest interval that any lane asks for; the slower lanes take every n-th sample.
 * All profiling fields share one interval, or their windows would differ.
 * @throws OperatingError (exit 78) when a lane wants profiling fields faster than the hardware has them.
 */
export function planWatches(
  lanes: readonly SampledLane[],
  extra: readonly ExtraField[] = [],
): readonly Watch[] {
  const intervals = new Map<number, number>();
  const profilingIds = new Set<number>();
  const want = (fieldId: number, intervalMs: number): void => {
    intervals.set(fieldId, Math.min(intervals.get(fieldId) ?? Infinity, intervalMs));
  };
  for (const lane of lanes) {
    const profiling = lane.fields.filter((field) => field.isProfiling);
    if (profiling.length > 0 && lane.intervalMs < PROFILING_INTERVAL_MS_MIN) throw belowFloor(lane);
    for (const field of profiling) profilingIds.add(field.id);
    for (const field of lane.fields) want(field.id, lane.intervalMs);
  }
  for (const { fieldId, intervalMs } of extra) want(fieldId, intervalMs);
  const profilingMs = Math.min(...[...profilingIds].map((id) => intervals.get(id) ?? Infinity));
  for (const id of profilingIds) intervals.set(id, profilingMs);

  const groups = new Map<string, { intervalMs: number; isProfiling: boolean; fieldIds: number[] }>();
  for (const [id, intervalMs] of intervals) {
    const isProfiling = profilingIds.has(id);
    const key = `${intervalMs} ${String(isProfiling)}`;
    const group = groups.get(key) ?? { intervalMs, isProfiling, fieldIds: [] };
    group.fieldIds.push(id);
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => a.intervalMs - b.intervalMs).flatMap(split);
}

function split(watch: Watch): readonly Watch[] {
  const most = watch.isProfiling ? WATCH_PROFILING_FIELDS_MAX : WATCH_FIELDS_MAX;
  const parts: Watch[] = [];
  for (let from = 0; from < watch.fieldIds.length; from += most) {
    parts.push({ ...watch, fieldIds: watch.fieldIds.slice(from, from + most) });
  }
  return parts;
}

function belowFloor(lane: SampledLane): OperatingError {
  return new OperatingError(
    `lane "${lane.name}": interval ${lane.intervalMs}ms is below ${PROFILING_INTERVAL_MS_MIN} ms, the floor of the profiling hardware`,
    {
      code: 'config.profiling_floor',
      exit: 'config',
      hints: [
        `write at least ${PROFILING_INTERVAL_MS_MIN}ms, or move the fields that are no profiling fields to a lane of their own`,
      ],
    },
  );
}

/** Smallest interval at which any field of a lane is watched, given what the other lanes want of the same fields. */
export function watchIntervalMs(lane: SampledLane, lanes: readonly SampledLane[]): number {
  const ids = new Set(lane.fields.map(({ id }) => id));
  const isProfiling = lane.fields.some((field) => field.isProfiling);
  const sharing = lanes.filter(({ fields }) =>
    fields.some((field) => ids.has(field.id) || (isProfiling && field.isProfiling)),
  );
  return Math.min(lane.intervalMs, ...sharing.map(({ intervalMs }) => intervalMs));
}
