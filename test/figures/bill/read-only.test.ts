/**
 * Goal: of a store that takes no rows a bill is a draft, with the reason and exit code 77, and nothing is stored. Method: a real QuestDB that
 * was set read-only after it had heard of a job.
 */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openQuestDb } from '../../../src/questdb/http.ts';
import { runLine } from '../../helpers/command-line.ts';
import { startTestQuestdb, type TestQuestdb } from '../../helpers/questdb.ts';
import { CONFIG, configOf, loadBilledFleet } from './billed-fleet.ts';

vi.mock('../../../src/cli/leave.ts', () => ({ leave: () => undefined, leaveStuckCalls: () => undefined }));

let server: TestQuestdb;
let directory: string;
let file: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-bill-'));
  file = join(directory, 'gpuledger.yaml');
  writeFileSync(file, CONFIG);
  server = await startTestQuestdb();
  const db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await loadBilledFleet(db, await configOf(file));
  await db.close();
  appendFileSync(join(server.dataDir, 'conf/server.conf'), '\nreadonly=true\n');
  await server.restart();
});
afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true });
});

test('the draft is printed, and why it is not stored', async () => {
  const line = ['report', 'bill', '--config', file, '--month', '2023-10'];
  const drafted = await runLine(line, { QDB_CLIENT_CONF: server.conf });
  expect(drafted.exitCode).toBe(77);
  expect(drafted.stdout).toContain('Draft: it is not stored, and no bill.');
  expect(drafted.stdout).toMatch(/^ +all +905:17:09 /m);
  expect(drafted.stderr).toContain('it is read-only');
  const db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  expect((await db.exec('SELECT count() FROM bills')).rows).toEqual([[0]]);
  await db.close();
});
