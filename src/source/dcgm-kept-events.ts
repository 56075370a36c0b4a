import type { Dcgm } from '../../native/dcgm.ts';
import type { GpuEvent } from '../core/event.ts';
import { EVENT_FIELDS, FieldEvents } from '../core/field-events.ts';
import { sampleState } from '../core/sample-state.ts';
import type { DcgmDevice } from './dcgm-devices.ts';
import type { Session } from './dcgm-session.ts';

/** A throttling that began before, and whose end is not stored. */
export interface ThrottleBefore {
  /** Device UUID. */
  readonly gpu: string;
  /** Bit of field 112. */
  readonly code: number;
  readonly sinceUs: number;
}

interface Reading {
  readonly gpu: number;
  readonly fieldId: number;
  readonly tsUs: number;
  readonly value: number;
}

const THROTTLE_FIELD = 112;
/** Slow event fields are sampled every 10 s: a step needs the sample before it. */
const BASELINE_US = 25_000_000;

/**
 * What the engine kept of the event fields, in the order of time, as events after `sinceUs`: the same edges and steps
 * that a collector would have told that had been there all the time.
 */
export function readKeptEvents(options: {
  readonly dcgm: Dcgm;
  readonly session: Session;
  readonly gpus: readonly DcgmDevice[];
  readonly sinceUs: number;
  readonly throttled: readonly ThrottleBefore[];
}): readonly GpuEvent[] {
  const { dcgm, session, gpus, sinceUs } = options;
  const byId = new Map(gpus.map((gpu, index) => [gpu.gpuId, index]));
  const wanted = new Set(EVENT_FIELDS.map(({ fieldId }) => fieldId));
  const readings: Reading[] = [];
  for (const watch of session.watches) {
    if (!watch.fieldIds.some((id) => wanted.has(id))) continue;
    const fromUs = Math.max(0, sinceUs - BASELINE_US);
    dcgm.since.read(session.handle, watch.group, watch.fieldGroup, fromUs, (record) => {
      const gpu = record.entityGroup === 1 ? byId.get(record.entityId) : undefined;
      if (gpu === undefined || !wanted.has(record.fieldId) || record.state !== sampleState.value) return;
      readings.push({ gpu, fieldId: record.fieldId, tsUs: record.tsUs, value: record.value });
    });
  }
  readings.sort((a, b) => a.tsUs - b.tsUs);
  const events: GpuEvent[] = [];
  const fieldEvents = new FieldEvents(sinceUs, (event) => events.push(event));
  for (const { gpu, tsUs, value } of throttleReadings(options.throttled, gpus)) {
    fieldEvents.observe(gpus[gpu]!.device, THROTTLE_FIELD, tsUs, value);
  }
  const told = events.length;
  for (const { gpu, fieldId, tsUs, value } of readings) {
    // Older readings are the baseline of the steps; what was throttled then is known from the store.
    if (fieldId === THROTTLE_FIELD && tsUs <= sinceUs) continue;
    fieldEvents.observe(gpus[gpu]!.device, fieldId, tsUs, value);
  }
  return events.slice(told).filter((event) => (event.endUs ?? event.tsUs) > sinceUs);
}

/** Open spans as the readings that once opened them: each adds its bit to those before. */
function throttleReadings(
  throttled: readonly ThrottleBefore[],
  gpus: readonly DcgmDevice[],
): readonly Omit<Reading, 'fieldId'>[] {
  const masks = new Map<number, number>();
  return [...throttled]
    .sort((a, b) => a.sinceUs - b.sinceUs)
    .flatMap(({ gpu: uuid, code, sinceUs }) => {
      const gpu = gpus.findIndex(({ device }) => device.uuid === uuid);
      if (gpu < 0) return [];
      const value = (masks.get(gpu) ?? 0) | code;
      masks.set(gpu, value);
      return [{ gpu, tsUs: sinceUs, value }];
    });
}
