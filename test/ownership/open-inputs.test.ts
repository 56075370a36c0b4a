import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { formatJournalRecord } from '../../schemas/journal-record.ts';
import type { Device } from '../../src/core/devices/device.ts';
import type { JobInput } from '../../src/core/jobs/job-fact.ts';
import { readBoot } from '../../src/ownership/boot.ts';
import { loadJobInputs, openEngineJobs, readEngineCluster } from '../../src/ownership/open-inputs.ts';
import { readCluster, SCHEDULERS } from '../../src/ownership/schedulers.ts';

const DEVICES: readonly Device[] = [
  { uuid: 'GPU-0', node: 'n1', index: 0, minor: 1, model: 'X', memoryBytes: 1 },
  { uuid: 'GPU-1', node: 'n1', index: 1, minor: 0, model: 'X', memoryBytes: 1 },
];

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-inputs-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const names = (inputs: readonly JobInput[]): string[] => inputs.map(({ name }) => name);

function put(folder: string, fields: Record<string, string>): void {
  mkdirSync(folder, { recursive: true });
  const record = {
    event: 'start',
    manager: 'slurm',
    job: '7',
    boot_id: readBoot().id,
    uptime: '10',
    ...fields,
  };
  writeFileSync(join(folder, `${record.job}.start.1.job`), formatJournalRecord(record));
}

/** The devices that the inputs tell of. */
function ownedOf(inputs: readonly JobInput[]): string[] {
  const nowUs = Date.now() * 1000 + 60e6;
  return inputs
    .flatMap((input) => input.read(nowUs).facts.map(({ jobId, gpu }) => `${jobId} on ${gpu}`))
    .sort();
}

describe('the table of schedulers', () => {
  test('has one entry a name, and each loads something that can be used', async () => {
    expect(new Set(SCHEDULERS.map(({ name }) => name)).size).toBe(SCHEDULERS.length);
    for (const { name, load } of SCHEDULERS) {
      const { scheduler } = await load();
      expect([name, Object.keys(scheduler).length > 0]).toEqual([name, true]);
    }
  });

  test('nothing is detected where nothing is configured', () => {
    expect(SCHEDULERS.filter(({ detect }) => detect({}) !== undefined)).toEqual([]);
  });
});

describe('inputs of this machine', () => {
  test.each([
    { paths: {}, expected: [] },
    { paths: { journalDir: '/none' }, expected: ['journal'] },
    { paths: { gpustatDir: '/none', hpcJobMappingDir: '/none' }, expected: ['map-dir', 'gpustat'] },
  ])('$expected', async ({ paths, expected }) => {
    expect(names((await loadJobInputs(paths))(DEVICES))).toEqual(expected);
  });

  test("a record is read in the words of its manager: Slurm's numbers by gres.conf, others as they stand", async () => {
    writeFileSync(join(directory, 'gres.conf'), 'Name=gpu File=/dev/nvidia[0-1]\n');
    const conf = join(directory, 'slurm.conf');
    put(directory, { gpus: '0', conf, node: 'n1' });
    put(directory, { job: '8', manager: 'pbs', gpus: '0', node: 'n1' });
    put(directory, { job: '9', manager: 'pbs', devices: '0', node: 'n1' });
    const open = await loadJobInputs({ journalDir: directory });
    expect(ownedOf(open(DEVICES))).toEqual(['7 on GPU-1', '8 on unresolved:n1:0', '9 on GPU-0']);
  });

  test("the site's own map stands above gres.conf", async () => {
    writeFileSync(join(directory, 'gres.conf'), 'Name=gpu File=/dev/nvidia[0-1]\n');
    put(directory, { gpus: '0', conf: join(directory, 'slurm.conf'), node: 'n1' });
    const open = await loadJobInputs({ journalDir: directory, deviceMap: new Map([[0, 'GPU-0']]) });
    expect(ownedOf(open(DEVICES))).toEqual(['7 on GPU-0']);
  });
});

describe('inputs of an engine', () => {
  const paths = (): { local: { journalDir: string }; localNode: string; journals: string } => ({
    local: { journalDir: join(directory, 'local') },
    localNode: 'n1',
    journals: join(directory, 'journals'),
  });

  test("are its node's folder among the journals, though this machine has its own", async () => {
    put(join(directory, 'journals/n1'), { devices: '1' });
    put(join(directory, 'local'), { job: '8', devices: '0' });
    expect(ownedOf(await openEngineJobs(paths(), 'n1', DEVICES))).toEqual(['7 on GPU-1']);
  });

  test('are those of this machine where the engine runs on it, and none elsewhere', async () => {
    put(join(directory, 'local'), { job: '8', devices: '0' });
    expect(ownedOf(await openEngineJobs(paths(), 'n1', DEVICES))).toEqual(['8 on GPU-0']);
    expect(await openEngineJobs(paths(), 'n2', DEVICES)).toEqual([]);
  });

  test('a journal that is not there is no input', async () => {
    expect(await openEngineJobs(paths(), 'n1', DEVICES)).toEqual([]);
  });

  test("no scheduler is asked about another machine's jobs", async () => {
    const folder = join(directory, 'journals/n1');
    put(folder, { gpus: '0', node: 'n1', conf: join(folder, 'slurm.conf') });
    const types = 'Name=gpu Type=a File=/dev/nvidia0\nName=gpu Type=b File=/dev/nvidia1\n';
    writeFileSync(join(folder, 'gres.conf'), types);
    const [input] = await openEngineJobs(paths(), 'n1', DEVICES);
    const nowUs = Date.now() * 1000 + 60e6;
    input!.read(nowUs);
    await input!.answers?.();
    const { facts, problems = [] } = input!.read(nowUs);
    expect(facts.map(({ gpu }) => gpu)).toEqual(['unresolved:n1:0']);
    expect(problems.map(({ code }) => code)).toEqual(['journal.unresolved_device']);
  });

  test('runs of a machine that is not this one go on, by the newest boot that its records name', async () => {
    put(join(directory, 'journals/n1'), { devices: '1', boot_id: '11111111-1111-4111-8111-111111111111' });
    const [input] = await openEngineJobs(paths(), 'n1', DEVICES);
    const { facts } = input!.read(Date.now() * 1000 + 60e6);
    expect(facts.map(({ kind }) => kind)).toEqual(['start']);
  });
});

describe('the cluster of this machine', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  test('is the one of slurm.conf, where the journal of its hooks is read', async () => {
    const conf = join(directory, 'slurm.conf');
    writeFileSync(conf, 'SlurmctldHost=head\nClusterName=Alpha\n');
    vi.stubEnv('SLURM_CONF', conf);
    expect(await readCluster({ journalDir: directory })).toBe('alpha');
    expect(await readCluster({ gpustatDir: directory, hpcJobMappingDir: directory })).toBeUndefined();
    // An engine's node may be another cluster's, unless it is this machine.
    const paths = { local: { journalDir: directory }, localNode: 'n1' };
    expect(await readEngineCluster(paths, 'n1')).toBe('alpha');
    expect(await readEngineCluster(paths, 'n2')).toBeUndefined();
    expect(await readEngineCluster({ ...paths, local: { journalDir: '/none' } }, 'n1')).toBeUndefined();
  });

  test.each(['', 'ClusterName=\n'])('is none where the file holds %j', async (text) => {
    const conf = join(directory, 'slurm.conf');
    writeFileSync(conf, text);
    vi.stubEnv('SLURM_CONF', conf);
    expect(await readCluster({ journalDir: directory })).toBeUndefined();
    rmSync(conf);
    expect(await readCluster({ journalDir: directory })).toBeUndefined();
  });
});
