import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Notice } from '../../src/core/base/notice.ts';
import { readNodeStates } from '../../src/figures/fleet-states/node-states.ts';
import { pollClusterOnce } from '../../src/job-map/cluster-polling.ts';
import type { QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import type { Cluster } from './cluster.ts';

const HERE_MS_MAX = 60_000;
const REASON = 'fan 3 | é';
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
    for (const { what, words, state, reason, waiting } of STEPS) {
      if (words !== undefined) await cluster.slurm('scontrol', 'update', `nodename=${node}`, ...words);
      const ids =
        waiting.length === 0
          ? []
          : [
              await submit(cluster, '--gres=gpu:2'),
              await submit(cluster, '--gpus=h100:3', '--array=1-9:2%2', '-J', 'näme\nx'),
            ];
      // A node that comes back answers a moment later.
      await until(async () => state !== 'up' || (await cluster.slurm('sinfo', '-h', '-o', '%T')) === 'idle');
      // The scheduler says why a job waits once it has looked at it.
      await until(async () => {
        const reasons = (await cluster.slurm('squeue', '-h', '-t', 'PD', '-o', '%r')).split('\n');
        return ids.length === 0 || (reasons.length === ids.length && !reasons.includes('None'));
      });
      await poll(db, faults);
      const found = await recorded(db, node, beforeUs);
      const wanted = { state, reason, gpus: GPUS, waiting };
      if (!isDeepStrictEqual(found, wanted))
        faults.push(`${what}: ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
      beforeUs = Date.now() * 1000;
      if (ids.length > 0) await cluster.slurm('scancel', ...ids);
    }
  } finally {
    delete process.env['SLURM_CONF'];
  }
  say(`  ${STEPS.length - faults.length} of ${STEPS.length} states of node and queue recorded as they are`);
  return faults;
}

async function submit(cluster: Cluster, ...words: readonly string[]): Promise<string> {
  return await cluster.slurm('sbatch', '--parsable', '-o', '/dev/null', ...words, '--wrap', 'sleep 60');
}

async function poll(db: QuestDb, faults: string[]): Promise<void> {
  const notices: Notice[] = [];
  const outcomes = await pollClusterOnce(db, { scheduler: {} }, (notice) => notices.push(notice));
  for (const { from, failure } of outcomes ?? [])
    if (failure !== undefined) faults.push(`${from}: ${failure.message}`);
  for (const { sentence } of notices) faults.push(sentence);
}

/** What the newest poll said. The cluster is called as its slurm.conf calls it. */
async function recorded(db: QuestDb, node: string, sinceUs: number): Promise<object> {
  for (const table of ['node_states', 'queue_1m']) await waitForVisible(db, table);
  const spans = await readNodeStates(db, { fromUs: sinceUs, toUs: Date.now() * 1000 }, 'testbed');
  const last = spans.filter((span) => span.node === node).at(-1);
  const { rows } = await db.exec(
    `SELECT last(reason) FROM node_states WHERE node = '${node}' AND cluster = 'testbed' AND end_ts > ts`,
  );
  const waiting = await db.exec(
    'SELECT gpus, gpu_type, jobs, reason FROM queue_1m WHERE jobs > 0 AND ts = (SELECT max(ts) FROM queue_1m) ORDER BY gpus',
  );
  return { state: last?.state, reason: rows[0]?.[0], gpus: last?.gpus, waiting: waiting.rows };
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + HERE_MS_MAX;
  while (!(await isSo()) && performance.now() < endMs) await sleep(200);
}
