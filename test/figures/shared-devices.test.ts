/**
 * Goal: jobs on one device never count more than it has, in the job report, in the capacity report and in the figures that
 * are kept. Method: stays and samples made by hand, and at random, in a real QuestDB; what each job should have is worked out
 * sample by sample beside them.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { CapacityFigures } from '../../src/figures/capacity/figures.ts';
import { capacityFigures } from '../../src/figures/capacity/query.ts';
import type { JobFigures } from '../../src/figures/job/figures.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import { quoteTime } from '../../src/figures/sql-text.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups, waitForVisible } from '../../src/questdb/visible.ts';
import { quoteText } from '../../schemas/tables.ts';
import { capacityJson } from '../../src/report/json.ts';
import { renderCapacityReport } from '../../src/report/capacity-text.ts';
import { renderJobReport } from '../../src/report/job-text.ts';
import type { MeasuredUse } from '../../src/core/jobs/measured-use.ts';
import { insertRows } from '../helpers/insert-rows.ts';
import { labelColumns, ownerSetRows, type MeasuredParts } from '../helpers/owner-sets.ts';
import { partOf } from '../oracle/attribution.ts';

const SECOND = 1_000_000;
const DAY = 86_400;
const lane: Lane = {
  name: 'parts',
  table: 'gpu_parts',
  schedule: 'continuous',
  intervalMs: 1000,
  fields: [1002, 155, 156].map((id) => findField(id)!),
  capacityTicks: 100,
};

/** Seconds from the day of the test; share NaN where nobody told. */
interface Stay {
  readonly gpu: string;
  readonly jobId: string;
  readonly from: number;
  readonly to: number;
  readonly share: number;
}

let db: QuestDb;
/** Each test has a day of its own: a capacity report is about everything in its window. */
let day = Date.UTC(2025, 0, 6) * 1000;
const at = (second: number): number => day + Math.round(second * SECOND);

beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
});

beforeEach(() => {
  day += DAY * SECOND;
});

afterAll(async () => {
  await db.close();
});

/** Owners of a device at a second, each once, with the smallest share that was told. */
function ownersAt(stays: readonly Stay[], gpu: string, second: number): Map<string, number> {
  const owners = new Map<string, number>();
  for (const stay of stays) {
    if (stay.gpu !== gpu || !(stay.from < second && second <= stay.to)) continue;
    const known = owners.get(stay.jobId) ?? NaN;
    owners.set(
      stay.jobId,
      Number.isNaN(stay.share) ? known : Math.min(stay.share, Number.isNaN(known) ? 1 : known),
    );
  }
  return owners;
}

/** Writes the stays, a job of an account of its own name each, and a sample a second on all their devices. */
async function play(
  stays: readonly Stay[],
  seconds: number,
  measured: readonly MeasuredParts[] = [],
): Promise<void> {
  const told = stays.map(({ gpu, jobId, from, to, share }) => ({
    ...{ gpu, jobId, share },
    startUs: at(from),
    endUs: at(to),
  }));
  const gpus = [...new Set(stays.map(({ gpu }) => gpu))];
  const samples = gpus.flatMap((gpu) =>
    Array.from({ length: seconds }, (_, tick) => {
      const { job_id: jobId, owners, owner_set: ownerSet } = labelColumns(told, gpu, at(tick + 1));
      const label = `${jobId === undefined ? 'null' : quoteText(jobId)}, ${owners}, ${ownerSet ?? 'null'}`;
      return `(${quoteTime(at(tick + 1))}, 'n1', ${quoteText(gpu)}, ${label}, ${SECOND}, 0.01, 100, 100)`;
    }),
  );
  const owned = stays.map(
    ({ gpu, jobId, from, to, share }) =>
      `(${quoteTime(at(from))}, ${quoteTime(at(to))}, 'n1', ${quoteText(gpu)}, ${quoteText(jobId)}, 0, ${Number.isNaN(share) ? 'null' : share}, 'test')`,
  );
  const jobs = [...new Set(stays.map(({ jobId }) => jobId))].map(
    (jobId) => `(${quoteTime(at(0))}, ${quoteText(jobId)}, 0, ${quoteText(`of ${jobId}`)})`,
  );
  await insert(
    'gpu_parts (ts, node, gpu, job_id, owners, owner_set, dt_us, sm_active_ratio, power_watts, energy_rise_joules)',
    samples,
  );
  await insert('gpu_ownership (ts, end_ts, node, gpu, job_id, run, share, source)', owned);
  await insert('jobs (ts, job_id, run, account)', jobs);
  await insertRows(db, 'gpu_owner_sets', ownerSetRows(told, measured));
  for (const table of [lane.table, 'gpu_ownership', 'jobs']) await waitForVisible(db, table);
  await waitForRollups(db, [lane], at(seconds));
}

