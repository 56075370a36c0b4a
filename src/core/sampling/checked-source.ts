import { assert } from '../base/assert.ts';
import type { Device } from '../devices/device.ts';
import { sentinelsOf, rangeOf } from '../fields/range.ts';
import { GAUGE_FIELD_IDS } from '../fields/well-known.ts';
import type { TickWriter } from '../ring/ring.ts';
import { gapLimitUs } from './dt-rule.ts';
import type { EventSink, SampledLane, Source } from './source.ts';

/** A series that is implausible again within this time is in the same episode, which is told once. */
const EPISODE_US = 60_000_000;
/**
 * No active SM beside a GPU that is busy all the time and draws this much: nothing that idles does, and a kernel that ran all
 * the time needs an SM.
 */
const BUSY_RATIO = 0.99;
const BUSY_WATTS = 300;
/**
 * Utilisation and power are means of up to a second, so at the end of a kernel they lag behind. Rows that are this close to the
 * beginning of a contradiction stay as they were read: a cell is made NULL only where an event tells why.
 */
const LAG_US = 2_000_000;

/**
 * A `TickWriter` that lets through what can be true: of the rest a cell is NULL, and an event has the value. A row without any
 * value is none: what it would speak for was not seen.
 */
export interface CheckedTick extends TickWriter {
  /** Cells that were made NULL since the last call. */
  takeCount(): number;
  /** The last row of a tick is complete. */
  end(): void;
}

/**
 * The one place where values are held against what their fields can be, for every source.
 * @param onImplausible hears how many cells of a lane were made NULL in one call.
 */
export function checkValues(
  source: Source,
  lanes: readonly SampledLane[],
  onEvent: EventSink,
  onImplausible: (lane: SampledLane, cells: number) => void,
): Source {
  const checks = lanes.map((lane) => createTickCheck(lane, source.devices, onEvent));
  const through = (lane: SampledLane, tick: TickWriter, write: (tick: TickWriter) => void): void => {
    const checked = checks[lane.index]!(tick);
    write(checked);
    checked.end();
    const cells = checked.takeCount();
    if (cells > 0) onImplausible(lane, cells);
  };
  return {
    name: source.name,
    devices: source.devices,
    sample(lane, tick, nowUs) {
      through(lane, tick, (checked) => {
        source.sample(lane, checked, nowUs);
      });
    },
    close: () => {
      source.close();
    },
    ...(source.callIntervalMs === undefined
      ? {}
      : { callIntervalMs: (lane: SampledLane) => source.callIntervalMs!(lane) }),
    ...(source.finish === undefined
      ? {}
      : {
          finish(lane: SampledLane, tick: TickWriter) {
            through(lane, tick, (checked) => {
              source.finish!(lane, checked);
            });
          },
        }),
    ...(source.describe === undefined ? {} : { describe: () => source.describe!() }),
  };
}

/** @returns what checks the ticks of a lane, one after the other: the writer that it gives is always the same. */
export function createTickCheck(
  lane: SampledLane,
  devices: readonly Device[],
  onEvent: EventSink,
): (tick: TickWriter) => CheckedTick {
  const check = new TickCheck(lane, devices, onEvent);
  return (tick) => check.begin(tick);
}

function hasValue(row: Float64Array): boolean {
  for (const value of row) if (!Number.isNaN(value)) return true;
  return false;
}

class TickCheck implements CheckedTick {
  readonly #lane: SampledLane;
  readonly #devices: readonly Device[];
  readonly #onEvent: EventSink;
  /** By device × fields + column, in base units. */
  readonly #min: Float64Array;
  readonly #max: Float64Array;
  /** When the series was last implausible, epoch µs. */
  readonly #badUs: Float64Array;
  /** By column. */
  readonly #sentinels: readonly (readonly number[])[];
  /** The smallest of them: nearly every value lies below, and need not be looked for among them. */
  readonly #sentinelFrom: Float64Array;
  /** Columns by which a contradiction is seen; -1 where the lane has none. */
  readonly #sm: number;
  readonly #util: number;
  readonly #power: number;
  readonly #profiling: readonly number[];
  /** By device: since when its values contradict each other, NaN while they do not; when they did last; when that was told last. */
  readonly #contrarySinceUs: Float64Array;
  readonly #contraryUs: Float64Array;
  readonly #contraryToldUs: Float64Array;
  /** The row that is being written; it is handed on when it is complete. */
  readonly #row: Float64Array;
  /** A pause may blank such a lane, and its devices do answer: the source knows. */
  readonly #isAllProfiling: boolean;
  #tick!: TickWriter;
  #device = -1;
  #rowUs = NaN;
  /** Whether a value of the row was made NULL. */
  #isDoubted = false;
  #count = 0;

