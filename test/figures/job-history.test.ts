/**
 * Goal: a job is held against the runs that it can be held against and no others, by amounts that are known, and nobody is accused by
 * what is not. Method: made runs of made users in a real QuestDB, with samples of one power, kept figures, or neither.
 */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { jobReport } from '../../schemas/reports/job-report.ts';
import { USUAL_FINDING_LIMITS } from '../../src/core/analysis/finding-limits.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import type { JobFigures } from '../../src/figures/job/figures.ts';
import { accountOf } from '../../src/figures/job/tasks.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { renderJobReport } from '../../src/report/job-text.ts';
import { jobJson } from '../../src/report/json.ts';
import { insertRows } from '../helpers/insert-rows.ts';

const S = 1e6;
const T0 = Date.UTC(2026, 4, 11, 8) * 1000;
const at = (second: number): number => T0 + second * S;
const HOSTILE = 'o\'x"; DROP TABLE jobs; --\u202e';
const lane: Lane = {
  ...{ name: 'jobhistory', table: 'gpu_jobhistory', schedule: 'continuous', intervalMs: 1000 },
  ...{ fields: [1002, 155].map((id) => findField(id)!), capacityTicks: 100 },
};

interface Made {
  readonly job: string;
  readonly user?: string;
  readonly name?: string | undefined;
  readonly cluster?: string;
  readonly state?: string | undefined;
  readonly exit?: number;
  readonly run?: number;
  /** Seconds since T0. */
  readonly from: number;
  readonly to: number;
  readonly gpus: readonly string[];
  /** Where it is sampled, up to then. */
  readonly watts?: number;
  readonly seenFrom?: number;
  readonly seenTo?: number;
  /** SM activity goes up and down in so many seconds. */
  readonly beat?: number;
  /** What was kept of it. */
  readonly kept?: Readonly<Record<string, string | number>>;
}

/** A chain of runs of a user, each 1000 s after the other. */
const chain = (user: string, gpu: string, runs: readonly Partial<Made>[]): Made[] =>
  runs.map((one, index) => {
    const from = one.from ?? index * 1000;
    return {
      ...{ job: `${user}-${index}`, user, name: 'train', cluster: 'hist', state: 'COMPLETED', gpus: [gpu] },
      ...{ to: from + 600, ...one, from },
    };
  });
const times = (count: number, of: (index: number) => Partial<Made>): Partial<Made>[] =>
  Array.from({ length: count }, (_, index) => of(index));

const steps = (periodUs: number, joules: number): NonNullable<Made['kept']> => ({
  ...{ steps_interval_us: 1e6, steps_period_us: periodUs, steps_period_min_us: periodUs },
  ...{ steps_period_max_us: periodUs, steps_explained_ratio: 0.9, steps_windows: 6, steps_windows_agreed: 6 },
  ...{ steps_active_us: 600 * S, steps_joules: joules, causes_origin: 'no_engine' },
});

const failing = (to: number, rest: Partial<Made> = {}): Partial<Made> => ({
  state: 'FAILED',
  exit: 1,
  to,
  ...rest,
});
const fails = (user: string, lengths: readonly number[]): Made[] =>
  chain(
    user,
    `F-${user}`,
    lengths.map((length, index) => failing(index * 1000 + length)),
  );

