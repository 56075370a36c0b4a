/**
 * Goal: an idle end is told of where it was seen on each device, whatever was seen or not before it and in whatever table, and not where
 * nobody can tell. Method: jobs with the same tail and time without values before it or in it, in a real QuestDB, from samples,
 * from minutes and from hours.
 */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups } from '../../src/questdb/visible.ts';
import { ageMinutes, ageSamples } from '../fleets/age-out.ts';
import { insertRows } from '../helpers/insert-rows.ts';

const S = 1e6;
const T0 = Date.UTC(2025, 8, 8) * 1000;
const at = (seconds: number): number => T0 + seconds * S;
const laneOf = (name: string, seconds: number, ids: readonly number[]): Lane => ({
  ...{ name, table: `gpu_${name}`, schedule: 'continuous', intervalMs: seconds * 1000, capacityTicks: 100 },
  fields: ids.map((id) => findField(id)!),
});
const main = laneOf('tailmain', 10, [1002, 155]);
const slow = laneOf('tailslow', 60, [1002]);
const LANES = [main, slow];
/** The slow table alone has the first half hour; the tail begins within an hour, at its begin or later, and is 100 min long. */
const [ALONE, TAIL, END] = [1800, 4815, 10_815];
const BLANKS: Readonly<Record<string, readonly [number, number]>> = {
  'tail seen': [1900, 2500],
  'tail early': [3700, 4300],
  'tail blank': [6000, 6600],
  'tail over': [5810, END],
};
const JOBS = Object.keys(BLANKS);
/** Of this one the slow table takes over, with 50 s that both know and 300 s without values; its last sample is 10 s too early. */
const OVER = 'tail over';
const SLOW_BLANK = [7200, 7500] as const;

let db: QuestDb;
beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  await applySchema(db, LANES, { raw: '', rollup1m: '9000 DAYS', rollup1h: '', rollup1d: '' });
  const rows = (step: number, from: number, to: number, job_id: string): Record<string, string | number>[] =>
    Array.from({ length: Math.floor((to - from) / step) }, (_, tick) => {
      const second = from + (tick + 1) * step;
      const [blankFrom, blankTo] = step === 10 ? BLANKS[job_id]! : SLOW_BLANK;
      const isBlank = second > blankFrom && second <= blankTo;
      return {
        ...{ ts: at(second), node: 'n1', gpu: `G-${job_id}`, job_id, owners: 1, dt_us: step * S },
        ...(isBlank ? {} : { sm_active_ratio: second <= TAIL ? 0.9 : 0.01 }),
        ...(step === 10 ? { power_watts: 100 } : {}),
      };
    });
  // Days later something is sampled, so that the rest can age out.
  const later = { ts: at(60 * 3600), node: 'n1', gpu: 'G-later', owners: 0, dt_us: 10 * S };
  await insertRows(db, 'gpu_tailmain', [...JOBS.flatMap((job) => rows(10, ALONE, END, job)), later]);
  await insertRows(
    db,
    'gpu_tailslow',
    JOBS.flatMap((job) => rows(60, 0, job === OVER ? END : ALONE, job)),
  );
  await insertRows(
    db,
    'gpu_ownership',
    JOBS.map((job_id) => ({
      ...{ ts: T0, end_ts: at(END), node: 'n1', gpu: `G-${job_id}`, job_id, run: 0, source: 'test' },
    })),
  );
  await waitForRollups(db, LANES, at(60 * 3600) + 48 * 3600 * S, { timeoutMs: 300_000 });
});
afterAll(async () => {
  await db.close();
});

/** From when on each job's tail is told, and for how long, in seconds. */
async function tails(origin: string): Promise<unknown[]> {
  const told: unknown[] = [];
  for (const job of JOBS) {
    const figures = await jobFigures(db, LANES, job, { nowUs: at(END) });
    expect(figures.origin).toBe(origin);
    const tail = figures.findings.find((finding) => finding.rule === 'idle-tail');
    told.push(tail === undefined ? 'none' : [(tail.fromUs - T0) / S, tail.lengthUs / S]);
  }
  return told;
}

const LAST_ACTIVE = 4810;
const TOLD = [LAST_ACTIVE, END - LAST_ACTIVE];

test('what was blank counts where it was, whatever another table knows of other time', async () => {
  expect(await tails('samples')).toEqual([TOLD, TOLD, 'none', 'none']);
});

test('minutes tell it as exactly', async () => {
  await ageSamples(db, ['gpu_tailmain']);
  expect(await tails('rollups')).toEqual([TOLD, TOLD, 'none', 'none']);
});

test('of an hour in which a tail begins only that was seen which must be of the tail', async () => {
  await ageMinutes(db, ['gpu_tailmain']);
  expect(await tails('rollups')).toEqual([TOLD, 'none', 'none', 'none']);
});
