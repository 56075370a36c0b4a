/** Commands whose libdcgm sits in a call that does not come back: each ends in its time, and keeps what it had. */
import { randomUUID } from 'node:crypto';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, onTestFinished, test } from 'vitest';
import { openQuestDb } from '../../../src/questdb/http.ts';
import { buildFake } from '../../helpers/fakes.ts';
import { ROOT, runToEnd, startProcess, type LineProcess } from '../../helpers/run-process.ts';

/** Much longer than the time limit of a test: whoever waits for the call fails. */
const HANG_MS = 3_600_000;
const COMMAND_LINE = `${ROOT}bin/gpuledger.js`;
const NO_STORE = 'http::addr=127.0.0.1:1;';
let directory: string;
let hang: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-hang-'));
  hang = join(directory, 'hang');
  writeFileSync(
    join(directory, 'gpuledger.yaml'),
    "node: n1\nlanes:\n  - { name: hang, schedule: continuous, interval: 100ms, fields: ['1002', '155'] }\n",
  );
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

function environment(store: string): Record<string, string> {
  return {
    QDB_CLIENT_CONF: store,
    GPULEDGER_DCGM_LIBRARY: buildFake('dcgm'),
    GPULEDGER_JOBS_JOURNAL_DIR: join(directory, 'jobs'),
    GPULEDGER_FAKE: `hang_ms=${HANG_MS}`,
    GPULEDGER_FAKE_HANG: hang,
  };
}

function startHanging(command: string, args: readonly string[], store = NO_STORE): LineProcess {
  const own = ['--config', join(directory, 'gpuledger.yaml'), '--state-dir', directory];
  return startProcess(process.execPath, [COMMAND_LINE, command, ...own, ...args], {
    env: environment(store),
  });
}

/** Returns once so many ticks are sampled: each begins with these letters in the journal of the ring. */
async function sampled(ticks: number): Promise<void> {
  const count = (): number => {
    const [path] = globSync(join(directory, 'delivery', 'gpu_hang', '*.journal'));
    return path === undefined ? 0 : readFileSync(path, 'latin1').split('GLJ1').length - 1;
  };
  await expect.poll(count).toBeGreaterThanOrEqual(ticks);
}

/** Returns once a call hangs. */
async function hanging(): Promise<void> {
  writeFileSync(hang, '');
  await expect.poll(() => existsSync(`${hang}.seen`)).toBe(true);
}

async function endOf({ child }: LineProcess): Promise<number | string | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode ?? child.signalCode;
  return await new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      resolve(code ?? signal);
    });
  });
}

/** What waits on the disk, as a command that comes later sees it. */
async function spooledRows(): Promise<number> {
  const args = ['spool', 'status', '--json', '--config', join(directory, 'gpuledger.yaml')];
  const { stdout } = await runToEnd(process.execPath, [COMMAND_LINE, ...args, '--state-dir', directory], {
    env: environment(NO_STORE),
  });
  const surveys = JSON.parse(stdout) as { rows: number }[];
  return surveys.reduce((sum, { rows }) => sum + rows, 0);
}

test.each([
  ['embedded', []],
  ['a host engine', ['-r', 'unix:///run/engine']],
])('run ends on SIGTERM while a call hangs, with what is unsent on disk (%s)', async (_, engine) => {
  const run = startHanging('run', ['--log-format', 'json', ...engine]);
  await sampled(20);
  await hanging();
  run.child.kill('SIGTERM');
  expect(await endOf(run)).toBe(75);
  expect(await spooledRows()).toBeGreaterThanOrEqual(8 * 20);
});

test('run ends on SIGTERM while its engine does not let it in', async () => {
  const run = startHanging('run', ['-r', 'unix:///run/engine']);
  await hanging();
  run.child.kill('SIGTERM');
  expect(await endOf(run)).toBe(0);
});

test('run ends at once on a second SIGTERM while a call hangs', async () => {
  const run = startHanging('run', []);
  await sampled(1);
  await hanging();
  // On a busy machine two signals in short succession may arrive as one.
  const impatience = setInterval(() => run.child.kill('SIGTERM'), 400);
  onTestFinished(() => {
    clearInterval(impatience);
  });
  expect(await endOf(run)).toBe(143);
});

test('collect ends after its time, writes what it has and the gap, and says that the source hangs (75)', async () => {
  const node = `n-${randomUUID().slice(0, 8)}`;
  const file = join(directory, 'gpuledger.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace('node: n1', `node: ${node}`));
  const collect = startHanging('collect', ['--for', '12s', '--json'], inject('questdbConf'));
  await sampled(10);
  await hanging();
  const account = JSON.parse(await collect.nextLine()) as { lanes: { acknowledgedRows: number }[] };
  expect(await endOf(collect)).toBe(75);
  expect(account.lanes[0]!.acknowledgedRows).toBeGreaterThanOrEqual(8);
  const db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 10_000 });
  onTestFinished(() => db.close());
  await expect
    .poll(async () => {
      const sql = `SELECT subject, end_ts > ts FROM gpu_events WHERE node = '${node}' AND kind = 'gap'`;
      return (await db.exec(sql)).rows;
    })
    .toEqual(Array.from({ length: 8 }, () => ['hang', true]));
});

test('dmon ends on SIGTERM while a call hangs', async () => {
  const dmon = startHanging('dmon', ['-e', '155', '-d', '100']);
  for (let lines = 0; lines < 5; lines += 1) await dmon.nextLine();
  await hanging();
  dmon.child.kill('SIGTERM');
  expect(await endOf(dmon)).toBe(0);
});

test('devices gives up an engine that does not answer, and says so (75)', async () => {
  writeFileSync(hang, '');
  const args = ['devices', '-r', 'unix:///run/engine'];
  const { exitCode, stderr } = await runToEnd(process.execPath, [COMMAND_LINE, ...args], {
    env: environment(NO_STORE),
  });
  expect(stderr).toBe(
    'error: source dcgm has not answered for 30 s\n  unix:///run/engine\n  is the engine stopped, or does a GPU hang in the driver? See dmesg and nvidia-smi\n  (exit 75: worth trying again)\n',
  );
  expect(exitCode).toBe(75);
});

test('profiling pause gives up an engine that does not answer; the request to the collector stands', async () => {
  writeFileSync(hang, '');
  const options = { env: environment(NO_STORE) };
  const args = ['profiling', 'pause', '-r', 'unix:///run/engine', '--state-dir', directory];
  const { exitCode, stderr } = await runToEnd(process.execPath, [COMMAND_LINE, ...args], options);
  expect(stderr).toContain('error: source dcgm has not answered for 30 s\n  unix:///run/engine\n');
  expect(exitCode).toBe(75);
  const told = [COMMAND_LINE, 'profiling', 'status', '--state-dir', directory];
  expect((await runToEnd(process.execPath, told, options)).stdout).toContain(
    '"operator" by operator, until resumed',
  );
});
