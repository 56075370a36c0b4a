import { chmodSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** Of a directory of our own: its group may look at what it holds, and nobody else. */
const DIRECTORY_MODE = 0o750;

/**
 * Makes a directory with those above it, as Node's own `recursive` does, which never comes back from a file system that makes no
 * directories, as /proc (Node 24).
 * @returns the first that was made; undefined when all were there
 * @throws what the system says: an `Error` with a code
 */
export function makeDirectories(path: string): string | undefined {
  const whole = resolve(path);
  if (statSync(whole, { throwIfNoEntry: false })?.isDirectory() === true) return undefined;
  const above = dirname(whole);
  const first = existsSync(above) ? undefined : makeDirectories(above);
  try {
    mkdirSync(whole, DIRECTORY_MODE);
    // A umask takes rights away, and is somebody else's.
    chmodSync(whole, DIRECTORY_MODE);
  } catch (thrown) {
    // Another process may make the same.
    const isThere = statSync(whole, { throwIfNoEntry: false })?.isDirectory() === true;
    if (!isThere) throw thrown;
  }
  return first ?? whole;
}
