/**
 * Goal: each job that idles is told of once, by every way, whatever is stopped, broken or away meanwhile, and again when it is time.
 * Method: an hour of samples in a real QuestDB that goes on from test to test, a real HTTP server as receiver, and a new watch for
 * each look, as after a restart.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { OperatingError } from '../../src/core/base/errors.ts';
import type { Notice } from '../../src/core/base/notice.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { lockDirectory } from '../../src/disk/state-lock.ts';
import { watchIdleBeside } from '../../src/idle-watch/resident.ts';
import { createIdleWatch, type IdleWatchSettings } from '../../src/idle-watch/watch.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { httpServer, type BadServer } from '../helpers/bad-server.ts';
import { insertRows } from '../helpers/insert-rows.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { runCommand } from '../helpers/run-process.ts';

const MIN = 60e6;
const STEP = MIN / 2;
const lane: Lane = {
  name: 'profiling',
  table: 'gpu_profiling',
  schedule: 'continuous',
  intervalMs: STEP / 1000,
  fields: [findField('1002')!],
  capacityTicks: 100,
};
const GPUS = ['GPU-a', 'GPU-b'];
/** The job idles from here on, half an hour ago. */
const T0 = Math.floor(Date.now() / 60_000 - 30) * MIN;
const HOSTILE = "'; DROP TABLE jobs; --<!channel>";

const stateDir = mkdtempSync(join(tmpdir(), 'gpuledger-idle-watch-'));
const episodes = join(stateDir, 'idle-watch', 'episodes.json');
let server: TestQuestdb;
let db: QuestDb;
let hook: BadServer;
let status = 204;
let got: Record<string, unknown>[] = [];
let sampledMin = -20;

/** What both devices do up to so many minutes after T0. */
async function sample(untilMin: number, sm: number): Promise<void> {
  const rows = [];
  for (let us = T0 + sampledMin * MIN + STEP; us <= T0 + untilMin * MIN; us += STEP)
    for (const gpu of GPUS)
      rows.push({ ts: us, node: 'n1', gpu, job_id: '4217', owners: 1, dt_us: STEP, sm_active_ratio: sm });
  sampledMin = untilMin;
  await insertRows(db, lane.table, rows);
}

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  hook = await httpServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (more: string) => (body += more));
    request.on('end', () => {
      got.push(JSON.parse(body) as Record<string, unknown>);
      response.writeHead(status).end();
    });
  });
  const job = { ts: T0 - 20 * MIN, cluster: 'atlas', job_id: '4217', run: 0 };
  await insertRows(
    db,
    'gpu_ownership',
    GPUS.map((gpu) => ({ ...job, node: 'n1', gpu, source: 'test' })),
  );
  await insertRows(db, 'jobs', [{ ...job, user: 'ada', name: HOSTILE, state: 'RUNNING', gpus: 2 }]);
  await sample(0, 0.9);
  await sample(29, 0.01);
});
afterAll(async () => {
  await hook.close();
  await db.close();
  await server.stop();
  rmSync(stateDir, { recursive: true });
});
beforeEach(() => {
  got = [];
  status = 204;
});

function settings(change: Partial<IdleWatchSettings['idleWatch']> = {}): IdleWatchSettings {
  return {
    lanes: [lane],
    idle: { smRatio: 0.05 },
    idleWatch: { remindEveryMs: 3_600_000, webhook: `http://${hook.addr}/s3cr3t-path`, ...change },
    stateDir,
    by: 'command',
  };
}

interface Look {
  readonly pending: number;
  readonly notices: readonly Notice[];
  readonly codes: readonly string[];
}

/** As a process that was just started. */
async function look(own: IdleWatchSettings = settings()): Promise<Look> {
  const notices: Notice[] = [];
  const watch = createIdleWatch(db, own, (notice) => notices.push(notice));
  try {
    const { pending } = await watch.look();
    return { pending, notices, codes: notices.map(({ code }) => code) };
  } finally {
    await watch.close();
  }
}

