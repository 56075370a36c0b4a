/**
 * Goal: a report outlives its samples. Method: the demo is played into a real QuestDB, the figures of its ended jobs are
 * written, a late fact changes one of them, and then the samples are taken away; each report is held against the one
 * that the samples gave.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defaultLanes } from '../../src/core/fields/lane.ts';
import type { Notice } from '../../src/core/base/notice.ts';
import type { Interval } from '../../src/core/jobs/interval.ts';
import { playScenario } from '../../src/collector/play.ts';
import type { JobCauses } from '../../src/figures/job/causes/figures.ts';
import type { GaugeFigures, JobFigures, OwnedFigures } from '../../src/figures/job/figures.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import type { Quantity } from '../../src/figures/quantity.ts';
import { renderJobReport } from '../../src/report/job-text.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { waitForRollups, waitForVisible } from '../../src/questdb/visible.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { createSmallTables } from '../../src/questdb/rows/small-tables.ts';
import { createJobFiguresWriter, JOB_FIGURES_SETTLE_US } from '../../src/job-map/job-figures.ts';
import { ageOutAll } from '../helpers/age-out.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';

const HOURS = 3;
const lane = defaultLanes[0]!;
const endUs = Math.floor(Date.now() / 60_000 - 30) * 60e6;
const startUs = endUs - HOURS * 3_600e6;

let server: TestQuestdb;
let db: QuestDb;
let gpus: string[];
let ended: { jobId: string; run: number; endUs: number }[];

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const scenario = { kind: 'demo', seed: 1, nodes: 2, gpusPerNode: 8, startUs } as const;
  await playScenario({ scenario, endUs, lanes: [lane], batchRows: 10_000, db, tell: () => undefined });
  for (const table of [lane.table, 'gpu_ownership', 'gpu_inventory']) await waitForVisible(db, table);
  // Played in one go, a minute may be in the rollup before all of it is in the table.
  await waitForRollups(db, [lane], endUs);
  gpus = (await db.exec('SELECT DISTINCT gpu FROM gpu_inventory')).rows.map(([gpu]) => String(gpu));
  const { rows } = await db.exec(
    'SELECT job_id, run, cast(max(end_ts) AS LONG), count() - count(end_ts) AS open FROM gpu_ownership ORDER BY job_id',
  );
  ended = rows
    .filter(([, , , open]) => Number(open) === 0)
    .map(([jobId, run, end]) => ({ jobId: String(jobId), run: Number(run), endUs: Number(end) }));
});

afterAll(async () => {
  await db.close();
  await server.stop();
});

function near(actual: number | undefined, expected: number | undefined): void {
  expect(actual === undefined).toBe(expected === undefined);
  if (expected === undefined || Number.isNaN(expected)) return;
  expect(Math.abs(actual! - expected)).toBeLessThanOrEqual(1e-9 * Math.abs(expected) + 1e-12);
}

function sameQuantity(actual: Quantity | undefined, expected: Quantity | undefined): void {
  expect([actual?.unit, actual?.knownUs]).toEqual([expected?.unit, expected?.knownUs]);
  near(actual?.value, expected?.value);
}

function sameGauge(actual: GaugeFigures | undefined, expected: GaugeFigures): void {
  expect(actual?.max).toEqual(expected.max);
  sameQuantity(actual?.mean, expected.mean);
}

function samePart(actual: OwnedFigures, expected: OwnedFigures): void {
  const exact = ({ samples, sampledUs, ownedUs, lastActiveUs }: OwnedFigures): unknown[] => [
    samples,
    sampledUs,
    ownedUs,
    lastActiveUs,
  ];
  expect(exact(actual)).toEqual(exact(expected));
  near(actual.attributedUs, expected.attributedUs);
  sameQuantity(actual.idle, expected.idle);
  sameQuantity(actual.energy.counter, expected.energy.counter);
  sameQuantity(actual.energy.power, expected.energy.power);
}

function sameFigures(actual: JobFigures, expected: JobFigures): void {
  samePart(actual.all, expected.all);
  expect(actual.gauges.map(({ key }) => key)).toEqual(expected.gauges.map(({ key }) => key));
  for (const [index, gauge] of expected.gauges.entries()) sameGauge(actual.gauges[index], gauge);
  expect(actual.devices.map(({ gpu }) => gpu)).toEqual(expected.devices.map(({ gpu }) => gpu));
  for (const [index, device] of expected.devices.entries()) {
    samePart(actual.devices[index]!, device);
    for (const [key, gauge] of Object.entries(device.gauges))
      sameGauge(actual.devices[index]!.gauges[key as keyof typeof device.gauges], gauge);
  }
  expect([actual.sharing, actual.boundaryUs]).toEqual([expected.sharing, expected.boundaryUs]);
}

/** Where the time went, to the µs, and the steps. */
function sameConclusions(actual: JobFigures, expected: JobFigures): void {
  expect(actual.analysis.steps).toEqual(expected.analysis.steps);
  const [own, told] = [causesOf(actual), causesOf(expected)];
  const exact = (one: Told): unknown => ({ ...one, joules: undefined });
  expect(own.map(exact)).toEqual(told.map(exact));
  for (const [index, { joules }] of told.entries()) near(own[index]!.joules, joules);
  const ownedUs = own.filter(({ gpu }) => gpu === undefined).reduce((sum, { us }) => sum + us, 0);
  if (actual.sharing === 'whole') expect(ownedUs).toBe(actual.all.ownedUs);
  expect((actual.causes as JobCauses).isKept).toBe(true);
  const { waiting, isCut, origin } = expected.causes as JobCauses;
  expect(actual.causes).toMatchObject({ waiting, isCut, origin });
}

