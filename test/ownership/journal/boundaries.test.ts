import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JobNews } from '../../../src/core/jobs/job-fact.ts';
import type { JournalOptions } from '../../../src/ownership/journal/journal.ts';
import {
  at,
  BOOT,
  describeOwnership,
  OLD_BOOT_ID,
  openJournalBench,
  type JournalBench,
} from '../../helpers/journal.ts';

let bench: JournalBench;
beforeEach(() => {
  bench = openJournalBench();
});
afterEach(() => {
  bench.close();
});

interface Case {
  readonly what: string;
  /** Puts records there; the journal is read between the steps, each at its own second. */
  readonly steps: readonly {
    readonly s: number;
    readonly put?: (bench: JournalBench) => void;
    readonly uptimeS?: number;
  }[];
  readonly options?: Partial<JournalOptions>;
  readonly slurmConf?: string;
  readonly expected: readonly string[];
  readonly problems?: readonly string[];
}

const CASES: readonly Case[] = [
  {
    what: 'start by prolog, end by epilog',
    steps: [
      { s: 2, put: (b) => b.put('start', '7', 1, { gpus: '0,2' }) },
      { s: 6, put: (b) => b.put('end', '7', 5, { gpus: '0,2' }) },
    ],
    expected: ['7 on GPU-0 (1, 5]', '7 on GPU-2 (1, 5]'],
  },
  {
    what: 'a job that is still running',
    steps: [{ s: 2, put: (b) => b.put('start', '7', 1) }],
    expected: ['7 on GPU-0 (1, open'],
  },
  {
    what: 'epilog without prolog: nothing is guessed',
    steps: [{ s: 6, put: (b) => b.put('end', '7', 5) }],
    expected: [],
    problems: ['journal.end_without_start'],
  },
  {
    what: 'epilog without prolog, but Slurm (23.02 and later) says when the job began',
    steps: [{ s: 60, put: (b) => b.put('end', '7', 50, { start_time: String(at(10) / 1e6), restart: '1' }) }],
    expected: ['7 on GPU-0 (11, 50]'],
  },
  {
    what: 'epilog read before its prolog',
    steps: [
      { s: 6, put: (b) => b.put('end', '7', 5) },
      { s: 7, put: (b) => b.put('start', '7', 1) },
    ],
    expected: ['7 on GPU-0 (1, 5]'],
    problems: ['journal.end_without_start'],
  },
  {
    what: 'an epilog that runs twice ends the job once',
    steps: [
      { s: 9, put: (b) => (b.put('start', '7', 1), b.put('end', '7', 5), b.put('end', '7', 8)) },
      { s: 12, put: (b) => b.put('start', '8', 6) },
    ],
    expected: ['7 on GPU-0 (1, 5]', '8 on GPU-0 (6, open'],
  },
  {
    what: 'prolog without epilog because the node died: closed at the last sample before boot',
    steps: [{ s: 20, put: (b) => b.put('start', '7', -9_900, { boot_id: OLD_BOOT_ID }, 5000) }],
    options: { boot: { id: BOOT.id, timeUs: at(-8_000) }, lastSampleUs: new Map([['GPU-0', at(-9_000)]]) },
    expected: ['7 on GPU-0 (-9900, -9000]'],
  },
  {
    what: 'prolog without epilog because the node died, and no sample is known: closed at boot',
    steps: [{ s: 20, put: (b) => b.put('start', '7', -9_900, { boot_id: OLD_BOOT_ID }, 5000) }],
    options: { boot: { id: BOOT.id, timeUs: at(-8_000) } },
    expected: ['7 on GPU-0 (-9900, -8000]'],
  },
  {
    what: 'a job that had ended before the node died keeps its own end',
    steps: [
      {
        s: 20,
        put: (b) => {
          b.put('start', '7', -9_900, { boot_id: OLD_BOOT_ID }, 5000);
          b.put('end', '7', -9_500, { boot_id: OLD_BOOT_ID }, 5400);
        },
      },
    ],
    options: { boot: { id: BOOT.id, timeUs: at(-8_000) }, lastSampleUs: new Map([['GPU-0', at(-9_000)]]) },
    expected: ['7 on GPU-0 (-9900, -9500]'],
  },
  {
    what: 'the epilog that slurmd runs after the reboot does not prolong the job into this boot',
    steps: [
      {
        s: 20,
        put: (b) => (b.put('start', '7', -9_900, { boot_id: OLD_BOOT_ID }, 5000), b.put('end', '7', 2)),
      },
    ],
    options: { boot: { id: BOOT.id, timeUs: at(-8_000) } },
    expected: ['7 on GPU-0 (-9900, -8000]'],
  },
  {
    what: 'prolog without epilog, and the next job on the same GPU starts: whole GPUs have one owner',
    steps: [
      { s: 2, put: (b) => b.put('start', '7', 1) },
      { s: 9, put: (b) => b.put('start', '8', 8) },
    ],
    expected: ['7 on GPU-0 (1, 8]', '8 on GPU-0 (8, open'],
  },
  {
    what: 'two live jobs on one GPU where the site hands out shards',
    steps: [
      { s: 5, put: (b) => (b.put('start', '7', 1), b.put('start', '8', 3)) },
      { s: 9, put: (b) => b.put('end', '7', 6) },
    ],
    slurmConf: 'GresTypes=gpu,shard\n',
    expected: ['7 on GPU-0 (1, 6]', '8 on GPU-0 (3, open'],
  },
  {
    what: 'back-to-back jobs in one tick',
    steps: [
      {
        s: 3,
        put: (b) => (
          b.put('start', '7', 1),
          b.put('end', '7', 1.25),
          b.put('start', '8', 1.5),
          b.put('end', '8', 1.75)
        ),
      },
    ],
    expected: ['7 on GPU-0 (1, 1.25]', '8 on GPU-0 (1.5, 1.75]'],
  },
  {
    what: 'requeue with the same id on another GPU; the first epilog already counts the restart',
    steps: [
      {
        s: 9,
        put: (b) => {
          b.put('start', '7', 1, { gpus: '1', restart: '0' });
          b.put('end', '7', 3, { gpus: '1', restart: '1' });
          b.put('start', '7', 5, { gpus: '0', restart: '1' });
          b.put('end', '7', 8, { gpus: '0', restart: '1' });
        },
      },
    ],
    expected: ['7 on GPU-1 (1, 3]', '7 run 1 on GPU-0 (5, 8]'],
  },
  {
    what: 'requeue with the same id on the same GPU, without the first epilog',
    steps: [
      {
        s: 9,
        put: (b) => (b.put('start', '7', 1, { restart: '0' }), b.put('start', '7', 5, { restart: '1' })),
      },
    ],
    expected: ['7 on GPU-0 (1, 5]', '7 run 1 on GPU-0 (5, open'],
  },
  {
    what: 'requeue with the same id on another GPU, without the first epilog',
    steps: [
      {
        s: 9,
        put: (b) => {
          b.put('start', '7', 1, { gpus: '1', restart: '0' });
          b.put('start', '7', 5, { gpus: '0', restart: '1' });
        },
      },
    ],
    expected: ['7 on GPU-1 (1, 5]', '7 run 1 on GPU-0 (5, open'],
  },
  {
    what: 'the same, and the first prolog is read after the second',
    steps: [
      { s: 8, put: (b) => b.put('start', '7', 5, { gpus: '0', restart: '1' }) },
      { s: 9, put: (b) => b.put('start', '7', 1, { gpus: '1', restart: '0' }) },
    ],
    expected: ['7 on GPU-1 (1, 5]', '7 run 1 on GPU-0 (5, open'],
  },
  {
    what: 'a requeued run whose prolog slurmd left out: the controller knows its start',
    steps: [
      {
        s: 200,
        put: (b) => {
          const controller = { context: 'prolog_slurmctld', node: '', gpus: '' };
          b.put('start', '7', 0.5, { ...controller, restart: '0' });
          b.put('start', '7', 1, { restart: '0', gpus: '1' });
          b.put('end', '7', 3, { restart: '1', gpus: '1' });
          b.put('end', '7', 4, { restart: '1', gpus: '1' });
          b.put('start', '7', 125, { ...controller, restart: '1' });
          b.put('end', '7', 150, { restart: '1' });
        },
      },
    ],
    expected: ['7 on GPU-1 (1, 3]', '7 run 1 on GPU-0 (125, 150]'],
  },
  {
    what: 'a requeued run whose prolog slurmd left out: Slurm (23.02 and later) knows its start',
    steps: [
      {
        s: 200,
        put: (b) => {
          const startedAt = (s: number): Record<string, string> => ({
            start_time: String(at(s) / 1e6),
            restart: '1',
          });
          b.put('start', '7', 1.25, { restart: '0' });
          b.put('end', '7', 1.5, startedAt(1));
          b.put('end', '7', 1.75, startedAt(1));
          b.put('end', '7', 150, startedAt(125));
        },
      },
    ],
    expected: ['7 on GPU-0 (1.25, 1.5]', '7 run 1 on GPU-0 (126, 150]'],
  },
  {
    what: 'the epilog of one job, seen after the prolog of the next, ends only its own job',
    steps: [
      { s: 5, put: (b) => (b.put('start', '7', 1), b.put('start', '8', 4)) },
      { s: 6, put: (b) => b.put('end', '7', 3.75) },
    ],
    expected: ['7 on GPU-0 (1, 3.75]', '8 on GPU-0 (4, open'],
  },
  {
    what: 'a record that appears after its time has passed',
    steps: [{ s: 50 }, { s: 60, put: (b) => (b.put('start', '7', 1), b.put('end', '7', 5)) }],
    expected: ['7 on GPU-0 (1, 5]'],
  },
  {
    what: 'a collector that starts in mid-job',
    steps: [{ s: 5_000, put: (b) => b.put('start', '7', 1) }],
    expected: ['7 on GPU-0 (1, open'],
  },
  {
    what: 'the clock goes forward by 100 s during the job',
    steps: [
      { s: 2, uptimeS: 10_002, put: (b) => b.put('start', '7', 1) },
      { s: 160, uptimeS: 10_060, put: (b) => b.put('end', '7', 150, {}, 10_050) },
    ],
    expected: ['7 on GPU-0 (1, 150]'],
  },
  {
    what: 'the clock is set back behind the start: the start moves with it at once',
    steps: [
      { s: 110, uptimeS: 10_110, put: (b) => b.put('start', '7', 100) },
      { s: 20, uptimeS: 10_120 },
    ],
    expected: ['7 on GPU-0 (0, open'],
    problems: ['journal.clock_set_back'],
  },
  {
    what: 'the clock is set back behind the start, and the job ends',
    steps: [
      { s: 110, uptimeS: 10_110, put: (b) => b.put('start', '7', 100) },
      { s: 20, uptimeS: 10_120 },
      { s: 40, uptimeS: 10_140, put: (b) => b.put('end', '7', 30, {}, 10_130) },
    ],
    expected: ['7 on GPU-0 (0, 30]'],
    problems: ['journal.clock_set_back'],
  },
  {
    what: 'the clock was set back while no collector looked',
    steps: [
      { s: 40, uptimeS: 10_140, put: (b) => (b.put('start', '7', 100), b.put('end', '7', 30, {}, 10_130)) },
    ],
    expected: ['7 on GPU-0 (0, 30]'],
  },
  {
    what: 'the clock was set back while no collector looked, and has passed the start again since',
    steps: [
      { s: 400, uptimeS: 10_500, put: (b) => (b.put('start', '7', 100), b.put('end', '7', 30, {}, 10_130)) },
    ],
    expected: ['7 on GPU-0 (0, 30]'],
    problems: ['journal.clock_set_back'],
  },
  {
    what: 'a device that cannot be told is owned all the same, as unresolved',
    steps: [
      { s: 6, put: (b) => (b.put('start', '7', 1, { gpus: '0,9' }), b.put('end', '7', 5, { gpus: '0,9' })) },
    ],
    expected: ['7 on GPU-0 (1, 5]', '7 on unresolved:n1:9 (1, 5]'],
    problems: ['journal.unresolved_device'],
  },
  {
    what: 'a job without GPUs owns none',
    steps: [{ s: 6, put: (b) => b.put('start', '7', 1, { gpus: '' }) }],
    expected: [],
  },
];

describe('boundaries', () => {
  test.each(CASES)('$what', ({ steps, options, slurmConf, expected, problems = [] }) => {
    if (slurmConf !== undefined) writeFileSync(join(bench.directory, 'slurm.conf'), slurmConf);
    let uptimeUs = 0;
    const input = bench.open({ ...options, uptimeUs: () => uptimeUs });
    const news: JobNews[] = [];
    for (const { s, put, uptimeS = 10_000 + s } of steps) {
      put?.(bench);
      uptimeUs = uptimeS * 1e6;
      news.push(input.read(at(s)));
    }
    expect(describeOwnership(...news)).toEqual(expected);
    expect(news.flatMap((one) => one.problems ?? []).map((problem) => problem.code)).toEqual(problems);
  });

  test('no fact is told before its time', () => {
    bench.put('start', '7', 1.5);
    const input = bench.open();
    expect(input.read(at(1)).facts).toEqual([]);
    expect(input.read(at(2)).facts).toHaveLength(1);
  });
});
