/**
 * Goal: the records of a job give the same ownership in whatever order they are read. Method: cases that went wrong once, in
 * every order, and made-up journals in random order, each with a read after every record, against one read of all of them in
 * the order of time.
 */
import { describe, expect, test } from 'vitest';
import type { JobNews } from '../../../src/core/jobs/job-fact.ts';
import type { JournalEntry } from '../../../src/ownership/journal/entry.ts';
import { JournalJobs } from '../../../src/ownership/journal/jobs.ts';
import { seededRandom } from '../../chaos/random.ts';
import { at, BOOT, describeOwnership } from '../../helpers/journal.ts';

interface Fields {
  readonly gpus?: readonly number[];
  readonly user?: string;
  readonly restart?: number;
  /** Second at which the scheduler says that the job began. */
  readonly startS?: number;
  readonly isController?: boolean;
  readonly cluster?: string;
  readonly nodelist?: string;
}

let made = 0;
function entry(event: 'start' | 'end', s: number, fields: Fields = {}): JournalEntry {
  const { gpus = [0], user = 'ada', restart = 0, startS, isController = false, cluster, nodelist } = fields;
  const devices = gpus.map((index) => ({
    ...{ uuid: `GPU-${index}`, node: 'n1', index },
    ...{ model: 'X', memoryBytes: 1 },
  }));
  return {
    name: `record ${(made += 1)}`,
    atUs: at(s),
    record: {
      ...{ event, manager: 'slurm', job: '7', boot_id: BOOT.id, uptime: 10_000 + s, user, restart },
      context: `${event === 'start' ? 'prolog' : 'epilog'}_${isController ? 'slurmctld' : 'slurmd'}`,
      ...(isController ? {} : { node: 'n1' }),
      ...(cluster === undefined ? {} : { cluster }),
      ...(nodelist === undefined ? {} : { nodelist }),
      ...(startS === undefined ? {} : { start_time: at(startS) / 1e6 }),
    },
    resolution: { devices, unresolved: [] },
    share: 1,
  };
}

function readOneByOne(entries: readonly JournalEntry[]): JobNews[] {
  const journal = new JournalJobs({ boot: BOOT });
  return entries.map((one) => {
    journal.add(one);
    return journal.take();
  });
}

function readAtOnce(entries: readonly JournalEntry[]): JobNews {
  const journal = new JournalJobs({ boot: BOOT });
  for (const one of entries) journal.add(one);
  return journal.take();
}

function ordersOf<T>(list: readonly T[]): T[][] {
  if (list.length < 2) return [[...list]];
  return list.flatMap((first, index) => ordersOf(list.toSpliced(index, 1)).map((rest) => [first, ...rest]));
}

function shuffled<T>(random: () => number, list: readonly T[]): T[] {
  return list
    .map((one) => ({ one, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ one }) => one);
}

