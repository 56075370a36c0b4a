/**
 * Goal: a job on more nodes than would hold its GPUs is told so, and a PCIe link that never did what it can; where that is not known
 * nothing is said. Method: short jobs on made nodes in a real QuestDB.
 */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { Finding } from '../../src/figures/job/figures.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups, waitForVisible } from '../../src/questdb/visible.ts';
import { findingText } from '../../src/report/finding-text.ts';
import { insertRows, type Row } from '../helpers/insert-rows.ts';

const SECOND = 1e6;
const MINUTE = 60 * SECOND;
const T0 = Date.UTC(2021, 4, 3, 8) * 1000;
const CLUSTER = 'hardware';
const laneOf = (name: string, ids: readonly number[]): Lane => ({
  ...{ name, table: `gpu_${name}`, schedule: 'continuous', intervalMs: 10_000 },
  ...{ fields: ids.map((id) => findField(id)!), capacityTicks: 1 },
});
const lane = laneOf('hardware', [1002]);
const links = laneOf('hardwarelinks', [235, 236, 237, 238]);

/** Node, and how many GPUs it has. */
const NODES: Readonly<Record<string, number>> = { a: 4, b: 4, c: 2, one: 1, cut: 4, other: 1 };
const gpuOf = (node: string, index: number): string => `HW-${node}-${index}`;

/** By id: devices, as node and position. */
const JOBS: Readonly<Record<string, readonly (readonly [node: string, index: number])[]>> = {
  // Four on two nodes of four.
  71: [
    ['a', 0],
    ['a', 1],
    ['b', 0],
    ['b', 1],
  ],
  // Five do not fit on a node of four.
  72: [
    ['a', 0],
    ['a', 1],
    ['a', 2],
    ['b', 0],
    ['b', 1],
  ],
  // The smaller node decides: two of two.
  73: [
    ['a', 3],
    ['b', 3],
    ['c', 0],
  ],
  // On one node.
  74: [
    ['a', 2],
    ['a', 3],
  ],
  // One of the nodes is cut, and of one nobody told.
  75: [
    ['cut', 0],
    ['b', 2],
  ],
  76: [
    ['untold', 0],
    ['b', 2],
  ],
  // Of one of the nodes only another cluster told, which has one of that name.
  77: [
    ['far', 0],
    ['b', 2],
  ],
  // It does nothing.
  78: [['one', 0]],
};
const RESTING = '78';

let db: QuestDb;

beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane, links], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  await insertRows(db, 'gpu_inventory', inventory());
  const stays = Object.entries(JOBS).flatMap(([jobId, devices], at) =>
    devices.map(([node, index]) => ({
      ...{ ts: startOf(at), end_ts: startOf(at) + 10 * MINUTE, cluster: CLUSTER, node },
      ...{ gpu: gpuOf(node, index), job_id: jobId, run: 0, share: 1 },
    })),
  );
  await insertRows(db, 'gpu_ownership', stays);
  const samples = stays.flatMap(({ ts, gpu, node, job_id }) =>
    Array.from({ length: 60 }, (_, tick): Row => ({
      ...{ ts: ts + (tick + 1) * 10 * SECOND, cluster: CLUSTER, node, gpu, job_id, owners: 1 },
      ...{ dt_us: 10 * SECOND, sm_active_ratio: job_id === RESTING ? 0.01 : 0.8 },
    })),
  );
  await insertRows(db, lane.table, samples);
  await insertRows(db, links.table, linkRows());
  await waitForVisible(db, 'gpu_inventory');
  await waitForVisible(db, 'gpu_ownership');
  await waitForVisible(db, links.table);
  await waitForRollups(db, [lane], T0 + 7200 * SECOND);
});
afterAll(async () => {
  await db.close();
});

function startOf(at: number): number {
  return T0 + at * 15 * MINUTE;
}

