/**
 * Goal: the rule of accounting at its edges (boundaries, gaps, shares, open jobs, odd ids), and what a report says where
 * there is nothing to say. Method: rows made by hand in a real QuestDB, every figure worked out by hand beside them.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OperatingError } from '../../src/core/base/errors.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { capacityFigures } from '../../src/figures/capacity/query.ts';
import { renderCapacityReport } from '../../src/report/capacity-text.ts';
import type { JobFigures } from '../../src/figures/job/figures.ts';
import { jobFigures, type JobQueryOptions } from '../../src/figures/job/query.ts';
import { jobCsv } from '../../src/report/csv.ts';
import { renderJobReport } from '../../src/report/job-text.ts';
import { widthOf } from '../../src/report/text/table-text.ts';
import { quoteTime } from '../../src/figures/sql-text.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { waitForRollups, waitForVisible } from '../../src/questdb/visible.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { quoteText } from '../../schemas/tables.ts';
import { insertRows } from '../helpers/insert-rows.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { labelColumns, ownerSetRows } from '../helpers/owner-sets.ts';
import { runCommand } from '../helpers/run-process.ts';

const SECOND = 1_000_000;
/** Whole hours ago, so that nothing here is younger than a period that a view waits for. */
const T0 = Math.floor(Date.now() / 3_600_000) * 3_600 * SECOND - 5 * 3_600 * SECOND;
const at = (seconds: number): number => T0 + Math.round(seconds * SECOND);

const lane: Lane = {
  name: 'profiling',
  table: 'gpu_profiling',
  schedule: 'continuous',
  intervalMs: 1000,
  fields: [1002, 155, 156, 252].map((id) => findField(id)!),
  capacityTicks: 100,
};

interface Sample {
  readonly gpu: string;
  readonly second: number;
  readonly sm?: number;
  readonly watts?: number;
  readonly rise?: number;
  readonly bytes?: number;
  readonly dtUs?: number;
  readonly owners?: number;
  readonly ownerSet?: string;
  readonly jobId?: string;
}

let server: TestQuestdb;
let db: QuestDb;

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
});

afterAll(async () => {
  await db.close();
  await server.stop();
});

async function insertSamples(samples: readonly Sample[]): Promise<void> {
  const rows = samples.map((s) => {
    const cells = [s.sm, s.watts, undefined, s.bytes, s.rise].map((value) => String(value ?? 'null'));
    const job = s.jobId === undefined ? 'null' : quoteText(s.jobId);
    const owners = s.owners ?? (s.jobId === undefined ? 0 : 1);
    return `(${quoteTime(at(s.second))}, 'n1', ${quoteText(s.gpu)}, ${job}, ${owners}, ${s.ownerSet ?? 'null'}, ${s.dtUs ?? SECOND}, ${cells.join(', ')})`;
  });
  await db.exec(
    'INSERT INTO gpu_profiling (ts, node, gpu, job_id, owners, owner_set, dt_us, sm_active_ratio, power_watts, energy_joules, fb_used_bytes,' +
      ` energy_rise_joules) VALUES ${rows.join(', ')}`,
  );
  await waitForVisible(db, 'gpu_profiling');
}

async function insertOwner(
  gpu: string,
  jobId: string,
  from: number,
  to: number | undefined,
  more: { share?: number; run?: number } = {},
): Promise<void> {
  const end = to === undefined ? 'null' : quoteTime(at(to));
  const { share, run = 0 } = more;
  await db.exec(
    `INSERT INTO gpu_ownership (ts, end_ts, node, gpu, job_id, run, share, source) VALUES (${quoteTime(at(from))}, ${end}, 'n1', ${quoteText(gpu)}, ${quoteText(jobId)}, ${run}, ${share ?? 'null'}, 'test')`,
  );
  await waitForVisible(db, 'gpu_ownership');
}

async function insertSet(
  id: string,
  gpu: string,
  from: number,
  parts: Readonly<Record<string, number>>,
  sharing: 'stated' | 'equal',
): Promise<void> {
  const members = Object.entries(parts).map(([jobId, part]) => ({ job_id: jobId, part }));
  const set = { ts: at(from), gpu, owner_set: id, sharing, scaled: 0 };
  await insertRows(
    db,
    'gpu_owner_sets',
    members.map((member) => ({ ...set, ...member })),
  );
}

async function insertJob(
  jobId: string,
  from: number,
  account: string,
  name = 'a job',
  to?: number,
): Promise<void> {
  const end = to === undefined ? 'null' : quoteTime(at(to));
  await db.exec(
    `INSERT INTO jobs (ts, end_ts, job_id, run, name, "user", account, state, exit_code) VALUES (${quoteTime(at(from))}, ${end}, ${quoteText(jobId)}, 0, ${quoteText(name)}, 'ada', ${quoteText(account)}, 'COMPLETED', 0)`,
  );
  await waitForVisible(db, 'jobs');
}

