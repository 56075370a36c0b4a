/**
 * Goal: a gauge is read where its samples are, whatever today's configuration says: of each device and at any moment in the table with
 * the shortest interval that knows it then. Method: samples of two lanes in a real QuestDB, the reports of jobs before, after and
 * across the moment at which one began, and of all their devices together.
 */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { capacityFigures } from '../../src/figures/capacity/query.ts';
import type { JobFigures } from '../../src/figures/job/figures.ts';
import { jobFigures, jobReadings } from '../../src/figures/job/query.ts';
import { accountOf } from '../../src/figures/job/tasks.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { insertRows } from '../helpers/insert-rows.ts';

const SECOND = 1e6;
const T0 = Date.UTC(2024, 8, 3, 7) * 1000;
const at = (seconds: number): number => T0 + seconds * SECOND;
/** The order of addition is the server's. */
const near = (value: number): unknown => expect.closeTo(value, 12);
const laneOf = (name: string, intervalMs: number, ids: readonly number[]): Lane => ({
  ...{ name, table: `gpu_${name}`, schedule: 'continuous', intervalMs, capacityTicks: 100 },
  fields: ids.map((id) => findField(id)!),
});
const steady = laneOf('gsteady', 1000, [1002, 155, 156]);
const fast = laneOf('gfast', 100, [1002]);
const power = laneOf('gpower', 500, [155]);

const NODES: Readonly<Record<string, string>> = {
  'G-lanes': 'n1',
  'G-across': 'n2',
  'G-both': 'n3',
  'G-slow': 'n4',
  'G-quick': 'n5',
};
const CONFIGURATIONS = [
  ['both lanes', [steady, fast]],
  ['the new one alone', [fast]],
  ['the old one alone', [steady]],
] as const;

let db: QuestDb;
beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  await applySchema(db, [steady, fast, power], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const rows = (
    from: number,
    to: number,
    job: string,
    sm: number | undefined,
    { gpu = 'G-lanes', step = 1 }: { gpu?: string; step?: number } = {},
  ): Record<string, string | number>[] =>
    Array.from({ length: (to - from) / step }, (_, tick) => ({
      ...{ ts: at(from + (tick + 1) * step), node: NODES[gpu]!, gpu, owners: 1, dt_us: step * SECOND },
      ...{ job_id: job },
      ...(sm === undefined ? {} : { sm_active_ratio: sm }),
    }));
  await insertRows(db, 'gpu_gsteady', [
    ...rows(0, 60, 'lanes before', 0.5).map((row) => ({ ...row, power_watts: 300 })),
    ...rows(60, 120, 'lanes after', undefined).map((row) => ({ ...row, power_watts: 400 })),
  ]);
  await insertRows(db, 'gpu_gfast', rows(60, 120, 'lanes after', 0.75, { step: 0.5 }));
  await insertRows(db, 'gpu_gsteady', [
    ...rows(0, 57, 'lanes across', 0.2, { gpu: 'G-across' }),
    ...rows(57, 120, 'lanes across', undefined, { gpu: 'G-across' }),
    ...rows(0, 120, 'lanes both', 0.4, { gpu: 'G-both' }),
    ...rows(0, 120, 'lanes two', 0.9, { gpu: 'G-slow' }),
    ...rows(0, 120, 'lanes two', undefined, { gpu: 'G-quick' }),
  ]);
  await insertRows(db, 'gpu_gfast', [
    ...rows(57, 120, 'lanes across', 0.8, { gpu: 'G-across', step: 0.5 }),
    ...rows(57, 100, 'lanes both', 0.6, { gpu: 'G-both', step: 0.5 }),
    ...rows(0, 120, 'lanes two', 0.3, { gpu: 'G-quick', step: 0.5 }),
  ]);
  const own = { node: 'n1', gpu: 'G-lanes', run: 0, source: 'test' };
  const whole = { ...own, ts: at(10), end_ts: at(110) };
  const task = { ts: at(10), end_ts: at(110), run: 0, array_job_id: 'lanes array' };
  await insertRows(db, 'jobs', [
    { ...task, job_id: 'lanes across', array_task_id: '1' },
    { ...task, job_id: 'lanes both', array_task_id: '2' },
  ]);
  await insertRows(db, 'gpu_ownership', [
    { ...own, ts: at(0), end_ts: at(60), job_id: 'lanes before' },
    { ...own, ts: at(60), end_ts: at(120), job_id: 'lanes after' },
    ...(
      [
        ['lanes across', 'G-across'],
        ['lanes both', 'G-both'],
        ['lanes two', 'G-slow'],
        ['lanes two', 'G-quick'],
      ] as const
    ).map(([job_id, gpu]) => ({ ...whole, gpu, node: NODES[gpu]!, job_id })),
  ]);
});
afterAll(async () => {
  await db.close();
});

