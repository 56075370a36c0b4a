import { assert } from '../base/assert.ts';
import type { Device } from '../devices/device.ts';
import { escapeBare, isColumnName, isTableName, quote, writeDigits } from './ilp-text.ts';
import { soleLabel, type Label } from '../jobs/label.ts';
import { ENERGY_RISE_COLUMN, ENERGY_RISE_DT_COLUMN } from '../fields/well-known.ts';
import type { Ring, TickRange } from '../ring/ring.ts';

/**
 * Rows of a sample table as ILP protocol v2, the bytes that `@questdb/nodejs-client` 4.2.0 writes for the same rows.
 *
 *   table,cluster=…,node=…,gpu=… job_id="…",owners=1i,owner_set=…i,dt_us=|1000000|i,a==␐········,b==␐········ |1766311200000000|t⏎
 *   └─ head: one per (device, label), cached ────────────────┘ digits └─ block: one per encoder ────┘     digits
 *
 * A lane with the energy field has `,energy_rise_joules==␐········,energy_rise_dt_us=|100000|i` at the end of the block.
 * A row is two copies, two numbers in digits and one eight-byte store per column; nothing is allocated for it.
 */
export interface EncoderOptions {
  readonly table: string;
  /** In the order of the ring's devices. */
  readonly devices: readonly Pick<Device, 'cluster' | 'node' | 'uuid' | 'isCut'>[];
  /** Value columns, in the order of the lane's fields. */
  readonly columns: readonly string[];
  /** Whether the table has `energy_rise_joules` and `energy_rise_dt_us` (its lane holds the energy field). */
  readonly hasEnergyRise: boolean;
}

/** Rows as columns. A `Ring` is one; a re-label makes one of what it has read. */
export interface SampleColumns {
  /** Epoch µs; NaN where there is no row. */
  readonly tsUs: Float64Array;
  /** Whole µs ≥ 0. */
  readonly dtUs: Float64Array;
  readonly energyRise: Float64Array;
  /** Whole µs ≥ 0. */
  readonly energyRiseDtUs: Float64Array;
  /** One array per value column, base units; NaN is a blank, infinity is a mistake of the source. */
  readonly columns: readonly Float64Array[];
}

/** The label of `device` (position) for a sample taken at `tsUs`. Called once per row: it should not allocate. */
export type LabelOf = (device: number, tsUs: number) => Label;

/** Whole rows, ready to be sent. */
export type Body = Uint8Array<ArrayBuffer>;

export interface EncodedBatch {
  /** Stays as it is until it is handed to `recycle`. */
  readonly body: Body;
  readonly rows: number;
  /** Ticks taken from the beginning of the range. */
  readonly ticks: number;
}

export interface Encoder {
  /**
   * Encodes whole ticks from the beginning of `range` until it ends or the body would pass `bytesMax`; at least one
   * tick, however long. The ring may reuse the slots as soon as this returns.
   * @throws AssertionError on an infinite value or a time that is no whole number of µs since 1970.
   */
  encode(ring: Ring, range: TickRange, labelOf: LabelOf, bytesMax: number): EncodedBatch;
  /** Encodes rows [0, `rows`) of `samples`: row by row its device and its label. The body is the caller's own. */
  encodeRows(samples: SampleColumns, rows: number, deviceOf: (row: number) => number, labelOf: LabelOf): Body;
  /** Gives a body of `encode` back once it has been acknowledged or stored; the next batch overwrites it. */
  recycle(body: Body): void;
}

/** Entity type of a double in protocol v2. */
const DOUBLE = '\x10';
const EIGHT_BLANK_BYTES = '\0'.repeat(8);
/** A whole number below 2^53 has at most 16 digits. */
const DIGITS_MAX = 16;
/** What ends a row: `t`, the unit of its time, and a newline. What ends a LONG that no column follows: `i` and a space. */
const [TIME_UNIT, NEWLINE, LONG_UNIT, SPACE] = [0x74, 0x0a, 0x69, 0x20];
/** Room for the three numbers, and what ends them. */
const ROW_SLACK_BYTES = 3 * DIGITS_MAX + 4;
/** Heads kept per device: the label changes when a job begins or ends, and a flush sees seconds of that. */
const HEADS_PER_DEVICE_MAX = 32;
/** A body in flight and the one that is being filled. */
const FREE_BODIES_MAX = 2;
const FIRST_BODY_BYTES = 64 * 1024;
const USUAL_LABEL = soleLabel('0123456789');

interface Head extends Label {
  readonly bytes: Uint8Array;
}

/** What is the same in every row of the table: from `i` after dt_us to the space before the time, or the time of the rise. */
interface Block {
  readonly bytes: Uint8Array;
  /** Where the eight bytes of each column lie. */
  readonly offsets: Int32Array;
}

