import type { IdleJob } from '../../src/figures/idle/figures.ts';

export const MIN = 60e6;
export const T0 = Date.UTC(2026, 4, 12, 6) * 1000;

/** A job of four devices that idles from 6:00 on; seen up to `minutes` later. */
export function idleJob(minutes: number, change: Partial<IdleJob> = {}): IdleJob {
  const [sinceUs, untilUs] = [T0, T0 + minutes * MIN];
  return {
    ...{
      cluster: 'atlas',
      jobId: '4217',
      run: 0,
      typedId: '4217',
      name: 'train',
      user: 'ada',
      account: 'physics',
    },
    ...{ partition: 'gpu', startUs: T0 - 60 * MIN, gpus: 4, sinceUs, untilUs, isAtLeast: false },
    idle: [0, 1, 2, 3].map((n) => ({ node: 'n1', gpu: `GPU-${n}`, sinceUs, untilUs, isAtLeast: false })),
    lostGpuUs: 4 * minutes * MIN,
    command: 'gpuledger report job 4217 --cluster atlas',
    ...change,
  };
}
