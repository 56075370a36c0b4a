/** Goal: what the alerts on the store read is what a real QuestDB tells Prometheus. */
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { readLiveState } from '../../src/server/state.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { ROOT } from '../helpers/run-process.ts';

let server: TestQuestdb;
let db: QuestDb;
beforeAll(async () => {
  server = await startTestQuestdb();
  // The second line lets a table be suspended by a word.
  appendFileSync(join(server.dataDir, 'conf/server.conf'), '\nmetrics.enabled=true\ndev.mode.enabled=true\n');
  await server.restart();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 30_000 });
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

/** The newest value of each series without labels, by its name. */
async function scrape(): Promise<Record<string, number>> {
  const state = await readLiveState(server.dataDir);
  const response = await fetch(`http://127.0.0.1:${state!.ports.min}/metrics`);
  const lines = (await response.text()).split('\n').filter((line) => /^\w+ \S+$/.test(line));
  return Object.fromEntries(lines.map((line) => [line.split(' ')[0]!, Number(line.split(' ')[1])] as const));
}

test('it has each series that the rules name', async () => {
  const { groups } = parse(readFileSync(join(ROOT, 'infra/prometheus/gpuledger.rules.yaml'), 'utf8')) as {
    groups: { rules: { expr: string }[] }[];
  };
  const named = groups.flatMap(({ rules }) => rules.flatMap(({ expr }) => expr.match(/questdb_\w+/g) ?? []));
  expect(named.length).toBeGreaterThanOrEqual(5);
  const told = await scrape();
  expect(named.filter((name) => !Number.isFinite(told[name]))).toEqual([]);
});

test('a suspended table is told, what waits is counted, and rows that come are, too', async () => {
  await db.exec('CREATE TABLE told (ts TIMESTAMP, v LONG) TIMESTAMP(ts) PARTITION BY DAY WAL');
  const before = await scrape();
  await db.exec(`ALTER TABLE told SUSPEND WAL WITH 24, 'disk trouble'`);
  await db.exec('INSERT INTO told VALUES (now(), 1)');
  const waiting = (told: Record<string, number>): number =>
    told['questdb_wal_apply_seq_txn']! - told['questdb_wal_apply_writer_txn']!;
  await expect.poll(async () => waiting(await scrape())).toBe(waiting(before) + 1);
  const suspended = await scrape();
  expect(suspended['questdb_suspended_tables']).toBe(1);
  expect(suspended['questdb_wal_written_rows_total']).toBe(before['questdb_wal_written_rows_total']! + 1);
  await db.exec('ALTER TABLE told RESUME WAL');
  await expect.poll(async () => waiting(await scrape())).toBe(0);
  expect((await scrape())['questdb_suspended_tables']).toBe(0);
});
