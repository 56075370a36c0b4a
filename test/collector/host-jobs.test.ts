import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, inject, it, onTestFinished, test } from 'vitest';
import { openCollector } from '../../src/collector/collector.ts';
import { createHostJobs } from '../../src/collector/host-jobs.ts';
import type { Device } from '../../src/core/devices/device.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { JobInput } from '../../src/core/jobs/job-fact.ts';
import { Ownership } from '../../src/core/jobs/ownership.ts';
import { openQuestDb } from '../../src/questdb/http.ts';
import type { HostJobRow } from '../../src/questdb/rows/small-tables.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { writeV2 } from '../helpers/made-cgroups.ts';

const NOW_US = 1_763_700_000_000_000;
const SCOPE = 'system.slice/slurmstepd.scope';
const IDLE = { cpuUs: 1e6, ioWaitUs: 0, readBytes: 0, memoryBytes: 4096 };
const DEVICES = ['GPU-1', 'GPU-2'].map(
  (uuid): Device => ({ uuid, node: 'n1', cluster: 'c1', index: 0, model: 'made' }) as unknown as Device,
);

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gpuledger-host-jobs-'));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

function owns(ownership: Ownership, kind: 'start' | 'end', gpu: string, jobId: string, atUs: number): void {
  ownership.apply({ kind, gpu, jobId, atUs, node: 'n1', run: 0, share: 1, source: 'test' });
}

describe('what the jobs that own GPUs do on their node', () => {
  let ownership: Ownership;
  let rows: HostJobRow[];
  let told: string[];
  let nowUs: number;
  let host: ReturnType<typeof createHostJobs>;

  beforeEach(() => {
    ownership = new Ownership();
    rows = [];
    told = [];
    nowUs = NOW_US;
    host = createHostJobs({
      ...{ ownership, devices: DEVICES, cgroupRoot: root, nowUs: () => nowUs },
      onRows: (more) => rows.push(...more),
      tell: ({ code }) => told.push(code),
    });
  });

  /** Some µs go by between two readings, of a clock that nobody sets. */
  async function look(): Promise<void> {
    await sleep(2);
    nowUs += 1e6;
    host.look();
  }

  test('is told once there are two readings, once a job, however many GPUs it has', async () => {
    for (const gpu of ['GPU-1', 'GPU-2']) owns(ownership, 'start', gpu, '7', NOW_US);
    writeV2(root, `${SCOPE}/job_7`, IDLE);
    await look();
    expect(rows).toEqual([]);
    writeV2(root, `${SCOPE}/job_7`, { cpuUs: 3e6, ioWaitUs: 0, readBytes: 8192, memoryBytes: 8192 });
    await look();
    expect(rows).toHaveLength(1);
    const [row] = rows;
    expect(row).toMatchObject({ tsUs: nowUs, cluster: 'c1', node: 'n1', jobId: '7', ioWaitRatio: 0 });
    expect(row).toMatchObject({ memoryBytes: 8192, writeBytesPerSecond: 0 });
    // The time between is the real one, whatever the wall clock says.
    expect(row!.cpuCores! * row!.dtUs).toBeCloseTo(2e6, 0);
    expect(row!.readBytesPerSecond! * row!.dtUs).toBeCloseTo(8192e6, 0);
    expect(row!.dtUs).toBeGreaterThanOrEqual(1000);
    expect(told).toEqual([]);
  });

  test('is not told of jobs that own none, or not any more', async () => {
    owns(ownership, 'start', 'GPU-1', '7', NOW_US);
    for (const job of ['7', '8']) writeV2(root, `${SCOPE}/job_${job}`, IDLE);
    await look();
    await look();
    expect(rows.map(({ jobId }) => jobId)).toEqual(['7']);
    owns(ownership, 'end', 'GPU-1', '7', nowUs);
    await look();
    expect(rows).toHaveLength(1);
  });

  test('is not told over the time in which the cgroup was not there, or was another one', async () => {
    owns(ownership, 'start', 'GPU-1', '7', NOW_US);
    writeV2(root, `${SCOPE}/job_7`, IDLE);
    await look();
    rmSync(join(root, SCOPE), { recursive: true });
    await look();
    writeV2(root, `${SCOPE}/job_7`, { ...IDLE, cpuUs: 9e9 });
    await look();
    expect(rows).toEqual([]);
    await look();
    expect(rows).toMatchObject([{ cpuCores: 0 }]);
  });

  test('leaves out what fell, and what the kernel does not tell', async () => {
    owns(ownership, 'start', 'GPU-1', '7', NOW_US);
    writeV2(root, `${SCOPE}/job_7`, IDLE);
    await look();
    writeV2(root, `${SCOPE}/job_7`, { ...IDLE, cpuUs: 5 });
    rmSync(join(root, SCOPE, 'job_7/io.pressure'));
    await look();
    expect(rows[0]).toMatchObject({ cpuCores: undefined, ioWaitRatio: undefined, cpuWaitRatio: 0 });
  });

  test('is found by the name of the run, where Slurm calls it so', async () => {
    owns(ownership, 'start', 'GPU-1', '7', NOW_US);
    const sluid = 'sEKNKTV3WPV500';
    writeV2(root, `${SCOPE}/${sluid}`, IDLE);
    await look();
    host.noteRecords([{ jobId: '7', sluid, startUs: NOW_US }]);
    await look();
    await look();
    expect(rows).toMatchObject([{ jobId: '7' }]);
    host.noteRecords([{ jobId: '7', sluid, startUs: NOW_US, endUs: nowUs }]);
    await look();
    expect(rows).toHaveLength(1);
  });

  test('is told to be missing once, when no job has a cgroup for a while', async () => {
    await look();
    owns(ownership, 'start', 'GPU-1', '../etc', nowUs);
    for (let count = 0; count < 9; count += 1) await look();
    expect(told).toEqual([]);
    for (let count = 0; count < 15; count += 1) await look();
    expect(told).toEqual(['host_jobs.unmeasured']);
    expect(rows).toEqual([]);
  });
});

