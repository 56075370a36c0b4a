/**
 * Goal: where there is one cluster, a job is counted once in each month, whatever of its runs reach into it, and is of whoever its
 * records last told. Method: rows made by hand in a real QuestDB, by month.
 */
import { expect, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { capacityFigures } from '../../src/figures/capacity/query.ts';
import { openQuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups } from '../../src/questdb/visible.ts';
import { insertRows } from '../helpers/insert-rows.ts';
import { startTestQuestdb } from '../helpers/questdb.ts';

const HOUR_US = 3600e6;
const FEBRUARY_US = Date.UTC(2026, 1, 1) * 1000;
const at = (hours: number): number => FEBRUARY_US + hours * HOUR_US;

const lane: Lane = {
  name: 'profiling',
  table: 'gpu_profiling',
  schedule: 'continuous',
  intervalMs: 3600e3,
  fields: [findField(1002)!],
  capacityTicks: 100,
};

test('a requeued job is one in the month into which both of its runs reach, and its first run’s user’s', async () => {
  const server = await startTestQuestdb();
  const db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  try {
    await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
    const runs = [
      { ts: at(-2), end_ts: at(2), job_id: '7', run: 0 },
      { ts: at(4), end_ts: at(5), job_id: '7', run: 1 },
    ];
    const device = { node: 'n1', gpu: 'G0' };
    await insertRows(
      db,
      'gpu_ownership',
      runs.map((run) => ({ ...run, ...device, source: 'slurm' })),
    );
    // Of the later run nobody told the user yet.
    await insertRows(
      db,
      'jobs',
      runs.map((run) => ({
        ...run,
        submit_ts: at(-3),
        state: run.run === 0 ? 'REQUEUED' : 'COMPLETED',
        ...(run.run === 0 ? { user: 'ada' } : {}),
      })),
    );
    await insertRows(
      db,
      lane.table,
      [-1, 0, 1, 2, 5].map((hours) => ({
        ts: at(hours),
        ...device,
        job_id: '7',
        owners: 1,
        dt_us: HOUR_US,
        sm_active_ratio: 0.5,
      })),
    );
    await waitForRollups(db, [lane], at(5));
    const window = { fromUs: at(-48), toUs: at(48) };
    const { rows, all } = await capacityFigures(db, [lane], { ...window, by: 'user', every: 'month' });
    expect(
      rows.map(({ name, period, attributedUs, jobs }) => [name, period, attributedUs / HOUR_US, jobs]),
    ).toEqual([
      ['ada', '2026-01', 1, 1],
      ['ada', '2026-02', 4, 1],
    ]);
    expect(all.jobs).toBe(1);
  } finally {
    await db.close();
    await server.stop();
  }
});
