/** The ledger's file: what a kill or a bad disk leaves of it, and what former versions wrote. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EMPTY_LEDGER, moveRows, sampleRows } from '../../src/core/base/ledger.ts';
import { realDisk } from '../../src/disk/disk.ts';
import { LIVES_MAX, openLedgerFile, readLedger, type KeptLedger } from '../../src/disk/ledger-file.ts';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-ledger-'));
  path = join(directory, 'account');
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

/** 1 row held, 2 refused, 3 dropped, `spooled` spooled. */
function kept(spooled: number): KeptLedger {
  let ledger = sampleRows(EMPTY_LEDGER, 6 + spooled);
  ledger = moveRows(ledger, 'held', 'refused', 2);
  ledger = moveRows(ledger, 'held', 'dropped', 3);
  ledger = moveRows(ledger, 'held', 'spooled', spooled);
  const lives = [{ journal: 6, releasedTick: 7, leftRows: 4, sampledRows: 5 }];
  return { ledger, spoolSettled: 5, journalSettled: 4, lives, uncertain: { fromUs: 1, toUs: 2 } };
}

test('is what was saved last, in the next life too', () => {
  const first = openLedgerFile(realDisk, path);
  expect(first.kept.ledger).toEqual(EMPTY_LEDGER);
  for (let count = 1; count <= 5; count += 1) first.save(kept(count));
  first.close();
  const second = openLedgerFile(realDisk, path);
  expect(second.kept).toEqual(kept(5));
  second.save(kept(6));
  second.close();
  expect(readLedger(realDisk, path)).toEqual(kept(6));
});

test('a torn write leaves the state before it', () => {
  const file = openLedgerFile(realDisk, path);
  file.save(kept(1));
  file.save(kept(2));
  file.close();
  const whole = readFileSync(path);
  // The second save went to the first slot; the first save is still there in the second one.
  for (let cut = 0; cut < 100; cut += 1) {
    const torn = Buffer.from(whole);
    torn.fill(0, cut, 2048);
    writeFileSync(path, torn);
    expect(readLedger(realDisk, path)).toEqual(kept(1));
  }
});

test('says so when nothing sound is left', () => {
  writeFileSync(path, 'x'.repeat(5_000));
  const file = openLedgerFile(realDisk, path);
  expect(file.damage).toContain(path);
  expect(file.kept.ledger).toEqual(EMPTY_LEDGER);
  file.close();
});

test('holds as many lives as it may, with the largest numbers', () => {
  const largest = Number.MAX_SAFE_INTEGER;
  const lives = Array.from({ length: LIVES_MAX }, (_, index) => ({
    journal: largest - index,
    releasedTick: largest,
    leftRows: Math.floor(largest / 20),
    sampledRows: Math.floor(largest / 20),
  }));
  const ledger = moveRows(sampleRows(EMPTY_LEDGER, largest), 'held', 'acknowledged', largest);
  const file = openLedgerFile(realDisk, path);
  file.save({
    ledger,
    spoolSettled: largest,
    journalSettled: largest,
    lives,
    uncertain: { fromUs: largest, toUs: largest },
  });
  file.close();
  expect(readLedger(realDisk, path)?.lives).toHaveLength(LIVES_MAX);
});

/** As versions before the ledger wrote it: without the doubts, and without the lives that are settled. */
function formerFile(state: Record<string, unknown>): void {
  const json = JSON.stringify({ turn: 2, state });
  const text = `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`;
  writeFileSync(path, text.padEnd(2048));
}

test('a file of the version before is read', () => {
  const lives = [
    { journal: 6, releasedTick: 7, leftRows: 30, sampledRows: 32 },
    { journal: 7, releasedTick: 0, leftRows: 0, sampledRows: 5 },
  ];
  const counts = {
    sampledRows: 100,
    acknowledgedRows: 90,
    refusedRows: 10,
    droppedRows: 11,
    spoolSettled: 3,
  };
  formerFile({ ...counts, lives });
  expect(readLedger(realDisk, path)).toEqual({
    ledger: {
      sampledRows: 137,
      acknowledgedRows: 90,
      heldRows: 7,
      spooledRows: 19,
      refusedRows: 10,
      droppedRows: 11,
    },
    spoolSettled: 3,
    journalSettled: 0,
    lives,
    uncertain: undefined,
  });
});

test('a file of the version before that counted more as settled than as sampled adds up all the same', () => {
  const counts = { sampledRows: 0, acknowledgedRows: 8, refusedRows: 0, droppedRows: 0, spoolSettled: 3 };
  formerFile({ ...counts, lives: [{ journal: 6, releasedTick: 7, leftRows: 3, sampledRows: 2 }] });
  expect(readLedger(realDisk, path)?.ledger).toMatchObject({
    sampledRows: 8,
    acknowledgedRows: 8,
    heldRows: 0,
  });
});
