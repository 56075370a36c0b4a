/** Looks at the free space of a disk before something large is put there. */
import { statfs } from 'node:fs/promises';

import { OperatingError } from '../core/base/errors.ts';

const MEBIBYTE = 1024 * 1024;

/**
 * @param directory an existing directory.
 * @param purpose ends the sentence "… has too little space", e.g. `to fetch QuestDB`.
 * @throws OperatingError `disk.no_space` when less than `bytesMin` is free there.
 */
export async function requireFreeSpace(directory: string, bytesMin: number, purpose: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  const freeBytes = bavail * bsize;
  if (freeBytes >= bytesMin) return;
  throw new OperatingError(
    `${directory} has too little space ${purpose}: ${Math.floor(freeBytes / MEBIBYTE)} MiB free, ${Math.ceil(bytesMin / MEBIBYTE)} MiB needed`,
    {
      code: 'disk.no_space',
      exit: 'temporary',
      where: directory,
      hints: [
        'free some space there',
        'or choose another place: --data DIR for the data, XDG_CACHE_HOME for the cache',
      ],
    },
  );
}
