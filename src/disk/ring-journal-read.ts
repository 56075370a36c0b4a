import { crc32 } from 'node:zlib';
import * as z from 'zod';
import { findField } from '../core/fields/find-field.ts';
import { ENERGY_FIELD_ID } from '../core/fields/well-known.ts';
import type { RowBefore } from '../core/ring/row-carry.ts';
import type { SampleColumns } from '../core/wire/encode.ts';
import { onDisk } from './disk-error.ts';
import type { Disk, DiskFile } from './disk.ts';
import {
  HEADER_BYTES,
  journalBytes,
  MAGIC,
  SLOT_HEADER_BYTES,
  slotBytes,
  type JournalHeader,
} from './ring-journal.ts';

/** Apart from the writer, so that the sampling worker, which writes, is spared the megabytes of zod. */
const header: z.ZodType<JournalHeader> = z.strictObject({
  journal: z.number(),
  table: z.string(),
  devices: z
    .array(
      z.strictObject({
        cluster: z.string().exactOptional(),
        node: z.string(),
        uuid: z.string(),
        isCut: z.literal(true).exactOptional(),
      }),
    )
    .min(1),
  columns: z.array(z.string()),
  hasEnergyRise: z.boolean(),
  hasRiseTime: z.literal(true).exactOptional(),
  capacityTicks: z.number().int().min(1),
});

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
  /** Why ticks are not in it that had not left the ring, as the end of a sentence; undefined where it has all of them. */
  readonly loss: string | undefined;
  /** What its rows make of those before them, of all its ticks, those that have left the ring too. */
  follow(before: ReadonlyMap<string, RowBefore>): Followed;
}

interface Followed {
  /** Where its rows ended, by device UUID. */
  readonly rows: ReadonlyMap<string, RowBefore>;
  readonly gaps: readonly JournalGap[];
}

/** Between two rows of a device, epoch µs. */
export interface JournalGap {
  readonly device: JournalHeader['devices'][number];
  readonly fromUs: number;
  readonly toUs: number;
}

/**
 * Reads back what a life has left behind. A slot that is torn or damaged is left out.
 * @param fromTick ticks before it have left the ring
 * @returns undefined when the header is not sound: nothing can be told of the rest
 */
export function readRingJournal(disk: Disk, path: string, fromTick: number): JournalContent | undefined {
  return onDisk('the ring journal', path, () => {
    const file = disk.open(path, 'r');
    try {
      const found = readHeader(file);
      return found === undefined ? undefined : readSlots(file, found.header, found.start, fromTick);
    } finally {
      file.close();
    }
  });
}

function readHeader(file: DiskFile): { header: JournalHeader; start: number } | undefined {
  const first = file.read(0, 15).toString('latin1');
  // A blank in it, which parseInt would skip, is damage too.
  const start = parseInt(/^[\da-f]{6}$/.exec(first.slice(9, 15))?.[0] ?? '', 16);
  if (!(start >= HEADER_BYTES && start <= file.size)) return undefined;
  const text = file
    .read(15, start - 15)
    .toString('latin1')
    .trimEnd();
  if (first.slice(0, 8) !== crc32(text).toString(16).padStart(8, '0')) return undefined;
  const parsed = header.safeParse(JSON.parse(text));
  return parsed.success ? { header: parsed.data, start } : undefined;
}

