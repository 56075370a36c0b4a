/** The journal directory as tmpfiles makes it, written by root's hook, by SlurmUser's, by a job's user, and read by the collector. Needs root. */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ProblemLog } from '../../src/ownership/problem-log.ts';
import { openJournalDir } from '../../src/ownership/journal/directory.ts';
import { openHookBench, type HookBench } from '../helpers/hook.ts';
import { runToEnd, type Ended } from '../helpers/run-process.ts';

/** Numbers that no user of a machine needs to have. */
const COLLECTOR = { uid: 64_990, gid: 64_990 };
const SLURM = { uid: 64_991, gid: 64_991 };
const USER = { uid: 64_992, gid: 64_992 };

interface Person {
  readonly uid: number;
  readonly gid: number;
}

let bench: HookBench;
let jobs: string;
beforeEach(() => {
  expect(process.getuid!(), 'this test makes itself other users: run it as root').toBe(0);
  bench = openHookBench();
  for (const path of [bench.directory, bench.hook]) chmodSync(path, 0o755);
  const tmpfiles = readFileSync(
    new URL('../../infra/slurm/gpuledger-tmpfiles.conf', import.meta.url),
    'utf8',
  );
  const [, mode] = /^d \/run\/gpuledger\/jobs (\d+) gpuledger gpuledger /m.exec(tmpfiles)!;
  jobs = join(bench.directory, 'jobs');
  mkdirSync(jobs);
  chownSync(jobs, COLLECTOR.uid, COLLECTOR.gid);
  chmodSync(jobs, parseInt(mode!, 8));
  bench.settle(`journal_dir=${jobs}\n`);
});
afterEach(() => {
  bench.close();
});

/** With the supplementary groups that slurmctld takes at its start. */
function asPerson(
  { uid, gid }: Person,
  groups: readonly number[],
  ...command: readonly string[]
): Promise<Ended> {
  const who = [
    `--reuid=${uid}`,
    `--regid=${gid}`,
    groups.length > 0 ? `--groups=${groups.join(',')}` : '--clear-groups',
  ];
  return runToEnd('setpriv', [...who, ...command], { cwd: '/' });
}

const ROOT: Person = { uid: 0, gid: 0 };
const SLURM_GROUPS = [SLURM.gid, COLLECTOR.gid];
const tell = (who: Person, groups: readonly number[], job: string): Promise<Ended> =>
  asPerson(who, groups, bench.hook, 'start', `job=${job}`, 'devices=0');

/** As the collector: its own user, with none of root's rights on files. */
function asCollector<Result>(work: () => Result): Result {
  process.setegid!(COLLECTOR.gid);
  process.seteuid!(COLLECTOR.uid);
  try {
    return work();
  } finally {
    process.seteuid!(0);
    process.setegid!(0);
  }
}

function recordOf(job: string): string {
  return readdirSync(jobs).find((name) => name.startsWith(`${job}.start.`))!;
}

test('root and SlurmUser tell, the collector reads and removes, a user of jobs neither writes nor looks', async () => {
  expect(await tell(ROOT, [], '1')).toMatchObject({ exitCode: 0 });
  expect(await tell(SLURM, SLURM_GROUPS, '2')).toMatchObject({ exitCode: 0 });
  expect(await tell(USER, [], '3')).toMatchObject({ exitCode: 0 });
  expect(await asPerson(USER, [], 'ls', jobs)).toMatchObject({ exitCode: 2, stdout: '' });
  for (const job of ['1', '2']) {
    const stat = statSync(join(jobs, recordOf(job)));
    expect({ gid: stat.gid, mode: stat.mode & 0o777 }).toEqual({ gid: COLLECTOR.gid, mode: 0o640 });
  }
  const problems = new ProblemLog();
  const read = asCollector(() => openJournalDir(jobs, problems).readNew(Date.now() * 1000));
  expect(read.map(({ record }) => record.job).sort()).toEqual(['1', '2']);
  expect(problems.take()).toEqual([]);
  asCollector(() => {
    const directory = openJournalDir(jobs, problems);
    for (const { name } of read) directory.remove(name);
  });
  expect(problems.take()).toEqual([]);
  expect(readdirSync(jobs)).toEqual([]);
});

test("SlurmUser can neither remove, rename nor write over root's record", async () => {
  await tell(ROOT, [], '1');
  const name = recordOf('1');
  const path = join(jobs, name);
  const before = readFileSync(path, 'utf8');
  const forged = join(jobs, '9.forged.job');
  for (const command of [
    ['rm', '-f', path],
    ['mv', path, `${path}.away`],
    ['sh', '-c', `echo forged > ${path}`],
    ['sh', '-c', `echo forged > ${forged} && mv ${forged} ${path}`],
  ])
    expect((await asPerson(SLURM, SLURM_GROUPS, ...command)).exitCode).not.toBe(0);
  expect(readFileSync(path, 'utf8')).toBe(before);
});

test('where everybody may write, a record of a user counts for nothing, and that is told once', async () => {
  chmodSync(jobs, 0o1777);
  await tell(ROOT, [], '1');
  await tell(USER, [], '3');
  await tell(USER, [], '4');
  // The group of the directory is not the user's: only its mode keeps the collector out.
  for (const name of readdirSync(jobs)) chmodSync(join(jobs, name), 0o644);
  writeFileSync(join(jobs, 'note'), 'not a record');
  const problems = new ProblemLog();
  const read = asCollector(() => openJournalDir(jobs, problems).readNew(Date.now() * 1000));
  expect(read.map(({ record }) => record.job)).toEqual(['1']);
  expect(problems.take().map(({ code }) => code)).toEqual(['jobs.strangers_file']);
  expect(existsSync(join(jobs, 'note'))).toBe(true);
});
