import { join } from 'node:path';
import { OperatingError } from '../core/base/errors.ts';
import { fileError } from '../core/base/file-fault.ts';
import { replaceFile, type Disk } from '../disk/disk.ts';
import { lockDirectory } from '../disk/state-lock.ts';

/** What a digest is made of; a bill only where one was issued. */
const DIGEST_FILES = { page: 'fleet.html', capacity: 'accounts.csv', bill: 'bill.csv' } as const;
export type DigestFile = keyof typeof DIGEST_FILES;

/**
 * Claims the directory, which is made where it is missing: two that write the same file at once would spoil it.
 * @returns gives the claim back
 * @throws OperatingError `digest.locked`, `digest.unwritable`, `state.lock`
 */
export async function claimDirectory(disk: Disk, directory: string): Promise<() => void> {
  onDirectory(directory, () => {
    disk.makeDirectory(directory);
  });
  try {
    return await lockDirectory(directory);
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    if (thrown.code === 'state.disk') throw unwritable(directory, thrown.cause);
    if (thrown.code !== 'state.locked') throw thrown;
    throw new OperatingError('another gpuledger is writing a digest into this directory', {
      code: 'digest.locked',
      exit: 'temporary',
      where: directory,
      hints: ['try again once it is done', 'only one machine should have digest.schedule'],
    });
  }
}

/**
 * Writes each file over what stands there: after a kill it is the old one or the new one, never a part.
 * @returns where each of them is
 * @throws OperatingError `digest.unwritable`
 */
export function writeDigestFiles(
  disk: Disk,
  directory: string,
  month: string,
  texts: Readonly<Partial<Record<DigestFile, string>>>,
): Partial<Record<DigestFile, string>> {
  const paths: Partial<Record<DigestFile, string>> = {};
  for (const file of Object.keys(DIGEST_FILES) as DigestFile[]) {
    const text = texts[file];
    if (text === undefined) continue;
    const path = join(directory, `${month}-${DIGEST_FILES[file]}`);
    onDirectory(path, () => {
      replaceFile(disk, path, Buffer.from(text));
    });
    paths[file] = path;
  }
  return paths;
}

function onDirectory(path: string, work: () => void): void {
  try {
    work();
  } catch (thrown) {
    throw unwritable(path, thrown);
  }
}

function unwritable(where: string, thrown: unknown): OperatingError {
  return fileError('the digest cannot be written', thrown, {
    code: 'digest.unwritable',
    exit: 'permission',
    where,
    hints: ['name another directory: digest.directory, --directory'],
  });
}
