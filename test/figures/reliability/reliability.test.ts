/**
 * Goal: failures, rates, lemons and what jobs lost are what was recorded, each counted once, and what nobody recorded is told. Method:
 * a month of two clusters made by hand in a real QuestDB, in which each event is there for a reason, counted by hand; the command as
 * users have it.
 */
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findField } from '../../../src/core/fields/find-field.ts';
import type { Lane } from '../../../src/core/fields/lane.ts';
import { capacityFigures } from '../../../src/figures/capacity/query.ts';
import type { NodeReliability, ReliabilityFigures } from '../../../src/figures/reliability/figures.ts';
import { reliabilityFigures } from '../../../src/figures/reliability/query.ts';
import { openQuestDb, type QuestDb } from '../../../src/questdb/http.ts';
import { applySchema } from '../../../src/questdb/schema/apply.ts';
import { waitForRollups } from '../../../src/questdb/visible.ts';
import { reliabilityCsv, reliabilityJson } from '../../../src/report/reliability/reliability-json.ts';
import { renderReliabilityReport } from '../../../src/report/reliability/reliability-text.ts';
import { insertRows, type Row } from '../../helpers/insert-rows.ts';
import { startTestQuestdb, type TestQuestdb } from '../../helpers/questdb.ts';
import { runCommand } from '../../helpers/run-process.ts';

const MINUTE = 60e6;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365.25 * DAY;
const FROM = Date.UTC(2026, 2, 1) * 1000;
const DAYS = 30;
const TO = FROM + DAYS * DAY;
const STEP = 6 * HOUR;
const HOSTILE = "n6'; DROP TABLE jobs; --\u202e\u001b[2J=1+1";
/** Whole days from the begin, and minutes. */
const at = (days: number, minutes = 0): number => FROM + days * DAY + minutes * MINUTE;

const lane: Lane = {
  name: 'profiling',
  table: 'gpu_profiling',
  schedule: 'continuous',
  intervalMs: STEP / 1000,
  fields: [findField(1002)!],
  capacityTicks: 100,
};

interface Gpu {
  readonly cluster: string;
  readonly node: string;
  readonly gpu: string;
  readonly model: string;
  readonly parent?: string;
  /** A GPU beside its instances. */
  readonly isCut?: true;
}

const NODES = ['n1', 'n2', 'n3', 'n4', 'n5', HOSTILE];
const GPUS: readonly Gpu[] = [
  ...NODES.flatMap((node, index) =>
    [0, 1].map((number) => ({
      cluster: 'a',
      node,
      gpu: `GPU-a${index + 1}-${number}`,
      model: 'NVIDIA H200',
    })),
  ),
  { cluster: 'b', node: 'n1', gpu: 'GPU-b1-0', model: 'NVIDIA A100' },
  { cluster: 'b', node: 'n1', gpu: 'GPU-b1-1', model: 'NVIDIA H200', isCut: true },
  ...['MIG-b1-1-a', 'MIG-b1-1-b'].map((gpu) => ({
    ...{ cluster: 'b', node: 'n1', gpu, model: 'NVIDIA H200 MIG 3g.71gb', parent: 'GPU-b1-1' },
  })),
];

interface Event {
  readonly gpu?: string;
  readonly cluster?: string;
  readonly node?: string;
  readonly ts: number;
  readonly kind: string;
  readonly code?: number;
  readonly subject?: string;
}

const xid = (gpu: string, code: number, ts: number): Event => ({
  gpu,
  ts,
  kind: 'xid',
  code,
  subject: `xid_${code}`,
});

