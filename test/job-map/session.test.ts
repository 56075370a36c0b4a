import { describe, expect, test } from 'vitest';
import { OperatingError } from '../../src/core/base/errors.ts';
import type { Interval } from '../../src/core/jobs/interval.ts';
import type { JobFact, JobInput } from '../../src/core/jobs/job-fact.ts';
import { Ownership } from '../../src/core/jobs/ownership.ts';
import { openOwnership, type OwnershipSession } from '../../src/job-map/session.ts';

const DAY_US = 24 * 3600e6;
const NOW_US = 10 * DAY_US;
const TENURE = { node: 'n1', gpu: 'GPU-0', run: 0, share: 1, source: 'journal' };

function fact(kind: JobFact['kind'], jobId: string, atUs: number): JobFact {
  return { ...TENURE, kind, jobId, atUs };
}

function stored(jobId: string, startUs: number, endUs = Infinity): Interval {
  return { ...TENURE, jobId, startUs, endUs };
}

/** An input that tells these facts at its reads, one list after the other. */
function inputOf(...lists: readonly (readonly JobFact[])[]): JobInput {
  const rest = [...lists];
  return { name: 'test', read: () => ({ facts: rest.shift() ?? [], records: [] }) };
}

function open(input: JobInput, labelledUntilUs = NOW_US): OwnershipSession {
  return openOwnership({ inputs: [input], ownership: new Ownership(), labelledUntilUs });
}

/** `7 (1, 5]` for every interval, by start. */
function describeIntervals(session: OwnershipSession): string[] {
  return session.ownership
    .intervals()
    .map(({ jobId, startUs, endUs }) => `${jobId} (${startUs}, ${endUs === Infinity ? 'open' : `${endUs}]`}`);
}

const windowsOf = (session: OwnershipSession): (readonly [number, number])[] =>
  session
    .takeRelabels()
    .orders.map(({ stretches }) => [stretches[0]!.fromUs, stretches.at(-1)!.toUs] as const);

