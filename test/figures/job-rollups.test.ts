/**
 * Goal: a job that is read from rollups has the figures that its samples give, also where another run of its id follows within a
 * minute, where it shared a device, and where samples are missing; and keeps them when the samples are gone. Method: four hours of
 * four devices, made by the server, in a real QuestDB; the truth is a loop over the rows that came out.
 */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { JobFigures } from '../../src/figures/job/figures.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import type { Asked } from '../../src/figures/query-cells.ts';
import { quoteTime } from '../../src/figures/sql-text.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups, waitForVisible } from '../../src/questdb/visible.ts';
import { jobJson } from '../../src/report/json.ts';
import { renderJobReport } from '../../src/report/job-text.ts';
import { insertRows } from '../helpers/insert-rows.ts';

const SECOND = 1e6;
const HOUR = 3600 * SECOND;
const T0 = Date.UTC(2025, 4, 6) * 1000;
const at = (seconds: number): number => T0 + seconds * SECOND;
const lane: Lane = {
  name: 'jobroll',
  table: 'gpu_jobroll',
  schedule: 'continuous',
  intervalMs: 1000,
  fields: [1002, 155, 156].map((id) => findField(id)!),
  capacityTicks: 100,
};
const GPUS = ['R0', 'R1', 'R2', 'R3'];
/** More than are read as samples. */
const TICKS = 4 * 3600 + 600;
const [START, END] = [10.5, 4 * 3600 + 130.25];
/** The next run of the id on R0 begins in the minute in which the first one ends. */
const NEXT = { from: 4 * 3600 + 140, to: 4 * 3600 + 500 };
const SHARED = { from: 3600, to: 7200, set: '7000000000000000001' };
const HOLE = { from: 5000.5, to: 5030.5 };
/** On one more device another job is between the two stays of a run, and later minutes are missing. */
const APART = { gpu: 'A0', away: { from: 20, to: 40 }, hole: { from: 1200, to: 1500 }, end: 3000 };

let db: QuestDb;

/** Everything a sample is, by its number n: device n % 4 at second n / 4. */
async function writeSamples(): Promise<void> {
  const second = '(x - 1) / 4 + 1';
  const inStay = (from: number, to: number): string => `s > ${from} AND s <= ${to}`;
  const isShared = `g = 'R3' AND ${inStay(SHARED.from, SHARED.to)}`;
  const isOwned = `((${inStay(START, END)}) OR (g = 'R0' AND ${inStay(NEXT.from, NEXT.to)}))`;
  await db.exec(
    'INSERT INTO gpu_jobroll (ts, node, gpu, job_id, owners, owner_set, dt_us, sm_active_ratio, power_watts, energy_rise_joules, energy_rise_dt_us)' +
      ` SELECT cast(${T0} + s * 1000000 AS TIMESTAMP), 'n1', g, CASE WHEN ${isShared} THEN null WHEN ${isOwned} THEN 'roll' END,` +
      ` CASE WHEN ${isShared} THEN 2 WHEN ${isOwned} THEN 1 ELSE 0 END, CASE WHEN ${isShared} THEN ${SHARED.set} END,` +
      ` CASE WHEN s = ${Math.ceil(HOLE.to)} AND g = 'R1' THEN 0 ELSE 1000000 END,` +
      ` CASE WHEN g = 'R2' AND s > 9000 THEN null ELSE ((x * 7919) % 1000) / 1000.0 END, 100 + x % 7, CASE WHEN g = 'R2' THEN 0 ELSE x % 5 END, 1000000` +
      ` FROM (SELECT x, ${second} AS s, concat('R', cast((x - 1) % 4 AS STRING)) AS g FROM long_sequence(${4 * TICKS}))` +
      ` WHERE NOT (g = 'R1' AND s > ${HOLE.from} AND s < ${HOLE.to})`,
  );
  const { gpu, away, hole, end } = APART;
  await db.exec(
    'INSERT INTO gpu_jobroll (ts, node, gpu, job_id, owners, dt_us, sm_active_ratio)' +
      ` SELECT cast(${T0} + x * 1000000 AS TIMESTAMP), 'n1', '${gpu}', CASE WHEN x > ${away.from} AND x <= ${away.to} THEN 'between' ELSE 'apart' END,` +
      ` 1, 1000000, 0.5 FROM long_sequence(${end}) WHERE NOT (x > ${hole.from} AND x <= ${hole.to})`,
  );
  await waitForVisible(db, lane.table);
}

beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  await writeSamples();
  const own = { node: 'n1', job_id: 'roll', source: 'test' };
  await insertRows(db, 'gpu_ownership', [
    ...GPUS.map((gpu) => ({ ...own, ts: at(START), end_ts: at(END), gpu, run: 0 })),
    { ...own, ts: at(NEXT.from), end_ts: at(NEXT.to), gpu: 'R0', run: 1 },
    { ...own, ts: at(SHARED.from), end_ts: at(SHARED.to), gpu: 'R3', job_id: 'guest', run: 0 },
    { ...own, ts: at(0), end_ts: at(APART.away.from), gpu: APART.gpu, job_id: 'apart', run: 0 },
    { ...own, ts: at(APART.away.from), end_ts: at(APART.away.to), gpu: APART.gpu, job_id: 'between', run: 0 },
    { ...own, ts: at(APART.away.to), end_ts: at(APART.end), gpu: APART.gpu, job_id: 'apart', run: 0 },
  ]);
  const set = { ts: at(SHARED.from), gpu: 'R3', owner_set: SHARED.set, sharing: 'stated', scaled: 0 };
  await insertRows(db, 'gpu_owner_sets', [
    { ...set, job_id: 'roll', part: 0.25 },
    { ...set, job_id: 'guest', part: 0.75 },
  ]);
  await waitForRollups(db, [lane], at(TICKS) + 48 * HOUR, { timeoutMs: 300_000 });
});
afterAll(async () => {
  await db.close();
});

interface Truth {
  samples: number;
  sampledUs: number;
  attributedUs: number;
  idleUs: number;
  usedUs: number;
  smSum: number;
  smKnownUs: number;
  smMin: number;
  smMax: number;
  counterJoules: number;
  powerJoules: number;
}

/** Straight over the rows of the first run, of some devices. */
async function truthOf(gpus: readonly string[]): Promise<Truth> {
  const truth: Truth = {
    ...{ samples: 0, sampledUs: 0, attributedUs: 0, idleUs: 0, usedUs: 0, smSum: 0, smKnownUs: 0 },
    ...{ smMin: Infinity, smMax: -Infinity, counterJoules: 0, powerJoules: 0 },
  };
  const { rows } = await db.exec(
    `SELECT gpu, owner_set, dt_us, sm_active_ratio, power_watts, energy_rise_joules FROM gpu_jobroll WHERE ts > ${quoteTime(at(START))} AND ts <= ${quoteTime(at(END))}`,
  );
  for (const [gpu, ownerSet, dtUs, sm, watts, joules] of rows as unknown as [
    string,
    unknown,
    number,
    number | null,
    number,
    number,
  ][]) {
    if (!gpus.includes(gpu)) continue;
    const part = ownerSet === null ? 1 : 0.25;
    truth.samples += 1;
    truth.sampledUs += dtUs;
    truth.attributedUs += dtUs * part;
    truth.powerJoules += (watts * dtUs * part) / 1e6;
    if (dtUs > 0) truth.counterJoules += joules * part;
    if (sm === null) continue;
    if (sm < 0.05) truth.idleUs += dtUs * part;
    truth.usedUs += sm * dtUs * part;
    truth.smSum += sm * dtUs;
    truth.smKnownUs += dtUs;
    truth.smMin = Math.min(truth.smMin, sm);
    truth.smMax = Math.max(truth.smMax, sm);
  }
  return truth;
}

const report = async (run = 0): Promise<JobFigures> =>
  await jobFigures(db, [lane], 'roll', { run, nowUs: at(TICKS) });
const near = (actual: number | undefined, expected: number): void => {
  expect(Math.abs(actual! - expected)).toBeLessThanOrEqual(1e-9 * Math.abs(expected));
};

function expectTrue(
  figures: Pick<JobFigures['all'], 'samples' | 'sampledUs' | 'attributedUs' | 'idle' | 'used' | 'energy'>,
  truth: Truth,
): void {
  expect([figures.samples, figures.sampledUs]).toEqual([truth.samples, truth.sampledUs]);
  near(figures.attributedUs, truth.attributedUs);
  near(figures.idle?.value, truth.idleUs);
  near(figures.used?.value, truth.usedUs);
  near(figures.energy.counter?.value, truth.counterJoules);
  near(figures.energy.power?.value, truth.powerJoules);
}

async function expectWhole(figures: JobFigures): Promise<void> {
  const truth = await truthOf(GPUS);
  expectTrue(figures.all, truth);
  // The counter of R2 stood still.
  const others = await truthOf(['R0', 'R1', 'R3']);
  near(figures.all.energy.best?.value, others.counterJoules + (await truthOf(['R2'])).powerJoules);
  const sm = figures.gauges.find(({ key }) => key === 'smActive')!;
  expect([sm.min?.value, sm.max.value, sm.max.knownUs]).toEqual([truth.smMin, truth.smMax, truth.smKnownUs]);
  near(sm.mean?.value, truth.smSum / truth.smKnownUs);
  for (const device of figures.devices) expectTrue(device, await truthOf([device.gpu]));
  expect([figures.sharing, figures.undividedUs, figures.mixedUs]).toEqual(['stated', 0, 0]);
}

let before: JobFigures;

test('the figures from the rollups are those of the samples, and each run has its own', async () => {
  before = await report();
  await expectWhole(before);
  expect(before.origin).toBe('samples');
  expect(before.gaps).toEqual([{ gpu: 'R1', fromUs: at(5000), toUs: at(5031) }]);
  const next = await report(1);
  expect([next.all.samples, next.all.sampledUs]).toEqual([360, 360 * SECOND]);
});

