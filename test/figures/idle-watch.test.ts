/**
 * Goal: a running job is told to idle when all of its devices were seen to, since the moment when they began to; what was not seen is
 * not idle, and a shared device says nothing of one of its jobs. Method: six hours of devices that each do one thing, in a real
 * QuestDB, read from minutes and from samples alone; what is expected is computed by hand.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { IdleLimits } from '../../src/core/fields/idle-limits.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { IdleJob, IdleWatchFigures } from '../../src/figures/idle/figures.ts';
import { idleWatch, type IdleWatchOptions } from '../../src/figures/idle/idle-watch.ts';
import type { Asked } from '../../src/figures/query-cells.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups, waitForVisible } from '../../src/questdb/visible.ts';
import { idleWatch as idleWatchSchema } from '../../schemas/reports/idle-watch.ts';
import { idleWatchJson } from '../../src/report/idle-watch-json.ts';
import { renderIdleWatch } from '../../src/report/idle-watch-text.ts';
import { insertRows } from '../helpers/insert-rows.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';

const S = 1e6;
const MIN = 60;
const HOUR = 3600;
const T0 = Date.UTC(2026, 4, 12, 6) * 1000;
const at = (seconds: number): number => T0 + seconds * S;
const NOW = 6 * HOUR;
const STEP = 30;
const laneOf = (name: string): Lane => ({
  name,
  table: `gpu_${name}`,
  schedule: 'continuous',
  intervalMs: STEP * 1000,
  fields: [findField('1002')!],
  capacityTicks: 100,
});
/** The same samples with rollups and without. */
const LANES = { minutes: laneOf('idlemin'), samples: laneOf('idleraw') } as const;
const HOSTILE = "x'; DROP TABLE jobs; --\u202e\u001b[2J";

/** What a device does from each second on; `none`: it was not sampled. */
type Doing = number | 'blank' | 'none';
type Course = readonly (readonly [from: number, doing: Doing])[];

interface Told {
  readonly devices: Readonly<Record<string, Course>>;
  readonly start: number;
  readonly share?: number;
  readonly run?: number;
  readonly record?: Readonly<Record<string, string | number>>;
}

const WORKS: Course = [[0, 0.8]];
const idleFrom = (second: number): Course => [
  [0, 0.8],
  [second, 0.01],
];

const JOBS: Readonly<Record<string, Told>> = {
  // All of its four, one after the other: the last one at 3 h 6 min.
  whole: {
    devices: Object.fromEntries([0, 1, 2, 3].map((n) => [`W${n}`, idleFrom(3 * HOUR + n * 2 * MIN)])),
    start: HOUR,
    record: { user: 'ada', account: 'physics', name: HOSTILE, gpus: 4 },
  },
  partly: {
    devices: { P0: WORKS, P1: WORKS, P2: idleFrom(4 * HOUR), P3: WORKS },
    start: 0,
    record: { user: 'bob' },
  },
  never: { devices: { N0: [[0, 0.02]] }, start: 5 * HOUR },
  young: { devices: { Y0: [[0, 0]] }, start: NOW - 14 * MIN },
  stopped: {
    devices: {
      D0: [...idleFrom(3 * HOUR), [NOW - 10 * MIN, 'none']],
    },
    start: 0,
  },
  'not flushed yet': {
    devices: {
      L0: [...idleFrom(3 * HOUR), [NOW - 4 * MIN, 'none']],
    },
    start: 0,
  },
  hole: {
    devices: {
      H0: [...idleFrom(2 * HOUR), [2.5 * HOUR, 'none'], [4.5 * HOUR, 0.01]],
    },
    start: 0,
  },
  'small hole': {
    devices: {
      S0: [...idleFrom(3 * HOUR), [4 * HOUR, 'none'], [4 * HOUR + 2 * MIN, 0]],
    },
    start: 0,
  },
  'new hole': {
    devices: {
      R0: [...idleFrom(3 * HOUR), [5 * HOUR + 20 * MIN, 'none'], [5 * HOUR + 52 * MIN, 0]],
    },
    start: 0,
  },
  // One idles, of the other nobody knows.
  'half seen': { devices: { E0: idleFrom(3 * HOUR), E1: [[0, 'blank']] }, start: 0 },
  blank: {
    devices: {
      B0: [...idleFrom(3 * HOUR), [4 * HOUR, 'blank'], [NOW - 10 * MIN, 0]],
    },
    start: 0,
  },
  resumed: {
    devices: {
      G0: [...idleFrom(2 * HOUR), [NOW - 10 * MIN, 0.9], [NOW - 9 * MIN, 0]],
    },
    start: 0,
  },
  'first of two': { devices: { T0: idleFrom(3 * HOUR) }, start: 0 },
  'second of two': { devices: { T0: idleFrom(3 * HOUR) }, start: 0 },
  part: { devices: { U0: idleFrom(3 * HOUR) }, start: 0, share: 0.5 },
  unrecorded: { devices: { V0: idleFrom(3 * HOUR) }, start: 0, record: { gpus: 2 } },
  // The one before it was active until then.
  successor: { devices: { X0: idleFrom(4 * HOUR) }, start: 4 * HOUR, run: 3 },
  slices: {
    devices: {
      'MIG-0': [
        [0, 0.5],
        [3 * HOUR, 0.07],
      ],
    },
    start: 0,
  },
  'seven percent': {
    devices: {
      Z0: [
        [0, 0.5],
        [3 * HOUR, 0.07],
      ],
    },
    start: 0,
  },
  unresolved: { devices: { Q0: idleFrom(3 * HOUR) }, start: 0 },
};

