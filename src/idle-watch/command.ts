import { spawn, type ChildProcess } from 'node:child_process';
import { OperatingError } from '../core/base/errors.ts';
import { fileReasonOf } from '../core/base/file-fault.ts';
import { harmless } from '../report/text/table-text.ts';
import type { Channel, Taken } from './channel.ts';

const TIME_MS_MAX = 30_000;
/** Of what it says on stderr. */
const WORDS_LENGTH_MAX = 200;
/** Nothing else of the environment: that may hold passwords of ours. */
const PASSED = ['PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'LC_ALL', 'TZ'];

/**
 * Runs a program for each message: the text is its stdin, `GPULEDGER_MESSAGE` the JSON. No shell sees it, and no argument is made of it.
 * @param timeMsMax for tests
 */
export function openCommand(words: readonly [string, ...string[]], timeMsMax = TIME_MS_MAX): Channel {
  const [program] = words;
  const failed = (reason: string): Taken => ({
    kind: 'failed',
    error: new OperatingError(`the command ${program} ${reason}`, {
      code: 'idle_watch.command',
      exit: 'temporary',
      hints: ['it is tried again with the next looks', 'idle_watch.command in the configuration'],
    }),
  });
  return {
    async send({ text, json }, closing) {
      const signal = AbortSignal.any([AbortSignal.timeout(timeMsMax), closing]);
      const { ended, said } = await runOnce(words, { text, json, signal });
      if (ended === 0) return { kind: 'told' };
      if (closing.aborted) return failed('was not waited for');
      if (signal.aborted) return failed(`did not end within ${timeMsMax / 1000} s`);
      const why = ended instanceof Error ? `cannot be run: ${fileReasonOf(ended)}` : `ended with ${ended}`;
      return failed(said === '' ? why : `${why}: ${said}`);
    },
    close: () => Promise.resolve(),
  };
}

interface Ended {
  /** Its exit code, or the signal that ended it; the error of one that was not started. */
  readonly ended: number | string | Error;
  /** The beginning of its stderr, as one harmless line. */
  readonly said: string;
}

async function runOnce(
  [program, ...parameters]: readonly [string, ...string[]],
  { text, json, signal }: { readonly text: string; readonly json: string; readonly signal: AbortSignal },
): Promise<Ended> {
  const passed = PASSED.flatMap((name) =>
    process.env[name] === undefined ? [] : [[name, process.env[name]]],
  );
  return await new Promise((resolve) => {
    let said = '';
    let child: ReturnType<typeof start>;
    const start = () =>
      spawn(program, parameters, {
        env: { ...(Object.fromEntries(passed) as NodeJS.ProcessEnv), GPULEDGER_MESSAGE: json },
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
