/**
 * Goal: whatever capacity is told apart by, and of whatever names only, the rows are the sums of the samples that fit, and add up to
 * `all`. Method: a random fleet of two clusters in a real QuestDB; sums in this file, a sample at a time.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import {
  CAPACITY_NAMES,
  isJobName,
  type CapacityName,
  type TimesRow,
} from '../../src/figures/capacity/figures.ts';
import {
  capacityFigures,
  capacityTimes,
  type CapacityQueryOptions,
} from '../../src/figures/capacity/query.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups } from '../../src/questdb/visible.ts';
import { insertRows } from '../helpers/insert-rows.ts';
import { startTestQuestdb } from '../helpers/questdb.ts';

const HOUR_US = 3600e6;
const START_US = Date.UTC(2026, 1, 26) * 1000;
const HOURS = 6 * 24;
const lane: Lane = {
  ...{ name: 'profiling', table: 'gpu_profiling', schedule: 'continuous', intervalMs: 3600e3 },
  ...{ fields: [findField(1002)!], capacityTicks: 100 },
};

interface Sample {
  /** Of the hour. */
  readonly atUs: number;
  readonly gpu: string;
  readonly isIdle: boolean;
  readonly names: Readonly<Partial<Record<CapacityName, string>>>;
  readonly job: string | undefined;
}

/** A generator of which everybody knows what comes next: the fleet is the same each time. */
let state = 7;
const draw = (below: number): number => {
  state = (state * 48271) % 2147483647;
  return state % below;
};

const MODELS = ['NVIDIA H100', 'NVIDIA A100-SXM4-80GB'];
/** Node names that two clusters share, and a name with an odd letter. */
const DEVICES = Array.from({ length: 12 }, (_, at) => ({
  gpu: `GPU-${at}`,
  cluster: at < 6 ? 'ash' : 'oak',
  node: `n${Math.floor((at % 6) / 2)}`,
  model: MODELS[at % 3 === 0 ? 1 : 0]!,
}));
const OF_JOBS = {
  user: ['ada', 'bob', "o'neil"],
  account: ['physics', 'bio'],
  partition: ['gpu', 'long'],
  qos: ['normal', 'high=1'],
} as const;

interface MadeJob extends Readonly<Partial<Record<CapacityName, string>>> {
  readonly id: string;
  readonly cluster: string;
  readonly gpu: string;
  readonly from: number;
  readonly to: number;
}

function makeJobs(): MadeJob[] {
  const jobs: MadeJob[] = [];
  for (const { gpu, cluster } of DEVICES)
    for (let hour = draw(9); hour < HOURS;) {
      const to = Math.min(HOURS, hour + 1 + draw(30));
      const pick = (of: readonly string[]): string => of[draw(of.length)]!;
      jobs.push({
        ...{ id: String(100 + jobs.length), cluster, gpu, from: hour, to },
        ...{ user: pick(OF_JOBS.user), account: pick(OF_JOBS.account) },
        ...{ partition: pick(OF_JOBS.partition), qos: pick(OF_JOBS.qos) },
      });
      hour = to + draw(12);
    }
  return jobs;
}

const JOBS = makeJobs();
const UNRESOLVED = 'unresolved';
/** Hours that nobody saw, of each device. */
const MISSED = new Map(
  DEVICES.map(({ gpu }) => [gpu, new Set(Array.from({ length: draw(20) }, () => draw(HOURS)))]),
);
const SAMPLES: Sample[] = DEVICES.flatMap(({ gpu, ...names }) =>
  Array.from({ length: HOURS }, (_, hour) => hour)
    .filter((hour) => !MISSED.get(gpu)!.has(hour))
    .map((hour): Sample => {
      const job = JOBS.find((one) => one.gpu === gpu && one.from <= hour && hour < one.to);
      const { user, account, partition, qos } = job ?? {};
      const ofJob =
        job === undefined ? {} : { user: user!, account: account!, partition: partition!, qos: qos! };
      const atUs = START_US + hour * HOUR_US;
      // Somebody had it whom nobody could name.
      const nameless = gpu === 'GPU-3' && hour % 5 === 0 ? UNRESOLVED : undefined;
      return { atUs, gpu, isIdle: draw(3) === 0, names: { ...names, ...ofJob }, job: job?.id ?? nameless };
    }),
);

