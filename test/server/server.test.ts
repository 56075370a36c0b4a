/** A real server, started and ended in all the ways that matter. */
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';

import type { QuestdbState } from '../../schemas/questdb-state.ts';
import { findJava, type Java } from '../../src/server/java.ts';
import { choosePorts, LOOPBACK, USUAL_PORTS } from '../../src/server/loopback-ports.ts';
import { processStartTicks } from '../../src/disk/process-identity.ts';
import { pingIdentity } from '../../src/server/ping.ts';
import { endProcess } from '../../src/server/process.ts';
import { startServer } from '../../src/server/server.ts';
import { readLiveState, runDirectory, writeState } from '../../src/server/state.ts';
import { kill9, startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { startProcess, waitUntilGone } from '../helpers/run-process.ts';

const PARENT = 'test/helpers/private-server-parent.ts';
const cleanups: (() => Promise<void>)[] = [];

async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'gpuledger-server-test-'));
  cleanups.push(async () => {
    await rm(directory, { recursive: true, force: true });
  });
  return directory;
}

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function query(httpUrl: string, sql: string): Promise<unknown> {
  const response = await fetch(`${httpUrl}/exec?query=${encodeURIComponent(sql)}`);
  const reply = (await response.json()) as { dataset?: unknown; error?: string };
  if (reply.error !== undefined) throw new Error(reply.error);
  return reply.dataset;
}

/** One Java of each major version that is installed and new enough. */
async function installedJavas(): Promise<Java[]> {
  const found = new Map<number, Java>();
  const names = await readdir('/usr/lib/jvm').catch(() => []);
  for (const name of names.sort()) {
    const java = await findJava(await realpath(join('/usr/lib/jvm', name, 'bin/java')).catch(() => '')).catch(
      () => undefined,
    );
    if (java !== undefined && !found.has(java.major)) found.set(java.major, java);
  }
  if (found.size === 0) found.set(0, await findJava());
  return [...found.values()];
}

test('the server that all tests share answers a query', async () => {
  expect(await query(inject('questdbUrl'), 'select 6*7')).toEqual([[42]]);
});

test('it compiles no conditions, of which the server may die', async () => {
  const sql = "SELECT value FROM (SHOW PARAMETERS) WHERE property_path = 'cairo.sql.jit.mode'";
  expect(await query(inject('questdbUrl'), sql)).toEqual([['off']]);
});

const javas = await installedJavas();

describe.each(javas)('on Java $major', (java) => {
  let server: TestQuestdb;
  beforeAll(async () => {
    server = await startTestQuestdb({ javaPath: java.path });
  });
  afterAll(async () => {
    await server.stop();
  });

  test('what was acknowledged is there after kill -9 and a start on the oldest Java here', async () => {
    expect(server.javaMajor).toBe(java.major);
    await query(
      server.httpUrl,
      'create table t (gpu symbol, v double, ts timestamp) timestamp(ts) partition by day wal',
    );
    const rows = Array.from(
      { length: 1000 },
      (_, row) => `t,gpu=g${row % 8} v=${row}.5 ${1_700_000_000_000_000 + row}t\n`,
    );
    const response = await fetch(`${server.httpUrl}/write?precision=u`, {
      method: 'POST',
      body: rows.join(''),
    });
    expect(response.status).toBe(204);
    await server.kill9();
    await server.restart(javas[0]!.path);
    await expect
      .poll(() => query(server.httpUrl, 'select count(), sum(v) from t'))
      .toEqual([[1000, 500_000]]);
  });

  test('no table and no column comes into being by a misspelt name', async () => {
    await query(
      server.httpUrl,
      'create table strict (v double, ts timestamp) timestamp(ts) partition by day wal',
    );
    for (const line of ['strict w=1.5 1700000000000000t\n', 'stritc v=1.5 1700000000000000t\n']) {
      const response = await fetch(`${server.httpUrl}/write?precision=u`, { method: 'POST', body: line });
      expect(response.status).toBe(400);
    }
    const names = await query(server.httpUrl, 'select table_name from tables()');
    expect(names).toContainEqual(['strict']);
    expect(names).not.toContainEqual(['stritc']);
  });

  test('it listens on loopback only', async () => {
    const [listening, ports] = await Promise.all([
      readFile(`/proc/${server.pid}/net/tcp`, 'latin1'),
      readLiveState(server.dataDir),
    ]);
    for (const port of Object.values(ports!.ports)) {
      const hex = port.toString(16).toUpperCase().padStart(4, '0');
      expect(listening).toContain(` 0100007F:${hex} 00000000:0000 0A `);
    }
  });
});

describe('a private server', () => {
  test.each([
    { how: 'the kernel tells it', thread: 'main' },
    { how: 'the watchdog tells it', thread: 'worker' },
  ])('ends when its parent is killed with kill -9: $how', async ({ thread }) => {
    const dataDir = await temporaryDirectory();
    const parent = startProcess(process.execPath, [PARENT, dataDir, thread]);
    const { pid } = JSON.parse(await parent.nextLine()) as { pid: number };
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'latin1');
    expect(commandLine).toContain('io.questdb/io.questdb.ServerMain');
    const startTicks = processStartTicks(pid)!;
    cleanups.push(async () => {
      await endProcess(pid, startTicks);
    });
    await kill9(parent.pid);
    await waitUntilGone(pid);
    expect(await readLiveState(dataDir)).toBeUndefined();
  });

  test('is there for the last flush after a Ctrl-C that reaches the whole group of its parent', async () => {
    const parent = startProcess(process.execPath, [PARENT, await temporaryDirectory()]);
    const { pid } = JSON.parse(await parent.nextLine()) as { pid: number };
    process.kill(-parent.pid, 'SIGINT');
    expect(JSON.parse(await parent.nextLine())).toEqual({ afterInterrupt: 200 });
    await waitUntilGone(parent.pid);
    await waitUntilGone(pid);
  });
});

