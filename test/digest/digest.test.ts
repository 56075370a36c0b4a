/**
 * Goal: the digest of a month is what its reports say, written whole, mailed with nothing that was not meant, and refused with a
 * sentence where there is none. Method: two clusters over October 2023 in a real QuestDB, the command line, and a program that writes
 * down what it got.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { Notice } from '../../src/core/base/notice.ts';
import { lastEndedMonth, monthName, monthSpan } from '../../src/core/calendar/month.ts';
import type { Config } from '../../src/config/config.ts';
import { mailDigest } from '../../src/digest/mail.ts';
import { digestBeside, DIGEST_TRIES_MAX } from '../../src/digest/resident.ts';
import { lockDirectory } from '../../src/disk/state-lock.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { waitForRollups } from '../../src/questdb/visible.ts';
import {
  CONFIG,
  configOf,
  HOUR,
  loadBilledFleet,
  OCTOBER,
  STAYS,
  endOf,
  at,
} from '../figures/bill/billed-fleet.ts';
import { expectRefusal, runLine } from '../helpers/command-line.ts';
import { insertRows } from '../helpers/insert-rows.ts';
import { createPlace, startResident } from '../helpers/resident.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';

vi.mock('../../src/cli/leave.ts', () => ({ leave: () => undefined, leaveStuckCalls: () => undefined }));

const SECRET = 's3cr3t';
const HOSTILE = '~!touch evil\u001b[2J\u202e<img src=x onerror=alert(1)>=1+1';
/** The month before this one, which `run` writes. */
const LAST = lastEndedMonth(Date.now() * 1000, 'Europe/Berlin');

const home = mkdtempSync(join(tmpdir(), 'gpuledger-digest-'));
const file = join(home, 'gpuledger.yaml');
const got = join(home, 'got.json');
/** Writes what it got, beside it: how often it was called, and fails as often as it is told to. */
const PROGRAM = `
const fs = require('fs');
const { env } = process;
const [, out, failures] = process.argv;
const calls = fs.existsSync(out) ? JSON.parse(fs.readFileSync(out, 'utf8')).calls + 1 : 1;
fs.writeFileSync(out, JSON.stringify({ calls, text: fs.readFileSync(0, 'utf8'), argv: process.argv.slice(3), env }));
if (calls <= Number(failures)) { console.error('no \\u001b[2Jmail server'); process.exitCode = 1; }
`;
const mailing = (failures: number): [string, ...string[]] => [
  ...([process.execPath, '--input-type=commonjs', '-e', PROGRAM, got, String(failures)] as const),
];

let server: TestQuestdb;
let db: QuestDb;
let config: Config;
let directory: string;
let count = 0;

beforeAll(async () => {
  writeFileSync(file, `${CONFIG}digest:\n  mail_command: ${JSON.stringify(mailing(0))}\n`);
  config = await configOf(file);
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await loadBilledFleet(db, config);
  const { fromUs } = monthSpan(LAST, 'Europe/Berlin');
  const us = fromUs + 48 * HOUR;
  const gpu = { gpu: 'GPU-evil', cluster: 'a', node: 'n9' };
  await insertRows(db, 'gpu_inventory', [{ ts: us, ...gpu, model: 'NVIDIA H200', source: 'nvml' }]);
  const job = { ts: us, end_ts: us + 10 * HOUR, cluster: 'a', job_id: '666' };
  await insertRows(db, 'gpu_ownership', [{ ...job, node: 'n9', gpu: 'GPU-evil', source: 'test' }]);
  await insertRows(db, 'jobs', [{ ...job, run: 0, account: HOSTILE, user: HOSTILE, state: 'COMPLETED' }]);
  const sampled = Array.from({ length: 10 }, (_, hour) => ({
    ...{ ts: us + (hour + 1) * HOUR, ...gpu, dt_us: HOUR, sm_active_ratio: 0, power_watts: 100 },
    ...{ owners: 1, job_id: '666' },
  }));
  await insertRows(db, 'gpu_billed', sampled);
  await waitForRollups(db, config.lanes, us + 10 * HOUR);
});
afterAll(async () => {
  await db.close();
  await server.stop();
  rmSync(home, { recursive: true });
});
beforeEach(() => {
  directory = join(home, `digests-${(count += 1)}`);
  rmSync(got, { force: true });
});