/** Where the time went of jobs of which somebody concluded it: whole µs of what was seen. */
interface Concluded {
  readonly job: MadeJob;
  readonly idleUs: number;
  readonly causes: ReadonlyMap<string, number>;
}
const CAUSES = [
  'untold',
  'idle_head',
  'idle_tail',
  'pause',
  'hang',
  'device_idle',
  'gaps',
  'waiting',
  'throttled',
  'low',
  'effective',
];
const CONCLUDED: Concluded[] = JOBS.filter(() => draw(3) > 0).map((job) => {
  const own = SAMPLES.filter((sample) => sample.job === job.id);
  const causes = new Map<string, number>();
  let leftUs = own.length * HOUR_US;
  for (const cause of CAUSES) {
    const us = cause === 'effective' ? leftUs : draw(Math.min(leftUs, 2e9) + 1);
    causes.set(cause, us);
    leftUs -= us;
  }
  return { job, idleUs: own.filter(({ isIdle }) => isIdle).length * HOUR_US, causes };
});
const PART_OF: Readonly<Record<string, string>> = {
  ...{ untold: 'untold', idle_head: 'idleHead', idle_tail: 'idleTail', pause: 'idle', device_idle: 'idle' },
  ...{
    gaps: 'idle',
    hang: 'stalled',
    waiting: 'stalled',
    throttled: 'low',
    low: 'low',
    effective: 'effective',
  },
};

function figureRow({ job, idleUs, causes }: Concluded): Record<string, string | number> & { ts: number } {
  const seenUs = [...causes.values()].reduce((sum, us) => sum + us, 0);
  return {
    ...{ ts: START_US + job.from * HOUR_US, end_ts: endUsOf(job.to), cluster: job.cluster },
    ...{ node: DEVICES.find(({ gpu }) => gpu === job.gpu)!.node, gpu: job.gpu, job_id: job.id, run: 0 },
    ...{ share: 1, dt_us: seenUs, attributed_us: seenUs, idle_dt_us: idleUs },
    ...Object.fromEntries([...causes].map(([cause, us]) => [`cause_${cause}_us`, us])),
    ...{ causes_origin: 'samples', written_ts: endUsOf(job.to) + 600e6 },
  };
}

/** Starts that were told a minute too early and corrected: the stay owns nothing then, and its figures stay behind. */
async function insertTakenBack(): Promise<void> {
  const corrected = CONCLUDED.filter(({ job }) => job.from > 0).slice(0, 3);
  const earlier = (ts: number): number => ts - 60e6;
  await insertRows(
    db,
    'job_figures',
    corrected.map((one) => ({ ...figureRow(one), ts: earlier(figureRow(one).ts) })),
  );
  await insertRows(
    db,
    'gpu_ownership',
    corrected.map((one) => {
      const { ts, cluster, node, gpu, job_id } = figureRow(one);
      return {
        ...{ ts: earlier(ts), end_ts: earlier(ts), cluster, node, gpu, job_id },
        run: 0,
        source: 'slurm',
      };
    }),
  );
}

type State = 'up' | 'drained' | 'down';
/** How each node was in each hour, where somebody told: one cluster is told of from its third day on, and a node never. */
const STATES = new Map(
  [...new Set(DEVICES.map(({ cluster, node }) => `${cluster}/${node}`))].map((place) => {
    const firstHour = place.startsWith('oak') ? 50 : 0;
    let state: State = 'up';
    const hours = Array.from({ length: HOURS }, (_, hour): State | undefined => {
      if (draw(15) === 0) state = (['up', 'up', 'drained', 'down'] as const)[draw(4)]!;
      return hour < firstHour || place === 'ash/n2' || draw(40) === 0 ? undefined : state;
    });
    return [place, hours];
  }),
);

/** An hour that begins at the end of a job is one of its hours: a sample at that moment would be the job's. */
const endUsOf = (hour: number): number => START_US + hour * HOUR_US - 60e6;