const LIMITS: IdleLimits = { smRatio: 0.05, models: new Map([['NVIDIA H200', 0.1]]) };

let server: TestQuestdb;
let db: QuestDb;

async function writeSamples(table: string): Promise<void> {
  const courses = new Map(Object.values(JOBS).flatMap(({ devices }) => Object.entries(devices)));
  const rows = [...courses].flatMap(([gpu, course]) => {
    let isAfterHole = true;
    return Array.from({ length: NOW / STEP }, (_, tick) => (tick + 1) * STEP).flatMap((second) => {
      const doing = course.findLast(([from]) => from < second)![1];
      if (doing === 'none') {
        isAfterHole = true;
        return [];
      }
      const dt_us = isAfterHole ? 0 : STEP * S;
      isAfterHole = false;
      const sm = doing === 'blank' ? {} : { sm_active_ratio: doing };
      return [{ ts: at(second), node: 'n1', gpu, owners: 1, dt_us, ...sm }];
    });
  });
  await insertRows(db, table, rows);
}

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await applySchema(db, Object.values(LANES), { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  for (const every of ['1d', '1h', '1m']) await db.exec(`DROP MATERIALIZED VIEW gpu_idleraw_${every}`);
  // Many statements into the one whose rollups are gone, one into the other.
  await writeSamples(LANES.samples.table);
  await db.exec(`INSERT INTO ${LANES.minutes.table} SELECT * FROM ${LANES.samples.table}`);
  await waitForVisible(db, LANES.minutes.table);
  const stays = Object.entries(JOBS).flatMap(([job_id, { devices, start, share, run = 0 }]) =>
    Object.keys(devices).map((gpu) => ({
      ...{
        ts: at(start),
        cluster: 'atlas',
        node: gpu === 'W3' ? 'n2' : 'n1',
        gpu,
        job_id,
        run,
        share,
        source: 'test',
      },
    })),
  );
  await insertRows(db, 'gpu_ownership', [
    ...stays,
    { ts: at(0), end_ts: at(4 * HOUR), cluster: 'atlas', node: 'n1', gpu: 'X0', job_id: 'before', run: 0 },
    // No epilog told its end, the scheduler did.
    { ts: at(0), cluster: 'atlas', node: 'n1', gpu: 'N0', job_id: 'ended', run: 0 },
  ]);
  await insertRows(db, 'jobs', [
    ...Object.entries(JOBS).flatMap(([job_id, { start, run = 0, record }]) =>
      record === undefined
        ? []
        : [{ ts: at(start), cluster: 'atlas', job_id, run, state: 'RUNNING', ...record }],
    ),
    {
      ...{ ts: at(0), end_ts: at(2 * HOUR), submit_ts: at(-10), cluster: 'atlas', job_id: 'ended', run: 0 },
      ...{ user: 'eve', state: 'COMPLETED' },
    },
  ]);
  await insertRows(db, 'gpu_inventory', [
    { ts: at(-5), node: 'n1', gpu: 'GPU-Z', model: 'NVIDIA H200', source: 'test' },
    {
      ts: at(-5),
      node: 'n1',
      gpu: 'MIG-0',
      model: 'NVIDIA H200 MIG 3g.71gb',
      parent: 'GPU-Z',
      mig_profile: '3g.71gb',
    },
  ]);
  await waitForRollups(db, [LANES.minutes], at(NOW) + 48 * HOUR * S, { timeoutMs: 300_000 });
}, 300_000);
afterAll(async () => {
  await db.close();
  await server.stop();
});