const run = (...args: string[]) => runLine([...args, '--config', file], { QDB_CLIENT_CONF: server.conf });
const digest = (...args: string[]) => run('digest', '--directory', directory, ...args);
const read = (name: string): string => readFileSync(join(directory, name), 'utf8');
interface Got {
  readonly calls: number;
  readonly text: string;
  readonly argv: string[];
  readonly env: Record<string, string>;
}
const gotten = (): Got => JSON.parse(readFileSync(got, 'utf8')) as Got;
const WINDOW = ['--from', '2023-09-30T22:00:00Z', '--to', '2023-10-31T23:00:00Z'] as const;

test('its files are what the reports of the month say; a bill is there once it was issued, and not by it', async () => {
  const first = await digest('--month', '2023-10');
  expect(first).toMatchObject({ exitCode: 0, stderr: '' });
  expect(readdirSync(directory).sort()).toEqual(['2023-10-accounts.csv', '2023-10-fleet.html', 'lock']);
  expect((await db.exec('SELECT count() FROM bills')).rows).toEqual([[0]]);
  const csv = await run('report', 'capacity', ...WINDOW, '--csv');
  expect(read('2023-10-accounts.csv')).toBe(csv.stdout);
  const page = join(home, 'page.html');
  await run('report', 'capacity', ...WINDOW, '--html', page);
  expect(read('2023-10-fleet.html')).toBe(readFileSync(page, 'utf8'));
  expect(first.stdout).not.toContain('Bill');

  expect((await run('report', 'bill', '--month', '2023-10')).exitCode).toBe(0);
  const bills = (await db.exec('SELECT count() FROM bills')).rows;
  writeFileSync(join(directory, '2023-10-accounts.csv'), 'what stood there');
  const second = await digest('--month', '2023-10');
  expect(second).toMatchObject({ exitCode: 0, stderr: '' });
  const issued = await run('report', 'bill', '--month', '2023-10', '--issue', '1', '--csv');
  expect(read('2023-10-bill.csv')).toBe(issued.stdout);
  expect(read('2023-10-accounts.csv')).toBe(csv.stdout);
  expect((await db.exec('SELECT count() FROM bills')).rows).toEqual(bills);
  const due = /^[^\n]*,all,[^\n]*$/m.exec(issued.stdout)![0].split(',');
  const toPay = Number(due[issued.stdout.split('\n')[0]!.split(',').indexOf('to_pay')]);
  expect(second.stdout).toContain(
    `${toPay.toLocaleString('en-US', { minimumFractionDigits: 2 })} EUR to pay`,
  );
});

test('the text says how much was there, owned and lost, as a loop over the stays has it', async () => {
  const hours = (OCTOBER.toUs - OCTOBER.fromUs) / HOUR;
  let owned = 0;
  for (const gpu of ['GPU-bill-0', 'GPU-bill-1', 'GPU-bill-2'])
    for (let us: number = OCTOBER.fromUs; us < OCTOBER.toUs; us += HOUR)
      if (STAYS.some((stay) => stay.gpu === gpu && at(stay.from) < us && us <= endOf(stay))) owned += 1;
  const { stdout } = await digest('--month', '2023-10');
  const hoursOf = (label: string): number =>
    Number(new RegExp(`^ {2}${label} +(?:at least )?([\\d,.]+)`, 'm').exec(stdout)![1]!.replaceAll(',', ''));
  expect([hoursOf('there'), hoursOf('owned')]).toEqual([3 * hours, owned]);
  const tailUs = STAYS.reduce((sum, { idleTailUs = 0 }) => sum + idleTailUs, 0);
  expect([hoursOf('idle while owned'), hoursOf('lost while owned')]).toEqual([tailUs / HOUR, tailUs / HOUR]);
  expect(stdout).toContain('No forecast: ');
  expect(stdout).toContain('No node failed ');
  expect(stdout).toContain(`  ${join(directory, '2023-10-fleet.html')}\n`);
});

