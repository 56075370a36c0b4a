/**
 * Goal: what of free GPUs lay in pieces too small for those who waited is what a loop over every minute says, by node and hour. Method: a
 * drawn fleet of two clusters in a real QuestDB, all of which changes at whole minutes; an oracle that shares no code.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { capacityFigures, type CapacityQueryOptions } from '../../src/figures/capacity/query.ts';
import type { CapacityFigures } from '../../src/figures/capacity/figures.ts';
import { capacityCsv } from '../../src/report/capacity/capacity-csv.ts';
import { renderCapacityReport } from '../../src/report/capacity-text.ts';
import { parse } from 'csv-parse/sync';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups } from '../../src/questdb/visible.ts';
import { insertRows } from '../helpers/insert-rows.ts';
import { startTestQuestdb } from '../helpers/questdb.ts';

const MINUTE = 60e6;
const START_US = Date.UTC(2026, 2, 3, 22) * 1000;
const MINUTES = 240;
const MODELS = ['NVIDIA H100 80GB HBM3', 'NVIDIA A100-SXM4-80GB'];
const lane: Lane = {
  ...{ name: 'profiling', table: 'gpu_profiling', schedule: 'continuous', intervalMs: 60_000 },
  ...{ fields: [findField(1002)!], capacityTicks: 100 },
};
const at = (minute: number): number => START_US + minute * MINUTE;

/** A generator of which everybody knows what comes next: the fleet is the same each time. */
let seed = 11;
const draw = (below: number): number => {
  seed = (seed * 48271) % 2147483647;
  return seed % below;
};

const NODES = Array.from({ length: 6 }, (_, index) => ({
  ...{ cluster: index < 3 ? 'ash' : 'oak', node: `n${index % 3}`, model: MODELS[index % 3 === 2 ? 1 : 0]! },
  gpus: Array.from({ length: 2 + draw(3) }, (_unused, gpu) => `GPU-${index}-${gpu}`),
  /** The first minutes of each of its stretches, and how it was then. */
  states: spells(30, 90, ['up', 'up', 'up', 'drained', 'down']),
}));
interface Spell<T> {
  readonly from: number;
  readonly to: number;
  readonly what: T;
}
function spells<T>(least: number, more: number, of: readonly T[]): Spell<T>[] {
  const made: Spell<T>[] = [];
  for (let from = 0; from < MINUTES;) {
    const to = Math.min(MINUTES, from + least + draw(more));
    made.push({ from, to, what: of[draw(of.length)]! });
    from = to;
  }
  return made;
}
const DEVICES = NODES.flatMap((node) => node.gpus.map((gpu) => ({ ...node, gpu })));
/** Nobody owns a GPU of a node that is out of use: within an hour the report cannot know whose time that was. */
const OWNED = new Map(
  DEVICES.map(({ gpu, states }) => {
    const up = states.filter(({ what }) => what === 'up');
    const wanted = spells(5, 50, [true, false, false]).filter(({ what }) => what);
    const owned = wanted.flatMap(({ from, to }) =>
      up.map((one) => ({ from: Math.max(from, one.from), to: Math.min(to, one.to), what: true })),
    );
    return [gpu, owned.filter(({ from, to }) => from < to)];
  }),
);
interface Kind {
  readonly type: string | undefined;
  readonly gpus: number;
  readonly nodes: number;
}
/** By cluster: who waits; undefined where nobody asked. */
const QUEUES = new Map(
  ['ash', 'oak'].map((cluster) => [
    cluster,
    spells(3, 20, [undefined, 0, 1, 1, 2]).map(({ from, to, what }): Spell<Kind[] | undefined> => ({
      ...{ from, to },
      what:
        what === undefined
          ? undefined
          : Array.from({ length: what }, () => ({
              type: [undefined, 'h100', 'a100'][draw(3)],
              ...{ gpus: 1 + draw(7), nodes: 1 + draw(2) },
            })),
    })),
  ]),
);
const within = <T>(all: readonly Spell<T>[], minute: number): T | undefined =>
  all.find(({ from, to }) => from <= minute && minute < to)?.what;

let server: Awaited<ReturnType<typeof startTestQuestdb>>;
let db: QuestDb;
beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  await store();
  await waitForRollups(db, [lane], at(MINUTES), { timeoutMs: 600_000 });
}, 900_000);
afterAll(async () => {
  await db.close();
  await server.stop();
});

