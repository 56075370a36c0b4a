/**
 * Goal: the smallest size that is named would have done, and what packing is said to free is what a replay hour by hour frees; what is
 * not known is counted and never guessed. Method: four GPUs and five weeks in a real QuestDB, against brute force by a table of sizes
 * written down here, which shares no code with it.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { capacityReport } from '../../../schemas/reports/capacity-report.ts';
import { rightSizeReport } from '../../../schemas/reports/right-size.ts';
import type { Config } from '../../../src/config/config.ts';
import type { RightSizeFigures } from '../../../src/figures/right-size/figures.ts';
import { rightSizeFigures } from '../../../src/figures/right-size/query.ts';
import type { WhatIfQuestion } from '../../../src/figures/right-size/what-if.ts';
import { openQuestDb, type QuestDb } from '../../../src/questdb/http.ts';
import { applySchema } from '../../../src/questdb/schema/apply.ts';
import { waitForRollups, waitForVisible } from '../../../src/questdb/visible.ts';
import { rightSizeCsv } from '../../../src/report/right-size/right-size-data.ts';
import { renderRightSize } from '../../../src/report/right-size/right-size-text.ts';
import { runLine } from '../../helpers/command-line.ts';
import { insertRows, type Row } from '../../helpers/insert-rows.ts';
import { startTestQuestdb, type TestQuestdb } from '../../helpers/questdb.ts';
import { configOf } from '../bill/billed-fleet.ts';

vi.mock('../../../src/cli/leave.ts', () => ({ leave: () => undefined, leaveStuckCalls: () => undefined }));

const HOUR = 3600e6;
const DAY = 24 * HOUR;
const GIB = 2 ** 30;
/** A Monday. */
const T0 = Date.UTC(2023, 4, 1) * 1000;
const WEEKS = 5;
const END = T0 + WEEKS * 7 * DAY;
const GPUS = ['GPU-rs-0', 'GPU-rs-1', 'GPU-rs-2', 'GPU-rs-3'];
const MEMORY = 143_771 * 2 ** 20;

interface Made {
  readonly job: string;
  readonly name: string;
  readonly gpu: number;
  readonly from: number;
  readonly hours: number;
  readonly gib?: number;
  readonly sm?: number;
}

/** Without `gib` or `sm` nobody recorded it. */
const JOBS: readonly Made[] = Array.from({ length: WEEKS * 7 }, (_, day): Made[] => {
  const from = T0 + day * DAY;
  const job = (index: number) => String(1000 + day * 10 + index);
  return [
    { job: job(0), name: 'tiny', gpu: 0, from: from + HOUR, hours: 10, gib: 9 + (day % 3), sm: 0.1 },
    { job: job(1), name: 'half', gpu: 1, from: from + 4 * HOUR, hours: 12, gib: 50, sm: 0.3 },
    { job: job(2), name: 'whole', gpu: 2, from: from + 6 * HOUR, hours: 8, gib: 120, sm: 0.9 },
    // Little until the last week.
    { job: job(3), name: 'grown', gpu: 3, from: from + 2 * HOUR, hours: 6, gib: day < 28 ? 5 : 40, sm: 0.05 },
  ];
}).flat();
const ODD: readonly Made[] = [
  { job: '9001', name: 'blind', gpu: 2, from: T0 + 16 * HOUR, hours: 2, sm: 0.1 },
  { job: '9002', name: 'dark', gpu: 2, from: T0 + 20 * HOUR, hours: 2, gib: 5 },
];
/** Ten days after all others, on an instance of three slices: a fifth of its SMs. */
const ON_INSTANCE = { job: '9100', gpu: 'MIG-rs-5', from: END + 10 * DAY, hours: 7, gib: 10, sm: 0.2 };
/** One job on two GPUs, and two that share one. */
const PAIR = { from: T0 + 16 * HOUR, hours: 4 };
const SHARED = { from: T0 + DAY + 20 * HOUR, hours: 3 };

