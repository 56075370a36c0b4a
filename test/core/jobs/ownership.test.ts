import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JobFact } from '../../../src/core/jobs/job-fact.ts';
import { UNOWNED } from '../../../src/core/jobs/label.ts';
import { Ownership } from '../../../src/core/jobs/ownership.ts';

function fact(kind: JobFact['kind'], atUs: number, jobId: string, more: Partial<JobFact> = {}): JobFact {
  return { kind, atUs, node: 'n1', gpu: 'GPU-0', jobId, run: 0, share: NaN, source: 'test', ...more };
}

/** Leaves out the starts that were taken back, and what took them back. */
function withoutVoids(facts: readonly JobFact[]): JobFact[] {
  const isTakenBack = (one: JobFact): boolean =>
    facts.some(
      (other) =>
        other.kind === 'void' &&
        other.jobId === one.jobId &&
        other.gpu === one.gpu &&
        other.atUs === one.atUs,
    );
  return facts.filter((one) => one.kind === 'end' || (one.kind === 'start' && !isTakenBack(one)));
}

/** Replays all facts up to, not including, `tsUs`: slow, one moment after the other, and so beyond doubt. */
function naiveOwners(facts: readonly JobFact[], gpu: string, tsUs: number): string[] {
  const open = new Map<string, { isWhole: boolean; isCut: boolean }>();
  const moments = [
    ...new Set(facts.filter((one) => one.gpu === gpu && one.atUs < tsUs).map((one) => one.atUs)),
  ];
  for (const moment of moments.sort((a, b) => a - b)) {
    const now = facts.filter((one) => one.gpu === gpu && one.atUs === moment);
    const wasOpen = new Set(open.keys());
    for (const end of now) if (end.kind === 'end' && wasOpen.has(end.jobId)) open.delete(end.jobId);
    const arriving = new Map<string, boolean>();
    for (const start of now) if (start.kind === 'start') arriving.set(start.jobId, start.share === 1);
    for (const [jobId, isWhole] of arriving) {
      for (const [other, held] of open) {
        if (other !== jobId && (isWhole || held.isWhole)) held.isCut = true;
      }
    }
    for (const [jobId, isWhole] of arriving) open.set(jobId, { isWhole, isCut: false });
    for (const end of now) if (end.kind === 'end' && !wasOpen.has(end.jobId)) open.delete(end.jobId);
  }
  return [...open].filter(([, held]) => !held.isCut).map(([jobId]) => jobId);
}

const JOBS = ['a', 'b', 'c'];
const anyFact: fc.Arbitrary<JobFact> = fc
  .record({
    kind: fc.constantFrom<JobFact['kind']>('start', 'start', 'start', 'end', 'end', 'void'),
    atUs: fc.integer({ min: 0, max: 30 }),
    jobId: fc.constantFrom(...JOBS),
    gpu: fc.constantFrom('GPU-0', 'GPU-1'),
  })
  // The share is the job's, so that two tellings of one start cannot contradict each other.
  .map((one) => fact(one.kind, one.atUs, one.jobId, { gpu: one.gpu, share: one.jobId === 'a' ? 1 : NaN }));

