import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { OperatingError } from '../../src/core/base/errors.ts';
import type { Notice } from '../../src/core/base/notice.ts';
import type { Told, ToldNode, WaitingJobs } from '../../src/core/jobs/cluster-load.ts';
import { readNodeStates } from '../../src/figures/fleet-states/node-states.ts';
import { pollCluster, type PollOutcome } from '../../src/job-map/poll-cluster.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';

const GAP_MS = 150_000;
/** A whole hour of the day before yesterday: what is old goes, by the retention of other tests. */
const T0_US = (Math.floor(Date.now() / 3600e3) - 48) * 3600e6;

let db: QuestDb;
let clusters = 0;
beforeAll(async () => {
  db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
  await applySchema(db, [], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
});
afterAll(async () => {
  await db.close();
});

const node = (name: string, state: ToldNode['state'], change: Partial<ToldNode> = {}): ToldNode => ({
  ...{ node: name, state, slurmState: state, reason: undefined, gpus: 4, partitions: 'gpu' },
  ...change,
});
const waiting = (change: Partial<WaitingJobs> = {}): WaitingJobs => ({
  ...{ partition: 'gpu', account: 'a', user: 'ada', qos: 'q', reason: 'Priority', gpuType: 'h100' },
  ...{ gpus: 4, nodes: 1, jobs: 1, submitUs: T0_US - 60e6 },
  ...change,
});

type Answer<Row> = readonly Row[] | OperatingError;

/** Polls of one cluster, each of whose answers the test gives. */
function pollsOf(): {
  readonly cluster: string;
  readonly notices: Notice[];
  readonly poll: (
    afterS: number,
    nodes: Answer<ToldNode>,
    queue: Answer<WaitingJobs>,
  ) => Promise<readonly PollOutcome[]>;
} {
  clusters += 1;
  const cluster = `poll${process.pid}_${clusters}`;
  const notices: Notice[] = [];
  const toldRefusals = new Set<string>();
  const answer = <Row>(rows: Answer<Row>): Promise<Told<Row>> =>
    rows instanceof OperatingError
      ? Promise.reject(rows)
      : Promise.resolve({ rows, refused: [{ expected: 'expected x', found: 'y' }] });
  return {
    cluster,
    notices,
    poll: async (afterS, nodes, queue) =>
      await pollCluster(
        db,
        {
          ...{ nodesFrom: 'sinfo', readNodes: () => answer(nodes) },
          ...{ queueFrom: 'squeue', readQueue: () => answer(queue) },
        },
        {
          ...{ cluster, gapMsMax: GAP_MS, nowUs: T0_US + afterS * 1e6, toldRefusals },
          tell: (notice) => notices.push(notice),
        },
      ),
  };
}

async function statesOf(
  window: { readonly fromUs: number; readonly toUs: number },
  cluster: string,
): Promise<Awaited<ReturnType<typeof readNodeStates>>> {
  await waitForVisible(db, 'node_states');
  return await readNodeStates(db, window, cluster);
}

async function rowsOf(
  table: string,
  columns: string,
  cluster: string,
): Promise<readonly (readonly unknown[])[]> {
  await waitForVisible(db, table);
  const order = table === 'queue_1m' ? 'jobs' : 'node';
  const { rows } = await db.exec(
    `SELECT (cast(ts AS LONG) - ${T0_US}) / 1000000, ${columns} FROM ${table} WHERE cluster = '${cluster}' ORDER BY ts, ${order}`,
  );
  return rows;
}

describe('a poll of the cluster', () => {
  test('writes spells of the nodes, and each goes on with the row that is there', async () => {
    const { cluster, poll } = pollsOf();
    await poll(3_400, [node('n1', 'up'), node('n2', 'up')], []);
    await poll(3_500, [node('n1', 'up'), node('n2', 'drained', { reason: 'fan ⏎ 李' })], []);
    const [outcome] = await poll(
      3_650,
      [node('n1', 'up'), node('n2', 'drained', { reason: 'fan ⏎ 李' })],
      [],
    );
    expect(outcome).toMatchObject({ count: 2, outOfUse: 1, refusedRows: 1, speaksForMs: 150_000 });
    const ends = `(cast(end_ts AS LONG) - ${T0_US}) / 1000000`;
    expect(await rowsOf('node_states', `${ends}, node, state, reason, gpus, partitions`, cluster)).toEqual([
      [3_400, 3_600, 'n1', 'up', null, 4, 'gpu'],
      [3_400, 3_600, 'n2', 'drained', 'fan ⏎ 李', 4, 'gpu'],
      [3_600, 3_650, 'n1', 'up', null, 4, 'gpu'],
      [3_600, 3_650, 'n2', 'drained', 'fan ⏎ 李', 4, 'gpu'],
    ]);
    const window = { fromUs: T0_US + 3_450e6, toUs: T0_US + 4_000e6 };
    const spans = (await statesOf(window, cluster)).map(({ node: name, state, gpus, fromUs, toUs }) => [
      ...[name, state, gpus],
      ...[(fromUs - T0_US) / 1e6, (toUs - T0_US) / 1e6],
    ]);
    expect(spans.sort()).toEqual([
      ['n1', 'up', 4, 3_450, 3_650],
      ['n2', 'drained', 4, 3_450, 3_650],
    ]);
  });

  test('writes who waits, and that the queue was asked, over the time since it was asked before', async () => {
    const { cluster, poll } = pollsOf();
    const alike = [
      waiting(),
      waiting({ submitUs: T0_US - 40e6, jobs: 3 }),
      waiting({ gpus: undefined, gpuType: 'shard' }),
    ];
    const [, first] = await poll(0, [], alike);
    expect(first).toMatchObject({ what: 'queue', from: 'squeue', count: 5, speaksForMs: 0 });
    await poll(60, [], [waiting({ submitUs: T0_US + 90e6, account: undefined, qos: undefined })]);
    await poll(120, [], []);
    await poll(400, [], [waiting()]);
    const columns = '"partition", account, user, qos, reason, gpu_type, gpus, nodes, jobs, wait_us, dt_us';
    const none = [null, null, null, null, null, null, null, null, 0, 0];
    const labels = ['gpu', 'a', 'ada', 'q', 'Priority'];
    expect(await rowsOf('queue_1m', columns, cluster)).toEqual([
      [0, ...none, 0],
      [0, ...labels, 'shard', null, 1, 1, 60e6, 0],
      [0, ...labels, 'h100', 4, 1, 4, 180e6, 0],
      [60, ...none, 60e6],
      // Submitted by a clock that is ahead.
      [60, 'gpu', null, 'ada', null, 'Priority', 'h100', 4, 1, 1, 0, 60e6],
      [120, ...none, 60e6],
      [400, ...none, 0],
      [400, ...labels, 'h100', 4, 1, 1, 460e6, 0],
    ]);
  });

  test('once more at the same moment, or by a clock that was set back, changes nothing', async () => {
    const { cluster, poll } = pollsOf();
    await poll(0, [node('n1', 'up')], [waiting()]);
    await poll(60, [node('n1', 'up')], [waiting()]);
    const stored = async (): Promise<unknown> => [
      await rowsOf('node_states', 'end_ts, node, state', cluster),
      await rowsOf('queue_1m', '"partition", jobs, wait_us, dt_us', cluster),
    ];
    const before = await stored();
    await poll(60, [node('n1', 'up')], [waiting()]);
    await poll(30, [node('n1', 'down')], []);
    expect(await stored()).toEqual(before);
  });

  test('writes nothing of what did not answer, and leaves that time unknown', async () => {
    const { cluster, poll } = pollsOf();
    const failure = new OperatingError('expected an answer of sinfo, but: down', {
      code: 'slurm.failed',
      exit: 'temporary',
    });
    await poll(0, [node('n1', 'up')], []);
    const [nodes, queue] = await poll(100, failure, [waiting()]);
    expect(nodes).toMatchObject({ what: 'nodes', count: 0, failure });
    expect(queue).not.toHaveProperty('failure');
    await poll(200, [node('n1', 'up')], failure);
    await poll(300, [node('n1', 'up')], [waiting()]);
    const window = { fromUs: T0_US, toUs: T0_US + 400e6 };
    const spans = (await statesOf(window, cluster)).map(({ fromUs, toUs }) => [
      (fromUs - T0_US) / 1e6,
      (toUs - T0_US) / 1e6,
    ]);
    expect(spans).toEqual([[200, 300]]);
    expect((await rowsOf('queue_1m', 'jobs, dt_us', cluster)).filter(([, jobs]) => jobs === 0)).toEqual([
      [0, 0, 0],
      [100, 0, 100e6],
      [300, 0, 0],
    ]);
  });

  test('tells what it refuses once for each thing', async () => {
    const { poll, notices } = pollsOf();
    await poll(0, [], []);
    await poll(60, [], []);
    expect(notices).toMatchObject([
      { level: 'warn', code: 'jobs.refused', sentence: 'a row of sinfo is left out: expected x, found y' },
    ]);
  });

  test('takes names of any kind', async () => {
    const { cluster, poll } = pollsOf();
    const names = ['=1+1', '<img src=x>', '\u202ertl', 'x'.repeat(1000), 'a,b c=d', "o'hara"];
    await poll(
      0,
      names.map((name) => node(name, 'up')),
      names.map((user) => waiting({ user, reason: user })),
    );
    await poll(
      60,
      names.map((name) => node(name, 'up')),
      [],
    );
    const spans = await statesOf({ fromUs: T0_US, toUs: T0_US + 60e6 }, cluster);
    expect(spans.map((span) => span.node).sort()).toEqual([...names].sort());
    const users = (await rowsOf('queue_1m', 'user, jobs', cluster)).flatMap(([, user, jobs]) =>
      jobs === 1 ? [user] : [],
    );
    expect(users.sort()).toEqual([...names].sort());
  });
});

test('spans of two clusters are apart, and days of them are one where nothing changes', async () => {
  const { cluster } = pollsOf();
  const rows = Array.from({ length: 24 * 10 }, (_, hour) => hour * 3600);
  const values = rows.map(
    (s) =>
      `(cast(${T0_US + s * 1e6} AS timestamp), cast(${T0_US + (s + 3600) * 1e6} AS timestamp), '${cluster}', 'n1', 'up', 4)`,
  );
  for (let at = 0; at < values.length; at += 50)
    await db.exec(
      `INSERT INTO node_states (ts, end_ts, cluster, node, state, gpus) VALUES ${values.slice(at, at + 50).join(', ')}`,
    );
  await db.exec(
    `INSERT INTO node_states (ts, end_ts, cluster, node, state, gpus) VALUES (cast(${T0_US} AS timestamp), cast(${T0_US + 600e6} AS timestamp), '${cluster}b', 'n1', 'down', 8)`,
  );
  await waitForVisible(db, 'node_states');
  const window = { fromUs: T0_US + 60e6, toUs: T0_US + 9 * 86_400e6 };
  const alone = await statesOf(window, cluster);
  expect(alone).toEqual([{ cluster, node: 'n1', state: 'up', gpus: 4, ...window }]);
  const all = (await readNodeStates(db, window)).filter((span) => span.cluster?.startsWith(cluster));
  expect(all.map(({ cluster: name, state }) => [name, state]).sort()).toEqual([
    [cluster, 'up'],
    [`${cluster}b`, 'down'],
  ]);
});
