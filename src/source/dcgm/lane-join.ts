import type { DcgmRecord } from '../../../native/dcgm-record.ts';
import type { BlankWatch } from '../../core/sampling/blank-watch.ts';
import type { Device } from '../../core/devices/device.ts';
import { sampleState } from '../../core/sampling/sample-state.ts';
import type { SampleState } from '../../core/sampling/sample-state.ts';
import { SeriesJoin } from '../../core/sampling/series-to-ticks.ts';
import type { EventSink, SampledLane } from '../../core/sampling/source.ts';
import { isMadeUpFirst, type LaneReader } from './setup.ts';
import { isStaleStamp, LaneStamps } from './series/stamps.ts';

/** What each series of a lane gave since the last `clear`: position = device × fields + field. */
interface SeriesTally {
  readonly accepted: Uint32Array;
  /** How many of these were blank. */
  readonly blanks: Uint32Array;
  clear(): void;
}

/** One lane of an engine: its series on their way to rows. */
export interface LaneJoin {
  readonly lane: SampledLane;
  readonly join: SeriesJoin;
  readonly stamps: LaneStamps;
  readonly tally: SeriesTally;
  /** The series were watched anew: some begin with a value that nobody measured. */
  beginWatch(): void;
  /** Takes a reading of newest values, but for those of series that wait for what was kept before it. */
  addReading(reader: LaneReader, engineNowUs: number, isWaiting?: (at: number) => boolean): void;
  /** Takes one kept sample. */
  addRecord(device: number, column: number, record: DcgmRecord, engineNowUs: number): void;
  /** Whether all series that deliver live by stamps that stand still. */
  readonly areAllFrozen: boolean;
}

export function createLaneJoin(options: {
  readonly lane: SampledLane;
  readonly devices: readonly Device[];
  /** Smallest interval at which the lane's fields are watched. */
  readonly watchIntervalMs: number;
  /** Polled lanes that take every n-th sample are read once an interval, and meet the stamp within one watch interval. */
  readonly isPolled: boolean;
  /** Fields whose stamps are NVML's own: they make poor anchors. */
  readonly nvmlStamped: ReadonlySet<number>;
  readonly blanks: BlankWatch;
  readonly onEvent: EventSink;
}): LaneJoin {
  const { lane, devices, blanks } = options;
  const { fields } = lane;
  const intervalUs = lane.intervalMs * 1000;
  const slackUs = options.watchIntervalMs * 1000 * (options.isPolled ? 1.5 : 0.5);
  const positions = [...fields.keys()];
  const isSteady = (k: number): boolean => !options.nvmlStamped.has(fields[k]!.id);
  const isAllProfiling = fields.every(({ isProfiling }) => isProfiling);
  const join = new SeriesJoin(
    {
      deviceCount: devices.length,
      fieldCount: fields.length,
      intervalUs,
      minSpacingUs: Math.max(intervalUs / 2, intervalUs - slackUs),
      anchorOrder: [...positions.filter(isSteady), ...positions.filter((k) => !isSteady(k))],
    },
    {
      onGap(device, fromUs, toUs) {
        options.onEvent(gapEvent(lane, devices[device]!, fromUs, toUs));
      },
      onCell(device, column, state, rowUs) {
        blanks.note(device, fields[column]!, state, rowUs);
      },
      // A pause that is told blanks a lane of profiling fields alone, and its devices do answer.
      isBlankRowKept: (rowUs) => isAllProfiling && blanks.isPausedAt(rowUs),
    },
  );
  const stamps = new LaneStamps(devices.length * fields.length, lane.intervalMs);
  const tally = createTally(devices.length * fields.length);
  const tellFrozen = frozenTeller(lane, devices, options.onEvent);
  let known = 0;
  /** Per series: 1 once it has delivered a sample since it was watched. */
  const isBegun = new Uint8Array(devices.length * fields.length);

  const push = (
    device: number,
    column: number,
    tsUs: number,
    raw: number,
    state: SampleState,
    engineNowUs: number,
  ): void => {
    const field = fields[column]!;
    const at = device * fields.length + column;
    const isMadeUp = isBegun[at] === 0 && isMadeUpFirst(field.id, raw);
    const taken = isMadeUp
      ? join.push(device, column, tsUs, NaN, engineNowUs, sampleState.missing)
      : join.push(device, column, tsUs, raw * field.scale, engineNowUs, state);
    if (taken !== 'accepted') return;
    isBegun[at] = 1;
    tally.accepted[at]! += 1;
    // What a pause blanks is blank by request.
    if (Number.isNaN(raw) && !blanks.isPausedAt(tsUs)) tally.blanks[at]! += 1;
  };

  return {
    lane,
    join,
    stamps,
    tally,
    beginWatch() {
      isBegun.fill(0);
    },
    get areAllFrozen() {
      return known > 0 && stamps.frozenCount === known;
    },
    addReading(reader, engineNowUs, isWaiting) {
      known = 0;
      for (let device = 0; device < devices.length; device += 1) {
        for (let column = 0; column < fields.length; column += 1) {
          const at = device * fields.length + column;
          const state = reader.states[at]!;
          if (state === sampleState.missing) continue;
          known += 1;
          if (isWaiting?.(at) === true) continue;
          const stampUs = stamps.stampAt(at, reader, engineNowUs);
          reader.lastUs[at] = reader.tsUs[at]!;
          if (!Number.isNaN(stampUs)) push(device, column, stampUs, reader.values[at]!, state, engineNowUs);
        }
      }
      if (stamps.frozenCount > 0) tellFrozen(stamps.frozenCount, engineNowUs);
    },
    addRecord(device, column, record, engineNowUs) {
      if (record.state === sampleState.missing || stamps.isFrozen(device * fields.length + column)) return;
      if (isStaleStamp(record.tsUs, engineNowUs)) return;
      push(device, column, record.tsUs, record.value, record.state, engineNowUs);
    },
  };
}

function createTally(seriesCount: number): SeriesTally {
  const accepted = new Uint32Array(seriesCount);
  const blanks = new Uint32Array(seriesCount);
  return {
    accepted,
    blanks,
    clear() {
      accepted.fill(0);
      blanks.fill(0);
    },
  };
}

/** Tells once that stamps stand still: from then on the time of reading counts. */
export function frozenTeller(
  lane: SampledLane,
  devices: readonly Device[],
  onEvent: EventSink,
): (count: number, nowUs: number) => void {
  let isTold = false;
  return (count, nowUs) => {
    if (isTold) return;
    isTold = true;
    const text = `the stamps of ${count} series stand still, as NVML gives them: the time of reading counts`;
    onEvent({ tsUs: nowUs, node: devices[0]!.node, kind: 'frozen_stamps', subject: lane.name, text });
  };
}

/** Open while the device is silent, and written again with its end: one row, by its beginning. */
function gapEvent(
  lane: SampledLane,
  device: Device,
  fromUs: number,
  toUs: number | undefined,
): Parameters<EventSink>[0] {
  const isOver = toUs !== undefined;
  return {
    tsUs: fromUs,
    ...(isOver ? { endUs: toUs } : {}),
    node: device.node,
    gpu: device.uuid,
    kind: 'gap',
    subject: lane.name,
    text: isOver
      ? `no samples of lane ${lane.name} for ${((toUs - fromUs) / 1e6).toFixed(3)} s`
      : `the device does not answer: no samples of lane ${lane.name}`,
  };
}
