import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseJournalRecord } from '../../schemas/journal-record.ts';
import { runHook, slurmVariables, type HookExit } from '../helpers/hook.ts';
import type { Cluster } from './cluster.ts';

const run = promisify(execFile);
/** Far more than a hook takes on any machine, and less than what hangs in these cases would last. */
const HOOK_MS_MAX = 60_000;

interface Harm {
  readonly what: string;
  /** Makes the journal directory as bad as the name says; @returns how to undo it. */
  readonly prepare: (journalDir: string) => Promise<(() => Promise<unknown>) | undefined>;
}

const HARMS: readonly Harm[] = [
  { what: 'missing directory', prepare: () => Promise.resolve(undefined) },
  {
    what: 'read-only file system',
    async prepare(path) {
      await mkdir(path);
      await run('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', path]);
      return () => unmount(path);
    },
  },
  {
    what: 'full disk',
    async prepare(path) {
      await mkdir(path);
      await run('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', path]);
      await run('dd', ['if=/dev/zero', `of=${path}/fill`, 'bs=4k', 'count=8']).catch(() => undefined);
      return () => unmount(path);
    },
  },
  {
    what: 'pipe in its place',
    async prepare(path) {
      await run('mkfifo', [path]);
      return undefined;
    },
  },
  {
    what: 'frozen file system',
    async prepare(path) {
      await mkdir(path);
      await run('dd', ['if=/dev/zero', `of=${path}.img`, 'bs=1M', 'count=8']);
      await run('mke2fs', ['-q', '-t', 'ext4', `${path}.img`]);
      await run('mount', ['-o', 'loop', `${path}.img`, path]);
      await run('fsfreeze', ['-f', path]);
      return async () => {
        await run('fsfreeze', ['-u', path]);
        await unmount(path);
      };
    },
  },
];

/** Text that a user may give a job. */
const HOSTILE = '\'"; touch /tmp/gpuledger-hostile; $(reboot) `id` %s\\n\n=end\n';

/** Faults of this run, one line each; none is what it must show. */
export async function runHarmless(
  cluster: Cluster,
  hookDir: string,
  say: (line: string) => void,
): Promise<string[]> {
  const faults: string[] = [];
  const hook = join(hookDir, 'gpuledger-hook');
  const settings = join(hookDir, 'gpuledger-hook.conf');
  const check = async (what: string, exits: readonly HookExit[], record: string): Promise<void> => {
    const slowest = Math.max(...exits.map((exit) => exit.elapsedMs));
    const state = await cluster.slurm('sinfo', '-h', '-o', '%T %E');
    const bad = exits.filter((exit) => exit.code !== 0 || exit.output !== '' || exit.elapsedMs > HOOK_MS_MAX);
    if (bad.length > 0)
      faults.push(`${what}: ${bad.length} hooks did not exit 0 in silence within ${HOOK_MS_MAX} ms`);
    if (/drain|down/i.test(state)) faults.push(`${what}: the node is ${state}`);
    say(
      `  ${what.padEnd(28)}exit 0, ${slowest.toFixed(0).padStart(4)} ms at most; node ${state.split(' ')[0]!}; ${record}`,
    );
  };

  for (const [index, { what, prepare }] of HARMS.entries()) {
    const journalDir = join(hookDir, `harm-${index}`);
    // Made before the hook hears of it: the last job's epilog may still run, and a hook makes a directory that is missing.
    const undo = await prepare(journalDir);
    await writeFile(settings, `journal_dir=${journalDir}\n`);
    try {
      await cluster.attempt('srun', '-Q', '--gres=gpu:1', 'true');
      await check(what, [await runHook(hook, slurmVariables('prolog_slurmd', '1'))], 'job ran');
    } finally {
      await undo?.();
    }
  }

  const journalDir = join(hookDir, 'journal');
  await writeFile(settings, `journal_dir=${journalDir}\n`);
  await cluster.attempt(
    'srun',
    '-Q',
    '--gres=gpu:1',
    '-J',
    HOSTILE,
    `--comment=${HOSTILE.repeat(100)}`,
    'true',
  );
  await check(
    'hostile name and comment',
    [await runHook(hook, slurmVariables('prolog_slurmctld', '2', { SLURM_JOB_NAME: HOSTILE }))],
    'job ran',
  );
  const many = await Promise.all(
    Array.from({ length: 200 }, (_, job) =>
      runHook(hook, slurmVariables('epilog_slurmd', String(1000 + job))),
    ),
  );
  // Two hundred at once on a machine of two cores take longer than one; what counts is that none of them fails.
  const late = many.filter((exit) => exit.code !== 0 || exit.output !== '').length;
  if (late > 0) faults.push(`200 hooks at once: ${late} did not exit 0 in silence`);
  const records = await readRecords(journalDir);
  if (records.faults.length > 0) faults.push(`half-written records: ${records.faults.join('; ')}`);
  say(
    `  200 hooks at once           exit 0, ${Math.max(...many.map((exit) => exit.elapsedMs)).toFixed(0)} ms at most; ${records.count} records, none torn`,
  );

  const empty = join(hookDir, 'empty-hook');
  await writeFile(empty, '#!/bin/sh\nexit 0\n');
  await chmod(empty, 0o755);
  say(await compareTimes(hook, empty));
  return faults;
}

async function readRecords(journalDir: string): Promise<{ count: number; faults: string[] }> {
  const names = (await readdir(journalDir)).filter((name) => name.endsWith('.job'));
  const readings = await Promise.all(
    names.map(async (name) => parseJournalRecord(await readFile(join(journalDir, name)))),
  );
  return {
    count: readings.length,
    faults: readings.flatMap((reading) => ('fault' in reading ? [reading.fault] : [])),
  };
}

/** Both hooks in turn, so that whatever else the machine does falls on both. */
async function compareTimes(hook: string, empty: string): Promise<string> {
  const times: { ours: number[]; empty: number[] } = { ours: [], empty: [] };
  for (let round = 0; round < 200; round += 1) {
    times.ours.push((await runHook(hook, slurmVariables('prolog_slurmd', String(5000 + round)))).elapsedMs);
    times.empty.push((await runHook(empty, slurmVariables('prolog_slurmd', '1'))).elapsedMs);
  }
  const at = (values: number[], part: number): string =>
    (values.sort((a, b) => a - b)[Math.floor(part * (values.length - 1))] ?? NaN).toFixed(1);
  const [ours, none] = [times.ours, times.empty];
  return `  hook time: median ${at(ours, 0.5)}, p99 ${at(ours, 0.99)} ms; an empty hook: ${at(none, 0.5)}, ${at(none, 0.99)} ms`;
}

/** A hook of the job before may still hold a file there: asked again for a minute. @throws what `umount` said last. */
async function unmount(path: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await run('umount', [path]);
      return;
    } catch (error) {
      if (attempt === 600) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
