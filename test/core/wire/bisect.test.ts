/** Finding the bad rows of a refused batch. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  bisectRefused,
  type BisectOutcome,
  type PartReply,
  type RowRange,
} from '../../../src/core/wire/bisect.ts';
import { rowEnds } from '../../../src/core/wire/ilp-rows.ts';
import { createRowBuffer } from '../../../src/questdb/rows/row-buffer.ts';

/** A store that refuses any request with a bad row; it names the line, a wrong line, or none. */
function store(bad: ReadonlySet<number>, naming: 'line' | 'wrong line' | 'none', holdAt = Infinity) {
  const written: number[] = [];
  let requests = 0;
  const send = ({ from, to }: RowRange): Promise<PartReply> => {
    requests += 1;
    if (requests > holdAt) return Promise.resolve({ kind: 'held' });
    for (let row = from; row < to; row += 1) {
      if (!bad.has(row)) continue;
      const line =
        naming === 'none' ? {} : { line: naming === 'line' ? row - from + 1 : ((row * 7) % 11) + 1 };
      return Promise.resolve({ kind: 'refused', message: `bad ${row}`, ...line });
    }
    for (let row = from; row < to; row += 1) written.push(row);
    return Promise.resolve({ kind: 'acknowledged' });
  };
  return { send, written };
}

function refusedRows(outcome: BisectOutcome): number[] {
  return outcome.refused.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, i) => from + i));
}

describe('bisectRefused', () => {
  test.each(['line', 'wrong line', 'none'] as const)(
    'finds one bad row of 100,000 (the store names: %s)',
    async (naming) => {
      const { send, written } = store(new Set([73_210]), naming);
      const outcome = await bisectRefused(100_000, { message: 'bad' }, send, 1_000);
      expect(outcome.refused).toEqual([{ from: 73_210, to: 73_211, reason: 'bad 73210' }]);
      expect(outcome.acknowledgedRows).toBe(99_999);
      expect(written).toHaveLength(99_999);
      expect(outcome.requests).toBeLessThanOrEqual(39);
    },
  );

  test('needs three requests when the store names the line', async () => {
    const { send } = store(new Set([500]), 'line');
    expect((await bisectRefused(1_000, { message: 'bad', line: 501 }, send, 100)).requests).toBe(3);
  });

  test('every row is written once or refused once, whichever rows are bad', async () => {
    const rows = fc.integer({ min: 1, max: 60 });
    const naming = fc.constantFrom('line' as const, 'wrong line' as const, 'none' as const);
    await fc.assert(
      fc.asyncProperty(rows, fc.uniqueArray(fc.nat({ max: 59 })), naming, async (rowCount, badRows, how) => {
        const bad = new Set(badRows.filter((row) => row < rowCount));
        fc.pre(bad.size > 0);
        const { send, written } = store(bad, how);
        const outcome = await bisectRefused(rowCount, { message: 'bad' }, send, 10_000);
        expect(refusedRows(outcome)).toEqual([...bad].sort((a, b) => a - b));
        expect(written.toSorted((a, b) => a - b)).toEqual(
          Array.from({ length: rowCount }, (_, i) => i).filter((row) => !bad.has(row)),
        );
        expect(outcome.acknowledgedRows).toBe(written.length);
      }),
    );
  });

  test('a store that goes away in between leaves exactly the rest unsent', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 60 }),
        fc.nat({ max: 59 }),
        fc.nat({ max: 12 }),
        async (rowCount, row, holdAt) => {
          const { send, written } = store(new Set([row % rowCount]), 'none', holdAt);
          const outcome = await bisectRefused(rowCount, { message: 'bad' }, send, 10_000);
          const unsent = outcome.unsent.flatMap(({ from, to }) =>
            Array.from({ length: to - from }, (_, i) => from + i),
          );
          const all = [...written, ...refusedRows(outcome), ...unsent].sort((a, b) => a - b);
          expect(all).toEqual(Array.from({ length: rowCount }, (_, i) => i));
        },
      ),
    );
  });

  test('a batch in which every row is bad ends with its requests used up, and gives all rows up', async () => {
    const { send } = store(new Set(Array.from({ length: 10_000 }, (_, i) => i)), 'line');
    const outcome = await bisectRefused(10_000, { message: 'bad', line: 1 }, send, 50);
    expect(outcome.requests).toBe(50);
    expect(outcome.acknowledgedRows).toBe(0);
    expect(refusedRows(outcome)).toHaveLength(10_000);
  });
});

describe('rowEnds', () => {
  test('finds the rows of the official client, whatever stands in names, texts and numbers', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 12 });
    const odd = fc.oneof(text, fc.constantFrom('\n', '"', '\\', ' ', '=', ',', 'a"\n b=\u0010', '=\u0010'));
    const number = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.constant(doubleOf(0x0a)),
      fc.constant(doubleOf(0x22)),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(odd, odd, number, fc.nat()), { minLength: 1, maxLength: 8 }), (rows) => {
        const one = (row: (typeof rows)[number]): Uint8Array => encode([row]);
        const ends = rowEnds(encode(rows));
        let end = 0;
        expect(ends).toEqual(rows.map((row) => (end += one(row).length)));
      }),
    );
  });

  test('refuses a body that ends within a row', () => {
    expect(() => rowEnds(Buffer.from('t a=1i 1t\nt a=1i'))).toThrow(RangeError);
  });
});

/** A double that consists of this byte. */
function doubleOf(byte: number): number {
  return Buffer.alloc(8, byte).readDoubleLE();
}

function encode(rows: readonly (readonly [string, string, number, number])[]): Uint8Array {
  const buffer = createRowBuffer('odd table');
  for (const [symbol, text, double, long] of rows) {
    buffer
      .row()
      .symbol('s', symbol)
      .text('text', text)
      .double('double', double)
      .long('long', long)
      .at(1_763_700_000_000_000);
  }
  return buffer.bytes();
}
