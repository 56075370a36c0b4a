import { statSync } from 'node:fs';
import { OperatingError } from '../../core/base/errors.ts';
import { createFaultEpisode } from '../../core/base/fault-episode.ts';
import type { Tell } from '../../core/base/notice.ts';

/** No more often than that is looked whether a file changed. */
const LOOK_MS = 1000;

export interface WatchedOptions<Value> {
  /** Looked at together: a certificate and its key. */
  readonly paths: readonly string[];
  /** For people: `the users file`. */
  readonly what: string;
  /** @throws OperatingError where the files are not as expected */
  readonly read: () => Value;
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
  paths,
  what,
  read,
  tell,
  nowMs = () => performance.now(),
}: WatchedOptions<Value>): () => Value {
  const episode = createFaultEpisode(tell, 'error');
  // Before it is read: a change between the two is seen at the next look.
  let seen = stateOf(paths);
  let value = read();
  let lookedMs = nowMs();
  return () => {
    if (nowMs() - lookedMs < LOOK_MS) return value;
    lookedMs = nowMs();
    const state = stateOf(paths);
    if (state === seen) return value;
    seen = state;
    try {
      value = read();
      episode.end();
      tell({ level: 'info', code: 'serve.file_taken', sentence: `${what} changed: what it says now holds` });
    } catch (thrown) {
      if (!(thrown instanceof OperatingError)) throw thrown;
      const { message, where = paths.join(', ') } = thrown;
      episode.fail(
        thrown,
        `${what} changed and is not taken, so that it holds as it was: ${message} (${where})`,
      );
    }
    return value;
  };
}

/** Differs once a file was written, replaced, removed or given other rights. */
function stateOf(paths: readonly string[]): string {
  const states = paths.map((path) => {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
    return stat === undefined
      ? 'none'
      : [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(' ');
  });
  return states.join('\n');
}