describe('stored ownership and what the inputs tell', () => {
  const facts = [fact('start', '8', 50)];
  const rows = [stored('6', 1, 10), stored('7', 10)];

  test('end in the same intervals, whichever comes first', () => {
    const early = open(inputOf(facts));
    expect(early.adopt(rows)).toEqual([]);
    const late = open(inputOf(facts));
    expect(early.read(NOW_US).changes.map(({ interval }) => interval.jobId)).toEqual(['7', '8']);
    expect(late.read(NOW_US).changes.map(({ interval }) => interval.jobId)).toEqual(['8']);
    expect(late.adopt(rows).map(({ interval }) => interval.jobId)).toEqual(['7']);
    expect(describeIntervals(early)).toEqual(['6 (1, 10]', '7 (10, 50]', '8 (50, open']);
    expect(describeIntervals(late)).toEqual(describeIntervals(early));
  });

  test('rows that contradict each other are told again as they must be', () => {
    const changes = open(inputOf()).adopt([stored('7', 10), stored('8', 50)]);
    expect(changes).toMatchObject([{ interval: { jobId: '7', endUs: 50 }, previousEndUs: Infinity }]);
  });

  test('a stay that a stored one cut short is whole again once that one is taken back', () => {
    const session = open(inputOf([fact('void', '8', 50)]));
    expect(session.adopt([stored('7', 10, 50), stored('8', 50, 60)])).toEqual([]);
    session.read(NOW_US);
    expect(describeIntervals(session)).toEqual(['7 (10, open', '8 (50, 50]']);
  });

  test('rows that are stored otherwise than an input told before are told again, and their samples relabelled', () => {
    const [startUs, endUs] = [NOW_US - 20, NOW_US - 10];
    const session = open(inputOf([fact('start', '7', startUs), fact('end', '7', endUs)]));
    session.read(NOW_US);
    session.takeRelabels();
    const changes = session.adopt([stored('7', startUs)]);
    expect(changes).toMatchObject([{ interval: { jobId: '7', endUs }, previousEndUs: Infinity }]);
    expect(windowsOf(session)).toEqual([[endUs, NOW_US]]);
  });

  test('an interval that an input told is told again when a stored one cuts it short', () => {
    const session = open(inputOf([fact('start', '7', 10)]));
    session.read(NOW_US);
    const changes = session.adopt([stored('8', 30)]);
    expect(changes).toMatchObject([{ interval: { jobId: '7', endUs: 30 }, previousEndUs: Infinity }]);
  });

  test('what an input knows better of a stored start is told, whichever comes first', () => {
    const startUs = NOW_US - 20;
    const better = { ...fact('start', '7', startUs), run: 1 };
    const late = open(inputOf([better]));
    late.read(NOW_US);
    expect(late.adopt([stored('7', startUs)])).toEqual([]);
    const early = open(inputOf([better]));
    early.adopt([stored('7', startUs)]);
    expect(early.read(NOW_US).changes).toMatchObject([{ interval: { run: 1 } }]);
    for (const { ownership } of [early, late])
      expect(ownership.intervals()).toMatchObject([{ jobId: '7', run: 1 }]);
  });

  test('the row of a start of long ago waits until it is known what the store has of it', () => {
    const session = open(inputOf([{ ...fact('start', '7', 10), run: 1 }, fact('start', '8', NOW_US - 20)]));
    session.read(NOW_US);
    const isUnread = (): boolean[] =>
      session.ownership.intervals().map((interval) => session.isUnread(interval));
    expect(isUnread()).toEqual([true, false]);
    const older = session.takeOlder()!;
    expect(older.unread).toHaveLength(1);
    expect(older.intervals).toHaveLength(2);
    expect(session.adopt([stored('7', 10, 40)])).toMatchObject([{ interval: { run: 1, endUs: 40 } }]);
    expect(isUnread()).toEqual([false, false]);
    expect(describeIntervals(session)).toEqual(['7 (10, 40]', `8 (${NOW_US - 20}, open`]);
  });

  test('samples of long ago whose labels are in doubt are looked up with what is stored of their time', () => {
    const session = open(inputOf());
    session.doubt(['GPU-0'], { fromUs: NOW_US - 3 * DAY_US + 1, toUs: NOW_US });
    expect(windowsOf(session)).toEqual([[NOW_US - DAY_US, NOW_US]]);
    expect(session.takeOlder()!.windows).toEqual([
      { gpu: 'GPU-0', fromUs: NOW_US - 3 * DAY_US, toUs: NOW_US - DAY_US, isFirstTold: false },
    ]);
  });

  test('what the store knows better of a start is told again: the row of the input is on its way', () => {
    const session = open(inputOf([fact('start', '7', 10)]));
    session.read(NOW_US);
    const changes = session.adopt([{ ...stored('7', 10), run: 1 }]);
    expect(changes).toMatchObject([{ interval: { run: 1 }, previousEndUs: Infinity }]);
    expect(session.takeRelabels().orders).toHaveLength(1);
  });

  test('what is stored of an unresolved device under its former name is taken back once it is told under the new one', () => {
    const at = NOW_US - 20;
    const [former, heir] = ['unresolved:n1:5', 'unresolved:a/n1:5'];
    const told = { ...fact('start', '7', at), cluster: 'a', gpu: heir };
    const rows = [
      { ...stored('7', at), gpu: former },
      { ...stored('7', at), gpu: 'unresolved:n1:6' },
      { ...stored('8', at), gpu: former },
    ];
    const late = open(inputOf([told]));
    late.read(NOW_US);
    const early = open(inputOf([told]));
    expect(early.adopt(rows)).toEqual([]);
    for (const changes of [late.adopt(rows), early.read(NOW_US).changes])
      expect(changes.filter(({ interval }) => interval.gpu !== heir)).toEqual([
        { interval: { ...stored('7', at, at), gpu: former }, previousEndUs: Infinity },
      ]);
    for (const { ownership } of [late, early]) {
      const owning = ownership.intervals().filter(({ endUs }) => endUs > at);
      expect(owning.map(({ jobId, gpu }) => `${jobId} ${gpu}`).sort()).toEqual([
        `7 ${heir}`,
        '7 unresolved:n1:6',
        `8 ${former}`,
      ]);
    }
    expect(late.adopt([{ ...stored('7', at, at), gpu: former }])).toEqual([]);
  });

  test('a start keeps the row that was stored without a cluster; one told since under its cluster is emptied', () => {
    const told = { ...fact('start', '7', 10), cluster: 'a' };
    const late = open(inputOf([told]));
    late.read(NOW_US);
    expect(late.adopt([stored('7', 10)])).toEqual([
      { interval: { ...stored('7', 10, 10), cluster: 'a' }, previousEndUs: 10 },
      { interval: stored('7', 10), previousEndUs: Infinity },
    ]);
    const early = open(inputOf([told]));
    expect(early.adopt([stored('7', 10)])).toEqual([]);
    expect(early.read(NOW_US).changes).toEqual([]);
    for (const session of [late, early]) expect(session.ownership.intervals()).toEqual([stored('7', 10)]);
  });

  test.each<{ what: string; rows: Interval[]; changed: Interval[] }>([
    {
      what: 'the one that owns time',
      rows: [stored('7', 10, 10), { ...stored('7', 10, 30), cluster: 'a' }],
      changed: [],
    },
    {
      what: 'the one without a cluster, and the other is emptied',
      rows: [{ ...stored('7', 10, 40), cluster: 'a' }, stored('7', 10, 30)],
      changed: [{ ...stored('7', 10, 10), cluster: 'a' }],
    },
  ])('of two rows of one start $what stands', ({ rows, changed }) => {
    for (const list of [rows, rows.toReversed()]) {
      const session = open(inputOf());
      expect(session.adopt(list).map(({ interval }) => interval)).toEqual(changed);
      expect(describeIntervals(session)).toEqual(['7 (10, 30]']);
    }
  });

  test('a stay of which nobody counts the run is stored as it is told', () => {
    const session = open(inputOf([{ ...fact('start', '7', 10), run: NaN }]));
    session.read(NOW_US);
    expect(session.adopt([{ ...stored('7', 10), run: NaN }])).toEqual([]);
  });

  test('a start that was taken back owns no time, and takes no end from the run before it', () => {
    const session = open(inputOf());
    session.adopt([stored('7', 10, 30), stored('7', 30, 30)]);
    expect(describeIntervals(session)).toEqual(['7 (10, 30]', '7 (30, 30]']);
  });

  test('an interval that is known to have ended is closed, or owns no time', () => {
    const session = open(inputOf());
    const [seen, unseen] = [stored('7', 10), { ...stored('8', 30), gpu: 'GPU-1' }];
    const changes = session.adopt(
      [seen, unseen],
      new Map([
        [seen, 20],
        [unseen, 30],
      ]),
    );
    expect(changes.map(({ interval }) => interval.endUs)).toEqual([20, 30]);
  });
});

