import { dcgmStatus } from '../../../native/dcgm-layout.ts';
import { dcgmError } from '../../../native/dcgm.ts';
import type { Dcgm, DcgmHandle } from '../../../native/dcgm.ts';
import { BlankWatch } from '../../core/sampling/blank-watch.ts';
import { DeviceSilence } from '../../core/sampling/device-silence.ts';
import { AHEAD_US_MAX } from '../../core/sampling/series-to-ticks.ts';
import { sampleState } from '../../core/sampling/sample-state.ts';
import type { SampledLane, Source } from '../../core/sampling/source.ts';
import type { TickWriter } from '../../core/ring/ring.ts';
import { createDcgmEventReader } from './events.ts';
import { frozenTeller } from './lane-join.ts';
import { createDcgmPause } from './pause.ts';
import type { DcgmSetup } from './setup.ts';
import { laneReaderOf, type LaneReader } from './setup.ts';
import { describeRefusals, openSession } from './session.ts';
import { isMadeUpFirst, noteRefused } from './setup.ts';

/** Longest that the embedded engine keeps a sample: only the newest is ever read. */
const KEEP_S = 30;
const WHERE = 'the engine embedded in this process';

/**
 * Starts the engine inside this process, with its clock switched off: the tick is the sample. All series of a tick carry
 * stamps within a few milliseconds, none repeats, and no second thread competes for the counters.
 */
export function startEmbeddedEngine(dcgm: Dcgm): DcgmHandle {
  const { status, handle } = dcgm.startEmbedded(true);
  if (status !== dcgmStatus.OK) {
    throw dcgmError('dcgmStartEmbedded', status, dcgm.library.path, [
      'or share a running engine: -r localhost',
    ]);
  }
  return handle;
}

/** What the clock is adjusted by all the time is less. */
const SET_BACK_US_MIN = 50_000;

export function openEmbedded(setup: DcgmSetup, handle: DcgmHandle): Source {
  const { dcgm, devices, lanes, onEvent } = setup;
  const plan = { devices, lanes, keepS: KEEP_S, isTicked: true, name: 'gpuledger', where: WHERE };
  let session = openSession(dcgm, handle, plan);
  let sampledUs = -Infinity;
  /** A series is due again when the clock comes to a time: after it was set back by an hour, that would be in an hour. */
  const watchAnew = (): void => {
    for (const { group, fieldGroup } of session.watches) dcgm.call.unwatchFields(handle, group, fieldGroup);
    session = openSession(dcgm, handle, plan);
  };
  const blanks = new BlankWatch(
    devices.map(({ device }) => device),
    onEvent,
  );
  noteRefused(setup, session, blanks);
  const readers = lanes.map((lane) => laneReaderOf(setup, session, lane));
  const listed = devices.map(({ device }) => device);
  const notes = lanes.map((lane) => ({
    silence: new DeviceSilence(listed, lane.name, onEvent),
    tellFrozen: frozenTeller(lane, listed, onEvent),
  }));
  const pause = createDcgmPause(setup, blanks, () => handle);
  const events = createDcgmEventReader({ ...setup, isTcp: false, sinceUs: setup.openedUs });

  return {
    name: 'dcgm',
    devices: listed,
    describe: () =>
      [
        `DCGM ${dcgm.version.text} embedded (${dcgm.library.path})`,
        ...describeRefusals(session.refused),
      ].join('; '),
    sample(lane, tick, nowUs) {
      if (nowUs < sampledUs - SET_BACK_US_MIN) watchAnew();
      sampledUs = nowUs;
      const isPaused = pause.follow(nowUs);
      check(dcgm.call.updateAllFields(handle, 1), 'dcgmUpdateAllFields');
      const reader = readers[lane.index]!;
      check(reader.read(handle), 'dcgmEntitiesGetLatestValues');
      const { silence, tellFrozen } = notes[lane.index]!;
      writeTick(lane, reader, tick, nowUs, { blanks, silence, tellFrozen, isPaused });
      check(events.read(session, nowUs), 'dcgmEntitiesGetLatestValues');
    },
    close() {
      pause.release();
      dcgm.stopEmbedded(handle);
      dcgm.shutdown();
      dcgm.since.close();
    },
  };
}

function check(status: number, call: string): void {
  if (status !== dcgmStatus.OK) throw dcgmError(call, status, WHERE);
}

interface TickNotes {
  /** Told how many series bear stamps that stand still. */
  readonly tellFrozen: (count: number, nowUs: number) => void;
  readonly blanks: BlankWatch;
  readonly silence: DeviceSilence;
  readonly isPaused: boolean;
}

