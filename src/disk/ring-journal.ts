import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { OperatingError } from '../core/base/errors.ts';
import type { Device } from '../core/devices/device.ts';
import type { Ring } from '../core/ring/ring.ts';
import { onDisk } from './disk-error.ts';
import type { Disk } from './disk.ts';

/**
 * The ring's ticks once more, in a file of fixed size, so that they survive `kill -9` of the collector: the page cache
 * outlives the process. The sampling worker writes each tick with one plain write before the consumer can see it;
 * nothing is synced there (a power failure may cost the last seconds).
 *
 *   header (4096 bytes): JSON with a checksum
 *   slot 0 │ slot 1 │ … : tick mod capacity
 *     0 magic  4 crc of 8…  8 tick  16 rows sampled so far  24 how often the clock was set so far
 *     32 ts[device]… dt[…] rise[…] rise_dt[…] column 0[…] …
 */
export interface JournalHeader {
  /** Epoch ms at which this life began: names the journal. */
  readonly journal: number;
  readonly table: string;
  readonly devices: readonly Pick<Device, 'cluster' | 'node' | 'uuid' | 'isCut'>[];
  readonly columns: readonly string[];
  readonly hasEnergyRise: boolean;
  /** Absent in journals of gpuledger 0.2.0: they have no `rise_dt`, since a rise led over dt. */
  readonly hasRiseTime?: true;
  readonly capacityTicks: number;
}

export interface RingJournal {
  /**
   * Writes the tick whose rows begin at `base`.
   * @throws Error of the file system, OperatingError `journal.gone` where the file was removed or cut; the tick is in the ring
   * all the same
   */
  write(ring: Ring, tick: number, base: number, sampledRows: number): void;
  close(): void;
}

export const HEADER_BYTES = 4096;
const HEADER_BLOCK = 65_536;
export const SLOT_HEADER_BYTES = 32;
export const MAGIC = 0x314a4c47; // "GLJ1"

export function slotBytes(header: Pick<JournalHeader, 'devices' | 'columns' | 'hasRiseTime'>): number {
  const { devices, columns, hasRiseTime } = header;
  return SLOT_HEADER_BYTES + devices.length * ((hasRiseTime === true ? 4 : 3) + columns.length) * 8;
}

/** Long device lists take as many blocks as they need. */
function headerBytes(text: string): number {
  return text.length + 16 <= HEADER_BYTES
    ? HEADER_BYTES
    : Math.ceil((text.length + 16) / HEADER_BLOCK) * HEADER_BLOCK;
}

/** Length of the whole file. @param start of its first slot */
export function journalBytes(start: number, header: JournalHeader): number {
  return start + slotBytes(header) * header.capacityTicks;
}

function gone(path: string): OperatingError {
  return new OperatingError('its file was removed or cut by somebody else', {
    code: 'journal.gone',
    exit: 'temporary',
    where: path,
  });
}

/** Makes a journal with room for all its ticks. @throws OperatingError `state.disk` */
export function createRingJournal(
  disk: Disk,
  path: string,
  lane: Omit<JournalHeader, 'hasRiseTime'>,
): RingJournal {
  const content = { ...lane, hasRiseTime: true } as const;
  const text = JSON.stringify(content);
  const start = headerBytes(text);
  const bytes = slotBytes(content);
  const file = onDisk('the ring journal', path, () => {
    disk.makeDirectory(dirname(path));
    const opened = disk.open(path, 'w+');
    const head = Buffer.alloc(start, ' ');
    head.write(
      `${crc32(text).toString(16).padStart(8, '0')} ${start.toString(16).padStart(6, '0')}${text}`,
      'latin1',
    );
    opened.write(head, 0);
    // Written out now, so that a full disk is found at the start and not in the middle of the night.
    const zeros = Buffer.alloc(Math.min(bytes * content.capacityTicks, 1 << 20));
    const end = journalBytes(start, content);
    for (let at = start; at < end; at += zeros.length) {
      opened.write(zeros.subarray(0, end - at), at);
    }
    return opened;
  });
  const fileBytes = journalBytes(start, content);
  const slot = Buffer.from(new ArrayBuffer(bytes));
  const values = new Float64Array(slot.buffer, SLOT_HEADER_BYTES);
  const deviceCount = content.devices.length;
  slot.writeUInt32LE(MAGIC, 0);
  return {
    write(ring, tick, base, sampledRows) {
      if (file.links === 0 || file.size < fileBytes) throw gone(path);
      const end = base + deviceCount;
      slot.writeDoubleLE(tick, 8);
      slot.writeDoubleLE(sampledRows, 16);
      slot.writeDoubleLE(ring.timeBreaks, 24);
      let at = 0;
      for (const array of [ring.tsUs, ring.dtUs, ring.energyRise, ring.energyRiseDtUs, ...ring.columns]) {
        for (let row = base; row < end; row += 1, at += 1) values[at] = array[row]!;
      }
      slot.writeUInt32LE(crc32(slot.subarray(8)), 4);
      file.write(slot, start + (tick % content.capacityTicks) * bytes);
    },
    close() {
      file.close();
    },
  };
}
