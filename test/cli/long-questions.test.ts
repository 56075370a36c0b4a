/** A report that asks a question which takes too long, through the built command and a real QuestDB. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { forward, httpServer, type BadServer } from '../helpers/bad-server.ts';
import { heavyQuery, queriesUnderWay } from '../helpers/heavy-query.ts';
import { ROOT, runCommand } from '../helpers/run-process.ts';

let db: QuestDb;
const servers: BadServer[] = [];

beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 30_000 });
});
afterAll(async () => {
  for (const server of servers) await server.close();
  await db.close();
});

/** The real QuestDB, but whatever a report asks of it takes hours. @returns the environment of a command that asks it */
async function slowStore(name: string): Promise<Record<string, string>> {
  const server = await httpServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://any');
    if (searchParams.get('query') !== 'SELECT 1') {
      searchParams.set('query', heavyQuery(name));
      request.url = `/exec?${searchParams.toString()}`;
    }
    forward(inject('reportsUrl'), request, response);
  });
  servers.push(server);
  return { QDB_CLIENT_CONF: `http::addr=${server.addr};` };
}

test('a report says that its question took too long, and ends it in the server', async () => {
  const env = { ...(await slowStore('deadline')), GPULEDGER_QUESTDB_REQUEST_TIMEOUT: '1s' };
  const { exitCode, stdout, stderr } = await runCommand(['report', 'capacity'], { env });
  expect([exitCode, stdout]).toEqual([75, '']);
  expect(stderr).toContain(
    'error: the question took longer than 1 s (questdb.request_timeout), and was given up',
  );
  expect(stderr).toContain('GPULEDGER_QUESTDB_REQUEST_TIMEOUT=5m');
  expect(stderr).toContain('a shorter window');
  expect(stderr).not.toContain('no QuestDB');
  await expect.poll(async () => await queriesUnderWay(db, 'deadline')).toBe(0);
});

test('a named query, too', async () => {
  const env = { ...(await slowStore('named')), GPULEDGER_QUESTDB_REQUEST_TIMEOUT: '1s' };
  const { exitCode, stdout, stderr } = await runCommand(['query', 'run', 'gaps'], { env });
  expect([exitCode, stdout]).toEqual([75, '']);
  expect(stderr).toContain('error: the question took longer than 1 s (questdb.request_timeout)');
  await expect.poll(async () => await queriesUnderWay(db, 'named')).toBe(0);
});

test('Ctrl-C ends the question in the server, too', async () => {
  const env = { ...process.env, ...(await slowStore('interrupted')) };
  const child = spawn(process.execPath, [`${ROOT}bin/gpuledger.js`, 'report', 'job', '1'], {
    env,
    stdio: 'ignore',
  });
  await expect.poll(async () => await queriesUnderWay(db, 'interrupted')).toBe(1);
  child.kill('SIGINT');
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
  expect(signal).toBe('SIGINT');
  await expect.poll(async () => await queriesUnderWay(db, 'interrupted')).toBe(0);
});
