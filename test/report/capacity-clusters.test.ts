/**
 * Goal: in a capacity report each job's time is with its own user, also where clusters have one id or one node name, and
 * where an id was given again. Method: rows made by hand in a real QuestDB, from the samples and from the rollups.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type {
  CapacityFigures,
  CapacityGrouping,
  CapacityPeriod,
} from '../../src/figures/capacity/figures.ts';
import { capacityFigures } from '../../src/figures/capacity/query.ts';
import { renderCapacityReport } from '../../src/report/capacity-text.ts';
import { capacityBaseCsv } from '../../src/report/capacity/capacity-csv.ts';
import { capacityJson } from '../../src/report/json.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups } from '../../src/questdb/visible.ts';
import { insertRows } from '../helpers/insert-rows.ts';
import { labelColumns, ownerSetRows } from '../helpers/owner-sets.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';

const SECOND = 1_000_000;
const HOUR = 3600;
const T0 = Date.UTC(2026, 2, 2, 8) * 1000;
const at = (seconds: number): number => T0 + seconds * SECOND;

const lane: Lane = {
  name: 'profiling',
  table: 'gpu_profiling',
  schedule: 'continuous',
  intervalMs: 10_000,
  fields: [1002, 155, 156].map((id) => findField(id)!),
  capacityTicks: 100,
};

/** 2026-02-02. */
const MONDAY = -(28 * 24 + 8) * HOUR;

interface Stay {
  readonly cluster?: string;
  readonly jobId: string;
  readonly gpu: string;
  readonly from: number;
  readonly to: number;
  readonly run?: number;
  readonly share?: number;
  readonly user?: string;
  /** Where the row of `jobs` does not know its cluster. */
  readonly isClusterUntold?: true;
  readonly state?: string;
  /** False where another stay brings the samples of its time. */
  readonly isSampled?: boolean;
}

/** Seconds of a job that has 100 of them in a group. */
const stays: readonly Stay[] = [
  // Two clusters, one id, one minute, one name of the node.
  { cluster: 'a', jobId: '700', gpu: 'A0', from: 0, to: 100, user: 'ada' },
  { cluster: 'b', jobId: '700', gpu: 'B0', from: 10, to: 210, user: 'bob' },
  // An id that was given again, on the same GPU, to another user; then one that is requeued.
  { cluster: 'a', jobId: '800', gpu: 'A0', from: HOUR, to: HOUR + 300, user: 'ada' },
  { cluster: 'a', jobId: '800', gpu: 'A0', from: 3 * HOUR + 1800, to: 3 * HOUR + 2200, user: 'bob' },
  {
    cluster: 'b',
    jobId: '900',
    gpu: 'B0',
    from: HOUR,
    to: HOUR + 500,
    user: 'cyd',
    run: 0,
    state: 'PREEMPTED',
  },
  { cluster: 'b', jobId: '900', gpu: 'B0', from: 2 * HOUR, to: 2 * HOUR + 600, user: 'cyd', run: 1 },
  // Two that share a GPU; their ids are used again later, by each other's user.
  ...(
    [
      ['901', 'ada', 0],
      ['902', 'bob', 0],
      ['901', 'bob', 2 * HOUR],
      ['902', 'ada', 2 * HOUR],
    ] as const
  ).map(([jobId, user, from], index): Stay => ({
    cluster: 'b',
    jobId,
    gpu: 'B1',
    from,
    to: from + (from === 0 ? 700 : 800),
    user,
    share: jobId === '901' ? 0.25 : 0.75,
    isSampled: index % 2 === 0,
  })),
  // Nobody told the cluster of this one's record; nor, of the last, anything.
  { cluster: 'a', jobId: '77', gpu: 'A1', from: 0, to: 900, user: 'dan', isClusterUntold: true },
  { cluster: 'b', jobId: '78', gpu: 'B0', from: 3 * HOUR, to: 3 * HOUR + 1000 },
  // Four weeks before: over the end of January; over a Sunday's midnight; then an id that two users had within one hour, to the very second.
  {
    cluster: 'a',
    jobId: 'month',
    gpu: 'A0',
    from: MONDAY - 24 * HOUR - 100,
    to: MONDAY - 24 * HOUR + 200,
    user: 'eve',
  },
  { cluster: 'a', jobId: 'week', gpu: 'A0', from: MONDAY - 100, to: MONDAY + 200, user: 'ada' },
  { cluster: 'a', jobId: 'twice', gpu: 'A0', from: MONDAY + HOUR, to: MONDAY + HOUR + 600, user: 'ada' },
  {
    cluster: 'a',
    jobId: 'twice',
    gpu: 'A0',
    from: MONDAY + HOUR + 600,
    to: MONDAY + HOUR + 1100,
    user: 'bob',
  },
];