describe('labels', () => {
  test('samples that are labelled by now are labelled again, later ones are not', () => {
    const session = open(inputOf([fact('start', '7', NOW_US - 10)], [fact('start', '8', NOW_US + 10)]));
    session.read(NOW_US);
    expect(windowsOf(session)).toEqual([[NOW_US - 10, NOW_US]]);
    session.read(NOW_US);
    expect(windowsOf(session)).toEqual([]);
    const late = open(inputOf([fact('end', '7', NOW_US)]));
    late.adopt([stored('7', NOW_US - 10)]);
    late.takeRelabels();
    late.labelledUntil(NOW_US + 20);
    late.labelledUntil(NOW_US + 10);
    late.read(NOW_US);
    expect(windowsOf(late)).toEqual([[NOW_US, NOW_US + 20]]);
  });

  test('without a former life nothing is labelled again', () => {
    const session = open(inputOf([fact('start', '7', 10)]), -Infinity);
    session.read(NOW_US);
    expect(session.takeRelabels().orders).toEqual([]);
  });

  test('what could not be worked off is handed out again', () => {
    const session = open(inputOf([fact('start', '7', NOW_US - 10)]));
    session.read(NOW_US);
    session.takeRelabels().giveBack();
    expect(windowsOf(session)).toHaveLength(1);
    expect(windowsOf(session)).toEqual([]);
  });

  test('what is told of a time that is not remembered is handed out apart, once', () => {
    const session = open(inputOf([fact('start', '7', NOW_US - 3 * DAY_US)]));
    expect(session.hasOlder).toBe(false);
    session.read(NOW_US);
    expect(session.takeRelabels().orders[0]!.stretches[0]!.fromUs).toBe(NOW_US - DAY_US);
    expect(session.hasOlder).toBe(true);
    const window = { gpu: 'GPU-0', fromUs: NOW_US - 3 * DAY_US, toUs: NOW_US - DAY_US, isFirstTold: true };
    expect(session.takeOlder()).toMatchObject({ windows: [window], facts: [], intervals: [{ jobId: '7' }] });
    expect([session.hasOlder, session.takeOlder()]).toEqual([false, undefined]);
  });

  test('an end, or a start that is taken back, of a stay that is not remembered is handed out, too', () => {
    const [startUs, endUs] = [NOW_US - 5 * DAY_US, NOW_US - 4 * DAY_US];
    const ofStart = { ...fact('end', '8', endUs), ofStartUs: startUs };
    const facts = [fact('void', '7', startUs), ofStart, fact('end', '9', endUs)];
    const session = open(inputOf(facts));
    session.read(NOW_US);
    expect(session.takeOlder()).toMatchObject({ facts, windows: [] });
    const known = open(inputOf([fact('start', '9', startUs), fact('end', '9', endUs)]));
    known.read(NOW_US);
    expect(known.takeOlder()?.facts).toEqual([]);
  });
});

