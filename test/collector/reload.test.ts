/**
 * Goal: SIGHUP brings a new configuration and costs no tick. Method: the real `run`, sampling synthetic GPUs at 100 ms, is
 * reloaded again and again; the source's own witness file tells which ticks there were, and every one of them has to be
 * stored once, with the dt that leads to it from the tick before.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { readWitness } from '../chaos/verdict.ts';
import { WITNESSED_COLLECTOR } from '../chaos/witnessed-collector.ts';
import { runCommand } from '../helpers/run-process.ts';

const AWAY = 'http::addr=127.0.0.1:1;';
const INTERVAL_US = 100_000;

let directory: string;
let lane: string;
let child: ChildProcess | undefined;
let log: string;
let db: QuestDb;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-reload-'));
  lane = `r${String(process.pid)}_${String(Math.floor(performance.now()))}`;
  log = '';
  db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
});
afterEach(async () => {
  if (child?.exitCode === null) child.kill('SIGKILL');
  await db.close();
  rmSync(directory, { recursive: true });
});

interface Settings {
  readonly source?: string;
  readonly lanes?: string;
  readonly rest?: string;
}

function configure({ source = 'synthetic', lanes = '', rest = '' }: Settings): void {
  writeFileSync(
    join(directory, 'gpuledger.yaml'),
    `source: ${source}
synthetic: { gpus: 2 }
recording: { file: ${join(directory, 'nowhere')} }
state_dir: ${join(directory, 'state')}
lanes: [{ name: ${lane}, interval: 100ms, fields: [155, 156, 252] }${lanes}]
log: { format: json }
${rest}
`,
  );
}

function environment(conf: string): NodeJS.ProcessEnv {
  return {
    QDB_CLIENT_CONF: conf,
    GPULEDGER_CONFIG: join(directory, 'gpuledger.yaml'),
    GPULEDGER_WITNESS_FILE: join(directory, 'witness'),
  };
}

async function start(conf: string): Promise<void> {
  child = spawn(process.execPath, [...WITNESSED_COLLECTOR, 'run', '--force'], {
    env: { ...process.env, ...environment(conf) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (log += text));
  await expect.poll(() => logged('run.started').length).toBe(1);
  await expect.poll(() => existsSync(join(directory, 'witness'))).toBe(true);
}

function logged(event: string): { text: string; ticks?: number }[] {
  return log
    .split('\n')
    .filter((line) => line.includes(`"event":"${event}"`))
    .map((line) => JSON.parse(line) as { text: string; ticks?: number });
}

/** Reloads, and samples for a while after it. */
async function reload(settings: Settings): Promise<void> {
  configure(settings);
  const starts = logged('run.started').length;
  child!.kill('SIGHUP');
  await expect.poll(() => logged('run.started').length).toBe(starts + 1);
  await sleep(700);
}

async function stop(): Promise<number | null> {
  child!.kill('SIGTERM');
  const [code] = (await once(child!, 'close')) as [number | null];
  return code;
}

interface Account {
  readonly addsUp: boolean;
  readonly lanes: readonly { sampledRows: number; acknowledgedRows: number; spooledRows: number }[];
}

async function account(): Promise<Account> {
  const { stdout } = await runCommand(['status', '--json'], { env: environment(AWAY) });
  return JSON.parse(stdout) as Account;
}

interface Witnessed {
  readonly ticks: number;
  readonly rows: number;
  /** Ticks that the schedule has had and the witness has not, less those of which the ticker said that it was late. */
  readonly lost: number;
}

function witnessed(): Witnessed {
  const seen = readWitness(readFileSync(join(directory, 'witness'), 'latin1'));
  const due = Math.round((seen.at(-1)!.tsUs - seen[0]!.tsUs) / INTERVAL_US) + 1;
  const late = logged('lane.late').reduce((sum, { ticks = 0 }) => sum + ticks, 0);
  expect(seen.map(({ sequence }) => sequence)).toEqual(seen.map((_, index) => index + 1));
  return {
    ticks: seen.length,
    rows: seen.reduce((sum, { rows }) => sum + rows, 0),
    lost: due - seen.length - late,
  };
}

/**
 * Every witnessed tick is stored once.
 * @param isSameSource its energy counter never began again, either
 * @returns rows whose dt is not the step from the tick before, the first of all aside
 */
