/** Files that a person names may be pipes: with somebody at the other end they are read to it, without they are told. */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readNamedFile } from '../../src/disk/named-file.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-named-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

test('a file is read whole, up to what is expected', () => {
  const path = join(directory, 'file');
  writeFileSync(path, 'twelve bytes');
  expect(readNamedFile(path, 12)?.toString()).toBe('twelve bytes');
  expect(readNamedFile(path, 11)).toBeUndefined();
  expect(readNamedFile('/dev/null', 11)?.length).toBe(0);
  expect(readNamedFile('/dev/zero', 11)).toBeUndefined();
});

test.each([16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 200_000])(
  'a file of %d bytes is read whole, and refused where one less is expected',
  (length) => {
    const path = join(directory, 'file');
    const written = randomBytes(length);
    writeFileSync(path, written);
    for (const bytesMax of [length, length + 1, 1_000_000])
      expect(readNamedFile(path, bytesMax)?.equals(written)).toBe(true);
    expect(readNamedFile(path, length - 1)).toBeUndefined();
  },
);

test('a pipe into which nobody writes is told, not waited for', () => {
  const path = join(directory, 'pipe');
  execFileSync('mkfifo', [path]);
  expect(() => readNamedFile(path, 100)).toThrow(expect.objectContaining({ code: 'ENXIO' }) as Error);
});

test('a pipe into which somebody writes is read to its end, however slowly that comes', async () => {
  const path = join(directory, 'pipe');
  execFileSync('mkfifo', [path]);
  const writer = spawn('/bin/sh', ['-c', '{ printf one; sleep 0.1; printf two; } >"$1"', 'sh', path]);
  const ended = once(writer, 'close');
  // Its shell has to be there first: until then it is a pipe into which nobody writes.
  await expect.poll(() => tryRead(path)).toBe('onetwo');
  await ended;
});

function tryRead(path: string): string | undefined {
  try {
    return readNamedFile(path, 100)?.toString();
  } catch {
    return undefined;
  }
}
