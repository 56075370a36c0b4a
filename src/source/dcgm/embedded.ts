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
import { createDcgmPause } from './pause.ts';
import type { DcgmSetup } from './setup.ts';
import { laneReaderOf } from './setup.ts';
import { describeRefusals, openSession } from './session.ts';
import { noteRefused } from './setup.ts';

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

export function openEmbedded(setup: DcgmSetup, handle: DcgmHandle): Source {
  const { dcgm, devices, lanes, onEvent } = setup;
  const session = openSession(dcgm, handle, {
    devices,
    lanes,
    keepS: KEEP_S,
    isTicked: true,
    name: 'gpuledger',
    where: WHERE,
  });
  const blanks = new BlankWatch(
    devices.map(({ device }) => device),
    onEvent,
  );
  noteRefused(setup, session, blanks);
  const readers = lanes.map((lane) => laneReaderOf(setup, session, lane));
  const silences = lanes.map(
    (lane) =>
      new DeviceSilence(
        devices.map(({ device }) => device),
        lane.name,
        onEvent,
      ),
  );
  const pause = createDcgmPause(setup, blanks, () => handle);
  const events = createDcgmEventReader({ ...setup, isTcp: false, sinceUs: setup.openedUs });

  return {
    name: 'dcgm',
    devices: devices.map(({ device }) => device),
    describe: () =>
      [
        `DCGM ${dcgm.version.text} embedded (${dcgm.library.path})`,
        ...describeRefusals(session.refused),
      ].join('; '),
    sample(lane, tick, nowUs) {
      const isPaused = pause.follow(nowUs);
      check(dcgm.call.updateAllFields(handle, 1), 'dcgmUpdateAllFields');
      const reader = readers[lane.index]!;
      check(reader.read(handle), 'dcgmEntitiesGetLatestValues');
      writeTick(lane, reader, tick, nowUs, { blanks, silence: silences[lane.index]!, isPaused });
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

/**
 * A row takes the stamp of the first field that has a fresh one near now. A stamp that did not change is a repeat of the
 * last tick's value and no sample of this one. NVML's own stamps may stand still in the past: they then advance by a
 * microsecond a read, and the value is of this tick.
 */
function writeTick(
  lane: SampledLane,
  reader: ReturnType<typeof laneReaderOf>,
  tick: TickWriter,
  nowUs: number,
  {
    blanks,
    silence,
    isPaused,
  }: { readonly blanks: BlankWatch; readonly silence: DeviceSilence; readonly isPaused: boolean },
): void {
  const { fields } = lane;
  for (let device = 0; device < reader.deviceCount; device += 1) {
    const base = device * fields.length;
    let rowUs = NaN;
    let hasFresh = false;
    for (let k = 0; k < fields.length; k += 1) {
      const tsUs = reader.tsUs[base + k]!;
      if (reader.states[base + k] === sampleState.missing || tsUs === reader.lastUs[base + k]) continue;
      hasFresh = true;
      if (Number.isNaN(rowUs) && Math.abs(tsUs - nowUs) <= AHEAD_US_MAX) rowUs = tsUs;
    }
    if (!hasFresh) {
      silence.missed(device);
      continue;
    }
    if (Number.isNaN(rowUs)) rowUs = nowUs;
    tick.setRow(device, rowUs);
    silence.answered(device, rowUs);
    for (let k = 0; k < fields.length; k += 1) {
      const at = base + k;
      const isFresh = reader.states[at] !== sampleState.missing && reader.tsUs[at] !== reader.lastUs[at];
      reader.lastUs[at] = reader.tsUs[at]!;
      const field = fields[k]!;
      const isHeld = isPaused && field.isProfiling;
      tick.set(device, k, isFresh && !isHeld ? reader.values[at]! * field.scale : NaN);
      if (isFresh && !isHeld) blanks.note(device, field, reader.states[at]!, rowUs);
    }
  }
}