const told = stays.map(({ gpu, jobId, from, to, share = 1 }) => ({
  gpu,
  jobId,
  startUs: at(from),
  endUs: at(to),
  share,
}));

let server: TestQuestdb;
let db: QuestDb;

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  await insertRows(
    db,
    'gpu_inventory',
    ['A0', 'A1', 'B0', 'B1'].map((gpu) => ({
      ts: at(0),
      cluster: gpu.startsWith('A') ? 'a' : 'b',
      node: 'n1',
      gpu,
      gpu_index: Number(gpu[1]),
      model: 'NVIDIA H200',
      source: 'dcgm',
    })),
  );
  await insertRows(
    db,
    'gpu_ownership',
    stays.map(({ cluster, jobId, gpu, from, to, run, share = 1 }) => ({
      ts: at(from),
      end_ts: at(to),
      cluster,
      node: 'n1',
      gpu,
      job_id: jobId,
      run,
      share,
      source: 'test',
    })),
  );
  await insertRows(
    db,
    'jobs',
    stays.flatMap(({ cluster, jobId, from, to, run, user, isClusterUntold, state = 'COMPLETED' }) =>
      user === undefined
        ? []
        : [
            {
              ts: at(from),
              end_ts: at(to),
              cluster: isClusterUntold ? undefined : cluster,
              job_id: jobId,
              run,
              user,
              qos: `of ${user}`,
              state,
            },
          ],
    ),
  );
  await insertRows(
    db,
    'gpu_profiling',
    stays.flatMap(({ cluster, gpu, from, to, isSampled = true }) =>
      Array.from({ length: isSampled ? (to - from) / 10 : 0 }, (_, tick) => ({
        // Samples of A1 are from before its cluster was told.
        ts: at(from + 10 * (tick + 1)),
        cluster: gpu === 'A1' ? undefined : cluster,
        node: 'n1',
        gpu,
        ...labelColumns(told, gpu, at(from + 10 * (tick + 1))),
        dt_us: 10 * SECOND,
        sm_active_ratio: 0.5,
      })),
    ),
  );
  await insertRows(db, 'gpu_owner_sets', ownerSetRows(told));
  // Time that nobody owned.
  await insertRows(db, 'gpu_profiling', [
    {
      ts: at(5 * HOUR),
      cluster: 'a',
      node: 'n1',
      gpu: 'A0',
      owners: 0,
      dt_us: 10 * SECOND,
      sm_active_ratio: 0,
    },
  ]);
  await waitForRollups(db, [lane], at(6 * HOUR));
});

afterAll(async () => {
  await db.close();
  await server.stop();
});

const WINDOWS = {
  minutes: { fromUs: at(0), toUs: at(6 * HOUR) },
  hours: { fromUs: at(-60 * HOUR), toUs: at(6 * HOUR) },
  weeks: { fromUs: at(MONDAY - 12 * HOUR), toUs: at(MONDAY + 24 * HOUR) },
  all: { fromUs: at(MONDAY - 36 * HOUR), toUs: at(6 * HOUR) },
} as const;

async function capacity(
  by: CapacityGrouping,
  window: keyof typeof WINDOWS,
  cluster?: string,
  every?: CapacityPeriod,
): Promise<CapacityFigures> {
  const figures = await capacityFigures(db, [lane], {
    ...WINDOWS[window],
    by,
    ...(cluster === undefined ? {} : { cluster }),
    ...(every === undefined ? {} : { every }),
  });
  expect(
    figures.rows.reduce((sum, { attributedUs }) => sum + attributedUs, 0),
    'rows add up',
  ).toBe(figures.sampledUs);
  return figures;
}

/** Name, seconds and jobs of each group. */
const groups = ({ rows }: CapacityFigures): unknown[] =>
  rows
    .filter(({ kind }) => kind === 'group')
    .map(({ name, cluster, attributedUs, jobs }) => [
      ...(cluster === undefined ? [] : [cluster]),
      name,
      Math.round(attributedUs / SECOND),
      jobs,
    ])
    .sort((a, b) => String(a).localeCompare(String(b)));

