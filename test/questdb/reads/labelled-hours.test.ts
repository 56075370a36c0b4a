/** Hours of a rollup with the copy of its old buckets: those that both have count once. */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { findField } from '../../../src/core/fields/find-field.ts';
import type { Lane } from '../../../src/core/fields/lane.ts';
import { openQuestDb, type QuestDb } from '../../../src/questdb/http.ts';
import { findHourRollup, readLabelledHours } from '../../../src/questdb/reads/labelled-hours.ts';
import { applySchema } from '../../../src/questdb/schema/apply.ts';
import { waitForRollups, waitForVisible } from '../../../src/questdb/visible.ts';
import { sendRows } from '../../helpers/send-rows.ts';

const HOUR_US = 3_600e6;
const START_US = Date.UTC(2026, 2, 2, 8) * 1000;
const GPU = `GPU-hours-${process.pid}`;
const lane: Lane = {
  name: 'labelled_hours',
  table: `gpu_labelled_hours_${process.pid}`,
  schedule: 'continuous',
  intervalMs: 600_000,
  fields: [findField(155)!],
  capacityTicks: 1,
};

let db: QuestDb;
beforeAll(async () => {
  db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const rows = Array.from(
    { length: 24 },
    (_, index) =>
      `${lane.table},node=n1,gpu=${GPU} job_id="7",owners=1i,dt_us=600000000i,power_watts=50 ${START_US + index * 600e6}t\n`,
  );
  expect((await sendRows(db, rows.join(''))).unsent).toBeUndefined();
  await waitForRollups(db, [lane], START_US + 4 * HOUR_US);
});
afterAll(async () => {
  await db.close();
});

async function hoursOf(fromUs: number, toUs: number): Promise<readonly (readonly [number, number])[]> {
  const rollup = await findHourRollup(db, lane.table);
  const hours = await readLabelledHours(db, rollup!, GPU, { fromUs, toUs });
  return hours.map(({ hourUs, dtUs }) => [(hourUs - START_US) / HOUR_US, dtUs / HOUR_US] as const);
}

test('an hour that the copy and the view have is told once, by the copy', async () => {
  const all = [
    [0, 1],
    [1, 1],
    [2, 1],
    [3, 1],
  ];
  expect(await hoursOf(START_US - 1, START_US + 4 * HOUR_US)).toEqual(all);
  const aged = `${lane.table}_1h_aged`;
  // As where a move of old buckets was cut off before the view was made anew; and the copy tells another time than the view.
  await db.exec(
    `CREATE TABLE ${aged} AS (SELECT ts, gpu, job_id, owners, owner_set, cast(dt_us / 2 AS LONG) dt_us FROM ${lane.table}_1h` +
      ` WHERE ts < cast(${START_US + 2 * HOUR_US} AS timestamp)) TIMESTAMP(ts) PARTITION BY DAY WAL`,
  );
  await waitForVisible(db, aged);
  const both = [[0, 0.5], [1, 0.5], ...all.slice(2)];
  expect(await hoursOf(START_US - 1, START_US + 4 * HOUR_US)).toEqual(both);
  expect(await hoursOf(START_US + HOUR_US, START_US + 3 * HOUR_US - 1)).toEqual(both.slice(1, 3));
  await db.exec(`DROP TABLE ${aged}`);
});
