/**
 * Goal: a part of a job's time, looked at closely, shows that job's samples as they were written, each of them and no other. Method:
 * rows made by hand in a real QuestDB, held against those same rows.
 */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { lookClosely, type CloseLook, type SampleLine } from '../../src/figures/job/timeline/close-look.ts';
import { jobCourse, type JobCourse } from '../../src/figures/job/timeline/course.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { insertRows, type Row } from '../helpers/insert-rows.ts';

const SECOND = 1e6;
const T0 = Date.UTC(2024, 8, 2, 8) * 1000;
const at = (seconds: number): number => T0 + seconds * SECOND;
const LENGTH = 600;
/** More than any look here has. */
const ALL = { valuesMax: 1e6 };

const laneOf = (name: string, intervalMs: number, ids: readonly number[]): Lane => ({
  ...{ name, table: `gpu_${name}`, schedule: 'continuous', intervalMs, capacityTicks: 1 },
  fields: ids.map((id) => findField(id)!),
});
/** Two lanes, as a node has them: what a chart needs may be in either. */
const fine = laneOf('closefine', 1000, [1002, 1004]);
const slow = laneOf('closeslow', 10_000, [155]);
const SET = 41_000_001;

let db: QuestDb;
const written = new Map<string, Row[]>();

/** A device that has a gap after second 100, a blank at 200, and another job's samples before and after. */
function samplesOf(gpu: string, owner: Row): Row[] {
  const seconds = Array.from({ length: LENGTH }, (_, index) => index + 1).filter(
    (second) => second <= 100 || second > 110,
  );
  return seconds.map((second) => ({
    ...{ ts: at(second), cluster: 'close', node: 'c1', gpu, ...owner },
    dt_us: second === 1 || second === 111 ? 0 : SECOND,
    sm_active_ratio: second === 200 ? undefined : Math.fround(0.5 + 0.4 * Math.sin(second)),
    tensor_active_ratio: Math.fround(0.2),
  }));
}

beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 120_000 });
  await applySchema(db, [fine, slow], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  await insertRows(db, 'jobs', [
    ...['1901', '1902', '1903'].map((jobId): Row => ({
      ...{ ts: at(0), end_ts: at(LENGTH), submit_ts: at(0), cluster: 'close', job_id: jobId, run: 0 },
      ...{ user: 'ada', state: 'COMPLETED', exit_code: 0 },
    })),
  ]);
  const stay = { ts: at(0), end_ts: at(LENGTH), cluster: 'close', node: 'c1', run: 0 };
  await insertRows(db, 'gpu_ownership', [
    { ...stay, gpu: 'CL-1', job_id: '1901', share: 1 },
    { ...stay, gpu: 'CL-2', job_id: '1901', share: 1 },
    { ...stay, gpu: 'CL-3', job_id: '1902', share: 0.5 },
    { ...stay, gpu: 'CL-3', job_id: '1903', share: 0.5 },
  ]);
  const set = { ts: at(0), gpu: 'CL-3', owner_set: SET, share: 0.5, part: 0.5, sharing: 'stated', scaled: 0 };
  await insertRows(db, 'gpu_owner_sets', [
    { ...set, job_id: '1902' },
    { ...set, job_id: '1903' },
  ]);
  for (const gpu of ['CL-1', 'CL-2', 'CL-3']) {
    const isShared = gpu === 'CL-3';
    const rows = samplesOf(gpu, isShared ? { owners: 2, owner_set: SET } : { job_id: '1901', owners: 1 });
    written.set(gpu, rows);
    await insertRows(db, fine.table, rows);
    if (isShared) continue;
    await insertRows(
      db,
      slow.table,
      Array.from({ length: LENGTH / 10 }, (_, index) => ({
        ...{ ts: at(10 * (index + 1)), cluster: 'close', node: 'c1', gpu, job_id: '1901', owners: 1 },
        ...{ dt_us: 10 * SECOND, power_watts: 100 + index },
      })),
    );
    // Whoever had it before and after.
    await insertRows(db, fine.table, [
      { ...rows[0]!, ts: at(-1), job_id: '1899', sm_active_ratio: 0.99 },
      { ...rows[0]!, ts: at(LENGTH + 1), job_id: '1999', sm_active_ratio: 0.99 },
    ]);
  }
});
afterAll(async () => {
  await db.close();
});

async function courseOf(jobId: string): Promise<JobCourse> {
  return await jobCourse(db, [fine, slow], jobId, { nowUs: at(86_400), cluster: 'close' });
}

