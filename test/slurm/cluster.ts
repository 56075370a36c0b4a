import { execFile } from 'node:child_process';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');

export interface Cluster {
  readonly nodes: readonly string[];
  readonly hookDir: string;
  readonly journalDir: string;
  /** Stamps and device lists that the jobs leave. */
  readonly truthDir: string;
  readonly controllerLog: string;
  readonly slurmConf: string;
  /** Runs a Slurm command; @returns what it printed. */
  slurm(command: string, ...parameters: string[]): Promise<string>;
  /** The same for a command that is allowed to fail, as `srun` of a failing job does. */
  attempt(command: string, ...parameters: string[]): Promise<void>;
  stop(): Promise<void>;
}

/** A real Slurm with two nodes of eight fake GPUs, our hooks in all four places, and its log in milliseconds. */
export async function startCluster(
  directory: string,
  options: readonly string[] = [],
  nodeCount = 2,
): Promise<Cluster> {
  const hookDir = join(directory, 'hook');
  const journalDir = join(directory, 'journal');
  const truthDir = join(directory, 'truth');
  await Promise.all([hookDir, truthDir].map((path) => mkdir(path, { recursive: true })));
  const hook = join(hookDir, 'gpuledger-hook');
  await copyFile(join(root, 'infra/slurm/gpuledger-hook'), hook);
  await writeFile(join(hookDir, 'gpuledger-hook.conf'), `journal_dir=${journalDir}\n`);
  const testbed = join(root, 'test/slurm-testbed/slurm-testbed.sh');
  const clusterDir = join(directory, 'c');
  const hooks = ['prolog', 'epilog', 'prolog-slurmctld', 'epilog-slurmctld'].flatMap((name) => [
    `--${name}`,
    hook,
  ]);
  await run(testbed, [
    ...[
      'up',
      clusterDir,
      '--nodes',
      String(nodeCount),
      '--gpus',
      '8',
      '--cpus',
      '48',
      '--prolog-flags',
      'Alloc',
      ...hooks,
    ],
    ...['--conf', 'LogTimeFormat=iso8601_ms', '--conf', 'SlurmctldDebug=debug2', ...options],
  ]);
  const slurmConf = join(clusterDir, 'etc/slurm.conf');
  const environment = { ...process.env, SLURM_CONF: slurmConf, TRUTH: truthDir };
  const slurm = async (command: string, ...parameters: string[]): Promise<string> => {
    const { stdout } = await run(command, parameters, { env: environment, timeout: 120_000 });
    return stdout.trim();
  };
  const nodes = (await slurm('sinfo', '-h', '-N', '-o', '%N')).split('\n');
  return {
    nodes,
    hookDir,
    journalDir,
    truthDir,
    controllerLog: join(clusterDir, 'log/slurmctld.log'),
    slurmConf,
    slurm,
    async attempt(command, ...parameters) {
      await slurm(command, ...parameters).catch((error: unknown) => {
        // A job that fails is what was asked for; a command that is not there is not.
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') throw error;
      });
    },
    async stop() {
      await run(testbed, ['down', clusterDir]);
    },
  };
}
