/** The same as `seeds.test.ts` of more and longer jobs, and ten times as often. */
import { expect, test } from 'vitest';
import { seededJob, wrongIn } from './seeded-jobs.ts';

const SEEDS = 200;

test.each([
  ['a second', 1e6, 3600],
  ['a tenth of a second', 1e5, 1200],
])('the causes of drawn jobs are the true ones at %s', (_, tickUs, seconds) => {
  const wrong = Array.from({ length: SEEDS }, (__, seed) => wrongIn(seededJob(1000 + seed, tickUs, seconds)));
  expect(wrong.flat()).toEqual([]);
});
