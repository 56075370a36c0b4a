/**
 * Goal: the digest of a user has each job in the one window in which it ended, beside the window before; says what is not known as
 * such; and is short whoever asks for whatever name. Method: two weeks made by hand of what is kept of jobs, in a real QuestDB, and
 * the command as users have it.
 */
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { keptColumns } from '../../schemas/tables.ts';
import type { CostRates } from '../../src/core/costs/costs.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { userFigures, type UserQueryOptions } from '../../src/figures/user/user.ts';
import type { EndedRuns, UserFigures } from '../../src/figures/user/user-figures.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { userJson } from '../../src/report/user/user-json.ts';
import { renderUserReport } from '../../src/report/user/user-text.ts';
import { insertRows, type Row } from '../helpers/insert-rows.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { runCommand, type Ended } from '../helpers/run-process.ts';

const HOUR = 3600e6;
const WEEK = 7 * 24 * HOUR;
const FROM = Date.UTC(2026, 1, 9) * 1000;
const TO = FROM + WEEK;
const HOSTILE = 'dig\'; DROP TABLE jobs; --\u202e\u001b[2J\n"';
const LONG = 'digest-'.padEnd(3000, 'ä');

const lane: Lane = {
  name: 'profiling',
  table: 'gpu_profiling',
  schedule: 'continuous',
  intervalMs: 1000,
  fields: [1001, 1002, 156].map((id) => findField(id)!),
  capacityTicks: 100,
};

interface Job {
  readonly id: string;
  readonly user: string;
  readonly toUs: number;
  readonly hours: number;
  readonly state?: string;
  readonly name?: string;
  readonly cluster?: string;
  /** GPU-hours; undefined where nothing is kept of it. */
  readonly usedHours?: number;
  /** Its part of its device, which is all of it unless told. */
  readonly part?: number;
  /** GPU-hours by cause; undefined where nothing was concluded. */
  readonly causes?: Readonly<Record<string, number>>;
  readonly findings?: string;
}

const JOBS: readonly Job[] = [
  { id: '72001', user: 'dora', toUs: FROM - 10 * HOUR, hours: 10, usedHours: 5 },
  // At the very end of a window: in it, and not in the next one.
  { id: '72002', user: 'dora', toUs: FROM, hours: 1, usedHours: 1, causes: { effective: 1 } },
  {
    ...{ id: '72011', user: 'dora', toUs: FROM + 5 * HOUR, hours: 10, usedHours: 4, name: 'train-llm' },
    ...{ causes: { effective: 6, pause: 3, gaps: 1 }, findings: 'pauses,kernel-gaps' },
  },
  {
    ...{ id: '72012', user: 'dora', toUs: FROM + 50 * HOUR, hours: 5, usedHours: 1, state: 'FAILED' },
    ...{ causes: { effective: 1, idle_tail: 4 }, findings: 'idle-tail,of-another-version', name: HOSTILE },
  },
  { id: '72013', user: 'dora', toUs: FROM + 60 * HOUR, hours: 1, usedHours: 0.5, cluster: 'b' },
  {
    id: '72016',
    user: 'dora',
    toUs: TO,
    hours: 1,
    usedHours: 1,
    causes: { effective: 1 },
    findings: 'pauses',
  },
  // It goes on when the window ends.
  { id: '72014', user: 'dora', toUs: TO + HOUR, hours: 3, usedHours: 3, causes: { effective: 3 } },
  // Of half of the time it is not known what was lost, and of the rest little was.
  { id: '72021', user: 'digger', toUs: TO - HOUR, hours: 4, usedHours: 1 },
  {
    id: '72022',
    user: 'digger',
    toUs: TO - HOUR,
    hours: 4,
    usedHours: 2,
    causes: { effective: 3, pause: 1 },
  },
  // Nothing was seen of it.
  { id: '72031', user: 'dark', toUs: TO - HOUR, hours: 4 },
  { id: '72041', user: HOSTILE, toUs: TO - HOUR, hours: 1, usedHours: 0.5, state: HOSTILE },
  { id: '72042', user: LONG, toUs: TO - HOUR, hours: 1, usedHours: 0.5 },
  { id: '72061', user: 'sharer', toUs: FROM - HOUR, hours: 4, usedHours: 1, part: 0.5 },
  { id: '72062', user: 'sharer', toUs: TO - HOUR, hours: 4, usedHours: 1 },
  { id: '72051', user: 'later', toUs: TO + HOUR, hours: 2, usedHours: 2 },
];

const gpuOf = ({ id }: Job): string => `GPU-D${id}`;
const startOf = ({ toUs, hours }: Job): number => toUs - hours * HOUR;

