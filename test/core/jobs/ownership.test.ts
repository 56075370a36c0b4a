import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JobFact } from '../../../src/core/jobs/job-fact.ts';
import { soleLabel, UNOWNED, type Label } from '../../../src/core/jobs/label.ts';
import { ownerSetId } from '../../../src/core/jobs/owner-set.ts';
import { ownerSetsOf } from '../../../src/core/jobs/device-parts.ts';
import { Ownership } from '../../../src/core/jobs/ownership.ts';
import { affectedWindow } from '../../../src/core/jobs/relabel.ts';

function fact(kind: JobFact['kind'], atUs: number, jobId: string, more: Partial<JobFact> = {}): JobFact {
  return { kind, atUs, node: 'n1', gpu: 'GPU-0', jobId, run: 0, share: NaN, source: 'test', ...more };
}

const isOfStart = (one: JobFact, { jobId, gpu, atUs }: JobFact): boolean =>
  one.jobId === jobId && one.gpu === gpu && (one.ofStartUs ?? one.atUs) === atUs;

/** Leaves out what counts for nothing: of a start that was taken back, or was told anew under a higher revision. */
function standing(facts: readonly JobFact[]): JobFact[] {
  const highest = (kind: JobFact['kind'], start: JobFact): number =>
    Math.max(
      -1,
      ...facts
        .filter((one) => one.kind === kind && (kind !== 'end' || one.ofStartUs !== undefined))
        .filter((one) => isOfStart(one, start))
        .map(({ revision = 0 }) => revision),
    );
  return facts.filter((one) => {
    if (one.kind === 'void') return false;
    if (one.kind === 'end' && one.ofStartUs === undefined) return true;
    const start = one.kind === 'start' ? one : { ...one, atUs: one.ofStartUs! };
    const told = highest('start', start);
    const isLast = one.revision === told && (one.kind === 'start' || told === highest('end', start));
    return isLast && highest('void', start) < told;
  });
}

/** By job id when it began. Replays all facts up to, not including, `tsUs`: slow, one moment after the other, and so beyond doubt. */
function naiveOwners(facts: readonly JobFact[], gpu: string, tsUs: number): Map<string, number> {
  const open = new Map<string, { startUs: number; isWhole: boolean; isCut: boolean }>();
  const timeOf = ({ atUs, ofStartUs = atUs }: JobFact): number => Math.max(atUs, ofStartUs);
  const moments = [...new Set(facts.filter((one) => one.gpu === gpu).map(timeOf))];
  for (const moment of moments.filter((us) => us < tsUs).sort((a, b) => a - b)) {
    const now = facts.filter((one) => one.gpu === gpu && timeOf(one) === moment);
    const wasOpen = new Set(open.keys());
    const isEnded = ({ kind, jobId, ofStartUs }: JobFact): boolean =>
      kind === 'end' && (ofStartUs === undefined || ofStartUs === open.get(jobId)?.startUs);
    for (const end of now) if (isEnded(end) && wasOpen.has(end.jobId)) open.delete(end.jobId);
    const arriving = new Map<string, boolean>();
    for (const start of now) if (start.kind === 'start') arriving.set(start.jobId, start.share === 1);
    for (const [jobId, isWhole] of arriving) {
      for (const [other, held] of open) {
        if (other !== jobId && (isWhole || held.isWhole)) held.isCut = true;
      }
    }
    for (const [jobId, isWhole] of arriving) open.set(jobId, { startUs: moment, isWhole, isCut: false });
    for (const end of now) {
      const isOwn = end.ofStartUs === moment;
      if (isEnded(end) && (isOwn || !wasOpen.has(end.jobId))) open.delete(end.jobId);
    }
  }
  return new Map([...open].flatMap(([jobId, { isCut, startUs }]) => (isCut ? [] : [[jobId, startUs]])));
}

