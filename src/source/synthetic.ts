import { dtOf } from '../core/sampling/dt-rule.ts';
import type { EventSink, SampledLane, Source } from '../core/sampling/source.ts';
import type { Field } from '../core/fields/field.ts';
import { isOfInstances } from '../core/fields/lane.ts';
import type { TickWriter } from '../core/ring/ring.ts';
import type { FieldReader, Scenario } from '../core/synthetic/scenario.ts';

/** As long as nothing happens, the scenario is asked for events once in this time. */
const LOOK_AHEAD_US = 60_000_000;
/** A clock that is further ahead than this was set: what was jumped over did not happen. */
const JUMPED_US_MIN = 86_400_000_000;

interface LaneRow {
  readonly reader: FieldReader;
  readonly values: Float64Array;
  /** By device, the time of its last row; NaN: none. */
  readonly lastUs: Float64Array;
}

/** A source without hardware: it answers with what the scenario says of the time from one tick to the next. */
export function openSynthetic(scenario: Scenario, onEvent: EventSink): Source {
  const { devices } = scenario;
  const seenLanes = new Set<number>();
  const blankFieldIds = new Set<number>();
  let toldUs = scenario.options.kind === 'demo' ? scenario.startUs : NaN;

  let quietUntilUs = -Infinity;

  const tellEvents = (nowUs: number): void => {
    // An open-ended scenario has no beginning, so its events are told from the first tick on.
    const isJumped = scenario.options.kind !== 'demo' && nowUs - toldUs > JUMPED_US_MIN;
    if (Number.isNaN(toldUs) || isJumped) toldUs = nowUs;
    if (nowUs > Math.max(toldUs, quietUntilUs)) tellEventsUntil(nowUs);
  };
  const tellEventsUntil = (nowUs: number): void => {
    for (const event of scenario.eventsBetween(toldUs, nowUs)) onEvent(event);
    toldUs = nowUs;
    // Asking for events costs more time than a row does, and events are rare: so ask for a minute at once.
    const aheadUs = nowUs + LOOK_AHEAD_US;
    if (scenario.eventsBetween(nowUs, aheadUs).length === 0) quietUntilUs = aheadUs;
  };
  const rows = new Map<SampledLane, LaneRow>();
  const rowOf = (lane: SampledLane): LaneRow => {
    let row = rows.get(lane);
    if (row === undefined) {
      const reader = scenario.readerOf(lane.fields.map((field) => field.id));
      const lastUs = new Float64Array(devices.length).fill(NaN);
      row = { reader, values: new Float64Array(lane.fields.length), lastUs };
      rows.set(lane, row);
    }
    return row;
  };
  /** Says once of each field that no synthetic device has it. */
  const tellMissing = (fields: readonly Field[], nowUs: number): void => {
    for (const field of fields) {
      if (blankFieldIds.has(field.id)) continue;
      blankFieldIds.add(field.id);
      for (const [device, { uuid, node, parentUuid }] of devices.entries()) {
        if (parentUuid !== undefined && !isOfInstances(field)) continue;
        if (!scenario.lacks(device, field.id)) continue;
        const text = 'This synthetic device does not have the field (not supported).';
        const event = { tsUs: nowUs, node, gpu: uuid, code: field.id, subject: field.column, text };
        onEvent({ ...event, kind: 'blank_begin' });
      }
    }
  };

  return {
    name: 'synthetic',
    devices,
    sample(lane: SampledLane, tick: TickWriter, nowUs: number): void {
      tellEvents(nowUs);
      if (!seenLanes.has(lane.index)) {
        seenLanes.add(lane.index);
        tellMissing(lane.fields, nowUs);
      }
      const { reader, values, lastUs } = rowOf(lane);
      const intervalUs = lane.intervalMs * 1000;
      for (let device = 0; device < devices.length; device += 1) {
        if (!scenario.answers(device, nowUs)) continue;
        tick.setRow(device, nowUs);
        // The first row and one after a gap speak for the lane's interval.
        reader.read(device, nowUs, dtOf(nowUs - lastUs[device]!, intervalUs) || intervalUs, values);
        lastUs[device] = nowUs;
        for (let column = 0; column < values.length; column += 1) tick.set(device, column, values[column]!);
      }
    },
    close(): void {
      seenLanes.clear();
      rows.clear();
    },
  };
}
