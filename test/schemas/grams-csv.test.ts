/** Goal: a file of hourly grams is read as it says, row by row, and what is none is refused with a sentence. Method: texts made by hand. */
import { describe, expect, test } from 'vitest';
import { parseGrams } from '../../schemas/costs/grams-csv.ts';
import { OperatingError } from '../../src/core/base/errors.ts';

const T0 = Date.UTC(2026, 10, 20, 9) * 1000;

function refusal(text: string): string {
  try {
    parseGrams(text, 'g.csv');
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    expect([thrown.code, thrown.exit, thrown.where]).toEqual(['costs.grams_file', 'config', 'g.csv']);
    return thrown.message;
  }
  return 'accepted';
}

test('hours are read, whatever stands beside them', () => {
  const { grams, refused } = parseGrams(
    '\uFEFF# of the grid\r\nzone,ts,grams\r\nDE,2026-11-20T09:00:00Z,123.5\r\n\r\nDE,2026-11-20T10:00,0\r\nDE, 2026-11-20T12:00Z , 5000 \r\n',
    'g.csv',
  );
  expect([...grams]).toEqual([
    [T0, 123.5],
    [T0 + 3600e6, 0],
    [T0 + 3 * 3600e6, 5000],
  ]);
  expect(refused).toEqual([]);
});

describe('a row that is wrong', () => {
  test.each([
    ['2026-11-20T10:30Z,1', 'ts is no whole hour'],
    ['2026-02-30T10:00Z,1', 'ts is no ISO time in UTC'],
    ['2026-11-20T10:00+01:00,1', 'ts is no ISO time in UTC'],
    ['1763632800,1', 'ts is no ISO time in UTC'],
    ['2026-11-20T10:00Z,', 'grams is no number of 0 or more'],
    ['2026-11-20T10:00Z', 'grams is no number of 0 or more'],
    ['2026-11-20T10:00Z,-1', 'grams is no number of 0 or more'],
    ['2026-11-20T10:00Z,NaN', 'grams is no number of 0 or more'],
    ['2026-11-20T10:00Z,1e3', 'grams is no number of 0 or more'],
    ['2026-11-20T10:00Z,"1,5"', 'grams is no number of 0 or more'],
    ['2026-11-20T10:00Z,5001', 'grams is more than 5000'],
    ['2026-11-20T09:00Z,7', 'the hour comes twice'],
  ])('%s costs itself only', (row, why) => {
    const { grams, refused } = parseGrams(`ts,grams\n2026-11-20T09:00Z,100\n${row}\n`, 'g.csv');
    expect([...grams]).toEqual([[T0, 100]]);
    expect(refused).toEqual([{ line: 3, why }]);
  });
});

test.each([
  ['', /expected the columns ts and grams, came nothing/],
  ['time,grams\n2026-11-20T09:00Z,1\n', /expected the columns ts and grams, came others/],
  ['ts,grams\n', /expected hours, came none that is right$/],
  ['ts,grams\nyesterday,1\n', /came none that is right \(line 2: ts is no ISO time in UTC\)/],
  ['ts,grams\n"2026-11-20T09:00Z,1\n', /not CSV/],
  ['\0\0\0', /expected the columns ts and grams/],
])('%j is no such file', (text, message) => {
  expect(refusal(text)).toMatch(message);
});
