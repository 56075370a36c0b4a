/** Goal: whatever becomes of what is printed, a command ends with a line and a documented code, and what it does is done. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { showFormats } from '../../src/cli/terminal.ts';
import { ROOT, runToEnd, type Ended } from '../helpers/run-process.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-output-'));
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

/** @param tail of a shell's line, after the command */
async function inShell(args: string, tail: string): Promise<Ended> {
  const line = `{ "$0" "${ROOT}bin/gpuledger.js" ${args} ${tail}`;
  const env = { GPULEDGER_STATE_DIR: join(directory, 'state'), QDB_CLIENT_CONF: 'http::addr=127.0.0.1:1;' };
  return await runToEnd('/bin/sh', ['-c', line, process.execPath], { env });
}

const LOST = 'error: what was to be printed is lost: the disk is full (ENOSPC)\n  standard output\n';

describe('a full disk', () => {
  test.each(['fields --all --json', 'config print', 'schema print', '--help', 'devices --source synthetic'])(
    '%s > /dev/full: one line, and 75',
    async (args) => {
      const { exitCode, stderr } = await inShell(args, '> /dev/full; }');
      expect(stderr.startsWith(LOST)).toBe(true);
      expect(stderr.match(/error: /g)).toHaveLength(1);
      expect(exitCode).toBe(75);
    },
  );

  test('what a command does is done all the same, and its own failure counts', async () => {
    const asked = await inShell('profiling pause --name full', '> /dev/full; }');
    expect(existsSync(join(directory, 'state/profiling-pause/full.json'))).toBe(true);
    expect(asked).toMatchObject({ exitCode: 69, stderr: expect.stringContaining(LOST) as string });
  });

  test('for what goes wrong ends with the code of that', async () => {
    expect((await inShell('fields nosuchfield', '2> /dev/full; }')).exitCode).toBe(64);
    expect((await inShell('nope', '> /dev/full 2> /dev/full; }')).exitCode).toBe(64);
  });
});

describe('a reader that has stopped', () => {
  test.each(['fields --all --json', 'schema print', 'config print --json'])(
    '%s | true: nothing is said, and it is no failure',
    async (args) => {
      // The code of the first of a pipe is not the shell's.
      const { stdout, stderr } = await inShell(args, '; echo "code $?" >&2; } | true');
      expect([stdout, stderr]).toEqual(['', 'code 0\n']);
    },
  );
});

test('closed descriptors are no defect', async () => {
  for (const tail of ['>&-', '2>&-', '<&-', '>&- 2>&-']) {
    const { exitCode, stderr } = await inShell('fields 1002', `${tail}; }`);
    expect([exitCode, stderr]).toEqual([0, '']);
  }
});

test('a socket whose reader has shut its half down ends the command quietly', async () => {
  const child = spawn(process.execPath, [`${ROOT}bin/gpuledger.js`, 'fields', '--all', '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
  child.stdout.once('data', () => child.stdout.destroy());
  const [exitCode, signal] = (await once(child, 'close')) as [number | null, string | null];
  expect({ exitCode, signal, stderr }).toEqual({ exitCode: 0, signal: null, stderr: '' });
});

test('a terminal is shown characters that nobody sees, a pipe gets them', () => {
  for (const isTTY of [true, false]) {
    const written: unknown[] = [];
    const write = vi.fn((chunk: unknown) => written.push(chunk) > 0);
    const stream = { isTTY, write } as unknown as Parameters<typeof showFormats>[0];
    showFormats(stream);
    stream.write('a\u202eb\u001b[1m\n');
    expect(written).toEqual([isTTY ? 'a<U+202E>b\u001b[1m\n' : 'a\u202eb\u001b[1m\n']);
  }
});
