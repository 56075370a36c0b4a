/** The one sum of a lane's rows: every move keeps it, and none takes more than there is. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AssertionError } from '../../../src/core/base/assert.ts';
import { addsUp, EMPTY_LEDGER, moveRows, sampleRows, type Ledger } from '../../../src/core/base/ledger.ts';

const step = fc.record({
  from: fc.constantFrom('sample', 'held', 'spooled'),
  to: fc.constantFrom('acknowledged', 'spooled', 'refused', 'dropped'),
  rows: fc.nat(20),
});

test('whatever moves rows make, each is in one place', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let ledger = EMPTY_LEDGER;
      for (const { from, to, rows } of steps) {
        const before: Ledger = ledger;
        if (from === 'sample') ledger = sampleRows(ledger, rows);
        else if (from !== to && rows <= before[`${from}Rows`]) ledger = moveRows(ledger, from, to, rows);
        else expect(() => moveRows(before, from as 'held', to as 'dropped', rows)).toThrow(AssertionError);
        const { sampledRows, acknowledgedRows, heldRows, spooledRows, refusedRows, droppedRows } = ledger;
        expect(acknowledgedRows + heldRows + spooledRows + refusedRows + droppedRows).toBe(sampledRows);
        expect(
          Math.min(acknowledgedRows, heldRows, spooledRows, refusedRows, droppedRows),
        ).toBeGreaterThanOrEqual(0);
      }
    }),
  );
});

test('a value: what was read before stays as it was', () => {
  const sampled = sampleRows(EMPTY_LEDGER, 5);
  moveRows(sampled, 'held', 'acknowledged', 5);
  expect(sampled).toEqual({ ...EMPTY_LEDGER, sampledRows: 5, heldRows: 5 });
});

test('tells a written ledger that does not add up', () => {
  expect(addsUp(sampleRows(EMPTY_LEDGER, 5))).toBe(true);
  expect(addsUp({ ...EMPTY_LEDGER, sampledRows: 5, heldRows: 4 })).toBe(false);
});