function keptRow(job: Job): Row {
  const { id, toUs, hours, usedHours = 0, part = 1, causes, findings = '', cluster = 'a' } = job;
  const us = hours * HOUR;
  const sm = keptColumns('smActive');
  return {
    ...{ ts: startOf(job), end_ts: toUs, job_id: id, gpu: gpuOf(job), run: 0, node: 'n1', cluster },
    ...{ owned_us: us, dt_us: us, attributed_us: us * part, samples: hours * 3600, step_count: hours * 3600 },
    ...{ written_ts: TO + 2 * HOUR, energy_rise_joules: hours * 3.6e5, energy_rise_dt_us: us },
    ...{ [sm.sum]: usedHours * HOUR, [sm.knownUs]: us, [sm.max]: 1 },
    ...{ causes_origin: causes && 'samples', causes_cut: causes && 0, findings: causes && findings },
    ...Object.fromEntries(
      Object.entries(causes ?? {}).map(([cause, own]) => [`cause_${cause}_us`, own * HOUR]),
    ),
  };
}

const EXPECTED = `GPUs of dora · 2026-02-09 00:00:00 → 2026-02-16 00:00:00 UTC
  4 jobs ended: 3 COMPLETED, 1 FAILED

             these 7 d  the 7 d before
  jobs               4               2  100 % more
  GPU-hours     17.0 h          11.0 h  55 % more
  used           6.5 h           6.0 h  8 % more
  wasted        10.5 h           5.0 h  110 % more
  energy      1.70 kWh        1.10 kWh  55 % more
  1 job had not ended: a job counts, whole, when it has.
  1 job had no GPUs, or nobody recorded which: not counted.

  Where the time went (of 3 of 4 jobs)
    effective             50 %  8 GPU-hours
    idle at the end       25 %  4 GPU-hours
    pauses of all GPUs    19 %  3 GPU-hours
    gaps between kernels   6 %  1 GPU-hours

  Lost most (GPU-hours that were seen and not effective)
     4 of 5 GPU-hours  gpuledger report job 72012  dig'; DROP TABLE jobs; --<U+202E>␛[2J␊", idle-tail, of-another-version
    4 of 10 GPU-hours  gpuledger report job 72011  train-llm, pauses, kernel-gaps

  What stood out most often (of 3 of 4 jobs)
    pauses              2 jobs  checkpoints or evaluations? Rarer, or beside the work
    idle-tail            1 job  end the job when its work is done
    of-another-version   1 job

  Whether a job idles now: gpuledger watch-idle --user dora
`;

/** Of its own: the command reads the tables of the lanes that there are without a configuration. */
let server: TestQuestdb;
let db: QuestDb;
beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  await insertRows(
    db,
    'gpu_ownership',
    JOBS.map((job) => ({
      ...{ ts: startOf(job), end_ts: job.toUs, job_id: job.id, gpu: gpuOf(job), run: 0, node: 'n1' },
      ...{ source: 'test', cluster: job.cluster ?? 'a' },
    })),
  );
  // A row each: a name of 3,000 characters is all that a statement has room for.
  const cpuAlone: Job = { id: '72015', user: 'dora', toUs: TO - HOUR, hours: 1 };
  for (const job of [...JOBS, cpuAlone])
    await insertRows(db, 'jobs', [
      {
        ...{ ts: startOf(job), end_ts: job.toUs, job_id: job.id, run: 0, user: job.user, name: job.name },
        ...{ state: job.state ?? 'COMPLETED', cluster: job.cluster ?? 'a' },
      },
    ]);
  await insertRows(db, 'job_figures', JOBS.filter(({ usedHours }) => usedHours !== undefined).map(keptRow));
  await insertRows(
    db,
    'gpu_inventory',
    JOBS.map((job) => ({
      ...{ ts: FROM - WEEK, node: 'n1', gpu: gpuOf(job), source: 'test' },
      model: job.id === '72012' ? 'NVIDIA L40S' : 'NVIDIA H200',
    })),
  );
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

async function digest(options: Partial<UserQueryOptions> = {}): Promise<UserFigures> {
  const asked = { user: 'dora', fromUs: FROM, toUs: TO, nowUs: TO + 3 * HOUR };
  return await userFigures(db, [lane], { ...asked, ...options });
}

const text = (figures: UserFigures): string =>
  renderUserReport(figures, { width: Infinity, isColored: false });
const lineOf = (figures: UserFigures, start: string): string | undefined =>
  text(figures)
    .split('\n')
    .find((line) => line.trimStart().startsWith(start));

