import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { crc32 } from 'node:zlib';
import { onDisk } from './disk-error.ts';

/** Rows of the small tables that the store has not taken, by table, for the next life. */
export type WaitingRows = Readonly<Record<string, readonly unknown[]>>;

/** Replaces the file, or removes it when nothing waits. @throws OperatingError `state.disk` */
export function saveWaitingRows(path: string, rows: WaitingRows): void {
  onDisk('the rows that wait', path, () => {
    if (Object.values(rows).every((each) => each.length === 0)) {
      rmSync(path, { force: true });
      return;
    }
    mkdirSync(dirname(path), { recursive: true });
    // Node's own serialisation keeps NaN and Infinity, which JSON does not.
    const content = serialize(rows);
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32LE(crc32(content));
    writeFileSync(`${path}.new`, Buffer.concat([checksum, content]));
    renameSync(`${path}.new`, path);
  });
}

/** @returns undefined when there is no file, or none that is sound */
export function loadWaitingRows(path: string): WaitingRows | undefined {
  return onDisk('the rows that wait', path, () => {
    if (!existsSync(path)) return undefined;
    const bytes = readFileSync(path);
    if (bytes.length < 4 || bytes.readUInt32LE(0) !== crc32(bytes.subarray(4))) return undefined;
    return deserialize(bytes.subarray(4)) as WaitingRows;
  });
}