const BOB = { user: 'bob' };
const ALPHA = { cluster: 'alpha', gpus: [0] };
const BETA = { cluster: 'beta', gpus: [1] };
const CONTROLLER = { gpus: [], isController: true };
const CASES: readonly { what: string; entries: readonly JournalEntry[]; expected: readonly string[] }[] = [
  ...[17.4, 18, 18.5, 20].map((s) => ({
    what: `an end at ${s} says that its job began at 17, and its prolog tells of 17.1`,
    entries: [entry('start', 17.1), entry('end', s, { startS: 17 })],
    expected: [`7 on GPU-0 (17.1, ${s}]`],
  })),
  {
    what: 'a second end comes after the next start under the same id',
    entries: [entry('start', 10), entry('end', 20), entry('start', 30, BOB), entry('end', 50)],
    expected: ['7 on GPU-0 (10, 20]', '7 on GPU-0 (30, open'],
  },
  {
    what: 'the only end comes after the next start under the same id',
    entries: [entry('start', 10), entry('start', 30, BOB), entry('end', 50), entry('end', 60, BOB)],
    expected: ['7 on GPU-0 (10, 30]', '7 on GPU-0 (30, 60]'],
  },
  {
    what: 'the controller knows the start of a run whose prolog comes, too, and no epilog of the run before',
    entries: [
      entry('start', 10, { gpus: [0, 1] }),
      entry('start', 40, { restart: 1, gpus: [], isController: true }),
      entry('start', 42, { restart: 1 }),
      entry('end', 50, { restart: 1 }),
    ],
    expected: ['7 on GPU-0 (10, 42]', '7 on GPU-1 (10, 42]', '7 run 1 on GPU-0 (42, 50]'],
  },
  {
    what: 'only the controller knows the start of a run',
    entries: [
      ...[entry('start', 10), entry('end', 20, { restart: 1 })],
      ...[
        entry('start', 141, { restart: 1, gpus: [], isController: true }),
        entry('end', 150, { restart: 1 }),
      ],
    ],
    expected: ['7 on GPU-0 (10, 20]', '7 run 1 on GPU-0 (141, 150]'],
  },
  {
    what: 'of three ends that say when their job began only one is of a job that nobody else knows',
    entries: [
      ...[entry('start', 10), entry('end', 20, { startS: 10, restart: 1 })],
      ...[entry('end', 25, { startS: 10, restart: 1 }), entry('end', 150, { startS: 141, restart: 1 })],
    ],
    expected: ['7 on GPU-0 (10, 20]', '7 run 1 on GPU-0 (142, 150]'],
  },
  {
    what: 'two ends of a run without a prolog say when it began, and each of them counts otherwise',
    entries: [
      ...[entry('start', 10, BOB), entry('end', 12, BOB)],
      ...[entry('end', 30, { startS: 17, restart: 1 }), entry('end', 40, { startS: 17, restart: 0 })],
    ],
    expected: ['7 on GPU-0 (10, 12]', '7 on GPU-0 (18, 30]'],
  },
  {
    what: 'the controller has told of the run before, and nothing shows that it was this one that was requeued',
    entries: [entry('start', 10, CONTROLLER), entry('end', 150, { restart: 1 })],
    expected: [],
  },
  {
    what: 'the controller has told of a run, and of the next one after its end',
    entries: [
      ...[entry('start', 10, CONTROLLER), entry('end', 150, { restart: 1 })],
      entry('start', 300, { ...CONTROLLER, restart: 1 }),
    ],
    expected: ['7 on GPU-0 (10, 150]'],
  },
  {
    what: 'the run that the controller has told of is on another node',
    entries: [entry('start', 10, { ...CONTROLLER, nodelist: 'n[2-3]' }), entry('end', 150)],
    expected: [],
  },
  {
    what: 'two clusters have a job of one id on one node',
    entries: [
      ...[entry('start', 10, ALPHA), entry('start', 20, BETA)],
      ...[entry('end', 30, ALPHA), entry('end', 40, BETA)],
    ],
    expected: ['7 on GPU-0 (10, 30]', '7 on GPU-1 (20, 40]'],
  },
  {
    what: 'the other cluster has requeued its job meanwhile',
    entries: [
      ...[entry('start', 10, ALPHA), entry('start', 12, BETA), entry('end', 15, { ...BETA, restart: 1 })],
      ...[entry('start', 20, { ...BETA, restart: 1 }), entry('end', 30, ALPHA)],
    ],
    expected: ['7 on GPU-0 (10, 30]', '7 on GPU-1 (12, 15]', '7 run 1 on GPU-1 (20, open'],
  },
  {
    what: "no run of one cluster is inferred from the start that the other one's controller tells",
    entries: [entry('start', 10, { ...CONTROLLER, cluster: 'beta' }), entry('end', 30, ALPHA)],
    expected: [],
  },
  {
    what: 'a record without a cluster is of the only cluster that is named',
    entries: [
      ...[entry('start', 10, { gpus: [0] }), entry('end', 30, ALPHA)],
      ...[entry('start', 200, { ...ALPHA, restart: 1 }), entry('end', 210, { restart: 1, gpus: [0] })],
    ],
    expected: ['7 on GPU-0 (10, 30]', '7 run 1 on GPU-0 (200, 210]'],
  },
  {
    what: 'a record without a cluster is of neither where two are named',
    entries: [
      ...[entry('start', 10, { gpus: [0] }), entry('end', 30, ALPHA)],
      ...[entry('start', 20, BETA), entry('end', 40, BETA)],
    ],
    expected: ['7 on GPU-0 (10, open', '7 on GPU-1 (20, 40]'],
  },
];