test('the mail command gets text and paths, its own arguments, no secret, and names that obey nobody', async () => {
  const month = monthName(LAST);
  const ours = { QDB_CLIENT_CONF: server.conf, SITE_TOKEN: SECRET };
  const line = ['digest', '--directory', directory, '--mail', '--config', file];
  const { exitCode, stdout, stderr } = await runLine(line, ours);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  const { text, argv, env, calls } = gotten();
  expect([text, argv, calls]).toEqual([stdout, [], 1]);
  expect(text).toMatch(/^ {2}lost while owned +10 GPU-hours +100 % of what was owned$/m);
  expect(text).toContain('~!touch evil␛[2J');
  expect(text).not.toMatch(/[\0-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]|^[~.=]/m);
  const { GPULEDGER_DIGEST_MONTH, GPULEDGER_DIGEST_PAGE, GPULEDGER_DIGEST_CAPACITY, ...others } = env;
  expect([GPULEDGER_DIGEST_MONTH, GPULEDGER_DIGEST_PAGE, GPULEDGER_DIGEST_CAPACITY]).toEqual([
    month,
    join(directory, `${month}-fleet.html`),
    join(directory, `${month}-accounts.csv`),
  ]);
  expect(Object.keys(others).filter((name) => /GPULEDGER|QDB/.test(name))).toEqual([]);
  expect(JSON.stringify(env)).not.toContain(SECRET);
  expect(read(`${month}-fleet.html`)).not.toContain('<img src=x');
  expect(read(`${month}-accounts.csv`)).toContain('~!touch evil');
});

test('what cannot be has its sentence and its exit code', async () => {
  const current = monthName({ year: new Date().getUTCFullYear() + 1, month: 1 });
  const refused = async (exit: number, sentence: string, ...args: string[]): Promise<void> => {
    const ended = await run('digest', ...args);
    expectRefusal(ended);
    expect([ended.exitCode, ended.stdout]).toEqual([exit, '']);
    expect(ended.stderr).toContain(sentence);
  };
  await refused(64, 'expected a month that has ended', '--directory', directory, '--month', current);
  await refused(64, 'expected a month from 1970-01 on', '--directory', directory, '--month', '2023-13');
  await refused(69, 'nothing was sampled in 2022-01', '--directory', directory, '--month', '2022-01');
  expect(readdirSync(directory)).toEqual(['lock']);
  await refused(78, 'expected digest.directory in the configuration, came nothing');
  await refused(78, 'the digest cannot be written', '--directory', join(file, 'below'));
  const release = await lockDirectory(directory);
  await refused(75, 'another gpuledger is writing a digest', '--directory', directory, '--month', '2023-10');
  release();
  const away = await runLine(['digest', '--config', file, '--directory', directory]);
  expectRefusal(away);
  expect([away.exitCode, readdirSync(directory)]).toEqual([75, ['lock']]);
  // A directory where a file should be.
  mkdirSync(join(directory, '2023-10-accounts.csv'));
  await refused(78, 'the digest cannot be written', '--directory', directory, '--month', '2023-10');
});

test('a command that fails, or hangs, leaves the files, and says so', async () => {
  const failing = join(home, 'failing.yaml');
  writeFileSync(failing, `${CONFIG}digest:\n  directory: ${directory}\n  mail_command: [/bin/false]\n`);
  const args = ['digest', '--month', '2023-10', '--config', failing];
  const ended = await runLine([...args, '--mail'], { QDB_CLIENT_CONF: server.conf });
  expect(ended.exitCode).toBe(75);
  expect(ended.stderr).toContain('the digest of 2023-10 is written and not mailed: /bin/false ended with 1');
  expect(readdirSync(directory)).toContain('2023-10-fleet.html');
  const closing = new AbortController().signal;
  const written = { month: '2023-10', text: '', paths: {} };
  await expect(mailDigest(['/bin/sleep', '600'], written, { closing, timeMsMax: 1_000 })).rejects.toThrow(
    '/bin/sleep did not end within 1 s',
  );
});

