/** Goal: numbers are the exporter's, digit by digit. Method: tables whose right side was written by hand from Go's rules and C's `%f`. */
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { sampleNumber, shortestNumber } from '../../../src/core/exposition/sample-number.ts';
import { findField } from '../../../src/core/fields/find-field.ts';

const POWER = findField('DCGM_FI_DEV_POWER_USAGE')!;
const ENERGY = findField('DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION')!;
const CLOCK = findField('DCGM_FI_DEV_SM_CLOCK')!;
const MEMORY = findField('DCGM_FI_DEV_FB_USED')!;
const USE = findField('DCGM_FI_DEV_GPU_UTIL')!;
const ACTIVE = findField('DCGM_FI_PROF_SM_ACTIVE')!;

test.each([
  // Of base units back to those of the field: Hz → MHz, bytes → MiB, J → mJ, ratio → %.
  [CLOCK, 1_980e6, '1980', '1980'],
  [MEMORY, 81_559 * 1024 * 1024, '81559', '81559'],
  [ENERGY, 126_272_101.025, '126272101025', '1.26272101025e+11'],
  [USE, 0.57, '57', '57'],
  [USE, 0.29, '29', '29'],
  [POWER, 350.5, '350.500000', '350.5'],
  [POWER, 71.123456789, '71.123457', '71.123457'],
  [ACTIVE, 0.427186, '0.427186', '0.427186'],
  // Six decimals are all that there is: less is nothing.
  [ACTIVE, 0.0000004, '0.000000', '0'],
  [ACTIVE, 0.000001, '0.000001', '1e-06'],
  [ACTIVE, 0.00012, '0.000120', '0.00012'],
  [ACTIVE, 1, '1.000000', '1'],
  // A tie goes to the even digit.
  [ACTIVE, 0.0078125, '0.007812', '0.007812'],
  [ACTIVE, 0.0234375, '0.023438', '0.023438'],
  [POWER, 1e22, '10000000000000000000000.000000', '1e+22'],
] as const)('%o of %d', (field, value, decimals, shortest) => {
  expect(sampleNumber(value, field, '4.8.2')).toBe(decimals);
  expect(sampleNumber(value, field, '4.8.4')).toBe(shortest);
});

test.each([
  [0, '0'],
  [-0, '-0'],
  [999_999, '999999'],
  [1_000_000, '1e+06'],
  [1_234_567.5, '1.2345675e+06'],
  [0.0001, '0.0001'],
  [0.00009, '9e-05'],
  [-2.5, '-2.5'],
  [1e100, '1e+100'],
])('%d is %s', (value, text) => {
  expect(shortestNumber(value)).toBe(text);
});

test('six decimals are those of printf', () => {
  // Multiples of 2^-7 are the only ones that can lie in the middle.
  const values = Array.from({ length: 300 }, (_, index) => index / 128).concat([0.1, 1 / 3, 1234.56789]);
  const printed = execFileSync('printf', ['%.6f\n', ...values.map(String)], { encoding: 'utf8' });
  expect(values.map((value) => sampleNumber(value, POWER, '4.8.2'))).toEqual(printed.trim().split('\n'));
});
