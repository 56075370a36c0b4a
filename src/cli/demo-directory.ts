import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OperatingError } from '../core/base/errors.ts';
import { makeDirectories } from '../disk/make-directories.ts';

const MARK = '.gpuledger-demo';
const MARK_TEXT = 'Data of `gpuledger demo`. The next demo wipes this directory.\n';

/**
 * Makes `directory` an empty one that bears the demo's mark. Whatever bears the mark already is wiped, so that a second
 * demo doubles nothing; a directory with other people's files is refused.
 * @throws OperatingError `demo.foreign_directory`
 */
export async function emptyDemoDirectory(directory: string): Promise<void> {
  makeDirectories(directory);
  const names = await readdir(directory);
  if (names.length > 0 && !names.includes(MARK)) {
    throw new OperatingError(
      'the demo wipes its data directory, and this one holds files that are not the demo’s',
      {
        code: 'demo.foreign_directory',
        exit: 'usage',
        where: directory,
        hints: ['name an empty or a new directory: --data DIR'],
      },
    );
  }
  // The mark is removed last and written first, so that the next demo can finish a wipe that was interrupted.
  for (const name of names)
    if (name !== MARK) await rm(join(directory, name), { recursive: true, force: true });
  await writeFile(join(directory, MARK), MARK_TEXT);
}