const seconds = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

async function figuresOf(jobId: string, options: Partial<JobQueryOptions> = {}): Promise<JobFigures> {
  return await jobFigures(db, [lane], jobId, { nowUs: at(4000), ...options });
}

async function failureOf(work: Promise<unknown>): Promise<OperatingError> {
  const thrown: unknown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(OperatingError);
  return thrown as OperatingError;
}

const render = (figures: JobFigures): string => renderJobReport(figures, { width: 100, isColored: false });

describe('an empty database', () => {
  test('an unknown job is a usage error that says where it was looked for', async () => {
    const error = await failureOf(figuresOf('nobody'));
    expect(error).toMatchObject({ code: 'report.unknown_job', exit: 'usage' });
    expect(error.message).toContain('"nobody"');
    expect(error.where).toContain(db.where);
    expect(error.hints.join()).toContain('no job has been recorded');
  });

  test('a capacity report says no data, and neither zero nor an error', async () => {
    const figures = await capacityFigures(db, [lane], { fromUs: at(0), toUs: at(60), by: 'account' });
    expect(figures).toMatchObject({ samples: 0, sampledUs: 0, rows: [] });
    expect(renderCapacityReport(figures, { width: 100, isColored: false })).toContain('no data');
  });
});

describe('boundaries', () => {
  test('a sample at the start belongs to the job before, one at the end to the job that ends', async () => {
    const values = seconds(1, 30).map((second): Sample => ({
      gpu: 'G-edge',
      second,
      sm: second / 100,
      watts: 100 + second,
      rise: second,
      bytes: second * 2 ** 30,
      jobId: second <= 10 ? 'first' : 'second',
    }));
    await insertSamples(values);
    await insertOwner('G-edge', 'first', 0, 10, { share: 1 });
    await insertOwner('G-edge', 'second', 10, 30, { share: 1 });
    const first = await figuresOf('first');
    const second = await figuresOf('second');
    expect([first.all.samples, second.all.samples]).toEqual([10, 20]);
    expect([first.all.sampledUs, second.all.sampledUs]).toEqual([10 * SECOND, 20 * SECOND]);
    expect([first.all.coverage?.value, first.gaps, first.sharing]).toEqual([1, [], 'whole']);
    // 1 + … + 10 = 55 and 11 + … + 30 = 410: both the rises in joules and the means of the percent.
    expect([first.all.energy.counter?.value, second.all.energy.counter?.value]).toEqual([55, 410]);
    expect(first.all.energy.power?.value).toBeCloseTo(10 * 100 + 55, 9);
    const sm = first.gauges.find(({ key }) => key === 'smActive')!;
    expect(sm.mean?.value).toBeCloseTo(0.055, 12);
    expect([sm.p50, sm.p95, sm.max].map((level) => level?.value)).toEqual([0.05, 0.1, 0.1]);
    expect(first.gauges.find(({ key }) => key === 'memoryUsed')!.max).toEqual({
      value: 10 * 2 ** 30,
      unit: 'bytes',
      knownUs: 10 * SECOND,
    });
    // Below 5 %: the seconds 1 to 4.
    expect(first.all.idle?.value).toBe(4 * SECOND);
    expect(second.all.idle?.value).toBe(0);
  });

  test('a sample that began before the start belongs whole to the job', async () => {
    await insertSamples(
      seconds(1, 5).map((second): Sample => ({ gpu: 'G-whole', second, sm: 0.5, jobId: 'late' })),
    );
    await insertOwner('G-whole', 'late', 2.7, 5, { share: 1 });
    const figures = await figuresOf('late');
    expect(figures.all.sampledUs).toBe(3 * SECOND);
    expect(figures.all.ownedUs).toBe(2.3 * SECOND);
    expect(figures.boundaryUs).toBe(SECOND);
    // No more than all of its time was seen.
    expect([figures.all, ...figures.devices].map(({ coverage }) => coverage?.value)).toEqual([1, 1]);
    expect(render(figures)).toContain('seen 100 % of');
    expect(render(figures)).toContain('boundaries ± 1 s');
  });
});

test('each device of a job has boundaries of its own', async () => {
  for (const [gpu, from, to] of [
    ['G-early', 0, 10],
    ['G-later', 5, 8],
  ] as const) {
    await insertSamples(
      seconds(1, 12).map((second): Sample => ({ gpu, second, sm: 0.5, jobId: 'staggered' })),
    );
    await insertOwner(gpu, 'staggered', from, to, { share: 1 });
  }
  const { devices, all } = await figuresOf('staggered');
  expect(devices.map(({ gpu, samples: own }) => [gpu, own])).toEqual([
    ['G-early', 10],
    ['G-later', 3],
  ]);
  expect([all.samples, all.ownedUs]).toEqual([13, 13 * SECOND]);
});

