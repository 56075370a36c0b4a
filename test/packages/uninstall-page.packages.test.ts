/** docs/uninstall.md, typed twice as it stands there, in a Debian 12 with what docs/install.md and people leave: nothing is left. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';

import { everyStep, stepsOf } from '../helpers/page-steps.ts';
import { insideRoot } from './booted-root.ts';
import { makeDebianRoot } from './debian-root.ts';

const PAGE = 'uninstall.md';
const { deb } = inject('packages');
const SITE = `READERS=gpu-readers STORE=127.0.0.1:9000 STORE_USER=u STORE_PASSWORD='a b' PACKAGE=/root/${basename(deb)}`;

let root = '';
const inside = async (script: string): ReturnType<typeof insideRoot> =>
  await insideRoot(root, `set -eu\n${SITE.replaceAll(/ (?=[A-Z_]+=)/g, '\n')}\n${script}`);

beforeAll(async () => {
  root = join(mkdtempSync(join(tmpdir(), 'gpuledger-uninstall-')), 'root');
  await makeDebianRoot(root);
  copyFileSync(deb, join(root, 'root', basename(deb)));
}, 1_800_000);
afterAll(() => {
  rmSync(join(root, '..'), { recursive: true, force: true });
});

const UNITS = '/etc/systemd/system';
/** What Slurm, systemd, the playbook and people leave beside the blocks of the install page. */
const REST = `useradd --system slurm && usermod --append --groups gpuledger slurm
mkdir -p ${UNITS}/gpuledger.service.d ${UNITS}/gpuledger-drain.timer.d /etc/slurm /etc/tmpfiles.d /var/log/gpuledger
touch ${UNITS}/gpuledger.service.d/own.conf /etc/slurm/gpuledger-hook /etc/tmpfiles.d/gpuledger-pause.conf
mkdir -p ~/.local/state/gpuledger ~/.cache/gpuledger ~/.config/gpuledger
echo rows >/var/lib/gpuledger/waiting`;

/** Names in the file system, of users and of groups. */
async function left(): Promise<string> {
  const { stdout } = await insideRoot(
    root,
    `find / -xdev -name '*gpuledger*' ! -path '/proc/*' ! -path '/root/*.deb'; getent passwd gpuledger; getent group | grep -E '^gpu' || :`,
  );
  return stdout;
}

test('every block of the page is typed here', () => {
  expect(everyStep(PAGE)).toEqual(['The package: ', 'What it leaves: ', 'What it leaves: people']);
});

test('nothing is left', async () => {
  for (const section of ['Every machine', 'Store', 'Login nodes'])
    expect(await inside(stepsOf('install.md', section)), section).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await inside(REST)).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await left()).toContain('/etc/slurm/gpuledger-hook\n');
  expect(await inside(stepsOf(PAGE, 'The package'))).toMatchObject({ exitCode: 0 });
  const leaving = stepsOf(PAGE, 'What it leaves') + stepsOf(PAGE, 'What it leaves', 'people');
  for (const times of [1, 2])
    expect(await inside(leaving), `time ${times}`).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await left()).toBe('');
});
