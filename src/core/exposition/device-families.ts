import { isInstance, type Device } from '../devices/device.ts';
import type { Field } from '../fields/field.ts';
import { isOfInstances } from '../fields/lane.ts';
import { XID_FIELD_ID } from '../fields/well-known.ts';
import { deviceLabels, labelValue, type LabelStyle } from './device-labels.ts';
import type { ExpositionLabel, Family, Series } from './family.ts';
import { sampleNumber } from './sample-number.ts';
import { xidText } from './xid-text.ts';

/** A row of the counters file that makes series. */
export interface ServedCounter {
  /** As the file spells it. */
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly field: Field;
}

/** A row that makes a label of all series of a device. */
export interface ServedLabel {
  readonly name: string;
  readonly fieldId: number;
}

/** What a lane's devices said last. */
interface NewestOfLane {
  readonly fields: readonly Field[];
  /** An older sample says nothing of now. */
  readonly staleAfterUs: number;
  readonly devices: readonly Device[];
  /** Of each device epoch µs of its newest row (NaN: none), then its values in the order of the lane's fields (NaN: blank). */
  readonly rows: Float64Array;
}

/** Whose a device was at a moment. */
export interface OwnerAt {
  readonly jobId: string;
  /** In (0, 1]. */
  readonly part: number;
}

export interface DeviceExposition {
  readonly counters: readonly ServedCounter[];
  readonly labels: readonly ServedLabel[];
  readonly style: LabelStyle;
  /** Those that have series; the values of a MIG instance that only its GPU has are taken from all `lanes`. */
  readonly devices: readonly Device[];
  readonly lanes: readonly NewestOfLane[];
  readonly nowUs: number;
  readonly ownersAt: (gpu: string, tsUs: number) => readonly OwnerAt[];
}

/** Older than so many intervals of its lane, a sample says nothing of now; as of dt, a gap is longer than that. */
export const STALE_INTERVALS = 2.5;

/** The families of a counters file: of each device the newest sample of each, with the jobs whose it was at that sample. */
export function deviceFamilies(asked: DeviceExposition): Family[] {
  const labelled = labelledDevices(asked);
  return asked.counters.map(({ name, type, help, field }) => ({
    ...{ name, type, help },
    series: labelled.flatMap((one) => seriesOf(one, field, asked)),
  }));
}

interface LabelledDevice {
  readonly device: Device;
  /** Of all its series, in their order. */
  readonly labels: readonly ExpositionLabel[];
}

export function labelledDevices(asked: DeviceExposition): readonly LabelledDevice[] {
  return asked.devices.map((device) => labelledDevice(device, asked));
}

function labelledDevice(device: Device, { labels, style, lanes }: DeviceExposition): LabelledDevice {
  const all = lanes.flatMap(({ devices }) => devices);
  const parent = all.find(({ uuid }) => uuid === device.parentUuid);
  const told = labels.flatMap(({ name, fieldId }): ExpositionLabel[] => {
    // What an instance does not say of itself, its GPU says.
    const value = labelValue(device, fieldId) ?? (parent && labelValue(parent, fieldId));
    return value === undefined ? [] : [[name, value]];
  });
  return { device, labels: [...deviceLabels(device, parent, style), ...told.sort(byName)] };
}

function byName([a]: ExpositionLabel, [b]: ExpositionLabel): number {
  return a < b ? -1 : Number(a > b);
}

function seriesOf(
  { device, labels }: LabelledDevice,
  field: Field,
  { lanes, nowUs, style, ownersAt }: DeviceExposition,
): Series[] {
  const isWhole = isInstance(device) && !isOfInstances(field);
  const newest = newestOf(lanes, isWhole ? device.parentUuid : device.uuid, field, nowUs);
  if (newest === undefined) return [];
  const number = sampleNumber(newest.value, field, style.compat);
  const error: ExpositionLabel[] =
    field.id === XID_FIELD_ID
      ? [
          ['err_code', String(newest.value)],
          ['err_msg', xidText(newest.value)],
        ]
      : [];
  const owners = ownersAt(device.uuid, newest.tsUs);
  const jobs =
    owners.length === 0 ? [[]] : owners.map(({ jobId }): ExpositionLabel[] => [['hpc_job', jobId]]);
  return jobs.map((job) => ({ labels: [...labels, ...error, ...job], number }));
}

interface NewestSample {
  readonly tsUs: number;
  /** In base units. */
  readonly value: number;
}

/** Of the lanes that have the field the newest row; undefined where that is old, or has no value. */
function newestOf(
  lanes: readonly NewestOfLane[],
  gpu: string | undefined,
  { id }: Field,
  nowUs: number,
): NewestSample | undefined {
  let newest: NewestSample | undefined;
  for (const { fields, staleAfterUs, devices, rows } of lanes) {
    const column = fields.findIndex((field) => field.id === id);
    const device = devices.findIndex(({ uuid }) => uuid === gpu);
    if (column < 0 || device < 0) continue;
    const base = device * (1 + fields.length);
    const tsUs = rows[base]!;
    // A clock that was set back leaves rows of the future: they are no newer.
    const isFresh = Math.abs(nowUs - tsUs) <= staleAfterUs;
    if (!isFresh || (newest !== undefined && newest.tsUs >= tsUs)) continue;
    newest = { tsUs, value: rows[base + 1 + column]! };
  }
  return newest === undefined || Number.isNaN(newest.value) ? undefined : newest;
}
