/**
 * Goal: the report of the queue is what a loop over every second says. Method: drawn fleets (nodes of several models, stays, states
 * of nodes, polls with gaps, samples) in a real QuestDB, each of a cluster of its own, and an oracle that shares no code.
 */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { allTables, createTableSql } from '../../../schemas/tables.ts';
import { findField } from '../../../src/core/fields/find-field.ts';
import type { Lane } from '../../../src/core/fields/lane.ts';
import type { QueueFigures } from '../../../src/figures/queue/figures.ts';
import { queueFigures } from '../../../src/figures/queue/query.ts';
import { openQuestDb, type QuestDb } from '../../../src/questdb/http.ts';
import { waitForVisible } from '../../../src/questdb/visible.ts';
import { insertRows } from '../../helpers/insert-rows.ts';

const SECOND = 1e6;
const MINUTE = 60 * SECOND;
const T0 = Date.UTC(2023, 4, 1, 10) * 1000;
const LENGTH_S = 1800;
const FOR_EVER = { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' };
const MODELS = ['NVIDIA H100 80GB HBM3', 'NVIDIA A100-SXM4-80GB'];
const TYPES: Readonly<Record<string, readonly string[]>> = {
  h100: [MODELS[0]!],
  a100: [MODELS[1]!],
  v100: [],
};
const lane: Lane = {
  ...{
    name: 'queuetest',
    table: 'gpu_queuetest',
    schedule: 'continuous',
    intervalMs: 60_000,
    capacityTicks: 100,
  },
  fields: [findField(1002)!],
};
const at = (second: number): number => T0 + second * SECOND;

let db: QuestDb;
beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  for (const table of allTables([lane], FOR_EVER)) await db.exec(createTableSql(table));
});
afterAll(async () => {
  await db.close();
});

interface Stay {
  readonly gpu: string;
  readonly from: number;
  readonly to: number;
}
interface Poll {
  readonly ts: number;
  readonly dt: number;
  readonly rows: readonly { type?: string; gpus?: number; nodes: number; jobs: number; reason: string }[];
}
interface Fleet {
  readonly cluster: string;
  readonly gpus: readonly { readonly gpu: string; readonly node: string; readonly model: string }[];
  readonly states: readonly {
    readonly node: string;
    readonly from: number;
    readonly to: number;
    readonly state: string;
  }[];
  readonly stays: readonly Stay[];
  readonly polls: readonly Poll[];
  /** By GPU and minute: the SM activity of its sample. */
  readonly activity: ReadonlyMap<string, number>;
}

/** Draws of one fleet, the same for the same seed. */
function drawnFleet(seed: number): Fleet {
  let state = seed * 2654435761 + 1;
  const draw = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const pick = <T>(list: readonly T[]): T => list[draw(list.length)]!;
  const cluster = `queue${seed}`;
  const nodes = Array.from({ length: 3 }, (_, index) => ({
    node: `${cluster}n${index}`,
    model: pick(MODELS),
  }));
  const gpus = nodes.flatMap(({ node, model }) =>
    Array.from({ length: 1 + draw(4) }, (_, index) => ({ gpu: `${node}g${index}`, node, model })),
  );
  const states = nodes.flatMap(({ node }) => {
    const spells: Fleet['states'][number][] = [];
    let from = draw(200);
    while (from < LENGTH_S) {
      const to = Math.min(LENGTH_S, from + 100 + draw(900));
      spells.push({ node, from, to, state: pick(['up', 'up', 'up', 'drained', 'down', 'unknown']) });
      from = to + (draw(4) === 0 ? draw(300) : 0);
    }
    return spells;
  });
  const stays = gpus.flatMap(({ gpu }) => {
    const own: Stay[] = [];
    let from = draw(500);
    while (from < LENGTH_S) {
      const to = from + 60 + draw(700);
      own.push({ gpu, from, to });
      // Some share it for a while.
      if (draw(5) === 0) own.push({ gpu, from: from + draw(100), to: to + draw(100) });
      from = to + draw(500);
    }
    return own;
  });
  const polls: Poll[] = [];
  for (let ts = draw(90), before = -1; ts < LENGTH_S + 200; before = ts, ts += draw(6) === 0 ? 200 : 60) {
    const dt = before >= 0 && ts - before <= 150 ? ts - before : 0;
    const rows = Array.from({ length: draw(4) }, (_, index) => ({
      ...(draw(2) === 0 ? {} : { type: pick(['h100', 'a100', 'a100+h100', 'v100']) }),
      ...(draw(8) === 0 ? {} : { gpus: 1 + draw(6) }),
      nodes: 1 + draw(2) + 2 * index - 2 * index,
      jobs: 1 + draw(3),
      reason: pick(['Resources', 'Priority', 'Priority', 'Dependency', 'JobHeldUser']),
    }));
    polls.push({ ts, dt, rows });
  }
  const activity = new Map(
    gpus.flatMap(({ gpu }) =>
      Array.from(
        { length: LENGTH_S / 60 + 1 },
        (_, minute) => [`${gpu} ${minute}`, pick([0, 0.01, 0.5])] as const,
      ),
    ),
  );
  return { cluster, gpus, states, stays, polls, activity };
}

