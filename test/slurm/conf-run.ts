/**
 * Slurm's configuration files against the real Slurm: what `slurmd -G` and `scontrol show config` make of them, and which
 * devices real jobs are given. Needs root and Debian's Slurm packages. `npm run test:slurm`.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expandHostlist } from '../../src/core/devices/hostlist.ts';
import type { Device } from '../../src/core/devices/device.ts';
import { resolveDevices } from '../../src/core/devices/identity.ts';
import { orderOf, sharesOfDevice } from '../../src/ownership/slurm/gres-conf.ts';
import { openSlurmFiles } from '../../src/ownership/slurm/slurm-files.ts';
import { makeModel, workOut, writeModel } from '../helpers/slurm-conf-model.ts';
import { startCluster, type Cluster } from './cluster.ts';

const run = promisify(execFile);
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const MODELS = 60;

interface Bench {
  readonly cluster: Cluster;
  readonly node: string;
  readonly slurmConf: string;
  /** Directory of the node's eight device files. */
  readonly devices: string;
  /** Lines of slurm.conf that are the cluster's own, without the node's and GresTypes. */
  readonly base: string;
}

/** One GPU a line, as `slurmd -G` shows it: device number and count of its shards. */
interface Shown {
  readonly files: readonly number[];
  readonly shards: readonly number[];
}

async function open(directory: string): Promise<Bench> {
  const cluster = await startCluster(directory, [], 1);
  const [node] = cluster.nodes;
  const slurmConf = join(directory, 'c/etc/slurm.conf');
  const lines = (await readFile(slurmConf, 'utf8')).split('\n');
  const base = lines.filter((line) => !/^(NodeName|GresTypes|ClusterName)=/.test(line)).join('\n');
  return { cluster, node: node!, slurmConf, devices: join(directory, 'c/dev', node!), base };
}

/** @param files gres.conf, and `lines.conf`, which slurm.conf includes */
async function configure({ slurmConf, base }: Bench, files: ReadonlyMap<string, string>): Promise<void> {
  const directory = dirname(slurmConf);
  await writeFile(slurmConf, `ClusterName = "TestBed"\nInclude lines.conf\n${base}\n`);
  for (const [name, text] of files) await writeFile(join(directory, name), text);
}

/** What the real slurmd makes of the files. */
async function show({ node, slurmConf }: Bench): Promise<Shown> {
  const { stdout, stderr } = await run('slurmd', ['-G', '-N', node, '-f', slurmConf]);
  const files: number[] = [];
  const shards = new Map<number, number>();
  for (const [, name, count, list] of `${stdout}${stderr}`.matchAll(
    /Gres Name=(\w+) .*?Count=(\d+) .*?File=(\S+)/g,
  )) {
    const numbers = expandHostlist(list!).map((file) => Number(/(\d+)$/.exec(file)![1]));
    if (name === 'gpu') files.push(...numbers);
    else for (const number of numbers) shards.set(number, Number(count));
  }
  return { files, shards: files.map((file) => shards.get(file) ?? 0) };
}

/** What we make of them. */
function read({ node, slurmConf }: Bench): Shown & { readonly problems: readonly string[] } {
  const files = openSlurmFiles();
  const gres = files.gresOf(slurmConf, node);
  const gpus = gres?.kind === 'files' ? gres.gpus : [];
  return {
    files: gpus.map(({ file = '' }) => Number(/(\d+)$/.exec(file)?.[1])),
    shards: gpus.map((_, position) => sharesOfDevice(gres!, 'shard', position) ?? 0),
    problems: files.takeProblems().map(({ where = '', message }) => `${where}: ${message}`),
  };
}

/** Generated configurations in odd styles: the real one, the model, and our reading are the same. */
async function models(bench: Bench): Promise<string[]> {
  const faults: string[] = [];
  for (let seed = 1; seed <= MODELS; seed += 1) {
    const model = makeModel(seed, bench.node);
    const files = writeModel(model, { seed: seed * 7919, node: bench.node, devices: bench.devices });
    await configure(bench, files);
    const real = JSON.stringify(await show(bench));
    const { problems, ...ours } = read(bench);
    const seen = [real, JSON.stringify(workOut(model, bench.node)), JSON.stringify(ours)];
    if (new Set(seen).size > 1 || problems.length > 0) {
      faults.push(
        `model ${seed}: Slurm ${seen[0]!}, model ${seen[1]!}, read ${seen[2]!} ${problems.join(' ')}`,
      );
    }
  }
  return faults;
}

/** Slurm believes that it has found these GPUs, in the order of the bus: device numbers. */
const ON_THE_BUS = [3, 0, 7, 1];

