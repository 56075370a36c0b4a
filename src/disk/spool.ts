import {
  closeSync,
  existsSync,
  fdatasync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { assert } from '../core/base/assert.ts';
import type { Tell } from '../core/base/notice.ts';
import { diskError, isDiskFull, onDisk } from './disk-error.ts';
import { encodeRecord, RECORD_HEADER_BYTES, scanSegment, type FoundRecord } from './spool-record.ts';

/**
 * Encoded batches of one table that the store has not taken, on disk, in order:
 *
 *   DIR/0000000000000042.seg   batches 42, 43, … in records with checksums; a new file every SEGMENT_BYTES
 *   DIR/damaged/…              segments that were found damaged, with the reason beside them; their sound records were sent
 *
 * A batch is fsynced before `append` returns, so its ticks may leave the ring. Bounded in bytes and age: beyond, the
 * oldest segment is given up, and counted. Only one process may have it open (`state-lock.ts`), one call at a time.
 */
export interface Spool {
  /** Rows and bytes that wait, without what was settled. */
  readonly rows: number;
  readonly bytes: number;
  /** When the oldest waiting batch was written, epoch ms; undefined when nothing waits. */
  readonly oldestMs: number | undefined;
  /** The highest sequence that is settled, in one way or another. */
  readonly settledSequence: number;
  /** Every batch that was found on disk when it was opened, settled ones too. Whoever has read it may empty it. */
  readonly found: Pick<FoundRecord, 'journal' | 'toTick' | 'rows'>[];
  /**
   * Adds a batch behind the others.
   * @throws OperatingError `state.disk` when the disk does not take it, even after the oldest segment was given up
   */
  append(batch: SpooledBatch): Promise<void>;
  /** The oldest batch that is not settled; undefined when there is none. Sound: a damaged one is dropped and counted. */
  peek(): WaitingBatch | undefined;
  /** The batch that `peek` gave is written or refused: it is not given again. */
  settle(sequence: number): void;
  /** Gives everything up. @returns the rows */
  clear(): number;
  close(): void;
}

export interface SpooledBatch {
  readonly body: Uint8Array;
  readonly rows: number;
  /** See `SpoolRecord`. */
  readonly journal: number;
  readonly toTick: number;
}

export interface WaitingBatch {
  readonly sequence: number;
  readonly rows: number;
  /** Epoch ms. */
  readonly writtenMs: number;
  readonly body: Buffer;
}

export interface SpoolOptions {
  /** Batches up to this one are settled, whatever is still on disk. */
  readonly settledSequence: number;
  readonly bytesMax: number;
  readonly ageMsMax: number;
  /** Default 8 MiB. */
  readonly segmentBytes?: number;
  /** Epoch ms. */
  readonly nowMs: () => number;
  /** Rows that are lost: given up by the bounds, or damaged. Times in epoch ms. */
  readonly onDropped: (loss: { rows: number; firstMs: number; lastMs: number; reason: string }) => void;
  readonly tell: Tell;
}

interface Segment {
  readonly path: string;
  bytes: number;
  /** Not settled, ascending. Read again from the file when the segment's turn comes. */
  records: readonly Omit<FoundRecord, 'bodyBytes'>[];
  damage: string | undefined;
}

const SEGMENT_BYTES = 8 * 1024 * 1024;
const sync = promisify(fdatasync);

/** @throws OperatingError `state.disk` when the directory cannot be made or read */
export function openSpool(directory: string, options: SpoolOptions): Spool {
  const { tell, segmentBytes = SEGMENT_BYTES } = options;
  const segments: Segment[] = [];
  const found: Pick<FoundRecord, 'journal' | 'toTick' | 'rows'>[] = [];
  let settledSequence = options.settledSequence;
  let nextSequence = settledSequence + 1;
  /** The file that is appended to: the last segment's. */
  let file: number | undefined;
  /** Content of the segment whose turn it is. */
  let front: { segment: Segment; bytes: Buffer } | undefined;

  onDisk('the spool', directory, () => {
    mkdirSync(directory, { recursive: true });
    for (const name of readdirSync(directory).sort()) if (name.endsWith('.seg')) load(join(directory, name));
  });

  function load(path: string): void {
    const bytes = readFileSync(path);
    const { records, damage } = scanSegment(bytes);
    found.push(...records);
    for (const { sequence } of records) nextSequence = Math.max(nextSequence, sequence + 1);
    const waiting = records.filter(({ sequence }) => sequence > settledSequence);
    const segment: Segment = { path, bytes: bytes.length, records: waiting, damage };
    if (waiting.length === 0) finish(segment);
    else segments.push(segment);
  }

  /** Everything in it is settled: it goes, or is set aside when it was damaged. */
  function finish(segment: Segment): void {
    if (front?.segment === segment) front = undefined;
    if (segment.damage === undefined) {
      rmSync(segment.path, { force: true });
      return;
    }
    const aside = join(directory, 'damaged');
    tell({
      level: 'error',
      code: 'spool.damaged',
      sentence: `${segment.path} is ${segment.damage}; it is set aside in ${aside}`,
    });
    if (!existsSync(segment.path)) return;
    mkdirSync(aside, { recursive: true });
    const target = join(aside, segment.path.slice(directory.length + 1));
    renameSync(segment.path, target);
    writeFileSync(`${target}.reason`, `${segment.damage}\n`);
  }

  function dropOldest(reason: string): void {
    const segment = segments.shift();
    assert(segment !== undefined, 'no segment to give up');
    if (segments.length === 0) closeFile();
    noteLoss(segment.records, reason);
    settledSequence = Math.max(settledSequence, segment.records.at(-1)?.sequence ?? 0);
    finish(segment);
  }

  function noteLoss(records: readonly Omit<FoundRecord, 'bodyBytes'>[], reason: string): void {
    const [first] = records;
    if (first === undefined) return;
    const rows = records.reduce((sum, record) => sum + record.rows, 0);
    options.onDropped({ rows, firstMs: first.writtenMs, lastMs: records.at(-1)!.writtenMs, reason });
  }

  function closeFile(): void {
    if (file !== undefined) closeSync(file);
    file = undefined;
  }

  function waitingBytes(): number {
    return segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  /** The segment to append to: the last one while it is small and still there, else a new one. */
  function openSegment(recordBytes: number): Segment {
    const last = segments.at(-1);
    const hasRoom = last !== undefined && (last.bytes === 0 || last.bytes + recordBytes <= segmentBytes);
    if (file !== undefined && hasRoom && existsSync(last.path)) return last;
    closeFile();
    mkdirSync(directory, { recursive: true });
    const path = join(directory, `${String(nextSequence).padStart(16, '0')}.seg`);
    file = openSync(path, 'w+');
    const segment: Segment = { path, bytes: 0, records: [], damage: undefined };
    segments.push(segment);
    return segment;
  }

  async function appendOnce(batch: SpooledBatch): Promise<void> {
    const header = {
      sequence: nextSequence,
      rows: batch.rows,
      writtenMs: options.nowMs(),
      journal: batch.journal,
      toTick: batch.toTick,
    };
    const bytes = encodeRecord(header, batch.body);
    const segment = openSegment(bytes.length);
    assert(file !== undefined, 'the open segment has a file');
    try {
      let written = 0;
      while (written < bytes.length) {
        written += writeSync(file, bytes, written, bytes.length - written, segment.bytes + written);
      }
      await sync(file);
    } catch (thrown) {
      // What was written of it is no record; the next one begins at the same place.
      ftruncateSync(file, segment.bytes);
      throw thrown;
    }
    segment.records = [...segment.records, { ...header, at: segment.bytes }];
    segment.bytes += bytes.length;
    nextSequence += 1;
  }

  function keepBounds(incomingBytes: number): void {
    while (segments.length > 0 && waitingBytes() + incomingBytes > options.bytesMax) {
      dropOldest(`the spool has reached ${options.bytesMax} bytes`);
    }
    const oldestMs = options.nowMs() - options.ageMsMax;
    while (segments.length > 0 && (segments[0]!.records.at(-1)?.writtenMs ?? Infinity) < oldestMs) {
      dropOldest('it is older than the spool keeps');
    }
  }

  /** The record as it stands on disk now; undefined when the file is gone or the record is no longer sound. */
  function readBody(
    segment: Segment,
    { at, sequence }: Pick<FoundRecord, 'at' | 'sequence'>,
  ): Buffer | undefined {
    if (front?.segment !== segment || front.bytes.length < segment.bytes) {
      if (!existsSync(segment.path)) return undefined;
      front = { segment, bytes: readFileSync(segment.path) };
    }
    const [record] = scanRecordAt(front.bytes, at);
    if (record?.sequence !== sequence) return undefined;
    return front.bytes.subarray(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + record.bodyBytes);
  }

  function waitingRows(): number {
    return segments.reduce(
      (sum, { records }) => records.reduce((rows, record) => rows + record.rows, sum),
      0,
    );
  }

  function settle(sequence: number): void {
    const segment = segments[0];
    assert(segment?.records[0]?.sequence === sequence, 'only the oldest batch can be settled');
    segment.records = segment.records.slice(1);
    settledSequence = sequence;
    if (segment.records.length > 0) return;
    segments.shift();
    if (segments.length === 0) closeFile();
    finish(segment);
  }

  function peek(): WaitingBatch | undefined {
    for (;;) {
      const segment = segments[0];
      const record = segment?.records[0];
      if (segment === undefined || record === undefined) return undefined;
      const body = readBody(segment, record);
      if (body !== undefined) {
        return { sequence: record.sequence, rows: record.rows, writtenMs: record.writtenMs, body };
      }
      segment.damage ??= existsSync(segment.path) ? `damaged at byte ${record.at}` : 'gone';
      noteLoss([record], `${segment.path} is ${segment.damage}`);
      settle(record.sequence);
    }
  }

  async function append(batch: SpooledBatch): Promise<void> {
    keepBounds(RECORD_HEADER_BYTES + batch.body.byteLength);
    for (;;) {
      try {
        await appendOnce(batch);
        return;
      } catch (thrown) {
        if (!isDiskFull(thrown) || segments.length < 2) throw diskError('the spool', directory, thrown);
        dropOldest('the disk is full');
      }
    }
  }

  return {
    get rows() {
      return waitingRows();
    },
    get bytes() {
      return waitingBytes();
    },
    get oldestMs() {
      return segments[0]?.records[0]?.writtenMs;
    },
    get settledSequence() {
      return settledSequence;
    },
    found,
    append,
    peek,
    settle,
    clear() {
      const rows = waitingRows();
      while (segments.length > 0) dropOldest('it was given up by command');
      return rows;
    },
    close: closeFile,
  };
}

function scanRecordAt(bytes: Buffer, at: number): readonly FoundRecord[] {
  const end = at + RECORD_HEADER_BYTES;
  if (end > bytes.length) return [];
  const bodyBytes = bytes.readUInt32LE(at + 12);
  return scanSegment(bytes.subarray(at, end + bodyBytes)).records;
}