const LANE: Lane = {
  ...{ name: 'host_jobs', table: 'gpu_host_jobs_lane', schedule: 'continuous', intervalMs: 100 },
  ...{ capacityTicks: 600, fields: [findField(155)!] },
};

it('goes into the store with what else a collector has', async () => {
  const db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
  onTestFinished(() => db.close());
  await applySchema(db, [LANE], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const node = 'host-jobs';
  const job: JobInput = {
    name: 'test',
    read: () => ({ facts: [], records: [] }),
  };
  const collector = await openCollector({
    lanes: [LANE],
    source: {
      name: 'synthetic',
      scenario: { kind: 'steady', seed: 3, nodes: 1, gpusPerNode: 1, startUs: 0, nodeNames: [node] },
    },
    clock: { kind: 'real', forMs: 200 },
    jobInputs: ([device]) => {
      const { uuid: gpu } = device!;
      const start = { kind: 'start' as const, node, gpu, run: 0, share: 1, source: 'test', jobId: '770016' };
      job.read = (nowUs) => {
        job.read = () => ({ facts: [], records: [] });
        return { facts: [{ ...start, atUs: nowUs - 10e6 }], records: [] };
      };
      return [job];
    },
    db,
    cgroupRoot: root,
    prepareStore: () => Promise.resolve(),
    batchRows: 10_000,
    tell: () => undefined,
  });
  collector.refreshJobs();
  writeV2(root, `${SCOPE}/job_770016`, IDLE);
  collector.measureHostJobs();
  await sleep(50);
  writeV2(root, `${SCOPE}/job_770016`, { cpuUs: 1.1e6, ioWaitUs: 1e9, readBytes: 0, memoryBytes: 12_288 });
  rmSync(join(root, SCOPE, 'job_770016/io.stat'));
  collector.measureHostJobs();
  await collector.stopSampling(10_000);
  expect(await collector.flush()).toBe(true);
  collector.close();
  await waitForVisible(db, 'host_jobs');
  const { rows } = await db.exec(
    'SELECT node, job_id, cluster, cpu_cores * dt_us, cpu_wait_ratio, io_wait_ratio, read_bytes_per_second,' +
      ` write_bytes_per_second, memory_bytes, memory_peak_bytes FROM host_jobs WHERE node = '${node}'`,
  );
  expect(rows).toEqual([
    [node, '770016', null, expect.closeTo(100_000, 3), 0, 1, null, null, 12_288, 12_288],
  ]);
});
