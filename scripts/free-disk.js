/** Looks at a disk before much is put there, and whether anything may be. */
import * as fs from 'fs';
import { join } from 'path';

import { Failure } from './step.js';

const EXIT_TEMPORARY = 75;
const EXIT_PERMISSION = 77;

const OF_SOURCES = {
  unwritable: 'run it as its owner, or from a copy that is yours',
  full: 'free some space there, or copy the sources to another disk',
};

/**
 * @param megabytes that are needed in the directory, which is there
 * @param what takes them, for the message
 * @param ways out, where the place may be another one: of a directory that cannot be written, and of a full disk
 */
export function requireFreeDisk(directory, megabytes, what, ways = OF_SOURCES) {
  try {
    fs.rmdirSync(fs.mkdtempSync(join(directory, '.gpuledger-')));
  } catch (error) {
    throw new Failure(
      `${directory} cannot be written (${error.code}), where ${what} go\n  ${ways.unwritable}`,
      EXIT_PERMISSION,
    );
  }
  // Nodes older than 18.15 cannot tell; then whatever fills the disk says so.
  if (fs.statfsSync === undefined) return;
  const { bavail, bsize } = fs.statfsSync(directory);
  const free = Math.floor((bavail * bsize) / 1e6);
  if (free >= megabytes) return;
  throw new Failure(
    `${directory} has ${free} MB free, and ${what} take ${megabytes} MB\n  ${ways.full}`,
    EXIT_TEMPORARY,
  );
}
