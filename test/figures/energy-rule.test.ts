/** Which energy of a device is believed is decided in reports of jobs by a function, and in those of the fleet by SQL: it is one rule. */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { bestOfDevice, isCountedSql } from '../../src/figures/quantity.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';

let db: QuestDb;
beforeAll(async () => {
  db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
});
afterAll(async () => {
  await db.close();
});

/** Of a counter and of the integral of power: joules and µs. */
type Sums = readonly [number | undefined, number, number | undefined, number];

test.each<[string, Sums, number | undefined, number]>([
  ['the counter', [100, 4, 90, 5], 100, 4],
  ['the counter where no power was sampled', [100, 4, undefined, 0], 100, 4],
  ['power beside a counter that stands still', [0, 4, 90, 5], 90, 5],
  ['a counter that stands still while nothing is drawn', [0, 4, 0, 5], 0, 4],
  ['a counter that stands still where no power was sampled', [0, 4, undefined, 0], 0, 4],
  ['a counter that went back', [-3, 4, 90, 5], -3, 4],
  ['power where the counter knew no time', [100, 0, 90, 5], 90, 5],
  ['power where there is no counter', [undefined, 0, 90, 5], 90, 5],
  ['nothing where there is nothing', [undefined, 0, undefined, 0], undefined, 0],
])('%s', async (_, [counterJoules, counterUs, powerJoules, powerUs], bestJoules, bestUs) => {
  expect(bestOfDevice({ counterJoules, counterUs, powerJoules, powerUs })).toEqual({ bestJoules, bestUs });
  const isCounted = isCountedSql({ joules: 'cj', us: 'cu', power: 'pj' });
  const { rows } = await db.exec(
    `SELECT CASE WHEN ${isCounted} THEN cj ELSE pj END FROM (SELECT cast(${counterJoules ?? 'null'} AS DOUBLE) cj,` +
      ` cast(${counterUs} AS LONG) cu, cast(${powerJoules ?? 'null'} AS DOUBLE) pj FROM long_sequence(1))`,
  );
  expect(rows).toEqual([[bestJoules ?? null]]);
});