test('each job is in the window in which it ended, whole', async () => {
  const { ended, before, notEnded, withoutGpus, losing, lostBy, causes, findings } = await digest();
  const inHours = ({ runs, ownedGpuUs, used, energy }: EndedRuns): unknown => [
    ...[runs, ownedGpuUs / HOUR, used!.value / HOUR, used!.knownUs / HOUR, energy!.value / 3.6e5],
  ];
  expect(inHours(ended)).toEqual([4, 17, 6.5, 17, 17]);
  expect(inHours(before)).toEqual([2, 11, 6, 11, 11]);
  expect([ended.fromUs, ended.toUs, before.fromUs, before.toUs]).toEqual([FROM, TO, FROM - WEEK, FROM]);
  expect([...ended.states]).toEqual([
    ['COMPLETED', 3],
    ['FAILED', 1],
  ]);
  expect([notEnded, withoutGpus]).toEqual([1, 1]);
  expect([causes.runs, [...causes.parts].map(([cause, { us }]) => [cause, us / HOUR])]).toEqual([
    3,
    [
      ['idleTail', 4],
      ['pause', 3],
      ['gaps', 1],
      ['effective', 8],
    ],
  ]);
  // Equal losses: those that began later come first, as in the table of many jobs.
  expect([lostBy, losing.map(({ row, lostUs }) => [row.jobId, lostUs / HOUR])]).toEqual([
    'lost',
    [
      ['72012', 4],
      ['72011', 4],
    ],
  ]);
  expect(findings).toEqual({
    runs: 3,
    rules: [
      { rule: 'pauses', runs: 2 },
      { rule: 'idle-tail', runs: 1 },
      { rule: 'of-another-version', runs: 1 },
      { rule: 'kernel-gaps', runs: 1 },
    ],
  });
});

test('the week after has what went on, and weeks add up', async () => {
  const next = await digest({ fromUs: TO, toUs: TO + WEEK, nowUs: TO + WEEK });
  expect([next.ended.runs, next.before.runs, next.notEnded]).toEqual([1, 4, 0]);
  const both = await digest({ fromUs: FROM - WEEK, toUs: TO });
  expect(both.ended.ownedGpuUs).toBe(28 * HOUR);
});

test('is told in few lines', async () => {
  expect(text(await digest()).replaceAll(/[\u00a0\u2009\u202f]/g, ' ')).toBe(EXPECTED);
});

test('a cluster alone', async () => {
  const figures = await digest({ cluster: 'b' });
  expect([figures.ended.runs, figures.before.runs]).toEqual([1, 0]);
  expect(text(figures)).toContain('GPUs of dora · cluster b · 2026-02-09');
  // Of the week before nothing is known, which is no 0.
  expect(lineOf(figures, 'GPU-hours')).toMatch(/^ {2}GPU-hours +1\.00.h +–$/);
});

test('of a shared device it is told why its hours are more than what was used and wasted', async () => {
  const figures = await digest({ user: 'sharer' });
  expect(lineOf(figures, 'wasted')).toMatch(/^ {2}wasted +3\.00.h +1\.50.h/);
  expect(text(figures)).toContain('GPU-hours are of whole GPUs, also of shared ones');
  expect(text(await digest({ user: 'digger' }))).not.toContain('shared');
});

describe('what is not known', () => {
  test('where too little is known of losses, jobs are told by what they wasted', async () => {
    const figures = await digest({ user: 'digger' });
    expect(figures.lostBy).toBe('wasted');
    expect(figures.losing.map(({ row, lostUs }) => [row.jobId, lostUs / HOUR])).toEqual([
      ['72021', 3],
      ['72022', 2],
    ]);
    expect(text(figures)).toContain('Wasted most (GPU-hours less SM activity)');
    expect(text(figures)).toContain('Where the time went (of 1 of 2 jobs)');
  });

  test('of a job that nobody saw nothing is told but its GPU-hours', async () => {
    const figures = await digest({ user: 'dark' });
    expect([figures.ended.used, figures.ended.energy]).toEqual([undefined, undefined]);
    expect(text(figures)).not.toMatch(/used|wasted|energy|went|Lost|stood out/);
    expect(JSON.parse(userJson(figures))).not.toHaveProperty('ended.usedUs');
  });

  test('what is known of a part is told so, and not held against another', async () => {
    const figures = await digest();
    const { used } = figures.ended;
    const part = { ...figures, ended: { ...figures.ended, used: { ...used!, knownUs: used!.knownUs / 2 } } };
    expect(lineOf(figures, 'used')).toMatch(/8.% more$/);
    expect(lineOf(part, 'used')).toMatch(/6\.0.h$/);
    expect(text(part)).toMatch(/known: used and wasted of 50.% of the time\./);
  });

  test.each([
    ['nobody', 'no job of this user was there then, or in the same time before'],
    ['later', '1 job had not ended: a job counts, whole, when it has.'],
  ])('%s has no job that ended', async (user, sentence) => {
    const figures = await digest({ user });
    expect(text(figures)).toContain('UTC\n  no job ended\n');
    expect(text(figures)).toContain(sentence);
    expect(text(figures)).not.toMatch(/GPU-hours/);
  });
});