test('a receiver that is away gets the message once it is back, and the log has it once', async () => {
  status = 500;
  const first = await look();
  expect([first.pending, first.codes]).toEqual([1, ['idle_watch.idle', 'idle_watch.webhook']]);
  expect(first.notices[0]!.sentence).toMatch(
    /^Job 4217 \('; DROP TABLE jobs; --＜!channel＞\) of ada: all 2 GPUs have been idle since .* UTC, for 29 min \(0\.967 GPU-hours\)\.$/,
  );
  expect(first.notices[1]!.sentence).not.toContain('s3cr3t');
  status = 204;
  const second = await look();
  expect([second.pending, second.codes]).toEqual([0, []]);
  expect(got.map(({ event }) => event)).toEqual(['idle', 'idle']);
  expect(got[1]).toMatchObject({
    job: { jobId: '4217', user: 'ada', name: HOSTILE, gpus: 2, sinceUs: T0, idleUs: 29 * MIN },
  });
});

test('nobody is told of it again after a restart, neither by the one nor by the other', async () => {
  for (const own of [settings(), { ...settings(), by: 'run' as const, gpus: GPUS }, settings()])
    expect(await look(own)).toMatchObject({ pending: 0, codes: [] });
  expect(got).toEqual([]);
});

test('it is told of again when its samples show that it is time', async () => {
  const own = settings({ remindEveryMs: 600_000 });
  await sample(38, 0.01);
  expect((await look(own)).codes).toEqual([]);
  await sample(39, 0.01);
  expect((await look(own)).codes).toEqual(['idle_watch.idle']);
  expect(got).toMatchObject([{ event: 'still_idle', reminders: 1, job: { sinceUs: T0, idleUs: 39 * MIN } }]);
});

test('a state that is broken is told of, and the job once more', async () => {
  writeFileSync(episodes, '{"version":1,"episodes":[{');
  expect((await look()).codes).toEqual(['idle_watch.state', 'idle_watch.idle']);
  expect((await look()).codes).toEqual([]);
  expect(got).toHaveLength(1);
});

test('two do not look at once', async () => {
  const release = await lockDirectory(join(stateDir, 'idle-watch'));
  await expect(look()).rejects.toMatchObject({ code: 'state.locked', exit: 'temporary' });
  release();
});

test('one that tells by a way that is not configured any more waits for nobody', async () => {
  const state = JSON.parse(readFileSync(episodes, 'utf8')) as { episodes: { pending: string[] }[] };
  state.episodes[0]!.pending = ['command'];
  writeFileSync(episodes, JSON.stringify(state));
  expect(await look()).toMatchObject({ pending: 0, codes: [] });
});

test('what keeps a resident watch from looking is told once, and it looks again', async () => {
  const notices: Notice[] = [];
  let isAway = true;
  const error = new OperatingError('no QuestDB at nowhere', {
    code: 'questdb.unreachable',
    exit: 'temporary',
  });
  const flaky = {
    where: db.where,
    exec: async (sql: string) => (isAway ? await Promise.reject(error) : await db.exec(sql)),
  };
  const watch = watchIdleBeside(flaky, settings(), [{ uuid: 'GPU-a' }], (notice) => notices.push(notice))!;
  for (let n = 0; n < 3; n += 1) await watch.look();
  isAway = false;
  await watch.look();
  await watch.close();
  expect(notices.filter(({ level }) => level !== 'debug').map(({ sentence }) => sentence)).toEqual([
    'no QuestDB at nowhere: nobody can tell which jobs idle',
  ]);
});

test('a stop waits for no receiver, and the next life tells', async () => {
  await sample(100, 0.01);
  const silent = await httpServer(() => undefined);
  const notices: Notice[] = [];
  const own = settings({ webhook: `http://${silent.addr}/` });
  const watch = createIdleWatch(db, own, (notice) => notices.push(notice));
  const looking = watch.look();
  await expect.poll(() => silent.seen()).toBe(1);
  await watch.close();
  expect(await looking).toMatchObject({ pending: 1 });
  await silent.close();
  expect(notices.map(({ code }) => code)).toEqual(['idle_watch.idle']);
  expect(await look()).toMatchObject({ pending: 0, codes: [] });
  expect(got).toMatchObject([{ event: 'still_idle' }]);
});

test('run watches where somebody wants to be told', () => {
  const of = (idleWatch: IdleWatchSettings['idleWatch']): unknown =>
    watchIdleBeside(db, { ...settings(), idleWatch }, [], () => undefined);
  const remindEveryMs = 1;
  expect(of({ remindEveryMs })).toBeUndefined();
  for (const told of [{ warnAfterMs: 1 }, { webhook: 'https://x' }, { command: ['/bin/true'] as const }])
    expect(of({ remindEveryMs, ...told })).toBeDefined();
});

test('the command prints, and tells where it is asked to', async () => {
  const directory = join(stateDir, 'cli');
  mkdirSync(directory);
  const config = join(directory, 'gpuledger.yaml');
  const mail = join(directory, 'mail');
  const write = (webhook: string): void => {
    writeFileSync(
      config,
      `state_dir: state\nidle_watch:\n  webhook: ${webhook}\n  command: [/bin/sh, -c, "cat >> '${mail}'"]\n` +
        'lanes: [{name: profiling, interval: 30s, fields: [sm_active_ratio]}]\n',
    );
  };
  const env = { QDB_CLIENT_CONF: server.conf, GPULEDGER_CONFIG: config };
  write('http://127.0.0.1:1/s3cr3t-path');
  const printed = await runCommand(['watch-idle'], { env });
  expect([printed.exitCode, printed.stderr]).toEqual([0, '']);
  expect(printed.stdout).toMatch(/^Idle jobs · .* · 1 of 1 running job idle for 15 min or longer\n/);
  const untold = await runCommand(['watch-idle', '--tell'], { env });
  expect(untold.exitCode).toBe(75);
  expect(untold.stdout).toContain('1 of 1 running job idle');
  expect(untold.stderr).toContain('Job 4217 (');
  expect(untold.stderr).toContain(
    'the webhook at 127.0.0.1:1 cannot be reached: ECONNREFUSED: messages about idle jobs wait',
  );
  expect(untold.stderr).not.toContain('s3cr3t');
  expect(readFileSync(mail, 'utf8').split('\n')).toHaveLength(3);
  write(`http://${hook.addr}/s3cr3t-path`);
  for (let n = 0; n < 2; n += 1) {
    const told = await runCommand(['watch-idle', '--tell', '--json'], { env });
    expect([told.exitCode, told.stderr]).toEqual([0, '']);
    expect(JSON.parse(told.stdout)).toMatchObject({ running: 1, idle: [{ jobId: '4217' }] });
  }
  expect(got).toHaveLength(1);
  expect(readFileSync(mail, 'utf8').split('\n')).toHaveLength(3);
  const shown = await runCommand(['config', 'print'], { env });
  expect(shown.stdout).toContain(`http://${hook.addr}/***`);
  expect(shown.stdout).not.toContain('s3cr3t');
});

test('it is over when its GPUs work again, and what idles later is told of anew', async () => {
  await sample(102, 0.9);
  expect((await look()).codes).toEqual(['idle_watch.over']);
  await sample(120, 0);
  expect((await look()).codes).toEqual(['idle_watch.idle']);
  expect(got).toMatchObject([{ event: 'idle', job: { sinceUs: T0 + 102 * MIN } }]);
  await db.exec(
    `UPDATE gpu_ownership SET end_ts = cast(${T0 + 121 * MIN} AS TIMESTAMP) WHERE job_id = '4217'`,
  );
  await expect
    .poll(async () => (await db.exec('SELECT count() FROM gpu_ownership WHERE end_ts IS NULL')).rows[0]![0])
    .toBe(0);
  const ended = await look();
  expect(ended.notices.map(({ sentence }) => sentence)).toEqual([
    'Job 4217 does not idle any more: it has ended.',
  ]);
  expect(JSON.parse(readFileSync(episodes, 'utf8'))).toEqual({ version: 1, episodes: [] });
});