async function watch(
  lane: Lane,
  options: Partial<IdleWatchOptions> = {},
  asked: Asked = db,
): Promise<IdleWatchFigures> {
  const usual = { nowUs: at(NOW) + 1000, afterUs: 15 * MIN * S, idleLimits: LIMITS };
  // A report reads every table with samples: the other one is not there for this one.
  const seesOne: Asked = {
    where: asked.where,
    exec: async (sql) => {
      const answer = await asked.exec(sql);
      const other = Object.values(LANES).find((one) => one !== lane)!;
      return sql.includes('information_schema')
        ? { ...answer, rows: answer.rows.filter(([table]) => !String(table).startsWith(other.table)) }
        : answer;
    },
  };
  return await idleWatch(seesOne, [lane], { ...usual, ...options });
}

const secondOf = (us: number): number => (us - T0) / S;
const times = ({
  sinceUs,
  untilUs,
  isAtLeast,
}: Pick<IdleJob, 'sinceUs' | 'untilUs' | 'isAtLeast'>): unknown[] => [
  secondOf(sinceUs),
  secondOf(untilUs),
  ...(isAtLeast ? ['at least'] : []),
];
const idOf = ({ jobId }: { readonly jobId: string }): string => jobId;

describe.each(Object.entries(LANES))('from %s', (from, lane) => {
  test('each idle job since when it idles, up to where it was seen', async () => {
    const { idle } = await watch(lane);
    // A hole ends within a minute; of what is read by the minute no more is known.
    const holeEnd = from === 'minutes' ? 4.5 * HOUR + MIN : 4.5 * HOUR + STEP;
    expect(Object.fromEntries(idle.map((job) => [job.jobId, times(job)]))).toEqual({
      whole: [3 * HOUR + 6 * MIN, NOW],
      never: [5 * HOUR, NOW],
      'not flushed yet': [3 * HOUR, NOW - 4 * MIN],
      hole: [holeEnd, NOW, 'at least'],
      'small hole': [3 * HOUR, NOW],
      successor: [4 * HOUR, NOW],
      slices: [3 * HOUR, NOW],
    });
    const whole = idle.find(({ jobId }) => jobId === 'whole')!;
    expect(whole).toMatchObject({
      ...{
        cluster: 'atlas',
        run: 0,
        user: 'ada',
        account: 'physics',
        name: HOSTILE,
        gpus: 4,
        startUs: at(HOUR),
      },
      command: 'gpuledger report job whole --cluster atlas',
    });
    expect(whole.idle.map((device) => [device.node, device.gpu, ...times(device)])).toEqual([
      ['n1', 'W0', 3 * HOUR, NOW],
      ['n1', 'W1', 3 * HOUR + 2 * MIN, NOW],
      ['n1', 'W2', 3 * HOUR + 4 * MIN, NOW],
      ['n2', 'W3', 3 * HOUR + 6 * MIN, NOW],
    ]);
    // 180 + 178 + 176 + 174 minutes.
    expect(whole.lostGpuUs).toBe(708 * MIN * S);
    expect(idle.find(({ jobId }) => jobId === 'successor')!.run).toBe(3);
    // Three of seven slices for three hours.
    expect(idle.find(({ jobId }) => jobId === 'slices')!.lostGpuUs).toBeCloseTo((3 / 7) * 3 * HOUR * S, 0);
    expect(idle[0]!.jobId).toBe('whole');
  });

  test('single devices apart, and each other job as what it is', async () => {
    const figures = await watch(lane);
    expect(
      figures.partlyIdle.map((job) => [job.jobId, job.gpus, job.idle.map(({ gpu }) => gpu), ...times(job)]),
    ).toEqual([['partly', 4, ['P2'], 4 * HOUR, NOW]]);
    expect(figures.working.map(idOf).sort()).toEqual(['partly', 'resumed', 'seven percent', 'young']);
    expect(Object.fromEntries(figures.notSeen.map(({ jobId, why }) => [jobId, why]))).toEqual({
      stopped: 'no_samples',
      'half seen': 'no_samples',
      'new hole': 'gaps',
      blank: 'gaps',
      unrecorded: 'unrecorded',
    });
    expect(figures.shared.map(idOf).sort()).toEqual(['first of two', 'part', 'second of two']);
    expect(figures.running).toBe(Object.keys(JOBS).length - 1);
  });
});

const lane = LANES.minutes;

test('a longer or shorter time tells fewer or more jobs', async () => {
  const { idle } = await watch(lane, { afterUs: 170 * MIN * S });
  expect(idle.map(idOf).sort()).toEqual(['not flushed yet', 'slices', 'small hole', 'whole']);
  const { idle: most } = await watch(lane, { afterUs: 6 * MIN * S });
  expect(most.map(idOf)).toEqual(expect.arrayContaining(['young', 'resumed', 'new hole', 'blank']));
});

test('by another limit other devices idle', async () => {
  const { idle, idleLimits } = await watch(lane, { idleLimits: { smRatio: 0.01 } });
  // One per cent is not less than that: only the one that does nothing after its hole.
  expect(idle.map((job) => [job.jobId, ...times(job)])).toEqual([['small hole', 4 * HOUR, NOW]]);
  expect(idleLimits).toEqual({ smRatio: 0.01 });
});

