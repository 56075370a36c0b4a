import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  isRequeueOf,
  isSameRun,
  jobsOf,
  overlapRatio,
  type RunTold,
} from '../../../src/core/jobs/job-runs.ts';

const S = 1e6;
const HOUR = 3600 * S;
const DAY = 24 * HOUR;

/** A telling of job 7 in (start, end], seconds; no end: open. */
function told(start: number, end?: number, more: Partial<RunTold> = {}): RunTold {
  return { jobId: '7', startUs: start * S, ...(end === undefined ? {} : { endUs: end * S }), ...more };
}

/** As accounting tells it: whole seconds, the submission, no count. */
const booked = (start: number, end?: number, more: Partial<RunTold> = {}): RunTold =>
  told(start, end, { submitUs: (start - 5) * S, ...more });

describe('two tellings are of one run', () => {
  test.each<{ what: string; a: RunTold; b: RunTold; same: boolean }>([
    { what: 'a hook and accounting', a: told(0.02, 100.1), b: booked(0, 100), same: true },
    { what: 'controller and node, both open', a: told(0), b: told(0.02), same: true },
    { what: 'a job of half a second', a: told(10.3, 10.9), b: booked(10, 10), same: true },
    { what: 'clocks that are 50 s apart', a: told(50, 150), b: booked(0, 100), same: true },
    { what: 'a cluster that only one knows', a: told(0, 9, { cluster: 'a' }), b: told(0, 9), same: true },
    {
      what: 'a count that only one knows',
      a: told(0, 9, { run: 2 }),
      b: told(0, 9, { run: NaN }),
      same: true,
    },
    { what: 'a stay within the run', a: booked(0, 1000), b: told(900, 999), same: true },
    {
      what: 'a stay on the third day of what hooks have told the end of',
      a: told(0, 4e5, { run: 0, user: 'ada' }),
      b: told(3e5, 4e5, { run: 0 }),
      same: true,
    },
    {
      what: 'a stay on the third day of what the scheduler says runs',
      a: booked(0),
      b: told(3e5),
      same: true,
    },
    {
      what: 'a start before that of the scheduler, who waited for nodes to wake up, of the same count',
      a: told(0, undefined, { run: 0 }),
      b: booked(600, undefined, { run: 0 }),
      same: true,
    },
    {
      what: 'stays of the same count that hardly overlap',
      a: told(0, 50, { run: 0 }),
      b: told(45, 200, { run: 0 }),
      same: true,
    },
    {
      what: 'one SLUID, whatever else',
      a: told(0, 9, { sluid: 's1', user: 'ada' }),
      b: told(900, 999, { sluid: 's1', user: '1000' }),
      same: true,
    },
    {
      what: 'a job of 2 s and a clock that is 58 s behind, of the same count',
      a: told(-57.8, -55.6, { run: 0, user: 'ada' }),
      b: booked(0, 2, { run: 0, user: 'ada' }),
      same: true,
    },
    {
      what: 'the same, without a count',
      a: told(-57.8, -55.6, { user: 'ada' }),
      b: booked(0, 2, { run: 0, user: 'ada' }),
      same: true,
    },
    {
      what: 'a job of 100 s and a clock that is 59 s ahead, without a count',
      a: told(59.2, 159.5),
      b: booked(0, 100),
      same: true,
    },
    {
      what: 'two nodes whose clocks are 50 s apart, of the same count',
      a: told(0, 2, { run: 0 }),
      b: told(50, 52, { run: 0 }),
      same: true,
    },
    { what: 'one submission', a: booked(0), b: booked(0, 100), same: true },
    { what: 'another id', a: told(0, 9), b: told(0, 9, { jobId: '8' }), same: false },
    {
      what: 'another cluster',
      a: told(0, 9, { cluster: 'a' }),
      b: told(0, 9, { cluster: 'b' }),
      same: false,
    },
    { what: 'another user', a: told(0, 9, { user: 'ada' }), b: told(0, 9, { user: 'bob' }), same: false },
    { what: 'another SLUID', a: told(0, 9, { sluid: 's1' }), b: told(0, 9, { sluid: 's2' }), same: false },
    { what: 'another submission', a: booked(0, 9), b: booked(0, 9, { submitUs: 1 }), same: false },
    { what: 'another count', a: told(0, 9, { run: 0 }), b: told(0, 9, { run: 1 }), same: false },
    { what: 'the run after a requeue', a: told(0, 100), b: booked(220, 500), same: false },
    { what: 'the same, and the first end was lost', a: told(0), b: booked(220, 500), same: false },
    {
      what: 'a hook that saw a requeue, and accounting that saw an end',
      a: told(0, 500, { run: 0, state: 'REQUEUED' }),
      b: booked(220, 500, { state: 'TIMEOUT' }),
      same: false,
    },
    {
      what: 'a stay that was never told to have ended, until the id came round again',
      a: told(0, 172_900),
      b: booked(172_800, 172_950),
      same: false,
    },
    {
      what: 'the same, and a hook tells the job that came then',
      a: told(0, 172_900, { run: 0 }),
      b: told(172_800, 172_950, { run: 0, user: 'ada' }),
      same: false,
    },
    { what: 'a near one', a: told(0, 100), b: told(101, 200), same: false },
    {
      what: 'an end alone, which nobody counted, and the counted run before, whose own end is not known yet',
      a: told(0, 900, { run: 1, user: 'ada', state: 'REQUEUED' }),
      b: told(600, 900, { user: 'ada' }),
      same: false,
    },
    {
      what: 'what is started again and again, without a scheduler',
      a: told(0, 5),
      b: told(20, 25),
      same: false,
    },
    {
      what: 'a short job and a clock that is more than a minute off',
      a: told(63.5, 65.5, { run: 0 }),
      b: booked(0, 2, { run: 0 }),
      same: false,
    },
    {
      what: 'a short one and another that began within a minute and lasted longer',
      a: told(30, 32),
      b: booked(0, 9),
      same: false,
    },
    {
      what: 'a stay that ends where the id comes round again, of the same count',
      a: told(0, 172_800, { run: 0 }),
      b: told(172_800, 172_950, { run: 0 }),
      same: false,
    },
    {
      what: 'an id that came round again, and the first end was lost',
      a: told(0),
      b: told(172_800),
      same: false,
    },
    { what: 'stays without a count that hardly overlap', a: told(0, 50), b: told(45, 200), same: false },
  ])('$what: $same', ({ a, b, same }) => {
    expect([isSameRun(a, b), isSameRun(b, a)]).toEqual([same, same]);
  });

  test.each([
    { a: told(0, 10), b: told(5, 15), ratio: 0.5 },
    { a: told(0, 100), b: told(40, 60), ratio: 1 },
    { a: told(0, 10), b: told(10, 20), ratio: 0 },
    { a: told(0, 10), b: told(20, 30), ratio: 0 },
    { a: told(0), b: told(20), ratio: 1 },
    { a: told(0, 10), b: told(5), ratio: 0.5 },
    { a: told(5, 5), b: told(0, 10), ratio: 1 },
    { a: told(15, 15), b: told(0, 10), ratio: 0 },
  ])('$ratio of the shorter of $a and $b is common', ({ a, b, ratio }) => {
    expect([overlapRatio(a, b), overlapRatio(b, a)]).toEqual([ratio, ratio]);
  });
});