describe('records in any order', () => {
  test.each(CASES)('$what', ({ entries, expected }) => {
    for (const order of ordersOf(entries))
      expect(describeOwnership(...readOneByOne(order))).toEqual(expected);
  });

  test('make one row for each job of two clusters under one id', () => {
    const entries = [
      ...[entry('start', 9, { ...ALPHA, ...CONTROLLER }), entry('start', 9.5, { ...BETA, ...CONTROLLER })],
      ...[entry('start', 10, ALPHA), entry('start', 11, BETA), entry('end', 30, ALPHA)],
    ];
    for (const order of ordersOf(entries)) {
      const told = readOneByOne(order).flatMap(({ records }) => records);
      const rows = new Map(told.map((row) => [`${row.cluster} ${row.startUs}`, row]));
      const row = { jobId: '7', run: 0, user: 'ada' };
      expect([...rows.values()].filter(({ startUs }) => startUs < at(10))).toHaveLength(2);
      expect(rows.get(`alpha ${at(9)}`)).toEqual({ ...row, cluster: 'alpha', startUs: at(9), endUs: at(30) });
      expect(rows.get(`beta ${at(9.5)}`)).toEqual({
        ...row,
        ...{ cluster: 'beta', startUs: at(9.5), state: 'RUNNING' },
      });
    }
  });

  test('of two clusters give each what its own records give', () => {
    for (let seed = 0; seed < 100; seed += 1) {
      const random = seededRandom(seed);
      const [alpha, beta] = [ALPHA, BETA].map((fixed) => madeUpOfOne(random, fixed));
      const both = shuffled(random, [...alpha!, ...beta!]);
      expect(describeOwnership(...readOneByOne(both)), `seed ${seed}`).toEqual(
        [alpha!, beta!].flatMap((own) => describeOwnership(readAtOnce(own))).sort(),
      );
    }
  });

  test('of made-up runs, with losses, second ends, and ends that say when the run began', () => {
    for (let seed = 0; seed < 400; seed += 1) {
      const random = seededRandom(seed);
      const entries = madeUp(random).sort((a, b) => a.atUs - b.atUs);
      const oneByOne = describeOwnership(...readOneByOne(shuffled(random, entries)));
      expect(oneByOne, `seed ${seed}`).toEqual(describeOwnership(readAtOnce(entries)));
    }
  });
});

/** Up to four runs under one id on a node, of one user or of two. */
function madeUpOfOne(random: () => number, fixed: Fields = {}): JournalEntry[] {
  const entries: JournalEntry[] = [];
  let s = 10;
  let restart = 0;
  for (let left = 1 + Math.floor(random() * 4); left > 0; left -= 1) {
    const startS = s + 1 + Math.floor(random() * 20);
    const endS = startS + 1 + random() * 30;
    const fields = {
      ...{ gpus: random() < 0.5 ? [0] : [0, 1], user: random() < 0.8 ? 'ada' : 'bob' },
      ...fixed,
    };
    const isAgain = random() < 0.7;
    const begunS = startS + random() * Math.min(3, endS - startS);
    if (random() < 0.8) entries.push(entry('start', begunS, { ...fields, restart }));
    if (random() < 0.5)
      entries.push(entry('start', startS + random(), { ...fields, restart, gpus: [], isController: true }));
    const saysStart = random() < 0.5 ? { startS } : {};
    const ended = { ...fields, restart: restart + (isAgain ? 1 : 0), ...saysStart };
    if (random() < 0.8) entries.push(entry('end', endS, ended));
    // A late one may come in the time of the next run.
    if (random() < 0.2) entries.push(entry('end', endS + random() * 50, ended));
    if (random() < 0.2)
      entries.push(entry('end', endS + random() * 200, { ...fields, restart: ended.restart }));
    s = Math.ceil(endS) + Math.floor(random() * 100);
    restart = isAgain ? restart + 1 : 0;
  }
  return entries;
}

/** The same, or in two clusters at once, each with a device of its own and some records that do not name it. */
function madeUp(random: () => number): JournalEntry[] {
  if (random() < 0.7) return madeUpOfOne(random);
  const namesAll = random() < 0.5;
  return ['alpha', 'beta'].flatMap((cluster, gpu) => [
    ...madeUpOfOne(random, { cluster, gpus: [gpu] }),
    ...(namesAll ? [] : madeUpOfOne(random, { gpus: [2] })),
  ]);
}