async function store({ cluster, gpus, states, stays, polls, activity }: Fleet): Promise<void> {
  await insertRows(
    db,
    'gpu_inventory',
    gpus.map(({ gpu, node, model }) => ({ ts: at(0), cluster, node, gpu, model, source: 'test' })),
  );
  await insertRows(
    db,
    'node_states',
    states.map(({ node, from, to, state }) => ({
      ts: at(from),
      end_ts: at(to),
      cluster,
      node,
      state,
      gpus: 4,
    })),
  );
  await insertRows(
    db,
    'gpu_ownership',
    stays.map(({ gpu, from, to }, index) => ({
      ...{
        ts: at(from),
        end_ts: at(to),
        cluster,
        node: gpu.slice(0, -2),
        gpu,
        job_id: `${cluster}j${index}`,
        run: 0,
      },
      source: 'test',
    })),
  );
  for (const { ts, dt, rows } of polls)
    await insertRows(db, 'queue_1m', [
      ...rows.map(({ type, gpus: asked, nodes, jobs, reason }, index) => ({
        ...{ ts: at(ts), cluster, partition: 'gpu', account: `a${index}`, user: 'u', reason, nodes, jobs },
        ...{ wait_us: jobs * SECOND, dt_us: dt * SECOND },
        ...(type === undefined ? {} : { gpu_type: type }),
        ...(asked === undefined ? {} : { gpus: asked }),
      })),
      { ts: at(ts), cluster, jobs: 0, wait_us: 0, dt_us: dt * SECOND },
    ]);
  const isOwned = (gpu: string, second: number): boolean =>
    stays.some((one) => one.gpu === gpu && one.from < second && second <= one.to);
  await insertRows(
    db,
    'gpu_queuetest',
    [...activity].map(([key, value]) => {
      const [gpu = '', minute] = key.split(' ');
      const second = Number(minute) * 60;
      return {
        ...{ ts: at(second), cluster, node: gpu.slice(0, -2), gpu, owners: isOwned(gpu, second) ? 1 : 0 },
        ...{ dt_us: MINUTE, sm_active_ratio: value },
      };
    }),
  );
}

/** Second by second. */
function truthOf({ gpus, states, stays, polls, activity }: Fleet): object {
  const sums = {
    ...{ ownedUs: 0, freeUs: 0, outOfUseUs: 0, untoldUs: 0, askedUs: 0, waitedGpuUs: 0, unknownTypeGpuUs: 0 },
    ...{ freeBesideUs: 0, freeHadUs: 0, freeFitsUs: 0, idleBesideUs: 0, idleHadUs: 0, idleFitsUs: 0 },
  };
  const usable: Record<number, number> = { 1: 0, 2: 0, 4: 0, 8: 0 };
  for (let s = 1; s <= LENGTH_S; s += 1) {
    const within = ({ from, to }: { from: number; to: number }): boolean => from < s && s <= to;
    const free: Record<string, number> = {};
    const idle: Record<string, number> = {};
    for (const { gpu, node } of gpus) {
      const state = states.find((one) => one.node === node && within(one))?.state;
      const ownedAt = (second: number): boolean =>
        stays.some((one) => one.gpu === gpu && one.from < second && second <= one.to);
      if (ownedAt(s)) sums.ownedUs += 1;
      else if (state === 'up') {
        sums.freeUs += 1;
        free[node] = (free[node] ?? 0) + 1;
      } else if (state === 'drained' || state === 'down') sums.outOfUseUs += 1;
      else sums.untoldUs += 1;
      // The sample of the minute in which this second lies.
      const minute = Math.ceil(s / 60) - 1;
      if (ownedAt(minute * 60) && activity.get(`${gpu} ${minute}`)! < 0.05)
        idle[node] = (idle[node] ?? 0) + 1;
    }
    for (const size of [1, 2, 4, 8])
      for (const count of Object.values(free)) usable[size]! += Math.floor(count / size) * size;
    const poll = polls.find(({ ts, dt }) => ts - dt < s && s <= ts);
    if (poll === undefined) continue;
    sums.askedUs += 1;
    const waiting = poll.rows.flatMap((row) =>
      row.gpus !== undefined && ['Resources', 'Priority'].includes(row.reason)
        ? [{ ...row, gpus: row.gpus }]
        : [],
    );
    for (const { gpus: asked, jobs, type } of waiting) {
      sums.waitedGpuUs += asked * jobs;
      if (type === 'v100') sums.unknownTypeGpuUs += asked * jobs;
      else if (type !== undefined && !gpus.some(({ model }) => modelsOf(type).includes(model)))
        sums.unknownTypeGpuUs += asked * jobs;
    }
    for (const [kind, there] of [
      ['free', free],
      ['idle', idle],
    ] as const) {
      sums[`${kind}HadUs`] += Object.values(there).reduce((sum, count) => sum + count, 0);
      const canUse = (row: (typeof waiting)[number], node: string): boolean => {
        const model = gpus.find((one) => one.node === node)!.model;
        return (
          (row.type === undefined || modelsOf(row.type).includes(model)) &&
          (there[node] ?? 0) >= Math.ceil(row.gpus / row.nodes)
        );
      };
      const all = [...new Set(gpus.map(({ node }) => node))];
      const fitting = waiting.filter((row) => all.filter((node) => canUse(row, node)).length >= row.nodes);
      const reachable = all
        .filter((node) => fitting.some((row) => canUse(row, node)))
        .reduce((sum, node) => sum + there[node]!, 0);
      const beside = Math.min(
        reachable,
        fitting.reduce((sum, row) => sum + row.gpus * row.jobs, 0),
      );
      sums[`${kind}BesideUs`] += beside;
      if (beside > 0) sums[`${kind}FitsUs`] += 1;
    }
  }
  const largest = Math.max(...[...Map.groupBy(gpus, ({ node }) => node).values()].map((own) => own.length));
  return {
    ...sums,
    usable: Object.fromEntries(Object.entries(usable).filter(([size]) => Number(size) <= largest)),
  };
}

