/** The rows of the small tables on disk, at every crash. */
import { expect, test } from 'vitest';
import type { Disk } from '../../src/disk/disk.ts';
import { loadWaitingRows } from '../../src/disk/outbox-file.ts';
import { keepOutbox, type OutboxKeeper } from '../../src/delivery/outbox-keeper.ts';
import { createOutbox, type Outbox } from '../../src/delivery/outbox.ts';
import { createSmallTables, type EventRow } from '../../src/questdb/rows/small-tables.ts';
import { fateOf } from '../helpers/send-rows.ts';
import { crashAtEveryCall, createCrashingDisk, lossesBy } from '../helpers/crashing-disk.ts';

const DIRECTORY = '/state/delivery';
const PATH = `${DIRECTORY}/waiting-rows`;

const event = (number: number): EventRow => ({
  tsUs: number,
  node: 'n1',
  kind: 'gap',
  subject: 'device',
  text: 'x'.repeat(number),
  jobId: null,
});

function openOn(disk: Disk): { outbox: Outbox; keeper: OutboxKeeper } {
  const tables = createSmallTables({ send: (batch) => Promise.resolve(fateOf(batch, 'acknowledged')) });
  const outbox = createOutbox(tables, () => undefined);
  return { outbox, keeper: keepOutbox(outbox, { disk, directory: DIRECTORY }, () => undefined) };
}

/** The events that a life finds. */
function foundOn(disk: Disk): number[] {
  const rows = loadWaitingRows(disk, PATH)?.['gpu_events'] ?? [];
  return (rows as EventRow[]).map(({ tsUs }) => tsUs);
}

test('what was kept is there, and what the store has taken does not come back, wherever a crash cuts it short', async () => {
  const start = createCrashingDisk();
  const before = openOn(start);
  before.outbox.events([event(1)]);
  before.keeper.finish();

  await crashAtEveryCall({
    start,
    losses: lossesBy([1, 2, 3, 4, 5, 6]),
    begin: () => ({ stages: [[1]] }),
    async live(disk, { stages }) {
      const note = (events: number[]): void => {
        if (!disk.hasCrashed) stages.push(events);
      };
      const { outbox, keeper } = openOn(disk);
      outbox.events([event(2), event(3)]);
      keeper.afterFlush(false);
      note([1, 2, 3]);
      await outbox.flush();
      keeper.afterFlush(true);
      note([]);
      outbox.events([event(4)]);
      keeper.finish();
      note([4]);
    },
    check(disk, { stages }) {
      const all = [[1], [1, 2, 3], [], [4]];
      // The last stage that was told to have been reached, or the one that the crash cut short.
      expect(all.slice(stages.length - 1, stages.length + 1)).toContainEqual(foundOn(disk));
      // A damaged file would be as none: there must be none.
      const size = disk.size(PATH);
      expect(size === undefined).toBe(loadWaitingRows(disk, PATH) === undefined);
    },
  });
});
