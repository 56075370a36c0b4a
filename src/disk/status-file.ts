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
 * @throws OperatingError `status.malformed`, `state.disk`
 */
export function readStatus(path: string): Status | undefined {
  const text = onDisk('the status', path, () => realDisk.read(path)?.toString('utf8'));
  if (text === undefined) return undefined;
  const refuse = (why: string, cause: unknown): OperatingError =>
    new OperatingError(`expected the status of a collector, but: ${why}`, {
      code: 'status.malformed',
      exit: 'data',
      where: path,
      hints: ['a running collector writes it anew every ten seconds; without one, remove the file'],
      cause,
    });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (thrown) {
    throw refuse(`it is no JSON (${messageOf(thrown)})`, thrown);
  }
  const parsed = statusFile.safeParse(json);
  if (parsed.success) return parsed.data;
  const { path: at, message } = parsed.error.issues[0]!;
  throw refuse(at.length === 0 ? message : `${at.join('.')}: ${message}`, parsed.error);
}