const EVENTS: readonly Event[] = [
  // The lemon: seven times off the bus, once with a burst that is one incident, and a memory error of its other GPU.
  ...[1, 3, 5, 7, 9, 11, 13].map((day) => xid('GPU-a3-0', 79, at(day))),
  ...[5, 10, 24].map((minutes) => xid('GPU-a3-0', 79, at(5, minutes))),
  xid('GPU-a3-1', 48, at(20)),
  // What programs did, and memory errors that a GPU gets over.
  ...[0, 1, 120].map((minutes) => xid('GPU-a1-0', 31, at(2, minutes))),
  xid('GPU-a2-0', 94, at(4)),
  // A GPU that is away, and says why three minutes later: one failure.
  { gpu: 'GPU-a2-1', ts: at(6), kind: 'engine_lost', subject: 'driver' },
  xid('GPU-a2-1', 119, at(6, 3)),
  // A host engine that died is no failure of the node.
  { cluster: 'a', node: 'n4', ts: at(6), kind: 'engine_lost', subject: 'localhost' },
  // A GPU that was never sampled, on a node that was.
  { gpu: 'GPU-gone', cluster: 'a', node: 'n1', ts: at(26), kind: 'xid', code: 79, subject: 'xid_79' },
  // And one on a node of which nothing is known.
  { gpu: 'GPU-far', cluster: 'a', node: 'far', ts: at(26), kind: 'xid', code: 79, subject: 'xid_79' },
  { cluster: 'a', node: HOSTILE, ts: at(1), kind: 'unresolved', subject: 'kernel_log' },
  // Before and after the window.
  xid('GPU-a4-0', 79, FROM - MINUTE),
  xid('GPU-a4-0', 79, TO),
  // An instance, and the GPU that it is a part of.
  xid('MIG-b1-1-a', 31, at(3)),
  xid('GPU-b1-1', 95, at(16)),
];

interface Job {
  readonly id: string;
  readonly state?: string;
  readonly from: number;
  readonly to?: number;
  readonly gpus: readonly string[];
  readonly run?: number;
  readonly submit?: number;
}

const JOBS: readonly Job[] = [
  { id: '501', state: 'NODE_FAIL', from: at(9), to: at(10), gpus: ['GPU-a5-0', 'GPU-a5-1'] },
  // Nobody tells which of its two nodes it was.
  { id: '502', state: 'NODE_FAIL', from: at(14), to: at(15), gpus: ['GPU-a5-0', 'GPU-a6-0'] },
  // Here one of them shows it.
  { id: '503', state: 'NODE_FAIL', from: at(6), to: at(7, 2), gpus: ['GPU-a3-0', 'GPU-a6-0'] },
  // Ended a minute after an XID of its GPU; completed nevertheless; ended ten minutes after one.
  { id: '504', state: 'FAILED', from: at(8.5), to: at(9, 1), gpus: ['GPU-a3-0'] },
  { id: '505', state: 'COMPLETED', from: at(10.5), to: at(11, 1), gpus: ['GPU-a3-0'] },
  { id: '506', state: 'FAILED', from: at(12), to: at(13, 10), gpus: ['GPU-a3-0'] },
  { id: '507', state: 'NODE_FAIL', from: at(20), to: at(21), gpus: ['GPU-a1-1'], run: 0, submit: at(19) },
  { id: '507', state: 'COMPLETED', from: at(21, 60), to: at(22), gpus: ['GPU-a1-1'], run: 1, submit: at(21) },
  { id: '508', from: at(25), gpus: ['GPU-a6-1'] },
  // Begun long before the window, and ended by its begin: half of it counts.
  { id: '509', state: 'NODE_FAIL', from: at(-40), to: at(0.5), gpus: ['GPU-a4-1'] },
  { id: '601', state: 'FAILED', from: at(15), to: at(16, 1), gpus: ['MIG-b1-1-a'] },
];

const LOST_A = 2 + 2 + 2 * (1 + 2 / 1440) + (0.5 + 1 / 1440) + 1 + 0.5;
const OWNED_A = LOST_A + (0.5 + 1 / 1440) + (1 + 10 / 1440) + 23 / 24 + 5;
const LOST_B = (1 + 1 / 1440) * (3 / 7);

