/** Spawns the server so that it lives as long as it should, and ends it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import type { Socket } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread } from 'node:worker_threads';

import { processStartTicks } from '../disk/process-identity.ts';

/**
 * `private`: ends with this process, however that ends, and not by a Ctrl-C on the terminal, which reaches this
 * process alone (the last flush still needs the server). `background`: stays until it is told to stop.
 */
export type ServerLife = 'private' | 'background';

export interface SpawnRequest {
  javaPath: string;
  javaArgs: readonly string[];
  env: NodeJS.ProcessEnv;
  life: ServerLife;
  /** File descriptor for stdout and stderr. */
  outputFd: number;
  /** Default: whether `setpriv` is on PATH. */
  canUseSetpriv?: boolean;
}

/** We may have ended before setpriv came to ask the kernel: then nobody is left to be told of it. */
const IF_PARENT_LIVES = '[ "$PPID" = "$0" ] && exec "$@"';

/**
 * For systems without setpriv: a shell that leaves a watcher behind and becomes java. The watcher's standard input is a
 * pipe from us, which ends when we do; it then ends the server, if that is still the process it was left by.
 */
const WATCHDOG = `
me=$$
started() { cut -d' ' -f22 "/proc/$me/stat" 2>/dev/null; }
mine=$(started)
exec 3<&0 </dev/null
( while read -r _ <&3; do :; done; [ "$(started)" = "$mine" ] && kill -TERM "$me" ) >/dev/null 2>&1 &
exec 3<&-
exec "$@"
`;

/** Both lives get a session, hence a process group, of their own. The pid is that of java itself. */
export function spawnServer(request: SpawnRequest): ChildProcess {
  const { javaPath, javaArgs, env, outputFd } = request;
  const stdio = ['ignore', outputFd, outputFd] as const;
  if (request.life === 'background') {
    const child = spawn(javaPath, javaArgs, { detached: true, env, stdio: [...stdio] });
    child.unref();
    return child;
  }
  // The kernel sends the signal when the *thread* that spawned ends, so only the main thread may ask for it.
  if (isMainThread && (request.canUseSetpriv ?? isOnPath('setpriv'))) {
    const args = ['--pdeathsig', 'TERM', '--', '/bin/sh', '-c', IF_PARENT_LIVES, `${process.pid}`];
    const child = spawn('setpriv', [...args, javaPath, ...javaArgs], {
      detached: true,
      env,
      stdio: [...stdio],
    });
    child.unref();
    return child;
  }
  const args = ['-c', WATCHDOG, 'questdb', javaPath, ...javaArgs];
  const child = spawn('/bin/sh', args, { detached: true, env, stdio: ['pipe', outputFd, outputFd] });
  child.unref();
  (child.stdin as Socket).unref();
  return child;
}

function isOnPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false; // not here: the next directory
    }
  });
}

const STOP_POLL_MS = 20;

/**
 * Asks the process to end (SIGTERM), and kills it after `graceMs`. Returns when it is gone.
 * @param startTicks of `processStartTicks`: another process that has got the pid meanwhile is left alone.
 */
export async function endProcess(pid: number, startTicks: string, graceMs = 20_000): Promise<void> {
  const isThere = (): boolean => processStartTicks(pid) === startTicks;
  for (const [signal, patienceMs] of [
    ['SIGTERM', graceMs],
    ['SIGKILL', 10_000],
  ] as const) {
    if (!isThere()) return;
    sendSignal(pid, signal);
    const deadlineMs = performance.now() + patienceMs;
    while (isThere() && performance.now() < deadlineMs) await sleep(STOP_POLL_MS);
  }
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It ended between the look and the signal: that is what was wanted.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