let server: Awaited<ReturnType<typeof startTestQuestdb>>;
let db: QuestDb;
beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  await insertRows(
    db,
    'gpu_inventory',
    DEVICES.map((device) => ({ ...device, ts: START_US - HOUR_US, gpu_index: 0, source: 'test' })),
  );
  const told = JOBS.flatMap(({ id, cluster, gpu, from, to }, at) => {
    const { node } = DEVICES.find((device) => device.gpu === gpu)!;
    const stay = { job_id: id, cluster, run: 0, gpu, node, source: 'slurm' };
    const times = [START_US + from * HOUR_US, endUsOf(to)];
    // Every third one in two stays.
    if (at % 3 === 0) times.splice(1, 0, times[0]! + 30e6);
    return times.slice(1).map((endUs, index) => ({ ...stay, ts: times[index]!, end_ts: endUs }));
  });
  await insertRows(db, 'gpu_ownership', told);
  await insertRows(
    db,
    'jobs',
    JOBS.map(({ id, cluster, from, to, user, account, partition, qos }) => ({
      ...{ job_id: id, cluster, run: 0, user, account, partition, qos, state: 'COMPLETED' },
      ...{ ts: START_US + from * HOUR_US, end_ts: endUsOf(to) },
    })),
  );
  await insertRows(
    db,
    lane.table,
    SAMPLES.map(({ atUs, gpu, isIdle, names: { cluster, node }, job }) => ({
      ...{ ts: atUs + HOUR_US / 2, cluster, node, gpu },
      ...{ ...(job === undefined ? {} : { job_id: job }), owners: job === undefined ? 0 : 1 },
      ...{ dt_us: HOUR_US, sm_active_ratio: isIdle ? 0.01 : 0.5 },
    })),
  );
  await insertRows(db, 'job_figures', CONCLUDED.map(figureRow));
  await insertTakenBack();
  await insertRows(
    db,
    'node_states',
    [...STATES].flatMap(([place, hours]) => {
      const [cluster, node] = place.split('/');
      return hours.flatMap((state, hour) =>
        state === undefined
          ? []
          : [
              {
                ...{ ts: START_US + hour * HOUR_US, end_ts: START_US + (hour + 1) * HOUR_US },
                ...{ cluster, node, state, slurm_state: state, gpus: 2 },
              },
            ],
      );
    }),
  );
  await waitForRollups(db, [lane], START_US + HOURS * HOUR_US);
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

type Every = 'hour' | 'day' | 'week' | 'month' | undefined;

/** By which clocks months are asked for: they begin before and after those of UTC, and in the middle of an hour. */
const ZONES = { UTC: 0, 'America/New_York': -5, 'Asia/Tokyo': 9, 'Asia/Kolkata': 5.5 } as const;
let zone: keyof typeof ZONES = 'UTC';

function periodOf(every: Every, us: number): string | undefined {
  if (every === 'month') return new Date(us / 1000 + ZONES[zone] * 3600e3).toISOString().slice(0, 7);
  const text = new Date(us / 1000).toISOString();
  // The 26th of February 2026 is a Thursday of week 9; Monday, the 2nd of March, begins week 10.
  const week = us < Date.UTC(2026, 2, 2) * 1000 ? '2026-W09' : '2026-W10';
  return every && { hour: text.slice(0, 13), day: text.slice(0, 10), week }[every];
}

interface Expected {
  us: number;
  unownedUs: number;
  readonly jobs: Set<string>;
}

/** GPU time by group, as text; unowned time of devices by theirs, too. */
function expectedRows(
  by: readonly CapacityName[],
  every: Every,
  fits: (names: Sample['names']) => boolean,
): Map<string, Expected> {
  const rows = new Map<string, Expected>();
  const at = (key: readonly unknown[]): Expected => {
    const text = JSON.stringify(key);
    const row = rows.get(text) ?? { us: 0, unownedUs: 0, jobs: new Set() };
    rows.set(text, row);
    return row;
  };
  const ofDevices = !by.some(isJobName);
  // A job counts where it had the device, whoever saw that.
  for (const job of JOBS) {
    const names = { ...DEVICES.find(({ gpu }) => gpu === job.gpu)!, ...job };
    const cluster = by.includes('node') ? names.cluster : undefined;
    const group = by.map((name) => names[name]);
    for (let hour = job.from; fits(names) && hour < job.to; hour += 1)
      for (const minute of [0, 59])
        at(['group', group, cluster, periodOf(every, START_US + hour * HOUR_US + minute * 60e6)]).jobs.add(
          job.id,
        );
  }
  for (const sample of SAMPLES.filter(({ names }) => fits(names))) {
    const period = periodOf(every, sample.atUs + HOUR_US / 2);
    const names = by.map((name) => sample.names[name]);
    const cluster = by.includes('node') ? sample.names.cluster : undefined;
    if (sample.job === UNRESOLVED) {
      at(['unresolved', [], undefined, period]).us += HOUR_US;
      continue;
    }
    if (sample.job === undefined) at(['unowned', [], undefined, period]).us += HOUR_US;
    if (sample.job === undefined && !ofDevices) continue;
    const row = at(['group', names, cluster, period]);
    if (sample.job === undefined) row.unownedUs += HOUR_US;
    else row.us += HOUR_US;
  }
  return rows;
}

