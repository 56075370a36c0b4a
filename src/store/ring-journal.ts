import { closeSync, fstatSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import type { SampleColumns } from '../core/encode.ts';
import type { Ring } from '../core/ring.ts';
import { onDisk } from './disk-error.ts';

/**
 * The ring's ticks once more, in a file of fixed size, so that they survive `kill -9` of the collector: the page cache
 * outlives the process. The sampling worker writes each tick with one plain write before the consumer can see it;
 * nothing is fsynced there (a power failure may cost the last seconds).
 *
 *   header (4096 bytes): JSON with a checksum
 *   slot 0 │ slot 1 │ … : tick mod capacity
 *     0 magic  4 crc of 8…  8 tick  16 rows sampled so far  24 –   32 ts[device]… dt[…] rise[…] column 0[…] column 1[…] …
 */
const header = z.strictObject({
  /** Epoch ms at which this life began: names the journal. */
  journal: z.number(),
  table: z.string(),
  devices: z.array(z.strictObject({ node: z.string(), uuid: z.string() })).min(1),
  columns: z.array(z.string()),
  hasEnergyRise: z.boolean(),
  capacityTicks: z.number().int().min(1),
});

export type JournalHeader = z.infer<typeof header>;

/** What the journal holds beyond the ticks that have left the ring. */
export interface JournalContent {
  readonly header: JournalHeader;
  /** Rows sampled until the last tick that is in it. */
  readonly sampledRows: number;
  /** Position after the last tick that is in it. */
  readonly toTick: number;
  /** Rows of the ticks from `fromTick` on, in the order of ticks. */
  readonly samples: SampleColumns;
  /** Device (position in the header) of each row. */
  readonly devices: Int32Array;
  /** For each row the position after its tick. */
  readonly tickEnds: Float64Array;
  readonly rows: number;
}

export interface RingJournal {
  /** Writes the tick whose rows begin at `base`. @throws Error of the file system; the tick is in the ring all the same. */
  write(ring: Ring, tick: number, base: number, sampledRows: number): void;
  close(): void;
}

const HEADER_BYTES = 4096;
const HEADER_BLOCK = 65_536;
const SLOT_HEADER_BYTES = 32;
const MAGIC = 0x314a4c47; // "GLJ1"

function slotBytes({ devices, columns }: Pick<JournalHeader, 'devices' | 'columns'>): number {
  return SLOT_HEADER_BYTES + devices.length * (3 + columns.length) * 8;
}

/** Long device lists take as many blocks as they need. */
function headerBytes(text: string): number {
  return text.length + 16 <= HEADER_BYTES
    ? HEADER_BYTES
    : Math.ceil((text.length + 16) / HEADER_BLOCK) * HEADER_BLOCK;
}

/** Makes a journal with room for all its ticks. @throws OperatingError `state.disk` */
export function createRingJournal(path: string, content: JournalHeader): RingJournal {
  const text = JSON.stringify(content);
  const start = headerBytes(text);
  const bytes = slotBytes(content);
  const file = onDisk('the ring journal', path, () => {
    mkdirSync(dirname(path), { recursive: true });
    const opened = openSync(path, 'w+');
    const head = Buffer.alloc(start, ' ');
    head.write(
      `${crc32(text).toString(16).padStart(8, '0')} ${start.toString(16).padStart(6, '0')}${text}`,
      'latin1',
    );
    writeSync(opened, head, 0, head.length, 0);
    // Written out now, so that a full disk is found at the start and not in the middle of the night.
    const zeros = Buffer.alloc(Math.min(bytes * content.capacityTicks, 1 << 20));
    const end = start + bytes * content.capacityTicks;
    for (let at = start; at < end; at += zeros.length) {
      writeSync(opened, zeros, 0, Math.min(zeros.length, end - at), at);
    }
    return opened;
  });
  const slot = Buffer.from(new ArrayBuffer(bytes));
  const values = new Float64Array(slot.buffer, SLOT_HEADER_BYTES);
  const deviceCount = content.devices.length;
  slot.writeUInt32LE(MAGIC, 0);
  return {
    write(ring, tick, base, sampledRows) {
      const end = base + deviceCount;
      slot.writeDoubleLE(tick, 8);
      slot.writeDoubleLE(sampledRows, 16);
      let at = 0;
      for (const array of [ring.tsUs, ring.dtUs, ring.energyRise, ...ring.columns]) {
        for (let row = base; row < end; row += 1, at += 1) values[at] = array[row]!;
      }
      slot.writeUInt32LE(crc32(slot.subarray(8)), 4);
      writeSync(file, slot, 0, bytes, start + (tick % content.capacityTicks) * bytes);
    },
    close() {
      closeSync(file);
    },
  };
}

/**
 * Reads back what a life has left behind. A slot that is torn or damaged is left out.
 * @param fromTick ticks before it have left the ring
 * @returns undefined when the header is not sound: nothing can be told of the rest
 */
export function readRingJournal(path: string, fromTick: number): JournalContent | undefined {
  return onDisk('the ring journal', path, () => {
    const file = openSync(path, 'r');
    try {
      const found = readHeader(file);
      return found === undefined ? undefined : readSlots(file, found.header, found.start, fromTick);
    } finally {
      closeSync(file);
    }
  });
}

function readHeader(file: number): { header: JournalHeader; start: number } | undefined {
  const first = readPart(file, 0, 15).toString('latin1');
  const start = parseInt(first.slice(9, 15), 16);
  if (!(start >= HEADER_BYTES && start <= fstatSync(file).size)) return undefined;
  const text = readPart(file, 15, start - 15)
    .toString('latin1')
    .trimEnd();
  if (first.slice(0, 8) !== crc32(text).toString(16).padStart(8, '0')) return undefined;
  const parsed = header.safeParse(JSON.parse(text));
  return parsed.success ? { header: parsed.data, start } : undefined;
}

function readSlots(file: number, head: JournalHeader, start: number, fromTick: number): JournalContent {
  const bytes = slotBytes(head);
  const deviceCount = head.devices.length;
  let sampledRows = 0;
  let toTick = 0;
  const slots: { tick: number; values: Float64Array }[] = [];
  for (let index = 0; index < head.capacityTicks; index += 1) {
    const slot = readPart(file, start + index * bytes, bytes);
    if (slot.length < bytes || slot.readUInt32LE(0) !== MAGIC) continue;
    if (slot.readUInt32LE(4) !== crc32(slot.subarray(8))) continue;
    const tick = slot.readDoubleLE(8);
    sampledRows = Math.max(sampledRows, slot.readDoubleLE(16));
    toTick = Math.max(toTick, tick + 1);
    if (tick >= fromTick) slots.push({ tick, values: new Float64Array(slot.buffer, SLOT_HEADER_BYTES) });
  }
  slots.sort((a, b) => a.tick - b.tick);
  const columnCount = head.columns.length;
  const take = (): Float64Array => new Float64Array(slots.length * deviceCount);
  const content = { tsUs: take(), dtUs: take(), energyRise: take() };
  const columns = Array.from({ length: columnCount }, take);
  const devices = new Int32Array(slots.length * deviceCount);
  const tickEnds = take();
  let rows = 0;
  for (const { tick, values } of slots) {
    for (let device = 0; device < deviceCount; device += 1) {
      if (Number.isNaN(values[device]!)) continue;
      content.tsUs[rows] = values[device]!;
      content.dtUs[rows] = values[deviceCount + device]!;
      content.energyRise[rows] = values[2 * deviceCount + device]!;
      for (const [index, column] of columns.entries())
        column[rows] = values[(3 + index) * deviceCount + device]!;
      devices[rows] = device;
      tickEnds[rows] = tick + 1;
      rows += 1;
    }
  }
  return { header: head, sampledRows, toTick, samples: { ...content, columns }, devices, tickEnds, rows };
}

/** Fewer bytes than asked for where the file ends. A buffer of its own: doubles in it are aligned. */
function readPart(file: number, at: number, length: number): Buffer {
  const bytes = Buffer.from(new ArrayBuffer(length));
  return bytes.subarray(0, readSync(file, bytes, 0, length, at));
}