const meansOf = ({ gauges }: JobFigures): unknown[] => gauges.map(({ key, mean }) => [key, mean?.value]);
const report = async (jobId: string, lanes: readonly Lane[]): Promise<JobFigures> =>
  await jobFigures(db, lanes, jobId, { nowUs: at(600) });

test.each(CONFIGURATIONS)(
  'with %s configured, each job has the activity that was recorded',
  async (_, lanes) => {
    const [before, after] = [await report('lanes before', lanes), await report('lanes after', lanes)];
    expect(meansOf(before)).toEqual([
      ['smActive', 0.5],
      ['power', 300],
    ]);
    expect(meansOf(after)).toEqual([
      ['smActive', 0.75],
      ['power', 400],
    ]);
    expect([before.all.samples, after.all.samples]).toEqual([60, 120]);
  },
);

/** [seconds, activity]… → Σ activity·dt and Σ dt, µs, and the value of the rank. */
const sumOf = (...parts: (readonly [number, number])[]): { mean: number; knownUs: number } => {
  const knownUs = parts.reduce((sum, [seconds]) => sum + seconds * SECOND, 0);
  return { mean: parts.reduce((sum, [seconds, sm]) => sum + seconds * SECOND * sm, 0) / knownUs, knownUs };
};

test.each(CONFIGURATIONS)(
  'with %s configured, a job across the moment at which a lane began has all of it',
  async (_, lanes) => {
    const smOf = async (jobId: string): Promise<unknown> => {
      const { gauges, devices } = await report(jobId, lanes);
      const [sm] = gauges;
      const ofDevices = devices.map(({ gauges: { smActive } }) => smActive?.mean?.value);
      return [sm?.key, sm?.mean?.value, sm?.mean?.knownUs, sm?.p50?.value, sm?.max.value, ofDevices];
    };
    const across = sumOf([47, 0.2], [53, 0.8]);
    expect(await smOf('lanes across')).toEqual([
      'smActive',
      near(across.mean),
      ...[across.knownUs, 0.8, 0.8],
      [near(across.mean)],
    ]);
    // The fast one knows it from 58 to 100, the other one before and after.
    const both = sumOf([57, 0.4], [43, 0.6]);
    expect(await smOf('lanes both')).toEqual([
      'smActive',
      near(both.mean),
      ...[both.knownUs, 0.4, 0.6],
      [near(both.mean)],
    ]);
    expect(await smOf('lanes two')).toEqual([
      'smActive',
      near(0.6),
      ...[200 * SECOND, 0.3, 0.9],
      [near(0.9), near(0.3)],
    ]);
  },
);

test('tasks of an array have the activity of all lanes, too', async () => {
  const account = await accountOf(db, [steady, fast], 'lanes array', { nowUs: at(600) });
  const means =
    account.of === 'tasks'
      ? account.figures.tasks.map(({ smActive }) => [smActive?.value, smActive?.knownUs])
      : [];
  const of = (...parts: (readonly [number, number])[]): unknown[] => {
    const { mean, knownUs } = sumOf(...parts);
    return [near(mean), knownUs];
  };
  expect(means).toEqual([of([47, 0.2], [53, 0.8]), of([57, 0.4], [43, 0.6])]);
});

