/** Rows of lives that were cut short leave their journals before the store can tell whose they were: their labels follow. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { openCollector, type Collector } from '../../src/collector/collector.ts';
import { OperatingError } from '../../src/core/base/errors.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { JobInput } from '../../src/core/jobs/job-fact.ts';
import { realDisk } from '../../src/disk/disk.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { createSmallTables } from '../../src/questdb/rows/small-tables.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';

const SCENARIO = { kind: 'steady', seed: 8, nodes: 1, gpusPerNode: 2, startUs: 0 } as const;
const SILENT: JobInput = { name: 'silent', read: () => ({ facts: [], records: [] }) };

let db: QuestDb;
let directory: string;
let isAway: boolean;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-former-'));
  db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
  isAway = true;
});
afterEach(async () => {
  await db.close();
  rmSync(directory, { recursive: true, force: true });
});

function laneOf(name: string): Lane {
  const fields = [1002, 155, 156].map((id) => findField(id)!);
  return { name, table: `gpu_${name}`, schedule: 'continuous', intervalMs: 100, fields, capacityTicks: 600 };
}

async function begin(lane: Lane): Promise<Collector> {
  const away = new OperatingError('the store is away', { code: 'questdb.unreachable', exit: 'temporary' });
  return await openCollector({
    lanes: [lane],
    source: { name: 'synthetic', scenario: SCENARIO, cluster: 'alpha' },
    clock: { kind: 'real' },
    jobInputs: () => [SILENT],
    db,
    prepareStore: () => (isAway ? Promise.reject(away) : Promise.resolve()),
    batchRows: 10_000,
    disk: {
      ...{ disk: realDisk, directory: join(directory, 'delivery'), hasJournal: true, nowMs: Date.now },
      ...{ spoolBytesMax: 1 << 26, spoolAgeMsMax: 1e12 },
    },
    tell: () => undefined,
  });
}

/** A life that samples and then ends as a kill ends it: nothing is flushed, nothing closed. */
async function cutShort(lane: Lane): Promise<void> {
  const collector = await begin(lane);
  const former = collector.account()[0]!.sampledRows;
  await expect.poll(() => collector.account()[0]!.sampledRows).toBeGreaterThan(former);
  await collector.stopSampling(2_000);
}

test.each([
  ['few lives, whose rows are spooled while the store is away', 1],
  ['more lives than may wait, whose rows are spooled as the next one begins', 10],
])('%s', async (_, lives) => {
  const lane = laneOf(`former_${lives}`);
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const startUs = Date.now() * 1000;
  const jobId = `former-${lives}`;
  for (let count = 0; count < lives; count += 1) await cutShort(lane);
  const endUs = Date.now() * 1000;
  const collector = await begin(lane);
  const { node, uuid: gpu } = collector.devices[0]!;
  const owned = { node, gpu, jobId, run: 0, share: 1, source: 'journal', startUs, endUs };
  expect(await createSmallTables(db).writeOwnership([owned])).toBe(true);
  await waitForVisible(db, 'gpu_ownership');

  expect(await collector.flush()).toBe(false);
  expect(collector.account()[0]!.spooledRows).toBeGreaterThan(0);
  isAway = false;
  await collector.stopSampling(2_000);
  await expect.poll(() => collector.flush()).toBe(true);
  await waitForVisible(db, lane.table);
  const labels = async (where: string): Promise<unknown> =>
    (await db.exec(`SELECT DISTINCT job_id, owners FROM ${lane.table} WHERE gpu = '${gpu}' AND ${where}`))
      .rows;
  expect(await labels(`ts <= cast(${endUs} AS timestamp)`)).toEqual([[jobId, 1]]);
  expect(await labels(`ts > cast(${endUs} AS timestamp)`)).toEqual([[null, 0]]);
  const other = `SELECT DISTINCT job_id, owners FROM ${lane.table} WHERE gpu != '${gpu}'`;
  expect((await db.exec(other)).rows).toEqual([[null, 0]]);
  // Without it a row that the store had already would lose its cluster.
  expect((await db.exec(`SELECT DISTINCT cluster FROM ${lane.table}`)).rows).toEqual([['alpha']]);
  collector.close();
});
