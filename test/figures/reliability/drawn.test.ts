/**
 * Goal: of whatever happened, failures, XIDs and what jobs lost are counted as somebody would who looks at every event; a planted lemon is
 * found, and no other node accused. Method: two drawn clusters of a month in a real QuestDB, one with a lemon, and an oracle that knows
 * nothing of SQL and holds each event against every other one.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findField } from '../../../src/core/fields/find-field.ts';
import type { Lane } from '../../../src/core/fields/lane.ts';
import { createRandom } from '../../../src/core/synthetic/random.ts';
import type { ReliabilityFigures } from '../../../src/figures/reliability/figures.ts';
import { reliabilityFigures } from '../../../src/figures/reliability/query.ts';
import { openQuestDb, type QuestDb } from '../../../src/questdb/http.ts';
import { applySchema } from '../../../src/questdb/schema/apply.ts';
import { waitForRollups } from '../../../src/questdb/visible.ts';
import { insertRows } from '../../helpers/insert-rows.ts';
import { startTestQuestdb, type TestQuestdb } from '../../helpers/questdb.ts';

const MINUTE = 60e6;
const DAY = 1440 * MINUTE;
const FROM = Date.UTC(2026, 4, 1) * 1000;
const DAYS = 30;
const TO = FROM + DAYS * DAY;
const NODES = 30;
const LEMON = 17;
const FATAL = [48, 62, 64, 74, 79, 95, 119, 120, 140, 143];
const CODES = [...FATAL, 13, 31, 43, 45, 63, 92, 94, 154];

const lane: Lane = {
  name: 'profiling',
  table: 'gpu_profiling',
  schedule: 'continuous',
  intervalMs: DAY / 1000,
  fields: [findField(1002)!],
  capacityTicks: 100,
};

interface Xid {
  readonly node: string;
  readonly gpu: string;
  readonly ts: number;
  readonly code: number;
}

interface Run {
  readonly id: string;
  readonly node: string;
  readonly gpu: string;
  readonly from: number;
  readonly to: number;
  readonly state: string;
}

interface Drawn {
  readonly xids: readonly Xid[];
  readonly runs: readonly Run[];
}

function drawn(cluster: string, lemonTimes: number): Drawn {
  const random = createRandom(7, cluster);
  const xids: Xid[] = [];
  const runs: Run[] = [];
  for (let index = 0; index < NODES; index += 1) {
    const node = `${cluster}${index}`;
    const bursts = random.below(8) * (index === LEMON ? lemonTimes : 1);
    for (let burst = 0; burst < bursts; burst += 1) {
      const gpu = `GPU-${node}-${random.below(2)}`;
      // Some before and after the window, and some bursts that go on for long.
      let ts = FROM + Math.floor(random.between(-2, DAYS + 2) * DAY);
      for (let left = 1 + random.below(5); left > 0; left -= 1) {
        xids.push({ node, gpu, ts, code: random.pick(CODES) });
        ts += Math.floor(random.between(0.01, 22) * MINUTE);
      }
    }
    for (const gpu of [0, 1].map((number) => `GPU-${node}-${number}`)) {
      let from = FROM - DAY;
      for (let at = 0; from < TO; at += 1) {
        // Every second run ends about an XID of its GPU, where one comes.
        const near = xids.find((one) => one.gpu === gpu && one.ts > from + 60 * MINUTE);
        const plain = from + Math.floor(random.between(0.5, 6) * DAY);
        const to =
          near !== undefined && random.next() < 0.5
            ? near.ts + Math.floor(random.between(-3, 8) * MINUTE)
            : plain;
        const state = random.pick(['COMPLETED', 'FAILED', 'CANCELLED', 'FAILED', 'NODE_FAIL']);
        runs.push({ id: `${gpu}-${at}`, node, gpu, from, to, state });
        from = to + 60 * MINUTE;
      }
    }
  }
  return { xids, runs };
}

const CLUSTERS: Readonly<Record<string, Drawn>> = { alike: drawn('alike', 1), lemon: drawn('lemon', 12) };

let server: TestQuestdb;
let db: QuestDb;
const figures = new Map<string, ReliabilityFigures>();

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  for (const [cluster, { xids, runs }] of Object.entries(CLUSTERS)) {
    const gpus = Array.from({ length: 2 * NODES }, (_, index) => ({
      ...{ cluster, node: `${cluster}${index >> 1}`, gpu: `GPU-${cluster}${index >> 1}-${index % 2}` },
    }));
    await insertRows(
      db,
      'gpu_inventory',
      gpus.map((gpu) => ({ ...gpu, ts: FROM - 9 * DAY, model: 'NVIDIA H100', source: 'nvml' })),
    );
    await insertRows(
      db,
      lane.table,
      gpus.flatMap((gpu) =>
        Array.from({ length: DAYS + 4 }, (_, day) => ({
          ...{ ...gpu, ts: FROM + (day - 2) * DAY + DAY / 2, dt_us: DAY, owners: 0, sm_active_ratio: 0.5 },
        })),
      ),
    );
    await insertRows(
      db,
      'gpu_events',
      xids.map((one) => ({ ...one, cluster, kind: 'xid', subject: `xid_${one.code}`, text: '' })),
    );
    await insertRows(
      db,
      'jobs',
      runs.map(({ id, from, to, state }) => ({
        ...{
          ts: from,
          end_ts: to,
          cluster,
          job_id: id,
          run: 0,
          submit_ts: from,
          user: 'ada',
          state,
          gpus: 1,
        },
      })),
    );
    await insertRows(
      db,
      'gpu_ownership',
      runs.map(({ id, node, gpu, from, to }) => ({
        ...{ ts: from, end_ts: to, cluster, node, gpu, job_id: id, run: 0, source: 'slurm' },
      })),
    );
  }
  await waitForRollups(db, [lane], TO + DAY);
  for (const cluster of Object.keys(CLUSTERS))
    figures.set(cluster, await reliabilityFigures(db, [lane], { fromUs: FROM, toUs: TO, cluster }));
});

afterAll(async () => {
  await db.close();
  await server.stop();
});

const isIn = (ts: number): boolean => ts >= FROM && ts < TO;
/** How many of them have none within the quarter of an hour before. */
const firsts = (moments: readonly number[]): number =>
  moments.filter((ts, index) => !moments.some((other, at) => at !== index && isBefore(other, ts, at < index)))
    .length;
