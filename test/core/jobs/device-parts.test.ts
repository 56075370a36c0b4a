import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  joinStays,
  ownerSetsOf,
  partsOf,
  partsWithin,
  useQuestionOf,
  type DevicePart,
  type TellingOfStay,
} from '../../../src/core/jobs/device-parts.ts';
import type { MeasuredUse } from '../../../src/core/jobs/measured-use.ts';

const stay = (jobId: string, startUs: number, endUs: number, share?: number): TellingOfStay => ({
  ...{ gpu: 'G', jobId, startUs, endUs, share },
});

const use = (jobId: string, fromUs: number, toUs: number, smUseSeconds: number): MeasuredUse => ({
  ...{ gpu: 'G', kind: 'job', jobId, fromUs, toUs, seenUs: toUs - fromUs },
  ...{ smUseSeconds, memoryByteSeconds: NaN },
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
    ['no longer there, not yet there', [stay('a', 0, 5), stay('b', 5, 5), stay('c', 8, Infinity)], []],
  ])('%s', (_, stays, expected) => {
    expect(at(partsOf(stays), 6)).toEqual(expected);
  });

  const measured = [use('a', 0, 10, 1), use('b', 0, 10, 2), use('c', 0, 10, 1)];
  test.each<[string, readonly TellingOfStay[], readonly string[]]>([
    [
      'divide by it what the told ones leave',
      [stay('a', 0, 10), stay('b', 0, 10), stay('c', 0, 10), stay('d', 0, 10, 0.5)],
      ['a 0.125 measured', 'b 0.25 measured', 'c 0.125 measured', 'd 0.5 stated'],
    ],
    [
      'have what they were told all the same',
      [stay('a', 0, 10, 0.5), stay('b', 0, 10)],
      ['a 0.5 stated', 'b 0.5 equal'],
    ],
    [
      'have nothing where the told ones leave nothing',
      [stay('a', 0, 10), stay('c', 0, 10), stay('d', 0, 10, 1)],
      ['a 0 measured', 'c 0 measured', 'd 1 whole'],
    ],
    ['have all where they are alone', [stay('a', 0, 10)], ['a 1 whole']],
    [
      'have equal parts where one did nothing that was seen',
      [stay('a', 0, 10), stay('x', 0, 10)],
      ['a 0.5 equal', 'x 0.5 equal'],
    ],
  ])('whose use was measured %s', (_, stays, expected) => {
    expect(at(partsOf(stays, measured), 6)).toEqual(expected);
  });

  test('are measured over all the time in which they were the same, whoever came between', () => {
    const stays = [stay('a', 0, 30), stay('b', 0, 30), stay('c', 10, 20)];
    const uses = [
      ...[use('a', 0, 10, 3), use('b', 0, 10, 1), use('a', 20, 30, 1), use('b', 20, 30, 3)],
      ...[use('a', 10, 20, 9), use('b', 10, 20, 3), use('c', 10, 20, 12)],
    ];
    expect([5, 15, 25].map((us) => at(partsOf(stays, uses), us))).toEqual([
      ['a 0.5 measured', 'b 0.5 measured'],
      ['a 0.375 measured', 'b 0.125 measured', 'c 0.5 measured'],
      ['a 0.5 measured', 'b 0.5 measured'],
    ]);
  });

  test('are other ones from the newest start of any of them on, also of one that was there', () => {
    const stays = [stay('a', 0, 6), stay('a', 2, 10), stay('b', 0, 10)];
    const uses = [use('a', 0, 2, 3), use('b', 0, 2, 1), use('a', 2, 10, 1), use('b', 2, 10, 3)];
    expect([1, 4, 9].map((us) => at(partsOf(stays, uses), us))).toEqual([
      ['a 0.75 measured', 'b 0.25 measured'],
      ['a 0.25 measured', 'b 0.75 measured'],
      ['a 0.25 measured', 'b 0.75 measured'],
    ]);
  });

  test('have by use what they did while they shared, and not what they did alone', () => {
    const stays = [stay('a', 0, 300), stay('b', 100, Infinity), stay('c', 200, 300)];
    const uses = [
      ...[use('a', 100, 200, 3), use('b', 100, 200, 1)],
      ...[use('a', 200, 300, 1), use('b', 200, 300, 1), use('c', 200, 300, 2)],
    ];
    const parts = partsOf(stays, uses);
    expect([50, 150, 250, 400].map((us) => at(parts, us))).toEqual([
      ['a 1 whole'],
      ['a 0.75 measured', 'b 0.25 measured'],
      ['a 0.25 measured', 'b 0.25 measured', 'c 0.5 measured'],
      ['b 1 whole'],
    ]);
    const elsewhere = uses.map((one) => ({ ...one, gpu: 'H' }));
    expect(at(partsOf(stays, elsewhere), 150)).toEqual(['a 0.5 equal', 'b 0.5 equal']);
  });

  test('need their use known where several have no share, over all of their time', () => {
    expect(useQuestionOf([stay('a', 0, 10), stay('b', 0, 10, 0.5), stay('a', 20, 30)])).toBeUndefined();
    expect(useQuestionOf([stay('a', 0, 10), stay('b', 5, 5)])).toBeUndefined();
    const other = { ...stay('z', -50, 90), gpu: 'H' };
    expect(useQuestionOf([stay('a', 5, 10), stay('b', 1, 8, NaN), stay('c', -9, 99, 0.5), other])).toEqual({
      ...{ gpus: ['G'], fromUs: 1, toUs: 10 },
    });
    expect(useQuestionOf([stay('a', 5, 10), stay('b', 1, Infinity)])?.toUs).toBe(Infinity);
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

test('the sets of a device say what the parts say, each once', () => {
  const stays = [
    ...[stay('a', 0, 50), stay('b', 10, 40), stay('c', 20, 30, 0.5), stay('d', 60, 70, 0.25)],
    ...[stay('e', 80, 90, 1), stay('f', 80, 90), { ...stay('a', 0, 9, 0.5), gpu: 'H' }],
  ];
  const uses = [use('a', 10, 20, 1), use('b', 10, 20, 3), use('a', 30, 40, 3), use('b', 30, 40, 9)];
  const sets = ownerSetsOf(stays, uses);
  expect(
    sets.map(({ gpu, startUs, jobId, share, part, sharing }) => [gpu, startUs, jobId, share, part, sharing]),
  ).toEqual([
    ['G', 10, 'a', NaN, 0.25, 'measured'],
    ['G', 10, 'b', NaN, 0.75, 'measured'],
    ['G', 20, 'a', NaN, 0.25, 'equal'],
    ['G', 20, 'b', NaN, 0.25, 'equal'],
    ['G', 20, 'c', 0.5, 0.5, 'stated'],
    ['G', 60, 'd', 0.25, 0.25, 'stated'],
    ['G', 80, 'e', 1, 1, 'stated'],
    ['G', 80, 'f', NaN, 0, 'equal'],
    ['H', 0, 'a', 0.5, 0.5, 'stated'],
  ]);
  expect(new Set(sets.map(({ ownerSet }) => ownerSet)).size).toBe(5);
  expect(sets.every(({ ownerSet }) => /^\d{1,19}$/.test(ownerSet) && BigInt(ownerSet) < 2n ** 63n)).toBe(
    true,
  );
});

const telling = fc
  .record({
    jobId: fc.constantFrom('a', 'b', 'c', 'd'),
    startUs: fc.integer({ min: 0, max: 20 }),
    lengthUs: fc.oneof(fc.integer({ min: 0, max: 12 }), fc.constant(Infinity)),
    share: fc.oneof(fc.constantFrom(undefined, NaN, 1), fc.double({ min: 0.01, max: 1, noNaN: true })),
  })
  .map(({ lengthUs, ...rest }): TellingOfStay => ({ gpu: 'G', ...rest, endUs: rest.startUs + lengthUs }));

const measurement = fc
  .record({
    jobId: fc.constantFrom('a', 'b', 'c', 'd', 'x'),
    fromUs: fc.integer({ min: 0, max: 20 }),
    lengthUs: fc.integer({ min: 1, max: 12 }),
    smUseSeconds: fc.oneof(fc.constantFrom(0, NaN), fc.double({ min: 0.01, max: 100, noNaN: true })),
  })
  .map(({ jobId, fromUs, lengthUs, smUseSeconds }) => use(jobId, fromUs, fromUs + lengthUs, smUseSeconds));
const measurements = fc.array(measurement, { maxLength: 8 });

test('no device is given away more than once, none whose owners were not all told is left over, and each job counts once', () => {
  fc.assert(
    fc.property(fc.array(telling, { maxLength: 12 }), measurements, (stays, uses) => {
      const parts = partsOf(stays, uses);
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
  const lines = (stays: readonly TellingOfStay[], uses: readonly MeasuredUse[]): string[] =>
    partsOf(stays, uses)
      .map(({ part, ...rest }) => JSON.stringify({ ...rest, part: part.toFixed(9) }))
      .sort();
  fc.assert(
    fc.property(shuffled, measurements, ([stays, others], uses) => {
      expect(lines(others, uses)).toEqual(lines(stays, uses));
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
