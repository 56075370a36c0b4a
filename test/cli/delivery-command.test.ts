/** `run`, `collect`, `status` and `spool` as people meet them when the store is away, wrong, or locked. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { openQuestDb } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { readWitness } from '../chaos/verdict.ts';
import { WITNESSED_COLLECTOR } from '../chaos/witnessed-collector.ts';
import { forward, httpServer, type BadServer } from '../helpers/bad-server.ts';
import { ROOT, runCommand, type Ended } from '../helpers/run-process.ts';

const AWAY = 'http::addr=127.0.0.1:1;';

let directory: string;
let stateDir: string;
let table: string;
let children: ChildProcess[];
let servers: BadServer[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-command-'));
  stateDir = join(directory, 'state');
  table = `gpu_c${String(process.pid)}_${String(Math.floor(performance.now()))}`;
  children = [];
  servers = [];
  writeFileSync(
    join(directory, 'gpuledger.yaml'),
    `source: synthetic
synthetic: { gpus: 2 }
state_dir: ${stateDir}
flush: { interval: 1s }
lanes: [{ name: ${table.slice(4)}, interval: 100ms, fields: [155, 252] }]
log: { format: json }
`,
  );
});
afterEach(async () => {
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
  for (const server of servers) await server.close();
  rmSync(directory, { recursive: true });
});

function environment(conf: string): Record<string, string> {
  return { QDB_CLIENT_CONF: conf, GPULEDGER_CONFIG: join(directory, 'gpuledger.yaml') };
}

async function command(args: readonly string[], conf: string): Promise<Ended> {
  return await runCommand(args, { env: environment(conf) });
}

interface Running {
  readonly child: ChildProcess;
  /** Resolves when a line of the log has this event. */
  readonly logged: (event: string) => Promise<void>;
  /** Events of the store that people are shown, who do not debug. */
  readonly shown: () => string[];
  readonly ended: Promise<number | null>;
}

