import { dcgmStatus } from '../../../native/dcgm-layout.ts';
import { dcgmError, loadDcgm } from '../../../native/dcgm.ts';
import type { Dcgm, DcgmHandle, DcgmVersion } from '../../../native/dcgm.ts';
import { NVML_FIELDS } from '../../../native/nvml-tables.ts';
import { BlankWatch } from '../../core/sampling/blank-watch.ts';
import type { Device } from '../../core/devices/device.ts';
import { parseDeviceSelector, selectDevices } from '../../core/devices/device-selector.ts';
import { OperatingError } from '../../core/base/errors.ts';
import type { GpuEvent } from '../../core/sampling/event.ts';
import { energyColumnOf } from '../../core/fields/lane.ts';
import { PulledRows } from '../../core/ring/pulled-rows.ts';
import type { RowBefore } from '../../core/ring/row-carry.ts';
import { AHEAD_US_MAX } from '../../core/sampling/series-to-ticks.ts';
import type { SampledLane } from '../../core/sampling/source.ts';
import { createTickCheck } from '../../core/sampling/checked-source.ts';
import { planWatches, watchIntervalMs } from '../../core/sampling/watch-plan.ts';
import { listDcgmDevices } from './devices.ts';
import type { DcgmDevice } from './devices.ts';
import { gatherKeptEvents, type ThrottleBefore } from './kept-events.ts';
import { createLaneJoin, type LaneJoin } from './lane-join.ts';
import { parseEngineAddress } from './engine-address.ts';
import { createPuller, PULL_OVERLAP_US } from './pull.ts';
import { describeRefusals, openSession } from './session.ts';

/** What is asked of every engine of a drain. */
interface KeptOrder {
  readonly lanes: readonly SampledLane[];
  /** How long the engine is to keep what it samples. */
  readonly keepS: number;
  /** `f`, `g[:list]`, `i[:list]`; absent: `f`. */
  readonly devices?: string;
}

/** What one lane of an engine had. */
export interface KeptLane {
  /** Rows after the watermarks, oldest first, all of them final. */
  readonly rows: PulledRows;
  readonly gaps: readonly GpuEvent[];
  /** Values of these rows, and of such as had no other, that could not be true and became NULL. */
  readonly implausibleValues: number;
  /** Samples that fitted no row. */
  readonly unmatched: number;
}

interface PullOrder {
  /** Per lane, by device UUID, the newest stored row. */
  readonly before: readonly ReadonlyMap<string, RowBefore>[];
  /** Where a device begins that has none, epoch µs; 0: with all that is kept. */
  readonly sinceUs: number;
  /** From when events are new. */
  readonly eventsSinceUs: number;
  readonly throttled: readonly ThrottleBefore[];
}

interface KeptPull {
  /** In the order of the lanes. */
  readonly lanes: readonly KeptLane[];
  /** XIDs, throttle edges, ECC and remap steps, values that cannot be. */
  readonly events: readonly GpuEvent[];
}

/** A host engine with what it kept. Every function blocks. */
export interface KeptSamples {
  readonly devices: readonly Device[];
  readonly engineVersion: string;
  /** The engine's clock when it was asked, epoch µs. */
  readonly engineNowUs: number;
  /** The engine's clock less ours. */
  readonly clockOffsetUs: number;
  /** What the engine would not watch, and blanks with their reasons: sentences. */
  warnings(): readonly string[];
  /** Fetches everything that the engine kept after the watermarks: every series once, for all lanes and for the events. */
  pull(order: PullOrder): KeptPull;
  close(): void;
}

/** Opens engines one after the other; the library is loaded once. */
export interface KeptSource {
  /** @throws OperatingError when the engine is not there, has no GPU, or refuses to watch. */
  open(engine: string, node: string, order: KeptOrder, onStep: (step: string) => void): KeptSamples;
}

/** One name on every engine, so that the watches of the last drain are found again, wherever that ran. */
const GROUP_NAME = 'gpuledger-drain';
/** Long enough for an engine far away; one that is stopped does not heed it and blocks for two minutes. */
const CONNECT_TIMEOUT_MS = 1_000;
const NVML_STAMPED: ReadonlySet<number> = new Set(NVML_FIELDS.map(([dcgmId]) => dcgmId));

