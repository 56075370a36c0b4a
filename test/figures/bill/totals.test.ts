/**
 * Goal: what is printed of a bill adds up to the coin and the second in every grouping, in any currency, and no line is off by one.
 * Method: bills made up at random, against sums of fractions; a table of small ones that were reckoned by hand.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { BillHead, BillLine, BillTerms } from '../../../src/figures/bill/figures.ts';
import { contentOf, withFormerEnergy } from '../../../src/figures/bill/late-facts.ts';
import { readTerms, termsText } from '../../../src/figures/bill/terms.ts';
import { BILL_GROUPINGS, billTotals, dueOf } from '../../../src/figures/bill/totals.ts';

const TERMS: BillTerms = {
  timeZone: 'UTC',
  currency: 'EUR',
  gpuHour: { models: new Map([['NVIDIA H200', 3.2]]), others: undefined },
  kwhPrice: 0.19,
  pue: 1.3,
  gramsPerKwh: 120,
  idleTailCredit: 0.25,
};

function headOf(terms: Partial<BillTerms> = {}): BillHead {
  return {
    ...{
      month: '2026-10',
      fromUs: 0,
      toUs: 31 * 86_400e6,
      terms: { ...TERMS, ...terms },
      isSynthetic: false,
    },
    ...{ openStays: 0, unresolvedUs: 0, untoldTails: 0, missingHours: 0 },
  };
}

function lineOf(line: Partial<BillLine>): BillLine {
  return {
    ...{ cluster: undefined, account: undefined, user: undefined, gpu: 'G', node: 'n' },
    ...{ model: 'NVIDIA H200', isSizeKnown: true, ownedUs: 0, idleTailUs: 0 },
    ...{ millijoules: undefined, energyUs: 0, milligrams: undefined, carbonMillijoules: 0 },
    ...line,
  };
}

const name = fc.constantFrom('a', 'b', 'c', undefined);
const anyLine = fc
  .record({
    cluster: fc.constantFrom('x', 'y'),
    account: name,
    user: name,
    gpu: fc.constantFrom('g0', 'g1', 'g2'),
    model: fc.constantFrom('NVIDIA H200', 'NVIDIA A100', 'NVIDIA L4', undefined),
    isSizeKnown: fc.boolean(),
    ownedUs: fc.nat({ max: 31 * 86_400e6 }),
    tail: fc.double({ min: 0, max: 1, noNaN: true }),
    millijoules: fc.option(fc.nat({ max: 1e13 }), { nil: undefined }),
    milligrams: fc.option(fc.nat({ max: 1e9 }), { nil: undefined }),
  })
  .map(({ tail, ...line }) => lineOf({ ...line, idleTailUs: Math.floor(line.ownedUs * tail) }))
  // Some idled all of their time.
  .chain((line) => fc.constantFrom(line, { ...line, idleTailUs: line.ownedUs }));
const price = fc.double({ min: 0, max: 100, noNaN: true });
const anyTerms = fc.record({
  currency: fc.constantFrom('EUR', 'JPY', 'KWD', 'credits', undefined),
  gpuHour: fc.option(
    fc.record({
      models: fc.tuple(price, price).map(
        ([a, b]) =>
          new Map([
            ['NVIDIA H200', a],
            ['NVIDIA A100', b],
          ]),
      ),
      others: fc.option(price, { nil: undefined }),
    }),
    { nil: undefined },
  ),
  kwhPrice: fc.option(price, { nil: undefined }),
  pue: fc.option(fc.double({ min: 1, max: 2, noNaN: true }), { nil: undefined }),
  gramsPerKwh: fc.constantFrom(undefined, 120, 'hourly' as const),
  idleTailCredit: fc.option(fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })), {
    nil: undefined,
  }),
});

const KEYS = ['seconds', 'hours10k', 'cost', 'credit', 'wattHours', 'energyCost', 'grams'] as const;

test('rows add up to all, and all is the same in every grouping', () => {
  fc.assert(
    fc.property(fc.array(anyLine, { minLength: 1, maxLength: 40 }), anyTerms, (lines, terms) => {
      const bill = { head: headOf(terms), lines };
      const totals = BILL_GROUPINGS.map((by) => billTotals(bill, by));
      for (const { rows, all } of totals) {
        expect(all).toEqual(totals[0]!.all);
        for (const key of KEYS) {
          const known = rows.flatMap((row) => row[key] ?? []);
          expect(all[key]).toBe(known.length === 0 ? undefined : known.reduce((sum, one) => sum + one, 0n));
        }
        // Nobody is given back more than it pays.
        for (const row of rows) expect(dueOf(row) ?? 0n).toBeGreaterThanOrEqual(0n);
        // A row is what its lines are, less than a second and a coin away.
        for (const row of rows) expect(Math.abs(Number(row.seconds) - row.ownedUs / 1e6)).toBeLessThan(1);
      }
    }),
    { numRuns: 300 },
  );
});

test('a row costs what its time costs, less than a coin away; what has no price is nowhere in it', () => {
  const { models } = TERMS.gpuHour!;
  fc.assert(
    fc.property(fc.array(anyLine, { minLength: 1, maxLength: 40 }), (lines) => {
      for (const { name: user, cost, unpricedUs, ownedUs } of billTotals({ head: headOf(), lines }, 'user')
        .rows) {
        const own = lines.filter((line) => line.user === user);
        const priced = own.filter(({ model, isSizeKnown }) => isSizeKnown && models.has(model ?? ''));
        const pricedUs = priced.reduce((sum, line) => sum + line.ownedUs, 0);
        expect(unpricedUs).toBe(ownedUs - pricedUs);
        if (priced.length === 0) expect(cost).toBeUndefined();
        else expect(Math.abs(Number(cost) - (pricedUs / 3600e6) * 320)).toBeLessThan(1 + 1e-6);
      }
    }),
  );
});

test.each([
  ['EUR', 2, 320n, 107n],
  ['JPY', 0, 3n, 1n],
  ['KWD', 3, 3200n, 1067n],
])('an hour in %s has %i decimals', (currency, places, hour, third) => {
  const totalsOf = (ownedUs: number) =>
    billTotals({ head: headOf({ currency }), lines: [lineOf({ ownedUs })] }, 'account');
  expect(totalsOf(3600e6).places).toBe(places);
  expect([totalsOf(3600e6).all.cost, totalsOf(1200e6).all.cost]).toEqual([hour, third]);
});

test('a credit is a part of the price of the idle tail, and is paid less', () => {
  const lines = [lineOf({ ownedUs: 7200e6, idleTailUs: 3600e6 })];
  const { all } = billTotals({ head: headOf(), lines }, 'account');
  expect([all.cost, all.credit, dueOf(all)]).toEqual([640n, 80n, 560n]);
  const without = billTotals({ head: headOf({ idleTailCredit: undefined }), lines }, 'account').all;
  expect([without.credit, dueOf(without)]).toEqual([undefined, 640n]);
});

test('terms are read as they were written', () => {
  fc.assert(
    fc.property(anyTerms, (terms) => {
      const all = { timeZone: 'Europe/Berlin', ...terms };
      expect(readTerms(termsText(all))).toEqual(all);
    }),
  );
});

test('energy that has aged out stays as it was known, but not that of other time', () => {
  const before = lineOf({
    gpu: 'old',
    ownedUs: 100,
    millijoules: 7,
    energyUs: 90,
    milligrams: 3,
    carbonMillijoules: 7,
  });
  const aged = {
    ...before,
    millijoules: undefined,
    energyUs: 0,
    milligrams: undefined,
    carbonMillijoules: 0,
  };
  const shorter = { ...aged, ownedUs: 50 };
  const more = { ...before, millijoules: 8, energyUs: 95 };
  const former = { head: headOf(), lines: [before] };
  const withLine = (line: BillLine) => withFormerEnergy({ head: headOf(), lines: [line] }, former);
  expect(contentOf(withLine(aged))).toBe(contentOf(former));
  expect(withLine(shorter).lines).toEqual([shorter]);
  expect(withLine(more).lines).toEqual([more]);
});
