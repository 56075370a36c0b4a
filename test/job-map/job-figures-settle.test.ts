/**
 * Goal: a collector keeps the figures of the jobs that it has seen end. Method: an hour of synthetic samples is played on a
 * virtual clock through a collector into a real QuestDB; its job input tells facts in the order in which the test wants
 * them heard. Every kept figure is held against one that is added up here from the raw rows.
 */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { openCollector } from '../../src/collector/collector.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { JobFact } from '../../src/core/jobs/job-fact.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { Notice } from '../../src/core/base/notice.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { ageOutAll } from '../helpers/age-out.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';

const MINUTE_US = 60e6;
/** Not on a minute: buckets of a rollup would give other figures. */
const startUs = Math.floor(Date.now() / 60_000 - 120) * MINUTE_US;
const endUs = startUs + 60 * MINUTE_US;
const at = (minutes: number): number => startUs + minutes * MINUTE_US;
const LANE: Lane = {
  name: 'settle',
  table: 'gpu_settle',
  schedule: 'continuous',
  intervalMs: 1_000,
  fields: [1002, 155, 156, 252].map((id) => findField(id)!),
  capacityTicks: 4_000,
};

let db: QuestDb;

beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 30_000 });
  await applySchema(db, [LANE], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
});
afterAll(async () => {
  await db.close();
});

/** When a job of this test had the device, minutes from the start. */
interface Owned {
  readonly jobId: string;
  readonly from: number;
  readonly to: number;
}

const JOB: Owned = { jobId: 'settle-1', from: 5.29, to: 15.71 };
const RECENT: Owned = { jobId: 'settle-2', from: 40.1, to: 52.2 };
const TAKEN_BACK: Owned = { jobId: 'settle-3', from: 20.4, to: 20.4 };
/** One that came back, and nobody counted: each stay is a run. */
const STAYS: readonly Owned[] = [
  { jobId: 'settle-0', from: 3.3, to: 8.1 },
  { jobId: 'settle-0', from: 20.2, to: 25.9 },
];
const LATE: Owned = { jobId: 'settle-4', from: 10.03, to: 13.37 };

interface Figures {
  readonly jobId: string;
  readonly ownedUs: number;
  readonly sharedUs: number;
  readonly samples: number;
  readonly dtUs: number;
  readonly attributedUs: number;
  readonly powerJoules: number;
  readonly riseJoules: number;
  readonly powerMax: number;
}

/** What was kept, of every job of this test. */
async function kept(): Promise<Figures[]> {
  await waitForVisible(db, 'job_figures');
  const { rows } = await db.exec(
    `SELECT job_id, owned_us, shared_us, samples, dt_us, attributed_us, power_joules, energy_rise_joules, power_watts_max
     FROM job_figures WHERE job_id LIKE 'settle-%' ORDER BY job_id, ts`,
  );
  return rows.map(([jobId, ...numbers]) => {
    const [ownedUs, sharedUs, samples, dtUs, attributedUs, powerJoules, riseJoules, powerMax] =
      numbers.map(Number);
    return {
      jobId: String(jobId),
      ownedUs: ownedUs!,
      sharedUs: sharedUs!,
      samples: samples!,
      dtUs: dtUs!,
      attributedUs: attributedUs!,
      powerJoules: powerJoules!,
      riseJoules: riseJoules!,
      powerMax: powerMax!,
    };
  });
}

/** Added up from the raw rows: a sample belongs whole to every job with start < ts ≤ end, in equal parts. */
async function computed(gpu: string, { jobId, from, to }: Owned, others: readonly Owned[]): Promise<Figures> {
  await waitForVisible(db, LANE.table);
  const { rows } = await db.exec(
    `SELECT cast(ts AS LONG), dt_us, power_watts, energy_rise_joules FROM ${LANE.table} WHERE gpu = '${gpu}'`,
  );
  const owns = (owned: Owned, us: number): boolean => at(owned.from) < us && us <= at(owned.to);
  const sums = { samples: 0, dtUs: 0, attributedUs: 0, powerJoules: 0, riseJoules: 0, powerMax: -Infinity };
  for (const [us, dtUs, watts, rise] of rows.map((row) => row.map(Number)) as [
    number,
    number,
    number,
    number,
  ][]) {
    if (!owns({ jobId, from, to }, us)) continue;
    const share = 1 / (1 + others.filter((other) => owns(other, us)).length);
    sums.samples += 1;
    sums.dtUs += dtUs;
    sums.attributedUs += dtUs * share;
    sums.powerJoules += (watts * dtUs * share) / 1e6;
    sums.riseJoules += rise * share;
    sums.powerMax = Math.max(sums.powerMax, watts);
  }
  const sharedUs = others.reduce(
    (sum, other) => sum + Math.max(0, Math.min(at(to), at(other.to)) - Math.max(at(from), at(other.from))),
    0,
  );
  return { jobId, ownedUs: at(to) - at(from), sharedUs, ...sums };
}