/** Where rows are being written. */
interface Target {
  bytes: Uint8Array<ArrayBuffer>;
  view: DataView<ArrayBuffer>;
}

/** @throws AssertionError on a name that the client would refuse. */
export function createEncoder(options: EncoderOptions): Encoder {
  const { devices, hasEnergyRise } = options;
  assert(isTableName(options.table), `no table name: ${JSON.stringify(options.table)}`);
  const columnCount = options.columns.length;
  const block = hasEnergyRise
    ? makeBlock([...options.columns, ENERGY_RISE_COLUMN], `,${ENERGY_RISE_DT_COLUMN}=`)
    : makeBlock(options.columns, ' ');
  const heads = makeHeads(options.table, devices);
  const free: ArrayBuffer[] = [];
  /** Of a row with an ordinary job id. A body that has to grow is copied. */
  const usualRowBytes = heads.of(0, USUAL_LABEL).bytes.length + block.bytes.length + ROW_SLACK_BYTES;

  function writeRow(target: Target, start: number, head: Head, samples: SampleColumns, row: number): number {
    const { bytes, view } = target;
    bytes.set(head.bytes, start);
    const blockStart = writeWhole(bytes, start + head.bytes.length, samples.dtUs[row]!, 'dt');
    bytes.set(block.bytes, blockStart);
    let at = blockStart + block.bytes.length;
    const { columns } = samples;
    const { offsets } = block;
    // Stays 0 unless one of them is no number: a branch for each would cost as much as the rest of the loop.
    let oddness = 0;
    for (let column = 0; column < columnCount; column += 1) {
      const value = columns[column]![row]!;
      oddness += value - value;
      view.setFloat64(blockStart + offsets[column]!, value, true);
    }
    if (oddness !== 0) writeBlanks(view, blockStart, columns, row);
    if (hasEnergyRise) {
      let rise = samples.energyRise[row]!;
      if (rise - rise !== 0) rise = blankOf(rise, ENERGY_RISE_COLUMN);
      view.setFloat64(blockStart + block.offsets[columnCount]!, rise, true);
      at = writeWhole(bytes, at, samples.energyRiseDtUs[row]!, ENERGY_RISE_DT_COLUMN);
      bytes[at] = LONG_UNIT;
      bytes[at + 1] = SPACE;
      at += 2;
    }
    const end = writeWhole(bytes, at, samples.tsUs[row]!, 'time');
    bytes[end] = TIME_UNIT;
    bytes[end + 1] = NEWLINE;
    return end + 2;
  }

  function writeBlanks(
    view: DataView,
    blockStart: number,
    columns: SampleColumns['columns'],
    row: number,
  ): void {
    for (let column = 0; column < columnCount; column += 1) {
      const value = columns[column]![row]!;
      if (value - value === 0) continue;
      view.setFloat64(blockStart + block.offsets[column]!, blankOf(value, options.columns[column]!), true);
    }
  }

  /** What has been written so far of the body that is being made; nothing is kept of one that is made. */
  const nothing = targetOn(new ArrayBuffer(0));
  const written = { target: nothing, end: 0, rows: 0 };

  // Rows and ticks have functions of their own for the engine's sake too: it makes good code of what is called often, and
  // of a long loop inside one call again and again.
  function addRow(samples: SampleColumns, row: number, device: number, labelOf: LabelOf): void {
    const head = heads.of(device, labelOf(device, samples.tsUs[row]!));
    const needed = written.end + head.bytes.length + block.bytes.length + ROW_SLACK_BYTES;
    if (needed > written.target.bytes.length) written.target = enlarged(written.target, written.end, needed);
    written.end = writeRow(written.target, written.end, head, samples, row);
    written.rows += 1;
  }

  function addTick(ring: Ring, base: number, labelOf: LabelOf): void {
    for (let device = 0; device < devices.length; device += 1)
      if (!Number.isNaN(ring.tsUs[base + device]!)) addRow(ring, base + device, device, labelOf);
  }

  function begin(memory: ArrayBuffer): void {
    written.target = targetOn(memory);
    written.end = 0;
    written.rows = 0;
  }

  function takeBody(): Body {
    const body = written.target.bytes.subarray(0, written.end);
    written.target = nothing;
    return body;
  }

  return {
    encode(ring, range, labelOf, bytesMax) {
      assert(ring.shape.deviceCount === devices.length, 'encoder and ring differ in their devices');
      assert(ring.columns.length === columnCount, 'encoder and ring differ in their columns');
      const usualBytes = (range.to - range.from) * devices.length * usualRowBytes;
      begin(free.pop() ?? new ArrayBuffer(Math.min(bytesMax, usualBytes)));
      let tick = range.from;
      for (; tick < range.to; tick += 1) {
        const { end, rows } = written;
        addTick(ring, ring.baseOf(tick), labelOf);
        if (written.end > bytesMax && tick > range.from) {
          written.end = end;
          written.rows = rows;
          break;
        }
      }
      return { rows: written.rows, ticks: tick - range.from, body: takeBody() };
    },

    encodeRows(samples, rows, deviceOf, labelOf) {
      begin(new ArrayBuffer(FIRST_BODY_BYTES));
      for (let row = 0; row < rows; row += 1) addRow(samples, row, deviceOf(row), labelOf);
      return takeBody();
    },

    recycle(body) {
      assert(!free.includes(body.buffer), 'a body is recycled once');
      if (free.length < FREE_BODIES_MAX) free.push(body.buffer);
    },
  };
}

