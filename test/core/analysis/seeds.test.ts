/**
 * Goal: each cause is told within 1 point of the owned time, at any interval up to a second. Method: jobs drawn by seed, sampled as
 * a lane would record them, against what the scenario states of itself.
 */
import { expect, test } from 'vitest';
import { seededJob, wrongIn } from './seeded-jobs.ts';

const SEEDS = 12;

test('the causes of drawn jobs are the true ones', () => {
  const wrong = Array.from({ length: SEEDS }, (_, seed) => wrongIn(seededJob(seed, 1e6, 900))).flat();
  expect(wrong).toEqual([]);
});
