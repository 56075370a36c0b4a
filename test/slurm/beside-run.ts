/**
 * `infra/slurm/50-gpuledger` beside the hooks of a site, on the real Slurm, and what that makes of hooks that are gone. Needs root and
 * Debian's Slurm packages. `npm run test:slurm`.
 */
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseJournalRecord } from '../../schemas/journal-record.ts';
import { startCluster, type Cluster } from './cluster.ts';

const PACKAGED = '/usr/libexec/gpuledger/gpuledger-hook';
const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function program(path: string, text: string): Promise<void> {
  await writeFile(path, text);
  await chmod(path, 0o755);
}

/** A job with a GPU. @returns whether it ran, and whether its node takes another one */
async function job(cluster: Cluster): Promise<string> {
  const ran = await cluster.slurm('timeout', '30', 'srun', '--gres=gpu:1', 'true').then(
    () => 'ran',
    () => 'failed',
  );
  // A job is in the queue until its epilog has ended.
  while ((await cluster.slurm('squeue', '-h')) !== '') await sleep(100);
  const state = await cluster.slurm('sinfo', '-h', '-N', '-o', '%T');
  return `${ran}, ${/drain/.test(state) ? 'drained' : 'takes jobs'}`;
}

async function resume(cluster: Cluster): Promise<void> {
  await cluster.slurm('scontrol', 'update', `nodename=${cluster.nodes[0]!}`, 'state=resume');
}

const directory = await mkdtemp(join(tmpdir(), 'gb-'));
const folders = ['prolog.d', 'epilog.d'].map((name) => join(directory, name));
const [prologs] = folders as [string, string];
const calls = join(directory, 'calls');
const ours = await readFile(join(import.meta.dirname, '../../infra/slurm/50-gpuledger'), 'utf8');
for (const folder of folders) {
  await mkdir(folder);
  await program(join(folder, '90-site'), `#!/bin/sh\necho "\${0##*/} $SLURM_SCRIPT_CONTEXT" >>${calls}\n`);
  await program(join(folder, '10-site'), `#!/bin/sh\necho "\${0##*/} $SLURM_SCRIPT_CONTEXT" >>${calls}\n`);
}
const ofController = join(directory, 'gpuledger-hook');
const places = ['--prolog', `${folders[0]!}/*`, '--epilog', `${folders[1]!}/*`];
for (const name of ['--prolog-slurmctld', '--epilog-slurmctld']) places.push(name, ofController);
// slurmctld looks for its hooks at its start.
await program(ofController, ours);
const cluster = await startCluster(directory, places, 1);
const faults: string[] = [];
const expectSame = (what: string, came: string, expected: string): void => {
  say(`${what}: ${came}`);
  if (came !== expected) faults.push(`${what}: expected ${expected}, came ${came}`);
};
try {
  const hook = join(cluster.hookDir, 'gpuledger-hook');
  const here = ours.replaceAll(PACKAGED, hook);
  for (const path of [...folders.map((folder) => join(folder, '50-gpuledger')), ofController])
    await program(path, here);
  expectSame('beside two hooks of the site', await job(cluster), 'ran, takes jobs');
  const order = [
    '90-site prolog_slurmd',
    '10-site prolog_slurmd',
    '90-site epilog_slurmd',
    '10-site epilog_slurmd',
  ];
  expectSame('theirs', (await readFile(calls, 'utf8')).trim().split('\n').join(', '), order.join(', '));
  const names = await readdir(cluster.journalDir);
  const records = names.map((name) => name.split('.').slice(0, 2).join('.'));
  // Of the node and of the controller.
  expectSame('records', [...new Set(records)].sort().join(', '), '1.end, 1.start');
  const readings = await Promise.all(
    names.map(async (name) => parseJournalRecord(await readFile(join(cluster.journalDir, name)))),
  );
  const users = readings.map((reading) => ('record' in reading ? String(reading.record.uid) : reading.fault));
  expectSame('their user', [...new Set(users)].join(', '), String(process.getuid!()));

  await rm(hook);
  expectSame('the package is gone', await job(cluster), 'ran, takes jobs');

  await rm(join(prologs, '50-gpuledger'));
  await symlink(hook, join(prologs, '50-gpuledger'));
  expectSame('a link to nothing', await job(cluster), 'failed, drained');
  for (const name of await readdir(prologs)) await rm(join(prologs, name));
  await resume(cluster);
  expectSame('a directory without a hook', await job(cluster), 'failed, drained');
} finally {
  await cluster.stop();
  await rm(directory, { recursive: true, force: true });
}
for (const fault of faults) say(`FAULT ${fault}`);
process.exitCode = faults.length > 0 ? 1 : 0;