function targetOn(memory: ArrayBuffer): Target {
  return { bytes: new Uint8Array(memory), view: new DataView(memory) };
}

/** Doubles, so that a long batch is copied a few times and a short one stays small. */
function enlarged(target: Target, usedBytes: number, neededBytes: number): Target {
  const larger = targetOn(new ArrayBuffer(Math.max(neededBytes, 2 * target.bytes.length)));
  larger.bytes.set(target.bytes.subarray(0, usedBytes));
  return larger;
}

/** One bit pattern for every NaN, as the client writes it; never an infinity, which the server would store as NULL. */
function blankOf(value: number, column: string): number {
  // Asked first: the text of a failure costs more than a row.
  if (!Number.isNaN(value)) assert(false, `${column} is ${value}: a source must make a blank of it`);
  return NaN;
}

function writeWhole(bytes: Uint8Array, at: number, value: number, what: string): number {
  if (!(value >= 0 && Number.isSafeInteger(value)))
    assert(false, `${what} is ${value}: not whole µs from 0 to 2^53`);
  return writeDigits(bytes, at, value);
}

/** @param tail what follows the columns */
function makeBlock(columns: readonly string[], tail: string): Block {
  let text = 'i';
  const offsets = columns.map((column) => {
    assert(isColumnName(column), `no column name: ${JSON.stringify(column)}`);
    text += `,${escapeBare(column)}==${DOUBLE}`;
    const offset = Buffer.byteLength(text);
    text += EIGHT_BLANK_BYTES;
    return offset;
  });
  return { bytes: Buffer.from(text + tail), offsets: Int32Array.from(offsets) };
}

function isSameLabel(a: Label, b: Label): boolean {
  return a.jobId === b.jobId && a.owners === b.owners && a.ownerSet === b.ownerSet;
}

function makeHeads(
  table: string,
  devices: EncoderOptions['devices'],
): { of(device: number, label: Label): Head } {
  const starts = devices.map(({ cluster, node, uuid }) => {
    const where = cluster === undefined ? '' : `cluster=${escapeBare(cluster)},`;
    return `${escapeBare(table)},${where}node=${escapeBare(node)},gpu=${escapeBare(uuid)} `;
  });
  /** Per device, the newest last. */
  const kept: Head[][] = devices.map(() => []);

  const make = (device: number, label: Label): Head => {
    const job = label.jobId === null ? '' : `job_id=${quote(label.jobId)},`;
    // What is cut has no owners, not even none: its time is that of its instances.
    const set = label.ownerSet === null ? '' : `owner_set=${label.ownerSet}i,`;
    const owned = devices[device]!.isCut === true ? '' : `${job}owners=${label.owners}i,${set}`;
    const text = `${starts[device]!}${owned}dt_us=`;
    const { jobId, owners, ownerSet } = label;
    return { jobId, owners, ownerSet, bytes: Buffer.from(text) };
  };

  const find = (device: number, label: Label): Head => {
    const own = kept[device]!;
    for (let at = own.length - 1; at >= 0; at -= 1) {
      const head = own[at]!;
      if (isSameLabel(head, label)) return head;
    }
    const made = make(device, label);
    if (own.length >= HEADS_PER_DEVICE_MAX) own.shift();
    own.push(made);
    return made;
  };

  /** Per device the label of the row before, which the next row mostly shares. */
  const lastLabels: (Label | undefined)[] = devices.map(() => undefined);
  const lastHeads: (Head | undefined)[] = devices.map(() => undefined);
  return {
    of(device, label) {
      if (lastLabels[device] === label) return lastHeads[device]!;
      const head = find(device, label);
      lastLabels[device] = label;
      lastHeads[device] = head;
      return head;
    },
  };
}
