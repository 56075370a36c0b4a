/** Dead letters that make way for newer ones: their rows are counted and told, once, whenever a kill comes. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Notice } from '../../src/core/base/notice.ts';
import { droppedDeadLetters, openDeadLetters } from '../../src/disk/dead-letter.ts';
import { realDisk, type Disk } from '../../src/disk/disk.ts';

const TABLE = 'gpu_profiling';
const BODY = new Uint8Array(Buffer.from('gpu_profiling,gpu=a v="bad" 1t\n'));
/** Every file is full. */
const small: Disk = { ...realDisk, size: (path) => (realDisk.size(path) === undefined ? undefined : 1e9) };
let directory: string;
let told: Notice[];
let nowMs: number;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-letters-'));
  told = [];
  nowMs = 1_763_700_000_000;
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

function add(disk: Disk, ...rows: number[]): void {
  const letters = openDeadLetters(
    disk,
    directory,
    (notice) => told.push(notice),
    () => nowMs,
  );
  for (const each of rows) {
    nowMs += 1_000;
    letters.add(TABLE, each, BODY, 'cast error "of" a type');
  }
}

const dropped = (): number | undefined => droppedDeadLetters(realDisk, directory).get(TABLE);
const toldRows = (): unknown[] =>
  told.filter(({ code }) => code === 'dead_letters.dropped').map(({ data }) => data?.['rows']);

test('two files are kept; rows of those before are counted, over all lives', () => {
  add(small, 3, 5);
  expect(dropped()).toBeUndefined();
  add(small, 7);
  expect(dropped()).toBe(3);
  add(small, 11, 13);
  expect(dropped()).toBe(3 + 5 + 7);
  expect(toldRows()).toEqual([3, 5, 7]);
});

test('all lines of a file count, also beside one that a kill has torn', () => {
  add(realDisk, 2, 4);
  realDisk.append(join(directory, `${TABLE}.jsonl`), Buffer.from('{"time":"2026-11-2'));
  realDisk.append(join(directory, `${TABLE}.jsonl`), Buffer.from('\n'));
  add(realDisk, 8);
  add(small, 16, 32);
  expect(dropped()).toBe(2 + 4 + 8);
});

test('rows that were counted before a kill are not counted again', () => {
  add(small, 3, 5);
  const killed: Disk = {
    ...small,
    rename: () => {
      throw new Error('killed');
    },
  };
  add(killed, 7);
  expect(dropped()).toBe(3);
  add(small, 9);
  expect(dropped()).toBe(3);
  add(small, 11);
  expect(dropped()).toBe(3 + 5);
});

test('a count that a kill has torn is made again', () => {
  add(small, 3, 5);
  const killed: Disk = {
    ...small,
    append: (path, bytes) => {
      realDisk.append(path, bytes.subarray(0, 20));
      throw new Error('killed');
    },
  };
  add(killed, 7);
  expect(dropped()).toBe(0);
  add(small, 9);
  expect(dropped()).toBe(3);
  expect(readdirSync(directory).sort()).toEqual([
    ...[`${TABLE}.dropped.jsonl`, `${TABLE}.jsonl`, `${TABLE}.jsonl.1`],
  ]);
});