describe('a later run under the same id is', () => {
  test.each<{ what: string; run: RunTold; next: RunTold; requeue: boolean }>([
    {
      what: 'of a higher count',
      run: told(0, 9, { run: 0 }),
      next: told(200, 300, { run: 1 }),
      requeue: true,
    },
    {
      what: 'of a higher count, though the first had ended: somebody asked for it',
      run: told(0, 9, { run: 0, state: 'COMPLETED' }),
      next: told(200, 300, { run: 1 }),
      requeue: true,
    },
    {
      what: 'after one that was requeued',
      run: booked(0, 9, { state: 'REQUEUED' }),
      next: booked(140),
      requeue: true,
    },
    { what: 'a stay after a stay', run: told(0, 9), next: told(200, 300), requeue: true },
    { what: 'a first run', run: told(0, 9), next: told(200, 300, { run: 0 }), requeue: false },
    {
      what: 'of the same count',
      run: told(0, 9, { run: 1 }),
      next: told(200, 300, { run: 1 }),
      requeue: false,
    },
    {
      what: 'after one that was final',
      run: booked(0, 9, { state: 'FAILED' }),
      next: booked(140),
      requeue: false,
    },
    {
      what: 'of the same count, submitted as it began and the one before ended: the job was resized',
      run: booked(0, 100, { run: 0 }),
      next: booked(100, 200, { run: 0, submitUs: 100 * S }),
      requeue: true,
    },
    {
      what: 'of the same count, submitted as it began, days after one whose end nobody told',
      run: booked(0, undefined, { run: 0 }),
      next: booked(3e5, 4e5, { run: 0, submitUs: 3e5 * S }),
      requeue: false,
    },
    {
      what: 'submitted as it began, later than the one before had ended',
      run: booked(0, 100, { run: 0 }),
      next: booked(140, 200, { run: 0, submitUs: 140 * S }),
      requeue: false,
    },
    {
      what: 'of another user',
      run: told(0, 9, { user: 'a' }),
      next: told(200, 9, { user: 'b' }),
      requeue: false,
    },
    {
      what: 'submitted two days after the first had ended',
      run: booked(0, 9, { state: 'NODE_FAIL' }),
      next: booked(172_900),
      requeue: false,
    },
  ])('$what: $requeue', ({ run, next, requeue }) => {
    expect(isRequeueOf(next, run)).toBe(requeue);
  });
});