let server: TestQuestdb;
let db: QuestDb;
let config: Config;
let directory: string;
let file: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-size-'));
  file = join(directory, 'gpuledger.yaml');
  writeFileSync(
    file,
    'lanes:\n  - name: sized\n    interval: 1m\n    fields: [sm_active_ratio, fb_used_bytes]\n',
  );
  config = await configOf(file);
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await applySchema(db, config.lanes, { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  await insertRows(
    db,
    'gpu_inventory',
    GPUS.map((gpu) => ({
      ts: T0 - DAY,
      gpu,
      cluster: 'a',
      node: 'n1',
      model: 'NVIDIA H200',
      memory_bytes: MEMORY,
      source: 'nvml',
    })),
  );
  await insertRows(db, 'gpu_inventory', [
    {
      ts: T0 - DAY,
      gpu: 'GPU-rs-cut',
      cluster: 'a',
      node: 'n2',
      model: 'NVIDIA H200',
      memory_bytes: MEMORY,
      source: 'nvml',
    },
    {
      ts: T0 - DAY,
      gpu: 'MIG-rs-5',
      cluster: 'a',
      node: 'n2',
      model: 'NVIDIA H200 MIG 3g.71gb',
      memory_bytes: 71_424 * 2 ** 20,
      parent: 'GPU-rs-cut',
      mig_profile: '3g.71gb',
      source: 'nvml',
    },
  ]);
  const all = [...JOBS, ...ODD];
  await insertRows(db, 'gpu_sized', [
    ...all.flatMap(samplesOf),
    ...samplesOf({ ...ON_INSTANCE, name: 'inst', gpu: 9 }).map((row) => ({ ...row, gpu: ON_INSTANCE.gpu })),
  ]);
  await insertRows(db, 'gpu_ownership', [
    ...all.map((made) => stayOf(made.job, made.gpu, made)),
    stayOf('9003', 0, PAIR),
    stayOf('9003', 1, PAIR),
    stayOf('9004', 3, SHARED, 0.5),
    stayOf('9005', 3, SHARED, 0.5),
    { ...stayOf(ON_INSTANCE.job, 9, ON_INSTANCE), gpu: ON_INSTANCE.gpu, node: 'n2' },
  ]);
  await insertRows(
    db,
    'jobs',
    [
      ...all.map(({ job, name, ...time }) => ({ job, name, ...time })),
      { job: '9003', name: 'pair', ...PAIR },
    ].map(({ job, name, from, hours }) => ({
      ...{
        ts: from,
        end_ts: from + hours * HOUR,
        cluster: 'a',
        job_id: job,
        name,
        account: `of-${name}`,
        user: 'ada',
      },
    })),
  );
  // The half ones idle at their end, for two hours each; one idles before it works.
  await insertRows(
    db,
    'job_figures',
    JOBS.filter(({ name }) => name === 'half').map(({ job, gpu, from, hours }, index) => ({
      ...{
        ts: from,
        end_ts: from + hours * HOUR,
        cluster: 'a',
        node: 'n1',
        gpu: GPUS[gpu],
        job_id: job,
        written_ts: END,
      },
      ...{
        causes_origin: 'samples',
        cause_idle_tail_us: 2 * HOUR,
        cause_idle_head_us: index === 0 ? HOUR : 0,
        cause_pause_us: 0,
      },
    })),
  );
  await waitForRollups(db, config.lanes, ON_INSTANCE.from + DAY);
});
afterAll(async () => {
  await db.close();
  await server.stop();
  rmSync(directory, { recursive: true });
});

function samplesOf({ job, gpu, from, hours, gib, sm }: Made): Row[] {
  return Array.from({ length: hours }, (_, hour) => ({
    ...{
      ts: from + (hour + 1) * HOUR,
      gpu: GPUS[gpu],
      cluster: 'a',
      node: 'n1',
      job_id: job,
      owners: 1,
      dt_us: HOUR,
    },
    ...{ sm_active_ratio: sm, fb_used_bytes: gib === undefined ? undefined : gib * GIB },
  }));
}

function stayOf(
  job: string,
  gpu: number,
  { from, hours }: Pick<Made, 'from' | 'hours'>,
  share?: number,
): Row {
  return {
    ...{
      ts: from,
      end_ts: from + hours * HOUR,
      cluster: 'a',
      node: 'n1',
      gpu: GPUS[gpu],
      job_id: job,
      share,
    },
    source: 'journal',
  };
}

async function figuresOf(whatIfs: readonly WhatIfQuestion[] = [], toUs = END): Promise<RightSizeFigures> {
  return await rightSizeFigures(db, config.lanes, { fromUs: T0, toUs, nowUs: END + DAY, whatIfs });
}