test('a table of levels of which none is known has no head either', async () => {
  await insertSamples([
    ...seconds(3001, 3005).map((second): Sample => ({
      gpu: 'G-blind',
      second,
      bytes: 2 ** 30,
      jobId: 'blind',
    })),
    ...seconds(3001, 3005).map((second): Sample => ({ gpu: 'G-blank', second, jobId: 'blank' })),
  ]);
  await insertOwner('G-blind', 'blind', 3000, 3005, { share: 1 });
  await insertOwner('G-blank', 'blank', 3000, 3005, { share: 1 });
  expect(
    render(await figuresOf('blind'))
      .split('\n')
      .slice(5, 9),
  ).toEqual([
    '',
    expect.stringMatching(/^ {2}memory peak 1 GiB/),
    '',
    expect.stringMatching(/^ {2}node +gpu +mem peak$/),
  ]);
  expect(
    render(await figuresOf('blank'))
      .split('\n')
      .slice(5, 7),
  ).toEqual(['', expect.stringMatching(/^ {2}node +gpu$/)]);
});

test('a percentile weighs by dt, and a blank dilutes nothing', async () => {
  await insertSamples([
    { gpu: 'G-rank', second: 1, sm: 0.9, jobId: 'rank' },
    { gpu: 'G-rank', second: 3, sm: 0.2, dtUs: 2 * SECOND, jobId: 'rank' },
    { gpu: 'G-rank', second: 4, jobId: 'rank' },
    { gpu: 'G-rank', second: 5, sm: 0.4, jobId: 'rank' },
  ]);
  await insertOwner('G-rank', 'rank', 0, 5, { share: 1 });
  const figures = await figuresOf('rank');
  const sm = figures.gauges.find(({ key }) => key === 'smActive')!;
  // Half of the four known seconds lies at 0.2 already.
  expect([sm.p50, sm.p95, sm.max].map((level) => level?.value)).toEqual([0.2, 0.9, 0.9]);
  expect(sm.mean?.knownUs).toBe(4 * SECOND);
  expect(sm.mean?.value).toBeCloseTo((0.9 + 2 * 0.2 + 0.4) / 4, 12);
  expect(figures.gauges.map(({ key }) => key)).toEqual(['smActive']);
  expect(render(figures)).toContain('SM active 80 %');
  expect(render(figures)).toMatch(/not measured: .*power.*\(the device gave no values\)/);
});

test('gaps are counted with their length, and the time in them is not seen', async () => {
  const present = [1, 2, 3, 8, 9, 10, 18, 19, 20];
  await insertSamples(
    present.map((second): Sample => ({
      gpu: 'G-gap',
      second,
      sm: 0.5,
      jobId: 'gap',
      dtUs: second === 8 || second === 18 ? 0 : SECOND,
    })),
  );
  await insertOwner('G-gap', 'gap', 0, 24, { share: 1 });
  const figures = await figuresOf('gap');
  expect(figures.gaps).toEqual([
    { gpu: 'G-gap', fromUs: at(3), toUs: at(8) },
    { gpu: 'G-gap', fromUs: at(10), toUs: at(18) },
    { gpu: 'G-gap', fromUs: at(20), toUs: at(24) },
  ]);
  expect(figures.all.sampledUs + 17 * SECOND).toBe(figures.all.ownedUs);
  expect(render(figures)).toContain('3 gaps, 17 s of GPU time');
  expect(render(figures)).toContain('29.16 % of the owned time only');
});

