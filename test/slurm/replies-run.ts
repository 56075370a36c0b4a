import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { JobRecord } from '../../src/core/jobs/job-fact.ts';
import { messageOf } from '../../src/core/base/errors.ts';
import type { LateRow } from '../../src/ownership/scheduler.ts';
import { readSlurmJobs } from '../../src/ownership/slurm/jobs.ts';
import { positionsOf } from '../../schemas/slurm/scontrol.ts';
import { createScontrol } from '../../src/ownership/slurm/scontrol.ts';
import type { Cluster } from './cluster.ts';

const HERE_MS_MAX = 60_000;
/** The very lines that scontrol prints of a job's devices. */
const SHAM_LINE = 'x\n     Nodes=n1 CPU_IDs=0 Mem=0 GRES=gpu:4(IDX:0-3)';
const SHAM = `x\n   JOB_GRES=gpu:4${SHAM_LINE.slice(1)}\n   MinCPUsNode=1`;

interface Wanted {
  readonly what: string;
  /** As sbatch takes it. */
  readonly job: readonly string[];
  /** What is done to it once it runs. */
  readonly after?: readonly string[];
  readonly says: Partial<JobRecord> | 'waiting';
  readonly hasEnd?: boolean;
  /** How many GPUs scontrol names; none where it cannot be certain. */
  readonly gpus?: number;
}

const WANTED: readonly Wanted[] = [
  {
    what: 'a name that looks like devices',
    job: ['--gres=gpu:2', '-J', SHAM, '--wrap', 'sleep 60'],
    says: { state: 'RUNNING', gpus: 2, name: SHAM.replaceAll('\n', '⏎') },
    gpus: 0,
  },
  {
    what: 'a comment that looks like devices',
    job: ['--gres=gpu:3', '--comment', SHAM_LINE, '-J', 'a\u001fb', '--wrap', 'sleep 60'],
    says: { state: 'RUNNING', gpus: 3, name: 'a␟b' },
    gpus: 3,
  },
  { what: 'a failure', job: ['--wrap', 'exit 3'], says: { state: 'FAILED', exitCode: 3 }, hasEnd: true },
  { what: 'a signal', job: ['--wrap', 'kill -9 $$'], says: { state: 'FAILED', exitCode: 137 }, hasEnd: true },
  {
    what: 'a job that is cancelled',
    job: ['--gres=gpu:1', '--wrap', 'sleep 60'],
    after: ['scancel'],
    says: { state: 'CANCELLED' },
    hasEnd: true,
  },
  {
    what: 'a job that is suspended',
    job: ['--gres=gpu:1', '--wrap', 'sleep 60'],
    after: ['scontrol', 'suspend'],
    says: { state: 'SUSPENDED', gpus: 1 },
    gpus: 1,
  },
  { what: 'a job that is held', job: ['--hold', '--gres=gpu:1', '--wrap', 'true'], says: 'waiting' },
];

/** Reads what a real Slurm says of jobs whose truth is known. @returns what was read wrong */
export async function runReplies(cluster: Cluster, say: (line: string) => void): Promise<string[]> {
  // squeue is asked as a user would ask it: by the environment.
  process.env['SLURM_CONF'] = cluster.slurmConf;
  const ids: string[] = [];
  for (const { job } of WANTED)
    ids.push(await cluster.slurm('sbatch', '--parsable', '-o', '/dev/null', ...job));
  const afterwards = WANTED.flatMap(({ after }, at) => (after === undefined ? [] : [[...after, ids[at]!]]));
  await until(async () => {
    const running = (await cluster.slurm('squeue', '-h', '-t', 'R', '-o', '%A')).split('\n');
    return afterwards.every((words) => running.includes(words.at(-1)!));
  });
  for (const [command = '', ...words] of afterwards) await cluster.slurm(command, ...words);
  let faults: string[] = [];
  // A job that ends is completing for a while.
  await until(async () => {
    faults = await faultsOf(ids, cluster);
    return faults.length === 0;
  });
  delete process.env['SLURM_CONF'];
  await cluster.attempt('scancel', ...ids);
  say(`  ${WANTED.length - faults.length} of ${WANTED.length} jobs read as they are`);
  return faults;
}

async function faultsOf(ids: readonly string[], cluster: Cluster): Promise<string[]> {
  const rows: LateRow[] = [];
  const [squeue] = readSlurmJobs(0, () => undefined);
  for await (const piece of squeue!.rows) rows.push(...piece);
  const faults: string[] = [];
  const waiting = WANTED.filter(({ says }) => says === 'waiting').length;
  const waits = rows.filter(({ kind }) => kind === 'waiting').length;
  if (waits !== waiting) faults.push(`${waits} jobs wait, not ${waiting}`);
  const askScontrol = createScontrol();
  for (const [at, { what, says, hasEnd = false, gpus }] of WANTED.entries()) {
    if (says === 'waiting') continue;
    const row = rows.find((one) => one.kind === 'job' && one.record.jobId === ids[at]);
    const record = row?.kind === 'job' ? row.record : undefined;
    const known = Object.keys(says).map((key) => [key, record?.[key as keyof JobRecord]]);
    if (!isDeepStrictEqual(Object.fromEntries(known), says) || (record?.endUs !== undefined) !== hasEnd)
      faults.push(`${what}: ${JSON.stringify(row)}`);
    if (gpus === undefined) continue;
    const told = await askScontrol(cluster.slurmConf, ids[at]!).catch((thrown: unknown) => messageOf(thrown));
    const count = typeof told === 'string' ? 0 : positionsOf(told.get(cluster.nodes[0]!) ?? []).length;
    if (count !== gpus)
      faults.push(
        `${what}: ${count} GPUs, not ${gpus}: ${typeof told === 'string' ? told : JSON.stringify([...told])}`,
      );
  }
  return faults;
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + HERE_MS_MAX;
  while (!(await isSo()) && performance.now() < endMs) await sleep(200);
}