describe('owner sets', () => {
  const share = (one: JobFact, part: number): JobFact => ({ ...one, share: part });
  /** `7 8` for the set of these two, with their parts. */
  const setsOf = (session: OwnershipSession): string[] => {
    const sets = Map.groupBy(session.takeOwnerSets(), ({ ownerSet }) => ownerSet);
    return [...sets.values()].map((own) => own.map(({ jobId, part }) => `${jobId}: ${part}`).join(', '));
  };

  test('are told once, as soon as a label has them; a whole device has none', () => {
    const facts = [
      fact('start', '6', 1),
      share(fact('start', '7', 10), 0.5),
      share(fact('start', '8', 20), NaN),
    ];
    const late = [share(fact('start', '9', 15), NaN), fact('end', '9', 18)];
    const session = open(inputOf(facts, facts, late));
    expect(setsOf(session)).toEqual([]);
    session.read(NOW_US);
    expect(setsOf(session)).toEqual(['7: 0.5', '7: 0.5, 8: 0.5']);
    session.read(NOW_US);
    expect(setsOf(session)).toEqual([]);
    session.read(NOW_US);
    expect(setsOf(session)).toEqual(['7: 0.5, 9: 0.5']);
  });

  test('of stored stays are told, with the cluster of the node where the stay has none', () => {
    const session = openOwnership({
      ...{ inputs: [inputOf()], ownership: new Ownership(), labelledUntilUs: NOW_US, cluster: 'lab' },
    });
    session.adopt([
      { ...stored('7', 10), share: NaN },
      { ...stored('8', 20), share: NaN, cluster: 'lab' },
      { ...stored('9', 30), share: 0.5, gpu: 'GPU-1' },
    ]);
    const sets = session.takeOwnerSets();
    expect(sets.map(({ gpu, cluster, startUs }) => [gpu, cluster, startUs])).toEqual([
      ...[
        ['GPU-0', 'lab', 20],
        ['GPU-0', 'lab', 20],
      ],
      ['GPU-1', 'lab', 30],
    ]);
  });

  test('are remembered as told as long as a label uses them', () => {
    const shared = ['7', '8'].map((jobId, at) => share(fact('start', jobId, at + 10), NaN));
    const session = open(inputOf(shared, [fact('end', '8', NOW_US)]));
    session.read(NOW_US);
    expect(setsOf(session)).toEqual(['7: 0.5, 8: 0.5']);
    session.acknowledge(NOW_US);
    session.acknowledge(NOW_US + 2 * 3600e6);
    // What has not been forgotten is looked at again.
    session.adopt([]);
    expect(setsOf(session)).toEqual([]);
    session.read(NOW_US);
    expect(setsOf(session)).toEqual([]);
  });

  test('a share that the store does not know yet labels its samples again, whichever comes first', () => {
    const better = share(fact('start', '7', NOW_US - 30), 0.5);
    const before = { ...stored('7', NOW_US - 30, NOW_US - 10), share: NaN };
    const late = open(inputOf([better]));
    late.read(NOW_US);
    expect(late.adopt([before])).toMatchObject([{ interval: { share: 0.5 }, isShareNew: true }]);
    const early = open(inputOf([better]));
    expect(early.adopt([before])).toEqual([]);
    expect(early.read(NOW_US).changes).toMatchObject([{ interval: { share: 0.5 }, isShareNew: true }]);
    for (const session of [early, late]) {
      expect(setsOf(session)).toEqual(['7: 0.5']);
      const [first] = session.takeRelabels().orders[0]!.stretches;
      expect(first).toMatchObject({ fromUs: NOW_US - 30, label: { jobId: '7', owners: 1 } });
      expect(first!.label.ownerSet).not.toBeNull();
    }
  });
});

