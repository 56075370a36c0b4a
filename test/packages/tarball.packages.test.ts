/** The tarball, unpacked by somebody who has nothing else: it runs, says what is missing of it, and can be replaced while it runs. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';

import { runToEnd, startProcess, type Ended } from '../helpers/run-process.ts';

/** No Node and no npm; what a shell finds on every system. */
const PATH = '/usr/bin:/bin';
/** Nothing listens there. */
const NO_STORE = 'http::addr=127.0.0.1:9;';

let directory = '';
let root = '';

function unpack(into: string): void {
  mkdirSync(into, { recursive: true });
  execFileSync('tar', ['-xzf', inject('packages').tarball, '-C', into, '--strip-components=1']);
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-tarball-'));
  root = join(directory, 'gpuledger');
  unpack(root);
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

async function run(args: readonly string[], program = join(root, 'bin/gpuledger')): Promise<Ended> {
  const env = { PATH, HOME: join(directory, 'home'), QDB_CLIENT_CONF: NO_STORE, NODE_OPTIONS: undefined };
  return await runToEnd(program, args, { cwd: directory, env });
}

test('it runs by its own Node, from where it lies and through a link', async () => {
  const expected = {
    exitCode: 0,
    stdout: expect.stringContaining(join(root, 'lib/gpuledger/node')) as string,
  };
  expect(await run(['--version', '-v'])).toMatchObject(expected);
  symlinkSync(join(root, 'bin/gpuledger'), join(directory, 'linked'));
  expect(await run(['--version', '-v'], join(directory, 'linked'))).toMatchObject(expected);
});

test('what reads files beside the program finds them, and what calls native code can', async () => {
  const devices = await run(['devices', '--source', 'synthetic', '--gpus', '2', '--json']);
  expect(devices).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await run(['query', 'show', 'gaps'])).toMatchObject({ exitCode: 0, stderr: '' });
  // Reaches the libraries by koffi, and finds none.
  const nvml = await run(['devices', '--source', 'nvml', '--nvml-library', '/nowhere/libnvidia-ml.so']);
  expect([nvml.exitCode, nvml.stderr]).toEqual([69, expect.stringContaining('/nowhere/libnvidia-ml.so')]);
});

test('nothing is written into it', async () => {
  const listed = (): string[] => globSync('**', { cwd: root }).sort();
  const before = listed();
  mkdirSync(join(directory, 'home'), { recursive: true });
  expect(await run(['fields', 'power'])).toMatchObject({ exitCode: 0, stderr: '' });
  expect(listed()).toEqual(before);
  expect(before.filter((path) => /\.(ts|map)$|compile-cache|sources-sha256/.test(path))).toEqual([]);
});

test('its notices name all that it brings along', () => {
  const lib = join(root, 'lib/gpuledger');
  const texts = [
    'LICENSE.node',
    'node_modules/koffi/LICENSE.txt',
    'node_modules/uplot/LICENSE',
    'node_modules/string-width/license',
    'dist/THIRD-PARTY-NOTICES.txt',
  ];
  for (const path of texts) expect(readFileSync(join(lib, path), 'utf8')).toMatch(/licen[cs]e|permission/i);
});

describe('a part that is missing', () => {
  test.each(['node', 'bin/gpuledger.js', 'dist'])('%s: one sentence and the way out', async (part) => {
    const half = join(directory, `half-${part.replace('/', '-')}`);
    mkdirSync(join(half, 'bin'), { recursive: true });
    cpSync(join(root, 'bin/gpuledger'), join(half, 'bin/gpuledger'));
    for (const other of ['node', 'bin', 'dist', 'package.json'].filter((name) => name !== part)) {
      mkdirSync(join(half, 'lib/gpuledger'), { recursive: true });
      cpSync(join(root, 'lib/gpuledger', other), join(half, 'lib/gpuledger', other), { recursive: true });
    }
    rmSync(join(half, 'lib/gpuledger', part), { recursive: true, force: true });
    const { exitCode, stdout, stderr } = await run(['fields'], join(half, 'bin/gpuledger'));
    expect([exitCode, stdout]).toEqual([69, '']);
    expect(stderr).toMatch(
      /^error: \S+ is missing: a part of gpuledger was removed, and this command is left\n {2}install it again: apt-get install --reinstall gpuledger, .*\n$/,
    );
  });
});

test('the tarball of another machine says so', async () => {
  // What uname says there.
  const path = join(directory, 'uname');
  mkdirSync(path);
  writeFileSync(join(path, 'uname'), '#!/bin/sh\ncase $1 in -m) echo aarch64 ;; *) echo Linux ;; esac\n', {
    mode: 0o755,
  });
  const env = { PATH: `${path}:${PATH}` };
  expect(await runToEnd(join(root, 'bin/gpuledger'), ['fields'], { env })).toEqual({
    exitCode: 69,
    stdout: '',
    stderr:
      'error: this gpuledger is made for Linux on x86_64, and this machine is Linux on aarch64\n  take the package that is made for it\n',
  });
});

test('a collector whose program is replaced while it runs loses no sample, and its successor goes on', async () => {
  const own = join(directory, 'replaced');
  unpack(own);
  const state = join(directory, 'state');
  const env = { PATH, QDB_CLIENT_CONF: NO_STORE };
  const args = ['--source', 'synthetic', '--gpus', '2', '--interval', '100ms', '--state-dir', state];
  interface Status {
    pid: number;
    addsUp: boolean;
    lanes: { lane: string; sampledRows: number; spooledRows: number; droppedRows: number }[];
  }
  const status = async (): Promise<Status | undefined> => {
    const { stdout } = await run(['status', '--state-dir', state, '--json']);
    return stdout === '' ? undefined : (JSON.parse(stdout) as Status);
  };
  /** The store does not answer: what was sampled is in the spool. */
  const spooledRows = async (): Promise<number> => {
    const { addsUp, lanes } = (await status())!;
    const [profiling] = lanes;
    const { sampledRows } = profiling!;
    expect({ addsUp, ...profiling }).toMatchObject({
      addsUp: true,
      spooledRows: sampledRows,
      droppedRows: 0,
    });
    return sampledRows;
  };
  const collectUntilStopped = async (during: () => void): Promise<void> => {
    const collector = startProcess(join(own, 'bin/gpuledger'), ['run', '--force', ...args], { env });
    const isSampling = async (): Promise<boolean> => {
      const said = await status();
      return said?.pid === collector.pid && said.lanes[0]!.sampledRows > 0;
    };
    await expect.poll(isSampling).toBe(true);
    during();
    const ended = once(collector.child, 'exit');
    collector.child.kill('SIGTERM');
    expect(await ended).toEqual([75, null]);
  };
  await collectUntilStopped(() => {
    rmSync(join(own, 'lib'), { recursive: true });
  });
  unpack(own);
  const { stdout: forPeople, stderr } = await run(['status', '--state-dir', state]);
  expect([stderr, forPeople]).toEqual(['', expect.stringContaining('+ dropped ✓')]);
  const before = await spooledRows();
  expect(before).toBeGreaterThan(0);
  await collectUntilStopped(() => undefined);
  expect(await spooledRows()).toBeGreaterThan(before);
});