function inventory(): Row[] {
  const rows = Object.entries(NODES).flatMap(([node, count]) =>
    Array.from({ length: count }, (_, index): Row => ({
      ...{ ts: T0 - MINUTE, cluster: CLUSTER, node, gpu: gpuOf(node, index), gpu_index: index },
      ...{ model: 'NVIDIA H100', source: 'test' },
    })),
  );
  return [
    ...rows,
    // A GPU that took another's place is no more.
    { ...rows[0]!, ts: T0 - 2 * MINUTE, gpu: 'HW-a-former' },
    { ...rows[0]!, node: 'cut', gpu: 'MIG-HW-cut', gpu_index: 3, mig_profile: '1g.10gb' },
    // Another cluster's node has the name, and one GPU.
    { ...rows[0]!, cluster: 'hardware-b', node: 'b', gpu: 'HW-b-elsewhere' },
    ...[0, 1, 2, 3].map((index) => ({
      ...{ ...rows[0]!, cluster: 'hardware-b', node: 'far', gpu: `HW-far-elsewhere-${index}` },
      gpu_index: index,
    })),
  ];
}

/** In the first job one link is narrow, one slow, one rests now and then, and one is not known; in another it rests all the time. */
function linkRows(): Row[] {
  const link = (index: number, node: string, tick: number, told: Row, jobId = '71'): Row => ({
    ...{
      ts: startOf(Object.keys(JOBS).indexOf(jobId)) + (tick + 1) * MINUTE,
      cluster: CLUSTER,
      node,
      gpu: gpuOf(node, index),
      job_id: jobId,
    },
    ...{ owners: 1, dt_us: MINUTE, pcie_max_link_gen: 5, pcie_max_link_width_lanes: 16 },
    ...told,
  });
  return [0, 1, 2, 3, 4].flatMap((tick) => [
    link(0, 'a', tick, { pcie_link_gen: 5, pcie_link_width_lanes: 8 }),
    link(1, 'a', tick, { pcie_link_gen: tick === 3 ? 3 : 1, pcie_link_width_lanes: 16 }),
    link(0, 'b', tick, { pcie_link_gen: tick === 3 ? 5 : 1, pcie_link_width_lanes: 16 }),
    link(1, 'b', tick, { pcie_link_gen: undefined, pcie_link_width_lanes: undefined }),
    link(0, 'one', tick, { pcie_link_gen: 1, pcie_link_width_lanes: 16 }, RESTING),
  ]);
}

async function toldOf(jobId: string): Promise<readonly Finding[]> {
  const { findings } = await jobFigures(db, [lane, links], jobId, { nowUs: T0 + 86_400e6, cluster: CLUSTER });
  return findings.filter(({ rule }) => rule === 'fragmented' || rule === 'pcie-degraded');
}

test('four GPUs on two nodes of four', async () => {
  const told = await toldOf('71');
  expect(told.map(findingText)).toEqual([
    'the PCIe link of a gpu 0 never did more than 8 of 16 lanes: a card that is not well seated, or a bad riser?',
    'the PCIe link of a gpu 1 never did more than generation 3 of 5: a card that is not well seated, or a bad riser?',
    'its 4 GPUs are on 2 nodes; 1 node of 4 would hold them: what they send each other goes over the network.',
  ]);
  expect(told[0]).toMatchObject({ gpus: ['HW-a-0'] });
});

test('three GPUs on three nodes, the smallest of which has two', async () => {
  expect((await toldOf('73')).map(findingText)).toEqual([
    'its 3 GPUs are on 3 nodes; 2 nodes of 2 would hold them: what they send each other goes over the network.',
  ]);
});

test.each([
  ['more GPUs than a node has', '72'],
  ['one node', '74'],
  ['a node that is cut', '75'],
  ['a node of which nobody told', '76'],
  ['a node of which only another cluster told', '77'],
  ['a link that rests because its GPU does', RESTING],
])('%s: nothing is said', async (_, jobId) => {
  expect(await toldOf(jobId)).toEqual([]);
});
