import { expect, inject, it, onTestFinished } from 'vitest';
import { openCollector } from '../../src/collector/collector.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { JobInput } from '../../src/core/jobs/job-fact.ts';
import { openQuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import type { UseAnswer } from '../../src/source/nvml/process-use-thread.ts';

const LANE: Lane = {
  ...{
    name: 'shared_use',
    table: 'gpu_shared_use_lane',
    schedule: 'continuous',
    intervalMs: 100,
    capacityTicks: 600,
  },
  fields: [findField(155)!],
};

it('writes what two jobs do on one device, divides it by that, and lets go of the reading thread', async () => {
  const db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
  onTestFinished(() => db.close());
  await applySchema(db, [LANE], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  let isClosed = false;
  let gpu = '';
  const two: JobInput = {
    name: 'test',
    read: (nowUs) => {
      const tenure = { node: 'shared-use', gpu, run: 0, share: NaN, source: 'test', atUs: nowUs - 10e6 };
      const facts = ['5', '6'].map((jobId) => ({ ...tenure, kind: 'start' as const, jobId }));
      two.read = () => ({ facts: [], records: [] });
      return { facts, records: [] };
    },
  };
  const process = { smRatio: 0.5, memoryBytes: 1024, isMpsClient: false, isRunning: true };
  const answer = (): UseAnswer => ({
    type: 'use',
    devices: [
      {
        ...{ gpu, elapsedMs: 10_000, isSmKnown: true, isMemoryKnown: true, refusals: [] },
        processes: [{ ...process, pid: 1, mark: { job: { jobId: '5' }, isMpsServer: false } }],
      },
    ],
  });
  const collector = await openCollector({
    lanes: [LANE],
    source: {
      name: 'synthetic',
      scenario: { kind: 'steady', seed: 3, nodes: 1, gpusPerNode: 1, startUs: 0, nodeNames: ['shared-use'] },
    },
    clock: { kind: 'real', forMs: 200 },
    jobInputs: (devices) => {
      gpu = devices[0]!.uuid;
      return [two];
    },
    db,
    prepareStore: () => Promise.resolve(),
    batchRows: 10_000,
    processUse: {
      read: () => Promise.resolve(answer()),
      close: () => {
        isClosed = true;
      },
    },
    tell: () => undefined,
  });
  collector.refreshJobs();
  await collector.measureSharedUse();
  await collector.stopSampling(10_000);
  expect(await collector.flush()).toBe(true);
  collector.close();
  expect(isClosed).toBe(true);
  await waitForVisible(db, 'gpu_shared_use');
  const { rows } = await db.exec(
    "SELECT gpu, kind, job_id, sm_use_seconds, memory_byte_seconds, seen_us, processes FROM gpu_shared_use WHERE node = 'shared-use' ORDER BY job_id",
  );
  expect(rows).toEqual([
    [gpu, 'job', '5', 5, 10_240, 10_000_000, 1],
    [gpu, 'job', '6', 0, 0, 10_000_000, 0],
  ]);
  await waitForVisible(db, 'gpu_owner_sets');
  const sets = await db.exec(
    `SELECT job_id, part, sharing FROM gpu_owner_sets WHERE gpu = '${gpu}' ORDER BY job_id`,
  );
  expect(sets.rows).toEqual([
    ['5', 1, 'measured'],
    ['6', 0, 'measured'],
  ]);
});
