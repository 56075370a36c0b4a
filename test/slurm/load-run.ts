import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { capacityFigures } from '../../src/figures/capacity/query.ts';
import { queueFigures } from '../../src/figures/queue/query.ts';
import { insertRows } from '../helpers/insert-rows.ts';
import type { Notice } from '../../src/core/base/notice.ts';
import { readNodeStates } from '../../src/figures/fleet-states/node-states.ts';
import { pollClusterOnce } from '../../src/job-map/cluster-polling.ts';
import type { QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups, waitForVisible } from '../../src/questdb/visible.ts';
import type { Cluster } from './cluster.ts';

/** Machines are busy. */
const HERE_MS_MAX = 600_000;
const REASON = 'fan 3 | é';
const BAR_MODEL = 'GPU of bars';
const barsLane: Lane = {
  ...{ name: 'bars', table: 'gpu_bars', schedule: 'continuous', intervalMs: 1000 },
  ...{ fields: [findField(1002)!], capacityTicks: 1 },
};
const GPUS = 8;

/** What is done, and what a poll then has to say of the time since the poll before: the state of the node, and who waits. */
const STEPS: readonly {
  readonly what: string;
  readonly words?: readonly string[];
  readonly state: string;
  readonly reason: string | null;
  readonly waiting: readonly (readonly [
    gpus: number | null,
    type: string | null,
    jobs: number,
    why: string,
  ])[];
  /** The job waits since another has all GPUs. */
  readonly isBehindAnother?: true;
}[] = [
  { what: 'a node that takes jobs', state: 'up', reason: null, waiting: [] },
  {
    what: 'a drained node, before which jobs wait',
    words: ['state=drain', `reason=${REASON}`],
    state: 'drained',
    reason: REASON,
    waiting: [
      [2, null, 1, 'ReqNodeNotAvail'],
      [3, 'h100', 5, 'ReqNodeNotAvail'],
    ],
  },
  { what: 'a node that is down', words: ['state=down', 'reason=x'], state: 'down', reason: 'x', waiting: [] },
  { what: 'a node that is back', words: ['state=resume'], state: 'up', reason: null, waiting: [] },
  {
    what: 'a job that waits for what another has',
    state: 'up',
    reason: null,
    waiting: [[GPUS, null, 1, 'Resources']],
    isBehindAnother: true,
  },
];