function readSlots(file: DiskFile, head: JournalHeader, start: number, fromTick: number): JournalContent {
  const bytes = slotBytes(head);
  const deviceCount = head.devices.length;
  let sampledRows = 0;
  let toTick = 0;
  const slots: { tick: number; values: Float64Array }[] = [];
  const ends: TickEnd[] = [];
  const energyAt = energyColumnIn(head);
  for (let index = 0; index < head.capacityTicks; index += 1) {
    const slot = file.read(start + index * bytes, bytes);
    if (slot.length < bytes || slot.readUInt32LE(0) !== MAGIC) continue;
    if (slot.readUInt32LE(4) !== crc32(slot.subarray(8))) continue;
    const tick = slot.readDoubleLE(8);
    sampledRows = Math.max(sampledRows, slot.readDoubleLE(16));
    toTick = Math.max(toTick, tick + 1);
    const values = new Float64Array(slot.buffer, SLOT_HEADER_BYTES);
    ends.push({
      tick,
      timeBreaks: slot.readDoubleLE(24),
      tsUs: values.slice(0, deviceCount),
      dtUs: values.slice(deviceCount, 2 * deviceCount),
      energyJoules:
        energyAt < 0 ? undefined : values.slice(energyAt * deviceCount, (energyAt + 1) * deviceCount),
    });
    if (tick >= fromTick) slots.push({ tick, values });
  }
  slots.sort((a, b) => a.tick - b.tick);
  const loss = lossOf(file, start, head, { ticks: slots.length, fromTick, toTick });
  const columnCount = head.columns.length;
  const hasRiseTime = head.hasRiseTime === true;
  const firstColumn = hasRiseTime ? 4 : 3;
  const allocate = (): Float64Array => new Float64Array(slots.length * deviceCount);
  const content = { tsUs: allocate(), dtUs: allocate(), energyRise: allocate(), energyRiseDtUs: allocate() };
  const columns = Array.from({ length: columnCount }, allocate);
  const devices = new Int32Array(slots.length * deviceCount);
  const tickEnds = allocate();
  let rows = 0;
  for (const { tick, values } of slots) {
    for (let device = 0; device < deviceCount; device += 1) {
      if (Number.isNaN(values[device]!)) continue;
      content.tsUs[rows] = values[device]!;
      content.dtUs[rows] = values[deviceCount + device]!;
      const rise = values[2 * deviceCount + device]!;
      content.energyRise[rows] = rise;
      content.energyRiseDtUs[rows] = hasRiseTime
        ? values[3 * deviceCount + device]!
        : Number.isNaN(rise)
          ? 0
          : content.dtUs[rows]!;
      for (const [index, column] of columns.entries())
        column[rows] = values[(firstColumn + index) * deviceCount + device]!;
      devices[rows] = device;
      tickEnds[rows] = tick + 1;
      rows += 1;
    }
  }
  const samples = { ...content, columns };
  const follow = (before: ReadonlyMap<string, RowBefore>): Followed => followedBy(head, ends, before);
  return { header: head, sampledRows, toTick, samples, devices, tickEnds, rows, loss, follow };
}

/** A kill tears the newest slot at most, and that tick was never sampled for anybody else. */
function lossOf(
  file: DiskFile,
  start: number,
  head: JournalHeader,
  { ticks, fromTick, toTick }: { readonly ticks: number; readonly fromTick: number; readonly toTick: number },
): string | undefined {
  if (file.size < journalBytes(start, head)) return 'is shorter than it was made';
  // The ring gives up its oldest ticks where it is full, and the journal writes over them.
  const missing = toTick - Math.max(fromTick, toTick - head.capacityTicks) - ticks;
  return missing > 0 ? `lacks ${missing} of its ticks` : undefined;
}

/** Of one tick what the next one goes on from, per device. */
interface TickEnd {
  readonly tick: number;
  /** How often the clock had been set by then. */
  readonly timeBreaks: number;
  readonly tsUs: Float64Array;
  readonly dtUs: Float64Array;
  readonly energyJoules: Float64Array | undefined;
}

/** Position among the arrays of a slot; -1 for a lane without the energy field. */
function energyColumnIn({ columns, hasRiseTime }: JournalHeader): number {
  const column = findField(String(ENERGY_FIELD_ID))?.column;
  const index = columns.findIndex((each) => each === column);
  return index < 0 ? -1 : index + (hasRiseTime === true ? 4 : 3);
}

function followedBy(
  { devices }: JournalHeader,
  ends: readonly TickEnd[],
  before: ReadonlyMap<string, RowBefore>,
): Followed {
  const last = new Map(before);
  const gaps: JournalGap[] = [];
  let nextTick = 0;
  let timeBreaks = 0;
  for (const end of ends.toSorted((a, b) => a.tick - b.tick)) {
    // Ticks that are not in the journal any more had rows that nobody can go on from.
    if (end.tick !== nextTick) last.clear();
    if (end.timeBreaks !== timeBreaks) breakTime(last);
    nextTick = end.tick + 1;
    timeBreaks = end.timeBreaks;
    for (const [index, device] of devices.entries()) {
      const { uuid } = device;
      const tsUs = end.tsUs[index]!;
      if (Number.isNaN(tsUs)) continue;
      const dtUs = end.dtUs[index]!;
      const row = last.get(uuid);
      const fromUs = row?.tsUs ?? NaN;
      if (dtUs === 0 && tsUs > fromUs) gaps.push({ device, fromUs, toUs: tsUs });
      last.set(uuid, rowAfter(row, tsUs, dtUs, end.energyJoules?.[index] ?? NaN));
    }
  }
  return { rows: last, gaps };
}

/** As a ring does: no time leads from the rows before to those after. */
function breakTime(last: Map<string, RowBefore>): void {
  for (const [uuid, row] of last) last.set(uuid, { ...row, tsUs: NaN, energyTsUs: NaN });
}

function rowAfter(
  before: RowBefore | undefined,
  tsUs: number,
  dtUs: number,
  energyJoules: number,
): RowBefore {
  if (!Number.isNaN(energyJoules)) return { tsUs, energyJoules, energyTsUs: tsUs, seenUs: 0 };
  const { seenUs, ...reading } = before ?? { energyJoules: NaN, energyTsUs: NaN, seenUs: NaN };
  return { ...reading, tsUs, seenUs: seenUs + dtUs };
}
