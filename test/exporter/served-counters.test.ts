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
