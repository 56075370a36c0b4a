/** bin/gpuledger.js: what it does before, instead of, and around the command line. */
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { kill9 } from '../helpers/questdb.ts';
import { ROOT, runToEnd, startProcess, waitUntilGone, type Ended } from '../helpers/run-process.ts';

/** Makes Node say that it is an old one, before anything else runs. */
const AS_NODE_20 = `data:text/javascript,Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.19.2' } })`;

let directory: string;
let entry: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gpuledger-entry-test-'));
  entry = join(directory, 'bin/gpuledger.js');
  await cp(join(ROOT, 'bin'), join(directory, 'bin'), { recursive: true });
  await cp(join(ROOT, 'package.json'), join(directory, 'package.json'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** Puts a command line of our own where the built one would be. */
async function writeCommandLine(source: string): Promise<void> {
  await mkdir(join(directory, 'dist'), { recursive: true });
  await writeFile(join(directory, 'dist/main.js'), source);
}

/** Puts this Node where `npm ci` puts the bundled one. */
async function bundleNode(): Promise<void> {
  const folder = join(directory, `node_modules/node-${process.platform}-${process.arch}/bin`);
  await mkdir(folder, { recursive: true });
  await symlink(process.execPath, join(folder, 'node'));
}

test.each(['--version', '-V'])(
  '%s is answered from package.json, without the built sources',
  async (flag) => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(await runToEnd(process.execPath, [entry, flag])).toEqual({
      exitCode: 0,
      stdout: `${version}\n`,
      stderr: '',
    });
  },
);

test.each([[['--version', '-v']], [['-v', '--version']]])(
  '%j says what it is and where it lies',
  async (args) => {
    const { exitCode, stdout, stderr } = await runToEnd(process.execPath, [entry, ...args]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const [gpuledger, node] = stdout.split('\n');
    expect(gpuledger).toMatch(/^gpuledger \d+\.\d+\.\d+ in /);
    expect(gpuledger).toContain(directory);
    expect(node).toBe(
      `Node ${process.versions.node} (${process.platform} ${process.arch}): ${process.execPath}`,
    );
  },
);

test('an installation without its command line says so, and nothing of a build that nobody can make there', async () => {
  const ended = await runToEnd(process.execPath, [entry, 'demo']);
  expect(ended).toEqual({
    exitCode: 69,
    stdout: '',
    stderr: expect.stringMatching(
      /^error: \S+dist\/main\.js is missing: a part of the installation was removed\n {2}install it again\n$/,
    ) as string,
  });
});

test.each([
  ['what was installed keeps its code in the cache of the user', false, 'home/.cache/gpuledger/compiled'],
  ['a checkout keeps it beside what it built', true, 'dist/.compile-cache'],
])('%s', async (_, isCheckout, kept) => {
  await writeCommandLine('export const main = async () => 0;');
  if (isCheckout) await writeFile(join(directory, 'dist/.sources-sha256'), '');
  await mkdir(join(directory, 'home'));
  const env = { HOME: join(directory, 'home'), XDG_CACHE_HOME: undefined, NODE_COMPILE_CACHE: undefined };
  expect(await runToEnd(process.execPath, [entry, 'fields'], { env })).toMatchObject({ exitCode: 0 });
  const all = ['home/.cache/gpuledger/compiled', 'dist/.compile-cache'];
  expect(all.filter((path) => existsSync(join(directory, path)))).toEqual([kept]);
});

test('a home that cannot be written costs time, and is no reason to speak', async () => {
  await writeCommandLine('export const main = async () => 0;');
  const env = { HOME: '/proc', XDG_CACHE_HOME: undefined, NODE_COMPILE_CACHE: undefined };
  const ended = await runToEnd(process.execPath, [entry, 'fields'], { env });
  expect(ended).toEqual({ exitCode: 0, stdout: '', stderr: '' });
});

test('without the built sources it says how to build them', async () => {
  await cp(join(ROOT, 'scripts/build.js'), join(directory, 'scripts/build.js'));
  const ended = await runToEnd(process.execPath, [entry, 'demo']);
  expect(ended).toMatchObject({
    exitCode: 69,
    stdout: '',
    stderr: expect.stringContaining('npm run build') as string,
  });
});

test('the arguments reach the command line, and its result becomes the exit code', async () => {
  await writeCommandLine(
    'export const main = async (argv) => { console.log(JSON.stringify(argv)); return 75; };',
  );
  const ended = await runToEnd(process.execPath, [entry, 'report', 'job', '4 2']);
  expect(ended).toEqual({ exitCode: 75, stdout: '["report","job","4 2"]\n', stderr: '' });
});

test('a Node that is too old: one line', async () => {
  await writeCommandLine('export const main = async () => 0;');
  const ended = await runToEnd(process.execPath, ['--import', AS_NODE_20, entry, 'demo']);
  const stderr = 'error: gpuledger needs Node 22.12 or newer, and this is Node 20.19.2\n';
  expect(ended).toEqual({ exitCode: 69, stdout: '', stderr });
});

test('a Node that is too old hands over to the bundled one', async () => {
  await writeCommandLine(
    'export const main = async (argv) => { console.log(process.versions.node, argv[0]); return 78; };',
  );
  await bundleNode();
  const ended = await runToEnd(process.execPath, ['--import', AS_NODE_20, entry, 'demo']);
  expect(ended).toEqual({ exitCode: 78, stdout: `${process.versions.node} demo\n`, stderr: '' });
});

/** A command line that prints its pid and stays until it is told to stop; then it exits with 3. */
const STAYS = `export const main = () => new Promise((resolve) => {
  const staying = setInterval(() => undefined, 60_000);
  process.on('SIGTERM', () => { clearInterval(staying); resolve(3); });
  console.log(process.pid);
});`;

describe('where no Node is on the PATH', () => {
  /** A PATH on which a shell finds what it needs, and no Node. */
  async function withoutNode(program: string, ...args: string[]): Promise<Ended> {
    const path = join(directory, 'path');
    await mkdir(path, { recursive: true });
    for (const name of ['readlink'])
      await symlink(`/usr/bin/${name}`, join(path, name)).catch(() => undefined);
    return await runToEnd(program, args, { env: { PATH: path } });
  }

  test('it runs by the one that comes along, also through a link', async () => {
    await writeCommandLine(
      'export const main = async (argv) => { console.log(argv.join("|")); return 75; };',
    );
    await bundleNode();
    const expected = { exitCode: 75, stdout: 'fields|a b\n', stderr: '' };
    expect(await withoutNode(entry, 'fields', 'a b')).toEqual(expected);
    await symlink(entry, join(directory, 'gpuledger'));
    expect(await withoutNode(join(directory, 'gpuledger'), 'fields', 'a b')).toEqual(expected);
  });

  test('it runs by the one beside it, as a package of another', async () => {
    const own = join(directory, 'node_modules/gpuledger');
    await cp(join(directory, 'bin'), join(own, 'bin'), { recursive: true });
    await cp(join(directory, 'package.json'), join(own, 'package.json'));
    await bundleNode();
    expect(await withoutNode(join(own, 'bin/gpuledger.js'), '--version')).toMatchObject({
      exitCode: 0,
      stderr: '',
    });
  });

  test('and none comes along: one line, and 69', async () => {
    const { exitCode, stdout, stderr } = await withoutNode(entry, 'fields');
    expect([exitCode, stdout]).toEqual([69, '']);
    expect(stderr).toMatch(/^error: gpuledger needs Node 22\.12 or newer, and there is none here: .*\n$/);
  });
});

test('SIGTERM to the old Node ends the command in its own way', async () => {
  await writeCommandLine(STAYS);
  await bundleNode();
  const old = startProcess(process.execPath, ['--import', AS_NODE_20, entry, 'run']);
  const exited = new Promise((resolve) => old.child.once('exit', resolve));
  const pid = Number(await old.nextLine());
  expect(pid).not.toBe(old.pid);
  process.kill(old.pid, 'SIGTERM');
  expect(await exited).toBe(3);
  await waitUntilGone(pid);
});

test.each([
  { what: 'the old Node', args: ['--import', AS_NODE_20], env: {}, shell: false },
  {
    what: 'npm start',
    args: [],
    env: { npm_lifecycle_event: 'start', npm_package_name: 'gpuledger' },
    shell: true,
  },
])('kill -9 of $what leaves nothing running', async ({ args, env, shell }) => {
  await writeCommandLine(STAYS);
  await bundleNode();
  // npm keeps a shell between itself and the script; here a shell stands for both.
  const line = [process.execPath, ...args, entry, 'run'];
  const parent = shell
    ? startProcess('/bin/sh', ['-c', '"$@"; exit', 'sh', ...line], { env })
    : startProcess(line[0]!, line.slice(1), { env });
  const pid = Number(await parent.nextLine());
  expect(pid).not.toBe(parent.pid);
  await kill9(parent.pid);
  await waitUntilGone(pid);
});

test('a command that people start in the background of a shell goes on when that ends', async () => {
  // Says so after four times as long as the entry takes to notice that its parent is gone.
  await writeCommandLine(`import { setTimeout as sleep } from 'node:timers/promises';
    export const main = async () => {
      const parent = process.ppid;
      console.log(process.pid);
      while (process.ppid === parent) await sleep(20);
      await sleep(1000);
      console.log('still here');
      return 0;
    };`);
  const env = { npm_lifecycle_event: undefined };
  const parent = startProcess('/bin/sh', ['-c', '"$@"; exit', 'sh', process.execPath, entry, 'run'], { env });
  await parent.nextLine();
  await kill9(parent.pid);
  expect(await parent.nextLine()).toBe('still here');
});

test('its source can be read by a Node that is as old as 12.20', async () => {
  const esbuild = await import('esbuild');
  const source = await readFile(join(ROOT, 'bin/gpuledger.js'), 'utf8');
  const { code } = await esbuild.transform(source, { format: 'esm', target: 'esnext' });
  // It does know import.meta, though the tool does not know that of it.
  const supported = { 'import-meta': true };
  const lowered = await esbuild.transform(source, { format: 'esm', target: 'node12.20', supported });
  expect(lowered.code).toBe(code);
});
