import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import PQueue from 'p-queue';
import type { Cluster } from './cluster.ts';

const PAYLOAD = join(import.meta.dirname, 'payload.sh');
const STEPS = join(import.meta.dirname, 'steps.sh');
const HERE_MS_MAX = 150_000;

/** Jobs of every kind that the hooks are known to treat differently; deterministic, as fast as the scheduler goes. */
export async function runWholeGpuJobs(cluster: Cluster): Promise<number> {
  let count = 0;
  const queue = new PQueue({ concurrency: 6 });
  const add = (jobs: number, work: () => Promise<unknown>): void => {
    count += jobs;
    void queue.add(work);
  };
  const batch = async (options: readonly string[], ...command: string[]): Promise<string> =>
    await cluster.slurm('sbatch', '--parsable', '-o', '/dev/null', ...options, ...command);
  const gpus = (n: number): string => `--gres=gpu:${n}`;

  // A time limit counts in minutes: these take the longest, so they come first.
  for (let job = 0; job < 2; job += 1) add(1, () => batch(['-t', '1', gpus(1)], PAYLOAD, '4000'));
  // Slurm holds a requeued job for two minutes, in which slurmd forgets the old credential. (Released earlier by hand,
  // the job has no prolog: slurmd believes that it has run.)
  for (let job = 0; job < 6; job += 1) {
    add(1, async () => {
      const id = await batch(['--requeue', gpus(1 + (job % 2))], PAYLOAD, '20');
      await started(cluster, id, 0);
      await cluster.slurm('scontrol', 'requeue', id);
    });
  }
  for (let array = 0; array < 2; array += 1) {
    add(50, () => batch(['--array=1-50', gpus(1)], PAYLOAD, String(4 + 4 * array)));
  }
  for (let job = 0; job < 88; job += 1) {
    add(1, () => batch([gpus(1 + (job % 8))], PAYLOAD, String(2 + (job % 10))));
  }
  for (let job = 0; job < 20; job += 1) {
    add(1, () => batch(['-N2', '--ntasks-per-node=1', gpus(2)], STEPS, PAYLOAD, '4'));
  }
  for (let job = 0; job < 16; job += 1) add(1, () => batch([gpus(2)], STEPS, PAYLOAD, '3'));
  for (let job = 0; job < 15; job += 1) {
    add(1, async () => {
      const id = await batch([gpus(1)], PAYLOAD, '2000');
      await started(cluster, id, 0);
      await cluster.slurm('scancel', id);
    });
  }
  for (let job = 0; job < 15; job += 1)
    add(1, () => batch([gpus(1)], PAYLOAD, '4', job % 3 === 0 ? 'segv' : '3'));
  for (let job = 0; job < 20; job += 1) {
    add(1, async () => {
      await cluster.attempt('srun', '-Q', gpus(1), PAYLOAD, '6');
    });
  }
  for (let job = 0; job < 15; job += 1) {
    add(1, async () => {
      await cluster.attempt('salloc', '-Q', gpus(1), PAYLOAD, '8');
    });
  }
  // Without any request, a whole node's GPUs.
  for (let job = 0; job < 4; job += 1) add(1, () => batch(['--exclusive'], PAYLOAD, '4'));
  await queue.onIdle();
  await untilQueueIsEmpty(cluster);
  return count;
}

/** Half a minute: a job must still run when the collector has read its start and asked, on a busy machine too. */
const ASKED_TICKS = 500;

/** Parts of GPUs: several jobs on one device at once, long enough for somebody to ask which. */
export async function runShardJobs(cluster: Cluster): Promise<number> {
  const count = 24;
  const queue = new PQueue({ concurrency: 6 });
  for (let job = 0; job < count; job += 1) {
    void queue.add(async () => {
      const shards = `--gres=shard:${1 + (job % 2)}`;
      await cluster.slurm(
        'sbatch',
        '--parsable',
        '-o',
        '/dev/null',
        shards,
        PAYLOAD,
        String(ASKED_TICKS + job),
      );
    });
  }
  await queue.onIdle();
  await untilQueueIsEmpty(cluster);
  return count;
}

/** Waits for the first stamp of a run. */
async function started(cluster: Cluster, jobId: string, restart: number): Promise<void> {
  await until(`job ${jobId} to start`, () => {
    const isThere = (name: string): boolean =>
      name.startsWith(`${jobId}.${restart}.`) && name.endsWith('.scontrol');
    return Promise.resolve(readdirSync(cluster.truthDir).some(isThere));
  });
  await sleep(200);
}

async function untilQueueIsEmpty(cluster: Cluster): Promise<void> {
  await until('the queue to be empty', async () => (await cluster.slurm('squeue', '-h')) === '');
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + HERE_MS_MAX;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`waited ${HERE_MS_MAX} ms for ${what}`);
    await sleep(100);
  }
}
