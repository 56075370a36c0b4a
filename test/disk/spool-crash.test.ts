/** The spool at every crash, on a disk that loses what was not synced. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Disk } from '../../src/disk/disk.ts';
import { openSpool, type Spool } from '../../src/disk/spool.ts';
import {
  crashAtEveryCall,
  createCrashingDisk,
  lossesBy,
  type CrashingDisk,
  type Loss,
} from '../helpers/crashing-disk.ts';

const DIRECTORY = '/state/delivery/gpu_t/spool';
const ROWS = 3;

/** What somebody outside knows: the batches that the spool has said it holds, and those that were settled. */
interface Said {
  readonly promised: number[];
  /** Promised, or on its way when the machine went. */
  readonly begun: number[];
  settledSequence: number;
  readonly settled: number[];
  readonly droppedRows: number[];
  readonly codes: string[];
}

const newSaid = (): Said => ({
  promised: [],
  begun: [],
  settledSequence: 0,
  settled: [],
  droppedRows: [],
  codes: [],
});

function open(disk: Disk, said: Said): Spool {
  return openSpool(DIRECTORY, {
    disk,
    settledSequence: said.settledSequence,
    bytesMax: 1e6,
    ageMsMax: 1e9,
    segmentBytes: 400,
    nowMs: () => 1_000_000,
    onDropped: ({ rows }) => said.droppedRows.push(rows),
    tell: ({ code }) => said.codes.push(code),
  });
}

async function add(disk: CrashingDisk, spool: Spool, said: Said, number: number): Promise<void> {
  said.begun.push(number);
  const body = Buffer.from(`batch ${number} ${'x'.repeat(40 + ((number * 37) % 60))}`);
  await spool.append({ body, rows: ROWS, journal: 7, toTick: number });
  if (!disk.hasCrashed) said.promised.push(number);
}

/** As the delivery does it: what is settled is noted elsewhere, then the spool is told. */
function settleOldest(spool: Spool, said: Said): number | undefined {
  const batch = spool.peek();
  if (batch === undefined) return undefined;
  const number = Number(/^batch (\d+) /.exec(batch.body.toString('latin1'))![1]);
  said.settled.push(number);
  said.settledSequence = batch.sequence;
  spool.settle(batch.sequence);
  return number;
}

function drain(spool: Spool, said: Said): number[] {
  const numbers: number[] = [];
  for (let each = settleOldest(spool, said); each !== undefined; each = settleOldest(spool, said))
    numbers.push(each);
  return numbers;
}

/** What the next life gets out of it is what it must, whatever else the crash has left. */
function expectSound(disk: CrashingDisk, said: Said): void {
  const settledBefore = said.settled.length;
  const spool = open(disk, said);
  const rows = spool.rows;
  const given = drain(spool, said);
  const owed = said.promised.filter((each) => !said.settled.slice(0, settledBefore).includes(each));
  // In order, each once, none that was promised is missing, and at most one that was not, the last one begun.
  expect(given).toEqual([...new Set(given)].sort((a, b) => a - b));
  expect(given.filter((each) => said.promised.includes(each))).toEqual(owed);
  const others = given.filter((each) => !said.promised.includes(each));
  expect(others.length === 0 || (others.length === 1 && others[0] === said.begun.at(-1))).toBe(true);
  expect(rows).toBe(ROWS * given.length);
  expect(said.droppedRows).toEqual([]);
  expect(spool.rows).toBe(0);
  // A torn tail is set aside and told; nothing else stays.
  const isDamaged = disk.list(`${DIRECTORY}/damaged`).some((name) => name.endsWith('.seg'));
  expect(said.codes.includes('spool.damaged')).toBe(isDamaged);
  expect(disk.list(DIRECTORY).filter((name) => name.endsWith('.seg'))).toEqual([]);
  spool.close();
}

test('what it has said to hold comes once and in order, wherever a kill or a power failure cuts it short', async () => {
  let crashes = 0;
  await crashAtEveryCall({
    losses: lossesBy([1, 2, 3, 4]),
    begin: newSaid,
    async live(disk, said) {
      const spool = open(disk, said);
      for (let number = 1; number <= 7; number += 1) await add(disk, spool, said, number);
      for (let count = 0; count < 4; count += 1) settleOldest(spool, said);
      await add(disk, spool, said, 8);
      spool.close();
    },
    check(disk, said) {
      crashes += 1;
      expectSound(disk, structuredClone(said));
    },
  });
  expect(crashes).toBeGreaterThan(300);
});

const life = fc.record({
  acts: fc.array(fc.constantFrom('add', 'add', 'settle'), { maxLength: 12 }),
  call: fc.nat(40),
  done: fc.double({ min: 0, max: 1, noNaN: true }),
  loss: fc.oneof(
    fc.constantFrom<Loss>({ kind: 'kill' }, { kind: 'power', lost: 'all' }, { kind: 'power', lost: 'none' }),
    fc.nat().map((seed): Loss => ({ kind: 'power', lost: 'some', seed })),
  ),
});

test('so it does over many lives, each cut short', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 6 }), async (lives) => {
      const said = newSaid();
      let disk = createCrashingDisk();
      let count = 0;
      for (const { acts, call, done, loss } of lives) {
        disk = disk.after({ kind: 'kill' }, { call, done });
        try {
          const spool = open(disk, said);
          // A batch that was on its way may be there after all: by now it has been found, and counts as promised.
          for (const each of said.begun) {
            const isThere = spool.found.some(({ toTick }) => toTick === each);
            if (isThere && !said.promised.includes(each) && !disk.hasCrashed) said.promised.push(each);
          }
          said.promised.sort((a, b) => a - b);
          for (const act of acts) {
            count += 1;
            if (act === 'add') await add(disk, spool, said, count);
            else settleOldest(spool, said);
          }
        } catch (thrown) {
          if (!disk.hasCrashed) throw thrown;
        }
        disk = disk.after(loss);
      }
      said.codes.length = 0;
      const before = disk.list(`${DIRECTORY}/damaged`).length;
      const spool = open(disk, said);
      const given = drain(spool, said);
      expect(given).toEqual([...new Set(given)].sort((a, b) => a - b));
      // Nothing twice over all lives, and nothing that was promised is missing.
      expect(said.settled).toEqual([...new Set(said.settled)]);
      expect(said.promised.filter((each) => !said.settled.includes(each))).toEqual([]);
      expect(said.droppedRows).toEqual([]);
      const isDamaged = disk.list(`${DIRECTORY}/damaged`).length > before;
      if (isDamaged) expect(said.codes).toContain('spool.damaged');
    }),
    { numRuns: 400 },
  );
});
