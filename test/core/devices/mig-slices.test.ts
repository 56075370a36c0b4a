import { expect, test } from 'vitest';
import { instanceSlicesOf, sliceRatioOf, wholeSlicesOf } from '../../../src/core/devices/mig-slices.ts';

test.each([
  ['1g.5gb', 1],
  ['1g.10gb+me', 1],
  ['1g.24gb+me.all', 1],
  ['1g.24gb-me', 1],
  ['1g.24gb+gfx', 1],
  ['2g.35gb', 2],
  ['3g.40gb', 3],
  ['1c.3g.40gb', 3],
  ['4g.71gb', 4],
  ['7g.141gb', 7],
  ['3g', 3],
  ['', undefined],
  [undefined, undefined],
  ['8g.160gb', undefined],
  ['0g.5gb', undefined],
  ['3g.gb', undefined],
  ['3c.40gb', undefined],
  ['MIG 3g.40gb', undefined],
  ['3g.40gb beside', undefined],
])('the instance %s has %s slices', (profile, slices) => {
  expect(instanceSlicesOf(profile)).toBe(slices);
});

test.each([
  ['NVIDIA A100-SXM4-40GB', 7],
  ['NVIDIA A100 80GB PCIe', 7],
  ['A100X', 7],
  ['NVIDIA A30', 4],
  ['NVIDIA A30 MIG 1g.6gb', 4],
  ['NVIDIA H100 80GB HBM3', 7],
  ['NVIDIA H100 NVL', 7],
  ['NVIDIA GH200 480GB', 7],
  ['NVIDIA H200 MIG 3g.71gb', 7],
  ['NVIDIA GB200', 7],
  ['NVIDIA B300 SXM6 AC', 7],
  ['NVIDIA RTX PRO 6000 Blackwell Server Edition', 4],
  ['NVIDIA RTX PRO 5000 Blackwell', 2],
  ['NVIDIA A300', undefined],
  ['NVIDIA L40S', undefined],
  ['Tesla V100-SXM2-32GB', undefined],
  ['', undefined],
  [undefined, undefined],
])('%s has %s slices', (model, slices) => {
  expect(wholeSlicesOf(model)).toBe(slices);
});

test('what is not known of an instance or its GPU is no part of it', () => {
  expect(sliceRatioOf('3g.71gb', 'NVIDIA H200')).toBe(3 / 7);
  expect(sliceRatioOf('4g.24gb', 'NVIDIA A30')).toBe(1);
  expect(sliceRatioOf('7g.24gb', 'NVIDIA A30')).toBeUndefined();
  expect(sliceRatioOf('huge', 'NVIDIA H200')).toBeUndefined();
  expect(sliceRatioOf('3g.71gb', 'NVIDIA X1')).toBeUndefined();
});