/** By the guide: eighths of the memory and sevenths of the SMs, nine tenths of each of the latter. */
const SIZES = { tiny: '1g.18gb', half: '3g.71gb', whole: undefined, grown: '3g.71gb' } as const;
const EIGHTHS: Readonly<Record<string, readonly [slices: number, eighths: number]>> = {
  '1g.18gb': [1, 1],
  '3g.71gb': [3, 4],
};

test('the smallest size that would have done for all jobs of a name is named', async () => {
  const { groups } = await figuresOf();
  expect(Object.fromEntries(groups.map(({ name, size }) => [name, size.profile]))).toEqual(SIZES);
  expect(groups.find(({ name }) => name === 'tiny')).toMatchObject({
    ...{ account: 'of-tiny', cluster: 'a', model: 'NVIDIA H200', runs: 35, ownedUs: 350 * HOUR },
    memoryPeakBytes: 11 * GIB,
    // The upper edge of the bar.
    smP95: 0.11,
  });
  // A seventh, each of 35 jobs rounded to a µs.
  expect(Math.abs(groups[0]!.sizedUs - 50 * HOUR)).toBeLessThan(35);
  // First is by whom most would be freed: six sevenths of 350 hours, and not four of 420.
  expect(groups[0]!.name).toBe('tiny');
});

test('packing frees what a replay hour by hour frees', async () => {
  const { usedUs, neededUs, usedMost, neededMost } = await figuresOf();
  const [used, needed]: number[][] = [[], []];
  for (let hour = T0; hour < END; hour += HOUR) {
    const now = [...JOBS, ...ODD].filter(({ from, hours }) => from <= hour && from + hours * HOUR > hour);
    const others =
      (PAIR.from <= hour && PAIR.from + PAIR.hours * HOUR > hour ? 2 : 0) +
      (SHARED.from <= hour && SHARED.from + SHARED.hours * HOUR > hour ? 1 : 0);
    const packed = now.flatMap(({ name }) => SIZES[name as keyof typeof SIZES] ?? []);
    used!.push(now.length + others);
    needed!.push(now.length - packed.length + others + fewest(packed));
  }
  const sum = (all: readonly number[]): number => all.reduce((total, one) => total + one, 0);
  expect(usedUs).toBe(sum(used!) * HOUR);
  expect(neededUs).toBe(sum(needed!) * HOUR);
  expect([usedMost, neededMost]).toEqual([Math.max(...used!), Math.max(...needed!)]);
  expect(neededUs).toBeLessThan(usedUs);
});

/** By trying every way to put them on GPUs. */
function fewest(profiles: readonly string[]): number {
  let best = profiles.length;
  const place = (index: number, gpus: readonly (readonly [number, number])[]): void => {
    const profile = profiles[index];
    if (profile === undefined) {
      best = Math.min(best, gpus.length);
      return;
    }
    const [slices, eighths] = EIGHTHS[profile]!;
    for (const [at, [a, b]] of gpus.entries())
      if (a + slices <= 7 && b + eighths <= 8)
        place(
          index + 1,
          gpus.map((gpu, other) => (other === at ? [a + slices, b + eighths] : gpu)),
        );
    place(index + 1, [...gpus, [slices, eighths]]);
  };
  place(0, []);
  return best;
}

test('what is not known is counted by its reason, and left as it was', async () => {
  const { unsized, sized } = await figuresOf();
  expect(Object.fromEntries(unsized)).toEqual({
    no_memory: { runs: 1, ownedUs: 2 * HOUR },
    no_activity: { runs: 1, ownedUs: 2 * HOUR },
    several_gpus: { runs: 1, ownedUs: 8 * HOUR },
    shared: { runs: 2, ownedUs: 6 * HOUR },
  });
  expect(sized).toEqual({ runs: JOBS.length, ownedUs: JOBS.reduce((us, { hours }) => us + hours * HOUR, 0) });
});

test('each week is held against sizes that were chosen without it', async () => {
  const { weeks } = await figuresOf();
  expect(weeks.map(({ fromUs, runs, failed }) => [(fromUs - T0) / (7 * DAY), runs, failed])).toEqual([
    // What grew in the last week asks for as much in all others.
    [0, 21, 0],
    [1, 21, 0],
    [2, 21, 0],
    [3, 21, 0],
    // Of the other four weeks nobody could know.
    [4, 21, 7],
  ]);
  expect(weeks[4]!.freedUs).toBeLessThan(weeks[3]!.freedUs);
  // Two weeks at least.
  expect((await figuresOf([], T0 + 13 * DAY)).weeks).toEqual([]);
});

