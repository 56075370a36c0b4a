import { dirname } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { crc32 } from 'node:zlib';
import { onDisk } from './disk-error.ts';
import { replaceFile, type Disk } from './disk.ts';

/** Rows of the small tables that the store has not taken, by table, for the next life. */
export type WaitingRows = Readonly<Record<string, readonly unknown[]>>;

/** Replaces the file, or removes it when nothing waits. @throws OperatingError `state.disk` */
export function saveWaitingRows(disk: Disk, path: string, rows: WaitingRows): void {
  onDisk('the rows that wait', path, () => {
    if (Object.values(rows).every((each) => each.length === 0)) {
      if (disk.size(path) === undefined) return;
      disk.remove(path);
      // Old rows that come back would be written over newer ones.
      disk.syncDirectory(dirname(path));
      return;
    }
    disk.makeDirectory(dirname(path));
    // Node's own serialisation keeps NaN and Infinity, which JSON does not.
    const content = serialize(rows);
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32LE(crc32(content));
    replaceFile(disk, path, Buffer.concat([checksum, content]));
  });
}

/** @returns undefined when there is no file, or none that is sound */
export function loadWaitingRows(disk: Disk, path: string): WaitingRows | undefined {
  return onDisk('the rows that wait', path, () => {
    const bytes = disk.read(path);
    if (bytes === undefined || bytes.length < 4 || bytes.readUInt32LE(0) !== crc32(bytes.subarray(4)))
      return undefined;
    return deserialize(bytes.subarray(4)) as WaitingRows;
  });
}
