/** The ledger of a lane beside a ring that goes on while it is read. */
import { expect, test } from 'vitest';
import type { Ring } from '../../src/core/ring/ring.ts';
import { LaneLedger } from '../../src/delivery/lane-ledger.ts';
import { openLedgerFile, readLedger } from '../../src/disk/ledger-file.ts';
import { createCrashingDisk } from '../helpers/crashing-disk.ts';

const PATH = '/state/delivery/gpu_t/account';

/** The sampling thread commits a tick between any two looks. */
function busyRing(): Pick<Ring, 'sampledRows' | 'droppedRows'> {
  let sampledRows = 0;
  return {
    get sampledRows() {
      return (sampledRows += 4);
    },
    droppedRows: 0,
  };
}

test('what is saved tells of one moment: a tick that comes meanwhile is nobody else’s', () => {
  const disk = createCrashingDisk();
  const ledger = new LaneLedger(7, openLedgerFile(disk, PATH));
  ledger.attach(busyRing());
  for (let round = 0; round < 5; round += 1) {
    ledger.leave('acknowledged', 4);
    ledger.release(round + 1);
    // As the life after a kill at this very moment reads it.
    const kept = readLedger(disk.after({ kind: 'kill' }), PATH)!;
    expect(kept.ledger).toMatchObject({ spooledRows: 0, acknowledgedRows: 4 * (round + 1) });
    expect(kept.ledger.heldRows).toBe(kept.lives[0]!.sampledRows - kept.lives[0]!.leftRows);
    expect(kept.ledger.sampledRows).toBe(kept.lives[0]!.sampledRows);
  }
});
