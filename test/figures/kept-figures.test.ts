import { expect, test } from 'vitest';
import { keptSums, type KeptFigures } from '../../src/figures/job/kept-figures.ts';
import { emptySums } from '../../src/figures/job/rows/scan.ts';

/** A row of `job_figures` of job 7 that saw its device all the time, at 100 W. */
function rowOf(gpu: string, startUs: number, endUs: number, counterJoules?: number): KeptFigures {
  const us = endUs - startUs;
  const energy = {
    counterJoules,
    counterUs: counterJoules === undefined ? 0 : us,
    powerJoules: us * 1e-4,
    powerUs: us,
  };
  const sums = { ...emptySums(), samples: us, sampledUs: us, ...energy };
  return { jobId: '7', gpu, startUs, endUs, sums, conclusions: undefined };
}

/** @param rows ascending by the time of writing */
function keptOf(...rows: readonly KeptFigures[]): unknown {
  const intervals = [...new Set(rows.map(({ gpu }) => gpu))].map((gpu) => ({ gpu, startUs: 0, endUs: 100 }));
  const sums = keptSums(rows, '7', { startUs: 0, endUs: 100, intervals } as unknown as Parameters<
    typeof keptSums
  >[2]);
  return Object.fromEntries([...sums].map(([gpu, { samples, bestUs }]) => [gpu, { samples, bestUs }]));
}

test.each([
  ['one stay', [rowOf('a', 0, 40)], { a: { samples: 40 } }],
  ['one stay, written twice', [rowOf('a', 0, 40), rowOf('a', 0, 50)], { a: { samples: 50 } }],
  [
    'one stay, of which the start was corrected',
    [rowOf('a', 0, 40), rowOf('a', 10, 40)],
    { a: { samples: 30 } },
  ],
  ['two stays with another job between', [rowOf('a', 0, 40), rowOf('a', 60, 100)], { a: { samples: 80 } }],
  [
    'two that became one',
    [rowOf('a', 0, 40), rowOf('a', 60, 100), rowOf('a', 0, 100)],
    { a: { samples: 100 } },
  ],
  [
    'one that became two, and a device of its own',
    [rowOf('a', 0, 100), rowOf('a', 0, 30), rowOf('a', 50, 100), rowOf('b', 0, 100)],
    { a: { samples: 80 }, b: { samples: 100 } },
  ],
])('what is kept of a run: %s', (_, rows, expected) => {
  expect(keptOf(...rows)).toMatchObject(expected);
});

test('energy of two stays is chosen for both of them together', () => {
  // The counter told of the first stay only, and stood still in it.
  expect(keptOf(rowOf('a', 0, 40, 0), rowOf('a', 60, 100))).toMatchObject({ a: { bestUs: 80 } });
});
