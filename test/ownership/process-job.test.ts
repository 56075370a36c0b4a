import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isHostNamespace, readProcessMark } from '../../src/ownership/process-job.ts';

const JOB_5 = '0::/system.slice/slurmstepd.scope/job_5/step_0/user/task_0\n';
let proc: string;

beforeEach(() => {
  proc = mkdtempSync(join(tmpdir(), 'gpuledger-proc-'));
});
afterEach(() => {
  rmSync(proc, { recursive: true, force: true });
});

function put(pid: number, cgroup: string | undefined, comm: string): void {
  mkdirSync(join(proc, String(pid)));
  if (cgroup !== undefined) writeFileSync(join(proc, String(pid), 'cgroup'), cgroup);
  writeFileSync(join(proc, String(pid), 'comm'), `${comm}\n`);
}

test('a process is its job’s, nobody’s, or it cannot be told', () => {
  put(10, JOB_5, 'python');
  put(11, '0::/init.scope\n', 'Xorg');
  put(12, undefined, 'hidden');
  put(13, '2:cpu:/slurm/uid_1/job_5/step_0\n1:cpuset:/slurm/uid_1/job_6/step_0\n', 'python');
  const jobOf = (pid: number): unknown => readProcessMark(proc, pid).job;
  expect([10, 11, 12, 13, 14].map(jobOf)).toEqual([{ jobId: '5' }, 'none', 'unknown', 'unknown', 'unknown']);
});

test('the server of MPS is known by its name, as the kernel cuts it', () => {
  put(20, '0::/system.slice/nvidia-mps.service\n', 'nvidia-cuda-mps');
  put(21, JOB_5, 'nvidia-cuda-mp');
  expect(readProcessMark(proc, 20)).toEqual({ job: 'none', isMpsServer: true });
  expect(readProcessMark(proc, 21)).toEqual({ job: { jobId: '5' }, isMpsServer: false });
  expect(readProcessMark(proc, 22)).toEqual({ job: 'unknown', isMpsServer: false });
});

test('the kernel’s own files can be read', () => {
  expect(readProcessMark('/proc', process.pid).job).not.toBe('unknown');
});

test('numbers of processes are the host’s in the first namespace only', () => {
  mkdirSync(join(proc, 'self/ns'), { recursive: true });
  expect(isHostNamespace(proc)).toBe(false);
  symlinkSync('pid:[4026531836]', join(proc, 'self/ns/pid'));
  expect(isHostNamespace(proc)).toBe(true);
  rmSync(join(proc, 'self/ns/pid'));
  symlinkSync('pid:[4026532447]', join(proc, 'self/ns/pid'));
  expect(isHostNamespace(proc)).toBe(false);
});
