import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/** A file that a person named, as a configuration or a recording. It may be a pipe: `--config <(…)`. */
export interface NamedFile {
  /**
   * Waits for a pipe whose other end somebody holds.
   * @returns bytes that were read into `buffer` from `at` on, 0 at the end
   * @throws what the system says; ENXIO of a pipe into which nobody writes, which would keep its reader for ever
   */
  read(buffer: Uint8Array, at: number): number;
  close(): void;
}

/** Between two looks at a pipe that holds nothing yet. */
const LOOK_MS = 10;

/** @throws what the system says */
export function openNamedFile(path: string): NamedFile {
  const { O_RDONLY, O_NONBLOCK, O_NOCTTY } = constants;
  const file = openSync(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  const isPipe = fstatSync(file).isFIFO();
  let isBegun = false;
  return {
    read(buffer, at) {
      for (;;) {
        const count = readOnce(file, buffer, at);
        if (count === 0 && isPipe && !isBegun) throw nobodyWrites(path);
        if (count !== undefined) {
          isBegun = true;
          return count;
        }
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_MS);
      }
    },
    close: () => {
      closeSync(file);
    },
  };
}

/** Most files fit; room for the most that is taken would be cleared in vain. */
const FIRST_BYTES = 16 * 1024;

/** Whole. @returns undefined when there is more. @throws as `NamedFile.read` */
export function readNamedFile(path: string, bytesMax: number): Buffer | undefined {
  const file = openNamedFile(path);
  try {
    let bytes = Buffer.alloc(Math.min(FIRST_BYTES, bytesMax + 1));
    let length = 0;
    for (;;) {
      if (length === bytes.length) bytes = Buffer.concat([bytes], Math.min(4 * length, bytesMax + 1));
      const count = file.read(bytes, length);
      length += count;
      if (length > bytesMax) return undefined;
      if (count === 0) return bytes.subarray(0, length);
    }
  } finally {
    file.close();
  }
}

/** Undefined where nothing has come yet. */
function readOnce(file: number, buffer: Uint8Array, at: number): number | undefined {
  try {
    return readSync(file, buffer, at, buffer.length - at, null);
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'EAGAIN') return undefined;
    throw thrown;
  }
}

function nobodyWrites(path: string): Error {
  return Object.assign(new Error(`ENXIO: nobody writes into the pipe, read '${path}'`), { code: 'ENXIO' });
}
