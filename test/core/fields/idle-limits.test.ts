import { expect, test } from 'vitest';
import { idleLimitOf, USUAL_IDLE_LIMITS, type IdleLimits } from '../../../src/core/fields/idle-limits.ts';

const limits: IdleLimits = {
  smRatio: 0.05,
  models: new Map([
    ['NVIDIA A100', 0.1],
    ['NVIDIA A100-SXM4-80GB', 0.02],
  ]),
};

test.each([
  ['NVIDIA A100 80GB PCIe', 0.1],
  ['NVIDIA A100-SXM4-80GB MIG 3g.40gb', 0.02],
  ['NVIDIA H200', 0.05],
  ['GRID NVIDIA A100', 0.05],
  [undefined, 0.05],
])('the limit of %s is %s', (model, limit) => {
  expect(idleLimitOf(limits, model)).toBe(limit);
});

test('without models it is the same for all', () => {
  expect(idleLimitOf(USUAL_IDLE_LIMITS, 'NVIDIA A100')).toBe(0.05);
});
