import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openJobCgroups } from '../../../src/ownership/slurm/job-cgroups.ts';
import { writeV1, writeV2 } from '../../helpers/made-cgroups.ts';

const USE = { cpuUs: 5_000_000, ioWaitUs: 250_000, readBytes: 4096, memoryBytes: 1 << 20 };
const SLUID = 'sEKNKTV3WPV500';
const NOTHING_READ = {
  ...{ cpuUs: undefined, cpuWaitUs: undefined, ioWaitUs: undefined, readBytes: undefined },
  ...{ writtenBytes: undefined, memoryBytes: undefined, memoryPeakBytes: undefined },
};
let directory: string;
let root: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-cgroups-'));
  root = join(directory, 'cgroup');
  mkdirSync(root);
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

const read = (jobId = '7', sluid?: string): ReturnType<ReturnType<typeof openJobCgroups>['read']> =>
  openJobCgroups(root).read({ node: 'n1', jobId, sluid });

describe('the cgroup of a job', () => {
  test.each([
    ['v2', 'system.slice/slurmstepd.scope/job_7'],
    ['v2, several slurmd on a machine', 'system.slice/n1_slurmstepd.scope/job_7'],
    ['v2, a node that the scheduler calls otherwise', 'system.slice/gpu-1_slurmstepd.scope/job_7'],
    ['26.05', `system.slice/slurmstepd.scope/${SLUID}`],
  ])('%s', (_, job) => {
    writeV2(root, job, USE);
    expect(read('7', SLUID)).toMatchObject({
      ...{ cpuUs: 5_000_000, cpuWaitUs: 0, ioWaitUs: 250_000, readBytes: 4096, writtenBytes: 0 },
      ...{ memoryBytes: 1 << 20, memoryPeakBytes: 1 << 20 },
    });
  });

  test.each([
    ['v1', 'slurm/uid_1000/job_7'],
    ['v1, several slurmd on a machine', 'slurm_n1/uid_0/job_7'],
  ])('%s: nothing is known of waits', (_, job) => {
    writeV1(root, job, USE);
    expect(read()).toMatchObject({
      ...{ cpuUs: 5_000_000, cpuWaitUs: undefined, ioWaitUs: undefined, readBytes: 4096 },
      ...{ writtenBytes: 0, memoryBytes: 1 << 20, memoryPeakBytes: 1 << 20 },
    });
  });

  test('v1 as systemd mounts it, with controllers together and a link to them', () => {
    writeV1(root, 'slurm/uid_5/job_7', USE);
    rmSync(join(root, 'cpuacct'), { recursive: true });
    mkdirSync(join(root, 'cpu,cpuacct/slurm/uid_5/job_7'), { recursive: true });
    writeFileSync(join(root, 'cpu,cpuacct/slurm/uid_5/job_7/cpuacct.usage'), '3000\n');
    expect(read()?.cpuUs).toBe(3);
    symlinkSync('cpu,cpuacct', join(root, 'cpuacct'));
    expect(read()).toMatchObject({ cpuUs: 3, memoryBytes: 1 << 20 });
  });

  test('v1 with the controller of memory alone', () => {
    writeV1(root, 'slurm/uid_5/job_7', USE);
    for (const controller of ['cpuacct', 'blkio']) rmSync(join(root, controller), { recursive: true });
    expect(read()).toMatchObject({ ...NOTHING_READ, memoryBytes: 1 << 20, memoryPeakBytes: 1 << 20 });
  });

  test('is that of its own node where several nodes are on one machine', () => {
    writeV2(root, 'system.slice/n1_slurmstepd.scope/job_7', USE);
    writeV2(root, 'system.slice/n2_slurmstepd.scope/job_7', { ...USE, cpuUs: 1 });
    expect(read()?.cpuUs).toBe(5_000_000);
    rmSync(join(root, 'system.slice/n1_slurmstepd.scope'), { recursive: true });
    writeV2(root, 'system.slice/n3_slurmstepd.scope/job_7', USE);
    // Whose of the two it is nobody knows.
    expect(read()).toBeUndefined();
  });

  test('is another one when it is made again', () => {
    writeV2(root, 'system.slice/slurmstepd.scope/job_7', USE);
    const first = read()!;
    expect(read()!.cgroup).toBe(first.cgroup);
    // The number of a directory that is gone may be given again here, but not by the kernel to a cgroup.
    renameSync(join(root, 'system.slice/slurmstepd.scope/job_7'), join(directory, 'gone'));
    writeV2(root, 'system.slice/slurmstepd.scope/job_7', USE);
    expect(read()!.cgroup).not.toBe(first.cgroup);
    expect(read()!.atUs).toBeGreaterThan(first.atUs);
  });
});

describe('nothing is told', () => {
  test.each([
    ['of another job', '8', undefined],
    ['of an id that is a path', '../../x/job_7', undefined],
    ['of an id that is no number', '7/step_0', undefined],
    ['of a SLUID that is a path', 'x', '../slurmstepd.scope/job_7'],
    ['of no id', '', undefined],
  ])('%s', (_, jobId, sluid) => {
    writeV2(root, 'system.slice/slurmstepd.scope/job_7', USE);
    mkdirSync(join(root, 'system.slice/slurmstepd.scope/job_7/step_0'));
    expect(read(jobId, sluid)).toBeUndefined();
  });

  test.each([
    ['where there are no cgroups', () => undefined],
    [
      'where the root is not there',
      () => {
        rmSync(root, { recursive: true });
      },
    ],
    [
      'where the root is a file',
      () => {
        rmSync(root, { recursive: true });
        writeFileSync(root, '');
      },
    ],
    [
      'of a file by the name of a job',
      () => {
        mkdirSync(join(root, 'system.slice/slurmstepd.scope'), { recursive: true });
        writeFileSync(join(root, 'system.slice/slurmstepd.scope/job_7'), '');
      },
    ],
    [
      'of what a link leads out to',
      () => {
        writeV2(directory, 'elsewhere', USE);
        mkdirSync(join(root, 'system.slice/slurmstepd.scope'), { recursive: true });
        symlinkSync(join(directory, 'elsewhere'), join(root, 'system.slice/slurmstepd.scope/job_7'));
      },
    ],
    [
      'of what a link leads out to higher up',
      () => {
        writeV2(directory, 'slurmstepd.scope/job_7', USE);
        symlinkSync(directory, join(root, 'system.slice'));
      },
    ],
    [
      'where the place of a user may be made by anybody',
      () => {
        writeV2(root, 'user.slice/user@1000.service/slurmstepd.scope/job_7', USE);
      },
    ],
  ])('%s', (_, prepare) => {
    prepare();
    expect(read()).toBeUndefined();
  });

  test('of files that are not there, that are links, that are too large or that are none', () => {
    const job = join(root, 'system.slice/slurmstepd.scope/job_7');
    writeV2(root, 'system.slice/slurmstepd.scope/job_7', USE);
    for (const name of [
      'io.stat',
      'cpu.stat',
      'cpu.pressure',
      'io.pressure',
      'memory.current',
      'memory.peak',
    ])
      rmSync(join(job, name));
    writeFileSync(join(directory, 'secret'), 'usage_usec 12345\n');
    symlinkSync(join(directory, 'secret'), join(job, 'cpu.stat'));
    mkdirSync(join(job, 'io.stat'));
    writeFileSync(join(job, 'memory.current'), `${' '.repeat(100_000)}5`);
    writeFileSync(join(job, 'io.pressure'), Buffer.from([0xff, 0xfe, 0, 0]));
    expect(read()).toMatchObject(NOTHING_READ);
  });
});
