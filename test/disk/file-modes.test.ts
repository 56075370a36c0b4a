/** Goal: files and directories of our own are 0640 and 0750, whatever the umask of whoever starts us. */
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDeadLetters } from '../../src/disk/dead-letter.ts';
import { realDisk, replaceFile } from '../../src/disk/disk.ts';
import { makeDirectories } from '../../src/disk/make-directories.ts';
import { createRingJournal } from '../../src/disk/ring-journal.ts';
import { openSpool } from '../../src/disk/spool.ts';
import { lockDirectory } from '../../src/disk/state-lock.ts';
import { writeJournalRecord } from '../../src/ownership/journal/write.ts';
import { requestPause } from '../../src/source/profiling-pause.ts';
import { openLedgerFile } from '../../src/disk/ledger-file.ts';

let directory: string;
let umask = 0;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-modes-'));
});
afterEach(() => {
  process.umask(umask);
  rmSync(directory, { recursive: true });
});

function modeOf(path: string): string {
  return (statSync(join(directory, path)).mode & 0o7777).toString(8);
}

const tell = (): void => undefined;

test.each([0, 0o077, 0o777])('with umask %i', async (mask) => {
  umask = process.umask(mask);
  const state = join(directory, 'a/state');
  const release = await lockDirectory(join(state, 'delivery'));
  release();
  openLedgerFile(realDisk, join(state, 'delivery/gpu_t/account')).close();
  const journal = { journal: 7, table: 'gpu_t', devices: [{ node: 'n', uuid: 'GPU-1' }], columns: [] };
  const ringJournal = { ...journal, hasEnergyRise: false, capacityTicks: 2 };
  createRingJournal(realDisk, join(state, 'delivery/gpu_t/7.journal'), ringJournal).close();
  const bounds = { settledSequence: 0, bytesMax: 1e6, ageMsMax: 1e9, nowMs: () => 1, tell };
  const spool = openSpool(join(state, 'delivery/gpu_t/spool'), {
    ...{ ...bounds, disk: realDisk, onDropped: tell },
  });
  await spool.append({ body: new Uint8Array(4), rows: 1, journal: 7, toTick: 1 });
  spool.close();
  openDeadLetters(realDisk, join(state, 'dead-letter'), tell, () => 1).add('gpu_t', 1, new Uint8Array(1), '');
  replaceFile(realDisk, join(state, 'status.json'), Buffer.from('{}'));
  requestPause(join(state, 'profiling-pause'), { name: 'me', untilUs: Infinity, by: 'me' });
  const notice = { event: 'start', jobId: '1', manager: 'shell', node: 'n', devices: '0' } as const;
  const record = writeJournalRecord(join(directory, 'run/jobs'), notice);
  const found = {
    directories: ['a', 'a/state', 'delivery', 'delivery/gpu_t', 'delivery/gpu_t/spool', 'dead-letter'].map(
      (name) => modeOf(name.startsWith('a') ? name : `a/state/${name}`),
    ),
    files: [
      ...['delivery/lock', 'delivery/gpu_t/account', 'delivery/gpu_t/7.journal', 'dead-letter/gpu_t.jsonl'],
      ...['delivery/gpu_t/spool/0000000000000001.seg', 'status.json'],
    ].map((name) => modeOf(`a/state/${name}`)),
    // Jobs ask, and the collector must hear them.
    pause: [modeOf('a/state/profiling-pause'), modeOf('a/state/profiling-pause/me.json')],
    jobs: [modeOf('run/jobs'), modeOf(`run/jobs/${basename(record)}`)],
  };
  expect(found).toEqual({
    ...{ directories: Array(6).fill('750'), files: Array(6).fill('640') },
    ...{ pause: ['755', '644'], jobs: ['3770', '640'] },
  });
});

test('what is there keeps the mode that its owner gave it', () => {
  umask = process.umask(0);
  mkdirSync(join(directory, 'state'), { mode: 0o711 });
  makeDirectories(join(directory, 'state'));
  const path = join(directory, 'state/f');
  realDisk.open(path, 'w+', 0o600).close();
  realDisk.open(path, 'w+').close();
  realDisk.append(path, new Uint8Array(1));
  expect([modeOf('state'), modeOf('state/f')]).toEqual(['711', '600']);
});