async function insert(target: string, rows: readonly string[]): Promise<void> {
  for (let from = 0; from < rows.length; from += 100)
    await db.exec(`INSERT INTO ${target} VALUES ${rows.slice(from, from + 100).join(', ')}`);
}

const jobOf = async (jobId: string): Promise<JobFigures> =>
  await jobFigures(db, [lane], jobId, { nowUs: at(DAY) });
const fleet = async (): Promise<CapacityFigures> =>
  await capacityFigures(db, [lane], { fromUs: at(0), toUs: at(6000), by: 'account' });
const hoursOf = ({ rows }: CapacityFigures, jobId: string): number =>
  (rows.find(({ name }) => name === `of ${jobId}`)?.attributedUs ?? 0) / SECOND;
const seconds = (sharedUs: CapacityFigures['sharedUs']): Record<string, number> =>
  Object.fromEntries(Object.entries(sharedUs).map(([way, us]) => [way, Math.round(us) / SECOND]));
const render = (figures: JobFigures): string => renderJobReport(figures, { width: 100, isColored: false });

/** Rows must add up to all, whatever the shares. */
function expectToAddUp(figures: CapacityFigures): void {
  const total = figures.rows.reduce((sum, { attributedUs }) => sum + attributedUs, 0);
  expect(Math.abs(total - figures.sampledUs)).toBeLessThan(1);
}

test('an untold share is what the told ones leave', async () => {
  await play(
    [
      { gpu: 'P-told', jobId: 'told', from: 0, to: 10, share: 0.7 },
      { gpu: 'P-told', jobId: 'untold', from: 0, to: 20, share: NaN },
    ],
    20,
  );
  const [told, untold] = [await jobOf('told'), await jobOf('untold')];
  expect([told.all.attributedUs, told.sharing, told.areSharesScaled]).toEqual([7 * SECOND, 'stated', false]);
  expect(untold.all.attributedUs).toBeCloseTo(13 * SECOND, 3);
  expect(untold.all.energy.counter?.value).toBeCloseTo(1300, 6);
  expect(untold.sharing).toBe('equal');
  expect(render(told)).toContain('shares its GPUs: hours and energy are divided by stated shares');
  expect(render(untold)).toContain('that no stated share covers are divided in equal parts');
  const figures = await fleet();
  // The untold one's last ten seconds alone are not shared.
  expect(seconds(figures.sharedUs)).toEqual({ stated: 7, measured: 0, equal: 3 });
  expect(
    [hoursOf(figures, 'told'), hoursOf(figures, 'untold')].map((s) => Math.round(s * 1e6) / 1e6),
  ).toEqual([7, 13]);
  expectToAddUp(figures);
});

