import {
  appendFileSync,
  closeSync,
  existsSync,
  fchmodSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { systemCodeOf } from './disk-error.ts';
import { makeDirectories } from './make-directories.ts';

/**
 * What the state directory is kept on: the real one below, and in the tests one that fails at every call. Positions and lengths are bytes. Every call throws what the file system says (`onDisk` puts it into words).
 *
 * There are two losses. A kill of the process leaves all that was written; the call under way may be done in part. A
 * power failure loses, in any order, what was not synced: the content of a file by `sync`, its name by `syncDirectory`.
 */
export interface Disk {
  /**
   * @param flags as node's: `w+` makes or empties, `wx` makes and refuses one that is there
   * @param mode of a file that is made, whatever the umask; default 0o640
   */
  open(path: string, flags: 'r' | 'r+' | 'w+' | 'wx', mode?: number): DiskFile;
  /** Undefined when there is no such file. */
  read(path: string): Buffer | undefined;
  /** Undefined when there is no such file. */
  size(path: string): number | undefined;
  /** Adds to the end of a file, and makes it. Not synced. */
  append(path: string, bytes: Uint8Array): void;
  /** One that is there under the new name is replaced. */
  rename(from: string, to: string): void;
  /** Does nothing when there is no such file. */
  remove(path: string): void;
  /** Names in the directory, sorted; none when it is not there. */
  list(directory: string): string[];
  /** Makes the directory and those above it, to last. */
  makeDirectory(path: string): void;
  /** What was made, renamed and removed in the directory outlives a power failure from here on. */
  syncDirectory(path: string): void;
}

export interface DiskFile {
  readonly size: number;
  /** Names that it has; 0 once it was removed. */
  readonly links: number;
  /** Fewer bytes than asked for where the file ends. The buffer begins an ArrayBuffer of its own: doubles are aligned. */
  read(at: number, length: number): Buffer;
  /** Writes all of the bytes. */
  write(bytes: Uint8Array, at: number): void;
  truncate(length: number): void;
  /** What was written outlives a power failure once this resolves. The event loop goes on meanwhile. */
  sync(): Promise<void>;
  /** The same, and everything else waits. */
  syncNow(): void;
  close(): void;
}

/**
 * Puts `bytes` in the place of what a file holds: after a kill or a power failure it has the old content or the new one,
 * and once this returns the new one. The directory must be there.
 * @param mode of the file, whatever the umask; default 0o640
 */
export function replaceFile(disk: Disk, path: string, bytes: Uint8Array, mode?: number): void {
  const directory = dirname(path);
  const temporary = join(directory, `.${basename(path)}.tmp`);
  // Left by a kill. Made anew: in a directory where others may write, their link there must not be followed.
  disk.remove(temporary);
  const file = disk.open(temporary, 'wx', mode);
  try {
    try {
      file.write(bytes, 0);
      file.syncNow();
    } finally {
      file.close();
    }
    disk.rename(temporary, path);
  } catch (thrown) {
    disk.remove(temporary);
    throw thrown;
  }
  disk.syncDirectory(directory);
}

const fdatasyncSoon = promisify(fdatasync);

/** Of a file of our own: its group may read it (spool and journal hold samples and job ids), and nobody else. */
const FILE_MODE = 0o640;

export const realDisk: Disk = {
  open(path, flags, mode = FILE_MODE) {
    const doesMake = flags.startsWith('w') && (flags === 'wx' || !existsSync(path));
    const fd = openSync(path, flags, mode);
    // A umask takes rights away, and is somebody else's.
    if (doesMake) fchmodSync(fd, mode);
    return realFile(fd);
  },
  read: (path) => unlessMissing(() => readFileSync(path)),
  size: (path) => statSync(path, { throwIfNoEntry: false })?.size,
  append(path, bytes) {
    const doesMake = !existsSync(path);
    const fd = openSync(path, 'a', FILE_MODE);
    try {
      if (doesMake) fchmodSync(fd, FILE_MODE);
      appendFileSync(fd, bytes);
    } finally {
      closeSync(fd);
    }
  },
  rename: renameSync,
  remove: (path) => {
    rmSync(path, { force: true });
  },
  list: (directory) => (unlessMissing(() => readdirSync(directory)) ?? []).sort(),
  makeDirectory(path) {
    const whole = resolve(path);
    const first = makeDirectories(whole);
    if (first === undefined) return;
    for (let made = whole; made.length >= first.length; made = dirname(made)) syncDirectory(dirname(made));
  },
  syncDirectory,
};

function realFile(fd: number): DiskFile {
  return {
    get size() {
      return fstatSync(fd).size;
    },
    get links() {
      return fstatSync(fd).nlink;
    },
    read(at, length) {
      const bytes = Buffer.from(new ArrayBuffer(length));
      let end = 0;
      for (let count = -1; end < length && count !== 0; end += count)
        count = readSync(fd, bytes, end, length - end, at + end);
      return bytes.subarray(0, end);
    },
    write(bytes, at) {
      let written = 0;
      while (written < bytes.length)
        written += writeSync(fd, bytes, written, bytes.length - written, at + written);
    },
    truncate(length) {
      ftruncateSync(fd, length);
    },
    sync: () => fdatasyncSoon(fd),
    syncNow() {
      fdatasyncSync(fd);
    },
    close() {
      closeSync(fd);
    },
  };
}

function syncDirectory(path: string): void {
  // Some file systems sync no directory (EINVAL), and a drop box may be written and not read (EACCES): there a name
  // lasts when the file system sees fit.
  try {
    const fd = openSync(path, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (thrown) {
    const code = systemCodeOf(thrown);
    if (code !== 'EINVAL' && code !== 'EACCES') throw thrown;
  }
}

function unlessMissing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (thrown) {
    if (systemCodeOf(thrown) !== 'ENOENT') throw thrown;
    return undefined;
  }
}
