/**
 * Goal: each device is idle below the limit of its model, whatever the limit is, in every report, from samples, minutes, hours, days
 * and kept figures; where an older version kept the idle time by another limit alone, nothing is told. Method: 60 hours of two
 * models and a device of which nobody knows the model, in a real QuestDB; the truth is a loop over the samples.
 */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { IdleLimit, IdleLimits } from '../../src/core/fields/idle-limits.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { CapacityFigures } from '../../src/figures/capacity/figures.ts';
import { capacityFigures } from '../../src/figures/capacity/query.ts';
import type { JobFigures } from '../../src/figures/job/figures.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import { accountOf } from '../../src/figures/job/tasks.ts';
import { createJobFiguresWriter } from '../../src/job-map/job-figures.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups, waitForVisible } from '../../src/questdb/visible.ts';
import { renderCapacityReport } from '../../src/report/capacity-text.ts';
import { jobJson } from '../../src/report/json.ts';
import { renderJobReport } from '../../src/report/job-text.ts';
import { ageMinutes, ageSamples } from '../fleets/age-out.ts';
import { ageOutAll } from '../helpers/age-out.ts';
import { insertRows } from '../helpers/insert-rows.ts';

const S = 1e6;
const HOUR = 3600;
const T0 = Date.UTC(2025, 7, 11) * 1000;
const at = (seconds: number): number => T0 + seconds * S;
const lane: Lane = {
  name: 'idlelim',
  table: 'gpu_idlelim',
  schedule: 'continuous',
  intervalMs: 10_000,
  fields: [findField('1002')!],
  capacityTicks: 100,
};
/** Two of one model, one of another, and one that no inventory knows. */
const MODELS = {
  'L-A0': 'NVIDIA A30',
  'L-A1': 'NVIDIA A30',
  'L-H0': 'NVIDIA H100',
  'L-U0': undefined,
} as const;
const GPUS = Object.keys(MODELS) as (keyof typeof MODELS)[];
const LONG = { from: 25.5, to: 58 * HOUR + 5 };
const BRIEF = { from: 58 * HOUR + 5, to: 58.5 * HOUR + 5 };
const OWNED = { from: LONG.from, to: BRIEF.to };
const SHARED = { from: 6 * HOUR, to: 7 * HOUR, set: '7000000000000000031' };
const ARRAY = '7731';
/** Each model steadily at a level of its own. */
const STEADY = { from: 12 * HOUR, to: 14 * HOUR };

const BY_MODEL: IdleLimits = { smRatio: 0.02, models: new Map([['NVIDIA A', 0.1]]) };
const CASES: readonly (readonly [string, IdleLimits])[] = [
  ['5 % for all', { smRatio: 0.05 }],
  ['1 % for all', { smRatio: 0.01 }],
  ['20 % for all', { smRatio: 0.2 }],
  ['2 % but 10 % for one model', BY_MODEL],
  ['10 % but 5 % for one model', { smRatio: 0.1, models: new Map([['NVIDIA H100', 0.05]]) }],
];

interface Sample {
  readonly gpu: keyof typeof MODELS;
  readonly second: number;
  readonly sm: number | null;
}

let db: QuestDb;
let samples: Sample[];

async function writeSamples(): Promise<void> {
  const within = ({ from, to }: { readonly from: number; readonly to: number }): string =>
    `s > ${from} AND s <= ${to}`;
  const isShared = `g = 'L-A1' AND ${within(SHARED)}`;
  const job = `CASE WHEN ${within(BRIEF)} THEN 'brief' WHEN ${within(LONG)} THEN 'limits' END`;
  const steady = "CASE g WHEN 'L-H0' THEN 0.03 WHEN 'L-U0' THEN 0.15 ELSE 0.08 END";
  const sm = `CASE WHEN s >= ${STEADY.from} AND s < ${STEADY.to} THEN ${steady} WHEN x % 97 = 0 THEN null ELSE ((x * 7919) % 24) / 100.0 END`;
  await db.exec(
    'INSERT INTO gpu_idlelim (ts, node, gpu, job_id, owners, owner_set, dt_us, sm_active_ratio)' +
      ` SELECT cast(${T0} + s * 1000000 AS TIMESTAMP), 'n1', g, CASE WHEN NOT (${isShared}) THEN ${job} END, CASE WHEN ${isShared} THEN 2 WHEN ${job} IS NULL THEN 0 ELSE 1 END,` +
      ` CASE WHEN ${isShared} THEN ${SHARED.set} END, 10000000, ${sm}` +
      " FROM (SELECT x, ((x - 1) / 4 + 1) * 10 AS s, CASE x % 4 WHEN 0 THEN 'L-A0' WHEN 1 THEN 'L-A1' WHEN 2 THEN 'L-H0' ELSE 'L-U0' END AS g" +
      ` FROM long_sequence(${(4 * 60 * HOUR) / 10}))`,
  );
  await waitForVisible(db, lane.table);
}

beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '9000 DAYS', rollup1h: '', rollup1d: '' });
  await writeSamples();
  const { rows } = await db.exec('SELECT gpu, cast(ts AS LONG), sm_active_ratio FROM gpu_idlelim');
  samples = rows.map(([gpu, us, sm]) => ({
    gpu: gpu as Sample['gpu'],
    second: (Number(us) - T0) / S,
    sm: sm as number | null,
  }));
  const own = { node: 'n1', run: 0, source: 'test' };
  const stays = [
    { job_id: 'limits', ts: at(LONG.from), end_ts: at(LONG.to) },
    { job_id: 'brief', ts: at(BRIEF.from), end_ts: at(BRIEF.to) },
  ];
  const tasks = stays.map((stay, index) => ({
    ...{ ...stay, run: 0, array_job_id: ARRAY, array_task_id: String(index) },
  }));
  await insertRows(db, 'gpu_ownership', [
    ...GPUS.flatMap((gpu) => stays.map((stay) => ({ ...own, ...stay, gpu }))),
    { ...own, job_id: 'limits guest', ts: at(SHARED.from), end_ts: at(SHARED.to), gpu: 'L-A1' },
  ]);
  await insertRows(db, 'jobs', tasks);
  const set = { ts: at(SHARED.from), gpu: 'L-A1', owner_set: SHARED.set, sharing: 'stated', scaled: 0 };
  await insertRows(db, 'gpu_owner_sets', [
    { ...set, job_id: 'limits', part: 0.25 },
    { ...set, job_id: 'limits guest', part: 0.75 },
  ]);
  await insertRows(
    db,
    'gpu_inventory',
    GPUS.flatMap((gpu, index) =>
      MODELS[gpu] === undefined
        ? []
        : [{ ts: at(-5), node: 'n1', gpu, gpu_index: index, model: MODELS[gpu], source: 'test' }],
    ),
  );
  await waitForRollups(db, [lane], at(60 * HOUR) + 48 * HOUR * S, { timeoutMs: 300_000 });
});
afterAll(async () => {
  await db.close();
});

function limitOf(gpu: Sample['gpu'], { smRatio, models }: IdleLimits): IdleLimit {
  const own = [...(models ?? [])].find(([beginning]) => MODELS[gpu]?.startsWith(beginning));
  return own?.[1] ?? smRatio;
}

interface Idleness {
  idleUs: number;
  knownUs: number;
  lastActiveUs: number;
}

/** Of these samples, by the part of them that counts. */
function idlenessOf(limits: IdleLimits, partOf: (sample: Sample) => number): Idleness {
  const truth = { idleUs: 0, knownUs: 0, lastActiveUs: -Infinity };
  for (const sample of samples) {
    const part = partOf(sample);
    if (sample.sm === null || part === 0) continue;
    truth.knownUs += 10 * S * part;
    if (sample.sm < limitOf(sample.gpu, limits)) truth.idleUs += 10 * S * part;
    else truth.lastActiveUs = Math.max(truth.lastActiveUs, at(sample.second));
  }
  return truth;
}

const isIn = (second: number, { from, to }: { readonly from: number; readonly to: number }): boolean =>
  second > from && second <= to;

function partOfLimits({ gpu, second }: Sample): number {
  if (!isIn(second, LONG)) return 0;
  return gpu === 'L-A1' && isIn(second, SHARED) ? 0.25 : 1;
}

const report = async (idleLimits: IdleLimits, jobId = 'limits'): Promise<JobFigures> =>
  await jobFigures(db, [lane], jobId, { nowUs: at(100 * HOUR), idleLimits });

const capacity = async (
  idleLimits: IdleLimits,
  by: CapacityFigures['by'] = 'model',
): Promise<CapacityFigures> =>
  await capacityFigures(db, [lane], { fromUs: at(0), toUs: at(60 * HOUR), by, idleLimits });

