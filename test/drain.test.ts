import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DrainSummary } from '../src/drain.ts';
import { openQuestDb, type QuestDb } from '../src/store/questdb-http.ts';
import { waitForVisible } from '../src/store/rollup-wait.ts';
import { createFakeEngines, type FakeEngines } from './helpers/fake-engines.ts';
import { startTestQuestdb, type TestQuestdb } from './helpers/questdb.ts';
import { runCommand, type Ended } from './helpers/run-process.ts';

const SECOND = 1_000_000;
let server: TestQuestdb;
let db: QuestDb;
let engines: FakeEngines;

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 20_000 });
});
afterAll(async () => {
  await db.close();
  await server.stop();
});
let serial = 0;
beforeEach(() => {
  engines = createFakeEngines();
  serial += 1;
});
afterEach(() => {
  engines.close();
});

async function drain(...args: string[]): Promise<Ended> {
  return await runCommand(['drain', '--config', 'test/fixtures/drain.yaml', ...args], {
    env: { ...engines.env, QDB_CLIENT_CONF: server.conf },
  });
}

async function drained(...args: string[]): Promise<DrainSummary> {
  const { exitCode, stdout, stderr } = await drain('--json', ...args);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return JSON.parse(stdout) as DrainSummary;
}

async function query(sql: string): Promise<readonly (readonly unknown[])[]> {
  for (const table of ['gpu_profiling', 'gpu_events']) await waitForVisible(db, table);
  return (await db.exec(sql)).rows;
}

/** Stamps of the profiling rows of one GPU, epoch µs. */
async function stampsOf(gpu: number): Promise<number[]> {
  const uuid = uuidOf(gpu);
  const rows = await query(`SELECT cast(ts AS long) FROM gpu_profiling WHERE gpu = '${uuid}' ORDER BY ts`);
  return rows.map(([us]) => Number(us));
}

function uuidOf(gpu: number): string {
  return `GPU-${String(serial).padStart(8, '0')}-fade-4000-8000-${String(gpu).padStart(12, '0')}`;
}

describe('gpuledger drain, one engine', () => {
  const ENGINE = 'localhost:5555';

  it('places the watches at first, and then fetches everything that was kept, once', async () => {
    engines.start(ENGINE, { serial, gpus: 2 });
    const first = await drained();
    expect(first).toMatchObject({ engines: { asked: 1, drained: 1, failed: 0 }, rows: 0 });
    engines.backdate(ENGINE, 60 * SECOND);
    const second = await drained();
    const sinceUs = engines.sampledSinceUs(ENGINE, 0, 1001)!;
    const stamps = await stampsOf(0);
    expect(stamps.length).toBeGreaterThanOrEqual(58);
    expect(stamps[0]).toBe(sinceUs);
    // The fake's clock runs 0.04 % slow.
    for (const [k, us] of stamps.slice(1).entries()) expect(us).toBe(sinceUs + SECOND - 1 + k * 1_000_400);
    expect(second.gaps.count).toBe(0);
    expect(second.rows).toBeGreaterThanOrEqual(2 * stamps.length);
  });
});
