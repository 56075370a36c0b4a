/**
 * Goal: no joule is counted twice where a ring journal cannot be written and a kill follows. Method: three lives on one state
 * directory with real files and a store that is away; the journal of the second is in the way of a directory.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject, onTestFinished, test } from 'vitest';
import { openCollector, type Collector } from '../../src/collector/collector.ts';
import { OperatingError } from '../../src/core/base/errors.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { realDisk } from '../../src/disk/disk.ts';
import { openQuestDb } from '../../src/questdb/http.ts';

const LANE: Lane = {
  ...{ name: 'unjournaled', table: 'gpu_unjournaled', schedule: 'continuous', intervalMs: 20 },
  ...{ fields: [findField(156)!], capacityTicks: 600 },
};
const AWAY = new OperatingError('the store is away', { code: 'questdb.unreachable', exit: 'temporary' });

/** Rises of the rows of a life, and the readings of its first and its last row. */
function energyOf(collector: Collector): {
  readonly rises: readonly number[];
  readonly from: number;
  readonly to: number;
} {
  const ring = collector.intake.sampler.rings[0]!;
  const rows = collector.account()[0]!.sampledRows - before;
  before += rows;
  const readings = ring.columns[0]!.subarray(0, rows);
  return { rises: [...ring.energyRise.subarray(0, rows)], from: readings[0]!, to: readings.at(-1)! };
}
let before = 0;

test('the life after a kill begins anew, and does not count again what was delivered', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-unjournaled-'));
  const db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
  onTestFinished(async () => {
    await db.close();
    rmSync(directory, { recursive: true, force: true });
  });
  let nowMs = 1_000;
  const told: string[] = [];
  /** @param isInTheWay of the journal of this life: found out when it is made */
  const live = async (isInTheWay = false): Promise<Collector> => {
    let areLivesListed = false;
    const collector = await openCollector({
      lanes: [LANE],
      source: {
        name: 'synthetic',
        scenario: { kind: 'steady', seed: 8, nodes: 1, gpusPerNode: 1, startUs: 0 },
      },
      clock: { kind: 'real' },
      jobInputs: () => [],
      db,
      prepareStore: () => Promise.reject(AWAY),
      storedRows: () => Promise.reject(AWAY),
      batchRows: 10_000,
      disk: {
        ...{ directory, hasJournal: true, spoolBytesMax: 1 << 26, spoolAgeMsMax: 1e12 },
        disk: {
          ...realDisk,
          list(path) {
            areLivesListed = true;
            return realDisk.list(path);
          },
        },
        nowMs() {
          nowMs += 1;
          // The next time names the life.
          if (isInTheWay && areLivesListed) mkdirSync(join(directory, LANE.table, `${nowMs}.journal`));
          if (areLivesListed) isInTheWay = false;
          return nowMs;
        },
      },
      tell: ({ code }) => told.push(code),
    });
    const { sampledRows } = collector.account()[0]!;
    await expect
      .poll(() => collector.account()[0]!.sampledRows, { interval: 5 })
      .toBeGreaterThan(sampledRows + 2);
    await collector.stopSampling(2_000);
    expect(await collector.flush()).toBe(false);
    return collector;
  };
  const first = await live();
  const of1 = energyOf(first);
  first.close();
  const of2 = energyOf(await live(true));
  expect(told).toContain('journal.failed');
  for (const name of realDisk.list(join(directory, LANE.table)))
    if (name.endsWith('.journal')) rmSync(join(directory, LANE.table, name), { recursive: true });
  const of3 = energyOf(await live());
  const sum = [of1, of2, of3].flatMap(({ rises }) => rises).reduce((a, b) => a + (b >= 0 ? b : 0), 0);
  expect(of2.rises[0]).toBeCloseTo(of2.from - of1.to, 6);
  expect(of3.rises[0]).toBeNaN();
  expect(sum).toBeCloseTo(of2.to - of1.from + of3.to - of3.from, 6);
});