  constructor(lane: SampledLane, devices: readonly Device[], onEvent: EventSink) {
    const { fields } = lane;
    this.#lane = lane;
    this.#devices = devices;
    this.#onEvent = onEvent;
    const ranges = devices.flatMap(({ memoryBytes }) => fields.map((field) => rangeOf(field, memoryBytes)));
    this.#min = Float64Array.from(ranges, ({ min }) => min);
    this.#max = Float64Array.from(ranges, ({ max }) => max);
    this.#badUs = new Float64Array(ranges.length).fill(-Infinity);
    this.#sentinels = fields.map(sentinelsOf);
    this.#sentinelFrom = Float64Array.from(this.#sentinels, (values) => Math.min(...values));
    const columnOf = (fieldId: number): number => fields.findIndex(({ id }) => id === fieldId);
    this.#sm = columnOf(GAUGE_FIELD_IDS.smActive);
    this.#util = columnOf(GAUGE_FIELD_IDS.gpuUtil);
    this.#power = columnOf(GAUGE_FIELD_IDS.power);
    this.#profiling = [...fields.keys()].filter((column) => fields[column]!.isProfiling);
    this.#contrarySinceUs = new Float64Array(devices.length).fill(NaN);
    this.#contraryUs = new Float64Array(devices.length).fill(NaN);
    this.#contraryToldUs = new Float64Array(devices.length).fill(-Infinity);
    this.#row = new Float64Array(fields.length).fill(NaN);
    this.#isAllProfiling = this.#profiling.length === fields.length;
  }

  begin(tick: TickWriter): this {
    this.#tick = tick;
    return this;
  }

  setRow(device: number, tsUs: number): void {
    this.end();
    this.#device = device;
    this.#rowUs = tsUs;
  }

  set(device: number, column: number, value: number): void {
    assert(device === this.#device, 'a value belongs to the row that was set last');
    const at = device * this.#row.length + column;
    const isIn = value >= this.#min[at]! && value <= this.#max[at]!;
    if (isIn && (value < this.#sentinelFrom[column]! || !this.#sentinels[column]!.includes(value))) {
      this.#row[column] = value;
      return;
    }
    this.#row[column] = NaN;
    if (!Number.isNaN(value)) this.#doubt(at, device, column, value);
  }

  next(): boolean {
    this.end();
    return this.#tick.next();
  }

  end(): void {
    const device = this.#device;
    if (device < 0) return;
    if (this.#sm >= 0 && this.#util >= 0 && this.#power >= 0) this.#lookForContradiction(device);
    if (hasValue(this.#row) || (this.#isAllProfiling && !this.#isDoubted)) {
      this.#tick.setRow(device, this.#rowUs);
      for (let column = 0; column < this.#row.length; column += 1)
        this.#tick.set(device, column, this.#row[column]!);
    }
    this.#row.fill(NaN);
    this.#isDoubted = false;
    this.#device = -1;
  }

  takeCount(): number {
    const count = this.#count;
    this.#count = 0;
    return count;
  }

  #doubt(at: number, device: number, column: number, value: number): void {
    this.#count += 1;
    this.#isDoubted = true;
    const beforeUs = this.#badUs[at]!;
    this.#badUs[at] = this.#rowUs;
    if (Math.abs(this.#rowUs - beforeUs) <= EPISODE_US) return;
    const field = this.#lane.fields[column]!;
    const raw = value / field.scale;
    const text = `${field.column}: ${value} ${field.unit} cannot be (raw value ${Number.isInteger(value) ? raw : Number(raw.toPrecision(15))})`;
    this.#tell(device, field.column, text);
  }

  /** What the profiling counters say of a row in which they contradict the board is no value, not even 0, once that has lasted. */
  #lookForContradiction(device: number): void {
    const [sm, util, watts] = [this.#row[this.#sm]!, this.#row[this.#util]!, this.#row[this.#power]!];
    // A blank says nothing either way.
    if (sm > 0 || util < BUSY_RATIO || watts < BUSY_WATTS) this.#contrarySinceUs[device] = NaN;
    if (!(sm === 0 && util >= BUSY_RATIO && watts >= BUSY_WATTS)) return;
    if (!this.#hasLasted(device)) return;
    const tsUs = this.#rowUs;
    const toldUs = this.#contraryToldUs[device]!;
    this.#contraryToldUs[device] = tsUs;
    if (!(Math.abs(tsUs - toldUs) <= EPISODE_US)) {
      const text = `no SM is active beside a utilisation of ${Math.round(util * 100)} % and ${Math.round(watts)} W: profiling values of 0 are left out from here on`;
      this.#tell(device, this.#lane.fields[this.#sm]!.column, text);
    }
    for (const column of this.#profiling) {
      if (this.#row[column] !== 0) continue;
      this.#row[column] = NaN;
      this.#count += 1;
    }
  }

  /** Whether the contradiction in this row was in those before it too, for longer than means lag behind. */
  #hasLasted(device: number): boolean {
    const tsUs = this.#rowUs;
    const stepUs = tsUs - this.#contraryUs[device]!;
    this.#contraryUs[device] = tsUs;
    // What was between two rows far apart, or on both sides of a clock that was set, nobody saw.
    const isSeen = stepUs >= 0 && stepUs <= Math.max(LAG_US, gapLimitUs(1000 * this.#lane.intervalMs));
    if (!isSeen || Number.isNaN(this.#contrarySinceUs[device]!)) this.#contrarySinceUs[device] = tsUs;
    return tsUs - this.#contrarySinceUs[device]! >= LAG_US;
  }

  #tell(device: number, subject: string, text: string): void {
    const { node, uuid } = this.#devices[device]!;
    this.#onEvent({ tsUs: this.#rowUs, node, gpu: uuid, kind: 'implausible', subject, text });
  }
}
