/** The .deb in a Debian 12 that holds nothing but what every Debian does, and no systemd: installed, upgraded, removed, purged. */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';

import { runToEnd, type Ended } from '../helpers/run-process.ts';
import { insideRoot } from './booted-root.ts';
import { makeDebianRoot } from './debian-root.ts';

const CONFIGURATION = 'etc/gpuledger/gpuledger.yaml';
const WAITING = 'var/lib/gpuledger/waiting';

let root = '';
const deb = `/${basename(inject('packages').deb)}`;

async function inside(line: string): Promise<Ended> {
  return await insideRoot(root, line);
}

beforeAll(async () => {
  root = join(mkdtempSync(join(tmpdir(), 'gpuledger-clean-root-')), 'root');
  await makeDebianRoot(root);
  cpSync(inject('packages').deb, join(root, deb));
});
afterAll(() => {
  rmSync(join(root, '..'), { recursive: true, force: true });
});

test('a package for another machine is refused, and nothing is changed', async () => {
  const other = join(root, 'other');
  mkdirSync(join(other, 'DEBIAN'), { recursive: true });
  const control = execFileSync('dpkg-deb', ['--field', join(root, deb)], { encoding: 'utf8' });
  writeFileSync(join(other, 'DEBIAN/control'), control.replace('Architecture: amd64', 'Architecture: arm64'));
  execFileSync('dpkg-deb', ['--build', other, join(root, 'other.deb')], { stdio: 'ignore' });
  const { exitCode, stderr } = await inside('dpkg -i /other.deb');
  expect(exitCode).toBe(1);
  expect(stderr).toContain('package architecture (arm64) does not match system (amd64)');
  expect(await inside('dpkg -s gpuledger')).toMatchObject({ exitCode: 1 });
});

test('it needs nothing else, and runs for root and for anybody', async () => {
  expect(await inside(`dpkg -i ${deb}`)).toMatchObject({ exitCode: 0, stderr: '' });
  const version = await inside('gpuledger --version');
  expect(version).toMatchObject({ exitCode: 0, stderr: '' });
  expect(deb).toContain(version.stdout.trim());
  const devices = 'gpuledger devices --source synthetic --gpus 2';
  expect(await inside(devices)).toMatchObject({ exitCode: 0, stderr: '' });
  const anybody = `cd / && HOME=/nonexistent setpriv --reuid 65534 --regid 65534 --clear-groups ${devices}`;
  expect(await inside(anybody)).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await inside('gpuledger config check')).toMatchObject({ exitCode: 0, stderr: '' });
  // Not even by root, whose runs may write anywhere.
  expect(
    await inside('dpkg --verify gpuledger && find /usr/lib/gpuledger -type f -newer /usr/bin/gpuledger'),
  ).toEqual({
    exitCode: 0,
    stdout: '',
    stderr: '',
  });
});

test('the user was there before the directories, and the hook records', async () => {
  const { stdout } = await inside(
    'getent passwd gpuledger; stat -c "%a %U %G" /run/gpuledger /run/gpuledger/jobs',
  );
  expect(stdout).toMatch(
    /^gpuledger:x:\d+:\d+:gpuledger collector:\/var\/lib\/gpuledger:\/usr\/sbin\/nologin\n755 root root\n3770 gpuledger gpuledger\n$/,
  );
  expect(await inside('/usr/libexec/gpuledger/gpuledger-hook start job=7 devices=0')).toMatchObject({
    exitCode: 0,
  });
  const records = readdirSync(join(root, 'run/gpuledger/jobs'));
  expect(records).toEqual([expect.stringMatching(/^7\.start\..*\.job$/)]);
});

test('an upgrade keeps what was changed and what waits', async () => {
  writeFileSync(join(root, CONFIGURATION), 'log:\n  level: warn\n');
  mkdirSync(join(root, 'var/lib/gpuledger'), { recursive: true });
  writeFileSync(join(root, WAITING), 'rows');
  expect(await inside(`dpkg -i ${deb}`)).toMatchObject({ exitCode: 0, stderr: '' });
  expect(readFileSync(join(root, CONFIGURATION), 'utf8')).toBe('log:\n  level: warn\n');
  expect(readFileSync(join(root, WAITING), 'utf8')).toBe('rows');
});

test('what is removed leaves settings and state, and says so', async () => {
  const { exitCode, stderr } = await inside('dpkg -r gpuledger');
  expect([exitCode, stderr]).toEqual([
    0,
    expect.stringMatching(/^gpuledger: \/var\/lib\/gpuledger and the user .*\n$/),
  ]);
  expect(['usr/bin/gpuledger', 'usr/lib/gpuledger'].filter((path) => existsSync(join(root, path)))).toEqual(
    [],
  );
  expect([CONFIGURATION, WAITING].filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

test('what is purged leaves the state', async () => {
  expect(await inside('dpkg -P gpuledger')).toMatchObject({ exitCode: 0 });
  expect(existsSync(join(root, 'etc/gpuledger'))).toBe(false);
  expect(readFileSync(join(root, WAITING), 'utf8')).toBe('rows');
  expect(await inside('dpkg -s gpuledger')).toMatchObject({ exitCode: 1 });
});

test('the .rpm, as an image is made: by another machine, without /proc', async () => {
  const rpm = (...args: readonly string[]): Promise<Ended> =>
    runToEnd('rpm', ['--root', root, '--nodeps', ...args]);
  const installed = await rpm('--install', inject('packages').rpm);
  expect([installed.exitCode, installed.stderr]).toEqual([
    0,
    expect.not.stringMatching(/warning|error|failed/),
  ]);
  expect((await inside('gpuledger --version')).exitCode).toBe(0);
  expect((await inside('stat -c "%a %U" /var/lib/gpuledger/profiling-pause')).stdout).toBe('755 gpuledger\n');
  writeFileSync(join(root, CONFIGURATION), 'log:\n  level: warn\n');
  expect(await rpm('--upgrade', '--replacepkgs', inject('packages').rpm)).toMatchObject({ exitCode: 0 });
  expect(readFileSync(join(root, CONFIGURATION), 'utf8')).toBe('log:\n  level: warn\n');
  const removed = await rpm('--erase', 'gpuledger');
  expect([removed.exitCode, removed.stderr]).toEqual([
    0,
    expect.stringContaining('are left: remove them by hand'),
  ]);
  expect(existsSync(join(root, 'usr/bin/gpuledger'))).toBe(false);
  expect(readFileSync(join(root, WAITING), 'utf8')).toBe('rows');
});