/** @throws OperatingError (exit 69) without libdcgm. */
export function openKeptSource(library: string | undefined): KeptSource {
  const dcgm = loadDcgm(library);
  return {
    open: (engine, node, order, onStep) => openKept(dcgm, engine, node, order, onStep),
  };
}

function openKept(
  dcgm: Dcgm,
  engine: string,
  node: string,
  order: KeptOrder,
  onStep: (step: string) => void,
): KeptSamples {
  planWatches(order.lanes);
  const listed = listOn(dcgm, engine, node, onStep);
  onStep('watch');
  // Persistent: what is watched goes on being sampled and kept when we are gone.
  const handle = connect(dcgm, engine, true);
  try {
    return readKept(dcgm, handle, engine, listed, order, onStep);
  } catch (thrown) {
    dcgm.disconnect(handle);
    throw thrown;
  }
}

interface Listed {
  readonly all: readonly DcgmDevice[];
  readonly version: DcgmVersion | undefined;
  readonly engineNowUs: number;
  readonly clockOffsetUs: number;
}

/**
 * Lists the devices over a connection of its own: that watches and unwatches identity fields, and all persistent
 * connections are one watcher, so it would end the watch of a lane that has such a field.
 */
function listOn(dcgm: Dcgm, engine: string, node: string, onStep: (step: string) => void): Listed {
  onStep('connect');
  const handle = connect(dcgm, engine, false);
  try {
    const version = dcgm.engineVersion(handle);
    if (version !== undefined && version.major !== 0 && version.major !== dcgm.version.major) {
      throw otherMajor(engine, version.text, dcgm.version.text);
    }
    onStep('list devices');
    const toldUs = dcgm.since.engineNowUs;
    const all = listDcgmDevices(dcgm, handle, node, engine);
    const nowUs = Date.now() * 1000;
    // Listing reads identity fields by time, and that read tells the engine's clock; where it did not, ours must do.
    const engineNowUs = dcgm.since.engineNowUs === toldUs ? nowUs : dcgm.since.engineNowUs;
    return { all, version, engineNowUs, clockOffsetUs: engineNowUs - nowUs };
  } finally {
    dcgm.disconnect(handle);
  }
}

/** @throws OperatingError (exit 75) */
function connect(dcgm: Dcgm, engine: string, isPersistent: boolean): DcgmHandle {
  const options = { timeoutMs: CONNECT_TIMEOUT_MS, isPersistent };
  const { status, handle } = dcgm.connect(parseEngineAddress(engine), options);
  if (status !== dcgmStatus.OK) throw dcgmError('dcgmConnect', status, engine);
  return handle;
}