test('in questions about a few samples each the figures are the same', async () => {
  let raw = 0;
  const exec: Asked['exec'] = async (sql) => {
    if (/ FROM "gpu_jobroll" s .*GROUP BY|SELECT s\.gpu .* FROM "gpu_jobroll" s /.test(sql)) raw += 1;
    return await db.exec(sql);
  };
  const asked = async (samplesMax: number): Promise<JobFigures> =>
    await jobFigures({ where: db.where, exec, samplesMax }, [lane], 'roll', { run: 0, nowUs: at(TICKS) });
  await asked(1e7);
  const whole = raw;
  raw = 0;
  await expectWhole(await asked(50));
  expect(raw).toBeGreaterThan(whole + 3);
});

test('the little plot has the means of equal parts, to the sample', async () => {
  const { rows } = await db.exec(
    `SELECT cast(ts AS LONG), dt_us, sm_active_ratio FROM gpu_jobroll WHERE gpu != '${APART.gpu}' AND ts > ${quoteTime(at(START))} AND ts <= ${quoteTime(at(END))}`,
  );
  const parts = Array.from({ length: 20 }, () => [0, 0] as [number, number]);
  for (const [tsUs, dtUs, sm] of rows as unknown as [number, number, number | null][]) {
    if (sm === null) continue;
    const part = parts[Math.floor(((tsUs - at(START) - 1) * 20) / ((END - START) * SECOND))]!;
    part[0] += sm * dtUs;
    part[1] += dtUs;
  }
  const { series } = before.gauges.find(({ key }) => key === 'smActive')!;
  expect(series).toHaveLength(20);
  for (const [index, [sum, knownUs]] of parts.entries()) near(series[index]!, sum / knownUs);
});

test('without samples nothing is lost but what needs them, and the report says so', async () => {
  const truths = await truthOf(GPUS);
  await db.exec("ALTER TABLE gpu_jobroll DROP PARTITION LIST '2025-05-06'");
  await waitForVisible(db, lane.table);
  const after = await report();
  expect(after.origin).toBe('rollups');
  // The minute in which the next run begins is in nobody's figures: it cannot be told whose its samples were.
  const leftOut = after.mixedUs / SECOND;
  expect(leftOut).toBe(60);
  expect(after.all.samples).toBe(truths.samples - 11);
  const [sm, exact] = [after, before].map(({ gauges }) => gauges.find(({ key }) => key === 'smActive')!) as [
    JobFigures['gauges'][number],
    JobFigures['gauges'][number],
  ];
  expect(exact.p50?.barWidth).toBeUndefined();
  expect(sm.p50?.barWidth).toBe(0.01);
  expect(Math.abs(sm.p50!.value - exact.p50!.value)).toBeLessThanOrEqual(0.006);
  expect([after.gaps!.length, after.unplacedGaps]).toEqual([1, { count: 1, us: 31 * SECOND }]);
  const text = renderJobReport(after, { width: Infinity, isColored: false });
  expect(text).toContain('have aged out: sums are from the rollups');
  expect(text).toContain('SM active ± 0.5 %');
  expect(text).toContain('missing here and there');
  expect(text).toContain('left out: another run had the GPU');
  expect(text).not.toContain('no p50 and p95');
  expect(JSON.parse(jobJson(after))).toMatchObject({ isFromRollups: true, mixedUs: 60 * SECOND });
  // The histograms have hours, and both runs had the device in the same one.
  expect(renderJobReport(await report(1), { width: Infinity, isColored: false })).toContain(
    'no p50 and p95 of SM active, power: no hour of the histograms is of this run alone',
  );
});

test('time between two stays of a run on a device is no gap, and whole minutes that are missing keep their place', async () => {
  const { gaps, unplacedGaps, all } = await jobFigures(db, [lane], 'apart', { nowUs: at(TICKS) });
  expect(all.sampledUs).toBe((3000 - 300 - 20) * SECOND);
  expect(gaps).toEqual([{ gpu: APART.gpu, fromUs: at(APART.hole.from), toUs: at(APART.hole.to) }]);
  expect(unplacedGaps).toEqual({ count: 0, us: 0 });
});

test('rollups that the server has stopped updating are named', async () => {
  // The samples were taken away by hand.
  const named = async (): Promise<string[]> => (await report()).invalidRollups.map(({ name }) => name);
  await expect.poll(named).toEqual(expect.arrayContaining(['gpu_jobroll_1h', 'gpu_jobroll_1d']));
  const figures = await report();
  const text = renderJobReport(figures, { width: Infinity, isColored: false });
  expect(text).toMatch(/The server has stopped updating gpu_jobroll_1d \(.+\),/);
  expect(JSON.parse(jobJson(figures))).toMatchObject({ invalidRollups: expect.any(Array) as string[] });
});