/** As `run` does it. @param mail the command, or how often it fails */
function resident(
  store: QuestDb,
  mail: number | [string, ...string[]],
  onWait: (close: () => void) => void = () => undefined,
) {
  const notices: Notice[] = [];
  const waits: number[] = [];
  const own = {
    ...config,
    digest: {
      schedule: '0 0 6 1 * *',
      directory,
      mailCommand: typeof mail === 'number' ? mailing(mail) : mail,
    },
  };
  const digesting = digestBeside(
    store,
    own,
    (notice) => notices.push(notice),
    (ms, signal) => {
      waits.push(ms);
      onWait(() => {
        digesting.close();
      });
      return signal.aborted ? Promise.reject(signal.reason as Error) : Promise.resolve();
    },
  )!;
  const told = (): string[] =>
    notices.filter(({ level }) => level !== 'debug').map(({ level, code }) => `${level} ${code}`);
  return { digesting, told, waits, notices };
}

test('run tries again until it is mailed, tells a fault once, and waits longer each time', async () => {
  const { digesting, told, waits } = resident(db, 3);
  await digesting.digest();
  expect(told()).toEqual(['warn digest.mail', 'info digest.written']);
  expect([gotten().calls, waits.length]).toEqual([4, 3]);
  waits.forEach((ms, index) => {
    expect(ms).toBeGreaterThanOrEqual(30_000 * 2 ** index);
    expect(ms).toBeLessThanOrEqual(60_000 * 2 ** index);
  });
});

test('run gives up on a store that stays away, after so many tries', async () => {
  const nowhere = await openQuestDb('http::addr=127.0.0.1:1;retry_timeout=0;', { requestTimeoutMs: 1_000 });
  const { digesting, told, waits } = resident(nowhere, 0);
  await digesting.digest();
  expect(told()).toEqual(['warn questdb.unreachable', 'error questdb.unreachable']);
  expect(waits).toHaveLength(DIGEST_TRIES_MAX - 1);
  await nowhere.close();
});

test('a run that ends breaks it off, in a question as well as in a wait, and that is no fault', async () => {
  const waiting = resident(db, 100, (close) => {
    close();
  });
  await waiting.digesting.digest();
  expect([waiting.told(), waiting.waits.length]).toEqual([['warn digest.mail'], 1]);
  // A command that does not end.
  const started = join(home, `started-${count}`);
  const hangs = [process.execPath, '-e', `fs.writeFileSync('${started}', ''); setInterval(() => {}, 1e3)`];
  const mailed = resident(db, hangs as [string, ...string[]]);
  const mailingOver = mailed.digesting.digest();
  await expect.poll(() => existsSync(started)).toBe(true);
  mailed.digesting.close();
  await mailingOver;
  expect([mailed.notices, mailed.waits]).toEqual([[], []]);
  // A question that is never answered.
  const asked = Promise.withResolvers<undefined>();
  const silent: QuestDb = {
    ...db,
    where: db.where,
    exec: () => {
      asked.resolve(undefined);
      return new Promise(() => undefined);
    },
  };
  const asking = resident(silent, 0);
  const over = asking.digesting.digest();
  await asked.promise;
  asking.digesting.close();
  await over;
  expect(asking.notices).toEqual([]);
  // The claim on the directory is given back.
  (await lockDirectory(directory))();
});

test('run writes it at its time, and samples and writes meanwhile', async () => {
  const place = createPlace(`source: synthetic
synthetic: { gpus: 1 }
time_zone: Europe/Berlin
digest:
  schedule: "*/2 * * * * *"
  directory: ${directory}
  mail_command: ${JSON.stringify(mailing(0))}`);
  const running = startResident(place, server.conf);
  await running.logged('digest.written');
  await expect.poll(() => gotten().calls).toBeGreaterThan(1);
  expect(gotten().env['GPULEDGER_DIGEST_MONTH']).toBe(monthName(LAST));
  running.child.kill('SIGTERM');
  const ended = await running.ended;
  expect(ended[0], JSON.stringify(running.log())).toBe(0);
  expect(running.log().filter(({ event }) => /dropped|lost|job\.failed/.test(event))).toEqual([]);
  expect(read(`${monthName(LAST)}-fleet.html`)).toContain('</html>');
  expect((await db.exec(`SELECT count() FROM ${place.table}`)).rows[0]![0]).toBeGreaterThan(10);
});

test('nobody writes one who has not asked for it', () => {
  expect(digestBeside(db, config, () => undefined)).toBeUndefined();
});