describe('shared devices', () => {
  test('an unknown share is an equal part among the owners of the moment, and the report says so', async () => {
    await insertSamples(
      seconds(1, 20).map((second): Sample => ({
        gpu: 'G-equal',
        second,
        sm: 0.4,
        rise: 100,
        ...(second <= 10 ? { jobId: 'half' } : { owners: 2, ownerSet: '9000000000000000001' }),
      })),
    );
    await insertSet('9000000000000000001', 'G-equal', 10, { half: 0.5, 'other half': 0.5 }, 'equal');
    await insertOwner('G-equal', 'half', 0, 20);
    await insertOwner('G-equal', 'other half', 10, 20);
    const figures = await figuresOf('half');
    expect([figures.all.sampledUs, figures.all.attributedUs]).toEqual([20 * SECOND, 15 * SECOND]);
    expect(figures.all.energy.counter?.value).toBe(1500);
    expect(figures.sharing).toBe('equal');
    expect(render(figures)).toContain('equal parts');
    expect((await figuresOf('other half')).all.energy.counter?.value).toBe(500);
  });

  test('a stated share divides amounts, not levels', async () => {
    await insertSamples(
      seconds(1, 10).map((second): Sample => ({
        gpu: 'G-part',
        second,
        sm: 0.6,
        rise: 100,
        jobId: 'quarter',
        ownerSet: '2',
      })),
    );
    await insertSet('2', 'G-part', 0, { quarter: 0.25 }, 'stated');
    await insertOwner('G-part', 'quarter', 0, 10, { share: 0.25 });
    const figures = await figuresOf('quarter');
    expect([figures.all.attributedUs, figures.all.energy.counter?.value, figures.sharing]).toEqual([
      2.5 * SECOND,
      250,
      'stated',
    ]);
    expect(figures.gauges[0]!.mean?.value).toBeCloseTo(0.6, 12);
  });

  test('the fleet counts a shared device once, and what no share covers stands apart', async () => {
    await waitForRollups(db, [lane], at(3600));
    const figures = await capacityFigures(db, [lane], { fromUs: at(0), toUs: at(60), by: 'account' });
    const sampledSeconds = 30 + 5 + 12 + 12 + 5 + 7 + 20 + 10;
    expect(figures.sampledUs).toBe(sampledSeconds * SECOND);
    const byKind = new Map(figures.rows.map((row) => [row.kind, row.attributedUs]));
    expect(byKind.get('unattributed')).toBe(7.5 * SECOND);
    expect(figures.rows.reduce((sum, row) => sum + row.attributedUs, 0)).toBe(figures.sampledUs);
    expect(renderCapacityReport(figures, { width: 100, isColored: false })).toContain(
      'nobody has told the account',
    );
  });
});

describe('a running job', () => {
  test('is looked at up to its newest sample: what is not flushed yet is no gap', async () => {
    await insertSamples(
      seconds(3001, 3100).map((second): Sample => ({ gpu: 'G-open', second, sm: 0.5, jobId: 'open' })),
    );
    await insertOwner('G-open', 'open', 3000, undefined, { share: 1 });
    const figures = await figuresOf('open', { nowUs: at(3107) });
    expect([figures.isOpen, figures.endUs, figures.gaps]).toEqual([true, at(3100), []]);
    expect(figures.all.coverage?.value).toBe(1);
    expect(render(figures)).toContain('still running');
  });

  test('is looked at up to now when its samples have stopped', async () => {
    const figures = await figuresOf('open', { nowUs: at(3400) });
    expect(figures.endUs).toBe(at(3400));
    expect(figures.gaps).toEqual([{ gpu: 'G-open', fromUs: at(3100), toUs: at(3400) }]);
    expect(figures.all.coverage?.value).toBeCloseTo(0.25, 12);
  });
});

describe('runs of one job id', () => {
  test('are reported apart, the newest first', async () => {
    await insertSamples(
      seconds(101, 130).map((second): Sample => ({ gpu: 'G-runs', second, sm: 0.5, jobId: 'again' })),
    );
    await insertOwner('G-runs', 'again', 100, 110, { share: 1, run: 0 });
    await insertOwner('G-runs', 'again', 115, 130, { share: 1, run: 1 });
    const newest = await figuresOf('again');
    expect([newest.job.run, newest.job.otherRuns, newest.all.samples]).toEqual([1, [0], 15]);
    expect(render(newest)).toContain('run 1 of this job id; others: 0 (--run N)');
    const first = await figuresOf('again', { run: 0 });
    expect([first.job.run, first.all.samples]).toEqual([0, 10]);
    const error = await failureOf(figuresOf('again', { run: 7 }));
    expect(error).toMatchObject({ code: 'report.unknown_run', exit: 'usage' });
    expect(error.message).toContain('0, 1');
  });
});

describe('job ids', () => {
  const odd = [`it's "odd" \\ 100 %`, `x' OR '1'='1`, 'naïve 作业 🚀', '--', ' leading and trailing '];

  test.each(odd)('%s is text like any other', async (jobId) => {
    const gpu = `G-${jobId}`;
    await insertSamples(seconds(201, 210).map((second): Sample => ({ gpu, second, sm: 0.5, jobId })));
    await insertOwner(gpu, jobId, 200, 210, { share: 1 });
    await insertJob(jobId, 200, 'physics');
    const figures = await figuresOf(jobId);
    expect([figures.job.jobId, figures.all.samples, figures.job.account]).toEqual([jobId, 10, 'physics']);
  });

  test.each([
    ['', 'nothing'],
    ['a\nb', 'control character'],
    ['\u001B[2J', 'control character'],
    ['x'.repeat(500), '500 characters'],
  ])('%j is refused before anything is asked', async (jobId, came) => {
    const error = await failureOf(figuresOf(jobId));
    expect(error).toMatchObject({ code: 'report.job_id', exit: 'usage' });
    expect(error.message).toContain('expected a job id of 1 to 256 characters');
    expect(error.message).toContain(came);
  });

  test('an unknown one is answered with the newest that there are', async () => {
    const error = await failureOf(figuresOf(`x' OR 'x`));
    expect(error.hints.join('\n')).toContain('open');
  });
});