describe.each(['minutes', 'hours'] as const)('from the %s', (window) => {
  test('each user has the time of their own jobs, and jobs are counted, not ids', async () => {
    const figures = await capacity('user', window);
    expect(groups(figures)).toEqual([
      [undefined, 1000, 1],
      // 700 of a, 800 the first time; a quarter of 700 s; three quarters of 800 s.
      ['ada', 100 + 300 + 175 + 600, 4],
      ['bob', 200 + 400 + 525 + 200, 4],
      ['cyd', 500 + 600, 1],
      ['dan', 900, 1],
    ]);
    expect(figures.all.jobs).toBe(11);
  });

  test('a node is its cluster’s', async () => {
    const figures = await capacity('node', window);
    expect(groups(figures)).toEqual([
      ['a', 'n1', 100 + 300 + 400 + 900, 4],
      ['b', 'n1', 200 + 500 + 600 + 700 + 800 + 1000, 7],
    ]);
    expect([figures.nodes, figures.devices]).toEqual([2, 4]);
    const text = renderCapacityReport(figures, { width: 100, isColored: false });
    expect(text).toContain('  a/n1 ');
    expect(text).toContain('  b/n1 ');
  });

  test('a cluster that is not there is refused with the names of those that are', async () => {
    await expect(capacity('cluster', window, 'nosuch')).rejects.toMatchObject({
      code: 'report.unknown_cluster',
      exit: 'usage',
      hints: ['the clusters there: a, b'],
    });
  });

  test('by cluster', async () => {
    const figures = await capacity('cluster', window);
    expect(groups(figures)).toEqual([
      ['a', 1700, 4],
      ['b', 3800, 7],
    ]);
    expect(figures.rows.find(({ name }) => name === 'a')!.unownedUs).toBe(10 * SECOND);
  });

  test('of one cluster only', async () => {
    const figures = await capacity('user', window, 'a');
    expect(groups(figures)).toEqual([
      ['ada', 400, 2],
      ['bob', 400, 1],
      ['dan', 900, 1],
    ]);
    expect([figures.nodes, figures.devices, figures.all.jobs, figures.sampledUs]).toEqual([
      1,
      2,
      4,
      1710 * SECOND,
    ]);
    const text = renderCapacityReport(await capacity('node', window, 'a'), { width: 100, isColored: false });
    expect(text).toContain('Capacity of cluster a');
    expect(text).toContain('  n1 ');
  });
});

test('by week: a job is in each of its weeks, and of all it is one', async () => {
  const figures = await capacity('week', 'weeks');
  // A sample at midnight is the first of the day.
  expect(groups(figures)).toEqual([
    ['2026-W05', 90, 1],
    ['2026-W06', 210 + 600 + 500, 3],
  ]);
  expect(figures.all.jobs).toBe(3);
});

test('by user and month: rows of each month, and of nobody’s time, too', async () => {
  const figures = await capacity('user', 'all', undefined, 'month');
  expect(figures).toMatchObject({ by: 'user', every: 'month' });
  const told = figures.rows.map(({ kind, name, period, attributedUs, jobs }) => [
    ...(kind === 'group' ? [name] : [kind]),
    period,
    Math.round(attributedUs / SECOND),
    jobs,
  ]);
  expect(told).toEqual([
    ['ada', '2026-02', 300 + 600, 2],
    ['ada', '2026-03', 100 + 300 + 175 + 600, 4],
    ['bob', '2026-02', 500, 1],
    ['bob', '2026-03', 200 + 400 + 525 + 200, 4],
    ['cyd', '2026-03', 500 + 600, 1],
    [undefined, '2026-03', 1000, 1],
    ['dan', '2026-03', 900, 1],
    ['eve', '2026-01', 90, 1],
    ['eve', '2026-02', 210, 1],
    ['unowned', '2026-03', 10, 0],
  ]);
  // Of all it is one, whose two months are two rows.
  expect(figures.all.jobs).toBe(4 + 11);
  const text = renderCapacityReport(figures, { width: 200, isColored: false });
  expect(text).toMatch(/^ +month +GPU-hours /m);
  expect(text).toMatch(/^ +ada +2026-02 +0\.25 /m);
  expect(JSON.parse(capacityJson(figures))).toMatchObject({
    every: 'month',
    rows: expect.arrayContaining([expect.objectContaining({ name: 'bob', period: '2026-02' })]) as unknown[],
  });
  const [header, first] = capacityBaseCsv(figures).split('\n');
  expect([header, first]).toEqual([
    expect.stringMatching(/,name,.*,period,idle_known_us,unseen_us,/),
    expect.stringMatching(/,user,group,ada,.*,2026-02,\d+,0,/),
  ]);
});

test('by node and week: a node’s unowned time is its week’s', async () => {
  const figures = await capacity('node', 'all', undefined, 'week');
  expect(groups(figures)).toEqual([
    ['a', 'n1', 1310, 3],
    ['a', 'n1', 1700, 4],
    ['a', 'n1', 300 + 90, 2],
    ['b', 'n1', 3800, 7],
  ]);
  expect(figures.rows.filter(({ unownedUs }) => unownedUs !== undefined)).toMatchObject([
    { name: 'n1', cluster: 'a', period: '2026-W10', unownedUs: 10 * SECOND },
  ]);
});

test('an hour in which an id was given again is each of the two jobs’ own, to the sample', async () => {
  expect(groups(await capacity('qos', 'weeks'))).toEqual([
    ['of ada', 300 + 600, 2],
    ['of bob', 500, 1],
  ]);
});
