/** A long outage on the virtual clock: memory, spool, order, and live rows while the spool is sent. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { timestampUs } from '../../schemas/questdb-reply.ts';
import { realDisk } from '../../src/disk/disk.ts';
import { openCollector, type Collector } from '../../src/collector/collector.ts';
import { OperatingError } from '../../src/core/base/errors.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { ClockOrder } from '../../src/sampler/sampler-protocol.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';

const HOURS = 12;
const GPUS = 8;
const SPOOL_BYTES_MAX = 256 * 1024 ** 2;
const RETENTION = { raw: '14 DAYS', rollup1m: '90 DAYS', rollup1h: '2 YEARS', rollup1d: '' };
const name = `outage_${randomUUID().slice(0, 8)}`;
const lane: Lane = {
  name,
  table: `gpu_${name}`,
  schedule: 'continuous',
  intervalMs: 1_000,
  fields: [155, 156, 252, 1002].map((id) => findField(id)!),
  capacityTicks: 600,
};

let db: QuestDb;
let directory: string;
let isAway = true;

beforeAll(async () => {
  db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
  await applySchema(db, [lane], RETENTION);
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-outage-'));
});
afterAll(async () => {
  await db.exec(`DROP MATERIALIZED VIEW ${lane.table}_1h`);
  await db.exec(`DROP MATERIALIZED VIEW ${lane.table}_1m`);
  await db.exec(`DROP TABLE ${lane.table}`);
  await db.close();
  rmSync(directory, { recursive: true });
});

async function open(clock: ClockOrder, startUs: number): Promise<Collector> {
  return await openCollector({
    lanes: [lane],
    source: {
      name: 'synthetic',
      scenario: { kind: 'steady', seed: 1, nodes: 1, gpusPerNode: GPUS, mig: false, startUs },
    },
    clock,
    jobInputs: () => [],
    db,
    prepareStore: () =>
      isAway
        ? Promise.reject(
            new OperatingError('the store is away', { code: 'questdb.unreachable', exit: 'temporary' }),
          )
        : Promise.resolve(),
    batchRows: 10_000,
    disk: {
      disk: realDisk,
      directory: join(directory, 'delivery'),
      spoolBytesMax: SPOOL_BYTES_MAX,
      spoolAgeMsMax: 1e12,
      hasJournal: true,
      nowMs: Date.now,
    },
    tell: () => undefined,
  });
}

/** Memory in use after a collection: resident memory also tells of what the collector has not got round to yet. */
function usedBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function storedUntil(us: number): Promise<number> {
  await waitForVisible(db, lane.table);
  const { rows } = await db.exec(`SELECT count() FROM ${lane.table} WHERE ts < ${us}`);
  return Number(rows[0]![0]);
}

test(`${HOURS} h without a store: memory stays flat, the spool in its bound, and all of it comes back beside live rows`, async () => {
  const endUs = Math.floor(Date.now() / 1000) * 1e6;
  const startUs = endUs - HOURS * 3_600e6;
  const collector = await open({ kind: 'virtual', startUs, endUs }, startUs);
  const usedBytesByHour: number[] = [];
  const sampling = { isEnded: false };
  void collector.ended.then(() => {
    sampling.isEnded = true;
  });
  while (!sampling.isEnded) {
    await collector.flush();
    await sleep(2);
    const { spooledRows } = collector.account()[0]!;
    if (spooledRows > usedBytesByHour.length * 3_600 * GPUS) usedBytesByHour.push(usedBytes());
  }
  expect(await collector.flush()).toBe(false);
  const away = collector.account()[0]!;
  expect(away).toMatchObject({ acknowledgedRows: 0, droppedRows: 0, heldRows: 0 });
  expect(away.spooledRows).toBe(away.sampledRows);
  expect(away.sampledRows).toBeGreaterThan(HOURS * 3_600 * GPUS * 0.99);
  expect(away.spoolBytes).toBeLessThanOrEqual(SPOOL_BYTES_MAX);
  collector.close();
  // In the second half 47 MB go to the spool, and none of them stay in memory. One look also sees what is on its way
  // to the disk (7 to 15 MB in all that day), so the least of each half is compared.
  expect(usedBytesByHour.length).toBe(HOURS);
  const growth =
    Math.min(...usedBytesByHour.slice(HOURS / 2)) - Math.min(...usedBytesByHour.slice(1, HOURS / 2));
  expect(growth).toBeLessThan(away.spoolBytes / 10);

  isAway = false;
  const liveStartMs = Date.now();
  const live = await open({ kind: 'real' }, liveStartMs * 1000);
  let spooledRows = live.account()[0]!.spooledRows;
  expect(spooledRows).toBe(away.sampledRows);
  let oldestLiveMs = 0;
  const replayStartMs = performance.now();
  while (spooledRows > 0) {
    await live.flush();
    ({ spooledRows } = live.account()[0]!);
    const { rows } = await db.exec(`SELECT max(ts) FROM ${lane.table} WHERE ts >= ${liveStartMs * 1000}`);
    const newestUs = timestampUs(rows[0]?.[0]);
    const newestMs = Number.isNaN(newestUs) ? liveStartMs : newestUs / 1000;
    oldestLiveMs = Math.max(oldestLiveMs, Date.now() - newestMs);
    await sleep(500);
  }
  const replaySeconds = (performance.now() - replayStartMs) / 1000;
  await live.stopSampling(2_000);
  expect(await live.flush()).toBe(true);
  const back = live.account()[0]!;
  expect(back).toMatchObject({
    spooledRows: 0,
    heldRows: 0,
    droppedRows: 0,
    sampledRows: back.acknowledgedRows,
  });
  live.close();
  expect(await storedUntil(liveStartMs * 1000)).toBe(away.sampledRows);
  expect(await storedUntil(Number.MAX_SAFE_INTEGER)).toBe(back.acknowledgedRows);
  const rate = Math.round(away.sampledRows / replaySeconds);
  process.stdout.write(
    `${HOURS} h without a store: ${away.sampledRows} rows spooled in ${(away.spoolBytes / 1e6).toFixed(0)} MB, memory ` +
      `${growth >= 0 ? '+' : ''}${(growth / 1e6).toFixed(0)} MB; sent again at ${rate} rows/s (live: ${GPUS} rows/s), ` +
      `the newest live row was at most ${(oldestLiveMs / 1000).toFixed(1)} s old\n`,
  );
});
