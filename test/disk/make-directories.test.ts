import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeDirectories } from '../../src/disk/make-directories.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gpuledger-directories-'));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

test('makes what is missing, and tells the first of it', () => {
  expect(makeDirectories(join(root, 'a/b/c'))).toBe(join(root, 'a'));
  expect(existsSync(join(root, 'a/b/c'))).toBe(true);
  expect(makeDirectories(join(root, 'a/b/d'))).toBe(join(root, 'a/b/d'));
  expect(makeDirectories(join(root, 'a/b/c'))).toBeUndefined();
  expect(makeDirectories(root)).toBeUndefined();
});

test.each([
  ['where no directories can be made', (): string => '/proc/gpuledger/state', /ENOENT/],
  ['where a file is in the way', (): string => join(root, 'file/state'), /ENOTDIR|EEXIST/],
])('ends with what the system says %s', (_, pathOf, says) => {
  writeFileSync(join(root, 'file'), '');
  expect(() => makeDirectories(pathOf())).toThrow(says);
});