describe('intervals and labels', () => {
  test('agree with a naive replay, in whatever order the facts come and the samples are asked for', () => {
    fc.assert(
      fc.property(fc.array(anyFact, { maxLength: 24 }), fc.infiniteStream(fc.nat()), (facts, noise) => {
        const ownership = new Ownership();
        const told = withoutVoids(facts);
        for (const one of facts) {
          ownership.apply(one);
          // Asking in between makes the cached labels stale now and then.
          ownership.labelAt(one.gpu, noise.next().value % 32);
        }
        for (let step = 0; step < 40; step += 1) {
          const tsUs = step < 32 ? step : noise.next().value % 32;
          for (const gpu of ['GPU-0', 'GPU-1', 'GPU-2']) {
            const expected = naiveOwners(told, gpu, tsUs).sort();
            expect(
              ownership
                .ownersAt(gpu, tsUs)
                .map((interval) => interval.jobId)
                .sort(),
            ).toEqual(expected);
            expect(ownership.labelAt(gpu, tsUs)).toEqual({
              jobId: expected.length === 1 ? expected[0] : null,
              owners: expected.length,
            });
          }
        }
      }),
      { numRuns: 400 },
    );
  });

  test('the changes, written as upserts by (start, gpu, job), always leave the intervals', () => {
    fc.assert(
      fc.property(fc.array(anyFact, { maxLength: 24 }), (facts) => {
        const ownership = new Ownership();
        const table = new Map<string, unknown>();
        for (const one of facts) {
          for (const { interval, previousEndUs } of ownership.apply(one)) {
            const key = `${interval.startUs} ${interval.gpu} ${interval.jobId}`;
            expect(previousEndUs === null).toBe(!table.has(key));
            if (previousEndUs !== null) expect(interval).not.toEqual(table.get(key));
            table.set(key, interval);
          }
        }
        const expected = ownership.intervals().map((one) => [`${one.startUs} ${one.gpu} ${one.jobId}`, one]);
        expect([...table].sort()).toEqual(expected.sort());
      }),
      { numRuns: 300 },
    );
  });

  test('a fact told twice changes nothing', () => {
    const ownership = new Ownership();
    expect(ownership.apply(fact('start', 10, '7'))).toHaveLength(1);
    expect(ownership.apply(fact('start', 10, '7'))).toEqual([]);
    expect(ownership.apply(fact('end', 20, '7'))).toMatchObject([{ previousEndUs: Infinity }]);
    expect(ownership.apply(fact('end', 20, '7'))).toEqual([]);
  });
});

describe('the boundary rule start < ts ≤ end', () => {
  const ownership = new Ownership();
  ownership.apply(fact('start', 10, '7'));
  ownership.apply(fact('end', 20, '7'));
  ownership.apply(fact('start', 20, '8'));
  test.each([
    { tsUs: 10, jobId: null },
    { tsUs: 11, jobId: '7' },
    { tsUs: 20, jobId: '7' },
    { tsUs: 21, jobId: '8' },
    { tsUs: 1e15, jobId: '8' },
  ])('a sample at $tsUs belongs to $jobId', ({ tsUs, jobId }) => {
    expect(ownership.labelAt('GPU-0', tsUs)).toEqual({ jobId, owners: jobId === null ? 0 : 1 });
  });
});

describe('one device, several jobs', () => {
  test('parts may overlap: no sole owner, two owners', () => {
    const ownership = new Ownership();
    ownership.apply(fact('start', 10, '7', { share: 0.5 }));
    ownership.apply(fact('start', 12, '8', { share: 0.5 }));
    expect(ownership.labelAt('GPU-0', 12)).toEqual({ jobId: '7', owners: 1 });
    expect(ownership.labelAt('GPU-0', 13)).toEqual({ jobId: null, owners: 2 });
    expect(ownership.ownersAt('GPU-0', 13).map((one) => one.share)).toEqual([0.5, 0.5]);
  });

  test('a whole device given to the next job ends what was never told to have ended', () => {
    const ownership = new Ownership();
    ownership.apply(fact('start', 10, '7', { share: 1 }));
    expect(ownership.apply(fact('start', 20, '8', { share: 1 }))).toMatchObject([
      { interval: { jobId: '7', endUs: 20 }, previousEndUs: Infinity },
      { interval: { jobId: '8', endUs: Infinity }, previousEndUs: null },
    ]);
    // The end that comes late after all lies behind the handover and moves nothing.
    expect(ownership.apply(fact('end', 25, '7'))).toEqual([]);
  });

  test('better knowledge of a start replaces it in place', () => {
    const ownership = new Ownership();
    ownership.apply(fact('start', 10, '7'));
    expect(ownership.apply(fact('start', 10, '7', { share: 0.25 }))).toMatchObject([
      { interval: { share: 0.25, startUs: 10 }, previousEndUs: Infinity },
    ]);
    expect(ownership.apply(fact('start', 10, '7'))).toEqual([]);
    expect(ownership.intervals()).toHaveLength(1);
  });

  test.each([
    { name: 'the higher run', better: { run: 1 }, worse: { run: 0 } },
    { name: 'a known share', better: { share: 1 }, worse: { share: NaN } },
    { name: 'a known run', better: { run: 0 }, worse: { run: NaN } },
    { name: 'the smaller share', better: { share: 0.25 }, worse: { share: 0.5 } },
    { name: 'a known share of a lower run', better: { share: 0.5 }, worse: { run: 1 } },
  ])('of two tellings of one start $name wins, whichever comes first', ({ better, worse }) => {
    for (const told of [
      [better, worse],
      [worse, better],
    ]) {
      const ownership = new Ownership();
      for (const more of told) ownership.apply(fact('start', 10, '7', more));
      expect(ownership.intervals()).toMatchObject([better]);
    }
  });
});