test('only jobs of a user, or those whose first device is one of the own', async () => {
  const ofBob = await watch(lane, { user: 'bob' });
  expect([ofBob.running, ofBob.idle, ofBob.partlyIdle.map(idOf)]).toEqual([1, [], ['partly']]);
  const ofN1 = await watch(lane, { gpus: ['W0', 'T0'] });
  expect([ofN1.running, ofN1.idle.map(idOf), ofN1.shared.length]).toEqual([3, ['whole'], 2]);
  expect(ofN1.idle[0]!.lostGpuUs).toBe(708 * MIN * S);
  const ofN2 = await watch(lane, { gpus: ['W3'] });
  expect([ofN2.running, ofN2.idle]).toEqual([0, []]);
});

test('a clock that is behind tells the same, one that is ahead tells of nothing', async () => {
  const { idle } = await watch(lane);
  const behind = await watch(lane, { nowUs: at(NOW - HOUR) });
  expect([behind.nowUs, behind.idle]).toEqual([at(NOW), idle]);
  const ahead = await watch(lane, { nowUs: at(NOW + HOUR) });
  expect(ahead.idle).toEqual([]);
  expect(new Set(ahead.notSeen.map(({ why }) => why))).toEqual(new Set(['no_samples']));
});

test('people read it, names obey nobody, and a program gets every figure', async () => {
  const figures = await watch(lane);
  const text = renderIdleWatch(figures, { isColored: false, width: Infinity });
  expect(text).toMatch(
    /^Idle jobs · 2026-05-12 12:00:00 UTC · 7 of 19 running jobs idle for 15 min or longer\n/,
  );
  expect(text).toMatch(
    /^ {2}whole +ada +x'; DROP TABLE jobs; --<U\+202E>␛\[2J +4 {2}2026-05-12 09:06:00 +2 h 54 min +11\.8$/m,
  );
  expect(text).toMatch(/^ {2}hole +1 {2}2026-05-12 10:31:00 +≥ 1 h 29 min +1\.5$/m);
  expect(text).toMatch(/^ {2}partly +bob +n1 +P2 +2026-05-12 10:00:00 +2 h$/m);
  expect(text).toContain('more of one: gpuledger report job whole --cluster atlas\n');
  expect(text).toContain('2 jobs not seen (');
  expect(text).toContain('3 jobs not looked at: on a shared GPU nobody sees which of its jobs idles.');
  const json = idleWatchSchema.parse(JSON.parse(idleWatchJson(figures)));
  expect(json).toMatchObject({ running: 19, working: 4, afterUs: 900e6, idleLimits: { smRatio: 0.05 } });
  expect(json.idle[0]).toMatchObject({ jobId: 'whole', idleUs: 174 * MIN * S, gpus: 4 });
});

test('two thousand jobs more are asked about by hardly a question more', async () => {
  const counted = async (): Promise<{ questions: number; figures: IdleWatchFigures }> => {
    let questions = 0;
    const figures = await watch(
      lane,
      {},
      {
        where: db.where,
        exec: async (sql) => {
          questions += 1;
          return await db.exec(sql);
        },
      },
    );
    return { questions, figures };
  };
  const few = await counted();
  const many = 2000;
  await db.exec(
    `INSERT INTO gpu_ownership (ts, cluster, node, gpu, job_id, run) SELECT cast(${at(5 * HOUR)} AS TIMESTAMP), 'atlas', concat('m', x / 8), concat('GPU-many-', x), concat('9', x), 0 FROM long_sequence(${many})`,
  );
  await db.exec(
    'INSERT INTO gpu_idlemin (ts, node, gpu, owners, dt_us, sm_active_ratio)' +
      ` SELECT cast(${at(NOW - 20 * MIN)} + ((x - 1) / ${many} + 1) * 30000000 AS TIMESTAMP), 'm', concat('GPU-many-', (x - 1) % ${many} + 1), 1, 30000000, CASE WHEN (x - 1) % 2 = 0 THEN 0.0 ELSE 0.7 END FROM long_sequence(${many * 40})`,
  );
  await waitForVisible(db, 'gpu_ownership');
  await waitForVisible(db, lane.table);
  const { questions, figures } = await counted();
  expect(figures.running).toBe(few.figures.running + many);
  // Seen for twenty minutes: each second one, no more is known of how long.
  expect(figures.idle.filter(({ isAtLeast, jobId }) => isAtLeast && jobId !== 'hole')).toHaveLength(0);
  expect(questions).toBeLessThanOrEqual(few.questions + 4);
});