async function store(): Promise<void> {
  await insertRows(
    db,
    'gpu_inventory',
    DEVICES.map(({ gpu, cluster, node, model }) => ({
      ts: at(0),
      cluster,
      node,
      gpu,
      model,
      source: 'test',
    })),
  );
  await insertRows(
    db,
    'node_states',
    NODES.flatMap(({ cluster, node, states }) =>
      // As a poll tells them: a row ends with its hour.
      states.flatMap(({ from, to, what }) => {
        const starts = Array.from({ length: to - from }, (_, minute) => from + minute);
        return starts
          .filter((minute) => minute === from || minute % 60 === 0)
          .flatMap((minute) => {
            const end_ts = at(Math.min(to, (Math.floor(minute / 60) + 1) * 60));
            const row = { ts: at(minute), end_ts, cluster, node, state: what, gpus: 4 };
            // Two machines that ask at once tell the same time twice.
            return what === 'drained' ? [row, { ...row, ts: row.ts + 10e6 }] : [row];
          });
      }),
    ),
  );
  await insertRows(
    db,
    'gpu_ownership',
    DEVICES.flatMap(({ gpu, cluster, node }) =>
      OWNED.get(gpu)!.map(({ from, to }) => ({
        ...{ ts: at(from), end_ts: at(to), cluster, node, gpu, run: 0, source: 'test' },
        job_id: `${gpu}.${from}`,
      })),
    ),
  );
  await insertRows(
    db,
    'queue_1m',
    [...QUEUES].flatMap(([cluster, own]) =>
      own.flatMap(({ from, to, what }) => {
        if (what === undefined) return [];
        const poll = { ts: at(to), cluster, wait_us: 0, dt_us: (to - from) * MINUTE };
        return [
          { ...poll, jobs: 0 },
          ...what.map(({ type, gpus, nodes }, index) => ({
            ...{ ...poll, account: `a${index}`, user: 'u', reason: 'Resources', gpus, nodes, jobs: 2 },
            ...(type === undefined ? {} : { gpu_type: type }),
          })),
        ];
      }),
    ),
  );
  await insertRows(
    db,
    lane.table,
    DEVICES.flatMap(({ gpu, cluster, node }) =>
      Array.from({ length: MINUTES }, (_, minute) => ({
        ...{ ts: at(minute + 1) - 1, cluster, node, gpu, dt_us: MINUTE, sm_active_ratio: 0.5 },
        owners: within(OWNED.get(gpu)!, minute) ? 1 : 0,
      })),
    ),
  );
}

/** Minute by minute: GPU-minutes free and in pieces, by the key of a row. */
function truth(keyOf: (device: (typeof DEVICES)[number], minute: number) => string): {
  readonly free: Record<string, number>;
  readonly fragmented: Record<string, number>;
} {
  const sums = { free: {} as Record<string, number>, fragmented: {} as Record<string, number> };
  for (let minute = 0; minute < MINUTES; minute += 1)
    for (const [cluster, queue] of QUEUES) {
      const own = NODES.filter((node) => node.cluster === cluster).map((node) => ({
        ...node,
        there: node.gpus.filter(
          (gpu) => !within(OWNED.get(gpu)!, minute) && within(node.states, minute) === 'up',
        ),
      }));
      const waiting = within(queue, minute) ?? [];
      const takes = ({ type }: Kind, { model }: { model: string }): boolean =>
        type === undefined || model.toLowerCase().includes(type);
      const holds = (kind: Kind, node: (typeof own)[number]): boolean =>
        takes(kind, node) && node.there.length >= Math.ceil(kind.gpus / kind.nodes);
      const fits = (kind: Kind): boolean => own.filter((node) => holds(kind, node)).length >= kind.nodes;
      const inPieces = waiting.filter(
        (kind) =>
          !fits(kind) &&
          own.filter((node) => takes(kind, node)).flatMap(({ there }) => there).length >= kind.gpus,
      );
      for (const node of own) {
        const isInPieces =
          inPieces.some((kind) => takes(kind, node)) &&
          !waiting.some((kind) => fits(kind) && holds(kind, node));
        for (const gpu of node.there) {
          const key = keyOf({ ...node, gpu }, minute);
          const into = isInPieces ? sums.fragmented : sums.free;
          into[key] = (into[key] ?? 0) + 1;
        }
      }
    }
  return sums;
}

