/** Goal: what a query cannot hold of ids that were given again is counted, not lost. Method: more of them than fit. */
import { expect, test } from 'vitest';
import { asManyAsFit, closeStarts, numberSql, type ReusedId } from '../../src/figures/capacity/reused-ids.ts';

const T0 = Date.UTC(2026, 2, 2) * 1000;
const idsOf = (count: number): ReusedId[] =>
  Array.from({ length: count }, (_, index) => ({
    jobId: String(4_000_000 + index),
    cluster: 'north',
    startsUs: [T0 + index * 1e6],
    closeUs: [],
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

test('moments at which a job follows soon on another are read finely, and ids that have more of them are counted', () => {
  const at = (...closeUs: readonly number[]): ReusedId => ({ ...idsOf(1)[0]!, closeUs });
  const twelve = Array.from({ length: 12 }, (_, index) => index);
  expect(closeStarts([at(...twelve), at(3), at(), at(4, 12), at(13)])).toEqual({ atUs: twelve, left: 2 });
  expect(closeStarts([at(1, 2), at(2)])).toEqual({ atUs: [1, 2], left: 0 });
});