function expectSame(actual: readonly Figures[], expected: readonly Figures[]): void {
  expect(actual.map(({ jobId }) => jobId)).toEqual(expected.map(({ jobId }) => jobId));
  for (const [index, figures] of expected.entries()) {
    const { attributedUs, powerJoules, riseJoules, ...exact } = figures;
    expect(actual[index]).toMatchObject(exact);
    for (const [key, value] of Object.entries({ attributedUs, powerJoules, riseJoules })) {
      expect(value).toBeGreaterThan(0);
      const stray = Math.abs(actual[index]![key as keyof Figures] as number) / value - 1;
      expect(Math.abs(stray)).toBeLessThan(1e-9);
    }
  }
}

test('figures of ended jobs are written once settled, again with a late fact, and outlive the samples', async () => {
  const facts: JobFact[] = [];
  const notices: Notice[] = [];
  const collector = await openCollector({
    lanes: [LANE],
    source: {
      name: 'synthetic',
      scenario: { kind: 'steady', seed: 77, nodes: 1, gpusPerNode: 2, startUs, nodeNames: ['settle'] },
    },
    clock: { kind: 'virtual', startUs, endUs },
    jobInputs: () => [{ name: 'test', read: () => ({ facts: facts.splice(0), records: [] }) }],
    db,
    prepareStore: () => Promise.resolve(),
    batchRows: 10_000,
    tell: (notice) => notices.push(notice),
  });
  const { node, uuid: gpu } = collector.devices[0]!;
  const { uuid: otherGpu } = collector.devices[1]!;
  const tell = (kind: JobFact['kind'], { jobId, from, to }: Owned): void => {
    const atUs = at(kind === 'end' ? to : from);
    facts.push({
      kind,
      atUs,
      node,
      gpu: jobId === RECENT.jobId || jobId === STAYS[0]!.jobId ? otherGpu : gpu,
      jobId,
      run: jobId === STAYS[0]!.jobId ? NaN : 0,
      share: NaN,
      source: 'test',
    });
  };
  await collector.ended;
  for (const owned of [JOB, RECENT, ...STAYS]) {
    tell('start', owned);
    tell('end', owned);
  }
  // A start that the clock was set back behind: nothing ever belonged to it.
  tell('start', TAKEN_BACK);
  tell('void', TAKEN_BACK);
  await collector.settleJobFigures();
  expect(await kept()).toEqual([]);
  expect(await collector.flush()).toBe(true);
  await collector.settleJobFigures();
  const stays = [await computed(otherGpu, STAYS[0]!, []), await computed(otherGpu, STAYS[1]!, [])];
  expectSame(await kept(), [...stays, await computed(gpu, JOB, [])]);

  tell('start', LATE);
  tell('end', LATE);
  expect(await collector.flush()).toBe(true);
  await collector.settleJobFigures();
  const again = [...stays, await computed(gpu, JOB, [LATE]), await computed(gpu, LATE, [JOB])];
  expectSame(await kept(), again);

  const fresh = await jobFigures(db, [LANE], JOB.jobId, { nowUs: endUs });
  expect(fresh.origin).toBe('samples');
  await ageOutAll(db, LANE);
  const aged = await jobFigures(db, [LANE], JOB.jobId, { nowUs: endUs });
  expect(aged.origin).toBe('kept');
  expect([aged.all.samples, aged.all.sampledUs, aged.all.ownedUs]).toEqual([
    fresh.all.samples,
    fresh.all.sampledUs,
    fresh.all.ownedUs,
  ]);
  expect(aged.all.energy.counter!.value / fresh.all.energy.counter!.value).toBeCloseTo(1, 9);
  expect(notices.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
  collector.close();
});