describe('a second server on one directory', () => {
  test('is refused by name, by QuestDB itself when the state file is lost, and nothing stays behind', async () => {
    const dataDir = await temporaryDirectory();
    const first = await startServer({ dataDir, life: 'private', ports: 'free' });
    cleanups.push(first.stop);
    await expect(startServer({ dataDir, life: 'private', ports: 'free' })).rejects.toMatchObject({
      code: 'questdb.data_in_use',
      exit: 'unavailable',
      message: expect.stringContaining(`pid ${first.pid}`) as string,
    });
    const state = (await readLiveState(dataDir))!;
    const stateFile = join(runDirectory(dataDir, state.identity), 'server.json');
    await rm(stateFile);
    await expect(startServer({ dataDir, life: 'private', ports: 'free' })).rejects.toMatchObject({
      code: 'questdb.start_failed',
      hints: expect.arrayContaining([expect.stringMatching(/^it said: .*lock/i)]) as string[],
    });
    writeState(dataDir, state);
    expect(await query(first.httpUrl, 'select 1')).toEqual([[1]]);

    await first.stop();
    await first.stop(); // harmless
    expect(processStartTicks(first.pid)).toBeUndefined();
    expect(await readdir(join(dataDir, 'run'))).toEqual([]);
  });

  test('started at the same moment: one gets it', async () => {
    const dataDir = await temporaryDirectory();
    const start = async (): Promise<number> => {
      const server = await startServer({ dataDir, life: 'private', ports: 'free' });
      cleanups.push(server.stop);
      return server.pid;
    };
    const outcomes = await Promise.allSettled([start(), start()]);
    const pids = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    expect(pids).toHaveLength(1);
    expect(await readLiveState(dataDir)).toMatchObject({ pid: pids[0] });
  });
});

describe('ports', () => {
  /** What sits on a port before us: answers /ping as any QuestDB does. */
  async function startForeign(port: number): Promise<Server> {
    const foreign = createServer((_request, response) => {
      response.writeHead(204, { 'x-influxdb-version': 'v2.7.4' }).end();
    });
    foreign.listen(port, LOOPBACK);
    await once(foreign, 'listening');
    cleanups.push(async () => {
      foreign.close();
      foreign.closeAllConnections();
      await once(foreign, 'close');
    });
    return foreign;
  }

  test('three different free ones', async () => {
    const { http, pg, min } = await choosePorts('free');
    expect(new Set([http, pg, min]).size).toBe(3);
  });

  test('a usual one that is asked for as the HTTP port is not given out twice', async () => {
    const { http: asked, ...others } = await choosePorts('free');
    const ports = await choosePorts(asked, { http: others.min, pg: asked, min: others.min });
    expect(ports.http).toBe(asked);
    expect(ports.pg).not.toBe(asked);
  });

  test('a usual one that is taken is replaced', async () => {
    // Somebody on this machine may hold it already, which serves as well.
    await startForeign(USUAL_PORTS.http).catch(() => undefined);
    expect((await choosePorts('usual')).http).not.toBe(USUAL_PORTS.http);
  });

  test('a foreign server that comes between our look and our start is not taken for ours', async () => {
    const { http: port } = await choosePorts('free');
    let foreign: Promise<Server> | undefined;
    const starting = startServer({
      dataDir: await temporaryDirectory(),
      life: 'private',
      ports: port,
      onProgress: (message) => {
        if (message.startsWith('starting')) foreign ??= startForeign(port);
      },
    });
    await expect(starting).rejects.toMatchObject({
      code: 'questdb.port_taken',
      where: `${LOOPBACK}:${port}`,
    });
    expect(await foreign).toBeDefined();
    expect(await pingIdentity({ http: port, pg: port, min: port })).toBe('v2.7.4');
  });
});

describe('the state file', () => {
  test('is believed about a process only while that very process lives', async () => {
    const dataDir = await temporaryDirectory();
    const other = startProcess('sleep', ['600']);
    const state: QuestdbState = {
      format: 1,
      pid: other.pid,
      processStartTicks: processStartTicks(other.pid)!,
      life: 'background',
      ports: USUAL_PORTS,
      identity: 'gpuledger-x',
      version: '9.3.4',
      javaMajor: 17,
      startedAt: '2026-11-21T00:00:00.000Z',
    };
    await mkdir(runDirectory(dataDir, state.identity), { recursive: true });
    writeState(dataDir, state);
    expect(await readLiveState(dataDir)).toEqual(state);
    // The same pid, started at another time: the number was given to another process.
    writeState(dataDir, { ...state, processStartTicks: String(Number(state.processStartTicks) - 100) });
    expect(await readLiveState(dataDir)).toBeUndefined();
    writeState(dataDir, state);
    await kill9(other.pid);
    expect(await readLiveState(dataDir)).toBeUndefined();
  });

  test.each(['', '{"format":1', '{"format":2,"pid":1}', '[]'])('holding %j names nobody', async (text) => {
    const dataDir = await temporaryDirectory();
    await mkdir(runDirectory(dataDir, 'x'), { recursive: true });
    await writeFile(join(runDirectory(dataDir, 'x'), 'server.json'), text);
    expect(await readLiveState(dataDir)).toBeUndefined();
  });
});
