/** Processes whose wall clock the test sets, as a person or NTP does; their monotonic clock goes on (libfaketime). */
import { existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface SettableClock {
  /** For processes that are to go by it. */
  readonly env: Readonly<Record<string, string>>;
  /** From now on the wall clock is this much ahead of the real one, seconds; negative: behind. */
  set(offsetS: number): void;
}

const LIBRARY_DIRECTORY = '/usr/lib';
const LIBRARY = 'faketime/libfaketimeMT.so.1';

/** @param directory for a file that the processes read at each look at the clock */
export function createSettableClock(directory: string): SettableClock {
  const file = join(directory, 'clock');
  const set = (offsetS: number): void => {
    // Replaced as a whole: an empty one would be read as another time.
    writeFileSync(`${file}.new`, `${offsetS < 0 ? '' : '+'}${offsetS}\n`);
    renameSync(`${file}.new`, file);
  };
  set(0);
  return {
    env: {
      LD_PRELOAD: libraryPath(),
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    },
    set,
  };
}

function libraryPath(): string {
  const found = readdirSync(LIBRARY_DIRECTORY)
    .map((name) => join(LIBRARY_DIRECTORY, name, LIBRARY))
    .find(existsSync);
  if (found === undefined)
    throw new Error(`there is no ${LIBRARY_DIRECTORY}/*/${LIBRARY}: apt-get install libfaketime`);
  return found;
}