test('a job with everything reads like this', async () => {
  const gpus = ['GPU-story-0', 'GPU-story-1'];
  for (const [index, gpu] of gpus.entries()) {
    await insertSamples(
      seconds(701, 800).map((second): Sample => ({
        gpu,
        second,
        sm: index === 1 && second > 750 ? 0.4 : 0.8,
        watts: 500,
        rise: 500,
        bytes: (100 + index) * 2 ** 30,
        jobId: 'story',
      })),
    );
    await insertOwner(gpu, 'story', 700, 800, { share: 1 });
    await db.exec(
      `INSERT INTO gpu_inventory (ts, node, gpu, gpu_index, model, memory_bytes, source) VALUES (${quoteTime(at(0))}, 'n1',` +
        ` ${quoteText(gpu)}, ${index}, 'NVIDIA H200', ${140 * 2 ** 30}, 'synthetic')`,
    );
  }
  await db.exec(
    `INSERT INTO gpu_events (ts, end_ts, node, gpu, kind, code, subject, text) VALUES (${quoteTime(at(750))}, ${quoteTime(at(800))},` +
      " 'n1', 'GPU-story-1', 'throttle', 32, 'sw_thermal_slowdown', 'hot'), " +
      `(${quoteTime(at(760))}, null, 'n1', null, 'clock_step', null, '', 'The clock was set.'), ` +
      `(${quoteTime(at(900))}, null, 'n1', 'GPU-story-1', 'xid', 79, '', 'too late to be of this job')`,
  );
  await insertJob('story', 700, 'physics', 'train');
  for (const table of ['gpu_inventory', 'gpu_events']) await waitForVisible(db, table);
  const clock = (second: number): string => new Date(at(second) / 1000).toISOString().slice(11, 19);
  const date = new Date(at(700) / 1000).toISOString().slice(0, 10);
  expect(render(await figuresOf('story'))).toBe(
    `verdict (synthetic GPUs): SM activity made use of 70 % of 0.056 GPU-hours, and where the rest went
    is not told
Job story · train · COMPLETED (exit 0) · synthetic
  ada, account physics · 1 node, 2 x H200 140 GiB
  ${date} ${clock(700)} → ${clock(800)} UTC (1 min 40 s)
  seen 100 % of 0.056 GPU-hours · boundaries ± 1 s

              mean    min    p50    p95    max
  SM active   70 %   40 %   80 %   80 %   80 %    ▇▇▇▇▇▇▇▇▇▇▅▅▅▅▅▅▅▅▅▅
  power      500 W  500 W  500 W  500 W  500 W    ████████████████████
  used 0.039 GPU-hours, wasted 0.017 GPU-hours (SM activity x time, and the rest)
  energy 27.8 Wh (counter; power integral 27.8 Wh)
  memory peak 101 GiB of 140 GiB (n1 gpu 1)

  node  gpu    SM  power   energy  mem peak  events
  n1    0    80 %  500 W  13.9 Wh   100 GiB
  n1    1    60 %  500 W  13.9 Wh   101 GiB  thermal throttle 50 s from ${clock(750)}
  n1: clock step at ${clock(760)}: The clock was set.

  node  gpu     used   wasted  SM min   p50   p95  power min    p50    p95
  n1    0    0.022 h  0.006 h    80 %  80 %  80 %      500 W  500 W  500 W
  n1    1    0.017 h  0.011 h    40 %  41 %  80 %      500 W  500 W  500 W
  not measured: tensor active, DRAM active, PCIe sent, PCIe received, NVLink sent, NVLink received
    (no lane records it)
  where the time went is not told: the activity of the engine (DCGM's field 1001) was not recorded

  What stands out
  · n1 gpu 1 ran at 50 % of the others' SM activity while throttled; the job waits for its slowest
    GPU.

  not told: no-tensor (not recorded: tensor active, FP32 active)
`,
  );
});

