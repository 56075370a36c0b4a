/**
 * Goal: the line for Slurm's AdminComment is what reportseff and jobstats read, says of each GPU what was measured, and of what was not
 * nothing, rather than 0. Method: jobs made by hand in a real QuestDB, the command as users have it, and reportseff itself.
 */
import { gunzipSync } from 'node:zlib';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { JobDevice } from '../../src/figures/job/figures.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { js1Line } from '../../src/report/slurm/admin-comment.ts';
import { device, gauge, GIB, HOUR } from '../figures/made-facts.ts';
import { insertRows } from '../helpers/insert-rows.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { ROOT, runCommand, runToEnd, type Ended } from '../helpers/run-process.ts';

const SECOND = 1e6;
const T0 = Date.UTC(2026, 4, 5, 6) * 1000;
const at = (second: number): number => T0 + second * SECOND;
const lane: Lane = {
  name: 'profiling',
  table: 'gpu_profiling',
  schedule: 'continuous',
  intervalMs: 1000,
  fields: [1001, 1002, 203, 252].map((id) => findField(id)!),
  capacityTicks: 100,
};

interface Level {
  readonly util?: number;
  readonly engine?: number;
  readonly memory?: number;
}

/** What each GPU shows for the hundred seconds of its job. */
const GPUS: Readonly<Record<string, Level & { job: string; node: string; index?: number; bytes?: number }>> =
  {
    J0: { job: '71001', node: 'n1', index: 0, bytes: 80 * GIB, util: 0.5, engine: 0.25, memory: 20 * GIB },
    J1: { job: '71001', node: 'n1', index: 3, bytes: 80 * GIB, engine: 0.875, memory: 60 * GIB },
    // Nobody knows whether kernels ran, or how much memory it has.
    J2: { job: '71001', node: 'n1', index: 5, bytes: 80 * GIB, memory: 10 * GIB },
    J3: { job: '71001', node: 'n2', index: 1, util: 1, memory: 10 * GIB },
    J4: { job: '71001', node: 'n3', index: 0, bytes: 80 * GIB },
    J5: { job: '71002', node: 'n1', index: 6 },
    J6: { job: '71003', node: 'n1', index: 7, util: 0.5 },
    J9: { job: '71004;ls', node: 'n5', index: 0, util: 0.5 },
    J7: { job: '71011', node: 'n4', index: 0, util: 0, bytes: 80 * GIB, memory: GIB },
    J8: { job: '71012', node: 'n4', index: 1, util: 0.125 },
  };

let server: TestQuestdb;
let db: QuestDb;

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const gpus = Object.entries(GPUS);
  await insertRows(
    db,
    lane.table,
    gpus
      .filter(([, level]) => (level.util ?? level.engine ?? level.memory) !== undefined)
      .flatMap(([gpu, { job, node, util, engine, memory }]) =>
        Array.from({ length: 100 }, (_, index) => ({
          ...{ ts: at(index + 1), node, gpu, job_id: job, owners: 1, dt_us: SECOND },
          ...{ gpu_util_ratio: util, gr_engine_active_ratio: engine },
          // It grows up to that.
          fb_used_bytes: memory === undefined ? undefined : Math.round((memory * (index + 1)) / 100),
        })),
      ),
  );
  const open = ['71003', '71004;ls'];
  await insertRows(
    db,
    'gpu_ownership',
    gpus.map(([gpu, { job, node }]) => ({
      ...{
        ts: at(0),
        end_ts: open.includes(job) ? undefined : at(100),
        job_id: job,
        gpu,
        node,
        run: 0,
        source: 'test',
      },
    })),
  );
  await insertRows(
    db,
    'gpu_inventory',
    gpus.map(([gpu, { node, index, bytes }]) => ({
      ...{ ts: at(0), node, gpu, gpu_index: index, memory_bytes: bytes, source: 'test' },
    })),
  );
  await insertRows(
    db,
    'jobs',
    ['71011', '71012'].map((job_id, task) => ({
      ...{ ts: at(0), end_ts: at(100), job_id, run: 0, state: 'COMPLETED' },
      ...{ array_job_id: '71010', array_task_id: String(task) },
    })),
  );
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

async function js1(...ids: string[]): Promise<Ended> {
  return await runCommand(['report', 'job', ...ids, '--js1'], {
    env: { QDB_CLIENT_CONF: server.conf, GPULEDGER_CONFIG: undefined },
  });
}

function decoded(line: string): unknown {
  // jobstats' own epilog takes nothing else for base64 of gzip.
  expect(line).toMatch(/^JS1:H4s[\w+/]+=*$/);
  return JSON.parse(gunzipSync(Buffer.from(line.slice(4), 'base64')).toString());
}

const SUMMARY = {
  nodes: {
    n1: {
      gpu_used_memory: { '0': 20 * GIB, '3': 60 * GIB },
      gpu_total_memory: { '0': 80 * GIB, '3': 80 * GIB },
      gpu_utilization: { '0': 50, '3': 87.5 },
    },
    n2: { gpu_utilization: { '1': 100 } },
  },
  total_time: 100,
  gpus: 5,
};

