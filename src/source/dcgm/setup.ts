import type { Dcgm, DcgmHandle } from '../../../native/dcgm.ts';
import { dcgmStatus } from '../../../native/dcgm-layout.ts';
import type { BlankWatch } from '../../core/sampling/blank-watch.ts';
import { isOfInstances } from '../../core/fields/lane.ts';
import { sampleState } from '../../core/sampling/sample-state.ts';
import type { SampleState } from '../../core/sampling/sample-state.ts';
import type { EventSink, SampledLane } from '../../core/sampling/source.ts';
import type { DcgmDevice } from './devices.ts';
import { createLatestReader } from './reader.ts';
import type { Session } from './session.ts';

/** What every route of the source `dcgm` has in hand when it opens. */
export interface DcgmSetup {
  readonly dcgm: Dcgm;
  readonly node: string;
  /** The devices that are sampled, in the order of the ring's rows. */
  readonly devices: readonly DcgmDevice[];
  /** Every GPU of the node. */
  readonly gpus: readonly DcgmDevice[];
  readonly lanes: readonly SampledLane[];
  readonly onEvent: EventSink;
  readonly pauseDir: string | undefined;
  /** Epoch µs at which the source was opened. */
  readonly openedUs: number;
}

/** The newest values of one lane's devices and fields: position = device × fields + field. */
export interface LaneReader {
  readonly deviceCount: number;
  readonly tsUs: Float64Array;
  /** As DCGM delivers them; NaN for a blank. */
  readonly values: Float64Array;
  readonly states: SampleState[];
  /** For the reader's owner: the stamps of the reading before. */
  readonly lastUs: Float64Array;
  /** @returns dcgmReturn_t; the arrays are as before unless it is 0. */
  read(handle: DcgmHandle): number;
}

/** @param recordsMax most records that one call may ask for; over TCP, `TCP_RECORDS_MAX`. */
export function laneReaderOf(
  setup: Pick<DcgmSetup, 'dcgm' | 'devices'>,
  session: Session,
  lane: SampledLane,
  recordsMax = Infinity,
): LaneReader {
  const { dcgm, devices } = setup;
  const parts = [false, true].flatMap((areInstances) => {
    const members = [...devices.keys()].filter(
      (index) => (devices[index]!.device.parentUuid !== undefined) === areInstances,
    );
    const columns = [...lane.fields.keys()].filter((k) => {
      const field = lane.fields[k]!;
      return !session.refused.has(field.id) && (!areInstances || isOfInstances(field));
    });
    if (members.length === 0 || columns.length === 0) return [];
    const entities = members.map((index) => devices[index]!.entity);
    const fieldIds = columns.map((k) => lane.fields[k]!.id);
    return [{ members, columns, latest: createLatestReader(dcgm, entities, fieldIds, recordsMax) }];
  });
  const rowLength = lane.fields.length;
  const size = devices.length * rowLength;
  const tsUs = new Float64Array(size);
  const values = new Float64Array(size).fill(NaN);
  const states = new Array<SampleState>(size).fill(sampleState.missing);
  return {
    deviceCount: devices.length,
    tsUs,
    values,
    states,
    lastUs: new Float64Array(size),
    read(handle) {
      for (const { members, columns, latest } of parts) {
        const status = latest.read(handle, (member, field, record) => {
          const at = members[member]! * rowLength + columns[field]!;
          tsUs[at] = record.tsUs;
          values[at] = record.value;
          states[at] = record.state;
        });
        if (status !== dcgmStatus.OK) return status;
      }
      return dcgmStatus.OK;
    },
  };
}

/** Fields that are not watched at all are blank from the first moment on, and said so once a device. */
export function noteRefused(setup: DcgmSetup, session: Session, blanks: BlankWatch): void {
  const fields = new Map(setup.lanes.flatMap((lane) => lane.fields).map((field) => [field.id, field]));
  for (const [id, status] of session.refused) {
    const field = fields.get(id);
    if (field === undefined) continue;
    const isForbidden = status === dcgmStatus.REQUIRES_ROOT || status === dcgmStatus.NO_PERMISSION;
    const state = isForbidden ? sampleState.notPermitted : sampleState.notSupported;
    for (const [device, { device: each }] of setup.devices.entries()) {
      if (each.parentUuid !== undefined && !isOfInstances(field)) continue;
      // Twice: one blank alone makes no event.
      blanks.note(device, field, state, setup.openedUs);
      blanks.note(device, field, state, setup.openedUs);
    }
  }
}

/**
 * NVLink bandwidths that DCGM works out from a counter of its own: the first record after a watch has no counter before it,
 * and is a 0 that nobody measured.
 */
const MADE_UP_FIRST: readonly (readonly [from: number, to: number])[] = [
  [440, 449],
  [475, 480],
  [494, 496],
  [825, 843],
  [879, 897],
];

/** Whether the first record of a series after a watch, with this value, was made up. */
export function isMadeUpFirst(fieldId: number, value: number): boolean {
  return value === 0 && MADE_UP_FIRST.some(([from, to]) => fieldId >= from && fieldId <= to);
}