describe('nothing to say', () => {
  test('a job that was never sampled has no data, not zero', async () => {
    await insertOwner('G-dark', 'dark', 300, 400, { share: 1 });
    const figures = await figuresOf('dark');
    expect(figures.all.samples).toBe(0);
    expect(figures.all.idle).toBeUndefined();
    expect(figures.all.coverage).toBeUndefined();
    const text = render(figures);
    expect(text).toContain('no data for its');
    expect(text).not.toMatch(/seen 0|mean|energy/);
  });

  test('a job that is recorded but never owned a GPU says so', async () => {
    await insertJob('cpu only', 300, 'physics');
    const text = render(await figuresOf('cpu only'));
    expect(text).toContain('no data: it had no GPUs, or nobody recorded which');
  });

  test('a job that never owned a GPU has a header in CSV, the reason on stderr, and ends with 0', async () => {
    await insertJob('cpu csv', 300, 'physics');
    const { exitCode, stdout, stderr } = await runCommand(['report', 'job', 'cpu csv', '--csv'], {
      env: { QDB_CLIENT_CONF: server.conf, GPULEDGER_CONFIG: undefined },
    });
    expect([exitCode, stderr]).toEqual([
      0,
      'no rows of job cpu csv: it had no GPUs, or nobody recorded which\n',
    ]);
    expect(stdout).toMatch(
      /^job_id,run,node,gpu,.*,events,cluster,energy_best_joules,energy_best_known_us,.*\n$/,
    );
    expect(stdout.split('\n')[0]).toBe(jobCsv(await figuresOf('first')).split('\n')[0]);
  });

  test('a job that never owned a GPU has the end that was told of it, and none where none was', async () => {
    await insertJob('cpu half hour', 300, 'physics', 'a job', 2_100);
    const figures = await figuresOf('cpu half hour');
    expect((figures.endUs - figures.startUs) / 1e6).toBe(1_800);
    expect(render(figures)).toContain(' → ');
    await insertJob('cpu endless', 300, 'physics');
    expect(render(await figuresOf('cpu endless'))).not.toContain('→');
  });

  test('a field that the table lacks is left out and named', async () => {
    const wide: Lane = { ...lane, fields: [...lane.fields, findField(1004)!] };
    const figures = await jobFigures(db, [wide], 'first', { nowUs: at(4000) });
    expect(figures.gauges.map(({ key }) => key)).not.toContain('tensorActive');
    expect(figures.notMeasured.flatMap(({ keys }) => keys)).toContain('tensorActive');
    expect(render(figures)).toContain('tensor active');
  });

  test('a server without sample tables is told apart from a job without samples', async () => {
    const error = await failureOf(
      jobFigures(db, [{ ...lane, table: 'gpu_nowhere' }], 'first', { nowUs: at(4000) }),
    );
    expect(error).toMatchObject({ code: 'report.no_tables', exit: 'unavailable' });
  });

  test('control sequences in a name are shown, not obeyed', async () => {
    await insertOwner('G-name', 'named', 500, 510, { share: 1 });
    await insertJob('named', 500, 'physics', 'evil\u001B[2J\nname');
    expect(render(await figuresOf('named')).split('\n')[1]).toBe(
      'Job named · evil␛[2J␊name · COMPLETED (exit 0)',
    );
  });
});

describe('the fleet', () => {
  test('samples that no rollup holds yet are counted from the raw table', async () => {
    const nowUs = Date.now() * 1000;
    const second = Math.floor((nowUs - T0) / SECOND);
    await insertSamples(
      seconds(second - 5, second).map((s): Sample => ({ gpu: 'G-young', second: s, sm: 0.5 })),
    );
    // A minute that has just ended may be computed already, without these.
    await waitForRollups(db, [lane], at(3600));
    const figures = await capacityFigures(db, [lane], { fromUs: at(second - 60), toUs: nowUs, by: 'node' });
    expect(figures.sampledUs).toBe(6 * SECOND);
    expect(figures.rows).toEqual([
      // The running job owns a device there that has no samples.
      expect.objectContaining({ kind: 'group', name: 'n1', attributedUs: 0, unownedUs: 6 * SECOND, jobs: 1 }),
      expect.objectContaining({ kind: 'unowned', attributedUs: 6 * SECOND }),
    ]);
    expect(renderCapacityReport(figures, { width: 100, isColored: false })).toContain('0.002 (100 %)');
  });

  test('a job that could not be named has a row of its own', async () => {
    await insertSamples(
      seconds(601, 610).map((second): Sample => ({ gpu: 'G-who', second, sm: 0.5, jobId: 'unresolved' })),
    );
    await insertOwner('G-who', 'unresolved', 600, 610, { share: 1 });
    await waitForRollups(db, [lane], at(3600));
    const figures = await capacityFigures(db, [lane], { fromUs: at(600), toUs: at(660), by: 'user' });
    expect(figures.rows).toEqual([
      expect.objectContaining({ kind: 'unresolved', attributedUs: 10 * SECOND, jobs: 0 }),
    ]);
    expect(figures.all.jobs).toBe(0);
  });

  test('a job of which nothing was seen counts in the row of its group, too', async () => {
    await insertOwner('G-unseen', 'unseen', 1800, 1850, { share: 1 });
    await insertJob('unseen', 1800, 'geology');
    const window = { fromUs: at(1800), toUs: at(1920) };
    for (const asked of [{ by: 'account' }, { by: 'account', every: 'month' }] as const) {
      const { rows, all } = await capacityFigures(db, [lane], { ...window, ...asked });
      const row = rows.find(({ name }) => name === 'geology');
      expect(row).toMatchObject({ kind: 'group', attributedUs: 0, idle: undefined, jobs: 1 });
      expect(rows.reduce((sum, { jobs }) => sum + jobs, 0)).toBe(all.jobs);
    }
  });

  test('what was seen was known: the first sample of a window speaks for time of before it, too', async () => {
    await insertSamples(seconds(7170, 7230).map((second): Sample => ({ gpu: 'G-astride', second, sm: 0.5 })));
    await waitForRollups(db, [lane], at(7260));
    const figures = await capacityFigures(db, [lane], { fromUs: at(7200), toUs: at(7260), by: 'user' });
    expect([figures.sampledUs, figures.knownUs]).toEqual([31 * SECOND, 31 * SECOND]);
  });

  test('a window is rounded outward and says so; an empty one is refused', async () => {
    const figures = await capacityFigures(db, [lane], { fromUs: at(5), toUs: at(65), by: 'user' });
    expect([figures.fromUs, figures.toUs]).toEqual([at(0), at(120)]);
    expect(renderCapacityReport(figures, { width: 100, isColored: false })).toContain(
      'rounded outward to whole minutes',
    );
    const error = await failureOf(capacityFigures(db, [lane], { fromUs: at(5), toUs: at(5), by: 'user' }));
    expect(error).toMatchObject({ code: 'report.window', exit: 'usage' });
  });
});