test('a start keeps the row of which nobody knew the cluster, whichever is told first', () => {
  const [known, unknown] = [fact('start', 10, '7', { cluster: 'a', share: 0.5 }), fact('start', 10, '7')];
  for (const told of [
    [known, unknown],
    [unknown, known],
  ]) {
    const ownership = new Ownership();
    for (const one of told) ownership.apply(one);
    expect(ownership.intervals()).toMatchObject([{ share: 0.5 }]);
    expect(ownership.intervals()[0]).not.toHaveProperty('cluster');
  }
  const ownership = new Ownership();
  expect(ownership.apply(known)).toMatchObject([{ interval: { cluster: 'a' } }]);
  expect(ownership.apply(known)).toEqual([]);
});

test('a start of which nobody counts the run changes nothing when it is told again', () => {
  const ownership = new Ownership();
  ownership.apply(fact('start', 10, '7', { run: NaN }));
  expect(ownership.apply(fact('start', 10, '7', { run: NaN }))).toEqual([]);
});

describe('memory', () => {
  test('keeps the ends that are not forgotten, for starts that are told of later', () => {
    const ownership = new Ownership();
    for (const [startUs, endUs] of [
      [10, 20],
      [30, 40],
    ] as const) {
      ownership.apply(fact('start', startUs, '7'));
      ownership.apply(fact('end', endUs, '7'));
    }
    ownership.apply(fact('end', 60, '7'));
    ownership.forgetBefore(25);
    ownership.apply(fact('start', 50, '7'));
    expect(ownership.intervals().map((one) => [one.startUs, one.endUs])).toEqual([
      [30, 40],
      [50, 60],
    ]);
  });

  test('forgets what ended and keeps what is open', () => {
    const ownership = new Ownership();
    ownership.apply(fact('start', 10, '7'));
    ownership.apply(fact('end', 20, '7'));
    ownership.apply(fact('start', 15, '8', { gpu: 'GPU-1' }));
    ownership.forgetBefore(20);
    expect(ownership.intervals().map((one) => one.jobId)).toEqual(['8']);
    expect(ownership.labelAt('GPU-0', 15)).toBe(UNOWNED);
    expect(ownership.labelAt('GPU-1', 1000)).toEqual({ jobId: '8', owners: 1 });
    expect(ownership.apply(fact('end', 1001, '8', { gpu: 'GPU-1' }))).toHaveLength(1);
  });

  test('the same label is the same object, so that a row template can be found by it', () => {
    const ownership = new Ownership();
    ownership.apply(fact('start', 10, '7'));
    ownership.apply(fact('start', 10, '7', { gpu: 'GPU-1' }));
    expect(ownership.labelAt('GPU-0', 11)).toBe(ownership.labelAt('GPU-1', 12));
  });
});
