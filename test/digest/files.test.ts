/** Goal: nobody finds a part of a file of a digest. Method: a crash at every call of a disk in memory, a kill or a power failure. */
import { expect, test } from 'vitest';
import { writeDigestFiles } from '../../src/digest/files.ts';
import { crashAtEveryCall, createCrashingDisk, lossesBy } from '../helpers/crashing-disk.ts';

const OLD = { page: 'old page '.repeat(50), capacity: 'old rows '.repeat(30), bill: 'old bill' };
const NEW = { page: 'the new page '.repeat(80), capacity: 'new '.repeat(90), bill: 'a bill '.repeat(9) };
const PATHS = {
  page: '/digests/2026-10-fleet.html',
  capacity: '/digests/2026-10-accounts.csv',
  bill: '/digests/2026-10-bill.csv',
} as const;

test.each([
  ['of which there are none yet', {}],
  ['over those of an earlier one', OLD],
])('files %s are there whole or not at all, and all of them once that is told', async (_, before) => {
  const start = createCrashingDisk();
  start.makeDirectory('/digests');
  writeDigestFiles(start, '/digests', '2026-10', before);
  await crashAtEveryCall({
    start,
    losses: lossesBy([1, 2, 3]),
    begin: () => ({ isWritten: false }),
    live(disk, said) {
      expect(writeDigestFiles(disk, '/digests', '2026-10', NEW)).toEqual(PATHS);
      said.isWritten = true;
    },
    check(disk, { isWritten }) {
      for (const file of ['page', 'capacity', 'bill'] as const) {
        const found = disk.read(PATHS[file])?.toString();
        const allowed = isWritten ? [NEW[file]] : [NEW[file], before === OLD ? OLD[file] : undefined];
        expect(allowed).toContain(found);
      }
    },
  });
});

test('a month without a bill has none, and one that is there stays', () => {
  const disk = createCrashingDisk();
  disk.makeDirectory('/digests');
  writeDigestFiles(disk, '/digests', '2026-10', OLD);
  const { page, capacity } = NEW;
  const paths = writeDigestFiles(disk, '/digests', '2026-10', { page, capacity });
  expect(Object.keys(paths)).toEqual(['page', 'capacity']);
  expect(disk.read(PATHS.bill)?.toString()).toBe(OLD.bill);
});
