import { describe, expect, test } from 'vitest';
import { hostDoing } from '../../../src/core/analysis/host-doing.ts';

const NOTHING = { ioWaitRatio: undefined, cpuCores: undefined, isAtRest: false };

describe('what the host did while the GPUs did not', () => {
  test.each([
    ['waits for storage', 0.2, 0.62, { ...NOTHING, ioWaitRatio: 0.62 }],
    ['computes', 7.8, 0.01, { ...NOTHING, cpuCores: 7.8 }],
    ['does both', 7.8, 0.62, { ...NOTHING, ioWaitRatio: 0.62, cpuCores: 7.8 }],
    ['does neither', 0.05, 0.01, { ...NOTHING, isAtRest: true }],
    ['computes, and of storage nothing is known', 1, undefined, { ...NOTHING, cpuCores: 1 }],
    ['waits, and of CPUs nothing is known', undefined, 0.3, { ...NOTHING, ioWaitRatio: 0.3 }],
  ])('%s', (_, cpuCores, ioWaitRatio, doing) => {
    expect(hostDoing({ cpuCores, ioWaitRatio })).toEqual(doing);
  });

  test.each([
    ['less than a CPU and some waits', 0.79, 0.29],
    ['some waits and no CPU', 0.05, 0.2],
    ['hardly any CPU, and of storage nothing is known', 0.05, undefined],
    ['no waits, and of CPUs nothing is known', undefined, 0],
    ['nothing', undefined, undefined],
  ])('is not told by %s', (_, cpuCores, ioWaitRatio) => {
    expect(hostDoing({ cpuCores, ioWaitRatio })).toBeUndefined();
  });

  test('is not told of a time that nobody saw', () => {
    expect(hostDoing(undefined)).toBeUndefined();
  });
});