function expectIdle(
  figures: Pick<JobFigures['all'], 'idle'> | undefined,
  { idleUs, knownUs }: Idleness,
): void {
  expect([figures?.idle?.value, figures?.idle?.knownUs]).toEqual([idleUs, knownUs]);
}

/** Of shared devices nobody keeps to the microsecond over how much of their part it is known. */
async function expectTrueJob(limits: IdleLimits): Promise<JobFigures> {
  const figures = await report(limits);
  const truth = idlenessOf(limits, partOfLimits);
  const isKept = figures.origin === 'kept';
  expect(figures.all.idle?.value).toBe(truth.idleUs);
  if (!isKept) expectIdle(figures.all, truth);
  expect(figures.all.lastActiveUs).toBe(truth.lastActiveUs);
  expect(figures.devices.map(({ gpu }) => gpu).sort()).toEqual(GPUS.toSorted());
  for (const device of figures.devices) {
    const gpu = device.gpu as Sample['gpu'];
    const own = idlenessOf(limits, (sample) => (sample.gpu === gpu ? partOfLimits(sample) : 0));
    expect(device.idle?.value).toBe(own.idleUs);
    if (!isKept || gpu !== 'L-A1') expectIdle(device, own);
    expect([device.lastActiveUs, device.idleSmRatio]).toEqual([own.lastActiveUs, limitOf(gpu, limits)]);
  }
  return figures;
}

/** Of the steady time every whole minute is one. */
async function expectTrue(limits: IdleLimits): Promise<void> {
  const figures = await expectTrueJob(limits);
  for (const { gpu, longestIdle } of figures.devices) {
    const level = { 'L-H0': 0.03, 'L-U0': 0.15, 'L-A0': 0.08, 'L-A1': 0.08 }[gpu]!;
    const isIdle = level < limitOf(gpu as Sample['gpu'], limits);
    expect((longestIdle?.lengthUs ?? 0) >= (STEADY.to - STEADY.from) * S, gpu).toBe(isIdle);
  }
  const { rows, all } = await capacity(limits);
  const isSampled = ({ second }: Sample): boolean => second < 60 * HOUR;
  // What nobody owned is nobody's idleness.
  expectIdle(
    rows.find(({ kind }) => kind === 'unowned'),
    idlenessOf(limits, (sample) => Number(isSampled(sample) && !isIn(sample.second, OWNED))),
  );
  for (const model of new Set(Object.values(MODELS))) {
    const own = ({ gpu, second }: Sample): number => Number(MODELS[gpu] === model && isIn(second, OWNED));
    expectIdle(
      rows.find(({ kind, name }) => kind === 'group' && name === model),
      idlenessOf(limits, own),
    );
  }
  expectIdle(
    all,
    idlenessOf(limits, ({ second }) => Number(isIn(second, OWNED))),
  );
  const byMonth = await capacity(limits, 'month');
  expect(byMonth.all.idle).toEqual(all.idle);
}

describe.each(CASES)('idle is below %s', (_, limits) => {
  test('in samples and rollups alike', async () => {
    await expectTrue(limits);
    const brief = await report(limits, 'brief');
    expect(brief.origin).toBe('samples');
    expectIdle(
      brief.all,
      idlenessOf(limits, ({ second }) => Number(isIn(second, BRIEF))),
    );
  });

  test('in an array', async () => {
    const account = await accountOf(db, [lane], `${ARRAY}_[0-1]`, {
      nowUs: at(100 * HOUR),
      idleLimits: limits,
    });
    const { tasks, all } = account.of === 'tasks' ? account.figures : { tasks: [], all: undefined };
    const truths = [
      idlenessOf(limits, partOfLimits),
      idlenessOf(limits, ({ second }) => Number(isIn(second, BRIEF))),
    ];
    for (const [index, truth] of truths.entries()) expectIdle(tasks[index], truth);
    expect(all?.idle?.value).toBe(truths.reduce((sum, { idleUs }) => sum + idleUs, 0));
  });
});

