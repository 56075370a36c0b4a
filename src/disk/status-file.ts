import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { statusFile, type Status } from '../../schemas/status.ts';
import { messageOf, OperatingError } from '../core/base/errors.ts';
import { onDisk } from './disk-error.ts';

export function statusPath(stateDir: string): string {
  return join(stateDir, 'status.json');
}

/** @throws OperatingError `state.disk` */
export function writeStatus(path: string, status: Status): void {
  onDisk('the status', path, () => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.new`, `${JSON.stringify(status)}\n`);
    renameSync(`${path}.new`, path);
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