describe('what if', () => {
  test('GPUs were cut alike: who fits shares them, the others keep theirs', async () => {
    const [mig] = (await figuresOf([{ of: 'mig', profile: '1g.35gb', count: 4 }])).whatIfs;
    // 25 of 33.5 GiB with a fifth more: tiny, and grown while it was little; by the hour together in one GPU.
    expect(mig).toMatchObject({ of: 'mig', models: ['NVIDIA H200'], fitting: 35 + 28, known: JOBS.length });
    let needed = 0;
    for (let hour = T0; hour < END; hour += HOUR) {
      const now = [...JOBS, ...ODD].filter(({ from, hours }) => from <= hour && from + hours * HOUR > hour);
      const small = now.filter(
        ({ name, gib = 99, sm = 1 }) => name !== 'blind' && gib * 1.2 <= 32 && sm < 0.12,
      ).length;
      const others =
        (PAIR.from <= hour && PAIR.from + PAIR.hours * HOUR > hour ? 2 : 0) +
        (SHARED.from <= hour && SHARED.from + SHARED.hours * HOUR > hour ? 1 : 0);
      needed += now.length - small + others + Math.ceil(small / 4);
    }
    expect(mig).toMatchObject({ neededUs: needed * HOUR });
  });

  test('jobs that idle were ended', async () => {
    const [idle] = (await figuresOf([{ of: 'idle_limit', limitUs: HOUR / 2 }])).whatIfs;
    expect(idle).toEqual({
      of: 'idle_limit',
      limitUs: HOUR / 2,
      runs: 35,
      freedUs: 35 * 1.5 * HOUR,
      stoppedBefore: 1,
      maybeStopped: 0,
      // All others ended, too, and nothing was concluded of them.
      unknown: JOBS.length - 35 + ODD.length + 3,
      known: 35,
    });
  });

  test.each([
    ['1g.24gb', 7, 'no GPU of this fleet can be cut into 1g.24gb', 'what there can be: 1g.18gb'],
    ['1g.35gb', 5, 'expected at most 4 instances of 1g.35gb on a GPU, came 5', 'what there can be'],
  ])('no device can be cut into %s:%i, and that is said', async (profile, count, message, hint) => {
    await expect(figuresOf([{ of: 'mig', profile, count }])).rejects.toMatchObject({
      code: 'report.what_if',
      exit: 'usage',
      message: expect.stringContaining(message) as string,
      hints: expect.arrayContaining([expect.stringContaining(hint) as string]) as string[],
    });
  });
});

test('of an instance the part of the whole GPU counts, and a smaller one may do', async () => {
  const window = {
    fromUs: ON_INSTANCE.from - DAY,
    toUs: ON_INSTANCE.from + DAY,
    nowUs: ON_INSTANCE.from + DAY,
  };
  const { groups, usedUs, neededUs } = await rightSizeFigures(db, config.lanes, { ...window, whatIfs: [] });
  expect(groups).toMatchObject([
    {
      ...{ model: 'NVIDIA H200', runs: 1, account: undefined, name: undefined },
      // Of seven hours three sevenths, then one.
      ...{ ownedUs: 3 * HOUR, sizedUs: HOUR, memoryPeakBytes: 10 * GIB },
      ...{ had: { profile: '3g.71gb', memoryBytes: 71_424 * 2 ** 20 }, size: { profile: '1g.18gb' } },
    },
  ]);
  expect(groups[0]!.smP95).toBeCloseTo((0.21 * 3) / 7, 9);
  // One GPU it is, whatever it is cut into.
  expect([usedUs, neededUs]).toEqual([7 * HOUR, 7 * HOUR]);
});

test('it is the same from rollups alone', async () => {
  const before = await figuresOf();
  await db.exec('TRUNCATE TABLE gpu_sized');
  await waitForVisible(db, 'gpu_sized');
  expect(await figuresOf()).toEqual(before);
});