interface Told {
  readonly gpu: string | undefined;
  readonly cause: string;
  readonly us: number;
  readonly joules: number | undefined;
  readonly waiting: unknown;
}

function causesOf({ causes }: JobFigures): Told[] {
  if (causes === undefined || 'why' in causes) throw new Error('a job without causes');
  const all = { gpu: undefined, causes: causes.causes, waiting: causes.waiting };
  return [all, ...causes.devices].flatMap(({ gpu, causes: own, waiting }) =>
    [...own].map(([cause, amount]) => ({ gpu, cause, ...amount, waiting })),
  );
}

async function written(): Promise<{ jobId: string; writtenUs: number }[]> {
  await waitForVisible(db, 'job_figures');
  const { rows } = await db.exec('SELECT job_id, cast(written_ts AS LONG) FROM job_figures');
  return rows.map(([jobId, writtenUs]) => ({ jobId: String(jobId), writtenUs: Number(writtenUs) }));
}

test('figures of ended jobs are those of the samples, follow a late fact, and outlive the samples', async () => {
  expect(ended.length).toBeGreaterThan(2);
  let nowUs = Math.min(...ended.map((job) => job.endUs)) + JOB_FIGURES_SETTLE_US - 1;
  const notices: Notice[] = [];
  const writer = createJobFiguresWriter({
    db,
    lanes: [lane],
    gpus,
    nowUs: () => nowUs,
    tell: (notice) => notices.push(notice),
  });
  await writer.settle(-1);
  await writer.settle(0);
  expect(await written()).toEqual([]);
  nowUs = endUs + JOB_FIGURES_SETTLE_US;
  await writer.settle(0);
  const first = await written();
  expect(new Set(first.map(({ jobId }) => jobId))).toEqual(new Set(ended.map(({ jobId }) => jobId)));

  nowUs += 60e6;
  await writer.settle(nowUs);
  const all = createJobFiguresWriter({
    db,
    lanes: [lane],
    gpus,
    nowUs: () => nowUs,
    tell: () => undefined,
  });
  await all.settle(nowUs);
  expect(await written()).toEqual(first);

  const late = await lateEnd(ended[0]!.jobId);
  await createSmallTables(db).writeOwnership([late]);
  writer.note([{ interval: late, previousEndUs: null }], nowUs);
  await writer.settle(nowUs - 1);
  expect(await written()).toEqual(first);
  await writer.settle(nowUs);
  const again = (await written()).filter(({ writtenUs }) => writtenUs === nowUs);
  expect(again.map(({ jobId }) => jobId)).toContain(late.jobId);
  expect(again.length).toBeLessThan(first.length);

  const reports: JobFigures[] = [];
  for (const { jobId, run } of ended) reports.push(await jobFigures(db, [lane], jobId, { run, nowUs }));
  expect(reports.filter(({ origin }) => origin === 'kept')).toEqual([]);
  // Of shorter ones only minutes are looked at.
  const isLong = ({ startUs: from, endUs: to }: JobFigures): boolean => to - from >= 60e6;
  const settled = reports.filter(
    (one) => one.all.samples > 0 && isLong(one) && !again.some(({ jobId }) => jobId === one.job.jobId),
  );
  expect(settled.some(({ analysis }) => 'periodUs' in (analysis.steps?.found ?? {}))).toBe(true);
  expect(settled.some(({ causes }) => (causes as JobCauses).waiting !== undefined)).toBe(true);
  await db.exec(`TRUNCATE TABLE ${lane.table}`);
  await waitForVisible(db, lane.table);
  for (const report of settled) {
    const { jobId, run } = report.job;
    const left = await jobFigures(db, [lane], jobId, { run, nowUs });
    expect(left.origin).not.toBe('samples');
    sameConclusions(left, report);
  }
  await ageOutAll(db, lane);
  for (const report of reports) {
    const { jobId, run } = report.job;
    const kept = await jobFigures(db, [lane], jobId, { run, nowUs });
    // A job of half a second has no sample, and so nothing that could be kept of one.
    expect(kept.origin === 'kept').toBe(report.all.samples > 0);
    // Nobody labels the samples of the late fact's devices again here, as a collector does.
    if (!again.some((one) => one.jobId === jobId)) sameFigures(kept, report);
    if (settled.includes(report)) sameConclusions(kept, report);
    if (report.all.samples === 0) continue;
    const text = renderJobReport(kept, { isColored: false, width: 100 });
    expect(text).toContain('its samples have aged out: from the figures kept of it');
  }
  expect(notices).toEqual([]);
});

/** The job's first interval, ending a minute before it was said to. */
async function lateEnd(jobId: string): Promise<Interval> {
  const { rows } = await db.exec(
    `SELECT node, gpu, run, share, source, cast(ts AS LONG), cast(end_ts AS LONG) FROM gpu_ownership
     WHERE job_id = '${jobId}' ORDER BY gpu LIMIT 1`,
  );
  const [node, gpu, run, share, source, start, end] = rows[0]!;
  return {
    node: String(node),
    gpu: String(gpu),
    jobId,
    run: Number(run),
    share: share === null ? NaN : Number(share),
    source: String(source),
    startUs: Number(start),
    endUs: Number(end) - 60e6,
  };
}