const RUNS: readonly Made[] = [
  // Usually 600 to 602 s, the last one 780 s.
  ...chain('slower', 'A0', [
    ...times(8, (index) => ({ watts: 128, to: index * 1000 + 600 + (index % 3) })),
    { from: 8000, to: 8780, watts: 128 },
  ]),
  ...chain(
    'equal',
    'A1',
    times(9, () => ({ watts: 128 })),
  ),
  // More power, and not more time.
  ...chain('hotter', 'A2', [...times(6, () => ({ watts: 128 })), { watts: 192 }]),
  // The fourth run of five was seen for half of its time, the last one for 94 %.
  ...chain('unseen', 'A3', [
    ...times(6, (index) => ({ watts: 128, ...(index === 3 ? { seenTo: index * 1000 + 300 } : {}) })),
    { watts: 512, seenTo: 6564 },
  ]),
  ...chain(
    HOSTILE,
    'A4',
    times(6, (index) => ({ job: `hostile-${index}`, name: HOSTILE })),
  ),
  ...chain('choosy', 'B0', [
    ...times(6, () => ({})),
    { job: 'choosy-two-gpus', gpus: ['B1', 'B2'] },
    { job: 'choosy-model', gpus: ['C0'] },
    { job: 'choosy-part', gpus: ['C1'] },
    { job: 'choosy-unknown', gpus: ['C2'] },
    { job: 'choosy-name', name: 'serve' },
    { job: 'choosy-failed', state: 'FAILED' },
    { job: 'choosy-cancelled', state: 'CANCELLED' },
    { job: 'choosy-exit', state: undefined, exit: 3 },
    { job: 'choosy-elsewhere', cluster: 'hist-b', gpus: ['B3'] },
    { job: 'choosy-requeued', state: undefined, run: 0 },
    { job: 'choosy-requeued', run: 1, exit: 0 },
    { job: 'choosy-untold', state: undefined },
    { job: 'choosy-over', gpus: ['B4'], to: 18_001 },
    { job: 'choosy', from: 18_000 },
    { job: 'choosy-later', from: 19_000 },
  ]),
  ...chain(
    'other',
    'B5',
    times(6, () => ({})),
  ),
  ...chain(
    'nameless',
    'B6',
    times(6, () => ({ name: undefined })),
  ),
  ...chain(
    'stranger',
    'C2',
    times(6, () => ({})),
  ),
  // Steps of 15 s and 900 J were usual.
  ...chain('stepping', 'D0', [
    ...times(6, () => ({ kept: steps(15 * S, 900) })),
    { from: 6000, to: 8400, watts: 128, beat: 20 },
  ]),
  ...fails('looping', [100, 290, 100, 40]).map((one) => ({ ...one, watts: 128 })),
  // Somebody asks for it again.
  ...fails('looping-again', [100, 100, 100]).map((one, run) => ({ ...one, job: 'looping-again', run })),
  ...fails('looping-once', [100, 100]),
  ...fails('looping-long', [100, 301, 100, 100]),
  ...chain('looping-late', 'F-late', [
    failing(100),
    failing(1900, {
      kept: {
        first_light_us: 700 * S,
        steps_interval_us: 1e6,
        steps_none: 'inactive',
        causes_origin: 'no_engine',
      },
    }),
    failing(2100),
  ]),
  // What the last one did before its samples begin nobody knows.
  ...chain('looping-dark', 'F-dark', [
    failing(100),
    failing(1100),
    failing(3500, { watts: 128, seenFrom: 3300 }),
  ]),
  ...chain('looping-mended', 'F-mended', [failing(100), failing(1100), {}, failing(3100), failing(4100)]),
  ...chain('looping-done', 'F-done', [failing(100), failing(1100), failing(2100), {}]),
  // Tasks at the same time.
  ...chain('looping-array', 'F-array', [
    failing(100, { from: 0, gpus: ['F0'] }),
    failing(101, { from: 1, gpus: ['F1'] }),
    failing(102, { from: 2, gpus: ['F2'] }),
    failing(300, { from: 200 }),
  ]),
];

let db: QuestDb;

async function writeSamples({
  job,
  gpus,
  from,
  to,
  watts,
  seenFrom = from,
  seenTo = to,
  beat,
}: Made): Promise<void> {
  if (watts === undefined) return;
  const sm = beat === undefined ? '0.9' : `CASE WHEN x % ${beat} < ${beat * 0.7} THEN 0.9 ELSE 0.3 END`;
  for (const gpu of gpus)
    await db.exec(
      'INSERT INTO gpu_jobhistory (ts, cluster, node, gpu, job_id, owners, dt_us, sm_active_ratio, power_watts)' +
        ` SELECT cast(${at(seenFrom)} + x * 1000000 AS TIMESTAMP), 'hist', 'n1', '${gpu}', '${job}', 1, 1000000, ${sm}, ${watts}` +
        ` FROM long_sequence(${seenTo - seenFrom})`,
    );
}

/** A night of another user, a minute each, of which nothing was sampled. */
const MANY = 300;
async function writeMany(): Promise<void> {
  const start = `cast(${T0} + x * 60000000 AS TIMESTAMP)`;
  const end = `cast(${T0} + (x + 1) * 60000000 AS TIMESTAMP)`;
  await db.exec(
    'INSERT INTO jobs (ts, end_ts, cluster, job_id, run, name, user, state)' +
      ` SELECT ${start}, ${end}, 'hist', concat('many-', x), 0, 'train', 'many', 'COMPLETED' FROM long_sequence(${MANY + 1})`,
  );
  await db.exec(
    'INSERT INTO gpu_ownership (ts, end_ts, cluster, node, gpu, job_id, run, source)' +
      ` SELECT ${start}, ${end}, 'hist', 'n1', 'E0', concat('many-', x), 0, 'test' FROM long_sequence(${MANY + 1})`,
  );
}

beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  for (const made of RUNS) await writeSamples(made);
  await writeMany();
  const stays = RUNS.flatMap(({ job, gpus, from, to, run = 0, cluster = 'hist', kept }) =>
    gpus.map((gpu) => ({
      stay: { ts: at(from), end_ts: at(to), cluster, job_id: job, gpu, run, node: 'n1' },
      kept,
    })),
  );
  await insertRows(
    db,
    'gpu_ownership',
    stays.map(({ stay }) => ({ ...stay, source: 'test' })),
  );
  await insertRows(
    db,
    'job_figures',
    stays.flatMap(({ stay, kept }) =>
      kept === undefined
        ? []
        : [{ ...stay, ...kept, owned_us: stay.end_ts - stay.ts, samples: 1, written_ts: at(1e5) }],
    ),
  );
  await insertRows(
    db,
    'jobs',
    RUNS.map(({ job, from, to, run = 0, cluster = 'hist', user, name, state, exit }) => ({
      ...{ ts: at(from), end_ts: at(to), cluster, job_id: job, run, user, name, state, exit_code: exit },
    })),
  );
  const models: Readonly<Record<string, string>> = { C0: 'NVIDIA L40S' };
  const gpus = [...new Set([...RUNS.flatMap((one) => one.gpus), 'E0'])].filter((gpu) => gpu !== 'C2');
  await insertRows(
    db,
    'gpu_inventory',
    gpus.map((gpu) => ({
      ...{ ts: at(-100), cluster: gpu === 'B3' ? 'hist-b' : 'hist', node: 'n1', gpu, source: 'test' },
      ...{ model: models[gpu] ?? 'NVIDIA H200', mig_profile: gpu === 'C1' ? '3g.71gb' : '' },
    })),
  );
  for (const table of [lane.table, 'jobs', 'gpu_ownership']) await waitForVisible(db, table);
});
afterAll(async () => {
  await db.close();
});

async function reported(jobId: string, nowUs = at(1e5), regressionRatio = 0.05): Promise<JobFigures> {
  const findingLimits = { ...USUAL_FINDING_LIMITS, regressionRatio };
  const account = await accountOf(db, [lane], jobId, { nowUs, findingLimits });
  if (account.of !== 'job') throw new Error(`${jobId} is no job`);
  return account.figures;
}

const idsOf = ({ history }: JobFigures): unknown => history?.runs.map(({ typedId }) => typedId);
const amountOf = ({ history }: JobFigures, key: string): unknown =>
  history?.compared.find((one) => one.key === key);
const rulesOf = ({ findings }: JobFigures): string[] =>
  findings.map(({ rule }) => rule).filter((rule) => rule === 'regressed' || rule === 'crash-loop');
const plain = (text: string): string => text.replaceAll(/[^\S\n]/g, ' ');

