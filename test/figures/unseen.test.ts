import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { unseenBy } from '../../src/figures/capacity/installed/nobodys.ts';

test.each<[string, readonly (readonly [known: number, seen: number])[], readonly number[]]>([
  ['nothing', [], []],
  ['all of it', [[60, 60]], [0]],
  ['a hole', [[60, 45]], [15]],
  ['more than its time: before the window', [[60, 75]], [0]],
  // prettier-ignore
  ['the first sample of the second speaks for the end of the first', [[60, 45], [60, 75]], [0, 0]],
  // prettier-ignore
  ['a hole in the first besides', [[60, 30], [60, 75]], [15, 0]],
  // prettier-ignore
  ['a hole in the second is no time of the first', [[60, 60], [60, 30], [60, 60]], [0, 30, 0]],
  // prettier-ignore
  ['one that speaks for two', [[60, 60], [10, 0], [60, 75]], [0, 0, 0]],
])('what nobody saw of periods: %s', (_what, periods, unseen) => {
  expect(unseenBy(periods.map(([knownUs, seenUs]) => ({ knownUs, seenUs })))).toEqual(unseen);
});

test('is as much as of all of them together, where no time before the first was seen', () => {
  const period = fc.record({ knownUs: fc.nat(1000), seenUs: fc.nat(1000) });
  fc.assert(
    fc.property(fc.array(period, { minLength: 1, maxLength: 9 }), (drawn) => {
      const periods = [{ knownUs: 10_000, seenUs: 0 }, ...drawn];
      const sum = (of: readonly number[]): number => of.reduce((all, us) => all + us, 0);
      const known = sum(periods.map(({ knownUs }) => knownUs));
      const seen = sum(periods.map(({ seenUs }) => seenUs));
      expect(sum(unseenBy(periods))).toBe(known - seen);
    }),
  );
});
