/** Goal: each row of a counters file is served, or it is said why not. Method: the text of a file, and what is told of it. */
import { expect, test } from 'vitest';
import { parseCounters } from '../../schemas/counters-csv.ts';
import { servedOf } from '../../src/exporter/served-counters.ts';

test('of two rows of one field the first is served, and the other told, whatever they call it', () => {
  const rows = [
    'DCGM_FI_DEV_GPU_TEMP, gauge, t',
    'dcgm_gpu_temp, gauge, u',
    'DCGM_FI_DEV_GPU_TEMP, counter, v',
  ];
  const { counters, warnings } = servedOf(parseCounters(rows.join('\n'), 'c.csv'), 'c.csv');
  expect(counters.map(({ name, type }) => `${name} ${type}`)).toEqual(['DCGM_FI_DEV_GPU_TEMP gauge']);
  expect(warnings).toEqual([
    'c.csv, line 2: dcgm_gpu_temp is not served: its field is already in line 1, which counts',
    'c.csv, line 3: DCGM_FI_DEV_GPU_TEMP is not served: its field is already in line 1, which counts',
  ]);
});

test('of very many rows that are left out the first are told, and how many more there are', () => {
  const row = 'DCGM_FI_DEV_GPU_TEMP, gauge, t\n';
  const warningsOf = (rows: number): readonly string[] =>
    servedOf(parseCounters(row.repeat(rows), 'c.csv'), 'c.csv').warnings;
  // The first row is served.
  expect(warningsOf(51)).toHaveLength(50);
  expect(warningsOf(51).at(-1)).toContain('c.csv, line 51: ');
  expect(warningsOf(10_000).slice(-2)).toEqual([
    'c.csv, line 51: DCGM_FI_DEV_GPU_TEMP is not served: its field is already in line 1, which counts',
    'c.csv: 9949 more rows are left out, too',
  ]);
});
