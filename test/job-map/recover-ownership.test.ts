import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Device } from '../../src/core/devices/device.ts';
import type { JobFact } from '../../src/core/jobs/job-fact.ts';
import type { Interval, OwnershipChange } from '../../src/core/jobs/interval.ts';
import { Ownership } from '../../src/core/jobs/ownership.ts';
import { recoverOwnership, type RecoverOptions } from '../../src/job-map/recover-ownership.ts';
import { openOwnership } from '../../src/job-map/session.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { createSmallTables } from '../../src/questdb/rows/small-tables.ts';
import { sendRows } from '../helpers/send-rows.ts';

const BOOT_US = 1_700_000_000e6;
const LIFE_US = BOOT_US + 5000e6;
const TABLE = `recover_${process.pid}`;
/** Second `s` after boot. */
const at = (s: number): number => BOOT_US + s * 1e6;

let db: QuestDb;
beforeAll(async () => {
  db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
  await applySchema(db, [], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  await db.exec(`CREATE TABLE ${TABLE} (ts TIMESTAMP, gpu SYMBOL) TIMESTAMP(ts) PARTITION BY DAY WAL`);
});
afterAll(async () => {
  await db.exec(`DROP TABLE ${TABLE}`);
  await db.close();
});

async function recover(
  device: Device,
  ownership: Ownership,
  options: Partial<RecoverOptions> = {},
): Promise<OwnershipChange[]> {
  const session = openOwnership({ inputs: [], ownership, labelledUntilUs: LIFE_US });
  return await recoverOwnership(db, session, {
    ...{ devices: [device], tables: [TABLE], bootUs: BOOT_US, lifeStartUs: LIFE_US, arePicturesRead: true },
    ...options,
  });
}

interface Case {
  readonly what: string;
  readonly stored: Pick<Interval, 'jobId' | 'startUs' | 'endUs' | 'source'>;
  /** Seconds at which the device was sampled. */
  readonly sampledS?: readonly number[];
  /** What the inputs of this life have told before. */
  readonly told?: readonly Pick<JobFact, 'kind' | 'jobId' | 'atUs'>[];
  /** End of the stored interval, in seconds, and whether its row has to be written again. */
  readonly endS: number;
  readonly isChange: boolean;
}

describe('what a former life has left', () => {
  test.each<Case>([
    {
      what: 'a job of a node that went down ended at the last sample before boot',
      stored: { jobId: '7', startUs: at(-1000), endUs: Infinity, source: 'journal' },
      sampledS: [-1001, -990, -500, 100],
      ...{ endS: -500, isChange: true },
    },
    {
      what: 'one that was never sampled owns no time',
      stored: { jobId: '7', startUs: at(-1000), endUs: Infinity, source: 'journal' },
      ...{ endS: -1000, isChange: true },
    },
    {
      what: 'a job of this boot may still run, and goes on',
      stored: { jobId: '7', startUs: at(1000), endUs: Infinity, source: 'journal' },
      sampledS: [1100],
      ...{ endS: Infinity, isChange: false },
    },
    {
      what: 'a job that the journal has meanwhile told the end of',
      stored: { jobId: '7', startUs: at(1000), endUs: Infinity, source: 'journal' },
      told: [
        { kind: 'start', jobId: '7', atUs: at(1000) },
        { kind: 'end', jobId: '7', atUs: at(2000) },
      ],
      ...{ endS: 2000, isChange: true },
    },
    {
      what: 'a job that left the map while nobody looked ended when the device was last sampled',
      stored: { jobId: '7', startUs: at(1000), endUs: Infinity, source: 'map-dir' },
      sampledS: [1500, 4000, 5100],
      ...{ endS: 4000, isChange: true },
    },
    {
      what: 'a job that still stands in the map goes on',
      stored: { jobId: '7', startUs: at(1000), endUs: Infinity, source: 'map-dir' },
      sampledS: [1500],
      told: [{ kind: 'start', jobId: '7', atUs: at(1000) }],
      ...{ endS: Infinity, isChange: false },
    },
    {
      what: 'what was closed stays closed',
      stored: { jobId: '7', startUs: at(1000), endUs: at(2000), source: 'journal' },
      ...{ endS: 2000, isChange: false },
    },
  ])('$what', async ({ stored, sampledS = [], told = [], endS, isChange }) => {
    const id = crypto.randomUUID();
    const device: Device = { uuid: `GPU-${id}`, node: `n-${id}`, index: 0, model: 'X', memoryBytes: 1 };
    const tenure = { node: device.node, gpu: device.uuid, run: 0, share: 1 };
    await createSmallTables(db).writeOwnership([{ ...tenure, ...stored }]);
    const lines = sampledS.map((s) => `${TABLE},gpu=${device.uuid} ${at(s)}t\n`);
    if (lines.length > 0) expect((await sendRows(db, lines.join(''))).unsent).toBeUndefined();
    await waitForVisible(db, 'gpu_ownership');
    await waitForVisible(db, TABLE);

    const ownership = new Ownership();
    for (const fact of told) ownership.apply({ ...tenure, ...fact, source: stored.source });
    const changes = await recover(device, ownership);
    expect(ownership.intervals()).toMatchObject([
      { jobId: '7', startUs: stored.startUs, endUs: at(endS), share: 1 },
    ]);
    expect(changes.map(({ interval, previousEndUs }) => [interval.endUs, previousEndUs])).toEqual(
      isChange ? [[at(endS), stored.endUs]] : [],
    );
  });

  test('a node of the same name in another cluster is another node; rows without a cluster are its own', async () => {
    const id = crypto.randomUUID();
    const device: Device = {
      uuid: `GPU-${id}`,
      cluster: 'a',
      node: `n-${id}`,
      index: 0,
      model: 'X',
      memoryBytes: 1,
    };
    const open = {
      node: device.node,
      run: NaN,
      share: 1,
      startUs: at(-10),
      endUs: Infinity,
      source: 'journal',
    };
    await createSmallTables(db).writeOwnership([
      { ...open, gpu: device.uuid, jobId: '7', cluster: 'a' },
      { ...open, gpu: device.uuid, jobId: '8' },
      { ...open, gpu: `GPU-of-b-${id}`, jobId: '7', cluster: 'b' },
    ]);
    await waitForVisible(db, 'gpu_ownership');
    const ownership = new Ownership();
    const changes = await recover(device, ownership);
    expect(changes.map(({ interval: { cluster, jobId, run } }) => [cluster, jobId, run])).toEqual([
      ['a', '7', NaN],
      [undefined, '8', NaN],
    ]);
  });

  test('nothing is taken over from other nodes, or from a scenario', async () => {
    const id = crypto.randomUUID();
    const device: Device = { uuid: `GPU-${id}`, node: `n-${id}`, index: 0, model: 'X', memoryBytes: 1 };
    const open = { gpu: device.uuid, jobId: '7', run: 0, share: 1, startUs: at(-10), endUs: Infinity };
    await createSmallTables(db).writeOwnership([
      { ...open, node: `other-${id}`, source: 'journal' },
      { ...open, node: device.node, startUs: at(-20), source: 'synthetic' },
    ]);
    await waitForVisible(db, 'gpu_ownership');
    const ownership = new Ownership();
    expect(await recover(device, ownership)).toEqual([]);
    expect(ownership.intervals()).toEqual([]);
  });
});
