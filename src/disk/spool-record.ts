import { crc32 } from 'node:zlib';

/**
 * One batch in a segment file of the spool. All numbers are little endian.
 *
 *   0 magic  4 crc of 8…64  8 crc of the body  12 body bytes  16 rows  20 –  24 sequence  32 written at (epoch ms)
 *   40 journal (0: none)  48 end tick (exclusive) of that journal  56 –
 *   64 body
 */
export interface SpoolRecord {
  /** Counts up by one from batch to batch of a table, over all lives. */
  readonly sequence: number;
  readonly rows: number;
  /** Epoch ms. */
  readonly writtenMs: number;
  /** The ring journal in which these ticks stand as well, 0 when none; they end before `toTick`. */
  readonly journal: number;
  readonly toTick: number;
  readonly bodyBytes: number;
}

export const RECORD_HEADER_BYTES = 64;
const MAGIC = 0x31534c47; // "GLS1"

export function encodeRecord(record: Omit<SpoolRecord, 'bodyBytes'>, body: Uint8Array): Buffer {
  const bytes = Buffer.alloc(RECORD_HEADER_BYTES + body.byteLength);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt32LE(crc32(body), 8);
  bytes.writeUInt32LE(body.byteLength, 12);
  bytes.writeUInt32LE(record.rows, 16);
  bytes.writeDoubleLE(record.sequence, 24);
  bytes.writeDoubleLE(record.writtenMs, 32);
  bytes.writeDoubleLE(record.journal, 40);
  bytes.writeDoubleLE(record.toTick, 48);
  bytes.writeUInt32LE(crc32(bytes.subarray(8, RECORD_HEADER_BYTES)), 4);
  bytes.set(body, RECORD_HEADER_BYTES);
  return bytes;
}

/** @returns undefined when there is no sound header at `at`. The body has a checksum of its own: `isBodySound`. */
function decodeHeader(bytes: Buffer, at = 0): SpoolRecord | undefined {
  if (at + RECORD_HEADER_BYTES > bytes.length || bytes.readUInt32LE(at) !== MAGIC) return undefined;
  if (bytes.readUInt32LE(at + 4) !== crc32(bytes.subarray(at + 8, at + RECORD_HEADER_BYTES)))
    return undefined;
  return {
    sequence: bytes.readDoubleLE(at + 24),
    rows: bytes.readUInt32LE(at + 16),
    writtenMs: bytes.readDoubleLE(at + 32),
    journal: bytes.readDoubleLE(at + 40),
    toTick: bytes.readDoubleLE(at + 48),
    bodyBytes: bytes.readUInt32LE(at + 12),
  };
}

function isBodySound(header: Buffer, body: Uint8Array): boolean {
  return header.readUInt32LE(8) === crc32(body);
}

export interface FoundRecord extends SpoolRecord {
  /** Position of the header in the segment. */
  readonly at: number;
}

export interface SegmentScan {
  readonly records: readonly FoundRecord[];
  /** What is wrong with the segment; undefined when nothing is. */
  readonly damage: string | undefined;
}

/** Finds every whole, sound record of a segment. Behind a damaged one the search goes on at the next sound header. */
export function scanSegment(bytes: Buffer): SegmentScan {
  const records: FoundRecord[] = [];
  let damage: string | undefined;
  let at = 0;
  while (at < bytes.length) {
    const header = decodeHeader(bytes, at);
    const end = header === undefined ? Infinity : at + RECORD_HEADER_BYTES + header.bodyBytes;
    const isSound =
      header !== undefined &&
      end <= bytes.length &&
      isBodySound(bytes.subarray(at), bytes.subarray(at + RECORD_HEADER_BYTES, end));
    if (isSound) {
      records.push({ ...header, at });
      at = end;
      continue;
    }
    damage ??= `${end > bytes.length && header !== undefined ? 'cut off' : 'damaged'} at byte ${at} of ${bytes.length}`;
    at = nextHeader(bytes, at + 1);
  }
  return { records, damage };
}

function nextHeader(bytes: Buffer, from: number): number {
  const magic = Buffer.alloc(4);
  magic.writeUInt32LE(MAGIC);
  let at = bytes.indexOf(magic, from);
  while (at >= 0 && decodeHeader(bytes, at) === undefined) at = bytes.indexOf(magic, at + 1);
  return at < 0 ? bytes.length : at;
}