function readKept(
  dcgm: Dcgm,
  handle: DcgmHandle,
  engine: string,
  { all, version, engineNowUs, clockOffsetUs }: Listed,
  order: KeptOrder,
  onStep: (step: string) => void,
): KeptSamples {
  const { selected } = selectDevices(parseDeviceSelector(order.devices ?? 'f'), all);
  if (selected.length === 0) throw noDevice(engine);
  const { lanes, keepS } = order;
  const plan = { devices: selected, lanes, keepS, isTicked: false, name: GROUP_NAME, where: engine };
  const session = openSession(dcgm, handle, plan);
  const devices = selected.map(({ device }) => device);
  const blank = new Map<string, string>();
  const blanks = new BlankWatch(devices, ({ kind, text }) => {
    if (kind === 'blank_begin') blank.set(text, text);
    else if (kind === 'blank_end') blank.delete(text.replace('no longer ', ''));
  });
  const isTcp = !parseEngineAddress(engine).isUnixSocket;

  return {
    devices,
    engineVersion: version?.text ?? '?',
    engineNowUs,
    clockOffsetUs,
    warnings: () => [...describeRefusals(session.refused), ...blank.values()],
    pull({ before, sinceUs, eventsSinceUs, throttled }) {
      const starts = before.map((rows) => devices.map(({ uuid }) => startOf(rows.get(uuid), engineNowUs)));
      const gaps = lanes.map((): GpuEvent[] => []);
      const joins = lanes.map((lane, index) =>
        createLaneJoin({
          lane,
          devices,
          watchIntervalMs: watchIntervalMs(lane, lanes),
          isPolled: false,
          nvmlStamped: NVML_STAMPED,
          blanks,
          onEvent: (event) => gaps[index]!.push(event),
        }),
      );
      const implausible: GpuEvent[] = [];
      const tellImplausible = (event: GpuEvent): void => {
        implausible.push(event);
      };
      const gathered = gatherKeptEvents(all, eventsSinceUs, throttled);
      const puller = createPuller({ dcgm, devices: selected }, joins, isTcp, gathered.add);
      for (const watch of session.watches) {
        const wanting = lanes.filter(({ fields }) => fields.some(({ id }) => watch.fieldIds.includes(id)));
        const marks = wanting.flatMap(({ index }) => starts[index]!.map((start) => start?.tsUs ?? sinceUs));
        const fromUs = Math.max(
          0,
          Math.min(...marks.map((us) => us - PULL_OVERLAP_US), gathered.fromUs(watch) ?? Infinity),
        );
        onStep(`pull ${watch.fieldIds.length} fields of ${watch.entities.length} devices`);
        const status = puller.pull({ ...session, watches: [watch] }, fromUs, engineNowUs);
        if (status !== dcgmStatus.OK && status !== dcgmStatus.NOT_WATCHED)
          throw dcgmError('dcgmGetValuesSince', status, engine);
      }
      return {
        lanes: lanes.map((lane, index) => ({
          ...rowsOf(
            lane,
            joins[index]!,
            starts[index]!,
            sinceUs,
            engineNowUs,
            createTickCheck(lane, devices, tellImplausible),
          ),
          gaps: gaps[index]!,
          unmatched: joins[index]!.join.counts.unmatched,
        })),
        events: [...gathered.events(), ...implausible],
      };
    },
    close() {
      dcgm.disconnect(handle);
    },
  };
}

/** The final rows after those that are stored. */
function rowsOf(
  lane: SampledLane,
  { join }: LaneJoin,
  starts: readonly (RowBefore | undefined)[],
  sinceUs: number,
  engineNowUs: number,
  check: ReturnType<typeof createTickCheck>,
): Pick<KeptLane, 'rows' | 'implausibleValues'> {
  const rows = new PulledRows({
    deviceCount: starts.length,
    columnCount: lane.fields.length,
    intervalUs: lane.intervalMs * 1000,
    energyColumn: energyColumnOf(lane),
  });
  for (const [device, start] of starts.entries()) {
    if (start !== undefined) {
      join.resumeAfter(device, start.tsUs);
      rows.continueFrom(device, start);
    } else if (sinceUs > 0) {
      // Nothing is stored, and no more is wanted than this.
      join.skipTo(device, sinceUs);
    }
  }
  const checked = check(rows);
  join.emit(engineNowUs, checked);
  checked.end();
  rows.finish();
  return { rows, implausibleValues: checked.takeCount() };
}

/** A stored row from the engine's future is of a clock that was set back since: what comes now begins anew. */
function startOf(before: RowBefore | undefined, engineNowUs: number): RowBefore | undefined {
  if (before === undefined || before.tsUs <= engineNowUs + AHEAD_US_MAX) return before;
  return { tsUs: engineNowUs - PULL_OVERLAP_US, energyJoules: NaN, energyTsUs: NaN, seenUs: NaN };
}

function noDevice(engine: string): OperatingError {
  return new OperatingError('the engine has no GPU that is selected', {
    code: 'source.no_device',
    exit: 'unavailable',
    where: engine,
    hints: ['see what it has: gpuledger devices -r HOST', 'is the NVIDIA driver loaded on that node?'],
  });
}

function otherMajor(engine: string, theirs: string, ours: string): OperatingError {
  return new OperatingError(`the engine is DCGM ${theirs} and the library here is ${ours}`, {
    code: 'dcgm.other_major',
    exit: 'unavailable',
    where: engine,
    hints: ['library and engine need the same major version: name another library with --dcgm-library'],
  });
}