async function brokenSteps({ ticks, rows }: Witnessed, isSameSource: boolean): Promise<number> {
  const table = `gpu_${lane}`;
  await waitForVisible(db, table);
  const counts = await db.exec(
    `SELECT count(), count_distinct(ts), count_distinct(cast(fb_used_bytes AS LONG)), max(fb_used_bytes) FROM ${table}`,
  );
  expect(counts.rows[0]).toEqual([rows, ticks, ticks, ticks]);
  const steps = await db.exec(
    `SELECT gpu, cast(ts AS LONG), dt_us, energy_rise_joules FROM ${table} ORDER BY gpu, ts`,
  );
  let broken = 0;
  for (const [index, [gpu, ts, dtUs, rise]] of steps.rows.entries()) {
    const before = steps.rows[index - 1];
    if (before?.[0] !== gpu) continue;
    const stepUs = Number(ts) - Number(before![1]);
    const dueUs = stepUs <= 2.5 * INTERVAL_US ? stepUs : 0;
    if (dtUs !== dueUs || (isSameSource && dueUs > 0 && rise === null)) broken += 1;
  }
  return broken;
}

test('reloads with the same source and lanes go on between two ticks', async () => {
  configure({});
  await start(inject('questdbConf'));
  await reload({});
  await reload({ rest: 'flush: { interval: 2s, batch_rows: 500 }' });
  await reload({ rest: 'delivery: { journal: false }' });
  await reload({});
  expect(await stop()).toBe(0);
  const seen = witnessed();
  // The last tick may have come late by most of an interval.
  expect(seen.lost).toBeLessThanOrEqual(1);
  expect(await brokenSteps(seen, true)).toBe(0);
  const { addsUp, lanes } = await account();
  expect(addsUp).toBe(true);
  expect(lanes[0]).toMatchObject({ sampledRows: seen.rows, acknowledgedRows: seen.rows, spooledRows: 0 });
});

test('a lane that stays goes on while others come and go; a source that cannot be opened changes nothing', async () => {
  configure({});
  await start(inject('questdbConf'));
  await reload({ lanes: `, { name: ${lane}_b, interval: 500ms, fields: [150] }` });
  configure({ source: 'recording' });
  child!.kill('SIGHUP');
  await expect.poll(() => log).toContain('SIGHUP: nothing has changed');
  await reload({});
  await reload({ lanes: `, { name: ${lane}_c, interval: 500ms, fields: [150] }` });
  expect(await stop()).toBe(0);
  const seen = witnessed();
  expect(seen.lost).toBeLessThanOrEqual(1);
  expect(await brokenSteps(seen, false)).toBe(0);
  const { addsUp, lanes } = await account();
  expect(addsUp).toBe(true);
  expect(lanes[0]).toMatchObject({ sampledRows: seen.rows, acknowledgedRows: seen.rows });
});

test('while the store is away every row is in the spool afterwards', async () => {
  configure({});
  await start(AWAY);
  for (let n = 0; n < 3; n += 1) await reload({});
  expect(await stop()).toBe(75);
  const { rows, lost } = witnessed();
  expect(lost).toBeLessThanOrEqual(1);
  const { addsUp, lanes } = await account();
  expect(addsUp).toBe(true);
  expect(lanes[0]).toMatchObject({ sampledRows: rows, spooledRows: rows, acknowledgedRows: 0 });
});

test('a kill in the middle of a reload costs the tick that was being taken at most', async () => {
  configure({});
  await start(inject('questdbConf'));
  for (const waitMs of [0, 40, 120]) {
    const reloads = logged('run.reloading').length;
    await sleep(700);
    child!.kill('SIGHUP');
    await expect.poll(() => logged('run.reloading').length, { interval: 5 }).toBe(reloads + 1);
    await sleep(waitMs);
    child!.kill('SIGKILL');
    await once(child!, 'close');
    log = '';
    await start(inject('questdbConf'));
  }
  await sleep(500);
  expect(await stop()).toBe(0);
  const { rows } = witnessed();
  const { addsUp, lanes } = await account();
  expect(addsUp).toBe(true);
  const { sampledRows, acknowledgedRows } = lanes[0]!;
  expect(acknowledgedRows).toBe(sampledRows);
  expect(sampledRows).toBeLessThanOrEqual(rows);
  expect(rows - sampledRows).toBeLessThanOrEqual(3 * 2);
  await waitForVisible(db, `gpu_${lane}`);
  expect((await db.exec(`SELECT count() FROM gpu_${lane}`)).rows[0]).toEqual([sampledRows]);
});
