import { spawn, type ChildProcess } from 'node:child_process';
import { fileReasonOf } from '../core/base/file-fault.ts';
import { harmless } from '../report/text/table-text.ts';

/** Of what it says on stderr. */
const WORDS_LENGTH_MAX = 200;
/** Nothing else of the environment: that may hold passwords of ours. */
const PASSED = ['PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'LC_ALL', 'TZ'];

/** What a command of the site gets beside its own arguments. */
interface Given {
  /** On its stdin. */
  readonly text: string;
  /** In its environment. */
  readonly variables: Readonly<Record<string, string>>;
}

/** How long it is waited for. */
interface Patience {
  readonly timeMsMax: number;
  /** Ends it at once, with what it started. */
  readonly closing: AbortSignal;
}

/**
 * Runs a program that the site has named. No shell sees it, and no argument is made of what it gets.
 * @returns why it failed, as the end of a sentence that names it; undefined where it ended with 0
 */
export async function runCommand(
  words: readonly [string, ...string[]],
  given: Given,
  { timeMsMax, closing }: Patience,
): Promise<string | undefined> {
  const signal = AbortSignal.any([AbortSignal.timeout(timeMsMax), closing]);
  const { ended, said } = await runOnce(words, { ...given, signal });
  if (ended === 0) return undefined;
  if (closing.aborted) return 'was not waited for';
  if (signal.aborted) return `did not end within ${timeMsMax / 1000} s`;
  const why = ended instanceof Error ? `cannot be run: ${fileReasonOf(ended)}` : `ended with ${ended}`;
  return said === '' ? why : `${why}: ${said}`;
}

interface Ended {
  /** Its exit code, or the signal that ended it; the error of one that was not started. */
  readonly ended: number | string | Error;
  /** The beginning of its stderr, as one harmless line. */
  readonly said: string;
}

async function runOnce(
  [program, ...parameters]: readonly [string, ...string[]],
  { text, variables, signal }: Given & { readonly signal: AbortSignal },
): Promise<Ended> {
  const passed = PASSED.flatMap((name) =>
    process.env[name] === undefined ? [] : [[name, process.env[name]]],
  );
  return await new Promise((resolve) => {
    let said = '';
    let child: ReturnType<typeof start>;
    const start = () =>
      spawn(program, parameters, {
        env: { ...(Object.fromEntries(passed) as NodeJS.ProcessEnv), ...variables },
        stdio: ['pipe', 'ignore', 'pipe'],
        // A group of its own, so that what it started ends with it.
        detached: true,
      });
    const kill = (): void => {
      killGroup(child);
    };
    const finish = (ended: Ended['ended']): void => {
      signal.removeEventListener('abort', kill);
      // Somebody whom it started may hold it.
      child.stderr.destroy();
      resolve({ ended, said: harmless(said.trim().replaceAll(/\s+/g, ' ')) });
    };
    if (signal.aborted) {
      resolve({ ended: 'nothing', said });
      return;
    }
    try {
      child = start();
    } catch (thrown) {
      // What the system refuses at once, as a message that is too long.
      resolve({ ended: thrown instanceof Error ? thrown : new Error(String(thrown)), said });
      return;
    }
    signal.addEventListener('abort', kill);
    child.stderr.setEncoding('utf8').on('data', (more: string) => {
      said = (said + more).slice(0, WORDS_LENGTH_MAX);
    });
    // It need not read it.
    child.stdin.on('error', () => undefined).end(text);
    child.on('error', finish);
    child.on('exit', (code, by) => {
      // What it has said may come a moment later.
      setImmediate(() => {
        finish(code ?? by ?? 'nothing');
      });
    });
  });
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (thrown) {
    // It has ended meanwhile.
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'ESRCH')) throw thrown;
  }
}