test('a run that takes longer than its last ones is told of', async () => {
  const figures = await reported('slower-8');
  expect(idsOf(figures)).toEqual(times(8, (index) => ({ job: `slower-${7 - index}` })).map(({ job }) => job));
  // 600, 601, 602, 600, 601, 602, 600, 601 s, of 128 W.
  expect(amountOf(figures, 'gpuUs')).toEqual({
    ...{ key: 'gpuUs', value: 780 * S, median: 601 * S, mad: S, count: 8, isRegressed: true },
  });
  expect(amountOf(figures, 'joules')).toEqual({
    ...{ key: 'joules', value: 780 * 128, median: 601 * 128, mad: 128, count: 8, isRegressed: true },
  });
  expect(figures.history!.compared).toHaveLength(2);
  expect(rulesOf(figures)).toEqual(['regressed']);
  const text = plain(renderJobReport(figures, { width: 100, isColored: false }));
  expect(text).toContain(
    [
      '  Beside its last runs',
      '                   this run           median            spread  runs',
      '  GPU time  0.217 GPU-hours  0.167 GPU-hours  <0.001 GPU-hours     8  more than usual',
      '  energy            27.7 Wh          21.4 Wh          0.036 Wh     8  more than usual',
      '  the last 8 runs of this user and name on as many such GPUs; spread: median absolute deviation',
    ].join('\n'),
  );
  expect(text.replaceAll(/\s+/g, ' ')).toContain(
    'it took more than its last runs: GPU time 0.217 GPU-hours, usually 0.167 GPU-hours (median of 8 runs); energy 27.7 Wh,' +
      ' usually 21.4 Wh (median of 8 runs).',
  );
  expect(text).toContain('type: gpuledger report job slower-8 slower-7');
  const json = jobReport.parse(JSON.parse(jobJson(figures)));
  expect(json.history!.compared.gpuUs).toEqual({
    ...{ value: 780 * S, median: 601 * S, mad: S, runs: 8, isRegressed: true },
  });
  expect(json.history!.runs[0]).toEqual({
    ...{ job: 'slower-7', run: 0, startUs: at(7000), endUs: at(7601), gpuUs: 601 * S, joules: 601 * 128 },
  });
  expect(json.findings.find(({ rule }) => rule === 'regressed')).toMatchObject({
    limit: { value: 0.05, unit: 'ratio' },
    evidence: ['jobs', 'job_figures'],
  });
});

test('as much as the configuration says is no news', async () => {
  // 780 s are 29.8 % more than 601.
  expect(rulesOf(await reported('slower-8', at(1e5), 0.29))).toEqual(['regressed']);
  expect(rulesOf(await reported('slower-8', at(1e5), 0.3))).toEqual([]);
});

test('an earlier one knows nothing of those that came after it', async () => {
  expect(idsOf(await reported('slower-2'))).toEqual(['slower-1', 'slower-0']);
  expect((await reported('slower-0')).history).toBeUndefined();
});

test('equal runs are equal', async () => {
  const figures = await reported('equal-8');
  expect(amountOf(figures, 'joules')).toMatchObject({ value: 76_800, median: 76_800, mad: 0, count: 8 });
  expect(rulesOf(figures)).toEqual([]);
  expect(renderJobReport(figures, { width: 100, isColored: false })).not.toContain('more than usual');
});

test('more energy in the same time', async () => {
  const figures = await reported('hotter-6');
  expect(figures.history!.compared.map(({ key, isRegressed }) => [key, isRegressed])).toEqual([
    ['gpuUs', false],
    ['joules', true],
  ]);
});

test('energy of a part of the time is held against nothing', async () => {
  const figures = await reported('unseen-6');
  expect(amountOf(figures, 'joules')).toEqual({
    ...{ key: 'joules', value: undefined, median: 76_800, mad: 0, count: 5, isRegressed: false },
  });
  expect(amountOf(figures, 'gpuUs')).toMatchObject({ value: 600 * S, count: 6 });
  expect(rulesOf(figures)).toEqual([]);
  expect(plain(renderJobReport(figures, { width: 100, isColored: false }))).toMatch(
    /\n {2}energy +– +21\.3 Wh +0 Wh +5\n/,
  );
});

test('other shapes, users, names, clusters and ends are left out', async () => {
  expect(idsOf(await reported('choosy'))).toEqual([
    ...['choosy-untold', 'choosy-requeued', 'choosy-5', 'choosy-4', 'choosy-3', 'choosy-2', 'choosy-1'],
    'choosy-0',
  ]);
  expect((await reported('choosy')).history!.runs[1]!.run).toBe(1);
});

test.each(['nameless-5', 'stranger-5'])('nothing is held against %s', async (jobId) => {
  expect((await reported(jobId)).history).toBeUndefined();
});

test('names are only text', async () => {
  const figures = await reported('hostile-5');
  expect(idsOf(figures)).toHaveLength(5);
  expect(renderJobReport(figures, { width: 100, isColored: false })).not.toContain('\u202e');
});

test('of many runs the newest count', async () => {
  const figures = await reported(`many-${MANY + 1}`);
  expect(idsOf(figures)).toEqual(
    times(20, (index) => ({ job: `many-${MANY - index}` })).map(({ job }) => job),
  );
  expect(figures.history!.compared.map(({ key, count }) => [key, count])).toEqual([['gpuUs', 20]]);
});

