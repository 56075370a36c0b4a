/** Runs real processes for tests: to their end, or line by line. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

import { processStartTicks } from '../../src/disk/process-identity.ts';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface Ended {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  cwd?: string;
  /** Added to the environment of the tests; undefined removes a variable. */
  env?: Record<string, string | undefined>;
}

/** Ends a command that hangs before the time limit of its test does, so that none is left behind. */
const RUN_TIMEOUT_MS = 540_000;

/** Runs a program to its end. */
export async function runToEnd(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ended> {
  const child = spawn(program, args, {
    cwd: options.cwd ?? ROOT,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: RUN_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  const ended: Ended = { exitCode: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    ended.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    ended.stderr += text;
  });
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { ...ended, exitCode };
}

/** Runs `gpuledger ARGS` as users have it: built (global-setup.ts sees to that), on the Node of the tests. */
export async function runCommand(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return await runToEnd(process.execPath, [`${ROOT}bin/gpuledger.js`, ...args], options);
}

export interface LineProcess {
  child: ChildProcess;
  pid: number;
  /** The next line of its standard output; rejects when it ends before that. */
  nextLine: () => Promise<string>;
}

/**
 * Starts a program in a process group of its own and reads what it prints line by line. What is left of the group ends
 * with the test.
 */
export function startProcess(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): LineProcess {
  const child = spawn(program, args, {
    cwd: options.cwd ?? ROOT,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { pid } = child;
  if (pid === undefined) throw new Error(`${program} could not be started`);
  onTestFinished(() => {
    killGroup(pid);
  });
  return {
    child,
    pid,
    nextLine: async () => {
      const { value, done } = await lines.next();
      if (done === true) throw new Error(`${program} ended before it printed another line`);
      return value;
    },
  };
}

export function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch (error) {
    // Nobody of the group is left: that is what was wanted.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Returns when the process is gone; the test's own time limit ends the wait. */
export async function waitUntilGone(pid: number): Promise<void> {
  while (processStartTicks(pid) !== undefined) await sleep(20);
}