function stateAt({ cluster, node }: Sample['names'], atUs: number): State | undefined {
  return STATES.get(`${cluster}/${node}`)![(atUs - START_US) / HOUR_US];
}

function unownedPart(names: Sample['names'], atUs: number): string {
  const state = stateAt(names, atUs);
  return state === undefined ? 'unowned' : state === 'up' ? 'free' : state;
}

/** Where the time of each group went, as text; of devices all of it. */
function expectedInstalled(
  by: readonly CapacityName[],
  every: Every,
  fits: (names: Sample['names']) => boolean,
): Map<string, Record<string, number>> {
  const rows = new Map<string, Record<string, number>>();
  const ofDevices = !by.some(isJobName);
  const add = (
    kind: string,
    names: Sample['names'],
    period: string | undefined,
    part: string,
    us: number,
  ): void => {
    if (us === 0) return;
    const isGroup = kind === 'group';
    const key = JSON.stringify([
      ...[kind, isGroup ? by.map((name) => names[name]) : []],
      ...[isGroup && by.includes('node') ? names.cluster : undefined, period],
    ]);
    const row = rows.get(key) ?? {};
    row[part] = (row[part] ?? 0) + us;
    rows.set(key, row);
  };
  const told = CONCLUDED.filter(
    ({ job }) => periodOf(every, START_US + job.from * HOUR_US) === periodOf(every, endUsOf(job.to)),
  );
  for (const { atUs, names, job, isIdle } of SAMPLES.filter((sample) => fits(sample.names))) {
    const period = periodOf(every, atUs);
    if (job === undefined)
      add(ofDevices ? 'group' : 'unowned', names, period, unownedPart(names, atUs), HOUR_US);
    else if (!told.some((one) => one.job.id === job))
      add(job === UNRESOLVED ? job : 'group', names, period, isIdle ? 'idle' : 'untold', HOUR_US);
  }
  for (const { job, causes } of told) {
    const device = DEVICES.find(({ gpu }) => gpu === job.gpu)!;
    const names = { ...device, ...job };
    if (!fits(names)) continue;
    const period = periodOf(every, START_US + job.from * HOUR_US);
    for (const [cause, us] of causes) add('group', names, period, PART_OF[cause]!, us);
  }
  for (const { gpu, ...names } of DEVICES.filter((device) => fits(device))) {
    const own = SAMPLES.filter((sample) => sample.gpu === gpu);
    const lastUs = own.at(-1)!.atUs + HOUR_US / 2;
    const hours = Array.from({ length: HOURS }, (_, hour) => START_US + hour * HOUR_US);
    const byPeriod = [...Map.groupBy(hours, (atUs) => periodOf(every, atUs))];
    const left = byPeriod.map(([period, some]) => {
      const knownUs = Math.max(0, Math.min(lastUs, some.at(-1)! + HOUR_US) - some[0]!);
      return knownUs - own.filter(({ atUs }) => periodOf(every, atUs) === period).length * HOUR_US;
    });
    // What is seen of a period beyond its time was seen of those before it, the nearest first.
    for (let later = left.length - 1; later > 0; later -= 1) {
      const beyondUs = Math.min(0, left[later]!);
      left[later]! -= beyondUs;
      left[later - 1]! += beyondUs;
    }
    for (const [index, [period, some]] of byPeriod.entries()) {
      let leftUs = Math.max(0, left[index]!);
      // Hours that nobody saw while the device was there.
      const missed = some.filter((atUs) => atUs < lastUs && own.every((sample) => sample.atUs !== atUs));
      for (const part of ['down', 'drained'] as const) {
        const hoursOf = missed.filter((atUs) => stateAt(names, atUs) === part);
        const partUs = Math.min(leftUs, hoursOf.length * HOUR_US);
        add(ofDevices ? 'group' : 'unseen', names, period, part, partUs);
        leftUs -= partUs;
      }
      add(ofDevices ? 'group' : 'unseen', names, period, 'unseen', leftUs);
    }
  }
  return rows;
}