test('owners whose shares nobody told have the parts that were measured, in every report and window', async () => {
  const shared = { gpu: 'P-used', from: 0, share: NaN };
  const use = (from: number, to: number, jobId: string, smUseSeconds: number): MeasuredUse => ({
    ...{ gpu: 'P-used', kind: 'job', jobId, smUseSeconds, memoryByteSeconds: NaN },
    fromUs: at(from),
    toUs: at(to),
    seenUs: (to - from) * SECOND,
  });
  const uses = [
    ...[use(0, 30, 'busy', 5), use(0, 30, 'lazy', 5), use(0, 30, 'gone', 10)],
    ...[use(30, 120, 'busy', 60), use(30, 120, 'lazy', 20)],
  ];
  const row = ({ fromUs, toUs, jobId, smUseSeconds, seenUs }: MeasuredUse): string =>
    `(${quoteTime(fromUs)}, ${quoteTime(toUs)}, 'n1', 'P-used', 'job', ${quoteText(jobId!)}, ${smUseSeconds}, null, ${seenUs})`;
  await insert(
    'gpu_shared_use (ts, end_ts, node, gpu, kind, job_id, sm_use_seconds, memory_byte_seconds, seen_us)',
    uses.map(row),
  );
  await waitForVisible(db, 'gpu_shared_use');
  await play(
    [
      { ...shared, jobId: 'busy', to: 180 },
      { ...shared, jobId: 'lazy', to: 120 },
      { ...shared, jobId: 'gone', to: 30 },
    ],
    180,
    [
      { busy: 0.25, gone: 0.5, lazy: 0.25 },
      { busy: 0.75, lazy: 0.25 },
    ],
  );
  const [busy, lazy] = [await jobOf('busy'), await jobOf('lazy')];
  expect([busy.all.attributedUs, busy.sharing]).toEqual([(30 * 0.25 + 90 * 0.75 + 60) * SECOND, 'measured']);
  expect([lazy.all.attributedUs, lazy.sharing]).toEqual([30 * SECOND, 'measured']);
  expect(render(lazy)).toContain('that no stated share covers are divided by measured use');
  const all = await fleet();
  expect(['busy', 'lazy', 'gone'].map((jobId) => hoursOf(all, jobId))).toEqual([135, 30, 15]);
  expectToAddUp(all);
  // One minute of the time that two of them shared: the part is that of the whole of it, not of what the third shared too.
  const minute = { fromUs: at(60), toUs: at(120), by: 'account' } as const;
  const figures = await capacityFigures(db, [lane], minute);
  expect([hoursOf(figures, 'busy'), hoursOf(figures, 'lazy')]).toEqual([45, 15]);
  expect(seconds(figures.sharedUs)).toEqual({ stated: 0, measured: 60, equal: 0 });
  expect(renderCapacityReport(figures, { width: 100, isColored: false })).toContain(
    'Shared GPUs are divided: 0.017 GPU-hours by measured use.',
  );
  expect(JSON.parse(capacityJson(figures))).toMatchObject({ sharedUs: { measured: 60 * SECOND } });
  expectToAddUp(figures);
});

test('told shares of more than the device are made smaller, and the reports say so', async () => {
  await play(
    [
      { gpu: 'P-more', jobId: 'much', from: 0, to: 10, share: 0.9 },
      { gpu: 'P-more', jobId: 'more', from: 0, to: 10, share: 0.6 },
    ],
    10,
  );
  const figures = await fleet();
  const much = await jobOf('much');
  expect(much.all.attributedUs).toBeCloseTo(6 * SECOND, 3);
  expect([much.sharing, much.areSharesScaled, figures.areSharesScaled]).toEqual(['stated', true, true]);
  expect(render(much)).toContain('the stated shares add up to more than a GPU: made smaller in proportion');
  expect(renderCapacityReport(figures, { width: 100, isColored: false })).toContain(
    'add up to more than the GPU',
  );
  expect(hoursOf(figures, 'much') + hoursOf(figures, 'more')).toBeCloseTo(10, 6);
  expectToAddUp(figures);
});

test('two rows of one job for one time on one device count once', async () => {
  await play(
    [
      { gpu: 'P-twice', jobId: 'twice', from: 0, to: 10, share: 1 },
      { gpu: 'P-twice', jobId: 'twice', from: 4, to: 16, share: NaN },
    ],
    20,
  );
  const twice = await jobOf('twice');
  expect([twice.all.samples, twice.all.sampledUs, twice.all.attributedUs, twice.all.ownedUs]).toEqual([
    16,
    16 * SECOND,
    16 * SECOND,
    16 * SECOND,
  ]);
  expect([twice.sharing, twice.gaps, twice.devices.length, twice.all.energy.counter?.value]).toEqual([
    'whole',
    [],
    1,
    1600,
  ]);
  const figures = await fleet();
  expect(hoursOf(figures, 'twice')).toBe(16);
  expectToAddUp(figures);
});

test('a job with a whole device and a part of another has both', async () => {
  await play(
    [
      { gpu: 'P-all', jobId: 'mixed', from: 0, to: 10, share: 1 },
      { gpu: 'P-some', jobId: 'mixed', from: 0, to: 10, share: 0.25 },
    ],
    10,
  );
  expect((await jobOf('mixed')).all.attributedUs).toBe(12.5 * SECOND);
  const figures = await fleet();
  expect(hoursOf(figures, 'mixed')).toBe(12.5);
  expect(figures.rows.find(({ kind }) => kind === 'unattributed')?.attributedUs).toBe(7.5 * SECOND);
  expectToAddUp(figures);
});