function naiveLabel(gpu: string, owners: ReadonlyMap<string, number>): Label {
  const jobIds = [...owners.keys()].sort();
  if (jobIds.length === 0) return UNOWNED;
  const members = jobIds.map((jobId) => [jobId, SHARES[jobId]!]);
  const isSole = jobIds.length === 1 && !(SHARES[jobIds[0]!]! < 1);
  const text = JSON.stringify([gpu, Math.max(...owners.values()), ...members]);
  return {
    jobId: jobIds.length === 1 ? jobIds[0]! : null,
    owners: jobIds.length,
    ownerSet: isSole ? null : ownerSetId(text),
  };
}

/** By job: the share is the job's, so that two tellings of one start cannot contradict each other. */
const SHARES: Readonly<Record<string, number>> = { a: 1, b: NaN, c: 0.3 };
const JOBS = Object.keys(SHARES);
const anyFact: fc.Arbitrary<JobFact> = fc
  .record({
    kind: fc.constantFrom<JobFact['kind']>('start', 'start', 'start', 'end', 'end', 'void'),
    atUs: fc.integer({ min: 0, max: 30 }),
    jobId: fc.constantFrom(...JOBS),
    gpu: fc.constantFrom('GPU-0', 'GPU-1'),
    ofStartUs: fc.option(fc.integer({ min: 0, max: 30 }), { nil: undefined }),
    revision: fc.constantFrom(0, 0, 1),
  })
  .map(({ kind, atUs, jobId, gpu, ofStartUs, revision }) =>
    fact(kind, atUs, jobId, {
      ...{ gpu, revision, share: SHARES[jobId]! },
      ...(kind === 'end' && ofStartUs !== undefined ? { ofStartUs } : {}),
    }),
  );