function startRun(conf: string): Running {
  const child = spawn(process.execPath, [...WITNESSED_COLLECTOR, 'run', '--force', '--log-level', 'debug'], {
    env: { ...process.env, ...environment(conf), GPULEDGER_WITNESS_FILE: join(directory, 'witness') },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  children.push(child);
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const logged = async (event: string): Promise<void> => {
    await expect.poll(() => text).toContain(`"event":"${event}"`);
  };
  const shown = (): string[] =>
    [...text.matchAll(/"level":"(?:info|warn|error)","event":"([\w.]+)"/g)]
      .map(([, event]) => event!)
      .filter((event) => /^(store|delivery|small_table|relabel|job_figures|questdb)\./.test(event));
  return { child, logged, shown, ended: once(child, 'close').then(([code]) => code as number | null) };
}

interface StatusText {
  readonly running: boolean;
  readonly addsUp: boolean;
  readonly lanes: readonly {
    spooledRows: number;
    acknowledgedRows: number;
    sampledRows: number;
    problem?: string;
  }[];
}

async function status(): Promise<StatusText> {
  return JSON.parse((await command(['status', '--json'], AWAY)).stdout) as StatusText;
}

test('collect says what of its account this run alone sampled', async () => {
  const conf = inject('questdbConf');
  const first = await command(['collect', '--once', '--force'], conf);
  expect([first.exitCode, first.stdout]).toEqual([0, expect.not.stringContaining('this run')]);
  const sampledRows = (await status()).lanes[0]!.sampledRows;
  expect(sampledRows).toBeGreaterThan(0);
  const second = await command(['collect', '--once', '--force'], conf);
  const ofSecond = (await status()).lanes[0]!.sampledRows - sampledRows;
  expect(second.stdout).toContain(
    `counted over the whole life of ${stateDir}; this run sampled ${table.slice(4)} ${ofSecond}\n`,
  );
  const third = JSON.parse((await command(['collect', '--once', '--force', '--json'], conf)).stdout) as {
    lanes: readonly { sampledBeforeRows: number }[];
  };
  expect(third.lanes[0]!.sampledBeforeRows).toBe(sampledRows + ofSecond);
});

/** Rows that the source has handed over, by its own witness. */
function witnessedRows(): number {
  return readWitness(readFileSync(join(directory, 'witness'), 'latin1')).reduce(
    (sum, { rows }) => sum + rows,
    0,
  );
}

async function storedRows(): Promise<unknown> {
  const db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
  try {
    await waitForVisible(db, table);
    return (await db.exec(`SELECT count() FROM ${table}`)).rows[0]![0];
  } finally {
    await db.close();
  }
}

describe('a store that is away', () => {
  test('run spools, says so, stops with 75; replay brings every row to the store once', async () => {
    const run = startRun(AWAY);
    await run.logged('delivery.held');
    await expect.poll(async () => (await command(['status'], AWAY)).exitCode).toBe(0);
    const second = await command(['run'], AWAY);
    expect(second.exitCode).toBe(75);
    expect(second.stderr).toContain(`another gpuledger (process ${String(run.child.pid)})`);

    run.child.kill('SIGTERM');
    expect(await run.ended).toBe(75);
    // One line of the outage, however many lanes and tables wait at however many flushes.
    expect(run.shown()).toEqual(['store.away']);
    const stopped = await status();
    expect(stopped).toMatchObject({ running: false, addsUp: true });
    const rows = witnessedRows();
    expect(stopped.lanes[0]).toMatchObject({ sampledRows: rows, spooledRows: rows, acknowledgedRows: 0 });

    // The tables are made by whoever comes first; a replay expects them.
    expect((await command(['spool', 'replay'], AWAY)).exitCode).toBe(75);
    expect((await command(['schema', 'apply'], inject('questdbConf'))).exitCode).toBe(0);
    const replayed = await command(['spool', 'replay'], inject('questdbConf'));
    expect(replayed.exitCode).toBe(0);
    expect(replayed.stdout).toContain(`${table}: ${rows.toLocaleString('en-US')} rows sent, 0 left`);
    expect(await storedRows()).toBe(rows);
    expect((await command(['spool', 'status'], AWAY)).stdout).toMatch(new RegExp(`${table} +0 `));
  });

  test('drop gives up what is spooled, and counts it', async () => {
    const run = startRun(AWAY);
    await run.logged('delivery.held');
    run.child.kill('SIGTERM');
    await run.ended;
    expect((await command(['spool', 'drop'], AWAY)).exitCode).toBe(64);
    const dropped = await command(['spool', 'drop', '--yes'], AWAY);
    expect(dropped.exitCode).toBe(0);
    expect(dropped.stdout).toContain(`${witnessedRows().toLocaleString('en-US')} rows given up`);
  });

  test('collect does not begin, and says 75', async () => {
    const ended = await command(['collect', '--for', '1s'], AWAY);
    expect(ended.exitCode).toBe(75);
    expect(ended.stderr).toContain('no QuestDB at http://127.0.0.1:1');
  });
});

describe('a store that accepts and never answers', () => {
  test.each([
    ['from the beginning', false],
    ['after it has taken rows', true],
  ])('run stops in time with everything unsent on disk: %s', async (_, isSoundFirst) => {
    let isStuck = !isSoundFirst;
    let unanswered = 0;
    const server = await httpServer((request, response) => {
      if (isStuck) unanswered += 1;
      else forward(inject('questdbUrl'), request, response);
    });
    servers.push(server);
    const run = startRun(`http::addr=${server.addr};`);
    await run.logged('run.started');
    const acknowledgedRows = async (): Promise<number> => {
      if (!existsSync(join(stateDir, 'status.json'))) return 0;
      return (await status()).lanes[0]?.acknowledgedRows ?? 0;
    };
    if (isSoundFirst) await expect.poll(acknowledgedRows).toBeGreaterThan(0);
    isStuck = true;
    await expect.poll(() => unanswered).toBeGreaterThan(0);
    run.child.kill('SIGTERM');
    expect(await run.ended).toBe(75);
    const { addsUp, lanes, running } = await status();
    expect({ addsUp, running }).toEqual({ addsUp: true, running: false });
    const rows = witnessedRows();
    expect(lanes[0]).toMatchObject({
      sampledRows: rows,
      spooledRows: rows - lanes[0]!.acknowledgedRows,
    });
    if (!isSoundFirst) expect(lanes[0]!.acknowledgedRows).toBe(0);
  });
});

describe('a store that is wrong', () => {
  /** A real QuestDB behind a door that opens for a password. */
  async function door(): Promise<{ conf: (password: string) => string; password: (text: string) => void }> {
    let wanted = 'right';
    const server = await httpServer((request, response) => {
      const allowed = `Basic ${Buffer.from(`ada:${wanted}`).toString('base64')}`;
      if (request.headers.authorization === allowed) forward(inject('questdbUrl'), request, response);
      else response.writeHead(401).end('Unauthorized');
    });
    servers.push(server);
    return {
      conf: (password) => `http::addr=${server.addr};username=ada;password=${password};`,
      password: (text) => {
        wanted = text;
      },
    };
  }

  test('collect tells a wrong password (78) and a server that is no QuestDB (78)', async () => {
    const { conf } = await door();
    const unauthorized = await command(['collect', '--for', '1s'], conf('hunter2'));
    expect(unauthorized.exitCode).toBe(78);
    expect(unauthorized.stderr).toContain('refuses the credentials');
    expect(unauthorized.stderr).not.toContain('hunter2');
    const other = await httpServer((_request, response) => response.end('<html>It works!</html>'));
    servers.push(other);
    const foreign = await command(['collect', '--for', '1s'], `http::addr=${other.addr};`);
    expect(foreign.exitCode).toBe(78);
    expect(foreign.stderr).toContain('is not a QuestDB');
  });

  test('run goes on with a wrong password, spools, and delivers everything once it is mended', async () => {
    const { conf, password } = await door();
    const run = startRun(conf('changed'));
    await run.logged('questdb.unauthorized');
    await run.logged('delivery.held');
    password('changed');
    await run.logged('delivery.resumed');
    expect(run.shown()).toEqual(['questdb.unauthorized', 'store.back']);
    run.child.kill('SIGTERM');
    expect(await run.ended).toBe(0);
    const { lanes, addsUp } = await status();
    const rows = witnessedRows();
    expect(addsUp).toBe(true);
    expect(lanes[0]).toMatchObject({ sampledRows: rows, acknowledgedRows: rows, spooledRows: 0 });
    expect(await storedRows()).toBe(rows);
  });
});

test('spool replay says 65 when QuestDB refuses what was spooled, and keeps it as dead letters', async () => {
  const run = startRun(AWAY);
  await run.logged('delivery.held');
  run.child.kill('SIGTERM');
  expect(await run.ended).toBe(75);
  // The real server, but no row is to its liking. (A table that is wrong from the start is told, and keeps them spooled.)
  const server = await httpServer((request, response) => {
    if (request.url?.startsWith('/write') !== true) forward(inject('questdbUrl'), request, response);
    else response.writeHead(400).end('{"code":"invalid","message":"failed to parse line protocol","line":1}');
  });
  servers.push(server);
  const { exitCode, stdout } = await command(['spool', 'replay'], `http::addr=${server.addr};`);
  expect({ exitCode, stdout }).toEqual({
    exitCode: 65,
    stdout: expect.stringMatching(/ 0 rows sent, \d+ refused \(see dead-letter\), 0 left/) as string,
  });
  expect((await status()).addsUp).toBe(true);
  expect(existsSync(join(stateDir, 'dead-letter', `${table}.jsonl`))).toBe(true);
});

test('collect says 65 when QuestDB refuses rows, which are dead letters', async () => {
  // The real server until there are rows, then no row is to its liking.
  let isRefusing = false;
  const server = await httpServer((request, response) => {
    if (!isRefusing || request.url?.startsWith('/write') !== true)
      forward(inject('questdbUrl'), request, response);
    else response.writeHead(400).end('{"code":"invalid","message":"failed to parse line protocol","line":1}');
  });
  servers.push(server);
  const conf = `http::addr=${server.addr};`;
  expect((await command(['collect', '--force', '--for', '1s'], conf)).exitCode).toBe(0);
  const before = (await status()).lanes[0]!.sampledRows;
  const child = spawn(process.execPath, [`${ROOT}bin/gpuledger.js`, 'collect', '--force', '--for', '1h'], {
    env: { ...process.env, ...environment(conf) },
  });
  children.push(child);
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
  const ended = once(child, 'close');
  await expect.poll(storedRows).toBeGreaterThan(before);
  isRefusing = true;
  await expect.poll(() => existsSync(join(stateDir, 'dead-letter', `${table}.jsonl`))).toBe(true);
  child.kill('SIGTERM');
  expect(await ended).toEqual([65, null]);
  expect(stdout).toContain('refused');
  expect(stderr).toMatch(/error: QuestDB refused \d+ of the rows that were sampled\n/);
});

describe('SIGHUP', () => {
  test('goes on with the new configuration, keeps the old one when the new one is wrong, and loses no tick', async () => {
    const file = join(directory, 'gpuledger.yaml');
    const run = startRun(inject('questdbConf'));
    await run.logged('run.started');
    await expect.poll(() => existsSync(join(directory, 'witness'))).toBe(true);
    const sound = readFileSync(file, 'utf8');
    writeFileSync(file, sound.replace('interval: 1s', 'interval: 1 fortnight'));
    run.child.kill('SIGHUP');
    await run.logged('config.invalid');
    writeFileSync(file, sound.replace('gpus: 2', 'gpus: 3'));
    run.child.kill('SIGHUP');
    await run.logged('run.reloading');
    await expect.poll(() => readFileSync(join(directory, 'witness'), 'latin1')).toMatch(/ 3 \d+\n$/);
    run.child.kill('SIGTERM');
    expect(await run.ended).toBe(0);
    expect(await storedRows()).toBe(witnessedRows());
    expect(await status()).toMatchObject({ addsUp: true, lanes: [{ acknowledgedRows: witnessedRows() }] });
  });
});