describe('inputs', () => {
  test('one who reads once hears what a scheduler answers a moment later', async () => {
    const answer = Promise.withResolvers<unknown>();
    let isAnswered = false;
    const input: JobInput = {
      name: 'slow',
      read: () => ({ facts: isAnswered ? [fact('start', '7', 10)] : [], records: [] }),
      answers: () => answer.promise,
    };
    const session = open(input);
    const news = session.readOnce(NOW_US);
    isAnswered = true;
    answer.resolve(undefined);
    expect((await news).changes).toHaveLength(1);
  });

  test('are told what is known of a job since a start', () => {
    const heard: (readonly string[])[] = [];
    const session = open({
      name: 'asking',
      read(_nowUs, known) {
        heard.push(known?.('7', 10) ?? [], known?.('7', 11) ?? [], known?.('8', 10) ?? []);
        return { facts: [], records: [] };
      },
    });
    session.adopt([stored('7', 10)]);
    session.read(NOW_US);
    expect(heard).toEqual([['GPU-0'], [], []]);
  });

  test('a problem bears the name of its input', () => {
    const error = new OperatingError('no', { code: 'journal.missing', exit: 'unavailable', hints: [] });
    const session = open({ name: 'journal', read: () => ({ facts: [], records: [], problems: [error] }) });
    expect(session.read(NOW_US).problems).toEqual([{ input: 'journal', error }]);
  });

  test('are told when all is stored, and what nobody needs any more is forgotten', () => {
    const acknowledged: number[] = [];
    const session = open({
      ...inputOf([fact('start', '7', 10), fact('end', '7', 20)]),
      acknowledge: (us) => void acknowledged.push(us),
    });
    session.read(NOW_US);
    session.acknowledge(NOW_US);
    expect(describeIntervals(session)).toEqual(['7 (10, 20]']);
    session.acknowledge(NOW_US + 2 * 3600e6);
    expect(acknowledged).toEqual([NOW_US, NOW_US + 2 * 3600e6]);
    expect(describeIntervals(session)).toEqual([]);
  });
});