describe('the command', () => {
  const run = (...args: string[]): ReturnType<typeof runCommand> =>
    runCommand(['report', ...args], { env: { QDB_CLIENT_CONF: server.conf, GPULEDGER_CONFIG: undefined } });

  test('prints text without colours into a pipe', async () => {
    const { exitCode, stdout, stderr } = await run('job', 'first');
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^verdict: .*\nJob first · ended\n/);
    expect(stdout).not.toContain('\u001B');
  });

  test('prints every figure as JSON, and one row per GPU as CSV', async () => {
    const json = await run('job', 'first', '--json');
    const figures = JSON.parse(json.stdout) as { findings: unknown[] };
    expect(figures).toMatchObject({
      jobId: 'first',
      samples: 10,
      sampledUs: 10 * SECOND,
      energy: { counterJoules: 55 },
    });
    expect(figures.findings).toEqual([]);
    const csv = await run('job', 'first', '--csv');
    expect(csv.stdout.split('\n')).toHaveLength(3);
    expect(csv.stdout).toContain('job_id,run,node,gpu,');
    const capacity = await run('capacity', '--since', '8h', '--by', 'node', '--json');
    expect(capacity.stderr).toBe('');
    expect(JSON.parse(capacity.stdout)).toMatchObject({ by: 'node', nodes: 1 });
  });

  test('tells idleness by the limits of the configuration', async () => {
    const env = {
      ...{ QDB_CLIENT_CONF: server.conf, GPULEDGER_CONFIG: undefined },
      ...{ GPULEDGER_IDLE_SM_RATIO: '0.2', GPULEDGER_IDLE_MODELS: 'NVIDIA H=0.01' },
    };
    const told = async (...args: string[]): Promise<unknown> =>
      JSON.parse((await runCommand(['report', ...args, '--json'], { env })).stdout);
    expect(await told('job', 'first')).toMatchObject({
      idleLimits: { smRatio: 0.2 },
      devices: [{ idleSmRatio: 0.2 }],
    });
    expect(await told('job', 'story')).toMatchObject({
      idleLimits: { smRatio: 0.2, models: { 'NVIDIA H': 0.01 } },
      devices: [{ idleSmRatio: 0.01 }, { idleSmRatio: 0.01 }],
    });
    expect(await told('capacity', '--since', '8h')).toMatchObject({
      idleLimits: { smRatio: 0.2, models: { 'NVIDIA H': 0.01 } },
    });
  });

  test.each([
    [['job', 'nobody at all'], 'error: no job "nobody at all"'],
    [['job', 'a\nb'], 'error: expected a job id'],
    [['job', 'first', '--run', 'x'], 'a run is a whole number'],
    [['job', 'first', '--json', '--csv'], 'cannot be used with'],
    [['capacity', '--by', 'planet'], 'Allowed choices are user, account, partition, qos, node, model'],
    [['capacity', '--by', 'week,month'], 'and after them maybe ,hour or ,day or ,week or ,month'],
    [['capacity', '--by', 'month,account'], 'and after them maybe ,hour or ,day or ,week or ,month'],
    [['capacity', '--by', 'account,account'], 'of those that are no times several, each once'],
    [['capacity', '--by', 'account,'], 'Allowed choices are user, account'],
    [['capacity', '--where', 'account'], 'with = and a name after it'],
    [['capacity', '--where', 'planet=mars'], 'Expected one of user, account, partition'],
    [['capacity', '--where', 'account='], 'with = and a name after it'],
    [['capacity', '--where', 'account=physicz'], 'did you mean physics?'],
    [['capacity', '--where', 'model=H9000'], 'no GPU of the window has the model "H9000"'],
    [['capacity', '--top', '0'], 'expected a number of rows, 1 or more'],
    [['capacity', '--by', 'hour', '--since', '90d'], 'expected a window of 62 days at most by the hour'],
    [['capacity', '--since', '1d', '--from', '2026-01-01'], 'expected --since or --from'],
  ])('%j ends with 64 and says what was expected', async (args, message) => {
    const { exitCode, stdout, stderr } = await run(...args);
    expect([exitCode, stdout]).toEqual([64, '']);
    expect(stderr).toContain(message);
  });

  test('a server that is down is worth another try later', async () => {
    const { exitCode, stderr } = await runCommand(['report', 'job', '1'], {
      env: { QDB_CLIENT_CONF: 'http::addr=127.0.0.1:1;', GPULEDGER_CONFIG: undefined },
    });
    expect(exitCode).toBe(75);
    expect(stderr).toContain('error: no QuestDB at');
  });
});

