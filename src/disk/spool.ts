import { assert } from '../core/base/assert.ts';
import type { Tell } from '../core/base/notice.ts';
import { extentOf } from '../core/wire/ilp-rows.ts';
import { diskError, isDiskFull, onDisk } from './disk-error.ts';
import type { Disk } from './disk.ts';
import { encodeRecord, RECORD_HEADER_BYTES, type FoundRecord } from './spool-record.ts';
import { openSegmentFiles, type Segment, type WaitingRecord } from './spool-segments.ts';

/**
 * Encoded batches of one table that the store has not taken, on disk, in order:
 *
 *   DIR/0000000000000042.seg   batches 42, 43, … in records with checksums; a new file every SEGMENT_BYTES_MAX
 *   DIR/damaged/…              segments that were found damaged, with the reason beside them; their sound records were sent
 *
 * A batch outlives a power failure once `append` resolves, so its ticks may leave the ring. Bounded in bytes and age: beyond, the
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

interface SpooledBatch {
  readonly body: Uint8Array;
  readonly rows: number;
  /** See `SpoolRecord`. */
  readonly journal: number;
  readonly toTick: number;
}

interface WaitingBatch {
  readonly sequence: number;
  readonly rows: number;
  /** Epoch ms. */
  readonly writtenMs: number;
  readonly body: Buffer;
}

export interface SpoolOptions {
  readonly disk: Disk;
  /** Batches up to this one are settled, whatever is still on disk. */
  readonly settledSequence: number;
  readonly bytesMax: number;
  readonly ageMsMax: number;
  /** Default 8 MiB. */
  readonly segmentBytes?: number;
  /** Epoch ms. */
  readonly nowMs: () => number;
  /** Rows that are lost: given up by the bounds, or damaged. Times of the rows, of what cannot be read those of spooling; epoch µs. */
  readonly onDropped: (loss: { rows: number; firstUs: number; lastUs: number; reason: string }) => void;
  readonly tell: Tell;
}

const SEGMENT_BYTES_MAX = 8 * 1024 * 1024;

