import { OperatingError } from '../core/base/errors.ts';
import { fileError } from '../core/base/file-fault.ts';

/** `ENOENT` and the like; undefined for what is no error of the file system. */
export function systemCodeOf(thrown: unknown): unknown {
  return thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
}

export function isDiskFull(thrown: unknown): boolean {
  const code = systemCodeOf(thrown);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** The error for a file or directory under the state directory that cannot be made, read or written. */
export function diskError(what: string, path: string, thrown: unknown): OperatingError {
  return fileError(`${what} cannot be used`, thrown, {
    code: 'state.disk',
    exit: 'temporary',
    where: path,
    hints: ['the state directory may be another one: state_dir, --state-dir'],
  });
}

/** Does `work`; what goes wrong becomes a `diskError`. */
export function onDisk<T>(what: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (thrown instanceof OperatingError) throw thrown;
    throw diskError(what, path, thrown);
  }
}