test.each(CONFIGURATIONS)(
  'with %s configured, all devices have the same in the capacity report',
  async (_, lanes) => {
    const { rows, samples } = await capacityFigures(db, lanes, { fromUs: at(0), toUs: at(180), by: 'node' });
    // Rows of other tests' jobs, of which nothing was sampled in this window, are none of these devices.
    const seen = rows.filter(({ attributedUs }) => attributedUs > 0);
    const known: unknown = Object.fromEntries(
      seen.map(({ name, smActive }) => [name, [smActive?.value, smActive?.knownUs]]),
    );
    const of = (...parts: (readonly [number, number])[]): unknown[] => {
      const { mean, knownUs } = sumOf(...parts);
      return [near(mean), knownUs];
    };
    expect(known).toEqual({
      n1: of([60, 0.5], [60, 0.75]),
      n2: of([57, 0.2], [63, 0.8]),
      n3: of([77, 0.4], [43, 0.6]),
      n4: of([120, 0.9]),
      n5: of([120, 0.3]),
    });
    expect(samples).toBe(600);
  },
);

test('of a job on MIG instances whole hours are read where they are known: what all instances did in them divides the energy', async () => {
  const stay = { gpu: 'G-both', node: 'n3', startUs: at(70), endUs: at(110), isOpen: false };
  const cut = { instances: new Map(), wholeSlices: new Map(), clusters: new Map() };
  const timesOf = async (isCut: boolean): Promise<unknown> => {
    const window = { ...stay, intervals: [stay] };
    const readings = await jobReadings(db, [steady, fast], window, isCut ? cut : undefined);
    return readings.find(({ times }) => times !== undefined)?.times?.get('G-both');
  };
  expect(await timesOf(false)).toEqual([{ fromUs: at(100) + 1, toUs: at(110) + 1 }]);
  expect(await timesOf(true)).toEqual([
    { fromUs: T0, toUs: at(57.5) },
    { fromUs: at(100) + 1, toUs: at(3600) },
  ]);
});

/** The energy lane saw a GPU that the lane of time did not. */
test('energy without any time of its own is in a row, so that rows add up to all', async () => {
  const from = at(30 * 86_400);
  await insertRows(db, 'gpu_gpower', [
    { ts: from + SECOND, node: 'n6', gpu: 'G-power', owners: 0, dt_us: SECOND, power_watts: 250 },
  ]);
  const window = { fromUs: from, toUs: from + 60 * SECOND };
  const { rows, all } = await capacityFigures(db, [steady, power], { ...window, by: 'account' });
  const drawn = rows.filter(({ energy }) => energy.best !== undefined);
  expect(drawn.map(({ kind, attributedUs, energy }) => [kind, attributedUs, energy.best?.value])).toEqual([
    ['unowned', 0, 250],
  ]);
  expect(all.energy.best?.value).toBe(250);
  const byNode = await capacityFigures(db, [steady, power], { ...window, by: 'node' });
  const ofNode = byNode.rows.find(({ name }) => name === 'n6');
  expect(ofNode).toMatchObject({ name: 'n6', unownedUs: 0, unownedEnergy: { value: 250 } });
});

test('a table of a former lane without the time of its rises ends no report', async () => {
  await db.exec(
    'CREATE TABLE gpu_gformer (ts TIMESTAMP, cluster SYMBOL, node SYMBOL, gpu SYMBOL, job_id VARCHAR, owners LONG, dt_us LONG,' +
      ' energy_joules DOUBLE, energy_rise_joules DOUBLE) TIMESTAMP(ts) PARTITION BY DAY WAL',
  );
  const row = { node: 'n1', gpu: 'G-lanes', job_id: 'lanes before', owners: 1, dt_us: SECOND };
  await insertRows(db, 'gpu_gformer', [{ ...row, ts: at(30), energy_joules: 5, energy_rise_joules: 5 }]);
  const { all } = await report('lanes before', [steady]);
  expect([all.energy.counter, all.energy.best?.value]).toEqual([undefined, 18_000]);
  await db.exec('DROP TABLE gpu_gformer');
});