const isBefore = (other: number, ts: number, isListedBefore: boolean): boolean =>
  other === ts ? isListedBefore : other < ts && ts - other <= 15 * MINUTE;

describe.each(Object.entries(CLUSTERS))('of cluster %s', (cluster, { xids, runs }) => {
  const seen = xids.filter(({ ts }) => isIn(ts));
  const fatal = seen.filter(({ code }) => FATAL.includes(code));
  const ended = runs.filter(({ to }) => isIn(to));
  const failed = ended.filter(
    ({ gpu, to, state }) =>
      state === 'NODE_FAIL' ||
      (state !== 'COMPLETED' &&
        fatal.some((xid) => xid.gpu === gpu && xid.ts >= to - 5 * MINUTE && xid.ts <= to + MINUTE)),
  );

  test('failures of each node are those that were drawn', () => {
    const { nodes, failures, unplacedFailures } = figures.get(cluster)!;
    const expected = Array.from({ length: NODES }, (_, index): [string, number] => {
      const node = `${cluster}${index}`;
      const ends = ended.filter((run) => run.node === node && run.state === 'NODE_FAIL').map(({ to }) => to);
      return [node, firsts([...fatal.filter((xid) => xid.node === node).map(({ ts }) => ts), ...ends])];
    });
    expect(Object.fromEntries(nodes.map(({ node, failures: own }) => [node, own]))).toEqual(
      Object.fromEntries(expected),
    );
    expect(failures).toBe(expected.reduce((sum, [, own]) => sum + own, 0));
    expect(unplacedFailures).toBe(0);
  });

  test('XIDs are those that were drawn', () => {
    const [model] = figures.get(cluster)!.models;
    expect(model!.classes.reduce((sum, { events }) => sum + events, 0)).toBe(seen.length);
    const links = seen.filter(({ code }) => code === 74);
    const incidents = [...Map.groupBy(links, ({ gpu }) => gpu).values()].reduce(
      (sum, own) => sum + firsts(own.map(({ ts }) => ts)),
      0,
    );
    expect(model!.classes.find(({ name }) => name === 'link')).toMatchObject({
      events: links.length,
      incidents,
    });
  });

  test('what jobs lost is of those that ended by a failure', () => {
    const lengthIn = ({ from, to }: Run): number => Math.max(0, Math.min(to, TO) - Math.max(from, FROM));
    const sum = (some: readonly Run[]): number => some.reduce((total, run) => total + lengthIn(run), 0);
    const { lost } = figures.get(cluster)!;
    expect(failed.length).toBeGreaterThan(20);
    expect(lost).toEqual({ runs: failed.length, requeued: 0, mostUs: sum(failed), availableUs: sum(runs) });
  });
});

test('the lemon is found, and nobody else is accused', () => {
  const accused = (cluster: string): string[] =>
    figures
      .get(cluster)!
      .nodes.filter(({ isLemon }) => isLemon)
      .map(({ node }) => node);
  expect(accused('alike')).toEqual([]);
  expect(accused('lemon')).toEqual([`lemon${LEMON}`]);
});
