import { expect, test } from 'vitest';
import type { CloseLook, SampleLine } from '../../src/figures/job/timeline/close-look.ts';
import { closeData } from '../../src/report/page/close-data.ts';

const T0 = 1_700_000_000e6;
const lineOf = (
  key: SampleLine['key'],
  gpu: string,
  rows: readonly (readonly [ms: number, dtMs: number, value: number])[],
): SampleLine => ({
  ...{ key, gpu, node: 'n1' },
  timesUs: Float64Array.from(rows, ([ms]) => T0 + ms * 1000),
  dtUs: Float64Array.from(rows, ([, ms]) => ms * 1000),
  values: Float64Array.from(rows, ([, , value]) => value),
});
const lookOf = (samples: readonly SampleLine[]): CloseLook => ({
  ...{ fromUs: T0, toUs: T0 + 10e6, samples, bands: [] },
});
const DEVICE = { gpu: 'A', node: 'n1', index: 3, migProfile: undefined, memoryBytes: undefined };
const told = (look: CloseLook): unknown => closeData(look, [DEVICE]);

test('samples in columns: times from the begin on, in the unit of their chart', () => {
  const sm = lineOf('smActive', 'A', [
    [1000, 1000, 0.51239],
    [2000, 1000, 0.25],
  ]);
  const watts = {
    ...lineOf('power', 'A', [
      [1000, 0, 500.06],
      [2000, 0, NaN],
    ]),
    timesUs: sm.timesUs,
    dtUs: sm.dtUs,
  };
  expect(told(lookOf([sm, watts]))).toEqual({
    ...{ from: T0 / 1e6, to: T0 / 1e6 + 10 },
    times: [[1000, 2000]],
    charts: [
      {
        ...{ id: 'activity', unit: '%', areas: [] },
        lines: [{ name: 'SM active', device: 'n1 gpu 3', tone: 0, track: 0, values: [51.24, 25] }],
      },
      {
        ...{ id: 'power', unit: 'W', areas: [] },
        lines: [{ name: 'power', device: 'n1 gpu 3', tone: 0, track: 0, values: [500.1, null] }],
      },
    ],
  });
});

test('before a sample that speaks for no time the line breaks, and devices have times of their own', () => {
  const a = lineOf('smActive', 'A', [
    [100, 0, 0.1],
    [200.34, 100, 0.2],
    [900, 0, 0.3],
  ]);
  const b = lineOf('smActive', 'B', [[150, 100, 0.4]]);
  expect(told(lookOf([a, b]))).toMatchObject({
    times: [[100, 200.3, 550.2, 900], [150]],
    charts: [
      {
        lines: [
          { device: 'n1 gpu 3', track: 0, values: [10, 20, null, 30] },
          { device: 'n1 B', track: 1, values: [40] },
        ],
      },
    ],
  });
});

test('where no lane holds SM activity, what the engine did is drawn first', () => {
  const lines = (['dramActive', 'gpuUtil', 'engineActive'] as const).map((key) =>
    lineOf(key, 'A', [[100, 100, 0.5]]),
  );
  expect(told(lookOf(lines))).toMatchObject({
    charts: [{ lines: [{ name: 'engine active' }, { name: 'any kernel ran' }, { name: 'DRAM active' }] }],
  });
});