/** `7: #0 (0, 100] x3` for every run, a line each job. */
function describeJobs(tellings: readonly RunTold[]): string[] {
  return jobsOf(tellings).map(({ runs }) =>
    [
      `${runs[0]!.told.jobId}:`,
      ...runs.map(({ number, told: { startUs, endUs = Infinity }, members }) => {
        const end = endUs === Infinity ? 'open' : `${endUs / S}]`;
        return `#${number} (${startUs / S}, ${end} x${members.length}`;
      }),
    ].join(' '),
  );
}

describe('jobs out of tellings', () => {
  test.each<{ what: string; tellings: RunTold[]; jobs: string[] }>([
    {
      what: 'the stays of two runs find their runs, though the first one was never told to have ended',
      tellings: [
        told(0.02, undefined, { run: 0 }),
        told(220.02, 500.2, { run: 1 }),
        booked(0, 100, { state: 'REQUEUED' }),
        booked(220, 500, { state: 'COMPLETED' }),
      ],
      jobs: ['7: #0 (0, 100] x2 #1 (220, 500.2] x2'],
    },
    {
      what: 'an id after two days is another job',
      tellings: [
        booked(0, 100, { state: 'COMPLETED' }),
        booked(172_800, 172_900),
        told(172_800.1, 172_900.2),
      ],
      jobs: ['7: #0 (0, 100] x1', '7: #0 (172800, 172900.2] x2'],
    },
    {
      what: 'one id in two clusters in one minute',
      tellings: [
        booked(0, 100, { cluster: 'a' }),
        booked(30, 200, { cluster: 'b' }),
        told(0.1, 100, { cluster: 'a', run: 0 }),
        told(30.1, 200, { cluster: 'b', run: 0 }),
      ],
      jobs: ['7: #0 (0, 100] x2', '7: #0 (30, 200] x2'],
    },
    {
      what: 'each stay without a count is a run',
      tellings: [told(0, 100), told(200, 300), told(400, 500)],
      jobs: ['7: #0 (0, 100] x1 #1 (200, 300] x1 #2 (400, 500] x1'],
    },
    {
      what: 'a count that was told stands, and those without one go on from it',
      tellings: [told(0, 100, { run: 3 }), told(200, 300), told(400, 500, { run: 6 })],
      jobs: ['7: #3 (0, 100] x1 #4 (200, 300] x1 #6 (400, 500] x1'],
    },
  ])('$what', ({ tellings, jobs }) => {
    expect(describeJobs(tellings)).toEqual(jobs);
    expect(describeJobs(tellings.toReversed())).toEqual(jobs);
  });
});

interface Telling extends RunTold {
  /** Which run and job it is in truth. */
  readonly truth: { readonly run: string; readonly job: string };
}

