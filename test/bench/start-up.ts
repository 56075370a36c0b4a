import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { interleave, type Bench, type Measurement } from './measurement.ts';

const ROUNDS = 15;
/** Of some milliseconds each. */
const HOOK_ROUNDS = 50;
const ENTRY = 'bin/gpuledger.js';

/** Milliseconds from the start of a process to its end. */
function timeOf(args: readonly string[]): number {
  const startMs = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${stderr}`);
  return performance.now() - startMs;
}

/** The same of a script of the shell. */
function shellTimeOf(args: readonly string[]): number {
  const startMs = performance.now();
  const { status } = spawnSync('/bin/sh', args, { stdio: 'ignore' });
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}`);
  return performance.now() - startMs;
}

async function measure(): Promise<Measurement[]> {
  const dir = mkdtempSync(join(tmpdir(), 'gpuledger-bench-'));
  try {
    const empty = join(dir, 'empty.js');
    writeFileSync(empty, '');
    const against = async (name: string, args: readonly string[]): Promise<Measurement> => {
      timeOf([ENTRY, ...args]);
      const times = await interleave(
        ROUNDS,
        () => timeOf([ENTRY, ...args]),
        () => timeOf([empty]),
      );
      return { name, ...times, unit: 'ms' };
    };
    const emptyScript = join(dir, 'empty.sh');
    writeFileSync(emptyScript, '#!/bin/sh\n');
    const settings = join(dir, 'gpuledger-hook.conf');
    writeFileSync(settings, `journal_dir=${dir}\n`);
    const hook = join(dir, 'gpuledger-hook');
    copyFileSync('infra/slurm/gpuledger-hook', hook);
    const record = ['start', 'manager=pbs', 'job=1', 'devices=0'];
    const hookTimes = await interleave(
      HOOK_ROUNDS,
      () => shellTimeOf([hook, ...record]),
      () => shellTimeOf([emptyScript]),
    );
    return [
      { name: 'hook_ms', ...hookTimes, unit: 'ms' },
      await against('startup_version_ms', ['--version']),
      await against('startup_config_print_ms', ['config', 'print']),
    ];
  } finally {
    rmSync(dir, { recursive: true });
  }
}

export const startUpBench: Bench = {
  name: 'start-up',
  about: 'the command from start to end, against node on an empty file',
  measure,
};
