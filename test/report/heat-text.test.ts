import { expect, test } from 'vitest';
import type { HeatRow } from '../../src/figures/job/timeline/figures.ts';
import { heatLines } from '../../src/report/text/heat-text.ts';

const MINUTE = 60e6;
const T0 = Date.UTC(2024, 0, 1, 8) * 1000;

function linesOf(rows: readonly (HeatRow & { readonly index?: number })[], width: number): string[] {
  const count = rows[0]!.means.length;
  return heatLines(
    {
      ...{ startUs: T0, endUs: T0 + count * MINUTE, devices: [] },
      timeline: {
        ...{ bands: [], powerLimitWatts: undefined },
        heatMap: { steps: { fromUs: T0, stepUs: MINUTE, count }, rows, outliers: [] },
      },
    },
    width,
  );
}

const rowOf = (
  node: string,
  means: readonly number[],
  knownUs: readonly number[] = means.map((mean) => (Number.isNaN(mean) ? 0 : MINUTE)),
): HeatRow => ({
  ...{ node, gpu: undefined },
  means: Float64Array.from(means),
  knownUs: Float64Array.from(knownUs),
});

test('a row of blocks for each, as high as it was active; what is not known is empty', () => {
  expect(linesOf([rowOf('n1', [0, 0.5, 1, NaN, 0.99]), rowOf('n2', [1, 1, 1, 1, 1])], 120)).toEqual([
    '  SM activity over time (a column is 1 min, a full block 100 %)',
    '  n1  ▁▅█ █',
    '  n2  █████',
    '      08:00:00  08:05:00',
    '',
  ]);
});

test.each([119, 60, Infinity])('nothing where there is no room, or no terminal: %d columns', (width) => {
  expect(linesOf([rowOf('n1', [0, 1])], width)).toEqual([]);
});

test('what has no room is pooled by the time that it speaks for, not by mean of means', () => {
  const count = 240;
  const means = Array.from({ length: count }, (_, at) => (at % 3 === 0 ? 1 : 0));
  const known = Array.from({ length: count }, (_, at) => (at % 3 === 0 ? MINUTE : MINUTE / 2));
  const [head, row] = linesOf([rowOf('n1', means, known)], 120);
  expect(head).toContain('a column is 3 min');
  expect(row).toBe(`  n1  ${'▅'.repeat(80)}`);
});

test('more rows than a screen is high are counted, and a name that is no name does no harm', () => {
  const rows = Array.from({ length: 64 }, (_, at) => rowOf(at === 0 ? '\u001b[31m\u202en' : `n${at}`, [1]));
  const lines = linesOf(rows, 200);
  expect(lines).toHaveLength(1 + 40 + 1 + 1 + 1);
  expect(lines.at(-2)).toBe('  and 24 more: --html FILE draws all');
  expect(lines.join('')).not.toContain('\u001b');
});
