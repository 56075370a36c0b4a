import { statSync } from 'node:fs';
import { OperatingError } from '../../core/base/errors.ts';
import { createFaultEpisode } from '../../core/base/fault-episode.ts';
import type { Tell } from '../../core/base/notice.ts';
import { systemCodeOf } from '../../disk/disk-error.ts';

/** No more often than that is looked whether a file changed. */
const LOOK_MS = 1000;

/** @returns the path */
export type Look = (path: string) => string;

export interface WatchedOptions<Value> {
  /** For people: `the users file`. */
  readonly what: string;
  /**
   * Calls `look` with the path of each file before it reads it: those are looked at together, as a certificate and its key.
   * @throws OperatingError where the files are not as expected
   */
  readonly read: (look: Look) => Value;
  readonly tell: Tell;
  /** Monotonic; for tests. */
  readonly nowMs?: () => number;
}

/**
 * What files say, read again once they change. Files that turned bad change nothing: what they said before holds, and the log says so once.
 * @returns the value as it is now
 * @throws OperatingError at once where the files are bad from the start
 */
export function watchFiles<Value>({
  what,
  read,
  tell,
  nowMs = () => performance.now(),
}: WatchedOptions<Value>): () => Value {
  const episode = createFaultEpisode(tell, 'error');
  let seen = new Map<string, string>();
  const readAgain = (): Value => {
    const states = new Map<string, string>();
    seen = states;
    return read((path) => {
      // Before it is read: a change between the two is seen at the next look.
      states.set(path, stateOf(path));
      return path;
    });
  };
  let value = readAgain();
  let lookedMs = nowMs();
  return () => {
    if (nowMs() - lookedMs < LOOK_MS) return value;
    lookedMs = nowMs();
    if ([...seen].every(([path, state]) => stateOf(path) === state)) return value;
    try {
      value = readAgain();
      episode.end();
      tell({ level: 'info', code: 'serve.file_taken', sentence: `${what} changed: what it says now holds` });
    } catch (thrown) {
      if (!(thrown instanceof OperatingError)) throw thrown;
      const { message, where = [...seen.keys()].join(', ') } = thrown;
      episode.fail(
        thrown,
        `${what} changed and is not taken, so that it holds as it was: ${message} (${where})`,
      );
    }
    return value;
  };
}

/** Differs once a file was written, replaced, removed or given other rights, or can be looked at no more: a link to itself, a folder that was closed. */
function stateOf(path: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
  } catch (thrown) {
    const code = systemCodeOf(thrown);
    if (typeof code !== 'string') throw thrown;
    return code;
  }
}
