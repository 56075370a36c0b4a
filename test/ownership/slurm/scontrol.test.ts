import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createScontrol } from '../../../src/ownership/slurm/scontrol.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-scontrol-'));
  vi.stubEnv('PATH', `${directory}:${process.env['PATH']}`);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true, force: true });
});

/** In place of a scontrol before 23.02: it shows the file that bears the name it is asked for. */
function answer(texts: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(texts)) writeFileSync(join(directory, `${name}.txt`), text);
  const script = `#!/bin/sh
echo "$*" >>${directory}/asked
case "$*" in *--json*) echo "scontrol: unrecognized option '--json'" >&2; exit 1;; esac
cat "${directory}/$4.txt"
`;
  writeFileSync(join(directory, 'scontrol'), script);
  chmodSync(join(directory, 'scontrol'), 0o755);
}

const task = (id: string, index: number, gpu: number, name = 'x'): string =>
  `JobId=${id} ArrayJobId=11 ArrayTaskId=${index} JobName=${name}
   UserId=ada(1000)
   JOB_GRES=gpu:1
     Nodes=n1 CPU_IDs=0 Mem=0 GRES=gpu:1(IDX:${gpu})
   MinCPUsNode=1

`;

test('the last task of an array is asked for by its own number', async () => {
  answer({ 11: task('14', 1, 0) + task('11', 3, 1), '11_3': task('11', 3, 1), 14: task('14', 1, 0) });
  const ask = createScontrol();
  expect([...(await ask('/slurm.conf', '11'))]).toEqual([['n1', [{ kind: 'gpu', position: 1 }]]]);
  expect([...(await ask('/slurm.conf', '14'))]).toEqual([['n1', [{ kind: 'gpu', position: 0 }]]]);
  const asked = ['-d --json show job 11', '-d show job 11', '-d show job 11_3', '-d show job 14'];
  expect(readFileSync(join(directory, 'asked'), 'utf8').trim().split('\n')).toEqual(asked);
});

test('a name that makes a task of its job, or of another, is never believed', async () => {
  // As the task's own text would stand, with the true one made another task's.
  const forged = task(
    '11',
    3,
    7,
    `${task('11', 3, 5).split('JobName=')[1]}JobId=14 ArrayJobId=11 ArrayTaskId=1 y`,
  );
  const asOther = `JobId=20 JobName=x\n${task('20', 4, 5)}${task('11', 4, 1).slice('JobId=11 '.length)}`;
  answer({ 11: forged, '11_3': forged, '11_4': task('11', 4, 1), 20: asOther });
  const ask = createScontrol();
  await expect(ask('/slurm.conf', '11')).rejects.toThrow(/2 jobs seem to stand in the text of job 11/);
  await expect(ask('/slurm.conf', '20')).rejects.toThrow(/expected job 20, found "JobId=11 /);
});