/** @throws OperatingError `state.disk` when the directory cannot be made or read */
export function openSpool(directory: string, options: SpoolOptions): Spool {
  const { tell, segmentBytes = SEGMENT_BYTES_MAX } = options;
  const files = openSegmentFiles(options.disk, directory);
  const segments: Segment[] = [];
  const found: Pick<FoundRecord, 'journal' | 'toTick' | 'rows'>[] = [];
  let settledSequence = options.settledSequence;
  let nextSequence = settledSequence + 1;

  onDisk('the spool', directory, () => {
    for (const { segment, records } of files.scan()) {
      found.push(...records);
      for (const { sequence } of records) nextSequence = Math.max(nextSequence, sequence + 1);
      segment.records = records.filter(({ sequence }) => sequence > settledSequence);
      if (segment.records.length === 0) finish(segment);
      else segments.push(segment);
    }
  });

  /** Everything in it is settled. */
  function finish(segment: Segment): void {
    const aside = files.discard(segment);
    if (segment.damage === undefined || aside === undefined) return;
    const sentence = `${segment.path} is ${segment.damage}; it is set aside in ${aside}`;
    tell({ level: 'error', code: 'spool.damaged', sentence });
  }

  function dropOldest(reason: string): void {
    const segment = segments.shift();
    assert(segment !== undefined, 'no segment to give up');
    noteLoss(segment, segment.records, reason);
    settledSequence = Math.max(settledSequence, segment.records.at(-1)?.sequence ?? 0);
    finish(segment);
  }

  function noteLoss(segment: Segment, records: readonly WaitingRecord[], reason: string): void {
    const [first, last] = [records[0], records.at(-1)];
    if (first === undefined || last === undefined) return;
    const [begin, end] = [first, last].map((record) => timesOf(segment, record));
    options.onDropped({ rows: rowsOf(records), firstUs: begin!.fromUs, lastUs: end!.toUs, reason });
  }

  function timesOf(
    segment: Segment,
    record: WaitingRecord,
  ): { readonly fromUs: number; readonly toUs: number } {
    const body = files.readBody(segment, record);
    return (body && timesIn(body)) ?? { fromUs: record.writtenMs * 1000, toUs: record.writtenMs * 1000 };
  }

  /** The segment to append to: the last one while it is small and still there, else a new one. */
  function segmentFor(recordBytes: number): Segment {
    const last = segments.at(-1);
    const hasRoom = last !== undefined && (last.bytes === 0 || last.bytes + recordBytes <= segmentBytes);
    if (hasRoom && files.isOpen(last)) return last;
    const segment = files.begin(nextSequence);
    segments.push(segment);
    return segment;
  }

  async function appendOnce({ body, ...batch }: SpooledBatch): Promise<void> {
    const header = { sequence: nextSequence, writtenMs: options.nowMs(), ...batch };
    const bytes = encodeRecord(header, body);
    const segment = segmentFor(bytes.length);
    await files.append(segment, bytes);
    segment.records = [...segment.records, { ...header, at: segment.bytes }];
    segment.bytes += bytes.length;
    nextSequence += 1;
  }

  /** A segment that was begun for a record that the disk did not take holds nothing that could be given up. */
  function endEmpty(): void {
    if (segments.at(-1)?.records.length === 0) finish(segments.pop()!);
  }

  function keepBounds(incomingBytes: number): void {
    while (segments.length > 0 && bytesOf(segments) + incomingBytes > options.bytesMax) {
      dropOldest(`the spool has reached ${options.bytesMax} bytes`);
    }
    const oldestMs = options.nowMs() - options.ageMsMax;
    while (segments.length > 0 && (segments[0]!.records.at(-1)?.writtenMs ?? Infinity) < oldestMs) {
      dropOldest('it is older than the spool keeps');
    }
  }

  function settle(sequence: number): void {
    const segment = segments[0];
    assert(segment?.records[0]?.sequence === sequence, 'only the oldest batch can be settled');
    segment.records = segment.records.slice(1);
    settledSequence = sequence;
    if (segment.records.length > 0) return;
    segments.shift();
    finish(segment);
  }

  function peek(): WaitingBatch | undefined {
    for (;;) {
      const segment = segments[0];
      const record = segment?.records[0];
      if (segment === undefined || record === undefined) return undefined;
      const body = files.readBody(segment, record);
      if (body !== undefined) {
        return { sequence: record.sequence, rows: record.rows, writtenMs: record.writtenMs, body };
      }
      segment.damage ??= files.isThere(segment) ? `damaged at byte ${record.at}` : 'gone';
      noteLoss(segment, [record], `${segment.path} is ${segment.damage}`);
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
        endEmpty();
        if (!isDiskFull(thrown) || segments.length < 2) throw diskError('the spool', directory, thrown);
        dropOldest('the disk is full');
      }
    }
  }

  return {
    get rows() {
      return rowsIn(segments);
    },
    get bytes() {
      return bytesOf(segments);
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
      const rows = rowsIn(segments);
      while (segments.length > 0) dropOldest('it was given up by command');
      return rows;
    },
    close() {
      files.close();
    },
  };
}

/** Undefined where these are no rows that we know. */
function timesIn(body: Uint8Array): { readonly fromUs: number; readonly toUs: number } | undefined {
  try {
    const { fromUs, toUs } = extentOf(body);
    return Number.isFinite(fromUs) && Number.isFinite(toUs) ? { fromUs, toUs } : undefined;
  } catch (thrown) {
    if (thrown instanceof RangeError) return undefined;
    throw thrown;
  }
}

function rowsOf(records: readonly WaitingRecord[]): number {
  return records.reduce((sum, { rows }) => sum + rows, 0);
}

function rowsIn(segments: readonly Segment[]): number {
  return segments.reduce((sum, { records }) => sum + rowsOf(records), 0);
}

function bytesOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, { bytes }) => sum + bytes, 0);
}
