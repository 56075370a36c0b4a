import { join } from 'node:path';
import { assert } from '../core/base/assert.ts';
import type { Disk, DiskFile } from './disk.ts';
import { replaceFile } from './disk.ts';
import { RECORD_HEADER_BYTES, scanSegment, type FoundRecord } from './spool-record.ts';

/** A batch that waits in a segment. */
export type WaitingRecord = Omit<FoundRecord, 'bodyBytes'>;

export interface Segment {
  readonly path: string;
  bytes: number;
  /** Not settled, ascending. Read again from the file when the segment's turn comes. */
  records: readonly WaitingRecord[];
  damage: string | undefined;
}

/** The files of a spool. What is in which one, and what has to wait, is the spool's own concern. */
export interface SegmentFiles {
  /** Every segment that is there, in order, with its sound records. */
  scan(): { segment: Segment; records: readonly FoundRecord[] }[];
  /** Whether the segment is the one that was begun last, and still there. */
  isOpen(segment: Segment): boolean;
  /** Makes the segment that `append` writes to from here on. @param sequence of its first record */
  begin(sequence: number): Segment;
  /** Writes behind what the segment holds; once it resolves, that outlives a power failure. When it fails, none of it stays. */
  append(segment: Segment, record: Uint8Array): Promise<void>;
  isThere(segment: Segment): boolean;
  /** The record's body as it stands on disk now; undefined when the file is gone or the record is no longer sound. */
  readBody(segment: Segment, record: Pick<FoundRecord, 'at' | 'sequence'>): Buffer | undefined;
  /** Removes a segment of which nothing is needed; one that was damaged is set aside. @returns where to */
  discard(segment: Segment): string | undefined;
  /** Closes the file that is appended to. */
  close(): void;
}

export function openSegmentFiles(disk: Disk, directory: string): SegmentFiles {
  const asideDirectory = join(directory, 'damaged');
  let open: { readonly segment: Segment; readonly file: DiskFile } | undefined;
  /** Content of the segment whose turn it is. */
  let front: { readonly segment: Segment; readonly bytes: Buffer } | undefined;

  function contentOf(segment: Segment): Buffer | undefined {
    if (front?.segment !== segment || front.bytes.length < segment.bytes) {
      const bytes = disk.read(segment.path);
      front = bytes === undefined ? undefined : { segment, bytes };
    }
    return front?.bytes;
  }

  function syncFile(path: string): void {
    const file = disk.open(path, 'r+');
    try {
      file.syncNow();
    } finally {
      file.close();
    }
  }

  function close(): void {
    open?.file.close();
    open = undefined;
  }

  return {
    scan() {
      disk.makeDirectory(directory);
      const names = disk.list(directory).filter((name) => name.endsWith('.seg'));
      // Its last record may be one that a kill kept from being synced; whoever finds it relies on it.
      const last = names.at(-1);
      if (last !== undefined) syncFile(join(directory, last));
      return names.map((name) => {
        const path = join(directory, name);
        const bytes = disk.read(path) ?? Buffer.alloc(0);
        const { records, damage } = scanSegment(bytes);
        return { segment: { path, bytes: bytes.length, records, damage }, records };
      });
    },
    isThere: (segment) => disk.size(segment.path) !== undefined,
    isOpen: (segment) => open?.segment === segment && disk.size(segment.path) !== undefined,
    begin(sequence) {
      close();
      disk.makeDirectory(directory);
      const path = join(directory, `${String(sequence).padStart(16, '0')}.seg`);
      const segment: Segment = { path, bytes: 0, records: [], damage: undefined };
      open = { segment, file: disk.open(path, 'w+') };
      disk.syncDirectory(directory);
      return segment;
    },
    async append(segment, record) {
      assert(open?.segment === segment, 'the segment is the open one');
      const { file } = open;
      try {
        file.write(record, segment.bytes);
        await file.sync();
      } catch (thrown) {
        // What was written of it is no record; the next one begins at the same place.
        file.truncate(segment.bytes);
        throw thrown;
      }
    },
    readBody(segment, { at, sequence }) {
      const bytes = contentOf(segment);
      const record = bytes === undefined ? undefined : recordAt(bytes, at);
      if (bytes === undefined || record?.sequence !== sequence) return undefined;
      return bytes.subarray(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + record.bodyBytes);
    },
    discard(segment) {
      if (open?.segment === segment) close();
      if (front?.segment === segment) front = undefined;
      if (segment.damage === undefined) {
        disk.remove(segment.path);
        return undefined;
      }
      if (disk.size(segment.path) === undefined) return asideDirectory;
      disk.makeDirectory(asideDirectory);
      const aside = join(asideDirectory, segment.path.slice(directory.length + 1));
      disk.rename(segment.path, aside);
      replaceFile(disk, `${aside}.reason`, Buffer.from(`${segment.damage}\n`));
      return asideDirectory;
    },
    close,
  };
}

function recordAt(bytes: Buffer, at: number): FoundRecord | undefined {
  const end = at + RECORD_HEADER_BYTES;
  if (end > bytes.length) return undefined;
  const bodyBytes = bytes.readUInt32LE(at + 12);
  return scanSegment(bytes.subarray(at, end + bodyBytes)).records[0];
}