const WINDOW = { fromUs: START_US, toUs: START_US + HOURS * HOUR_US };
const asked = fc.record({
  zone: fc.constantFrom(...(Object.keys(ZONES) as (keyof typeof ZONES)[])),
  by: fc.shuffledSubarray([...CAPACITY_NAMES], { minLength: 1, maxLength: 4 }),
  every: fc.constantFrom<Every[]>(undefined, 'hour', 'day', 'week', 'month'),
  where: fc.uniqueArray(
    fc.constantFrom(
      { by: 'user', names: ['ada', "o'neil"] } as const,
      { by: 'account', names: ['physics'] } as const,
      { by: 'qos', names: ['high=1'] } as const,
      { by: 'node', names: ['n1'] } as const,
      { by: 'model', names: ['NVIDIA H100'] } as const,
      { by: 'cluster', names: ['oak'] } as const,
    ),
    { selector: ({ by }) => by, maxLength: 3 },
  ),
});

function keyAndTime({ kind, name, also, cluster, period, attributedUs }: TimesRow): unknown[] {
  return [kind, name, also, cluster, period, attributedUs];
}

test('rows are what the samples of each group add up to, whatever is asked', async () => {
  await fc.assert(
    fc.asyncProperty(asked, async ({ by, every, where, zone: timeZone }) => {
      zone = timeZone;
      const [first, ...also] = by;
      const options: CapacityQueryOptions = {
        ...WINDOW,
        by: first!,
        also,
        where,
        timeZone,
        ...(every && { every }),
      };
      const { rows, all, sampledUs, knownUs, installed } = await capacityFigures(db, [lane], options);
      const fits = (names: Sample['names']): boolean =>
        where.every(({ by: name, names: some }) => some.some((one) => one === names[name]));
      const expected = expectedRows(by, every, fits);
      const told = rows.map(
        ({ kind, name, also: others, cluster, period, attributedUs, unownedUs = 0, jobs }) => [
          JSON.stringify([kind, kind === 'group' ? [name, ...others] : [], cluster, period]),
          [attributedUs, unownedUs, jobs],
        ],
      );
      expect(Object.fromEntries(told)).toEqual(
        Object.fromEntries([...expected].map(([key, row]) => [key, [row.us, row.unownedUs, row.jobs.size]])),
      );
      const sumUs = [...expected.values()].reduce((sum, { us }) => sum + us, 0);
      expect([all.attributedUs, sampledUs, all.jobs]).toEqual([
        sumUs,
        sumUs,
        new Set([...expected.values()].flatMap(({ jobs }) => [...jobs])).size,
      ]);
      const parts = installed.rows.map((row) => [
        JSON.stringify([
          row.kind,
          row.kind === 'group' ? [row.name, ...row.also] : [],
          row.cluster,
          row.period,
        ]),
        row.parts,
      ]);
      const expectedParts = expectedInstalled(by, every, fits);
      // What nobody saw is counted by whole hours here, which lie in two months of India.
      if (every === 'month' && timeZone === 'Asia/Kolkata') return;
      expect(Object.fromEntries(parts)).toEqual(Object.fromEntries(expectedParts));
      const whole: Record<string, number> = {};
      for (const row of expectedParts.values())
        for (const [part, us] of Object.entries(row)) whole[part] = (whole[part] ?? 0) + us;
      expect(installed.all).toEqual(whole);
      const isOfSomeJobs = where.some(({ by: name }) => isJobName(name));
      expect(knownUs === undefined).toBe(isOfSomeJobs);
    }),
    { numRuns: 60, endOnFailure: true },
  );
});