const ask = async (
  options: Pick<CapacityQueryOptions, 'by' | 'also' | 'every' | 'where' | 'cluster'>,
): Promise<CapacityFigures> =>
  await capacityFigures(db, [lane], { ...options, fromUs: at(0), toUs: at(MINUTES) });

/** GPU-minutes, whole ones: a sample is a µs away from its minute. */
function told({ installed }: CapacityFigures, part: 'free' | 'fragmented'): Record<string, number> {
  return Object.fromEntries(
    installed.rows.flatMap(({ name, also, cluster, period, parts }) => {
      const minutes = Math.round((parts[part] ?? 0) / MINUTE);
      return minutes === 0
        ? []
        : [[[cluster, name, ...also, period].filter((word) => word !== undefined).join(' '), minutes]];
    }),
  );
}

/** On one line, wherever notes are wrapped. */
const printed = (figures: CapacityFigures): string =>
  renderCapacityReport(figures, { width: Infinity, isColored: false }).replaceAll(/\s+/g, ' ');

const hourOf = (minute: number): string => new Date(at(minute) / 1000).toISOString().slice(0, 13);

test('of each node', async () => {
  const figures = await ask({ by: 'node' });
  const sums = truth(({ cluster, node }) => `${cluster} ${node}`);
  expect(told(figures, 'fragmented')).toEqual(sums.fragmented);
  expect(told(figures, 'free')).toEqual(sums.free);
  expect(Object.keys(sums.fragmented).length).toBeGreaterThan(3);
  expect(figures.installed.inPieces).toBe('told');
  const text = printed(figures);
  expect(text).toMatch(/free in too small pieces [\d.]+ ?% [\d.]+ h/);
  expect(text).toContain('free in too small pieces: a job waited that asked for no more GPUs than were free');
});

test('of each hour, and of all GPUs', async () => {
  const figures = await ask({ by: 'hour' });
  const sums = truth((_device, minute) => hourOf(minute));
  expect(told(figures, 'fragmented')).toEqual(sums.fragmented);
  const all = Object.values(sums.fragmented).reduce((sum, minutes) => sum + minutes, 0);
  expect(Math.round(figures.installed.all.fragmented! / MINUTE)).toBe(all);
});

test('of a node alone as among all of its cluster', async () => {
  const where = [{ by: 'node', names: ['n1'] }] as const;
  const figures = await ask({ by: 'model', every: 'hour', where });
  const sums = truth(({ node, model }, minute) => (node === 'n1' ? `${model} ${hourOf(minute)}` : 'other'));
  delete sums.fragmented['other'];
  expect(told(figures, 'fragmented')).toEqual(sums.fragmented);
  expect(Object.keys(sums.fragmented).length).toBeGreaterThan(0);
});

test('by accounts in the row of what nobody owned', async () => {
  const figures = await ask({ by: 'account', cluster: 'ash' });
  const sums = truth(({ cluster }) => cluster);
  const unowned = figures.installed.rows.find(({ kind }) => kind === 'unowned')!;
  expect(Math.round(unowned.parts.fragmented! / MINUTE)).toBe(sums.fragmented['ash']);
});

test('is not told of long windows, and not of jobs alone', async () => {
  const long = await capacityFigures(db, [lane], {
    ...{ fromUs: at(0) - 32 * 24 * 60 * MINUTE, toUs: at(MINUTES), by: 'cluster' },
  });
  expect(long.installed.inPieces).toBe('windowTooLong');
  expect(long.installed.all.fragmented).toBeUndefined();
  expect(printed(long)).toContain(
    'free: what of it lay in too small pieces is told of windows of up to 31 days.',
  );
});

test('is not told where nobody asked who waits', async () => {
  await db.exec('TRUNCATE TABLE queue_1m');
  const figures = await ask({ by: 'cluster' });
  const { installed } = figures;
  expect(installed.inPieces).toBe('queueNotAsked');
  expect(installed.all.fragmented).toBeUndefined();
  expect(installed.all.free).toBeGreaterThan(0);
  expect(printed(figures)).toContain('free: nobody asked who waited, so it is not known');
  const csv: Record<string, string>[] = parse(capacityCsv(figures), { columns: true });
  expect(csv.map((row) => row['fragmented_hours'])).toEqual(csv.map(() => ''));
});