/** Writes what a tick has read, one row a device that answered. */
function writeTick(
  lane: SampledLane,
  reader: LaneReader,
  tick: TickWriter,
  nowUs: number,
  notes: TickNotes,
): void {
  // While a pause is told, a lane of profiling fields alone has rows without a value: the device does answer.
  const isBlankRow = notes.isPaused && lane.fields.every(({ isProfiling }) => isProfiling);
  let frozenCount = 0;
  for (let device = 0; device < reader.deviceCount; device += 1) {
    const rowUs = rowStamp(lane, reader, device, nowUs);
    if (Number.isNaN(rowUs) || (!isBlankRow && !hasValue(lane, reader, device))) {
      // Fresh stamps on nothing but blanks are what an engine gives of a GPU that is lost.
      if (!notes.silence.hasAnswered(device)) noteBlanks(lane, reader, device, rowUs, notes.blanks);
      reader.lastUs.set(
        reader.tsUs.subarray(device * lane.fields.length, (device + 1) * lane.fields.length),
        device * lane.fields.length,
      );
      notes.silence.missed(device);
      continue;
    }
    tick.setRow(device, rowUs);
    notes.silence.answered(device, rowUs);
    frozenCount += writeValues(lane, reader, tick, device, rowUs, notes);
  }
  if (frozenCount > 0) notes.tellFrozen(frozenCount, nowUs);
}

/** A stamp that did not change is a repeat of the last tick's value and no sample of this one. */
function isFreshAt(reader: LaneReader, at: number): boolean {
  return reader.states[at] !== sampleState.missing && reader.tsUs[at] !== reader.lastUs[at];
}

/**
 * The stamp of the first field that has a fresh one near now, preferably one of this pass. NVML's own stamps may stand still
 * in the past: they then advance by a microsecond a read, and the value is of this tick. NaN when nothing is fresh.
 */
function rowStamp(lane: SampledLane, reader: LaneReader, device: number, nowUs: number): number {
  const base = device * lane.fields.length;
  const halfUs = (lane.intervalMs * 1000) / 2;
  let rowUs = NaN;
  for (let at = base; at < base + lane.fields.length; at += 1) {
    if (!isFreshAt(reader, at)) continue;
    const tsUs = reader.tsUs[at]!;
    if (Math.abs(tsUs - nowUs) <= halfUs) return tsUs;
    if (Number.isNaN(rowUs)) rowUs = nowUs;
    if (rowUs === nowUs && Math.abs(tsUs - nowUs) <= AHEAD_US_MAX) rowUs = tsUs;
  }
  return rowUs;
}

function hasValue(lane: SampledLane, reader: LaneReader, device: number): boolean {
  const base = device * lane.fields.length;
  for (let at = base; at < base + lane.fields.length; at += 1) {
    if (isFreshAt(reader, at) && !Number.isNaN(reader.values[at]!)) return true;
  }
  return false;
}

/** Of a device without any row yet: no gap can tell of it. */
function noteBlanks(
  { fields }: SampledLane,
  reader: LaneReader,
  device: number,
  rowUs: number,
  blanks: BlankWatch,
): void {
  for (const [k, field] of fields.entries()) {
    const at = device * fields.length + k;
    if (isFreshAt(reader, at)) blanks.note(device, field, reader.states[at]!, rowUs);
  }
}

/**
 * A sample that another lane's pass took belongs to this row if it is no older than half an interval, and to no second one.
 * @returns how many stamps stand still in the past
 */
function writeValues(
  { fields, intervalMs }: SampledLane,
  reader: LaneReader,
  tick: TickWriter,
  device: number,
  rowUs: number,
  { blanks, isPaused }: TickNotes,
): number {
  let frozenCount = 0;
  const oldestUs = rowUs - (intervalMs * 1000) / 2;
  for (let k = 0; k < fields.length; k += 1) {
    const at = device * fields.length + k;
    const tsUs = reader.tsUs[at]!;
    const isFrozen = tsUs < rowUs - AHEAD_US_MAX;
    const isFresh = isFreshAt(reader, at) && (tsUs >= oldestUs || isFrozen);
    if (isFresh && isFrozen) frozenCount += 1;
    const field = fields[k]!;
    const isMadeUp = reader.lastUs[at] === 0 && isMadeUpFirst(field.id, reader.values[at]!);
    reader.lastUs[at] = tsUs;
    const isHeld = (isPaused && field.isProfiling) || isMadeUp;
    tick.set(device, k, isFresh && !isHeld ? reader.values[at]! * field.scale : NaN);
    if (isFresh && !isHeld) blanks.note(device, field, reader.states[at]!, rowUs);
  }
  return frozenCount;
}