test('nothing is wider than the terminal, whatever it holds', async () => {
  const figures = await figuresOf('story');
  for (const width of [60, 75, 100]) {
    const lines = renderJobReport(
      { ...figures, job: { ...figures.job, name: 'n'.repeat(200) } },
      { width, isColored: false },
    ).split('\n');
    expect(Math.max(...lines.map(widthOf))).toBeLessThanOrEqual(width);
  }
  expect(renderJobReport(figures, { width: 100, isColored: true })).toContain('\u001B[1mJob story');
});

/** Last, since it ages out what the others need. */
test('samples that have aged out are named, shared devices stay divided, and what no owner set tells is told', async () => {
  const old = -4 * 86_400;
  const told = ['old a', 'old b'].map((jobId) => ({
    ...{ gpu: 'G-old', jobId, startUs: at(old), endUs: at(old + 10) },
  }));
  // The older samples are from before there were owner sets.
  for (const gpu of ['G-old', 'G-older'])
    await insertSamples(
      seconds(old + 1, old + 10).map((second): Sample => {
        const { owner_set: ownerSet } = labelColumns(told, gpu, at(second));
        return { gpu, second, sm: 0.5, owners: 2, ...(ownerSet === undefined ? {} : { ownerSet }) };
      }),
    );
  await insertRows(db, 'gpu_owner_sets', ownerSetRows(told));
  for (const { gpu, jobId } of told) await insertOwner(gpu, jobId, old, old + 10);
  await insertOwner('G-older', 'older a', old, old + 10);
  await insertOwner('G-older', 'older b', old, old + 10);
  await waitForRollups(db, [lane], at(3600));
  const window = { fromUs: at(old - 60), toUs: at(60), by: 'account' } as const;
  const before = await capacityFigures(db, [lane], window);
  expect([before.undividedUs, before.sharedUs.equal]).toEqual([10 * SECOND, 20 * SECOND]);
  await db.exec('ALTER TABLE gpu_profiling SET TTL 1 DAY');
  await insertSamples([{ gpu: 'G-new', second: 4 * 3600, sm: 0.5 }]);
  await expect.poll(async () => (await figuresOf('older a')).all.samples).toBe(0);
  const job = await figuresOf('older a');
  expect(render(job)).toMatch(/no data: the oldest sample is of .* older ones have aged out/);
  const after = await capacityFigures(db, [lane], window);
  expect(after).toEqual(before);
  expect(renderCapacityReport(after, { width: 100, isColored: false })).toMatch(
    /Of 0\.003 GPU-hours in free shares several jobs owned the GPU/,
  );
});

test('a rollup that the server has stopped updating is named', async () => {
  const day = new Date(at(4 * 3600) / 1000).toISOString().slice(0, 10);
  await db.exec(`ALTER TABLE gpu_profiling DROP PARTITION LIST '${day}'`);
  const window = { fromUs: at(0), toUs: at(3600), by: 'account' } as const;
  await expect
    .poll(async () => (await capacityFigures(db, [lane], window)).invalidRollups)
    .toEqual([{ name: 'gpu_profiling_1h', reason: expect.any(String) as string }]);
});
