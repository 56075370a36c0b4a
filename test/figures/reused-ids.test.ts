/** Goal: what a query cannot hold of ids that were given again is counted, not lost. Method: more of them than fit. */
import { expect, test } from 'vitest';
import {
  asManyAsFit,
  closeStarts,
  mixedIds,
  numberSql,
  type ReusedId,
} from '../../src/figures/capacity/reused-ids.ts';
import type { Level, Segment } from '../../src/figures/levels.ts';

const T0 = Date.UTC(2026, 2, 2) * 1000;
const [MINUTE, HOUR, DAY] = [60e6, 3600e6, 86_400e6];
const idsOf = (count: number): ReusedId[] =>
  Array.from({ length: count }, (_, index) => ({
    jobId: String(4_000_000 + index),
    cluster: 'north',
    later: [{ startUs: T0 + index * 1e6, beforeUs: T0 - 3 * DAY }],
  }));

test('as many ids that were given again as a query holds are told apart, the others are counted', () => {
  const { ids, left } = asManyAsFit(idsOf(100));
  expect(ids.length).toBeGreaterThan(12);
  expect(ids.length + left).toBe(100);
  // The server takes 32 KiB; a query has this text for each of up to five parts of the window, and once for `jobs`.
  const text = numberSql(ids, 's.job_id', 's.cluster', 's.ts', 3600e6);
  expect(6 * encodeURIComponent(text).length).toBeLessThan(24_000);
  expect(asManyAsFit(idsOf(5))).toEqual({ ids: idsOf(5), left: 0 });
});

/** An id of which a job begins at each of these times, so long after the one before had ended. */
const givenAgain = (afterUs: number, ...startsUs: readonly number[]): ReusedId => ({
  ...{ jobId: '7', cluster: undefined },
  later: startsUs.map((startUs) => ({ startUs, beforeUs: startUs - afterUs })),
});

test('moments at which a job follows soon on another are read finely, each once and twelve at most', () => {
  const twelve = Array.from({ length: 12 }, (_, index) => index * DAY);
  const soon = givenAgain(DAY - 1, ...twelve);
  expect(closeStarts([soon, givenAgain(HOUR, 0), givenAgain(HOUR, 13 * DAY)])).toEqual(twelve);
  expect(closeStarts([givenAgain(DAY, 5), givenAgain(Infinity, 6)])).toEqual([]);
});

test('an id is counted where one of its jobs ends and the next begins in a bucket that is read', () => {
  const of = (level: Level, fromUs: number, toUs: number): Segment => ({
    ...{ table: 'x', columns: new Set<string>() },
    ...{ level, spans: [{ fromUs: T0 + fromUs, toUs: T0 + toUs }] },
  });
  const at = T0 + 7.5 * HOUR;
  const hours = [of('1h', 0, 7 * HOUR), of('1h', 7 * HOUR, 8 * HOUR), of('1h', 8 * HOUR, DAY)];
  expect(mixedIds([givenAgain(0.5 * HOUR, at)], hours)).toBe(1);
  expect(mixedIds([givenAgain(0.5 * HOUR + 1, at)], hours)).toBe(0);
  expect(mixedIds([givenAgain(1, at), givenAgain(10, at, at + HOUR), givenAgain(DAY, at)], hours)).toBe(2);
  // From finer buckets, or from the samples, they are told apart.
  const finer = (level: Level): Segment[] => [hours[0]!, of(level, 7 * HOUR, 8 * HOUR), hours[2]!];
  expect(mixedIds([givenAgain(MINUTE, at)], finer('1m'))).toBe(0);
  expect(mixedIds([givenAgain(0, at)], finer('1m'))).toBe(1);
  expect(mixedIds([givenAgain(0, at)], finer('raw'))).toBe(0);
  // Of an end that nobody told it may be any.
  expect(mixedIds([givenAgain(-Infinity, at)], finer('1m'))).toBe(1);
});