let server: TestQuestdb;
let db: QuestDb;

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const placeOf = new Map(GPUS.map((one) => [one.gpu, one]));
  await insertRows(
    db,
    'gpu_inventory',
    GPUS.map(({ cluster, node, gpu, model, parent }) => ({
      ...{ ts: FROM - DAY, cluster, node, gpu, model, source: 'nvml', parent },
      ...(parent === undefined ? {} : { mig_profile: '3g.71gb' }),
    })),
  );
  const samples = GPUS.flatMap(({ cluster, node, gpu, isCut }) =>
    Array.from({ length: (DAYS + 4) * 4 }, (_, index): Row => ({
      ...{ ts: at(-2) + index * STEP + STEP / 2, cluster, node, gpu, dt_us: STEP, sm_active_ratio: 0.5 },
      ...(isCut ? {} : { owners: 0 }),
    })),
  );
  await insertRows(db, lane.table, samples);
  await insertRows(
    db,
    'gpu_events',
    EVENTS.map((event) => ({
      ...{
        cluster: placeOf.get(event.gpu ?? '')?.cluster,
        node: placeOf.get(event.gpu ?? '')?.node,
        text: '',
      },
      ...event,
    })),
  );
  await insertRows(
    db,
    'jobs',
    JOBS.map(({ id, state, from, to, gpus, run = 0, submit = from - HOUR }) => ({
      ...{
        ts: from,
        end_ts: to,
        cluster: placeOf.get(gpus[0]!)!.cluster,
        job_id: id,
        run,
        submit_ts: submit,
      },
      ...{ user: 'ada', state, gpus: gpus.length },
    })),
  );
  await insertRows(
    db,
    'gpu_ownership',
    JOBS.flatMap(({ id, from, to, gpus, run = 0 }) =>
      gpus.map((gpu) => ({
        ...{ ts: from, end_ts: to, cluster: placeOf.get(gpu)!.cluster, node: placeOf.get(gpu)!.node, gpu },
        ...{ job_id: id, run, source: 'slurm' },
      })),
    ),
  );
  const spell = (node: string, from: number, state: string, slurm: string): Row => ({
    ...{ ts: from, end_ts: from + HOUR, cluster: 'a', node, state, slurm_state: slurm, gpus: 2 },
  });
  await insertRows(db, 'node_states', [
    // It took jobs, and was down for two hours.
    spell('n4', at(8), 'up', 'idle'),
    spell('n4', at(8, 60), 'down', 'down+not_responding'),
    spell('n4', at(8, 120), 'down', 'down'),
    spell('n4', at(8, 180), 'up', 'idle'),
    // Somebody took it out before; power saving.
    spell('n4', at(12), 'drained', 'idle+drain'),
    spell('n4', at(12, 60), 'down', 'down+drain'),
    spell('n2', at(17), 'up', 'idle'),
    spell('n2', at(17, 60), 'down', 'idle+powered_down'),
    spell('far', at(17), 'up', 'idle'),
    spell('far', at(17, 60), 'down', 'down'),
  ]);
  await waitForRollups(db, [lane], TO + DAY);
});

afterAll(async () => {
  await db.close();
  await server.stop();
});

async function figuresOf(cluster?: string): Promise<ReliabilityFigures> {
  const asked = { fromUs: FROM, toUs: TO, ...(cluster === undefined ? {} : { cluster }) };
  return await reliabilityFigures(db, [lane], asked);
}

const failuresOf = ({ nodes }: ReliabilityFigures): Record<string, number> =>
  Object.fromEntries(nodes.map((one) => [`${one.cluster}/${one.node}`, one.failures]));
const nodeOf = ({ nodes }: ReliabilityFigures, name: string): NodeReliability =>
  nodes.find(({ node }) => node === name)!;

describe('XIDs', () => {
  test('are counted by model and by what they are about, of the time for which GPUs were seen', async () => {
    const { models } = await figuresOf('a');
    const [h200] = models;
    expect(models).toHaveLength(1);
    expect(h200).toMatchObject({ model: 'NVIDIA H200', gpus: 12, seenUs: 12 * DAYS * DAY });
    expect(h200!.classes.map(({ name, events, incidents }) => [name, events, incidents])).toEqual([
      ['gpu', 11, 8],
      ['memory', 2, 2],
      ['application', 3, 2],
    ]);
    const { perGpu } = h200!.classes[1]!;
    const years = (12 * DAYS * DAY) / YEAR;
    expect(perGpu.perYear).toBeCloseTo(2 / years, 9);
    // Of two events: 0.242209 to 7.224688 (tables of Garwood).
    expect(perGpu.low).toBeCloseTo(0.242209 / years, 4);
    expect(perGpu.high).toBeCloseTo(7.224688 / years, 4);
  });

  test('of MIG instances are their GPU’s', async () => {
    const { models } = await figuresOf('b');
    expect(models.map(({ model, gpus, seenUs }) => [model, gpus, seenUs])).toEqual([
      ['NVIDIA A100', 1, DAYS * DAY],
      ['NVIDIA H200', 1, DAYS * DAY],
    ]);
    expect(models[1]!.classes.map(({ name, events }) => [name, events])).toEqual([
      ['memory', 1],
      ['application', 1],
    ]);
  });

  test('are of the time that the capacity report has seen', async () => {
    const { models } = await figuresOf('a');
    const { sampledUs } = await capacityFigures(db, [lane], {
      fromUs: FROM,
      toUs: TO,
      by: 'model',
      cluster: 'a',
    });
    expect(models.reduce((sum, { seenUs }) => sum + seenUs, 0)).toBe(sampledUs);
  });
});

