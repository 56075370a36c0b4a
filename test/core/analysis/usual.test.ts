/** Median and deviation by hand, and from where on a value is more than usual. */
import { expect, test } from 'vitest';
import { isMoreThanUsual, usualOf } from '../../../src/core/analysis/usual.ts';

test.each([
  { values: [7], median: 7, mad: 0 },
  { values: [3, 1], median: 2, mad: 1 },
  { values: [1, 1, 2, 2, 4, 6, 9], median: 2, mad: 1 },
  { values: [10, 10, 10, 10, 1000], median: 10, mad: 0 },
  { values: [4, 1, 3, 2], median: 2.5, mad: 1 },
])('$values', ({ values, median, mad }) => {
  expect(usualOf(values)).toEqual({ count: values.length, median, mad });
});

test('of none nothing is usual', () => {
  expect(usualOf([])).toEqual({ count: 0, median: NaN, mad: NaN });
  expect(isMoreThanUsual(1e9, usualOf([]), 0.05)).toBe(false);
});

const around = (median: number, mad: number, count = 5) => ({ count, median, mad });

test.each([
  { what: 'equal runs', value: 100, usual: around(100, 0), is: false },
  { what: 'a little beside equal runs', value: 104.9, usual: around(100, 0), is: false },
  { what: 'a twentieth beside equal runs', value: 105, usual: around(100, 0), is: true },
  { what: 'three deviations', value: 130, usual: around(100, 10), is: false },
  { what: 'more than three deviations', value: 130.1, usual: around(100, 10), is: true },
  { what: 'more than three small deviations', value: 104, usual: around(100, 1), is: false },
  { what: 'less than usual', value: 10, usual: around(100, 1), is: false },
  { what: 'four runs', value: 1000, usual: around(100, 0, 4), is: false },
  { what: 'something beside nothing', value: 1, usual: around(0, 0), is: true },
  { what: 'nothing beside nothing', value: 0, usual: around(0, 0), is: false },
])('$what', ({ value, usual, is }) => {
  expect(isMoreThanUsual(value, usual, 0.05)).toBe(is);
});