/** Slurm finds the GPUs itself (it is told of four by a file for its own tests): the order, and which of them count. */
async function found(bench: Bench): Promise<string[]> {
  const device = (minor: number, at: number): Device => ({
    ...{ uuid: `GPU-${minor}`, node: bench.node, index: at, minor, model: 'X', memoryBytes: 1 },
    pciBusId: `00000000:0${at + 1}:00.0`,
  });
  const devices = ON_THE_BUS.map(device);
  const fakes = join(dirname(bench.slurmConf), 'fake_gpus.conf');
  const links = (at: number): string => ON_THE_BUS.map((_, other) => (other === at ? -1 : 0)).join();
  const fake = ON_THE_BUS.map((minor, at) => `a100|4|0-3|${links(at)}|${bench.devices}/nvidia${minor}`);
  await writeFile(fakes, `${[...fake].sort().join('\n')}\n`);
  const cases = [
    { gres: 'AutoDetect=nvml\n', count: 4, isTold: true },
    { gres: `AutoDetect=nvml\nName=gpu File=${bench.devices}/nvidia[0-1,7]\n`, count: 3, isTold: true },
    { gres: 'AutoDetect=nvml\n', count: 2, isTold: false },
  ];
  const faults: string[] = [];
  for (const { gres, count, isTold } of cases) {
    const lines = `GresTypes=gpu\nNodeName=${bench.node} CPUs=4 Gres=gpu:${count}\n`;
    await configure(
      bench,
      new Map([
        ['gres.conf', gres],
        ['lines.conf', lines],
      ]),
    );
    const { files } = await show(bench);
    const order = openSlurmFiles().gresOf(bench.slurmConf, bench.node);
    const positions = files.map((_, position) => position).join();
    const resolved = resolveDevices({ positions }, devices, order === undefined ? {} : orderOf(order));
    const ours = resolved.devices.map(({ minor }) => minor).join();
    const expected = isTold ? files.join() : '';
    if (ours !== expected || files.length !== count) {
      faults.push(`${JSON.stringify(gres)} with ${count} GPUs: Slurm ${files.join()}, read ${ours}`);
    }
  }
  await rm(fakes);
  return faults;
}

const KNOWN_TRIES_MAX = 100;

/** The controller refuses jobs until the node has told of its new GPUs, which on busy cores takes a while. */
async function whenNodeIsKnown<T>(run: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await run();
    } catch (thrown) {
      const isUnknown = String(thrown).includes('Requested node configuration is not available');
      if (!isUnknown || tries === KNOWN_TRIES_MAX) throw thrown;
      await sleep(300);
    }
  }
}

/** Each GPU has a type of its own, so that a job that asks for it is known to have that device. */
async function jobs(bench: Bench, nodeLine: string): Promise<string[]> {
  const { cluster, node, slurmConf, devices } = bench;
  // As many as before: a controller that is told of fewer takes the node out of service.
  const types = [5, 2, 0, 3, 7, 6, 1, 4];
  const gres = [
    'AutoDetect = "off"',
    `NodeName=n9,${node} \\\n  Name=gpu Type="t3" File=${devices}/nvidia3 # \\`,
    'Include more.conf',
    `Name=gpu Type=t5 File=${devices}/nvidia5`,
    ...[1, 4, 6, 7].map((type) => `Name=gpu Type=t${type} File=${devices}/nvidia${type}`),
  ];
  const more = `name = GPU type=t0 FILE=${devices}/nvidia0\nName=gpu Type=t2\\\n File=${devices}/nvidia2\n`;
  const counts = types.map((type) => `gpu:t${type}:1`).join();
  const line = nodeLine.replace(/ Gres=\S+/, ` Gres="${counts}"`);
  const files = [
    ['gres.conf', `${gres.join('\n')}\n`],
    ['more.conf', more.replace('GPU', 'gpu')],
    ['lines.conf', `GresTypes="gpu"\n${line}\n`],
  ] as const;
  await configure(bench, new Map(files));
  await cluster.slurm('scontrol', 'reconfigure');
  const read = openSlurmFiles();
  const faults: string[] = [];
  for (const type of types) {
    const position = await whenNodeIsKnown(() =>
      cluster.slurm('srun', '-Q', `--gres=gpu:t${type}:1`, 'printenv', 'SLURM_STEP_GPUS'),
    );
    const ours = read.gresOf(slurmConf, node)?.gpus[Number(position)]?.file;
    if (ours !== `${devices}/nvidia${type}`)
      faults.push(`a job on nvidia${type} is given GPU ${position}, read as ${ours}`);
  }
  const config = await cluster.slurm('scontrol', 'show', 'config');
  const name = /^ClusterName\s*= (.*)$/m.exec(config)?.[1];
  if (name !== read.clusterOf(slurmConf))
    faults.push(`cluster ${name}, read as ${read.clusterOf(slurmConf)}`);
  const told = /^GresTypes\s*= (.*)$/m.exec(config)?.[1];
  if (told !== 'gpu' || read.areGpusShared(slurmConf) !== false)
    faults.push(`GresTypes ${told} is read otherwise`);
  return faults;
}

async function main(): Promise<number> {
  const startMs = performance.now();
  const directory = await mkdtemp(join(tmpdir(), 'gc-'));
  const bench = await open(directory);
  try {
    const nodeLine = /^NodeName=.*$/m.exec(await readFile(bench.slurmConf, 'utf8'))![0];
    const faults = [...(await jobs(bench, nodeLine)), ...(await models(bench)), ...(await found(bench))];
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    say(
      `Slurm's files: ${MODELS} configurations, 3 of AutoDetect, 8 jobs; ${faults.length} read otherwise (0), ${seconds} s`,
    );
    for (const fault of faults) say(`  ! ${fault}`);
    return faults.length === 0 ? 0 : 1;
  } finally {
    await bench.cluster.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

process.exitCode = await main();
