import { spawn } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseJournalRecord, type JournalReading } from '../../schemas/journal-record.ts';

const HOOK = join(import.meta.dirname, '../../infra/slurm/gpuledger-hook');

/** A hook with its settings beside it, as a site installs it, in a directory of its own. */
export interface HookBench {
  readonly directory: string;
  readonly hook: string;
  readonly journalDir: string;
  settle(settings: string): void;
  /** Runs the hook as slurmd does: nothing in the environment but Slurm's own variables, no PATH. */
  run(variables: Readonly<Record<string, string>>): Promise<HookExit>;
  /** Runs it as other schedulers do: with words, and a bare environment. */
  tell(...words: readonly string[]): Promise<HookExit>;
  /** What lies in the journal now. */
  readings(): JournalReading[];
  close(): void;
}

export interface HookExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  readonly elapsedMs: number;
}

/**
 * @param limit of the writer's time: 0.8 s as it is shipped, which a busy machine may well need; 'patient' has a minute
 */
export function openHookBench(limit: 'shipped' | 'patient' = 'patient'): HookBench {
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-hook-'));
  const hook = join(directory, 'gpuledger-hook');
  const journalDir = join(directory, 'journal');
  copyFileSync(HOOK, hook);
  if (limit === 'patient') {
    const shipped = readFileSync(hook, 'utf8');
    const patient = shipped.replace('timeout -k 0.1 0.8 ', 'timeout -k 0.1 60 ');
    if (patient === shipped) throw new Error(`${HOOK} has no time limit where the tests look for it`);
    writeFileSync(hook, patient);
  }
  const settle = (settings: string): void => {
    writeFileSync(join(directory, 'gpuledger-hook.conf'), settings);
  };
  settle(`journal_dir=${journalDir}\n`);
  return {
    directory,
    hook,
    journalDir,
    settle,
    run: (variables) => runHook(hook, variables),
    tell: (...words) => runHook(hook, {}, undefined, words),
    readings: () =>
      readdirSync(journalDir)
        .filter((name) => name.endsWith('.job'))
        .map((name) => parseJournalRecord(readFileSync(join(journalDir, name)))),
    close() {
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Ends when the hook has ended and nobody holds its output any more, as slurmd sees it. */
export async function runHook(
  hook: string,
  variables: Readonly<Record<string, string>>,
  onStart?: (pid: number) => void,
  words: readonly string[] = [],
): Promise<HookExit> {
  const startMs = performance.now();
  const child = spawn(hook, words, {
    cwd: '/',
    env: variables,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => (output += data.toString()));
  if (child.pid !== undefined) onStart?.(child.pid);
  return await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      resolve({ code, signal, output, elapsedMs: performance.now() - startMs });
    });
  });
}

/** A job's variables in Prolog or Epilog, as Slurm 22.05 gives them. */
export function slurmVariables(
  context: 'prolog_slurmd' | 'epilog_slurmd' | 'prolog_slurmctld' | 'epilog_slurmctld',
  job: string,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return {
    SLURM_SCRIPT_CONTEXT: context,
    SLURM_JOB_ID: job,
    SLURMD_NODENAME: 'n1',
    SLURM_JOB_GPUS: '0',
    CUDA_VISIBLE_DEVICES: '0',
    SLURM_JOB_RESTART_COUNT: '0',
    SLURM_JOB_USER: 'ada',
    SLURM_JOB_PARTITION: 'gpu',
    ...more,
  };
}

export function makeDirectory(path: string): string {
  mkdirSync(path, { recursive: true });
  return path;
}