describe('steps', () => {
  test('longer ones are told of', async () => {
    const figures = await reported('stepping-6');
    const period = figures.history!.compared.find(({ key }) => key === 'periodUs')!;
    expect(period).toMatchObject({ median: 15 * S, mad: 0, count: 6, isRegressed: true });
    expect(Math.abs(period.value! / (20 * S) - 1)).toBeLessThan(0.01);
    expect(amountOf(figures, 'joulesPerStep')).toMatchObject({ median: 900, isRegressed: true });
  });

  test('also of a running job, whose time is not over', async () => {
    const stay = {
      ts: at(6000),
      cluster: 'hist',
      job_id: 'stepping-6',
      gpu: 'D0',
      run: 0,
      node: 'n1',
      source: 'test',
    };
    const record = {
      ts: at(6000),
      cluster: 'hist',
      job_id: 'stepping-6',
      run: 0,
      user: 'stepping',
      name: 'train',
    };
    try {
      await insertRows(db, 'gpu_ownership', [{ ...stay, end_ts: undefined }]);
      await insertRows(db, 'jobs', [{ ...record, end_ts: undefined, state: 'RUNNING' }]);
      const figures = await reported('stepping-6', at(8400));
      expect(figures.isOpen).toBe(true);
      expect(
        figures.history!.compared.map(({ key, value, isRegressed }) => [
          key,
          value === undefined,
          isRegressed,
        ]),
      ).toEqual([
        ['gpuUs', true, false],
        ['periodUs', false, true],
        ['joulesPerStep', false, true],
      ]);
    } finally {
      await insertRows(db, 'gpu_ownership', [{ ...stay, end_ts: at(8400) }]);
      await insertRows(db, 'jobs', [{ ...record, end_ts: at(8400), state: 'COMPLETED' }]);
    }
  });
});

describe('runs that fail one after the other', () => {
  test.each([
    { job: 'looping-3', count: 4, since: 0, ids: 'looping-3 looping-2 looping-1' },
    // The one that failed late had hardly been active.
    { job: 'looping-again', count: 3, since: 0, ids: undefined },
    { job: 'looping-late-2', count: 3, since: 0, ids: 'looping-late-2 looping-late-1 looping-late-0' },
  ])('$job', async ({ job, count, since, ids }) => {
    const figures = await reported(job);
    expect(rulesOf(figures)).toEqual(['crash-loop']);
    const found = figures.findings.find(({ rule }) => rule === 'crash-loop')!;
    expect(found).toMatchObject({
      ...{ count, sinceUs: at(since), confidence: 'told', lostGpuUs: undefined, evidence: ['jobs'] },
      // An id alone does not say which of its runs is meant.
      command: ids === undefined ? undefined : `gpuledger report job ${ids}`,
    });
    expect(jobReport.parse(JSON.parse(jobJson(figures))).findings.map(({ text }) => text)).toContain(
      `${count} runs of this name failed one after the other, this one too, each within five minutes of its first activity` +
        ' (the first began 2026-05-11 08:00:00 UTC): what do they write before they end?',
    );
  });

  test('are the first that the report tells', async () => {
    const text = renderJobReport(await reported('looping-3'), { width: 100, isColored: false });
    expect(text).toMatch(/^verdict: failed soon, 4 runs one after the other; /);
  });

  test.each([
    ['are too few', 'looping-once-1'],
    ['of which one may have worked for long', 'looping-long-3'],
    ['of which one was not seen at first', 'looping-dark-2'],
    ['with one between that did not', 'looping-mended-4'],
    ['before one that did not', 'looping-done-3'],
    ['at the same time', 'looping-array-3'],
  ])('%s', async (_, job) => {
    expect(rulesOf(await reported(job))).toEqual([]);
  });
});

test('a job without earlier runs costs one question more, without a name none', async () => {
  const asked = { count: 0 };
  const counting: QuestDb = {
    ...db,
    exec: async (sql) => {
      asked.count += 1;
      return await db.exec(sql);
    },
  };
  const questionsOf = async (ask: () => Promise<unknown>): Promise<number> => {
    asked.count = 0;
    await ask();
    return asked.count;
  };
  for (const [job, more] of [
    ['slower-0', 1],
    ['nameless-5', 0],
  ] as const) {
    const alone = await questionsOf(() => jobFigures(counting, [lane], job, { nowUs: at(1e5) }));
    expect(await questionsOf(() => accountOf(counting, [lane], job, { nowUs: at(1e5) })), job).toBe(
      alone + more,
    );
  }
});
