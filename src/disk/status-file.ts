import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { statusFile, type Status } from '../../schemas/status.ts';
import { messageOf, OperatingError } from '../core/base/errors.ts';
import { onDisk } from './disk-error.ts';
import { realDisk, replaceFile } from './disk.ts';

export function statusPath(stateDir: string): string {
  return join(stateDir, 'status.json');
}

/** @throws OperatingError `state.disk` */
export function writeStatus(path: string, status: Status): void {
  onDisk('the status', path, () => {
    realDisk.makeDirectory(dirname(path));
    replaceFile(realDisk, path, Buffer.from(`${JSON.stringify(status)}\n`));
  });
}

/**
 * @returns undefined when no collector has ever written one
 * @throws OperatingError `status.malformed`
 */
export function readStatus(path: string): Status | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return statusFile.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (thrown) {
    throw new OperatingError(`the status of the collector cannot be read: ${messageOf(thrown)}`, {
      code: 'status.malformed',
      exit: 'data',
      where: path,
      cause: thrown,
    });
  }
}