describe('costs', () => {
  const costs: CostRates = {
    currency: 'EUR',
    gpuHour: { models: new Map([['NVIDIA H200', 3]]), others: undefined },
    rgu: undefined,
    kwhPrice: 0.5,
    pue: 1.5,
    gramsPerKwh: 100,
  };

  test('stand beside those before; one that is of a part is not held against them', async () => {
    const figures = await digest({ costs });
    // 12 of 17 GPU-hours have a price.
    expect(figures.ended.costs!.gpuHours).toMatchObject({ value: 36, covered: 12 * HOUR, of: 17 * HOUR });
    expect(lineOf(figures, 'cost')).toMatch(/^ {2}cost +36\.00.EUR +33\.00.EUR$/);
    // 17 and 11 times 0.1 kWh.
    expect(lineOf(figures, 'energy cost')).toMatch(/^ {2}energy cost +1\.28.EUR +0\.83.EUR +55.% more$/);
    expect(text(figures)).toContain('cost is of 12 of 17');
    expect(lineOf(await digest(), 'cost')).toBeUndefined();
  });

  test('and with everything there is to tell it fits a mail', async () => {
    const figures = await digest({ costs: { ...costs, rgu: { models: new Map(), others: 1 } } });
    const [first] = figures.losing;
    const full = {
      ...figures,
      ended: { ...figures.ended, states: new Map(Array.from({ length: 12 }, (_, at) => [`STATE_${at}`, 1])) },
      losing: Array.from({ length: 5 }, () => first!),
      withoutGpus: 7,
      before: { ...figures.before, isShared: true },
    };
    expect(text(full).trimEnd().split('\n').length).toBeLessThanOrEqual(40);
    expect(text(full)).toContain('1 STATE_4, in 7 other states');
  });
});

describe('the command', () => {
  const run = async (...args: string[]): Promise<Ended> =>
    await runCommand(['report', 'user', '--from', '2026-02-09', '--to', '2026-02-16', ...args], {
      env: { QDB_CLIENT_CONF: server.conf, GPULEDGER_CONFIG: undefined },
    });
  const schema = new URL('../../infra/schemas/report-user.schema.json', import.meta.url);
  const validate = new Ajv2020({ allErrors: true, strict: true }).compile(
    JSON.parse(readFileSync(schema, 'utf8')) as object,
  );

  test.each([
    ['a user', 'dora', 4],
    ['one without jobs', 'nobody', 0],
    ['one whose name begins as a flag', '--json', 0],
    ['a hostile name', HOSTILE, 1],
    ['a long name', LONG, 1],
  ])('%s: text and JSON', async (_, user, runs) => {
    const asText = await run('--', user);
    expect([asText.exitCode, asText.stderr]).toEqual([0, '']);
    expect(asText.stdout).not.toMatch(/[^\P{Cc}\n]|\u202e/u);
    if (runs === 0) expect(asText.stdout).toContain('\n  no job ended\n');
    else expect(asText.stdout).toMatch(new RegExp(`^ {2}jobs +${runs} `, 'm'));
    for (const line of asText.stdout.split('\n').slice(0, 2)) expect(line.length).toBeLessThanOrEqual(100);
    const asJson = await run('--json', '--', user);
    const told: unknown = JSON.parse(asJson.stdout);
    expect(told).toMatchObject({ user, ended: { runs, fromUs: FROM, toUs: TO } });
    validate(told);
    expect(validate.errors ?? []).toEqual([]);
  });

  test.each([
    ['--from', '0001-01-01'],
    ['--since', '9999999w'],
  ])('%s %s: all that there is, before which there was nothing', async (...flags) => {
    const { exitCode, stdout, stderr } = await runCommand(
      ['report', 'user', 'dora', ...flags, '--to', '2026-02-16', '--json'],
      { env: { QDB_CLIENT_CONF: server.conf, GPULEDGER_CONFIG: undefined } },
    );
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toMatchObject({ ended: { runs: 6, fromUs: 0 }, before: { runs: 0 } });
  });
});
