import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { loadFileLocks } from '../../native/file-lock.ts';
import { OperatingError } from '../core/base/errors.ts';
import { onDisk, systemCodeOf } from './disk-error.ts';
import { makeDirectories } from './make-directories.ts';

/**
 * Claims a directory for this process, since two that write the same spool would each undo the other's account. The
 * claim is a lock of the kernel on `DIR/lock`: it ends with the process, however that ends, and holds between
 * containers too. The file says who has it and is never removed: two starters would each lock a file of their own.
 * @returns gives the claim back
 * @throws OperatingError `state.locked` while another process has it, `state.lock`, `state.disk`
 */
export async function lockDirectory(directory: string): Promise<() => void> {
  const locks = await loadFileLocks();
  const path = lockPath(directory);
  return onDisk('the state directory', directory, () => {
    makeDirectories(directory);
    const doesMake = !existsSync(path);
    const file = openSync(path, constants.O_RDWR | constants.O_CREAT, LOCK_MODE);
    try {
      // A umask takes rights away, and is somebody else's.
      if (doesMake) fchmodSync(file, LOCK_MODE);
      if (!locks.take(file)) throw locked(directory, readOwner(path));
      const text = `${process.pid}\n`;
      writeSync(file, text, 0);
      ftruncateSync(file, text.length);
    } catch (thrown) {
      closeSync(file);
      throw thrown;
    }
    let isHeld = true;
    return () => {
      // Its number may belong to another file by the second time.
      if (isHeld) closeSync(file);
      isHeld = false;
    };
  });
}

/**
 * The pid, as it is to itself, of the process that has claimed the directory, 0 where its file does not tell; undefined when none has. Asks only: a
 * process that starts meanwhile gets its claim.
 * @throws OperatingError `state.lock`, `state.disk`
 */
export async function lockOwner(directory: string): Promise<number | undefined> {
  const path = lockPath(directory);
  const file = onDisk('the lock of the state directory', path, () => openIfThere(path));
  if (file === undefined) return undefined;
  const locks = await loadFileLocks();
  return onDisk('the state directory', directory, () => {
    try {
      return locks.isTaken(file) ? (readOwner(path) ?? 0) : undefined;
    } finally {
      closeSync(file);
    }
  });
}

/** Not seeing a file is another thing than its not being there, which `existsSync` does not tell apart. */
function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (thrown) {
    if (systemCodeOf(thrown) !== 'ENOENT') throw thrown;
    return undefined;
  }
}

/** Whoever may look at the state directory may ask whether it is claimed. */
const LOCK_MODE = 0o640;

function lockPath(directory: string): string {
  return join(directory, 'lock');
}

function readOwner(path: string): number | undefined {
  const pid = Number.parseInt(readFileSync(path, 'latin1'), 10);
  return Number.isNaN(pid) ? undefined : pid;
}

function locked(directory: string, pid: number | undefined): OperatingError {
  const who = pid === undefined ? '' : ` (process ${pid})`;
  return new OperatingError(`another gpuledger${who} is using ${directory}`, {
    code: 'state.locked',
    exit: 'temporary',
    where: directory,
    hints: [
      'the number is what that process calls itself: in another container it may be another process here',
      'stop it, or give this one a directory of its own: --state-dir',
    ],
  });
}
