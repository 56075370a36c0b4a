/**
 * Goal: the packages of the web server cost nobody's start but its own. Method: the built commands, with what Node says that it loaded, and in
 * that what esbuild wrote of where each part came from.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { listen } from '../helpers/bad-server.ts';
import { runCommand } from '../helpers/run-process.ts';

const directory = mkdtempSync(join(tmpdir(), 'gpuledger-start-up-'));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

/** Of these none is needed by anything but `serve`. */
const PACKAGES = ['fastify', 'fastify-type-provider-zod', 'bcryptjs', 'find-my-way', 'pino'];

interface Coverage {
  readonly result: readonly { readonly url: string }[];
}

/** Those packages that a command loads. */
async function loadedBy(args: readonly string[], env: Record<string, string> = {}): Promise<string[]> {
  const folder = mkdtempSync(join(directory, 'coverage-'));
  await runCommand(args, {
    env: { QDB_CLIENT_CONF: 'http::addr=127.0.0.1:1;', NODE_V8_COVERAGE: folder, ...env },
  });
  const urls = readdirSync(folder).flatMap((name) => {
    const { result } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Coverage;
    return result.map(({ url }) => url);
  });
  const own = [...new Set(urls)].filter(
    (url) => url.startsWith('file:') && /\/(bin|dist)\/[^/]+\.js$/.test(url),
  );
  expect(own.length).toBeGreaterThan(0);
  const texts = own.map((url) => readFileSync(fileURLToPath(url), 'utf8')).join('\n');
  return PACKAGES.filter((name) => new RegExp(`^// \\S*node_modules/${name}/`, 'm').test(texts));
}

test.each([
  ['--version'],
  ['--help'],
  ['serve', '--help'],
  ['report', '--help'],
  ['report', 'job', '1'],
  ['report', 'capacity'],
  ['run', '--help'],
  ['config', 'check'],
])('%s %s loads nothing of the web server', async (...args) => {
  expect(await loadedBy(args)).toEqual([]);
});

test('the web server loads it, and says who has its port', async () => {
  const other = await listen(createServer(), () => 0);
  const env = { GPULEDGER_SERVE_LISTEN: other.addr };
  expect(await loadedBy(['serve'], env)).toEqual(PACKAGES);
  const { exitCode, stderr } = await runCommand(['serve', '--listen', other.addr]);
  await other.close();
  expect([exitCode, stderr]).toEqual([
    75,
    expect.stringContaining(`another process listens on ${other.addr}`),
  ]);
  expect(stderr).toContain('serve.listen');
});
