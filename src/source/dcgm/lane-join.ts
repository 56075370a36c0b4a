import type { DcgmRecord } from '../../../native/dcgm-record.ts';
import type { BlankWatch } from '../../core/sampling/blank-watch.ts';
import type { Device } from '../../core/devices/device.ts';
import { sampleState } from '../../core/sampling/sample-state.ts';
import type { SampleState } from '../../core/sampling/sample-state.ts';
import { AHEAD_US_MAX, SeriesJoin } from '../../core/sampling/series-to-ticks.ts';
import type { EventSink, SampledLane } from '../../core/sampling/source.ts';
import type { LaneReader } from './setup.ts';

/** A step of more than this many intervals between two stamps of a series: something was not delivered. */
const HOLE_INTERVALS = 1.5;
/** A stamp that crept on by less than this since the last reading, and lies in the past, is NVML's standing still. */
const CREEP_US = 1_000;

/** One lane of an engine: its series on their way to rows. */
export interface LaneJoin {
  readonly lane: SampledLane;
  readonly join: SeriesJoin;
  /**
   * Looks at a reading before it is taken: the oldest stamp behind which samples are missing, Infinity when none is.
   */
  holeIn(reader: LaneReader): number;
  /** Takes a reading of newest values. */
  addReading(reader: LaneReader, nowUs: number, engineNowUs: number): void;
  /** Takes one kept sample. */
  addRecord(device: number, column: number, record: DcgmRecord, engineNowUs: number): void;
  /** Whether any series lives by stamps that stand still, so that no pull by time finds it. */
  readonly hasFrozenStamps: boolean;
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
  const frozen = new Uint8Array(devices.length * fields.length);
  let frozenCount = 0;

  const push = (
    device: number,
    column: number,
    tsUs: number,
    raw: number,
    state: SampleState,
    engineNowUs: number,
  ): void => {
    join.push(device, column, tsUs, raw * fields[column]!.scale, engineNowUs, state);
  };
  /** True when this series' stamps stand in the past and creep: then the time of reading must do. */
  const isFrozen = (at: number, tsUs: number, beforeUs: number, nowUs: number): boolean => {
    const isNear = Math.abs(tsUs - nowUs) <= AHEAD_US_MAX;
    const creeps = tsUs > beforeUs && tsUs - beforeUs < CREEP_US && beforeUs > 0;
    const wasFrozen = frozen[at] === 1;
    const now = !isNear && (wasFrozen || creeps);
    if (now !== wasFrozen) frozenCount += now ? 1 : -1;
    frozen[at] = now ? 1 : 0;
    return now;
  };

  return {
    lane,
    join,
    get hasFrozenStamps() {
      return frozenCount > 0;
    },
    holeIn(reader) {
      let oldestUs = Infinity;
      for (let at = 0; at < frozen.length; at += 1) {
        if (reader.states[at] === sampleState.missing || frozen[at] === 1) continue;
        const watermarkUs = join.watermarkUs(Math.floor(at / fields.length), at % fields.length);
        if (watermarkUs !== -Infinity && reader.tsUs[at]! - watermarkUs > HOLE_INTERVALS * intervalUs) {
          oldestUs = Math.min(oldestUs, watermarkUs);
        }
      }
      return oldestUs;
    },
    addReading(reader, nowUs, engineNowUs) {
      for (let at = 0; at < frozen.length; at += 1) {
        const state = reader.states[at]!;
        const beforeUs = reader.lastUs[at]!;
        const tsUs = reader.tsUs[at]!;
        if (state === sampleState.missing) continue;
        reader.lastUs[at] = tsUs;
        const device = Math.floor(at / fields.length);
        const column = at % fields.length;
        const stampUs = isFrozen(at, tsUs, beforeUs, nowUs) ? (tsUs === beforeUs ? NaN : nowUs) : tsUs;
        if (Number.isNaN(stampUs)) continue;
        push(device, column, stampUs, reader.values[at]!, state, engineNowUs);
      }
    },
    addRecord(device, column, record, engineNowUs) {
      if (record.state === sampleState.missing || frozen[device * fields.length + column] === 1) return;
      push(device, column, record.tsUs, record.value, record.state, engineNowUs);
    },
  };
}

/**
 * How far an engine's clock is from ours, which may be another machine's: what counts is where its newest stamps are. 0
 * when they are near; undefined when a reading brought nothing new.
 */
export function clockOffsetUs(reader: LaneReader, nowUs: number): number | undefined {
  let newestUs = 0;
  let hasFresh = false;
  for (let at = 0; at < reader.tsUs.length; at += 1) {
    if (reader.tsUs[at]! !== reader.lastUs[at]!) hasFresh = true;
    if (reader.tsUs[at]! > newestUs) newestUs = reader.tsUs[at]!;
  }
  if (!hasFresh || newestUs === 0) return undefined;
  const offUs = newestUs - nowUs;
  return Math.abs(offUs) <= AHEAD_US_MAX ? 0 : offUs;
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
