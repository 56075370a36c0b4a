/**
 * Goal: of a job whose steps and slow devices are known the report tells the right ones, or none. Method: jobs of the synthetic source,
 * which states their truth, sampled into a real QuestDB at 1 s and at 100 ms, and read by the report.
 */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { JobFigures } from '../../src/figures/job/figures.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups, waitForVisible } from '../../src/questdb/visible.ts';
import { jobJson } from '../../src/report/json.ts';
import { renderJobReport } from '../../src/report/job-text.ts';
import { oneJob } from '../core/synthetic/one-job.ts';
import { insertRows, type Row } from '../helpers/insert-rows.ts';
import { writeLines, type SampleLine } from '../helpers/write-lines.ts';

const SECOND = 1e6;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const T0 = Date.UTC(2025, 5, 20, 8) * 1000;

const ALL = [1001, 1002, 1004, 1005, 155, 100];
function laneOf(name: string, intervalMs: number, ids = ALL): Lane {
  const fields = ids.map((id) => findField(id)!);
  return { name, table: `gpu_${name}`, schedule: 'continuous', intervalMs, fields, capacityTicks: 100 };
}

const SECONDS_LANE = laneOf('steps', 1000);
const FAST_LANE = laneOf('stepsfast', 100);
const MINUTE_LANE = laneOf('stepsslow', 30_000);
const LINKS_LANE = laneOf('stepslinks', 60_000, [409, 238]);
const lanes = [SECONDS_LANE, FAST_LANE, MINUTE_LANE, LINKS_LANE];

type Wish = Parameters<typeof oneJob>[0];

interface Case extends Wish {
  readonly id: string;
  readonly lane: Lane;
  /** Changes what a device shows of a field; NaN is a blank. */
  readonly change?: (value: number, fieldId: number, rank: number, second: number) => number;
}

const pace = (stepUs: number, jitter: number): NonNullable<Wish['pace']> => ({ stepUs, jitter });

const CASES: readonly Case[] = [
  // Two nodes, one slow device.
  { id: 'slow', lane: SECONDS_LANE, shape: 'training', gpus: 9, seconds: 1500, slowness: { 8: 0.15 } },
  { id: 'healthy', lane: SECONDS_LANE, shape: 'training', gpus: 9, seconds: 1500, seed: 2 },
  { id: 'single', lane: SECONDS_LANE, shape: 'fp64', gpus: 1, seconds: 1800 },
  { id: 'fine', lane: SECONDS_LANE, shape: 'training', gpus: 4, seconds: 1500, pace: pace(1.2 * SECOND, 0) },
  {
    id: 'finer',
    lane: SECONDS_LANE,
    shape: 'training',
    gpus: 2,
    seconds: 1500,
    pace: pace(0.4 * SECOND, 0.05),
  },
  { id: 'bursts', lane: SECONDS_LANE, shape: 'inference', gpus: 2, seconds: 1500 },
  { id: 'steady', lane: SECONDS_LANE, shape: 'small-kernels', gpus: 1, seconds: 1500 },
  { id: 'fast', lane: FAST_LANE, shape: 'training', gpus: 4, seconds: 600, pace: pace(1.2 * SECOND, 0.03) },
  { id: 'coarse', lane: MINUTE_LANE, shape: 'training', gpus: 4, seconds: 7200 },
  {
    id: 'long',
    lane: SECONDS_LANE,
    shape: 'training',
    gpus: 1,
    seconds: 7200,
    pace: pace(61 * SECOND, 0.03),
  },
  { id: 'short', lane: SECONDS_LANE, shape: 'training', gpus: 4, seconds: 90 },
  // Devices that were never used do not blur the steps, and are no stragglers.
  {
    id: 'unused',
    lane: SECONDS_LANE,
    shape: 'training',
    gpus: 6,
    seconds: 900,
    others: { 2: 'idle', 3: 'idle', 4: 'idle', 5: 'idle' },
  },
  { id: 'oneidle', lane: SECONDS_LANE, shape: 'training', gpus: 5, seconds: 900, others: { 4: 'idle' } },
  {
    id: 'partly',
    lane: SECONDS_LANE,
    shape: 'training',
    gpus: 4,
    seconds: 900,
    // One of which only the busy part is known.
    change: (value, fieldId, rank) => (fieldId === 1002 && rank === 1 && value < 0.6 ? NaN : value),
  },
  {
    id: 'gaps',
    lane: SECONDS_LANE,
    shape: 'training',
    gpus: 5,
    seconds: 1500,
    slowness: { 1: 0.15 },
    // No engine activity, and holes: one device is blank for some minutes, all are now and then.
    change: (value, fieldId, rank, second) =>
      fieldId === 1001 || (rank === 2 && second > 900 && second < 1000) || second % 97 === 0 ? NaN : value,
  },
  {
    id: 'late',
    lane: SECONDS_LANE,
    shape: 'training',
    gpus: 4,
    seconds: 1500,
    seed: 5,
    // Its input is late: its engine idles for an eighth of the time in which the others spin.
    change: (value, fieldId, rank) => (fieldId === 1001 && rank === 3 ? 0.87 * value : value),
  },
  {
    id: 'clocked',
    lane: SECONDS_LANE,
    shape: 'training',
    gpus: 4,
    seconds: 1500,
    slowness: { 0: 0.15 },
    // The same work in longer time: its clock is lower by as much as its pipes are busier.
    change: (value, fieldId, rank) => (fieldId === 100 && rank === 0 ? 0.87 * value : value),
  },
];