describe('failures', () => {
  test('are counted once each, on the node that had them', async () => {
    const figures = await figuresOf('a');
    expect(failuresOf(figures)).toEqual({
      'a/n1': 2,
      'a/n2': 1,
      'a/n3': 8,
      // By the scheduler's word, and the job that ended by NODE_FAIL.
      'a/n4': 2,
      'a/n5': 1,
      [`a/${HOSTILE}`]: 0,
    });
    expect(nodeOf(figures, 'n2').signs).toEqual({ xid: 1, gpu_lost: 1, node_down: 0, node_fail: 0 });
    expect(nodeOf(figures, 'n4').signs).toEqual({ xid: 0, gpu_lost: 0, node_down: 1, node_fail: 1 });
    expect(nodeOf(figures, 'n3').lastFailureUs).toBe(at(20));
    expect(figures).toMatchObject({ failures: 15, unplacedFailures: 1, unseenEvents: 2, deafNodes: 1 });
    expect(failuresOf(await figuresOf('b'))).toEqual({ 'b/n1': 1 });
  });

  test('give the mean time to the next one, of all nodes', async () => {
    const { seenNodeUs, meanUs, lowUs, highUs } = await figuresOf('a');
    expect(seenNodeUs).toBe(6 * DAYS * DAY);
    expect(meanUs).toBeCloseTo(seenNodeUs / 15, 0);
    // χ²(0.975; 32) = 49.480438, χ²(0.025; 30) = 16.790772.
    expect(lowUs! / ((2 * seenNodeUs) / 49.480438)).toBeCloseTo(1, 6);
    expect(highUs! / ((2 * seenNodeUs) / 16.790772)).toBeCloseTo(1, 6);
  });

  test('of one node are more than chance brings, and of no other', async () => {
    const { nodes } = await figuresOf('a');
    expect(nodes.filter(({ isLemon }) => isLemon).map(({ node }) => node)).toEqual(['n3']);
    expect(nodes[0]!.node).toBe('n3');
    // Σ C(14, j) 5^(14 − j) / 6^14 from 8 on.
    const choose = [3003, 2002, 1001, 364, 91, 14, 1];
    const p = choose.reduce((sum, ways, index) => sum + ways * 5 ** (6 - index), 0) / 6 ** 14;
    expect(nodes[0]!.p).toBeCloseTo(p, 12);
    expect(nodes[0]!.adjustedP).toBeCloseTo(6 * p, 12);
    expect((await figuresOf('b')).nodes.map(({ isLemon }) => isLemon)).toEqual([false]);
  });

  test('of all clusters are theirs together', async () => {
    expect(failuresOf(await figuresOf())).toEqual({
      ...failuresOf(await figuresOf('a')),
      ...failuresOf(await figuresOf('b')),
    });
  });
});

describe('what jobs lost', () => {
  test('is between nothing and all of the time of those that a failure ended', async () => {
    const { lost } = await figuresOf('a');
    expect(lost).toMatchObject({ runs: 6, requeued: 1 });
    expect(lost.mostUs / DAY).toBeCloseTo(LOST_A, 9);
    expect(lost.availableUs / DAY).toBeCloseTo(OWNED_A, 9);
  });

  test('of an instance is by its slices', async () => {
    const { lost } = await figuresOf('b');
    expect(lost.runs).toBe(1);
    expect(lost.mostUs / DAY).toBeCloseTo(LOST_B, 9);
    expect(lost.availableUs / DAY).toBeCloseTo(LOST_B, 9);
  });
});

