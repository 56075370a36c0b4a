import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { realDisk } from '../../src/disk/disk.ts';
import { openCollector, type Collector } from '../../src/collector/collector.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { JobFact, JobInput } from '../../src/core/jobs/job-fact.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { Notice } from '../../src/core/base/notice.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { startProxy, type CapturingProxy } from '../helpers/proxy.ts';

const RETENTION = { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' };
const SCENARIO = { kind: 'steady', seed: 5, nodes: 1, gpusPerNode: 2, startUs: 0 } as const;

let db: QuestDb;
let proxy: CapturingProxy;
let proxied: QuestDb;
let directory: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-late-'));
  proxy = await startProxy(inject('questdbUrl'));
  db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
  proxied = await openQuestDb(proxy.conf, { requestTimeoutMs: 30_000 });
});
afterAll(async () => {
  await proxied.close();
  await db.close();
  await proxy.close();
  rmSync(directory, { recursive: true, force: true });
});

function laneOf(name: string): Lane {
  const fields = [1002, 155, 156].map((id) => findField(id)!);
  return { name, table: `gpu_${name}`, schedule: 'continuous', intervalMs: 100, fields, capacityTicks: 600 };
}

interface Late {
  readonly collector: Collector;
  readonly facts: JobFact[];
  readonly notices: Notice[];
  fact(kind: JobFact['kind'], atUs: number, jobId: string): JobFact;
}

/** A collector whose job input tells a fact when the test pushes it. */
async function open(lane: Lane): Promise<Late> {
  await applySchema(db, [lane], RETENTION);
  const facts: JobFact[] = [];
  const notices: Notice[] = [];
  const input: JobInput = { name: 'late', read: () => ({ facts: facts.splice(0), records: [] }) };
  const collector = await openCollector({
    lanes: [lane],
    source: { name: 'synthetic', scenario: SCENARIO },
    clock: { kind: 'real' },
    jobInputs: () => [input],
    db: proxied,
    prepareStore: () => Promise.resolve(),
    batchRows: 10_000,
    disk: {
      disk: realDisk,
      directory: join(directory, lane.name),
      spoolBytesMax: 1 << 26,
      spoolAgeMsMax: 1e9,
      hasJournal: false,
      nowMs: Date.now,
    },
    tell: (notice) => notices.push(notice),
  });
  const { node, uuid: gpu } = collector.devices[0]!;
  return {
    collector,
    facts,
    notices,
    fact: (kind, atUs, jobId) => ({ kind, atUs, node, gpu, jobId, run: 0, share: 1, source: 'test' }),
  };
}

/** Labels of the first device against what the facts say, and every value of every row. */
async function check(
  lane: Lane,
  gpu: string,
  startUs: number,
  endUs: number,
): Promise<{ inside: number; outside: number }> {
  await waitForVisible(db, lane.table);
  const { rows } = await db.exec(
    `SELECT cast(ts AS LONG), job_id, owners, dt_us, power_watts FROM ${lane.table} WHERE gpu = '${gpu}'`,
  );
  let [inside, outside] = [0, 0];
  for (const [ts, jobId, owners, dtUs, watts] of rows as [
    number,
    string | null,
    number,
    number | null,
    number | null,
  ][]) {
    const isOwned = startUs < ts && ts <= endUs;
    expect([jobId, owners]).toEqual(isOwned ? ['7', 1] : [null, 0]);
    // A part of a row would have nulled the rest.
    expect(dtUs).not.toBeNull();
    expect(watts).not.toBeNull();
    if (isOwned) inside += 1;
    else outside += 1;
  }
  return { inside, outside };
}

/** Returns once so many more ticks are sampled. */
async function sampled(ticks: number, { collector }: Late): Promise<void> {
  const rows = (): number => collector.account()[0]!.sampledRows;
  const wanted = rows() + ticks * SCENARIO.gpusPerNode;
  await expect.poll(rows).toBeGreaterThanOrEqual(wanted);
}

async function stop({ collector }: Late): Promise<void> {
  await collector.stopSampling(2_000);
  expect(await collector.flush()).toBe(true);
  collector.close();
}

test('facts that come after their samples were flushed label them in place', async () => {
  const lane = laneOf('late_flushed');
  const late = await open(lane);
  await sampled(4, late);
  const startUs = Date.now() * 1000;
  await sampled(6, late);
  expect(await late.collector.flush()).toBe(true);
  late.facts.push(late.fact('start', startUs, '7'));
  expect(await late.collector.flush()).toBe(true);
  const endUs = Date.now() * 1000;
  await sampled(6, late);
  expect(await late.collector.flush()).toBe(true);
  late.facts.push(late.fact('end', endUs, '7'));
  await stop(late);
  const { inside, outside } = await check(lane, late.collector.devices[0]!.uuid, startUs, endUs);
  expect(inside).toBeGreaterThan(4);
  expect(outside).toBeGreaterThan(8);
  expect(late.notices.filter((notice) => notice.code === 'relabel.done')).toHaveLength(2);
});

test('facts that come while their samples are spooled label them when these have been sent, not before', async () => {
  const lane = laneOf('late_spooled');
  const late = await open(lane);
  await sampled(4, late);
  const startUs = Date.now() * 1000;
  await sampled(4, late);
  expect(await late.collector.flush()).toBe(true);
  proxy.mode = 'fail';
  await sampled(6, late);
  expect(await late.collector.flush()).toBe(false);
  late.facts.push(late.fact('start', startUs, '7'));
  expect(await late.collector.flush()).toBe(false);
  expect(late.notices.filter((notice) => notice.code === 'relabel.done')).toEqual([]);
  proxy.mode = 'forward';
  const endUs = Date.now() * 1000;
  late.facts.push(late.fact('end', endUs, '7'));
  await expect.poll(() => late.collector.flush()).toBe(true);
  await stop(late);
  const { inside, outside } = await check(lane, late.collector.devices[0]!.uuid, startUs, endUs);
  expect(inside).toBeGreaterThan(8);
  expect(outside).toBeGreaterThan(3);
});