let db: QuestDb;
const reports = new Map<string, JobFigures>();

const gpuOf = (id: string, rank: number): string => `GPU-${id}-${rank}`;
const nodeOf = (rank: number): string => `n${1 + Math.floor(rank / 8)}`;

/** Samples of a job that began at T0. */
function samplesOf({ id, lane, change = (value) => value, ...wish }: Case): SampleLine[] {
  const { scenario, job, parts } = oneJob(wish);
  const dtUs = lane.intervalMs * 1000;
  const reader = scenario.readerOf(lane.fields.map((field) => field.id));
  const values = new Float64Array(lane.fields.length);
  return parts.flatMap(({ share: { device } }, rank) =>
    Array.from({ length: Math.floor((wish.seconds * SECOND) / dtUs) }, (_, tick): SampleLine => {
      const sinceUs = (tick + 1) * dtUs;
      reader.read(device, job.startUs + sinceUs, dtUs, values);
      const cells = lane.fields.map(({ id: fieldId, column }, at) => [
        column,
        change(values[at]!, fieldId, rank, sinceUs / SECOND),
      ]);
      return {
        gpu: gpuOf(id, rank),
        node: nodeOf(rank),
        jobId: id,
        tsUs: T0 + sinceUs,
        dtUs,
        values: Object.fromEntries(cells) as Record<string, number>,
      };
    }),
  );
}

beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  await applySchema(db, lanes, { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  for (const one of CASES) await writeLines(inject('reportsUrl'), one.lane.table, samplesOf(one));
  const ranks = CASES.flatMap(({ id, gpus, seconds }) =>
    Array.from({ length: gpus }, (_, rank) => ({ id, rank, seconds })),
  );
  await insertRows(
    db,
    'gpu_ownership',
    ranks.map(({ id, rank, seconds }): Row => ({
      ts: T0,
      end_ts: T0 + seconds * SECOND,
      node: nodeOf(rank),
      gpu: gpuOf(id, rank),
      job_id: id,
      run: 0,
      source: 'test',
    })),
  );
  await insertRows(
    db,
    'gpu_inventory',
    ranks.map(({ id, rank }): Row => ({
      ts: T0,
      node: nodeOf(rank),
      gpu: gpuOf(id, rank),
      gpu_index: rank % 8,
      model: 'NVIDIA H200',
      source: 'dcgm',
    })),
  );
  await insertRows(db, LINKS_LANE.table, links());
  await insertRows(db, 'gpu_events', [
    {
      ts: T0 + 5 * MINUTE,
      end_ts: T0 + 20 * MINUTE,
      node: 'n1',
      gpu: gpuOf('clocked', 0),
      kind: 'throttle',
      subject: 'hw_thermal_slowdown',
      text: 'clocks held down',
    },
  ]);
  for (const { table } of lanes) await waitForVisible(db, table);
  await waitForRollups(db, lanes, T0 + 48 * HOUR, { timeoutMs: 300_000 });
  for (const { id } of CASES) reports.set(id, await figuresOf(id));
});

afterAll(async () => {
  await db.close();
});

/** A counter that rises by four, is blank, begins anew, and rises by four again. */
const LINK_ERRORS = [100, 104, undefined, 2, 6];

