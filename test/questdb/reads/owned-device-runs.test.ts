import { describe, expect, test } from 'vitest';
import {
  deviceRunsOf,
  figuresKeyOf,
  type OwnedInterval,
} from '../../../src/questdb/reads/owned-device-runs.ts';

function stay(gpu: string, startUs: number, endUs: number, more: Partial<OwnedInterval> = {}): OwnedInterval {
  const span = { startUs: startUs * 1e6, endUs: endUs * 1e6 };
  return { node: 'n1', gpu, jobId: '7', run: NaN, source: 'test', ...span, ...more };
}

/** `GPU-0 7#0 (0, 10] owned 10 shared 0` for each device, a list a run. */
function describeRuns(intervals: readonly OwnedInterval[]): string[][] {
  return deviceRunsOf(intervals).map((runs) =>
    runs.map(({ gpu, jobId, run, startUs, endUs, ownedUs, sharedUs }) => {
      const count = Number.isNaN(run) ? '' : `#${run}`;
      const [start, end, owned, shared] = [startUs, endUs, ownedUs, sharedUs].map((us) => us / 1e6);
      return `${gpu} ${jobId}${count} (${start}, ${end}] owned ${owned} shared ${shared}`;
    }),
  );
}

describe('what a run had of its devices', () => {
  test.each<{ what: string; intervals: OwnedInterval[]; runs: string[][] }>([
    {
      what: 'two stays that nobody counted are two runs',
      intervals: [stay('GPU-0', 0, 10), stay('GPU-0', 200, 230)],
      runs: [['GPU-0 7 (0, 10] owned 10 shared 0'], ['GPU-0 7 (200, 230] owned 30 shared 0']],
    },
    {
      what: 'two jobs of one id and count are two',
      intervals: [stay('GPU-0', 0, 10, { run: 0 }), stay('GPU-0', 200, 230, { run: 0 })],
      runs: [['GPU-0 7#0 (0, 10] owned 10 shared 0'], ['GPU-0 7#0 (200, 230] owned 30 shared 0']],
    },
    {
      what: 'a run on two devices is one',
      intervals: [stay('GPU-0', 0, 10, { run: 1 }), stay('GPU-1', 0, 11, { run: 1 })],
      runs: [['GPU-0 7#1 (0, 10] owned 10 shared 0', 'GPU-1 7#1 (0, 11] owned 11 shared 0']],
    },
    {
      what: 'another job on the device, and another run of the same, share it',
      intervals: [
        stay('GPU-0', 0, 10, { run: 0 }),
        stay('GPU-0', 4, 6, { jobId: '8' }),
        stay('GPU-0', 9, 20, { run: 1 }),
      ],
      runs: [
        ['GPU-0 8 (4, 6] owned 2 shared 2'],
        ['GPU-0 7#0 (0, 10] owned 10 shared 3'],
        ['GPU-0 7#1 (9, 20] owned 11 shared 1'],
      ],
    },
    {
      what: 'a start that was taken back is nobody’s, also within the time of its run',
      intervals: [stay('GPU-0', 0, 10, { run: 0 }), stay('GPU-0', 5, 5, { run: 0 })],
      runs: [['GPU-0 7#0 (0, 10] owned 10 shared 0'], ['GPU-0 7#0 (5, 5] owned 0 shared 0']],
    },
  ])('$what', ({ intervals, runs }) => {
    expect(describeRuns(intervals)).toEqual(runs);
  });

  test('rows are told apart by their cluster', () => {
    const rows = [stay('GPU-0', 5, 5, { cluster: 'a' }), stay('GPU-0', 5, 9)];
    const keys = deviceRunsOf(rows).flat().map(figuresKeyOf);
    expect(new Set(keys).size).toBe(2);
  });
});
