import { describe, expect, test } from 'vitest';
import { OperatingError } from '../../src/core/base/errors.ts';
import type { Interval } from '../../src/core/jobs/interval.ts';
import type { JobFact, JobInput, JobRecord } from '../../src/core/jobs/job-fact.ts';
import { readJobs } from '../../src/drain/jobs.ts';

const MINUTE_US = 60e6;
const DAY_US = 24 * 3600e6;
/** The newest watermark; the oldest lies a minute before it. */
const NEWEST_US = 10 * DAY_US;
const TIMES = { oldestUs: NEWEST_US - MINUTE_US, newestUs: NEWEST_US, nowUs: NEWEST_US + MINUTE_US };
const TENURE = { node: 'n1', gpu: 'GPU-0', run: 0, share: 1, source: 'journal' };

const fact = (kind: JobFact['kind'], jobId: string, atUs: number): JobFact => ({
  ...TENURE,
  kind,
  jobId,
  atUs,
});
const stored = (jobId: string, startUs: number, endUs = Infinity): Interval => ({
  ...TENURE,
  ...{ jobId, startUs, endUs },
});

function inputOf(facts: readonly JobFact[], records: readonly JobRecord[] = []): JobInput {
  let isRead = false;
  return {
    name: 'test',
    read() {
      const news = isRead ? { facts: [], records: [] } : { facts, records };
      isRead = true;
      return news;
    },
  };
}

describe('what a drain writes of the jobs', () => {
  test('is what the inputs change of what is stored, and no more', async () => {
    const startUs = NEWEST_US - 30e6;
    const facts = [fact('start', '7', startUs), fact('end', '7', NEWEST_US), fact('start', '8', NEWEST_US)];
    const jobs = await readJobs([inputOf(facts)], [stored('7', startUs)], TIMES);
    expect(jobs.intervals.map(({ jobId, endUs }) => [jobId, endUs])).toEqual([
      ['7', NEWEST_US],
      ['8', Infinity],
    ]);
    const again = await readJobs([inputOf(facts)], jobs.intervals, TIMES);
    expect(again.intervals).toEqual([]);
  });

  test('is every owner set that labels use: the store knows which of them it has', async () => {
    const startUs = NEWEST_US - 30e6;
    const half = { ...stored('7', startUs), share: 0.5 };
    const late = { ...fact('start', '8', NEWEST_US), share: NaN };
    const { ownerSets, ownership } = await readJobs([inputOf([late])], [half], TIMES);
    expect(ownerSets.map(({ jobId, part, sharing }) => [jobId, part, sharing])).toEqual([
      ...[
        ['7', 0.5, 'stated'],
        ['7', 0.5, 'stated'],
        ['8', 0.5, 'equal'],
      ],
    ]);
    const used = [startUs + 1, NEWEST_US + 1].map((us) => ownership.labelAt('GPU-0', us).ownerSet);
    expect(used).toEqual([ownerSets[0]!.ownerSet, ownerSets[2]!.ownerSet]);
  });

  test('has stored rows that contradict each other put right', async () => {
    const [firstUs, secondUs] = [NEWEST_US - 50e6, NEWEST_US - 20e6];
    const jobs = await readJobs([], [stored('7', firstUs), stored('8', secondUs)], TIMES);
    expect(jobs.intervals).toMatchObject([{ jobId: '7', endUs: secondUs }]);
    expect(jobs.relabel.map(({ stretches }) => stretches[0]?.fromUs)).toEqual([secondUs]);
  });

  test('labels again what is stored up to the newest watermark, and nothing without one', async () => {
    const facts = [fact('start', '7', NEWEST_US - 10e6)];
    const jobs = await readJobs([inputOf(facts)], [], TIMES);
    expect(jobs.relabel.map(({ stretches }) => [stretches[0]?.fromUs, stretches.at(-1)?.toUs])).toEqual([
      [NEWEST_US - 10e6, NEWEST_US],
    ]);
    const first = await readJobs([inputOf(facts)], [], { ...TIMES, oldestUs: NaN, newestUs: -Infinity });
    expect(first.relabel).toEqual([]);
  });

  test('hands over what was told of times whose stored stays were not read, once it is not what is stored', async () => {
    const startUs = NEWEST_US - 3 * DAY_US;
    const jobs = await readJobs([inputOf([fact('start', '7', startUs)])], [], TIMES);
    expect(jobs.older).toMatchObject({
      windows: [{ gpu: 'GPU-0', fromUs: startUs, toUs: NEWEST_US - DAY_US, isFirstTold: true }],
      intervals: [{ jobId: '7' }],
      untilUs: NEWEST_US,
    });
    // The store may know its end: whoever reads that writes the row.
    expect(jobs.intervals).toEqual([]);
    const stored = jobs.ownership.intervals();
    const again = await readJobs([inputOf([fact('start', '7', startUs)])], stored, TIMES);
    expect([again.older, again.intervals]).toEqual([undefined, []]);
  });

  test('says what an input could not read, and where', async () => {
    const detail = { code: 'slurm.bad_conf', exit: 'config', where: '/etc/slurm/gres.conf:3' } as const;
    const problems = [new OperatingError('expected Key=value, found "x"', detail)];
    const input: JobInput = { name: 'test', read: () => ({ facts: [], records: [], problems }) };
    expect((await readJobs([input], [], TIMES)).warnings).toEqual([
      'expected Key=value, found "x" (/etc/slurm/gres.conf:3)',
    ]);
  });

  test('sends records again while the last drain may have missed them', async () => {
    const old = { jobId: 'old', run: 0, startUs: NEWEST_US - DAY_US, endUs: NEWEST_US - DAY_US + 1 };
    const ended = { jobId: 'ended', run: 0, startUs: NEWEST_US - DAY_US, endUs: NEWEST_US };
    const changed = { ...old, jobId: '7' };
    const facts = [fact('start', '7', NEWEST_US - DAY_US)];
    const jobs = await readJobs([inputOf(facts, [old, ended, changed])], [], TIMES);
    expect(jobs.records.map(({ jobId }) => jobId)).toEqual(['ended', '7']);
    const first = await readJobs([inputOf([], [old])], [], { ...TIMES, oldestUs: NaN });
    expect(first.records).toEqual([old]);
  });

  test('is acknowledged to inputs that want to know', async () => {
    const heard: number[] = [];
    const input = { ...inputOf([]), acknowledge: (us: number) => void heard.push(us) };
    expect((await readJobs([inputOf([])], [], TIMES)).acknowledge).toBeUndefined();
    (await readJobs([input], [], TIMES)).acknowledge?.();
    expect(heard).toEqual([TIMES.nowUs]);
  });
});
