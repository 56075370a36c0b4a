/**
 * Goal: lines of a bill add up to its total to the coin and the second, whatever the grouping, and none is off by a coin.
 * Method: properties over made-up fractions; decimals against what was written.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  decimalOf,
  decimalText,
  digitsAt,
  largestRemainder,
  minorPlaces,
  rounded,
} from '../../../src/core/costs/exact.ts';

const sumOf = (all: readonly bigint[]): bigint => all.reduce((sum, one) => sum + one, 0n);

test('parts that are rounded add up to the rounded sum, and none is off by one', () => {
  fc.assert(
    fc.property(
      fc.array(fc.bigInt({ min: 0n, max: 10n ** 24n }), { maxLength: 40 }),
      fc.bigInt({ min: 1n, max: 10n ** 15n }),
      (numerators, denominator) => {
        const whole = largestRemainder(numerators, denominator);
        expect(sumOf(whole)).toBe(rounded(sumOf(numerators), denominator));
        whole.forEach((one, index) => {
          const off = one * denominator - numerators[index]!;
          expect(off < denominator && off > -denominator).toBe(true);
          // What is a whole number stays as it is.
          if (numerators[index]! % denominator === 0n) expect(off).toBe(0n);
        });
      },
    ),
    { numRuns: 1000 },
  );
});

test('two groupings of the same parts have the same total', () => {
  const part = fc.record({ amount: fc.bigInt({ min: 0n, max: 10n ** 12n }), a: fc.nat(4), b: fc.nat(4) });
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 60 }), (parts) => {
      const totalBy = (key: 'a' | 'b'): bigint =>
        sumOf(
          largestRemainder(
            [...Map.groupBy(parts, (one) => one[key]).values()].map((own) =>
              sumOf(own.map(({ amount }) => amount)),
            ),
            3600n,
          ),
        );
      expect(totalBy('a')).toBe(totalBy('b'));
    }),
  );
});

test('the cent that is missing goes to the largest remainder, of two alike to the first', () => {
  expect(largestRemainder([10n, 10n, 10n], 3n)).toEqual([4n, 3n, 3n]);
  expect(largestRemainder([1n, 5n, 4n], 6n)).toEqual([0n, 1n, 1n]);
  expect(largestRemainder([], 7n)).toEqual([]);
});

test.each([
  [0.1, { digits: 1n, places: 1 }],
  [3.2, { digits: 32n, places: 1 }],
  [2, { digits: 2n, places: 0 }],
  [0, { digits: 0n, places: 0 }],
  [1e-7, { digits: 1n, places: 7 }],
  [1.5e-9, { digits: 15n, places: 10 }],
  [1e21, { digits: 10n ** 21n, places: 0 }],
  [123456.789, { digits: 123456789n, places: 3 }],
])('%d is the decimal that was written', (value, decimal) => {
  expect(decimalOf(value)).toEqual(decimal);
});

test('any price is the decimal that JavaScript writes', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (value) => {
      const { digits, places } = decimalOf(value);
      expect(Number(`${digits}e-${places}`)).toBe(value === 0 ? 0 : value);
      expect(digitsAt({ digits, places }, places + 2)).toBe(digits * 100n);
    }),
  );
});

test('coins of a currency, and texts of them', () => {
  expect(['EUR', 'JPY', 'KWD', 'CLP', '€', 'credits', undefined].map(minorPlaces)).toEqual([
    2, 0, 3, 0, 2, 2, 2,
  ]);
  expect([decimalText(123450n, 2), decimalText(5n, 2), decimalText(-5n, 2), decimalText(7n, 0)]).toEqual([
    '1234.50',
    '0.05',
    '-0.05',
    '7',
  ]);
});
