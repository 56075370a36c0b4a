import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backoffMs, STORE_BACKOFF } from '../../../src/core/base/backoff.ts';

describe('backoffMs', () => {
  test('doubles from the first delay up to the largest', () => {
    const ceilings = [1, 2, 3, 4, 5, 6, 7, 8].map(
      (attempt) => backoffMs(attempt, 0, { firstMs: 100, delayMsMax: 5_000 }) * 2,
    );
    expect(ceilings).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000]);
  });

  test('stays between half of its ceiling and the ceiling, at any attempt', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (attempt, random) => {
          const delayMs = backoffMs(attempt, random);
          expect(delayMs).toBeGreaterThanOrEqual(STORE_BACKOFF.firstMs / 2);
          expect(delayMs).toBeLessThanOrEqual(STORE_BACKOFF.delayMsMax);
        },
      ),
    );
  });

  test('refuses an attempt that is not counted from 1', () => {
    expect(() => backoffMs(0, 0.5)).toThrow(/counts from 1/);
  });
});
