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
}

let made = 0;
function entry(event: 'start' | 'end', s: number, fields: Fields = {}): JournalEntry {
  const { gpus = [0], user = 'ada', restart = 0, startS, isController = false } = fields;
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

const BOB = { user: 'bob' };
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
];

describe('records in any order', () => {
  test.each(CASES)('$what', ({ entries, expected }) => {
    for (const order of ordersOf(entries))
      expect(describeOwnership(...readOneByOne(order))).toEqual(expected);
  });

  test('of made-up runs, with losses, second ends, and ends that say when the run began', () => {
    for (let seed = 0; seed < 400; seed += 1) {
      const random = seededRandom(seed);
      const entries = madeUp(random).sort((a, b) => a.atUs - b.atUs);
      const order = entries.map((one) => ({ one, at: random() })).sort((a, b) => a.at - b.at);
      const oneByOne = describeOwnership(...readOneByOne(order.map(({ one }) => one)));
      expect(oneByOne, `seed ${seed}`).toEqual(describeOwnership(readAtOnce(entries)));
    }
  });
});

/** Up to four runs under one id on a node, of one user or of two, so far apart that clocks leave no doubt. */
function madeUp(random: () => number): JournalEntry[] {
  const entries: JournalEntry[] = [];
  let s = 10;
  let restart = 0;
  for (let left = 1 + Math.floor(random() * 4); left > 0; left -= 1) {
    const startS = s + 1 + Math.floor(random() * 20);
    const endS = startS + 1 + random() * 30;
    const fields = { gpus: random() < 0.5 ? [0] : [0, 1], user: random() < 0.8 ? 'ada' : 'bob' };
    const isAgain = random() < 0.7;
    if (random() < 0.8)
      entries.push(entry('start', startS + random() * Math.min(3, endS - startS), { ...fields, restart }));
    const ended = { ...fields, restart: restart + (isAgain ? 1 : 0), ...(random() < 0.5 ? { startS } : {}) };
    if (random() < 0.8) entries.push(entry('end', endS, ended));
    // A late one may come in the time of the next run.
    if (random() < 0.2) entries.push(entry('end', endS + random() * 50, ended));
    if (random() < 0.2)
      entries.push(entry('end', endS + random() * 200, { ...fields, restart: ended.restart }));
    s = Math.ceil(endS) + 60;
    restart = isAgain ? restart + 1 : 0;
  }
  return entries;
}
