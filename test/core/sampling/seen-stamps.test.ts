import { describe, expect, test } from 'vitest';
import { SeenStamps } from '../../../src/core/sampling/seen-stamps.ts';

const SINCE = 1_000;

describe('the stamp of a newest value', () => {
  test('that was there at the first look was told by an earlier life', () => {
    const seen = new SeenStamps<string>(SINCE);
    expect([900, 900, 1_200].map((tsUs) => seen.look('a', tsUs))).toEqual([undefined, undefined, 901]);
  });

  test('that came before the first look is new, with all since the beginning', () => {
    const seen = new SeenStamps<string>(SINCE);
    expect(seen.look('a', 1_200)).toBe(SINCE + 1);
    seen.note('a', 1_200);
    expect([1_200, 1_201].map((tsUs) => seen.look('a', tsUs))).toEqual([undefined, 1_201]);
  });

  test('is new when there was none before, with all that there is', () => {
    const seen = new SeenStamps<string>(SINCE);
    expect([undefined, undefined, 1_200].map((tsUs) => seen.look('a', tsUs))).toEqual([
      ...[undefined, undefined, SINCE + 1],
    ]);
    // Of a clock that was set back.
    expect([undefined, 400].map((tsUs) => seen.look('b', tsUs))).toEqual([undefined, 0]);
  });

  test('is new also when it is older: the clock was set back', () => {
    const seen = new SeenStamps<string>(SINCE);
    seen.look('a', 1_200);
    seen.note('a', 1_200);
    expect(seen.look('a', 300)).toBe(300);
    seen.note('a', 300);
    expect([300, 301].map((tsUs) => seen.look('a', tsUs))).toEqual([undefined, 301]);
    expect(seen.look('b', 300)).toBeUndefined();
  });
});
