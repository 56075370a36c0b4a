import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  joinStays,
  MEASURED_SOURCE,
  partsOf,
  partsWithin,
  type DevicePart,
  type TellingOfStay,
} from '../../../src/core/jobs/device-parts.ts';

const stay = (
  jobId: string,
  startUs: number,
  endUs: number,
  share?: number,
  source = 'journal',
): TellingOfStay => ({
  gpu: 'G',
  jobId,
  startUs,
  endUs,
  share,
  source,
});

/** `a 0.5 stated` of everybody who has a part at that time. */
function at(parts: readonly DevicePart[], us: number): string[] {
  return parts
    .filter(({ startUs, endUs }) => startUs < us && us <= endUs)
    .map(({ jobId, part, sharing, isScaled }) => `${jobId} ${part} ${sharing}${isScaled ? ' scaled' : ''}`)
    .sort();
}

describe('the owners of a device', () => {
  test.each<[string, readonly TellingOfStay[], readonly string[]]>([
    ['one, told nothing', [stay('a', 0, 10)], ['a 1 whole']],
    ['one, told a half', [stay('a', 0, 10, 0.5)], ['a 0.5 stated']],
    ['two, told nothing', [stay('a', 0, 10), stay('b', 0, 10, NaN)], ['a 0.5 equal', 'b 0.5 equal']],
    ['told and untold', [stay('a', 0, 10, 0.75), stay('b', 0, 10)], ['a 0.75 stated', 'b 0.25 equal']],
    [
      'two untold beside a told one',
      [stay('a', 0, 10, 0.5), stay('b', 0, 10), stay('c', 0, 10)],
      ['a 0.5 stated', 'b 0.25 equal', 'c 0.25 equal'],
    ],
    ['told ones leave nothing', [stay('a', 0, 10, 1), stay('b', 0, 10)], ['a 1 whole', 'b 0 equal']],
    [
      'told ones are more than all',
      [stay('a', 0, 10, 1), stay('b', 0, 10, 0.5), stay('c', 0, 10, 0.5), stay('d', 0, 10)],
      ['a 0.5 stated scaled', 'b 0.25 stated scaled', 'c 0.25 stated scaled', 'd 0 equal'],
    ],
    ['one job told twice', [stay('a', 0, 10), stay('a', 0, 10)], ['a 1 whole']],
    [
      'one job told twice, once with its share',
      [stay('a', 0, 10), stay('a', 2, 12, 0.25), stay('b', 0, 10)],
      ['a 0.25 stated', 'b 0.75 equal'],
    ],
    ['one job told twice, unlike', [stay('a', 0, 10, 1), stay('a', 0, 10, 0.25)], ['a 0.25 stated']],
    [
      'measured ones divide their equal parts',
      [
        stay('a', 0, 10, 0.25, MEASURED_SOURCE),
        stay('b', 0, 10, 0.75, MEASURED_SOURCE),
        stay('c', 0, 10),
        stay('d', 0, 10, 0.25),
      ],
      ['a 0.125 measured', 'b 0.375 measured', 'c 0.25 equal', 'd 0.25 stated'],
    ],
    ['one, measured among others that are gone', [stay('a', 0, 10, 0.2, MEASURED_SOURCE)], ['a 1 whole']],
    ['no longer there, not yet there', [stay('a', 0, 5), stay('b', 5, 5), stay('c', 8, Infinity)], []],
  ])('%s', (_, stays, expected) => {
    expect(at(partsOf(stays), 6)).toEqual(expected);
  });

  test('change with who comes and goes, and devices know nothing of each other', () => {
    const other = { ...stay('a', 0, 40), gpu: 'H' };
    expect(partsOf([stay('a', 0, 30), other, stay('b', 10, 20)])).toEqual([
      { gpu: 'G', jobId: 'a', startUs: 0, endUs: 10, part: 1, sharing: 'whole', isScaled: false },
      { gpu: 'G', jobId: 'a', startUs: 10, endUs: 20, part: 0.5, sharing: 'equal', isScaled: false },
      { gpu: 'G', jobId: 'b', startUs: 10, endUs: 20, part: 0.5, sharing: 'equal', isScaled: false },
      { gpu: 'G', jobId: 'a', startUs: 20, endUs: 30, part: 1, sharing: 'whole', isScaled: false },
      { gpu: 'H', jobId: 'a', startUs: 0, endUs: 40, part: 1, sharing: 'whole', isScaled: false },
    ]);
  });
});

const telling = fc
  .record({
    jobId: fc.constantFrom('a', 'b', 'c', 'd'),
    startUs: fc.integer({ min: 0, max: 20 }),
    lengthUs: fc.oneof(fc.integer({ min: 0, max: 12 }), fc.constant(Infinity)),
    share: fc.oneof(fc.constantFrom(undefined, NaN, 1), fc.double({ min: 0.01, max: 1, noNaN: true })),
    source: fc.constantFrom('journal', MEASURED_SOURCE),
  })
  .map(({ lengthUs, ...rest }): TellingOfStay => ({ gpu: 'G', ...rest, endUs: rest.startUs + lengthUs }));

test('no device is given away more than once, none whose owners were not all told is left over, and each job counts once', () => {
  fc.assert(
    fc.property(fc.array(telling, { maxLength: 12 }), (stays) => {
      const parts = partsOf(stays);
      for (let us = 0; us <= 34; us += 1) {
        const owning = stays.filter(({ startUs, endUs }) => startUs < us && us <= endUs);
        const own = parts.filter(({ startUs, endUs }) => startUs < us && us <= endUs);
        expect(own.map(({ jobId }) => jobId).sort()).toEqual(
          [...new Set(owning.map(({ jobId }) => jobId))].sort(),
        );
        const sum = own.reduce((total, { part }) => total + part, 0);
        expect(sum).toBeLessThanOrEqual(1 + 1e-8);
        expect(own.every(({ part }) => part >= 0)).toBe(true);
        if (own.some(({ sharing }) => sharing === 'equal' || sharing === 'measured'))
          expect(sum).toBeCloseTo(1, 8);
      }
    }),
  );
});

test('the parts are the same in whatever order the stays were told', () => {
  const shuffled = fc
    .array(telling, { maxLength: 10 })
    .chain((stays) => fc.tuple(fc.constant(stays), fc.shuffledSubarray(stays, { minLength: stays.length })));
  const lines = (stays: readonly TellingOfStay[]): string[] =>
    partsOf(stays)
      .map(({ part, ...rest }) => JSON.stringify({ ...rest, part: part.toFixed(9) }))
      .sort();
  fc.assert(
    fc.property(shuffled, ([stays, others]) => {
      expect(lines(others)).toEqual(lines(stays));
    }),
  );
});

test('stays that overlap or touch are one, and parts are cut to them', () => {
  const joined = joinStays([
    stay('a', 5, 10),
    stay('a', 0, 6),
    stay('a', 12, 14),
    stay('a', 10, 11),
    stay('a', 1, 2),
  ]);
  expect(joined.map(({ startUs, endUs }) => [startUs, endUs])).toEqual([
    [0, 11],
    [12, 14],
  ]);
  const parts = partsOf([stay('a', 0, 100), stay('b', 9, 13)]).filter(({ jobId }) => jobId === 'a');
  expect(partsWithin(parts, joined).map(({ startUs, endUs, part }) => [startUs, endUs, part])).toEqual([
    [0, 9, 1],
    [9, 11, 0.5],
    [12, 13, 0.5],
    [13, 14, 1],
  ]);
});
