import { entityGroup } from '../../../native/dcgm-record.ts';
import type { DcgmRecord } from '../../../native/dcgm-record.ts';
import { THROTTLE_FIELD_ID, XID_FIELD_ID } from '../../core/fields/well-known.ts';
import type { GpuEvent } from '../../core/sampling/event.ts';
import { EVENT_FIELDS, FieldEvents } from '../../core/sampling/field-events.ts';
import { sampleState } from '../../core/sampling/sample-state.ts';
import type { DcgmDevice } from './devices.ts';
import { xidPlacesOf } from './instance-xids.ts';
import type { SessionWatch } from './session.ts';

/** A throttling that began before, and whose end is not stored. */
export interface ThrottleBefore {
  /** Device UUID. */
  readonly gpu: string;
  /** Bit of the throttle field. */
  readonly code: number;
  readonly sinceUs: number;
}

interface Reading {
  readonly gpu: number;
  readonly fieldId: number;
  readonly tsUs: number;
  readonly value: number;
}

/** A step needs the sample before it: so many intervals of its watch. */
const BASELINE_INTERVALS = 2.5;
const EVENT_FIELD_IDS: ReadonlySet<number> = new Set(EVENT_FIELDS.map(({ fieldId }) => fieldId));

/** Gathers what was kept of the event fields while the lanes are pulled. */
export interface KeptEvents {
  /** From when a watch is to be read for the sake of events, epoch µs; undefined when it has no event field. */
  fromUs(watch: SessionWatch): number | undefined;
  readonly add: (record: DcgmRecord) => void;
  /**
   * What was taken, in the order of time, as events after `sinceUs`: the same edges and steps that a collector would have
   * told that had been there all the time.
   */
  events(): readonly GpuEvent[];
}

/**
 * @param gpus every GPU and instance of the engine
 * @param throttled spells that were open at `sinceUs`
 */
export function gatherKeptEvents(
  gpus: readonly DcgmDevice[],
  sinceUs: number,
  throttled: readonly ThrottleBefore[],
): KeptEvents {
  const indexOf = new Map(gpus.map(({ device }, index) => [device.uuid, index]));
  const wholeGpus = gpus.filter(({ entity }) => entity.group === entityGroup.gpu);
  const places = new Map(
    [...wholeGpus, ...xidPlacesOf(gpus)].map(({ entity, device }) => [
      entity.group * 0x1_0000 + entity.id,
      indexOf.get(device.uuid)!,
    ]),
  );
  const readings: Reading[] = [];
  return {
    fromUs: (watch) =>
      watch.fieldIds.some((id) => EVENT_FIELD_IDS.has(id))
        ? Math.max(0, sinceUs - BASELINE_INTERVALS * watch.intervalMs * 1000)
        : undefined,
    add(record) {
      if (!EVENT_FIELD_IDS.has(record.fieldId) || record.state !== sampleState.value) return;
      const gpu = places.get(record.entityGroup * 0x1_0000 + record.entityId);
      if (gpu === undefined) return;
      if (record.entityGroup !== entityGroup.gpu && record.fieldId !== XID_FIELD_ID) return;
      readings.push({ gpu, fieldId: record.fieldId, tsUs: record.tsUs, value: record.value });
    },
    events() {
      const events: GpuEvent[] = [];
      const fieldEvents = new FieldEvents((event) => events.push(event));
      for (const { gpu, tsUs, value } of throttleReadings(throttled, gpus)) {
        fieldEvents.observe(gpus[gpu]!.device, THROTTLE_FIELD_ID, tsUs, value);
      }
      const told = events.length;
      readings.sort((a, b) => a.tsUs - b.tsUs);
      for (const { gpu, fieldId, tsUs, value } of readings) {
        // Older readings are the baseline of the steps; what was throttled then is known from the store.
        if (fieldId === THROTTLE_FIELD_ID && tsUs <= sinceUs) continue;
        fieldEvents.observe(gpus[gpu]!.device, fieldId, tsUs, value);
      }
      return events.slice(told).filter((event) => (event.endUs ?? event.tsUs) > sinceUs);
    },
  };
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