/** Link errors and a narrow link on the slow device of one job. */
function links(): Row[] {
  return [0, 1, 2, 3].flatMap((rank) =>
    LINK_ERRORS.map((errors, minute): Row => ({
      ts: T0 + (minute + 1) * MINUTE,
      node: 'n1',
      gpu: gpuOf('clocked', rank),
      job_id: 'clocked',
      owners: 1,
      dt_us: MINUTE,
      nvlink_crc_flit_errors_total: rank === 0 ? errors : 7,
      pcie_link_width_lanes: rank === 0 ? 8 : 16,
    })),
  );
}

async function figuresOf(id: string): Promise<JobFigures> {
  return await jobFigures(db, lanes, id, { nowUs: T0 + 5 * HOUR });
}

function stepsOf(id: string): NonNullable<JobFigures['analysis']['steps']> {
  return reports.get(id)!.analysis.steps!;
}

/** What the source says of the steps, µs. */
function trueStepUs({ id: _, lane: __, change: ___, ...wish }: Case): number {
  const { scenario, job } = oneJob(wish);
  return scenario.storyOf(job, job.startUs, job.endUs).steps.meanUs;
}

function textOf(id: string): string {
  const text = renderJobReport(reports.get(id)!, { width: 100, isColored: false });
  return text.replaceAll(/\n {4}(?! )/g, ' ');
}

const caseOf = (id: string): Case => CASES.find((one) => one.id === id)!;

describe('steps', () => {
  test.each(['slow', 'healthy', 'single', 'fast', 'unused', 'gaps', 'late', 'long'])(
    'of job %s within 1 %',
    (id) => {
      const { found } = stepsOf(id);
      expect(found).toHaveProperty('periodUs');
      if ('none' in found) return;
      const meanUs = trueStepUs(caseOf(id));
      expect(Math.abs(found.periodUs / meanUs - 1)).toBeLessThan(0.01);
      expect(textOf(id)).toMatch(
        /^ {2}steps of [\d.]+ s \([\d.]+ s to [\d.]+ s in \d+ (of \d+ )?windows\), about/m,
      );
    },
  );

  test('are counted by the active time, and cost the power of that time', () => {
    const { found, firstLightUs, drainUs } = stepsOf('healthy');
    if ('none' in found) throw new Error(found.none);
    const { scenario, job } = oneJob(caseOf('healthy'));
    const { count } = scenario.storyOf(job, job.startUs, job.endUs).steps;
    expect(Math.abs(found.activeUs / found.periodUs / count - 1)).toBeLessThan(0.07);
    const watts = reports.get('healthy')!.gauges.find(({ key }) => key === 'power')!.mean!.value;
    expect(found.joulesPerStep! / (9 * watts * (found.periodUs / 1e6))).toBeCloseTo(1, 1);
    // Weights are read for 40 to 95 s.
    expect(firstLightUs).toBeGreaterThan(40e6);
    expect(firstLightUs).toBeLessThan(97e6);
    expect(drainUs).toBe(0);
  });

  test('one by one only where a step has ten ticks', () => {
    const [single, healthy] = ['single', 'healthy'].map((id) => stepsOf(id).found);
    if ('none' in single! || 'none' in healthy!) throw new Error('no steps');
    expect(healthy!.single).toBeUndefined();
    expect(single!.single!.count).toBeGreaterThan(20);
    expect(single!.single!.p50Us / single!.periodUs).toBeCloseTo(1, 1);
    expect(single!.single!.p95Us).toBeGreaterThan(single!.single!.p50Us);
    expect(textOf('single')).toMatch(/; half of single steps within [\d.]+ s, 95 % within [\d.]+ s/);
  });

  test.each([
    ['fine', 'too_fine', /not told apart from a step shorter than 2 ticks \(2 s\); a lane of 100 ms sees/],
    ['bursts', 'aperiodic', /no steps: SM activity moves, but has no period/],
    ['steady', 'steady', /no steps: SM activity hardly moves/],
    ['coarse', 'coarse', /no steps: a sample every 30 s is too coarse; a lane of 1 s sees those of 5 s/],
  ])('of job %s: none, since it is %s', (id, none, text) => {
    expect(stepsOf(id).found).toEqual({ none });
    expect(textOf(id)).toMatch(text);
  });

  test('of a job of a minute: none, and nothing is said', () => {
    expect(stepsOf('short').found).toEqual({ none: 'too_short' });
    expect(textOf('short')).not.toContain('steps');
  });

  test('of 0.4 s at 1 s: none', () => {
    expect(stepsOf('finer').found).toHaveProperty('none');
  });
});

