import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeriesJoin } from '../../../src/core/sampling/series-to-ticks.ts';
import type { JoinShape } from '../../../src/core/sampling/series-to-ticks.ts';
import { createRowSink } from '../../helpers/row-sink.ts';

const SECOND = 1_000_000;
const START = 1_700_000_000 * SECOND;
const FAR = START + 3600 * SECOND;

function joinOf(shape: Partial<JoinShape> = {}): {
  join: SeriesJoin;
  gaps: [number, number, number | undefined][];
} {
  const gaps: [number, number, number | undefined][] = [];
  const whole = {
    deviceCount: 1,
    fieldCount: 2,
    intervalUs: SECOND,
    minSpacingUs: SECOND / 2,
    anchorOrder: [0, 1],
    ...shape,
  };
  return {
    gaps,
    join: new SeriesJoin(whole, {
      onGap: (device, fromUs, toUs) => {
        gaps.push([device, fromUs, toUs]);
      },
    }),
  };
}

function emitAll(join: SeriesJoin, nowUs = Infinity): ReturnType<typeof createRowSink> {
  const sink = createRowSink();
  join.emit(nowUs, sink);
  return sink;
}

describe('from series to ticks', () => {
  it('gives a row the stamp of the anchor and the nearest sample of the others', () => {
    const { join } = joinOf();
    for (let n = 0; n < 3; n += 1) {
      join.push(0, 0, START + n * SECOND, n, FAR);
      join.push(0, 1, START + n * SECOND + 300_000, 10 + n, FAR);
    }
    expect(emitAll(join).rows.map(({ tsUs, values }) => [tsUs - START, ...values])).toEqual([
      [0, 0, 10],
      [SECOND, 1, 11],
      [2 * SECOND, 2, 12],
    ]);
  });

  it('leaves a sample to the next row when that is nearer', () => {
    const { join } = joinOf();
    for (const at of [0, 0.6]) join.push(0, 0, START + at * SECOND, at, FAR);
    join.push(0, 1, START + 0.4 * SECOND, 7, FAR);
    expect(emitAll(join).rows.map(({ values }) => values)).toEqual([
      [0, NaN],
      [0.6, 7],
    ]);
  });

  it('keeps every sample of a series that is not emitted for long', () => {
    const { join } = joinOf({ fieldCount: 1, anchorOrder: [0] });
    const samples = Array.from({ length: 100 }, (_, n) => n);
    for (const n of samples) join.push(0, 0, START + n * SECOND, n, FAR);
    expect(emitAll(join).rows.map(({ values }) => values[0])).toEqual(samples);
  });

  it('does not call a device silent whose next row only lacks room', () => {
    const { join, gaps } = joinOf({ fieldCount: 1, anchorOrder: [0] });
    for (let n = 0; n < 10; n += 1) join.push(0, 0, START + n * SECOND, n, FAR);
    const sink = { ...createRowSink(), next: () => false };
    expect(join.emit(START + 13 * SECOND, sink, 0)).toBe(1);
    expect(gaps).toEqual([]);
  });

  it('tells a device that is silent while it is asked, once, and the end at its next row', () => {
    const { join, gaps } = joinOf({ deviceCount: 2, fieldCount: 1, anchorOrder: [0] });
    const pushBoth = (n: number): void => {
      join.push(0, 0, START + n * SECOND, n, FAR);
      if (n < 3 || n > 9) join.push(1, 0, START + n * SECOND, n, FAR);
    };
    const emitUpTo = (n: number, answeringSinceUs: number): void => {
      const sink = createRowSink();
      join.emit(START + n * SECOND + 2_500_000, sink, answeringSinceUs);
    };
    for (let n = 0; n < 12; n += 1) pushBoth(n);
    // The row of second 2 was its last: not yet, and not while nobody answers.
    emitUpTo(4, 0);
    emitUpTo(6, Infinity);
    emitUpTo(6, START + 4 * SECOND);
    expect(gaps).toEqual([]);
    emitUpTo(7, 0);
    emitUpTo(8, 0);
    expect(gaps).toEqual([[1, START + 2 * SECOND, undefined]]);
    emitUpTo(11, 0);
    expect(gaps.slice(1)).toEqual([[1, START + 2 * SECOND, START + 10 * SECOND]]);
  });

  it('counts what lies within half an interval of no row, and leaves that value blank', () => {
    const { join } = joinOf();
    join.push(0, 0, START, 1, FAR);
    join.push(0, 0, START + 1.4 * SECOND, 2, FAR);
    join.push(0, 1, START + 0.7 * SECOND, 99, FAR);
    expect(emitAll(join).rows.map(({ values }) => values)).toEqual([
      [1, NaN],
      [2, NaN],
    ]);
    expect(join.counts.unmatched).toBe(1);
  });

  it('makes the rows of another series where the anchor was slowed down or ended, and tells no gap', () => {
    const { join, gaps } = joinOf({ fieldCount: 3, anchorOrder: [0, 1, 2] });
    for (let n = 0; n < 40; n += 1) {
      if (n < 10 || (n < 30 && n % 10 === 0)) join.push(0, 0, START + n * SECOND, n, FAR);
      if (n < 10 || n % 4 === 0) join.push(0, 1, START + n * SECOND, n, FAR);
      join.push(0, 2, START + n * SECOND + 100_000, n, FAR);
    }
    const rows = emitAll(join).rows;
    expect(rows.map(({ values }) => values[2])).toEqual(Array.from({ length: 40 }, (_, n) => n));
    expect(rows[20]!.values).toEqual([20, 20, 20]);
    expect(gaps).toEqual([]);
    expect(join.counts.unmatched).toBe(0);
  });

  it('takes a row without any value for no answer: a gap from the last value to the next', () => {
    const { join, gaps } = joinOf();
    for (let n = 0; n < 20; n += 1) {
      const isLost = n >= 5 && n < 12;
      for (const field of [0, 1]) join.push(0, field, START + n * SECOND, isLost ? NaN : n, FAR);
    }
    const sink = createRowSink();
    join.emit(START + 10 * SECOND, sink, 0);
    expect(gaps).toEqual([[0, START + 4 * SECOND, undefined]]);
    join.emit(Infinity, sink);
    expect(sink.rows.map(({ values }) => values[1])).toEqual([
      0,
      1,
      2,
      3,
      4,
      ...[12, 13, 14, 15, 16, 17, 18, 19],
    ]);
    expect(gaps.slice(1)).toEqual([[0, START + 4 * SECOND, START + 12 * SECOND]]);
  });

  it('drops repeats by the watermark of their series', () => {
    const { join } = joinOf();
    expect(join.push(0, 0, START, 1, FAR)).toBe('accepted');
    expect(join.push(0, 0, START, 1, FAR)).toBe('duplicate');
    expect(join.push(0, 0, START - 1, 1, FAR)).toBe('duplicate');
    expect(join.push(0, 1, START, 1, FAR)).toBe('accepted');
    expect(emitAll(join).rows).toHaveLength(1);
  });

  it('hands out a row only when its window has been closed for two seconds', () => {
    const { join } = joinOf();
    join.push(0, 0, START, 1, START);
    expect(emitAll(join, START + 2 * SECOND + 499_999).rows).toHaveLength(0);
    join.push(0, 1, START + 400_000, 7, START + 2 * SECOND);
    expect(emitAll(join, START + 2 * SECOND + 500_000).rows.map(({ values }) => values)).toEqual([[1, 7]]);
  });

  it('refuses stamps more than 5 s ahead of the engine', () => {
    const { join } = joinOf();
    expect(join.push(0, 0, START + 5 * SECOND + 1, 1, START)).toBe('from_future');
    expect(join.push(0, 0, START + 5 * SECOND, 1, START)).toBe('accepted');
    expect(join.counts.fromFuture).toBe(1);
  });

  it('goes on when the clock was set back by an hour', () => {
    const { join } = joinOf();
    join.push(0, 0, START, 1, START);
    emitAll(join);
    expect(join.push(0, 0, START - 3600 * SECOND, 2, START - 3600 * SECOND)).toBe('accepted');
    expect(emitAll(join).rows.map(({ tsUs }) => tsUs)).toEqual([START - 3600 * SECOND]);
  });

  it('tells a gap where rows are more than 2.5 intervals apart, and not before', () => {
    const { join, gaps } = joinOf();
    for (const at of [0, 1, 3.4, 6]) join.push(0, 0, START + at * SECOND, at, FAR);
    emitAll(join);
    expect(gaps).toEqual([[0, START + 3.4 * SECOND, START + 6 * SECOND]]);
  });

  it('takes every n-th sample for a slower lane', () => {
    const { join } = joinOf({ fieldCount: 1, anchorOrder: [0], minSpacingUs: SECOND - 50_000 });
    for (let n = 0; n <= 30; n += 1) join.push(0, 0, START + n * 100_040, n, FAR);
    expect(emitAll(join).rows.map(({ values }) => values[0])).toEqual([0, 10, 20, 30]);
    expect(join.counts.unmatched).toBe(0);
  });

  it('moves the anchor when it falls silent behind another series', () => {
    const { join } = joinOf();
    for (let n = 0; n < 2; n += 1) join.push(0, 0, START + n * SECOND, n, FAR);
    for (let n = 0; n < 10; n += 1) join.push(0, 1, START + n * SECOND + 1000, n, FAR);
    const rows = emitAll(join).rows;
    expect(rows.map(({ tsUs }) => tsUs - START).slice(0, 3)).toEqual([0, SECOND, 2 * SECOND + 1000]);
    expect(rows).toHaveLength(10);
  });

  it('waits for an anchor whose samples are only late', () => {
    const { join } = joinOf();
    const sink = createRowSink();
    const pushField = (field: number, from: number, to: number): void => {
      for (let n = from; n <= to; n += 1) join.push(0, field, START + n * SECOND + field * 1000, n, FAR);
    };
    pushField(0, 0, 1);
    pushField(1, 0, 3);
    // The windows of the rows at 0 to 3 s are closed, and the anchor has come to 1 s.
    join.emit(START + 5.6 * SECOND, sink);
    pushField(0, 2, 3);
    sink.next();
    join.emit(START + 5.6 * SECOND, sink);
    expect(sink.rows.map(({ tsUs, values }) => [tsUs - START, ...values])).toEqual(
      [0, 1, 2, 3].map((n) => [n * SECOND, n, n]),
    );
  });

  it('starts after what is stored already', () => {
    const { join } = joinOf();
    for (let n = 0; n < 4; n += 1) join.push(0, 0, START + n * SECOND, n, FAR);
    join.resumeAfter(0, START + SECOND);
    expect(emitAll(join).rows.map(({ tsUs }) => (tsUs - START) / SECOND)).toEqual([2, 3]);
  });

  it('leaves a row that may still be filled to whoever comes next, device by device', () => {
    const { join } = joinOf({ deviceCount: 2, fieldCount: 3, anchorOrder: [0, 1, 2] });
    const late = [0, 200_000, 100_000];
    const push = (device: number, field: number, n: number): void => {
      join.push(device, field, START + n * SECOND + late[field]!, 10 * field + n, FAR);
    };
    for (let n = 0; n < 3; n += 1) {
      for (const device of [0, 1]) for (const field of [0, 1]) push(device, field, n);
      // A field that has stopped long ago is not waited for.
      if (n === 0) push(0, 2, n);
    }
    for (const field of [0, 1]) push(1, field, 3);
    // The engine was in the middle of its pass over device 0.
    push(0, 0, 3);
    const sink = createRowSink();
    join.emitWhole(sink);
    const secondsOf = (device: number): number[] =>
      sink.ofDevice(device).map(({ tsUs }) => (tsUs - START) / SECOND);
    expect(secondsOf(0)).toEqual([0, 1, 2]);
    expect(secondsOf(1)).toEqual([0, 1, 2, 3]);
    for (const { values } of sink.rows) expect(values[1]).not.toBeNaN();
    // The pass goes on, and so does the row.
    push(0, 1, 3);
    sink.rows.length = 0;
    join.emitWhole(sink);
    expect(sink.rows.map(({ device, values }) => [device, ...values])).toEqual([[0, 3, 13, NaN]]);
  });

  it('makes the same rows however the samples are portioned and repeated', () => {
    const sample = fc.record({
      step: fc.integer({ min: 80, max: 130 }),
      shift: fc.integer({ min: -40, max: 40 }),
      lost: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.array(sample, { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 7 }),
        (samples, portion) => {
          const interval = 100_000;
          const shape = { intervalUs: interval, minSpacingUs: interval / 2 };
          const whole = joinOf(shape).join;
          const parts = joinOf(shape).join;
          const sink = createRowSink();
          let at = START;
          const pushed: [number, number, number][] = [];
          for (const [n, { step, shift, lost }] of samples.entries()) {
            at += step * 1000;
            pushed.push([0, at, n]);
            if (!lost) pushed.push([1, at + shift * 1000, 1000 + n]);
          }
          for (const [field, tsUs, value] of pushed) whole.push(0, field, tsUs, value, FAR);
          for (let from = 0; from < pushed.length; from += portion) {
            // Each portion comes with the one before it once more, as overlapping pulls do.
            for (const [field, tsUs, value] of pushed.slice(Math.max(0, from - portion), from + portion)) {
              parts.push(0, field, tsUs, value, FAR);
            }
            parts.emit((pushed[Math.min(from + portion, pushed.length) - 1]?.[1] ?? 0) - 0, sink);
            sink.next();
          }
          parts.emit(Infinity, sink);
          expect(sink.rows).toEqual(emitAll(whole).rows);
          expect(sink.rows).toHaveLength(samples.length);
        },
      ),
    );
  });
});