/** Polls a real Slurm whose truth is known. @returns what was recorded wrong */
export async function runLoad(cluster: Cluster, db: QuestDb, say: (line: string) => void): Promise<string[]> {
  process.env['SLURM_CONF'] = cluster.slurmConf;
  await applySchema(db, [], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const [node = ''] = cluster.nodes;
  const faults: string[] = [];
  let beforeUs = Date.now() * 1000;
  try {
    await until(async () => (await cluster.slurm('squeue', '-h')) === '');
    await poll(db, faults);
    const firstUs = Date.now() * 1000;
    for (const { what, words, state, reason, waiting, isBehindAnother } of STEPS) {
      if (words !== undefined) await cluster.slurm('scontrol', 'update', `nodename=${node}`, ...words);
      const before = isBehindAnother ? [await submitRunning(cluster)] : [];
      const ids = isBehindAnother
        ? [await submit(cluster, `--gres=gpu:${GPUS}`)]
        : waiting.length === 0
          ? []
          : [
              await submit(cluster, '--gres=gpu:2'),
              await submit(cluster, '--gpus=h100:3', '--array=1-9:2%2', '-J', 'näme\nx'),
            ];
      // A node that comes back answers a moment later.
      await until(
        async () =>
          state !== 'up' || before.length > 0 || (await cluster.slurm('sinfo', '-h', '-o', '%T')) === 'idle',
      );
      // The scheduler says why a job waits once it has looked at it.
      await until(async () => {
        const reasons = (await cluster.slurm('squeue', '-h', '-t', 'PD', '-o', '%r')).split('\n');
        return ids.length === 0 || (reasons.length === ids.length && !reasons.includes('None'));
      });
      await poll(db, faults);
      const found = await recorded(db, node, beforeUs, state);
      const wanted = { state, reason, gpus: GPUS, waiting };
      if (!isDeepStrictEqual(found, wanted))
        faults.push(`${what}: ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
      beforeUs = Date.now() * 1000;
      if (isBehindAnother) faults.push(...(await barsWrong(db, node, firstUs)));
      if (ids.length > 0) await cluster.slurm('scancel', ...ids, ...before);
    }
  } finally {
    delete process.env['SLURM_CONF'];
  }
  say(
    `  ${faults.length === 0 ? 'the drained node and the job that waits are in the right bars' : 'bars are wrong'}`,
  );
  say(`  ${STEPS.length - faults.length} of ${STEPS.length} states of node and queue recorded as they are`);
  return faults;
}

async function submit(cluster: Cluster, ...words: readonly string[]): Promise<string> {
  return await cluster.slurm('sbatch', '--parsable', '-o', '/dev/null', ...words, '--wrap', 'sleep 60');
}

/** One that has all GPUs of the node. */
async function submitRunning(cluster: Cluster): Promise<string> {
  const id = await submit(cluster, `--gres=gpu:${GPUS}`);
  await until(async () => (await cluster.slurm('squeue', '-h', '-j', id, '-o', '%T')) === 'RUNNING');
  return id;
}

async function poll(db: QuestDb, faults: string[]): Promise<void> {
  const notices: Notice[] = [];
  const outcomes = await pollClusterOnce(db, { scheduler: {} }, (notice) => notices.push(notice));
  for (const { from, failure } of outcomes ?? [])
    if (failure !== undefined) faults.push(`${from}: ${failure.message}`);
  for (const { sentence } of notices) faults.push(sentence);
}

/** What the newest poll said. The cluster is called as its slurm.conf calls it. */
async function recorded(db: QuestDb, node: string, sinceUs: number, state: string): Promise<object> {
  for (const table of ['node_states', 'queue_1m']) await waitForVisible(db, table);
  const spans = await readNodeStates(db, { fromUs: sinceUs, toUs: Date.now() * 1000 }, 'testbed');
  const last = spans.filter((span) => span.node === node).at(-1);
  const { rows } = await db.exec(
    `SELECT last(reason) FROM node_states WHERE node = '${node}' AND cluster = 'testbed' AND end_ts > ts`,
  );
  const waiting = await db.exec(
    'SELECT gpus, gpu_type, jobs, reason FROM queue_1m WHERE jobs > 0 AND ts = (SELECT max(ts) FROM queue_1m) ORDER BY gpus',
  );
  // Before a drained node Slurm says the one or the other of the job that is next, by which of its schedulers looked last.
  const jobs = waiting.rows.map(([gpus, type, count, why]) => [
    ...[gpus, type, count],
    state === 'drained' && why === 'Resources' ? 'ReqNodeNotAvail' : why,
  ]);
  return { state: last?.state, reason: rows[0]?.[0], gpus: last?.gpus, waiting: jobs };
}

/** GPUs of the node that nobody owned and somebody sampled each second: where reports say that their time went, and who waits. */
async function barsWrong(db: QuestDb, node: string, sinceUs: number): Promise<string[]> {
  const told = await readNodeStates(db, { fromUs: sinceUs, toUs: Date.now() * 1000 }, 'testbed');
  const spans = told.filter((span) => span.node === node);
  const [fromUs, toUs] = [spans[0]!.fromUs, spans.at(-1)!.toUs];
  await applySchema(db, [barsLane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const devices = Array.from({ length: GPUS }, (_, at) => ({
    cluster: 'testbed',
    node,
    gpu: `GPU-bar-${at}`,
  }));
  await insertRows(
    db,
    'gpu_inventory',
    devices.map((device) => ({ ...device, ts: fromUs, gpu_index: 0, model: BAR_MODEL, source: 'test' })),
  );
  const seconds = Array.from(
    { length: Math.floor((toUs - fromUs) / 1e6) },
    (_, at) => fromUs + (at + 1) * 1e6,
  );
  await insertRows(
    db,
    barsLane.table,
    devices.flatMap((device) =>
      seconds.map((ts) => ({ ...device, ts, owners: 0, dt_us: 1e6, sm_active_ratio: 0 })),
    ),
  );
  // The rows came in several statements: a minute that was computed in between lacks some of them, until it is computed again.
  const minuteEndUs = Math.ceil((toUs + 1e6) / 60e6) * 60e6;
  await waitForRollups(db, [barsLane], minuteEndUs, { timeoutMs: HERE_MS_MAX });
  const window = { fromUs, toUs: toUs + 1e6 };
  const where = [{ by: 'model', names: [BAR_MODEL] }] as const;
  const { installed } = await capacityFigures(db, [barsLane], {
    ...window,
    by: 'node',
    cluster: 'testbed',
    where,
  });
  const usOf = (state: string): number =>
    spans.reduce((us, span) => (span.state === state ? us + (span.toUs - span.fromUs) * GPUS : us), 0);
  const { drained = 0, down = 0, free = 0 } = installed.all;
  const { queue } = await queueFigures(db, [barsLane], { ...window, cluster: 'testbed' });
  const found = { drained, down, isFree: free > 0, jobs: queue?.waitingJobs, gpus: queue?.waitingGpus };
  const wanted = { drained: usOf('drained'), down: usOf('down'), isFree: true, jobs: 1, gpus: GPUS };
  return isDeepStrictEqual(found, wanted)
    ? []
    : [`bars: ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`];
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + HERE_MS_MAX;
  while (!(await isSo()) && performance.now() < endMs) await sleep(200);
}
