/**
 * Goal: each day of a window on which nobody told that a node was up for all of it is named, whatever is told of the days around it. Method:
 * drawn weeks of nodes in a real QuestDB, a letter a day; the letters say what is right.
 */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { readNodeDays } from '../../../src/figures/capacity/installed/node-days.ts';
import { openQuestDb, type QuestDb } from '../../../src/questdb/http.ts';
import { applySchema } from '../../../src/questdb/schema/apply.ts';
import { insertRows } from '../../helpers/insert-rows.ts';

const HOUR_US = 3600e6;
const DAY_US = 24 * HOUR_US;
const START_US = Date.UTC(2019, 4, 6) * 1000;

/** A day: `u` up, `d` drained for an hour of it, `.` nobody told, `x` told as unknown, `h` nobody told of an hour of it, `2` told of twice. */
const WEEKS: Readonly<Record<string, string>> = {
  'nd-whole': 'uuuuuuu',
  'nd-drained': 'uududuu',
  'nd-hole': 'uuu.uuu',
  'nd-holes-and-others': 'ud.u.du',
  'nd-begins-late': '..uuuu.',
  'nd-single': '...u...',
  'nd-never-up': 'ddx.ddd',
  'nd-partly': 'uuhu2uu',
};
let db: QuestDb;

beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  await applySchema(db, [], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const rows = Object.entries(WEEKS).flatMap(([node, days]) =>
    Array.from(days).flatMap((letter, day) =>
      Array.from({ length: 24 }, (_, hour) => hour).flatMap((hour) => {
        if (letter === '.' || (letter === 'h' && hour === 9)) return [];
        const ts = START_US + day * DAY_US + hour * HOUR_US;
        const state = letter === 'd' && hour === 5 ? 'drained' : letter === 'x' ? 'unknown' : 'up';
        const row = { ts, end_ts: ts + HOUR_US, cluster: 'nd', node, state, slurm_state: state, gpus: 2 };
        return letter === '2' && hour === 7 ? [row, { ...row, ts: ts + 60e6 }] : [row];
      }),
    ),
  );
  await insertRows(db, 'node_states', rows);
});
afterAll(async () => {
  await db.close();
});

const TOLD: Readonly<Record<string, string>> = {
  d: 'partly',
  h: 'partly',
  '2': 'partly',
  '.': 'untold',
  x: 'untold',
};

/** What stands in the letters. */
function right(days: string): [number, string][] {
  return Array.from(days).flatMap((letter, day): [number, string][] => {
    const told = TOLD[letter];
    return told === undefined ? [] : [[START_US + day * DAY_US, told]];
  });
}

test.each([
  ['all together', Object.keys(WEEKS)],
  ...Object.keys(WEEKS).map((node) => [node, [node]] as const),
] as const)('%s', async (_, nodes) => {
  const daysOf = await readNodeDays(db, { fromUs: START_US, toUs: START_US + 7 * DAY_US });
  const found = nodes.map((node) => [...(daysOf('nd', node) ?? [])]);
  expect(found).toEqual(nodes.map((node) => right(WEEKS[node]!)));
});

test('a window that begins within a day asks of the rest of it', async () => {
  const fromUs = START_US + 2 * DAY_US + 6 * HOUR_US;
  const daysOf = await readNodeDays(db, { fromUs, toUs: START_US + 4 * DAY_US });
  // The drained hour of that day lies before.
  expect([...daysOf('nd', 'nd-drained')!]).toEqual([]);
  expect([...daysOf('nd', 'nd-hole')!]).toEqual([[START_US + 3 * DAY_US, 'untold']]);
});

test('of a node that nobody told of nothing is known', async () => {
  const daysOf = await readNodeDays(db, { fromUs: START_US, toUs: START_US + 7 * DAY_US });
  expect(daysOf('nd', 'nd-other')).toBeUndefined();
});