describe('the device that the others wait for', () => {
  const told = (id: string): string[] =>
    reports
      .get(id)!
      .findings.flatMap((finding) =>
        finding.rule === 'computes-longest' || finding.rule === 'fed-late'
          ? [`${finding.rule} ${finding.device.gpu}`]
          : [],
      );

  test.each([
    ['slow', ['computes-longest GPU-slow-8']],
    ['clocked', ['computes-longest GPU-clocked-0']],
    ['gaps', ['computes-longest GPU-gaps-1']],
    ['late', ['fed-late GPU-late-3']],
    ['healthy', []],
    ['unused', []],
    ['oneidle', []],
    ['partly', []],
    ['fast', []],
    ['single', []],
    ['bursts', []],
    ['coarse', []],
  ])('of job %s', (id, names) => {
    expect(told(id)).toEqual(names);
  });

  test('is slower where its clock is lower, else it has more work', () => {
    expect(reports.get('slow')!.analysis.slowest!.why).toBe('work');
    expect(reports.get('clocked')!.analysis.slowest!.why).toBe('device');
    expect(reports.get('late')!.analysis.slowest!.why).toBeUndefined();
  });

  test('costs no less than the others waited for it', () => {
    const { scenario, job } = oneJob(caseOf('slow'));
    const { devices } = scenario.storyOf(job, job.startUs, job.endUs);
    const waitedUs = devices.reduce((us, { causeUs }) => us + causeUs.waiting, 0);
    const { lostUsMax } = reports.get('slow')!.analysis.slowest!;
    expect(lostUsMax).toBeGreaterThan(0.8 * waitedUs);
    expect(lostUsMax).toBeLessThan(2 * waitedUs);
  });

  test('is told with what explains it, once', () => {
    const report = reports.get('clocked')!;
    expect(report.analysis.slowest).toMatchObject({ linkErrors: 8, pcieLanes: 8, deviceCount: 4 });
    expect(textOf('clocked')).toMatch(
      /n1 gpu 0 computes longest: SM activity \d+.%, the other 3 \d+.%, which wait for it \(up to [\d.]+.GPU-hours\)\. It is slower at the same work\. It had: thermal throttle 15.min from 08:05:00, 8 link errors, 8 PCIe lanes, fewer than others\./,
    );
    expect(report.findings.filter(({ rule }) => rule === 'throttle' || rule === 'imbalance')).toEqual([]);
  });
});

test('a gauge of 30 s would have said something else where steps beat with it', () => {
  const { gauge30 } = reports.get('single')!.analysis;
  expect(gauge30).toMatchObject({ phases: 30 });
  const { mean, meanMin, meanMax, lowMin, lowMax, peak } = gauge30!;
  expect(meanMin).toBeLessThan(mean);
  expect(meanMax).toBeGreaterThan(mean);
  expect(lowMax).toBeGreaterThan(lowMin);
  expect(peak!.max).toBeGreaterThanOrEqual(peak!.min);
  expect(reports.get('coarse')!.analysis.gauge30).toBeUndefined();
});

test('the JSON has steps, the slowest device and the gauge', () => {
  const json = JSON.parse(jobJson(reports.get('slow')!)) as Record<string, Record<string, unknown>>;
  const { found } = stepsOf('slow');
  if ('none' in found) throw new Error(found.none);
  expect(json['steps']).toMatchObject({
    periodUs: found.periodUs,
    count: Math.round(found.activeUs / found.periodUs),
    windows: found.windowsSeen,
    intervalUs: SECOND,
  });
  expect(json['slowest']).toMatchObject({ gpu: 'GPU-slow-8', kind: 'computes_longest', why: 'work' });
  expect(json['gauge30']).toMatchObject({ phases: 30 });
  const none = JSON.parse(jobJson(reports.get('bursts')!)) as Record<string, Record<string, unknown>>;
  expect(none['steps']).toMatchObject({ none: 'aperiodic', intervalUs: SECOND });
  expect(none).not.toHaveProperty('slowest');
});

test('where the samples have aged out there are no steps, which is said, and the slow one is named by the minutes', async () => {
  await db.exec(`ALTER TABLE ${SECONDS_LANE.table} DROP PARTITION WHERE ts < '2025-06-22'`);
  await expect.poll(async () => (await figuresOf('slow')).origin).toBe('rollups');
  const { analysis, findings } = await figuresOf('slow');
  expect(analysis.steps!.found).toEqual({ none: 'aged_out' });
  expect(analysis.gauge30).toBeUndefined();
  expect(findings.map(({ rule }) => rule)).toContain('computes-longest');
});
