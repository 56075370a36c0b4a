import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { OperatingError } from '../core/base/errors.ts';
import { onDisk } from './disk-error.ts';
import { processStartTicks } from './process-identity.ts';

/**
 * Claims a directory for this process, since two that write the same spool would each undo the other's account. The
 * claim of a process that was killed is void.
 * @returns gives the claim back
 * @throws OperatingError `state.locked` while another process has it, `state.disk`
 */
export function lockDirectory(directory: string): () => void {
  const path = join(directory, 'lock');
  return onDisk('the state directory', directory, () => {
    mkdirSync(directory, { recursive: true });
    const owner = readOwner(path);
    if (owner !== undefined) throw locked(directory, owner);
    rmSync(path, { force: true });
    const file = openSync(path, 'wx');
    writeSync(file, `${process.pid} ${processStartTicks(process.pid) ?? ''}\n`);
    closeSync(file);
    return () => {
      rmSync(path, { force: true });
    };
  });
}

/** The pid of the living process that has claimed it. */
export function lockOwner(directory: string): number | undefined {
  return readOwner(join(directory, 'lock'));
}

function readOwner(path: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch {
    return undefined; // nobody has claimed it
  }
  const [pid = '', startTicks] = text.trim().split(' ');
  return startTicks !== undefined && processStartTicks(Number(pid)) === startTicks ? Number(pid) : undefined;
}

function locked(directory: string, pid: number): OperatingError {
  return new OperatingError(`another gpuledger (process ${pid}) is using ${directory}`, {
    code: 'state.locked',
    exit: 'temporary',
    where: directory,
    hints: ['stop it, or give this one a directory of its own: --state-dir'],
  });
}
