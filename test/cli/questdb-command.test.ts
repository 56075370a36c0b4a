/** `gpuledger questdb`, as people and scripts call it. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { processStartTicks } from '../../src/disk/process-identity.ts';
import { choosePorts } from '../../src/server/loopback-ports.ts';
import { runDirectory, writeState } from '../../src/server/state.ts';
import { kill9 } from '../helpers/questdb.ts';
import { runCommand, startProcess, waitUntilGone, type Ended } from '../helpers/run-process.ts';

let directory: string;
let dataDir: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gpuledger-command-test-'));
  dataDir = join(directory, 'data');
});
afterAll(async () => {
  await questdb('stop');
  await rm(directory, { recursive: true, force: true });
});

async function questdb(...args: string[]): Promise<Ended> {
  return await runCommand(['questdb', ...args, ...(args.includes('--data') ? [] : ['--data', dataDir])]);
}

interface Described {
  running: boolean;
  url: string;
  clientConf: string;
  pid: number;
}

describe('one background server', () => {
  test('before the start: not running, said in words, in JSON and by the exit code', async () => {
    expect(await questdb('status')).toMatchObject({
      exitCode: 69,
      stderr: expect.stringContaining('questdb start') as string,
    });
    expect(await questdb('url')).toMatchObject({ exitCode: 69, stdout: '' });
    const { stdout, exitCode } = await questdb('status', '--json');
    expect({ exitCode, said: JSON.parse(stdout) as unknown }).toEqual({
      exitCode: 69,
      said: { running: false, data: dataDir },
    });
    expect(await questdb('stop')).toMatchObject({ exitCode: 0 });
  });

  test('start returns when it answers; the server outlives the command; a second start finds it', async () => {
    const { http: port } = await choosePorts('free');
    const started = await questdb('start', '--json', '--port', `${port}`);
    expect(started.exitCode).toBe(0);
    const server = JSON.parse(started.stdout) as Described;
    expect(server).toMatchObject({ running: true, url: `http://127.0.0.1:${port}` });
    expect((await fetch(`${server.url}/ping`)).status).toBe(204);

    const again = await questdb('start');
    expect(again).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining(`already runs (pid ${server.pid})`) as string,
    });
    expect(again.stdout).toContain(`QDB_CLIENT_CONF="${server.clientConf}"`);
  });

  test('status and url say where it is', async () => {
    const status = await questdb('status', '--json');
    const server = JSON.parse(status.stdout) as Described;
    expect(server).toMatchObject({ running: true, answers: true });
    expect((await questdb('status')).stdout).toMatch(new RegExp(`pid ${server.pid}, .*: answers\n`));
    expect((await questdb('url')).stdout).toBe(`${server.url}\n`);
    expect((await questdb('url', '--client-conf')).stdout).toBe(`${server.clientConf}\n`);
  });

  test('stop ends it and keeps its data; the next start finds them', async () => {
    const first = JSON.parse((await questdb('start', '--json')).stdout) as Described;
    const create = 'create table kept (ts timestamp) timestamp(ts) partition by day wal';
    expect((await fetch(`${first.url}/exec?query=${encodeURIComponent(create)}`)).status).toBe(200);
    expect(await questdb('stop')).toMatchObject({ exitCode: 0 });
    expect(processStartTicks(first.pid)).toBeUndefined();

    const { http: port } = await choosePorts('free');
    const second = JSON.parse((await questdb('start', '--json', '--port', `${port}`)).stdout) as Described;
    const found = await fetch(`${second.url}/exec?query=${encodeURIComponent('select count() from kept')}`);
    expect(await found.json()).toMatchObject({ dataset: [[0]] });
    await kill9(second.pid);
    expect((await questdb('status')).exitCode).toBe(69);
  });
});

test('a process that was given the pid of a dead server is not stopped', async () => {
  const other = startProcess('sleep', ['600']);
  const data = join(directory, 'stale');
  const ticks = Number(processStartTicks(other.pid));
  await writeRun(data, other.pid, String(ticks - 1));
  expect(await questdb('stop', '--data', data)).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining('no QuestDB server runs') as string,
  });
  expect(processStartTicks(other.pid)).toBe(String(ticks));
  // The control: with the right start time it is the server, and is stopped.
  await writeRun(data, other.pid, String(ticks));
  expect(await questdb('stop', '--data', data)).toMatchObject({ exitCode: 0 });
  await waitUntilGone(other.pid);
});

async function writeRun(data: string, pid: number, processStartTicks_: string): Promise<void> {
  await mkdir(runDirectory(data, 'gpuledger-x'), { recursive: true });
  writeState(data, {
    format: 1,
    pid,
    processStartTicks: processStartTicks_,
    life: 'background',
    ports: { http: 1, pg: 2, min: 3 },
    identity: 'gpuledger-x',
    version: '9.3.4',
    javaMajor: 17,
    startedAt: '2026-11-21T00:00:00.000Z',
  });
}

test.each([
  { args: ['start', '--port', '0'], exitCode: 64, says: 'between 1 and 65535' },
  { args: ['start', '--port', 'http'], exitCode: 64, says: 'between 1 and 65535' },
  { args: ['start', '--java', '/no/such/java'], exitCode: 69, says: 'looked for: --java /no/such/java' },
  {
    args: ['start', '--data', '/dev/null/data'],
    exitCode: 78,
    says: 'choose a directory that you may write in',
  },
  { args: ['restart'], exitCode: 64, says: "unknown command 'restart'" },
])('$args: exit $exitCode, one message', async ({ args, exitCode, says }) => {
  const ended = await runCommand(['questdb', ...args]);
  expect(ended).toMatchObject({ exitCode, stdout: '', stderr: expect.stringContaining(says) as string });
});
