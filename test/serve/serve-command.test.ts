/** Goal: `gpuledger serve` serves until it is told to stop, and reports say where. Method: the built command on a real QuestDB. */
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { defaultLanes } from '../../src/core/fields/lane.ts';
import { openQuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { insertRows } from '../helpers/insert-rows.ts';
import { ROOT, runCommand } from '../helpers/run-process.ts';
import { raw } from './web-server.ts';

const T0 = Date.UTC(2026, 6, 3, 6) * 1e3;
const JOB = '8470001';

beforeAll(async () => {
  const db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  await applySchema(db, defaultLanes, { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  await insertRows(db, 'jobs', [
    { ts: T0, end_ts: T0 + 60e6, job_id: JOB, user: 'ada', run: 0, state: 'COMPLETED' },
    { ts: T0 + 90e6, end_ts: T0 + 160e6, job_id: JOB, user: 'ada', run: 1, state: 'COMPLETED' },
    ...['7', '8'].map((task) => ({
      ...{ ts: T0, end_ts: T0 + 60e6, job_id: `847010${task}`, user: 'ada', state: 'COMPLETED' },
      ...{ array_job_id: '8470108', array_task_id: task },
    })),
  ]);
  await db.close();
});

test('it serves until SIGTERM', async () => {
  const child = spawn(
    process.execPath,
    [`${ROOT}bin/gpuledger.js`, 'serve', '--listen', '127.0.0.1:0', '--log-format', 'json'],
    {
      env: { ...process.env, QDB_CLIENT_CONF: inject('reportsConf') },
      stdio: ['ignore', 'inherit', 'pipe'],
    },
  );
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const lines = createInterface({ input: child.stderr })[Symbol.asyncIterator]();
  const next = async (): Promise<Record<string, string>> =>
    JSON.parse((await lines.next()).value ?? '{}') as Record<string, string>;
  const { event, url = '' } = await next();
  expect([event, url]).toEqual(['serve.started', expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/$/)]);
  expect(await raw(url, '/healthz')).toMatchObject({
    status: 200,
    text: expect.stringContaining('"ok"') as string,
  });
  expect(await raw(url, `/job/${JOB}`)).toMatchObject({
    status: 200,
    text: expect.stringContaining('</html>') as string,
  });
  const array = await raw(url, '/job/8470108');
  // The raw id of the last task is the array's, too.
  expect(array.text).toMatch(/href="\/job\/8470108_7">7<[^]*href="\/job\/8470108_8">8</);
  expect(await raw(url, '/job/8470108_8')).toMatchObject({ status: 200 });
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test.each([
  [[JOB], `  page: https://gpu.example.org/ood/job/${JOB}\n`],
  [[JOB, '--run', '0'], `  page: https://gpu.example.org/ood/job/${JOB}?run=0\n`],
  [['8470108'], '  page: https://gpu.example.org/ood/job/8470108\n'],
  [['8470108_8'], '  page: https://gpu.example.org/ood/job/8470108_8\n'],
  [[JOB, '--json'], undefined],
  [[JOB, '--js1'], undefined],
])('report job %o says where its page is', async (args, line) => {
  const env = { QDB_CLIENT_CONF: inject('reportsConf'), GPULEDGER_SERVE_URL: 'https://gpu.example.org/ood' };
  const { stdout, exitCode } = await runCommand(['report', 'job', ...args], { env });
  expect(exitCode).toBe(0);
  if (line === undefined) expect(stdout).not.toContain('example.org');
  else expect(stdout.endsWith(line)).toBe(true);
  const without = await runCommand(['report', 'job', ...args], {
    env: { ...env, GPULEDGER_SERVE_URL: undefined },
  });
  expect(without.stdout).toBe(stdout.replace(line ?? '', ''));
});
