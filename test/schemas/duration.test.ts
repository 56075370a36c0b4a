import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatDuration, parseBytes, parseDurationMs } from '../../schemas/duration.ts';
import { OperatingError } from '../../src/core/base/errors.ts';

function refusalOf(parse: (text: string) => number, text: string): string {
  try {
    parse(text);
  } catch (thrown) {
    if (thrown instanceof OperatingError) return `${thrown.exit}: ${thrown.message}`;
    throw thrown;
  }
  return 'accepted';
}

describe('durations', () => {
  test.each([
    ['100ms', 100],
    ['1s', 1_000],
    ['0.1s', 100],
    ['1.1h', 3_960_000],
    ['90s', 90_000],
    ['10m', 600_000],
    ['14d', 1_209_600_000],
    ['2w', 1_209_600_000],
    [' 5 s ', 5_000],
    ['0s', 0],
    ['1m30s', 90_000],
    ['1h0m0.5s', 3_600_500],
    ['1s500ms', 1_500],
  ])('%s is %i ms', (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms);
  });

  test.each([
    ['5', 'came 5 without a unit'],
    ['', 'came nothing'],
    ['5M', 'came "5M" with the unit "M"'],
    ['5min', 'came "5min" with the unit "min"'],
    ['-1s', 'came "-1s"'],
    ['1e3s', 'came "1e3s"'],
    ['s', 'came "s"'],
    ['1s 2s', 'came "1s 2s"'],
    ['1m30', 'came "1m30"'],
    ['1m5x', 'came "1m5x"'],
    ['1.5.5s', 'came "1.5.5s"'],
    ['0.5ms', 'came "0.5ms", which is no whole number of milliseconds'],
    ['constructor', 'came "constructor"'],
    ['1toString', 'came "1toString" with the unit "toString"'],
    ['99999999999999999d', 'came "99999999999999999d", which is no whole number of milliseconds'],
  ])('%j is refused', (text, came) => {
    const expected = `config: expected a duration with its unit (ms, s, m, h, d, w), ${came}`;
    expect(refusalOf(parseDurationMs, text)).toBe(expected);
  });

  test('what is formatted parses back', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 40), (ms) => {
        expect(parseDurationMs(formatDuration(ms))).toBe(ms);
      }),
    );
  });

  test('a decimal fraction is exact wherever the milliseconds are whole', () => {
    fc.assert(
      fc.property(fc.nat(1_000_000), fc.nat(999), (whole, thousandths) => {
        const text = `${whole}.${String(thousandths).padStart(3, '0')}s`;
        expect(parseDurationMs(text)).toBe(whole * 1_000 + thousandths);
      }),
    );
  });

  test.each([
    [0, '0s'],
    [1, '1ms'],
    [1_000, '1s'],
    [1_500, '1500ms'],
    [90_000, '90s'],
    [86_400_000, '1d'],
  ])('%i ms reads %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});

describe('sizes', () => {
  test.each([
    ['64MiB', 67_108_864],
    ['1.5KiB', 1_536],
    ['2GB', 2_000_000_000],
    ['10B', 10],
  ])('%s is %i bytes', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  test.each([
    ['64', 'came 64 without a unit'],
    ['64M', 'came "64M" with the unit "M"'],
    ['64mib', 'came "64mib" with the unit "mib"'],
  ])('%j is refused', (text, came) => {
    const expected = `config: expected a size with its unit (B, kB, MB, GB, TB, KiB, MiB, GiB, TiB), ${came}`;
    expect(refusalOf(parseBytes, text)).toBe(expected);
  });
});