/** What reportseff makes of a comment. */
const READER = `
import json, sys
from reportseff.job import Job
job = Job('1', '1', None)
job.update({'JobID': '1', 'State': 'COMPLETED', 'Elapsed': '00:01:40', 'TotalCPU': '00:10:00', 'AllocCPUS': '8',
            'NNodes': '2', 'ReqMem': '10G', 'AdminComment': sys.argv[1]})
print(json.dumps({'seen': [job.get_entry(key) for key in ('CPUEff', 'MemEff', 'GPUEff', 'GPUMem')],
                  'rows': [list(job.get_node_entries(key, gpu=True)) for key in ('JobID', 'GPUEff', 'GPUMem')]}))
`;

async function readByReportseff(line: string): Promise<unknown> {
  const { exitCode, stdout, stderr } = await runToEnd(join(ROOT, 'build/python-tools/bin/python'), [
    ...['-c', READER, line],
  ]);
  expect([exitCode, stderr]).toEqual([0, '']);
  return JSON.parse(stdout);
}

describe('a job that has ended', () => {
  test('is one line, with what is known of each GPU', async () => {
    const { exitCode, stdout, stderr } = await js1('71001');
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout.endsWith('\n')).toBe(true);
    expect(decoded(stdout.trimEnd())).toEqual(SUMMARY);
  });

  test('is read by reportseff, which takes what is missing for unknown', async () => {
    const { stdout } = await js1('71001');
    expect(await readByReportseff(stdout.trimEnd())).toEqual({
      // CPUs by Slurm's own account: 10 min of 8 CPUs in 100 s; memory by its own rows, of which there are none.
      seen: [75, 0, 68.8, 50],
      rows: [
        ['1', '  n1', '    0', '    3', '  n2'],
        [68.8, 68.8, 50, 87.5, ''],
        [50, 50, 25, 75, ''],
      ],
    });
  });

  test('of which no GPU was seen is what jobstats writes then, and reportseff says that nothing is known', async () => {
    const { exitCode, stdout } = await js1('71002');
    expect([exitCode, stdout]).toEqual([0, 'JS1:None\n']);
    expect(await readByReportseff('JS1:None')).toMatchObject({ seen: [75, 0, '---', '---'] });
  });

  test('and that did nothing has 0, which is known', async () => {
    const { stdout } = await js1('71010_0');
    expect(await readByReportseff(stdout.trimEnd())).toMatchObject({ seen: [75, 0, 0, 1.2] });
  });
});

test('several ids have each its own before it, and what is wrong with one is told', async () => {
  const { exitCode, stdout, stderr } = await js1('71002', '71003', '71010_1', '71099');
  expect(stdout).toMatch(/^71002\tJS1:None\n71010_1\tJS1:H4s\S+\n$/);
  expect(stderr).toContain('"71003", which still runs');
  expect(stderr).toContain('no job "71099"');
  expect(exitCode).toBe(64);
});

test.each([
  ['71003', 75, '--js1: expected a job that has ended, came "71003", which still runs'],
  ['71010', 64, '--js1: expected a job or a task, came "71010", an array'],
])('%s is refused', async (id, code, sentence) => {
  const { exitCode, stdout, stderr } = await js1(id);
  expect([exitCode, stdout]).toEqual([code, '']);
  expect(stderr).toContain(sentence);
  if (code === 64) expect(stderr).toContain('gpuledger report job 71010_0 --js1');
});

test('a job that still runs is shown by a command that a shell takes as it is meant', async () => {
  expect((await js1('71004;ls')).stderr).toContain("now: gpuledger report job '71004;ls'\n");
});

describe('keys of GPUs', () => {
  const at50 = (index: number, gpu: string): JobDevice => ({
    ...device(index),
    gpu,
    gauges: { engineActive: gauge(0.5) },
  });
  const keysOf = (devices: readonly JobDevice[]): string[] => {
    const { nodes } = decoded(js1Line({ devices, startUs: 0, endUs: HOUR })) as typeof SUMMARY;
    return Object.keys(nodes.n1.gpu_utilization);
  };

  test('are their UUIDs where instances of one GPU have one number, or nobody knows it', () => {
    const instances = [at50(1, 'MIG-a'), at50(1, 'MIG-b'), at50(2, 'GPU-c')];
    expect(keysOf(instances)).toEqual(['2', 'MIG-a', 'MIG-b']);
    expect(keysOf([{ ...at50(0, 'GPU-d'), index: undefined }])).toEqual(['GPU-d']);
  });

  test('and names of nodes are text', () => {
    const node = '__proto__"\u202e\n';
    const line = js1Line({ devices: [{ ...at50(0, 'a'), node }], startUs: 0, endUs: HOUR });
    expect(decoded(line)).toHaveProperty(['nodes', node, 'gpu_utilization', '0'], 50);
  });
});