function modelsOf(type: string): string[] {
  return type.split('+').flatMap((one) => TYPES[one] ?? []);
}

function told({ time, queue, beside, fragmentation }: QueueFigures): object {
  const seconds = (us: number | undefined): number | undefined =>
    us === undefined ? undefined : us / SECOND;
  return {
    ...{ ownedUs: seconds(time.ownedUs), freeUs: seconds(time.freeUs) },
    ...{ outOfUseUs: seconds(time.outOfUseUs), untoldUs: seconds(time.untoldUs) },
    ...{ askedUs: seconds(queue?.askedUs), waitedGpuUs: seconds(queue?.waitedGpuUs) },
    unknownTypeGpuUs: seconds(queue?.unknownTypeGpuUs),
    ...{ freeBesideUs: seconds(beside.free?.besideUs), freeHadUs: seconds(beside.free?.hadUs) },
    ...{ freeFitsUs: seconds(beside.free?.fitsUs), idleBesideUs: seconds(beside.idle?.besideUs) },
    ...{ idleHadUs: seconds(beside.idle?.hadUs), idleFitsUs: seconds(beside.idle?.fitsUs) },
    usable: Object.fromEntries((fragmentation ?? []).map(({ gpus, usableUs }) => [gpus, usableUs / SECOND])),
  };
}

const TABLES = ['gpu_inventory', 'node_states', 'gpu_ownership', 'queue_1m', 'gpu_queuetest', 'jobs'];
const ask = async (cluster: string): Promise<QueueFigures> => {
  for (const table of TABLES) await waitForVisible(db, table);
  return await queueFigures(db, [lane], { fromUs: at(0), toUs: at(LENGTH_S), cluster });
};

/** Σ over all fleets. */
const drawn = new Map<string, number>();

describe('the queue beside GPUs', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])('of drawn fleet %i is what every second says', async (seed) => {
    const fleet = drawnFleet(seed);
    await store(fleet);
    const figures = await ask(fleet.cluster);
    const { time } = figures;
    expect(time.knownUs).toBe(fleet.gpus.length * LENGTH_S * SECOND);
    expect(time.ownedUs + time.freeUs + time.outOfUseUs + time.untoldUs).toBe(time.knownUs);
    expect(told(figures)).toEqual(truthOf(fleet));
    for (const [key, value] of Object.entries(told(figures)))
      if (typeof value === 'number') drawn.set(key, (drawn.get(key) ?? 0) + value);
  });

  test('of a window of two thousand years asks no more than of one of some minutes', async () => {
    const count = async (fromUs: number): Promise<number> => {
      let asked = 0;
      const counting = {
        where: db.where,
        exec: async (sql: string) => {
          asked += 1;
          return await db.exec(sql);
        },
      };
      const window = { fromUs, toUs: at(LENGTH_S), cluster: 'queue1' };
      const { time } = await queueFigures(counting, [lane], window);
      expect(time.freeUs).toBeGreaterThan(0);
      return asked;
    };
    expect(await count(at(0) - 2000 * 365 * 86_400e6)).toBeLessThan((await count(at(0))) + 20);
  });

  test('was somewhere anything at all', () => {
    expect([...drawn.values()].length).toBe(13);
    for (const [key, value] of drawn) expect(value, key).toBeGreaterThan(0);
  });
});