describe('the report', () => {
  const validate = new Ajv2020({ strict: true }).compile(
    JSON.parse(readFileSync('infra/schemas/report-reliability.schema.json', 'utf8')) as object,
  );
  const textOf = (figures: ReliabilityFigures, width = Infinity): string =>
    renderReliabilityReport(figures, { width, isColored: false });

  test.each([undefined, 'a', 'b'])(
    'of %s fits its schema, and no line is wider than a terminal',
    async (cluster) => {
      const figures = await figuresOf(cluster);
      expect(validate(JSON.parse(reliabilityJson(figures))), JSON.stringify(validate.errors)).toBe(true);
      expect(reliabilityCsv(figures).split('\n').length).toBeGreaterThan(figures.nodes.length);
      for (const width of [60, 80, 100])
        expect(
          textOf(figures, width)
            .split('\n')
            .filter((line) => line.length > width),
        ).toEqual([]);
      expect(textOf(figures)).not.toMatch(/[\u001b\u202e]/);
    },
  );

  test('says first how often a node fails, which one is worse, and what that cost', async () => {
    const text = textOf(await figuresOf('a')).replaceAll(/\s+/g, ' ');
    expect(text).toContain(
      'Reliability of cluster a · 2026-03-01 to 2026-03-31 UTC · 6 nodes, 12 GPUs · 0.986 GPU-years seen' +
        ' A node fails every 12 days on average (95 %: 7.28 to 21.4 days): 15 failures in 180 node-days.' +
        ' Fails more often than the others: n3 (8 failures where 2.33 were to be expected).' +
        ' Lost to failures: up to 192.1 GPU-hours of 371.3 GPU-hours that jobs had (6 runs ended by one, 1 of them started again), so between 48 % and 100 % of that time was productive (ETTR)',
    );
    // Not as if it were the number of an XID.
    expect(text).toMatch(/ n3 8 \S+ \S+ \S+ \S+ \d+ × XID/);
    expect(text).toContain('Of 1 failure nobody told which node it was');
    expect(text).toContain('2 XIDs of GPUs that were not seen in this window');
    expect(text).toContain('On 1 node not all XIDs were heard');
    expect(textOf(await figuresOf())).toMatch(/^ {2}a\/n1 +2 /m);
  });

  test('of a window without failures says so, with the bound that there is', async () => {
    const quiet = await reliabilityFigures(db, [lane], { fromUs: at(28), toUs: TO });
    const text = textOf(quiet).replaceAll(/\s+/g, ' ');
    // 7 nodes × 2 days, and 3.688879 failures at most.
    expect(text).toContain('No node failed in 14 node-days: one fails every 3.8 days at most (95 %).');
    expect(text).toContain('No node fails more often than chance makes of all of them alike.');
    expect(text).toContain('No XID of any GPU.');
    expect(text).toMatch(/No job is known to have ended by a failure, of 48\D/);
  });
});

describe('the command', () => {
  const report = async (...args: string[]) =>
    await runCommand(['report', 'reliability', ...args], { env: { QDB_CLIENT_CONF: server.conf } });
  const WINDOW = ['--from', '2026-03-01', '--to', '2026-03-31'];

  test('prints the same', async () => {
    const { exitCode, stdout } = await report(...WINDOW, '--cluster', 'a', '--json');
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual(JSON.parse(reliabilityJson(await figuresOf('a'))));
    expect((await report(...WINDOW, '--csv')).stdout).toBe(reliabilityCsv(await figuresOf()));
  });

  test.each([
    [['--cluster', 'nowhere', ...WINDOW], 64, 'no cluster "nowhere"'],
    [['--from', '2026-03-31', '--to', '2026-03-01'], 64, 'begins before it ends'],
    [['--since', '3d', '--from', '2026-03-01'], 64, 'came both'],
  ])('%j is refused', async (args, code, said) => {
    const { exitCode, stdout, stderr } = await report(...args);
    expect({ exitCode, stdout }).toEqual({ exitCode: code, stdout: '' });
    expect(stderr).toContain(said);
  });

  test('of a time without any samples has no data, and says so', async () => {
    const { exitCode, stdout } = await report('--from', '2020-01-01', '--to', '2020-02-01');
    expect(exitCode).toBe(0);
    expect(stdout).toContain('no data: nothing was sampled in this window.');
  });
});