describe('the command', () => {
  const line = async (...args: readonly string[]) =>
    await runLine(
      ['report', 'right-size', '--config', file, '--from', '2023-05-01', '--to', '2023-06-05', ...args],
      {
        QDB_CLIENT_CONF: server.conf,
      },
    );

  test('prints text, CSV and JSON', async () => {
    const text = await line('--what-if', 'mig=1g.35gb:4', '--what-if', 'idle-limit=30m');
    expect(text).toMatchObject({ exitCode: 0, stderr: '' });
    expect(text.stdout).toContain(
      'Right size · 2023-05-01 00:00:00 → 2023-06-05 00:00:00 UTC · 140 jobs of one GPU',
    );
    expect(text.stdout).toMatch(/of-tiny +tiny +35 +350\.0 +11 GiB +11 % +H200 +1g\.18gb +50\.0\n/);
    expect(text.stdout.replaceAll(/\n +/g, ' ')).toContain('7 of 105 jobs would have been given too little');
    const json = await line('--json', '--what-if', 'idle-limit=30m');
    rightSizeReport.parse(JSON.parse(json.stdout));
    const csv = await line('--csv');
    expect(csv.stdout).toMatch(/^from,to,kind,reason,cluster,account,name,model,runs,owned_us,/);
    expect(csv.stdout).toMatch(/,unsized,shared,,,,,2,21600000000,/);
  });

  test('says what no device can be, and what is no change', async () => {
    expect(await line('--what-if', 'mig=1g.24gb:7')).toMatchObject({
      exitCode: 64,
      stdout: '',
      stderr: expect.stringContaining('no GPU of this fleet can be cut into 1g.24gb') as string,
    });
  });

  const capacity = async (...args: readonly string[]) =>
    await runLine(
      ['report', 'capacity', '--config', file, '--from', '2023-05-01', '--to', '2023-06-05', ...args],
      { QDB_CLIENT_CONF: server.conf },
    );

  test('stands below the account of the fleet, too', async () => {
    const asked = ['--what-if', 'mig=1g.35gb:4', '--what-if', 'idle-limit=30m'];
    const text = await capacity(...asked);
    expect(text).toMatchObject({ exitCode: 0, stderr: '' });
    const sizes = (await line(...asked)).stdout.replaceAll(/\n +/g, ' ');
    const whatIfs = sizes.slice(sizes.indexOf('What if GPUs')).trim();
    expect(whatIfs).toMatch(/^What if GPUs .* What if idle jobs were ended after /);
    expect(text.stdout).toBe(
      `${(await capacity()).stdout}${text.stdout.slice(text.stdout.indexOf('\n  What if'))}`,
    );
    expect(text.stdout.replaceAll(/\n +/g, ' ').trimEnd().endsWith(whatIfs)).toBe(true);
    const json = capacityReport.parse(JSON.parse((await capacity('--json', ...asked)).stdout));
    const sized = rightSizeReport.parse(JSON.parse((await line('--json', ...asked)).stdout));
    expect(json.whatIfs).toEqual(sized.whatIfs);
    expect(json.whatIfs).toHaveLength(2);
    expect(JSON.parse((await capacity('--json')).stdout)).not.toHaveProperty('whatIfs');
  });

  test('below the account of the fleet says what no device can be, and what it cannot stand with', async () => {
    expect(await capacity('--what-if', 'mig=1g.24gb:7')).toMatchObject({
      ...{ exitCode: 64, stdout: '' },
      stderr: expect.stringContaining('no GPU of this fleet can be cut into 1g.24gb') as string,
    });
    for (const others of [['--csv'], ['--base-units'], ['--html', 'x.html'], ['--where', 'account=of-tiny']])
      expect(await capacity('--what-if', 'idle-limit=30m', ...others)).toMatchObject({
        ...{ exitCode: 64, stdout: '' },
        stderr: expect.stringContaining('--what-if') as string,
      });
  });

  test('an empty window says that nobody had a GPU', async () => {
    const { stdout } = await runLine(
      ['report', 'right-size', '--config', file, '--from', '2020-01-01', '--to', '2020-02-01'],
      { QDB_CLIENT_CONF: server.conf },
    );
    expect(stdout).toContain('No job had a GPU in this window.');
  });

  test('a window of another cluster has none', async () => {
    const figures = await rightSizeFigures(db, config.lanes, {
      fromUs: T0,
      toUs: END,
      nowUs: END,
      cluster: 'b',
      whatIfs: [],
    });
    expect(figures).toMatchObject({ groups: [], usedUs: 0, usedMost: 0 });
    expect(renderRightSize(figures, { width: 100, isColored: false })).toContain('cluster b');
    expect(rightSizeCsv(figures).trim().split('\n')).toHaveLength(1);
  });
});