test('the other stays of a device count as they are, whoever shared it before and after', async () => {
  await play(
    [
      { gpu: 'P-turns', jobId: 'part', from: 0, to: 10, share: 0.25 },
      { gpu: 'P-turns', jobId: 'untold a', from: 20, to: 30, share: NaN },
      { gpu: 'P-turns', jobId: 'untold b', from: 20, to: 30, share: NaN },
      { gpu: 'P-turns', jobId: 'late part', from: 40, to: 50, share: 0.5 },
    ],
    60,
  );
  const figures = await fleet();
  expect(['part', 'untold a', 'untold b', 'late part'].map((jobId) => hoursOf(figures, jobId))).toEqual([
    2.5, 5, 5, 5,
  ]);
  expect(figures.rows.find(({ kind }) => kind === 'unattributed')?.attributedUs).toBe(12.5 * SECOND);
  expectToAddUp(figures);
});

test('a job beside more others than one query holds is divided right all the same', async () => {
  const guests = Array.from({ length: 300 }, (_, guest): Stay => {
    const from = 5 * guest + 1;
    return {
      gpu: 'P-many',
      jobId: `guest ${guest % 3}`,
      from,
      to: from + 2,
      share: guest % 2 === 0 ? NaN : 0.25,
    };
  });
  await play([{ gpu: 'P-many', jobId: 'host', from: 0, to: 1600, share: NaN }, ...guests], 1600);
  // Two seconds of every guest: half of them leave a half, half of them three quarters.
  const host = await jobOf('host');
  expect(host.all.attributedUs).toBeCloseTo((1600 - 150 * 2 * 0.5 - 150 * 2 * 0.25) * SECOND, 0);
  expect([host.all.samples, host.gaps]).toEqual([1600, []]);
  const figures = await fleet();
  expect(hoursOf(figures, 'host')).toBeCloseTo(1600 - 225, 6);
  expectToAddUp(figures);
});

test('a job on more devices than one query names, each with times of its own, has all of them', async () => {
  const stays = Array.from({ length: 150 }, (_, gpu): Stay => ({
    gpu: `GPU-${String(gpu).padStart(8, '0')}-0000-1111-2222-333333333333`,
    ...{ jobId: 'wide', from: gpu / 1000, to: 5 + gpu / 1000, share: 1 },
  }));
  await play(stays, 6);
  const { all, gaps, devices } = await jobOf('wide');
  // The first has the second 5 as its last, all others too.
  expect([all.samples, all.attributedUs, devices.length, gaps]).toEqual([750, 750 * SECOND, 150, []]);
});

test('any stays on any devices: each job has what it should, sample by sample', async () => {
  // The stays of one run lie about one time.
  const stay = fc
    .record({
      gpu: fc.constantFrom('P-any-0', 'P-any-1', 'P-any-2', 'P-any-3'),
      job: fc.integer({ min: 0, max: 4 }),
      late: fc.integer({ min: 0, max: 20 }),
      early: fc.integer({ min: 0, max: 20 }),
      share: fc.constantFrom(NaN, NaN, 1, 0.5, 0.25, 0.7),
    })
    .map(({ gpu, job, late, early, share }): Stay => ({
      ...{ gpu, jobId: `any ${job}`, share },
      from: 15 * job + late,
      to: 15 * job + 85 - early,
    }));
  // A row is (start, gpu, job): one telling of each.
  const some = fc.uniqueArray(stay, {
    minLength: 40,
    maxLength: 40,
    selector: ({ gpu, jobId, from }) => `${gpu} ${jobId} ${from}`,
  });
  const [stays] = fc.sample(some, { seed: 12, numRuns: 1 }) as [Stay[]];
  await play(stays, 150);
  const figures = await fleet();
  for (const jobId of new Set(stays.map((one) => one.jobId))) {
    let [samples, seconds] = [0, 0];
    for (const gpu of new Set(stays.map((one) => one.gpu))) {
      for (let second = 1; second <= 150; second += 1) {
        const owners = ownersAt(stays, gpu, second);
        if (!owners.has(jobId)) continue;
        samples += 1;
        seconds += partOf(owners.get(jobId)!, [...owners.values()]);
      }
    }
    const { all } = await jobOf(jobId);
    expect([jobId, all.samples]).toEqual([jobId, samples]);
    expect(all.attributedUs / SECOND).toBeCloseTo(seconds, 6);
    expect(all.idle!.value / SECOND).toBeCloseTo(seconds, 6);
    expect(all.energy.power!.value).toBeCloseTo(100 * seconds, 4);
    expect(hoursOf(figures, jobId)).toBeCloseTo(seconds, 6);
  }
  expectToAddUp(figures);
});
