import { describe, expect, test } from 'vitest';
import { slurmJobOf } from '../../../src/ownership/slurm/cgroup.ts';

const USER_SLICE = '/user.slice/user-1000.slice/user@1000.service';

describe('the job of a process by its cgroup', () => {
  test.each([
    ['v1, several slurmd on a machine', '9:freezer:/slurm_n1/uid_1000/job_4217/step_0/task_1', '4217'],
    ['v1, one slurmd', '4:memory:/slurm/uid_0/job_7/step_batch', '7'],
    ['v1, the job itself', '4:memory:/slurm/uid_0/job_7', '7'],
    ['v1 below a container', '4:memory:/docker/abc/slurm/uid_5/job_7/step_extern/task_0', '7'],
    ['v2', '0::/system.slice/slurmstepd.scope/job_4217/step_0/user/task_0', '4217'],
    [
      'v2, several slurmd on a machine',
      '0::/system.slice/n1_slurmstepd.scope/job_4217/step_0/user/task_0',
      '4217',
    ],
    [
      'v2, a program of the step itself',
      '0::/system.slice/slurmstepd.scope/job_4217/step_batch/slurm',
      '4217',
    ],
    ['v2, seen from another cgroup namespace', '0::/../../slurmstepd.scope/job_9/step_0/user/task_0', '9'],
    [
      'v2 in a pod of Kubernetes',
      '0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-2.scope/system.slice/slurmstepd.scope/job_9/step_0/user/task_0',
      '9',
    ],
    ['v2, a cgroup that is gone', '0::/system.slice/slurmstepd.scope/job_4217 (deleted)', '4217'],
    ['the largest id', '0::/system.slice/slurmstepd.scope/job_4294967294/step_0', '4294967294'],
    [
      'a cgroup of the job’s own',
      '0::/system.slice/slurmstepd.scope/job_5/step_0/user/task_0/job_6/x:y',
      '5',
    ],
    [
      'a cgroup of the job’s own that looks like another job’s',
      '0::/system.slice/slurmstepd.scope/job_5/step_0/user/task_0/system.slice/slurmstepd.scope/job_6/step_0',
      '5',
    ],
  ])('%s', (_, line, jobId) => {
    expect(slurmJobOf(`${line}\n`)).toEqual({ jobId });
  });

  test('bears the name of the run from Slurm 26.05 on', () => {
    const line = '0::/system.slice/slurmstepd.scope/sEKNKTV3WPV500/step_0/user/task_0';
    expect(slurmJobOf(line)).toEqual({ sluid: 'sEKNKTV3WPV500' });
  });

  test.each([
    ['no job', '0::/init.scope'],
    ['a login', `0::/user.slice/user-1000.slice/session-3.scope`],
    ['a service', '0::/system.slice/nvidia-persistenced.service'],
    ['slurmd itself', '0::/system.slice/slurmd.service'],
    ['a slurmstepd that waits for its job', '0::/system.slice/slurmstepd.scope/system'],
    ['docker', '0::/system.slice/docker-5f1c.scope'],
    ['docker, v1', '12:devices:/docker/5f1c'],
    ['Kubernetes', '0::/kubepods.slice/kubepods-burstable.slice/kubepods-pod1.slice/cri-containerd-2.scope'],
    ['a job’s name without Slurm’s place', '0::/system.slice/job_5/step_0'],
    ['a job’s name too deep', '0::/system.slice/slurmstepd.scope/x/job_5'],
    ['no number', '0::/system.slice/slurmstepd.scope/job_5x/step_0'],
    ['no number at all', '0::/system.slice/slurmstepd.scope/job_/step_0'],
    ['a number that is too long', '0::/system.slice/slurmstepd.scope/job_99999999999/step_0'],
    ['a negative number', '4:memory:/slurm/uid_0/job_-5/step_0'],
    ['a name of a run that is too short', '0::/system.slice/slurmstepd.scope/sEKNKTV3WPV50/step_0'],
    [
      'a name of a run with a letter that there is not',
      '0::/system.slice/slurmstepd.scope/sEKNKTV3WPV5O0/step_0',
    ],
    ['what a user may make', `0::${USER_SLICE}/system.slice/slurmstepd.scope/job_5/step_0`],
    ['what a user may make, v1', `1:name=systemd:${USER_SLICE}/slurm/uid_0/job_5/step_0`],
    ['no line of a cgroup', 'slurmstepd.scope/job_5/step_0'],
    ['no path', '0::'],
    ['nothing', ''],
  ])('%s', (_, line) => {
    expect(slurmJobOf(`${line}\n`)).toBeUndefined();
  });

  test('is one, in all hierarchies that know it', () => {
    const lines = [
      '9:name=systemd:/system.slice/slurmd.service',
      '6:freezer:/slurm/uid_1/job_5/step_0',
      '0::/',
    ];
    expect(slurmJobOf(`${[...lines, '4:memory:/slurm/uid_1/job_5/step_0/task_0'].join('\n')}\n`)).toEqual({
      jobId: '5',
    });
    expect(slurmJobOf(`${[...lines, '4:memory:/slurm/uid_1/job_6/step_0/task_0'].join('\n')}\n`)).toBe(
      'ambiguous',
    );
  });
});
