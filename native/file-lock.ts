import { getSystemErrorMap } from 'node:util';
import { messageOf, OperatingError } from '../src/core/base/errors.ts';

/**
 * Locks of an open file description (Linux 3.15): the kernel holds one for as long as the file is open and gives it up
 * with the last of its process, however that ends. They hold across PID namespaces, where a pid says nothing.
 */
export interface FileLocks {
  /** Takes the lock on a file that is open for writing. It is held until the file is closed. @returns false when another has it */
  take(fd: number): boolean;
  /** Whether another open file has the lock. Takes nothing, so it cannot make anybody else lose. */
  isTaken(fd: number): boolean;
}

/** <fcntl.h>, alike on x86-64 and arm64. */
const F_OFD_GETLK = 36;
const F_OFD_SETLK = 37;
const F_WRLCK = 1;
const F_UNLCK = 2;
const EACCES = 13;
const EAGAIN = 11;

let loaded: Promise<FileLocks> | undefined;

/**
 * Loads what it takes, which costs some 10 to 100 ms the first time in a process.
 * @throws OperatingError `state.lock` where the C library cannot be called
 */
export async function loadFileLocks(): Promise<FileLocks> {
  return await (loaded ??= bindFileLocks());
}

async function bindFileLocks(): Promise<FileLocks> {
  const { default: koffi } = await import('koffi').catch((thrown: unknown) => {
    throw cannotLock(messageOf(thrown), thrown);
  });
  const flock = koffi.struct({
    l_type: 'short',
    l_whence: 'short',
    l_start: 'int64_t',
    l_len: 'int64_t',
    l_pid: 'int',
  });
  let fcntl: (fd: number, command: number, lock: { l_type: number }) => number;
  try {
    // The C library that this process has already, whatever its name: glibc and musl alike.
    fcntl = koffi.load(null).func('fcntl', 'int', ['int', 'int', koffi.inout(koffi.pointer(flock))]);
  } catch (thrown) {
    throw cannotLock(messageOf(thrown), thrown);
  }
  /** @returns the type of lock that stands in the way; `F_UNLCK` when none does. */
  const call = (fd: number, command: number): number => {
    const lock = { l_type: F_WRLCK, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 };
    if (fcntl(fd, command, lock) === 0) return command === F_OFD_GETLK ? lock.l_type : F_UNLCK;
    const errno = koffi.errno();
    if (command === F_OFD_SETLK && (errno === EAGAIN || errno === EACCES)) return F_WRLCK;
    throw cannotLock(getSystemErrorMap().get(-errno)?.join(': ') ?? `error ${errno}`);
  };
  return {
    take: (fd) => call(fd, F_OFD_SETLK) === F_UNLCK,
    isTaken: (fd) => call(fd, F_OFD_GETLK) !== F_UNLCK,
  };
}

function cannotLock(reason: string, cause?: unknown): OperatingError {
  return new OperatingError(`a file cannot be locked here: ${reason}`, {
    code: 'state.lock',
    exit: 'unavailable',
    hints: [
      'it takes Linux on x86-64 or arm64 with glibc or musl, and a file system that knows locks: --state-dir on a local one',
    ],
    cause,
  });
}
