import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Taken } from '../../src/idle-watch/channel.ts';
import { openCommand } from '../../src/idle-watch/command.ts';
import { processStartTicks } from '../../src/disk/process-identity.ts';

const directory = mkdtempSync(join(tmpdir(), 'gpuledger-command-'));
afterAll(() => {
  rmSync(directory, { recursive: true });
});
const HOSTILE = '$(touch evil); `x` "\' & | \u0000 ü';
const MESSAGE = { text: `Job ${HOSTILE}\nMore\n`, json: JSON.stringify({ name: HOSTILE }) };
const { signal } = new AbortController();

/** Runs a program of Node that gets `more` as its arguments. */
async function run(
  code: string,
  {
    more = [],
    timeMsMax,
    closing = signal,
  }: { more?: string[]; timeMsMax?: number; closing?: AbortSignal } = {},
): Promise<Taken> {
  const words = [process.execPath, '--input-type=commonjs', '-e', code, ...more] as const;
  return await openCommand([words[0], ...words.slice(1)], timeMsMax).send(MESSAGE, closing);
}

const reasonOf = (taken: Taken): string =>
  taken.kind === 'told' ? 'told' : `${taken.kind}: ${taken.error.message.replace(process.execPath, 'NODE')}`;

test('gets the text on stdin, the JSON in the environment, its arguments as they are, and no secret', async () => {
  const path = join(directory, 'got.json');
  process.env['QDB_CLIENT_CONF'] = 'http::addr=x;token=s3cr3t;';
  const code =
    "require('fs').writeFileSync(process.argv[1], JSON.stringify({ text: require('fs').readFileSync(0, 'utf8'), argv: process.argv.slice(2), env: process.env }))";
  expect(reasonOf(await run(code, { more: [path, '$HOME', '-s', 'a b'] }))).toBe('told');
  Reflect.deleteProperty(process.env, 'QDB_CLIENT_CONF');
  const got = JSON.parse(readFileSync(path, 'utf8')) as {
    text: string;
    argv: string[];
    env: Record<string, string>;
  };
  expect([got.text, got.argv]).toEqual([MESSAGE.text, ['$HOME', '-s', 'a b']]);
  expect(got.env['GPULEDGER_MESSAGE']).toBe(MESSAGE.json);
  expect(JSON.parse(got.env['GPULEDGER_MESSAGE']!)).toEqual({ name: HOSTILE });
  expect(Object.keys(got.env)).not.toContain('QDB_CLIENT_CONF');
});

test('one that fails is told with the beginning of what it said', async () => {
  expect(reasonOf(await run('process.exit(3)'))).toBe('failed: the command NODE ended with 3');
  expect(reasonOf(await run("process.stderr.write('no\\u001b[2J\\n mail'); process.exitCode = 1"))).toBe(
    'failed: the command NODE ended with 1: no␛[2J mail',
  );
  const long = await run("process.stderr.write('x'.repeat(1e6)); process.exitCode = 1");
  expect(reasonOf(long).length).toBeLessThan(300);
  expect(reasonOf(await run("process.kill(process.pid, 'SIGTERM')"))).toBe(
    'failed: the command NODE ended with SIGTERM',
  );
});

test('one that does not read its stdin has done its work all the same', async () => {
  const message = { text: 'x'.repeat(1e6), json: '{}' };
  expect((await openCommand(['/bin/true']).send(message, signal)).kind).toBe('told');
});

test('one that is missing, no program, or gets too much', async () => {
  const missing = await openCommand([join(directory, 'nowhere')]).send(MESSAGE, signal);
  expect(reasonOf(missing)).toMatch(
    /^failed: the command .*nowhere cannot be run: there is no such file or directory \(ENOENT\)$/,
  );
  const path = join(directory, 'text');
  writeFileSync(path, 'no program');
  chmodSync(path, 0o600);
  expect(reasonOf(await openCommand([path]).send(MESSAGE, signal))).toContain('no permission (EACCES)');
  const huge = await openCommand(['/bin/true']).send({ text: '', json: 'x'.repeat(4e6) }, signal);
  expect(reasonOf(huge)).toMatch(/^failed: the command \/bin\/true cannot be run: /);
});

/** Writes its own id and that of a process that it started, and stays. */
const STAY =
  "const child = require('child_process').spawn('sleep', ['600']); require('fs').writeFileSync(process.argv[1], `${process.pid} ${child.pid}`); setInterval(() => {}, 1000)";

async function expectGone(path: string): Promise<void> {
  const pids = readFileSync(path, 'utf8').split(' ').map(Number);
  expect(pids).toHaveLength(2);
  for (const pid of pids) await expect.poll(() => processStartTicks(pid)).toBeUndefined();
}

test('one that hangs ends, with what it started, at its time limit', async () => {
  const path = join(directory, 'hangs');
  const taken = await run(STAY, { more: [path], timeMsMax: 3_000 });
  expect(reasonOf(taken)).toBe('failed: the command NODE did not end within 3 s');
  await expectGone(path);
});

test('at a stop it ends at once, and none is begun', async () => {
  const path = join(directory, 'stopped');
  const stop = new AbortController();
  const running = run(STAY, { more: [path], closing: stop.signal });
  await expect
    .poll(() => {
      try {
        return readFileSync(path, 'utf8').split(' ').length;
      } catch {
        return 0;
      }
    })
    .toBe(2);
  stop.abort();
  expect(reasonOf(await running)).toBe('failed: the command NODE was not waited for');
  await expectGone(path);
  expect(reasonOf(await run('', { closing: stop.signal }))).toBe(
    'failed: the command NODE was not waited for',
  );
});