describe('intervals and labels', () => {
  test('agree with a naive replay, in whatever order the facts come and the samples are asked for', () => {
    fc.assert(
      fc.property(fc.array(anyFact, { maxLength: 24 }), fc.infiniteStream(fc.nat()), (facts, noise) => {
        const ownership = new Ownership();
        const told = standing(facts);
        for (const one of facts) {
          ownership.apply(one);
          // Asking in between makes the cached labels stale now and then.
          ownership.labelAt(one.gpu, noise.next().value % 32);
        }
        for (let step = 0; step < 40; step += 1) {
          const tsUs = step < 32 ? step : noise.next().value % 32;
          for (const gpu of ['GPU-0', 'GPU-1', 'GPU-2']) {
            const owners = naiveOwners(told, gpu, tsUs);
            const expected = [...owners.keys()].sort();
            expect(
              ownership
                .ownersAt(gpu, tsUs)
                .map((interval) => interval.jobId)
                .sort(),
            ).toEqual(expected);
            expect(ownership.labelAt(gpu, tsUs)).toEqual(naiveLabel(gpu, owners));
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

  test('the sets of the labels are those that can be told of, with as many members as there are owners', () => {
    fc.assert(
      fc.property(fc.array(anyFact, { maxLength: 24 }), (facts) => {
        const ownership = new Ownership();
        for (const one of facts) ownership.apply(one);
        for (const gpu of ['GPU-0', 'GPU-1']) {
          const members = Map.groupBy(ownerSetsOf(ownership.intervalsOn(gpu)), (one) => one.ownerSet);
          const labels = ownership.labelsBetween(gpu, -1, 40).map(({ label }) => label);
          const sets = labels.filter(({ ownerSet }) => ownerSet !== null);
          expect(new Set(sets.map(({ ownerSet }) => ownerSet))).toEqual(new Set(members.keys()));
          for (const { ownerSet, owners } of sets) expect(members.get(ownerSet!)).toHaveLength(owners);
        }
      }),
    );
  });

  test('the labels are the same after a restart from what was stored, and after what ended is forgotten', () => {
    fc.assert(
      fc.property(fc.array(anyFact, { maxLength: 24 }), fc.integer({ min: 0, max: 32 }), (facts, us) => {
        const [first, second] = [new Ownership(), new Ownership()];
        for (const one of facts) first.apply(one);
        const stored = first.intervals().filter(({ startUs, endUs }) => endUs > startUs && endUs > us);
        for (const { startUs, endUs, ...rest } of stored) {
          second.apply({ ...rest, kind: 'start', atUs: startUs });
          if (endUs < Infinity) second.apply({ ...rest, kind: 'end', atUs: endUs, ofStartUs: startUs });
        }
        const labels = (ownership: Ownership): Label[] =>
          ['GPU-0', 'GPU-1'].flatMap((gpu) =>
            Array.from({ length: 40 }, (_, at) => ownership.labelAt(gpu, us + 1 + at)),
          );
        const expected = labels(first);
        expect(labels(second)).toEqual(expected);
        first.forgetBefore(us);
        expect(labels(first)).toEqual(expected);
      }),
    );
  });

  test('a change tells of every moment whose label becomes another one', () => {
    const shared = fc
      .tuple(anyFact, fc.constantFrom(NaN, 0.25, 0.5, 1))
      .map(([one, share]) => ({ ...one, share, gpu: 'GPU-0', atUs: one.atUs % 8 }));
    fc.assert(
      fc.property(fc.array(shared, { maxLength: 16 }), (facts) => {
        const ownership = new Ownership();
        const moments = Array.from({ length: 34 }, (_, us) => us);
        let before = moments.map((): Label => UNOWNED);
        for (const one of facts) {
          const windows = ownership.apply(one).map(affectedWindow);
          const after = moments.map((us) => ownership.labelAt('GPU-0', us));
          for (const us of moments) {
            const isTold = windows.some(({ fromUs, toUs }) => fromUs < us && us <= toUs);
            if (!isTold) expect(after[us]).toEqual(before[us]);
          }
          before = after;
        }
      }),
      { numRuns: 150 },
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
    expect(ownership.labelAt('GPU-0', tsUs)).toEqual(jobId === null ? UNOWNED : soleLabel(jobId));
  });
});

describe('one device, several jobs', () => {
  test('parts may overlap: no sole owner, two owners', () => {
    const ownership = new Ownership();
    ownership.apply(fact('start', 10, '7', { share: 0.5 }));
    ownership.apply(fact('start', 12, '8', { share: 0.5 }));
    expect(ownership.labelAt('GPU-0', 12)).toMatchObject({ jobId: '7', owners: 1 });
    expect(ownership.labelAt('GPU-0', 13)).toMatchObject({ jobId: null, owners: 2 });
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

test('what is told of a start under a higher revision stands alone, whatever comes first; a share stays', () => {
  const revision = 1;
  const facts = [
    ...[fact('start', 10, '7', { run: 3, share: 0.5 }), fact('end', 15, '7', { ofStartUs: 10 })],
    ...[fact('void', 10, '7'), fact('start', 10, '7', { run: NaN, revision })],
    fact('end', 20, '7', { ofStartUs: 10, revision }),
  ];
  for (const told of [facts, facts.toReversed()]) {
    const ownership = new Ownership();
    for (const one of told) ownership.apply(one);
    expect(ownership.intervals()).toMatchObject([{ run: NaN, share: 0.5, startUs: 10, endUs: 20 }]);
    ownership.apply(fact('void', 10, '7', { revision }));
    expect(ownership.intervals()).toMatchObject([{ startUs: 10, endUs: 10 }]);
  }
});

test('a start of which nobody counts the run changes nothing when it is told again', () => {
  const ownership = new Ownership();
  ownership.apply(fact('start', 10, '7', { run: NaN }));
  expect(ownership.apply(fact('start', 10, '7', { run: NaN }))).toEqual([]);
});

describe('owner sets', () => {
  test('are of several owners, and of one who has only a part', () => {
    const ownership = new Ownership();
    const shares: [string, number, number][] = [
      ...([
        ['7', 10, 0.5],
        ['8', 12, NaN],
        ['9', 14, NaN],
      ] as [string, number, number][]),
      ['1', 30, 1],
    ];
    for (const [jobId, at, share] of shares) ownership.apply(fact('start', at, jobId, { share }));
    ownership.apply(fact('end', 16, '8'));
    ownership.apply(fact('end', 18, '7'));
    const setAt = (us: number): string | null => ownership.labelAt('GPU-0', us).ownerSet;
    const idOf = (...parts: readonly unknown[]): string => ownerSetId(JSON.stringify(['GPU-0', ...parts]));
    const [seven, eight, nine] = [
      ['7', 0.5],
      ['8', null],
      ['9', null],
    ];
    expect([11, 13, 15, 17, 19, 31].map(setAt)).toEqual([
      ...[idOf(10, seven), idOf(12, seven, eight), idOf(14, seven, eight, nine), idOf(14, seven, nine)],
      ...[null, null],
    ]);
  });

  test('are the same when a third owner has come and gone', () => {
    const ownership = new Ownership();
    for (const [jobId, at] of [
      ['7', 10],
      ['8', 12],
      ['9', 20],
    ] as const)
      ownership.apply(fact('start', at, jobId));
    ownership.apply(fact('end', 30, '9'));
    const [before, between, after] = [15, 25, 35].map((us) => ownership.labelAt('GPU-0', us));
    expect(before!.ownerSet).toBe(after!.ownerSet);
    expect(between!.ownerSet).not.toBe(after!.ownerSet);
    // A requeue is another set: its share may be another one.
    ownership.apply(fact('start', 40, '8', { run: 1 }));
    expect(ownership.labelAt('GPU-0', 45)).toMatchObject({ owners: 2 });
    expect(ownership.labelAt('GPU-0', 45).ownerSet).not.toBe(after!.ownerSet);
  });

  test('have the id of FNV-1a, 63 bits of it, over the UTF-8 of their text', () => {
    // Reference values of the hash's authors, the highest bit taken off.
    expect(ownerSetId('')).toBe(String(0xcbf29ce484222325n & 0x7fffffffffffffffn));
    expect(ownerSetId('a')).toBe(String(0xaf63dc4c8601ec8cn & 0x7fffffffffffffffn));
    expect(ownerSetId('foobar')).toBe(String(0x85944171f73967e8n & 0x7fffffffffffffffn));
  });
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
    expect(ownership.labelAt('GPU-1', 1000)).toEqual(soleLabel('8'));
    expect(ownership.apply(fact('end', 1001, '8', { gpu: 'GPU-1' }))).toHaveLength(1);
  });

  test('the same label is the same object, so that a row template can be found by it', () => {
    const ownership = new Ownership();
    ownership.apply(fact('start', 10, '7'));
    ownership.apply(fact('start', 10, '7', { gpu: 'GPU-1' }));
    expect(ownership.labelAt('GPU-0', 11)).toBe(ownership.labelAt('GPU-1', 12));
    ownership.apply(fact('start', 20, '8'));
    ownership.apply(fact('start', 30, '9'));
    ownership.apply(fact('end', 40, '9'));
    expect(ownership.labelAt('GPU-0', 25)).toBe(ownership.labelAt('GPU-0', 45));
  });
});

describe('the user of a job', () => {
  test('is known where anybody told, whatever came first, and forgotten with the job', () => {
    const told = fact('start', 10, '7', { uid: 331_233 });
    const untold = fact('start', 10, '7', { source: 'a', revision: 1 });
    for (const facts of [
      [told, untold],
      [untold, told],
    ]) {
      const ownership = new Ownership();
      for (const one of [...facts, fact('start', 30, '7'), fact('start', 40, '8')]) ownership.apply(one);
      expect(ownership.uidOf('GPU-0', '7')).toBe(331_233);
      expect(ownership.uidOf('GPU-0', '8')).toBeUndefined();
      expect(ownership.uidOf('GPU-1', '7')).toBeUndefined();
    }
  });

  test('changes no interval', () => {
    const ownership = new Ownership();
    ownership.apply(fact('start', 10, '7'));
    expect(ownership.apply(fact('start', 10, '7', { uid: 5 }))).toEqual([]);
    expect(ownership.uidOf('GPU-0', '7')).toBe(5);
  });
});