test('whose the time was is the same without the rest, and of each node it is told what nobody saw of it', async () => {
  await fc.assert(
    fc.asyncProperty(asked, async ({ by: [by, ...also], every, where }) => {
      const periods = every && { every };
      const options: CapacityQueryOptions = { ...WINDOW, by: by!, also, where, ...periods };
      const figures = await capacityFigures(db, [lane], options);
      const times = await capacityTimes(db, [lane], options);
      const without = { installed: undefined, unseenNodes: undefined, billing: undefined, top: undefined };
      expect(times).toEqual({
        ...{ ...figures, ...without, all: { ...figures.all, jobs: undefined } },
        rows: figures.rows
          .filter(({ attributedUs, unownedUs = 0 }) => attributedUs + unownedUs > 0)
          .map((row) => ({ ...row, jobs: undefined })),
      });
      const alone = await capacityTimes(db, [lane], { ...options, isTimeAlone: true });
      expect(alone.rows.map(keyAndTime)).toEqual(times.rows.map(keyAndTime));
      expect(alone.rows.filter(({ smActive }) => smActive !== undefined)).toEqual([]);
      const isOfSomeJobs = where.some((filter) => isJobName(filter.by));
      const ofNodes = await capacityFigures(db, [lane], { ...WINDOW, by: 'node', where, ...periods });
      const unseenUs: Record<string, number> = {};
      for (const { kind, name, cluster, parts } of isOfSomeJobs ? [] : ofNodes.installed.rows) {
        const key = JSON.stringify([cluster, name]);
        if (kind === 'group') unseenUs[key] = (unseenUs[key] ?? 0) + (parts.unseen ?? 0);
      }
      expect(
        Object.fromEntries(
          figures.unseenNodes.map(({ name, cluster, parts }) => [
            JSON.stringify([cluster, name]),
            parts.unseen ?? 0,
          ]),
        ),
      ).toEqual(unseenUs);
    }),
    { numRuns: 20, endOnFailure: true },
  );
});

test('months of a zone are told of years as of days', async () => {
  const options = { ...WINDOW, by: 'account', every: 'month', timeZone: 'America/New_York' } as const;
  const days = await capacityFigures(db, [lane], options);
  const years = await capacityFigures(db, [lane], { ...options, fromUs: Date.UTC(2022, 10, 3) * 1000 });
  expect(new Set(days.rows.map(({ period }) => period)).size).toBe(2);
  expect(years.rows).toEqual(days.rows);
});

test('of the first few groups the others are one row, and all stays what it was', async () => {
  const options = { ...WINDOW, by: 'user', also: ['account'], every: 'day' } as const;
  const whole = await capacityFigures(db, [lane], options);
  const { rows, all } = await capacityFigures(db, [lane], { ...options, top: 2 });
  const key = ({ name, also }: (typeof rows)[number]): string => JSON.stringify([name, ...also]);
  const usOf = Map.groupBy(
    whole.rows.filter(({ kind }) => kind === 'group'),
    key,
  );
  const ranked = [...usOf]
    .map(([name, own]) => [name, own.reduce((sum, { attributedUs }) => sum + attributedUs, 0)] as const)
    .sort((a, b) => b[1] - a[1]);
  expect(new Set(rows.filter(({ kind }) => kind === 'group').map(key))).toEqual(
    new Set(ranked.slice(0, 2).map(([name]) => name)),
  );
  const sum = (some: typeof rows): number => some.reduce((us, { attributedUs }) => us + attributedUs, 0);
  expect(sum(rows.filter(({ kind }) => kind === 'others'))).toBe(
    ranked.slice(2).reduce((us, [, own]) => us + own, 0),
  );
  expect([sum(rows), all]).toEqual([sum(whole.rows), whole.all]);
});

test.each([
  [{ by: 'account', names: ['physicz'] }, ['did you mean physics?']],
  [{ by: 'model', names: ['V100'] }, ['those there: NVIDIA A100-SXM4-80GB, NVIDIA H100']],
  [{ by: 'cluster', names: ['ash', 'elm'] }, ['those there: ash, oak']],
] as const)('of %j the name that there is not is refused', async (filter, hints) => {
  await expect(capacityFigures(db, [lane], { ...WINDOW, by: 'user', where: [filter] })).rejects.toMatchObject(
    { code: 'report.unknown_name', exit: 'usage', hints },
  );
});

test('a name of two lines is told in one', async () => {
  const filter = { by: 'account', names: ['nobody\nerror: all is lost'] } as const;
  await expect(capacityFigures(db, [lane], { ...WINDOW, by: 'user', where: [filter] })).rejects.toThrow(
    'no job of the window has the account "nobody⏎error: all is lost"',
  );
  await expect(capacityFigures(db, [lane], { ...WINDOW, by: 'user', cluster: 'a\nb' })).rejects.toThrow(
    'no cluster "a⏎b"',
  );
});
