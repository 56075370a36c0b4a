/** Goal: every microsecond is asked about once, and no question is about more samples than a server answers soon. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Segment, Span } from '../../src/figures/levels.ts';
import { inPortions } from '../../src/figures/portions.ts';
import type { Asked } from '../../src/figures/query-cells.ts';

const HOUR = 3600e6;
const SAMPLES_MAX = 10_000_000;

function storeWith(samples: number): Asked & { asked: string[] } {
  const asked: string[] = [];
  return {
    where: 'here',
    asked,
    exec: async (sql) => {
      asked.push(sql);
      return await Promise.resolve({ columns: [{ name: 'samples', type: 'LONG' }], rows: [[samples]] });
    },
  };
}

function segmentOf(spans: readonly Span[], level: Segment['level'] = 'raw'): Segment {
  return { table: 'gpu_x', level, columns: new Set(), spans };
}

test('portions follow one another without a gap, and are as many as the samples need', async () => {
  const spansOf = fc
    .uniqueArray(fc.integer({ min: 0, max: 1000 }), { minLength: 2, maxLength: 12 })
    .map((borders) => borders.toSorted((a, b) => a - b))
    .map((borders) =>
      borders.flatMap((from, at): Span[] => {
        const to = borders[at + 1];
        return at % 2 === 1 || to === undefined ? [] : [{ fromUs: from * HOUR, toUs: to * HOUR }];
      }),
    );
  await fc.assert(
    fc.asyncProperty(spansOf, fc.integer({ min: 0, max: 50 }), async (spans, tenths) => {
      const samples = (tenths * SAMPLES_MAX) / 10;
      const portions = await inPortions(storeWith(samples), [segmentOf(spans)]);
      expect(portions).toHaveLength(Math.max(1, Math.ceil(tenths / 10)));
      const joined: Span[] = [];
      for (const span of portions.flatMap((portion) => portion.spans)) {
        const last = joined.at(-1);
        if (last?.toUs === span.fromUs) joined[joined.length - 1] = { ...last, toUs: span.toUs };
        else joined.push(span);
      }
      expect(joined).toEqual(spans);
      const lengths = portions.map((portion) =>
        portion.spans.reduce((sum, { fromUs, toUs }) => sum + toUs - fromUs, 0),
      );
      expect(Math.max(...lengths) - Math.max(...lengths.slice(0, -1), 0)).toBeLessThanOrEqual(
        portions.length === 1 ? Infinity : 0,
      );
    }),
  );
});

test('rollups and short times are asked about at once, without a question before', async () => {
  const store = storeWith(1e9);
  for (const segment of [
    segmentOf([{ fromUs: 0, toUs: 1000 * HOUR }], '1m'),
    segmentOf([{ fromUs: 0, toUs: HOUR / 6 }]),
  ])
    expect(await inPortions(store, [segment])).toEqual([segment]);
  expect(store.asked).toEqual([]);
});

test('of samples that were counted before, and are few, nothing is asked', async () => {
  const store = storeWith(1e9);
  const segment = segmentOf([{ fromUs: 0, toUs: 1000 * HOUR }]);
  expect(await inPortions(store, [segment], SAMPLES_MAX)).toEqual([segment]);
  expect(store.asked).toEqual([]);
  expect(await inPortions(store, [segment], SAMPLES_MAX + 1)).toHaveLength(100);
});
