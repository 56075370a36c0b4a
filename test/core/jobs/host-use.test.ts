import { describe, expect, test } from 'vitest';
import { hostUseBetween, type HostReading } from '../../../src/core/jobs/host-use.ts';

const BEFORE: HostReading = {
  ...{ atUs: 5e6, cgroup: '1 7', cpuUs: 100e6, cpuWaitUs: 2e6, ioWaitUs: 3e6 },
  ...{ readBytes: 1000, writtenBytes: 500, memoryBytes: 64, memoryPeakBytes: 128 },
};
const NOTHING = {
  ...{ cpuUs: undefined, cpuWaitUs: undefined, ioWaitUs: undefined, readBytes: undefined },
  ...{ writtenBytes: undefined, memoryBytes: undefined, memoryPeakBytes: undefined },
};
const after = (more: Partial<HostReading>): HostReading => ({ ...BEFORE, atUs: 7e6, ...more });

describe('what a job did on a node between two readings', () => {
  test('is the rise of each counter over the time between, and what memory is now', () => {
    const now = after({
      ...{ cpuUs: 115e6, cpuWaitUs: 2.5e6, ioWaitUs: 4e6, readBytes: 4000, writtenBytes: 500 },
      ...{ memoryBytes: 96, memoryPeakBytes: 256 },
    });
    expect(hostUseBetween(BEFORE, now)).toEqual({
      ...{ dtUs: 2e6, cpuCores: 7.5, cpuWaitRatio: 0.25, ioWaitRatio: 0.5 },
      ...{ readBytesPerSecond: 1500, writeBytesPerSecond: 0, memoryBytes: 96, memoryPeakBytes: 256 },
    });
  });

  test.each<[string, Partial<HostReading>, object]>([
    ['a counter that fell is not known', { cpuUs: 1e6 }, { cpuCores: undefined, ioWaitRatio: 0 }],
    ['nor one that was not there before', { cpuUs: undefined }, { cpuCores: undefined, ioWaitRatio: 0 }],
    ['no wait is longer than the time', { ioWaitUs: 5.001e6 }, { ioWaitRatio: 1, cpuCores: 0 }],
    ['the others are known without those of pressure', { ioWaitUs: undefined }, { ioWaitRatio: undefined }],
  ])('%s', (_, more, expected) => {
    expect(hostUseBetween(BEFORE, after(more))).toMatchObject(expected);
  });

  test.each<[string, HostReading]>([
    ['of another cgroup', after({ cgroup: '1 8', cpuUs: 200e6 })],
    ['at the same moment', after({ atUs: 5e6 })],
    ['earlier', after({ atUs: 4e6 })],
    ['without anything', after(NOTHING)],
  ])('is not known from a reading %s', (_, now) => {
    expect(hostUseBetween(BEFORE, now)).toBeUndefined();
  });
});
