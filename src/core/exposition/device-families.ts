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
export interface NewestOfLane {
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
  /** An engine tells an XID once, and dcgm-exporter goes on printing it. */
  readonly lastXid: (gpu: string) => number | undefined;
}

/** Older than so many intervals of its lane, a sample says nothing of now; as of dt, a gap is longer than that. */
export const STALE_INTERVALS = 2.5;

/** The families of a counters file: of each device the newest sample of each, with the jobs whose it was at that sample. */
export function deviceFamilies(asked: DeviceExposition): Family[] {
  const labelled = labelledDevices(asked);
  const lanes = asked.lanes.map(findable);
  return asked.counters.map(({ name, type, help, field }) => ({
    ...{ name, type, help },
    series: labelled.flatMap((one) => seriesOf(one, field, lanes, asked)),
  }));
}

export interface LabelledDevice {
  readonly device: Device;
  /** Of all its series, in their order. */
  readonly labels: readonly ExpositionLabel[];
  /** These and others, which stand among those of the counters file. */
  readonly labelsWith: (others: readonly ExpositionLabel[]) => readonly ExpositionLabel[];
  /** These and its job, once for each whose it was at a moment; of one moment the same arrays, which are written once. */
  readonly ofJobsAt: (tsUs: number) => readonly (readonly ExpositionLabel[])[];
}

export function labelledDevices(asked: DeviceExposition): readonly LabelledDevice[] {
  return asked.devices.map((device) => labelledDevice(device, asked));
}

function labelledDevice(
  device: Device,
  { labels: asLabels, style, lanes, ownersAt }: DeviceExposition,
): LabelledDevice {
  const all = lanes.flatMap(({ devices }) => devices);
  const parent = all.find(({ uuid }) => uuid === device.parentUuid);
  const told = asLabels.flatMap(({ name, fieldId }): ExpositionLabel[] => {
    // What an instance does not say of itself, its GPU says.
    const value = labelValue(device, fieldId) ?? (parent && labelValue(parent, fieldId));
    return value === undefined ? [] : [[name, value]];
  });
  const own = deviceLabels(device, parent, style);
  const labelsWith: LabelledDevice['labelsWith'] = (others) => [...own, ...[...told, ...others].sort(byName)];
  const labels = labelsWith([]);
  const known = new Map<number, readonly (readonly ExpositionLabel[])[]>();
  const ofJobsAt = (tsUs: number): readonly (readonly ExpositionLabel[])[] => {
    let ofJobs = known.get(tsUs);
    if (ofJobs === undefined) {
      const owners = ownersAt(device.uuid, tsUs);
      ofJobs =
        owners.length === 0 ? [labels] : owners.map(({ jobId }) => [...labels, ['hpc_job', jobId] as const]);
      known.set(tsUs, ofJobs);
    }
    return ofJobs;
  };
  return { device, labels, labelsWith, ofJobsAt };
}

function byName([a]: ExpositionLabel, [b]: ExpositionLabel): number {
  return a < b ? -1 : Number(a > b);
}

function seriesOf(
  { device, labels, ofJobsAt }: LabelledDevice,
  field: Field,
  lanes: readonly FindableLane[],
  { nowUs, style, lastXid }: DeviceExposition,
): Series[] {
  const isXid = field.id === XID_FIELD_ID;
  const newest = newestRow(lanes, ownerOf(device, field), field, nowUs);
  if (newest === undefined) return [];
  const value = isXid && Number.isNaN(newest.value) ? (lastXid(device.uuid) ?? NaN) : newest.value;
  if (Number.isNaN(value)) return [];
  const number = sampleNumber(value, field, style.compat);
  const ofJobs = ofJobsAt(newest.tsUs);
  if (!isXid) return ofJobs.map((all) => ({ labels: all, number }));
  const error: ExpositionLabel[] = [
    ['err_code', String(value)],
    ['err_msg', xidText(value)],
  ];
  return ofJobs.map((all) => ({ labels: all.toSpliced(labels.length, 0, ...error), number }));
}

/** A lane in which a series is found without a search. */
export interface FindableLane {
  readonly lane: NewestOfLane;
  /** By field id, the place of its value behind the time of a row. */
  readonly columns: ReadonlyMap<number, number>;
  /** By UUID, where its row begins. */
  readonly bases: ReadonlyMap<string, number>;
}

export function findable(lane: NewestOfLane): FindableLane {
  const { fields, devices } = lane;
  return {
    lane,
    columns: new Map(fields.map(({ id }, column) => [id, 1 + column])),
    bases: new Map(devices.map(({ uuid }, device) => [uuid, device * (1 + fields.length)])),
  };
}

/** What an instance does not have by itself, its GPU has. @returns undefined where nothing is known of now */
export function newestSample(
  device: Device,
  field: Field,
  lanes: readonly FindableLane[],
  nowUs: number,
): NewestSample | undefined {
  const newest = newestRow(lanes, ownerOf(device, field), field, nowUs);
  return newest === undefined || Number.isNaN(newest.value) ? undefined : newest;
}

/** The time of the newest row of now that could have the field, whether or not it has; undefined where there is none. */
export function freshRowUs(
  device: Device,
  field: Field,
  lanes: readonly FindableLane[],
  nowUs: number,
): number | undefined {
  return newestRow(lanes, ownerOf(device, field), field, nowUs)?.tsUs;
}

/** What an instance does not have by itself, its GPU has: UUID. */
export function ownerOf(device: Device, field: Field): string {
  return isInstance(device) && !isOfInstances(field) ? (device.parentUuid ?? '') : device.uuid;
}

interface NewestSample {
  readonly tsUs: number;
  /** In base units. */
  readonly value: number;
}

/** Of the lanes that have the field the newest row, whose value may be NaN; undefined where that is old. */
function newestRow(
  lanes: readonly FindableLane[],
  gpu: string,
  { id }: Field,
  nowUs: number,
): NewestSample | undefined {
  let newest: NewestSample | undefined;
  for (const { lane, columns, bases } of lanes) {
    const column = columns.get(id);
    const base = bases.get(gpu);
    if (column === undefined || base === undefined) continue;
    const tsUs = lane.rows[base]!;
    // A clock that was set back leaves rows of the future: they are no newer.
    const isFresh = Math.abs(nowUs - tsUs) <= lane.staleAfterUs;
    if (!isFresh || (newest !== undefined && newest.tsUs >= tsUs)) continue;
    newest = { tsUs, value: lane.rows[base + column]! };
  }
  return newest;
}
