import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { measuredParts, type MeasuredUse } from '../../../src/core/jobs/measured-use.ts';

const S = 1e6;

function use(
  jobId: string | undefined,
  sm: number,
  memory = NaN,
  rest: Partial<MeasuredUse> = {},
): MeasuredUse {
  return {
    ...{ gpu: 'G', fromUs: 0, toUs: 100 * S, seenUs: 100 * S, smUseSeconds: sm, memoryByteSeconds: memory },
    ...(jobId === undefined ? { kind: 'no_job' } : { kind: 'job', jobId }),
    ...rest,
  };
}

const partsOver = (uses: readonly MeasuredUse[], fromUs = 0, toUs = 100 * S, owners = ['a', 'b']): object =>
  Object.fromEntries(measuredParts(uses, owners, [{ startUs: fromUs, endUs: toUs }]) ?? []);

describe('parts of a shared device', () => {
  test('are by SM use where any was seen', () => {
    expect(partsOver([use('a', 30, 1), use('b', 10, 99)])).toEqual({ a: 0.75, b: 0.25 });
  });

  test('are by memory where no SM use was seen, or the driver does not tell it', () => {
    expect(partsOver([use('a', 0, 30), use('b', 0, 10)])).toEqual({ a: 0.75, b: 0.25 });
    expect(partsOver([use('a', NaN, 30), use('b', NaN, 10)])).toEqual({ a: 0.75, b: 0.25 });
    expect(partsOver([use('a', 5, 30), use('b', NaN, 10)])).toEqual({ a: 0.75, b: 0.25 });
  });

  test('are unknown where nothing was seen', () => {
    expect(partsOver([])).toEqual({});
    expect(partsOver([use('a', 0, 0), use('b', 0, 0)])).toEqual({});
    expect(partsOver([use('a', NaN), use('b', NaN)])).toEqual({});
    expect(partsOver([use('a', 3, 1, { seenUs: 0 }), use('b', 1, 1, { seenUs: 0 })])).toEqual({});
  });

  test('are 0 for an owner that did nothing, if all that was done was some owner’s', () => {
    expect(partsOver([use('a', 30, 1), use('b', 0, 1)])).toEqual({ a: 1, b: 0 });
  });

  test.each([
    ['a process without a job', use(undefined, 5, 5)],
    ['a process that could not be looked at', use(undefined, 5, 5, { kind: 'unknown' })],
    ['a job that does not own the device', use('x', 5, 5)],
  ])('are unknown where an owner did nothing and %s did something: it may be that owner’s', (_, other) => {
    expect(partsOver([use('a', 30, 30), use('b', 0, 0), other])).toEqual({});
    expect(partsOver([use('a', 30), use('b', 10), other])).toEqual({ a: 0.75, b: 0.25 });
  });

  test('go by the memory of its clients where only the server of MPS is seen to compute', () => {
    const server = use(undefined, 50, 7, { kind: 'mps_server' });
    expect(partsOver([use('a', 0, 30), use('b', 0, 10), server])).toEqual({ a: 0.75, b: 0.25 });
    expect(partsOver([use('a', 20, 30), use('b', 0, 10), server])).toEqual({ a: 0.75, b: 0.25 });
    expect(partsOver([use('a', 0, 30), use('b', 0, 0), server])).toEqual({ a: 1, b: 0 });
    expect(partsOver([use('a', 20, 30), use('b', 60, 10), server])).toEqual({ a: 0.25, b: 0.75 });
  });

  test('take of a window what lies in the time, and of several windows the sum', () => {
    const later = { fromUs: 100 * S, toUs: 200 * S };
    const uses = [use('a', 40), use('b', 0), use('a', 0, NaN, later), use('b', 80, NaN, later)];
    expect(partsOver(uses)).toEqual({ a: 1, b: 0 });
    expect(partsOver(uses, 50 * S, 150 * S)).toEqual({ a: 20 / 60, b: 40 / 60 });
    expect(partsOver(uses, 200 * S, 300 * S)).toEqual({});
  });

  test('are of all the time that the owners had, also where others came between', () => {
    const windowOf = (at: number, a: number, b: number): MeasuredUse[] => {
      const window = { fromUs: at * 100 * S, toUs: (at + 1) * 100 * S };
      return [use('a', a, NaN, window), use('b', b, NaN, window)];
    };
    const uses = [
      ...windowOf(0, 30, 10),
      ...windowOf(1, 0, 100),
      ...windowOf(2, 10, 30),
      ...windowOf(3, 0, 40),
    ];
    const spans = (
      ...hundreds: readonly (readonly [number, number])[]
    ): { startUs: number; endUs: number }[] =>
      hundreds.map(([from, to]) => ({ startUs: from * 100 * S, endUs: to * 100 * S }));
    const over = (...hundreds: readonly (readonly [number, number])[]): object =>
      Object.fromEntries(measuredParts(uses, ['a', 'b'], spans(...hundreds)) ?? []);
    expect(over([0, 1], [2, 3])).toEqual({ a: 0.5, b: 0.5 });
    expect(over([0, 1], [2, Infinity])).toEqual({ a: 1 / 3, b: 2 / 3 });
    // Two of these four hundred seconds were looked at, and two of five.
    expect(over([0, 1], [3, 6])).toEqual({ a: 3 / 8, b: 5 / 8 });
    expect(over([0, 1], [3, 7])).toEqual({});
  });

  test('are unknown where less than half of the time was looked at', () => {
    const seen = (seenUs: number): MeasuredUse[] => [use('a', 3, 1, { seenUs }), use('b', 1, 1, { seenUs })];
    expect(partsOver(seen(50 * S))).toEqual({ a: 0.75, b: 0.25 });
    expect(partsOver(seen(49 * S))).toEqual({});
    expect(partsOver(seen(100 * S), 0, 300 * S)).toEqual({});
  });

  test('go by what was seen until now where the time is not over', () => {
    const seen = [use('a', 30), use('b', 10)];
    expect(partsOver(seen, 0, Infinity)).toEqual({ a: 0.75, b: 0.25 });
    expect(partsOver(seen, -200 * S, Infinity)).toEqual({});
    expect(partsOver(seen, 100 * S, Infinity)).toEqual({});
  });

  test('add up to 1 and are the owners’, whatever was seen', () => {
    const amount = fc.oneof(fc.constant(NaN), fc.constant(0), fc.double({ min: 1e-3, max: 1e12 }));
    const anyUse = fc
      .record({
        jobId: fc.constantFrom('a', 'b', 'c', 'x', undefined),
        sm: amount,
        memory: amount,
        fromUs: fc.integer({ min: -100, max: 100 }),
        lengthUs: fc.integer({ min: 0, max: 100 }),
      })
      .map(({ jobId, sm, memory, fromUs, lengthUs }) =>
        use(jobId, sm, memory, { fromUs, toUs: fromUs + lengthUs, seenUs: lengthUs }),
      );
    fc.assert(
      fc.property(fc.array(anyUse, { maxLength: 12 }), (uses) => {
        const parts = measuredParts(uses, ['a', 'b', 'c'], [{ startUs: 0, endUs: 60 }]);
        if (parts === undefined) return;
        expect([...parts.keys()]).toEqual(['a', 'b', 'c']);
        expect([...parts.values()].reduce((sum, part) => sum + part, 0)).toBeCloseTo(1, 9);
        expect(Math.min(...parts.values())).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
