/** Goal: a bound is never below what a job did, is of the right model, and says so where nothing is known. */
import { describe, expect, test } from 'vitest';
import { classOf, type MeanActivities } from '../../src/core/analysis/activity-class.ts';
import { peaksOf } from '../../src/core/devices/model-peaks.ts';
import { boundsOf } from '../../src/figures/job/analysis/bounds.ts';
import type { GaugeKey } from '../../src/figures/gauges.ts';
import type { Quantity } from '../../src/figures/quantity.ts';
import { boundsJson } from '../../src/report/analysis-json.ts';
import { boundsLines } from '../../src/report/analysis-text.ts';

test.each([
  ['NVIDIA A100-SXM4-80GB', 'A100-SXM4-80GB'],
  ['NVIDIA A100-SXM4-40GB', 'A100-SXM4-40GB'],
  ['NVIDIA A100 80GB PCIe', 'A100 80GB PCIe'],
  ['Tesla V100-SXM2-32GB', 'V100-SXM2'],
  ['NVIDIA H100 80GB HBM3', 'H100 80GB HBM3'],
  ['NVIDIA H100 NVL', 'H100 NVL'],
  ['NVIDIA H200', 'H200'],
  ['NVIDIA H200 NVL', 'H200 NVL'],
  ['NVIDIA L4', 'L4'],
  ['NVIDIA L40', 'L40'],
  ['NVIDIA L40S', 'L40S'],
  ['NVIDIA B200', 'B200'],
  ['NVIDIA L40G', undefined],
  ['NVIDIA B300', undefined],
  ['NVIDIA GeForce RTX 4090', undefined],
  ['', undefined],
])('the peaks of %s are those of %s', (model, sheet) => {
  expect(peaksOf(model)?.model).toBe(sheet);
});

const nothing: MeanActivities = {
  sm: 0,
  tensor: 0,
  dram: 0,
  engine: undefined,
  fp64: undefined,
  pcie: undefined,
};

test.each<[Partial<MeanActivities>, string]>([
  [{ sm: 0.04, engine: 0.04 }, 'idle'],
  [{ sm: 0.6, tensor: 0.5 }, 'tensor-heavy'],
  [{ sm: 0.5, tensor: 0.5 }, 'tensor'],
  [{ sm: 0.5, fp64: 0.2 }, 'fp64'],
  [{ sm: 0.2, pcie: 2e9 }, 'io'],
  [{ sm: 0.45, dram: 0.8 }, 'memory-bound'],
  [{ sm: 0.8, dram: 0.8 }, 'compute-heavy'],
  [{ sm: 0.5, tensor: 0.1 }, 'compute'],
  [{ sm: 0.3, dram: 0.4 }, 'memory-active'],
  [{ sm: 0.1, engine: 0.97 }, 'busy-low-sm'],
  [{ sm: 0.1, engine: 0.3 }, 'low'],
  [{ sm: 0.3 }, 'mixed'],
])('%j is of the class %s', (means, name) => {
  expect(classOf({ ...nothing, ...means })).toBe(name);
});

describe('bounds', () => {
  const job = (
    means: Partial<Record<GaugeKey, number>>,
    models: readonly (string | undefined)[] = ['NVIDIA H200', 'NVIDIA H200'],
    fp64?: number,
  ): Parameters<typeof boundsOf>[0] => {
    const known = (value: number): Quantity => ({ value, unit: 'ratio', knownUs: 1 });
    return {
      gauges: (Object.entries(means) as [GaugeKey, number][]).map(([key, value]) => ({
        key,
        mean: known(value),
      })),
      devices: models.map((model) => ({ model, migProfile: undefined })),
      all: { smShares: fp64 === undefined ? {} : { fp64: known(fp64) } },
    };
  };
  const means = { smActive: 0.7, tensorActive: 0.36, dramActive: 0.25 };

  test('are activity times peak', () => {
    const bounds = boundsOf(job(means))!;
    expect(bounds).toMatchObject({ roof: 'compute', workClass: 'tensor' });
    const json = boundsJson(bounds) as Record<string, unknown>;
    expect(json).toMatchObject({ mfuMax: 0.36, memoryRatio: 0.25, class: 'tensor', peaksOf: 'H200' });
    expect(json['tensorFlopsMax']).toBeCloseTo(0.36 * 989.5e12, -6);
    expect(json['memoryBytesPerSecond']).toBeCloseTo(1.2e12, -3);
    expect(boundsLines(bounds, 500).map((line) => line.replaceAll(/\s/g, ' '))).toEqual([
      '  bounds by activity: MFU at most 36 % (356 of 990 dense 16-bit TFLOP/s a GPU), memory 25 % (1.2 of 4.8 TB/s); nearer to what its busiest pipe can do (class tensor)',
    ]);
  });

  test('without peaks are parts alone: of several models, of none that is known, and of MIG instances', () => {
    for (const models of [['NVIDIA H200', 'NVIDIA L4'], ['NVIDIA X1'], [undefined]])
      expect(boundsOf(job(means, models))!.peaks).toBeUndefined();
    const cut = job(means);
    const devices = cut.devices.map((device) => ({ ...device, migProfile: '3g.71gb' }));
    const bounds = boundsOf({ ...cut, devices })!;
    expect(bounds.peaks).toBeUndefined();
    expect(boundsLines(bounds, 500)[0]).toMatch(/MFU at most 36.%, memory 25.%;/);
    expect(boundsJson(bounds)).not.toHaveProperty('tensorFlopsMax', expect.anything());
  });

  test('are of the nearer roof, by the busiest pipe', () => {
    expect(boundsOf(job({ ...means, tensorActive: 0.1, dramActive: 0.8 }))!.roof).toBe('memory');
    expect(boundsOf(job({ ...means, tensorActive: 0.1, dramActive: 0.2 }))!.roof).toBe('low');
    expect(boundsOf(job({ ...means, tensorActive: 0, dramActive: 0.2 }, undefined, 0.6))!.roof).toBe(
      'compute',
    );
  });

  test('say nothing of tensor pipes that were not used, of a job that did nothing, and of what is not known', () => {
    const dry = boundsOf(job({ ...means, tensorActive: 0.001 }))!;
    expect(boundsLines(dry, 500)[0]).toMatch(/^ {2}bounds by activity: memory 25/);
    expect(boundsLines(boundsOf(job({ smActive: 0.01, tensorActive: 0, dramActive: 0 })), 500)).toEqual([]);
    expect(boundsOf(job({ smActive: 0.5, tensorActive: 0.2 }))).toBeUndefined();
    expect(boundsLines(undefined, 500)).toEqual([]);
  });
});