test('reports say by which limits', async () => {
  const options = { isColored: false, width: Infinity };
  const figures = await report(BY_MODEL);
  expect(renderJobReport(figures, options)).toContain('\n  idle: SM activity below 2 % (NVIDIA A: 10 %)\n');
  expect(JSON.parse(jobJson(figures))).toMatchObject({
    idleLimits: { smRatio: 0.02, models: { 'NVIDIA A': 0.1 } },
    devices: figures.devices.map(({ gpu }) => ({
      gpu,
      idleSmRatio: limitOf(gpu as Sample['gpu'], BY_MODEL),
    })),
  });
  expect(renderCapacityReport(await capacity(BY_MODEL), options)).toContain(
    'allocated-idle: SM activity below 2 % (NVIDIA A: 10 %). ',
  );
  // Of models that there are not nothing is said.
  const { idleLimits } = await capacity({ smRatio: 0.2, models: new Map([['NVIDIA B', 0.1]]) });
  expect(idleLimits).toEqual({ smRatio: 0.2 });
});

describe('when samples, then minutes, then all have aged out', () => {
  beforeAll(async () => {
    const tell = (): void => undefined;
    const writer = createJobFiguresWriter({
      db,
      lanes: [lane],
      gpus: GPUS,
      nowUs: () => at(70 * HOUR),
      tell,
    });
    await writer.settle(at(70 * HOUR));
    await waitForVisible(db, 'job_figures');
  });

  test('hours and days tell the same', async () => {
    await ageSamples(db, [lane.table]);
    for (const [, limits] of CASES) await expectTrue(limits);
    await ageMinutes(db, [lane.table]);
    for (const [, limits] of CASES) await expectTrueJob(limits);
  });

  test('kept figures tell the same, and of old rows only what they were told by', async () => {
    await db.exec(
      'CREATE TABLE gpu_idlelim_old AS (SELECT ts, cluster, node, gpu, job_id, owners, owner_set, row_count, dt_us, step_count, first_ts, last_ts, first_dt_us,' +
        ' sm_active_ratio_dtsum, sm_active_ratio_dt, sm_active_ratio_min, sm_active_ratio_max, idle_dt_us, last_active_ts FROM gpu_idlelim_1d)' +
        ' TIMESTAMP(ts) PARTITION BY MONTH',
    );
    await ageOutAll(db, lane);
    for (const [, limits] of CASES) expect((await expectTrueJob(limits)).origin).toBe('kept');
    await db.exec(
      "UPDATE job_figures SET idle_10pct_dt_us = null, last_active_10pct_ts = null WHERE gpu = 'L-A0'",
    );
    await waitForVisible(db, 'job_figures');
    const { devices, all } = await report({ smRatio: 0.1 });
    expect(devices[0]).toMatchObject({ gpu: 'L-A0', idle: undefined, lastActiveUs: undefined });
    expect(devices[0]!.used!.value).toBeGreaterThan(0);
    const others = idlenessOf({ smRatio: 0.1 }, (one) => (one.gpu === 'L-A0' ? 0 : partOfLimits(one)));
    expect(all.idle!.value).toBe(others.idleUs);
    expect(all.idle!.knownUs).toBeLessThan(0.8 * all.used!.knownUs);
  });

  test.each(['no such column', 'nothing in it'])('old rollups have %s', async (how) => {
    await db.exec("UPDATE job_figures SET samples = 0 WHERE gpu LIKE 'L-%'");
    await waitForVisible(db, 'job_figures');
    if (how === 'no such column') await db.exec('RENAME TABLE gpu_idlelim_old TO gpu_idlelim_1d_aged');
    else
      for (const column of ['idle_10pct_dt_us LONG', 'last_active_10pct_ts TIMESTAMP'])
        await db.exec(`ALTER TABLE gpu_idlelim_1d_aged ADD COLUMN ${column}`);
    expectIdle((await report({ smRatio: 0.05 })).all, idlenessOf({ smRatio: 0.05 }, partOfLimits));
    const { all } = await report({ smRatio: 0.1 });
    expect([all.idle, all.lastActiveUs]).toEqual([undefined, undefined]);
    expect(all.used!.value).toBeGreaterThan(0);
    const mixed = await capacity({ smRatio: 0.05, models: new Map([['NVIDIA A30', 0.1]]) });
    expect(mixed.rows.find(({ name }) => name === 'NVIDIA A30')).toMatchObject({ idle: undefined });
    expect(mixed.rows.find(({ name }) => name === 'NVIDIA H100')!.idle!.value).toBeGreaterThan(0);
    expect(renderCapacityReport(mixed, { isColored: false, width: Infinity })).toContain(
      'Idleness by this limit is known of part of the time: NVIDIA A30 0 %.',
    );
  });
});