/** What some tellers would say of the runs of one job in a cluster, each of them with luck. */
const job = fc.record({
  cluster: fc.constantFrom('a', 'b'),
  jobId: fc.constantFrom('7', '8'),
  /** The id comes round again after two days. */
  turn: fc.nat(3),
  runs: fc.array(
    fc.record({
      lastsS: fc.integer({ min: 1, max: 3000 }),
      /** Slurm keeps a requeued job back for two minutes. */
      waitsS: fc.integer({ min: 121, max: 3000 }),
      /** Of the skew that a run can bear: a minute; without an end, as much as leaves half of its time common. */
      skewPart: fc.double({ min: -0.99, max: 0.99, noNaN: true }),
      isBooked: fc.boolean(),
      stays: fc.array(fc.double({ min: 0, max: 0.4, noNaN: true }), { maxLength: 3 }),
      isEndTold: fc.boolean(),
    }),
    { minLength: 1, maxLength: 3 },
  ),
});

function tellingsOf(jobs: readonly (typeof job extends fc.Arbitrary<infer T> ? T : never)[]): Telling[] {
  const taken = new Set<string>();
  return jobs.flatMap(({ cluster, jobId, turn, runs }) => {
    const name = `${cluster}/${jobId}/${turn}`;
    if (taken.has(name)) return [];
    taken.add(name);
    let startS = 1000 + turn * 2 * 86_400 + (cluster === 'a' ? 0 : 20);
    let submitUs = (startS - 10) * S;
    return runs.flatMap(({ lastsS, waitsS, skewPart, isBooked, stays, isEndTold }, count) => {
      const skewS = skewPart * (isEndTold ? 60 : Math.min(2, 1 + 0.3 * lastsS));
      const truth = { job: name, run: `${name}#${count}` };
      const of = { jobId, cluster, truth };
      const [from, to] = [startS + skewS, startS + skewS + lastsS];
      const state = count < runs.length - 1 ? 'REQUEUED' : 'COMPLETED';
      const hook = { ...told(from, isEndTold ? to : undefined, { run: count, user: `user ${turn}` }), ...of };
      const book = { ...told(startS, startS + lastsS, { submitUs, user: `user ${turn}`, state }), ...of };
      const seen = stays.map((part) => ({ ...told(from + part * lastsS, to, { run: count }), ...of }));
      submitUs = (startS + lastsS) * S;
      startS += lastsS + waitsS;
      return [hook, ...(isBooked ? [book] : []), ...seen];
    });
  });
}

test('any order of the same tellings makes the same jobs, and none has a run of another', () => {
  fc.assert(
    fc.property(
      fc.array(job, { maxLength: 8 }),
      fc.array(fc.nat(), { minLength: 200, maxLength: 200 }),
      (jobs, noise) => {
        const tellings = tellingsOf(jobs);
        const shuffled = tellings
          .map((one, index) => ({ one, at: noise[index % noise.length]! }))
          .sort((a, b) => a.at - b.at)
          .map(({ one }) => one);
        const truthOf = (list: readonly Telling[]): string[][][] =>
          jobsOf(list).map(({ runs }) =>
            runs.map(({ members }) => members.map(({ truth }) => truth.run).sort()),
          );
        expect(truthOf(shuffled)).toEqual(truthOf(tellings));
        for (const { runs } of jobsOf(tellings)) {
          expect(new Set(runs.flatMap(({ members }) => members.map(({ truth }) => truth.job))).size).toBe(1);
          for (const { members } of runs) expect(new Set(members.map(({ truth }) => truth.run)).size).toBe(1);
        }
        const found = jobsOf(tellings).flatMap(({ runs }) => runs);
        expect(found.length).toBe(new Set(tellings.map(({ truth }) => truth.run)).size);
        expect(jobsOf(tellings).length).toBe(new Set(tellings.map(({ truth }) => truth.job)).size);
      },
    ),
    { numRuns: 300 },
  );
});

test('what was submitted a day after the last run had ended is no requeue, to the second', () => {
  const run = booked(0, 100, { state: 'NODE_FAIL' });
  const next = (us: number): RunTold => ({ ...booked(90_000), submitUs: us });
  expect([next(101 * S + DAY), next(101 * S + DAY + 1)].map((one) => isRequeueOf(one, run))).toEqual([
    true,
    false,
  ]);
});
