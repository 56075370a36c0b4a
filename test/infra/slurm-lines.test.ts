/** What docs/install.md makes of the slurm.conf of a site, typed as it stands there. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stepsOf } from '../helpers/page-steps.ts';
import { runToEnd } from '../helpers/run-process.ts';

const HOOKS = ['Prolog', 'Epilog', 'PrologSlurmctld', 'EpilogSlurmctld'].map(
  (key) => `${key}=/usr/libexec/gpuledger/gpuledger-hook\n`,
);
/** As far as it is about the file: what follows speaks to Slurm. */
const [script = ''] = stepsOf('install.md', 'Hooks').split('usermod ');

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-slurm-lines-'));
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

test.each([
  ['no flags', 'ClusterName=c\n', 'PrologFlags=Alloc\n', false],
  ['Alloc', 'PrologFlags=Alloc\n', '', false],
  ['what brings Alloc along', 'prologflags = Serial,contain\n', '', false],
  ['other flags', 'PrologFlags=Serial\n', '', true],
  ['a comment', '#PrologFlags=Alloc\n', 'PrologFlags=Alloc\n', false],
])('%s', async (_, before, added, isTold) => {
  const path = join(directory, "a site's.conf");
  writeFileSync(path, before);
  const type = (): ReturnType<typeof runToEnd> =>
    runToEnd('sh', ['-c', `set -eu\n${script}`], { env: { SLURM_CONF: path } });
  const told = isTold ? `PrologFlags in ${path} has no Alloc: add it (PrologFlags=…,Alloc)\n` : '';
  for (const times of [1, 2]) {
    expect(await type(), `time ${times}`).toEqual({ exitCode: 0, stdout: told, stderr: '' });
    expect(readFileSync(path, 'utf8')).toBe(`${before}${HOOKS.join('')}${added}`);
  }
});