function line(look: CloseLook, key: SampleLine['key'], gpu: string): SampleLine {
  const found = look.samples?.find((one) => one.key === key && one.gpu === gpu);
  expect(found, `${key} of ${gpu}`).toBeDefined();
  return found!;
}

const wanted = (gpu: string, from: number, to: number): Row[] =>
  written.get(gpu)!.filter(({ ts }) => Number(ts) > at(from) && Number(ts) <= at(to));

test.each([
  { what: 'a minute', from: 30, to: 90 },
  { what: 'that has a gap', from: 95, to: 120 },
  { what: 'that has a blank', from: 195, to: 205 },
  { what: 'one tick', from: 300, to: 301 },
  { what: 'all of it', from: 0, to: LENGTH },
])('$what: each sample with its time, and a blank is no number', async ({ from, to }) => {
  const course = await courseOf('1901');
  const look = await lookClosely(db, course, { fromUs: at(from), toUs: at(to) }, ALL);
  expect([look.fromUs, look.toUs, look.bands]).toEqual([at(from), at(to), []]);
  for (const gpu of ['CL-1', 'CL-2']) {
    const own = wanted(gpu, from, to);
    const { timesUs, dtUs, values, node } = line(look, 'smActive', gpu);
    expect(node).toBe('c1');
    expect([...timesUs]).toEqual(own.map(({ ts }) => ts));
    expect([...dtUs]).toEqual(own.map((row) => row['dt_us']));
    expect([...values]).toEqual(own.map((row) => row['sm_active_ratio'] ?? NaN));
  }
  const ticks = to >= 10 ? Math.floor(to / 10) - Math.floor(from / 10) : 0;
  if (ticks > 0)
    expect([...line(look, 'power', 'CL-2').values]).toEqual(
      Array.from({ length: ticks }, (_, index) => 100 + Math.floor(from / 10) + index),
    );
});

test('what is wider than the job is cut to its time: the samples of whoever had its devices before and after are not its', async () => {
  const look = await lookClosely(db, await courseOf('1901'), { fromUs: at(-100), toUs: at(9999) }, ALL);
  expect([look.fromUs, look.toUs]).toEqual([at(0), at(LENGTH)]);
  expect([...line(look, 'smActive', 'CL-1').timesUs]).toEqual(written.get('CL-1')!.map(({ ts }) => ts));
});

test.each(['1902', '1903'])('of a device that jobs share each has the samples: %s', async (jobId) => {
  const look = await lookClosely(db, await courseOf(jobId), { fromUs: at(10), toUs: at(20) }, ALL);
  expect([...line(look, 'smActive', 'CL-3').values]).toEqual(
    wanted('CL-3', 10, 20).map((row) => row['sm_active_ratio']),
  );
});

test('only of these devices', async () => {
  const look = await lookClosely(
    db,
    await courseOf('1901'),
    { fromUs: at(10), toUs: at(20) },
    { ...ALL, gpus: new Set(['CL-2']) },
  );
  expect(new Set(look.samples?.map(({ gpu }) => gpu))).toEqual(new Set(['CL-2']));
});

test('more samples than can be shown are told in steps that hold all of them', async () => {
  const course = await courseOf('1901');
  const span = { fromUs: at(0), toUs: at(LENGTH) };
  const values = (await lookClosely(db, course, span, ALL)).samples!.reduce(
    (sum, one) => sum + one.values.length,
    0,
  );
  expect((await lookClosely(db, course, span, { valuesMax: values })).samples).toBeDefined();
  const { samples, bands } = await lookClosely(db, course, span, { valuesMax: values - 1 });
  expect(samples).toBeUndefined();
  const own = [...wanted('CL-1', 0, LENGTH), ...wanted('CL-2', 0, LENGTH)].flatMap(
    (row) => row['sm_active_ratio'] ?? [],
  ) as number[];
  const sm = bands.find(({ key }) => key === 'smActive')!;
  expect(sm.steps.stepUs).toBe(SECOND);
  const known = (all: Float64Array): number[] => [...all].filter((value) => !Number.isNaN(value));
  expect(Math.min(...known(sm.min))).toBe(Math.min(...own));
  expect(Math.max(...known(sm.max))).toBe(Math.max(...own));
});

test('time in which the job had nothing is empty', async () => {
  const look = await lookClosely(
    db,
    await courseOf('1901'),
    { fromUs: at(LENGTH + 5), toUs: at(LENGTH + 9) },
    ALL,
  );
  expect([look.samples, look.bands]).toEqual([[], []]);
});
