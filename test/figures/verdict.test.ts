/**
 * Goal: the first line of a job report says what the job did, and nothing of time that nobody saw. Method: facts made by hand, each
 * sentence word for word.
 */
import { describe, expect, test } from 'vitest';
import type { Cause } from '../../src/core/analysis/causes.ts';
import { NO_ANALYSIS } from '../../src/figures/job/analysis/analyse.ts';
import type { JobCauses } from '../../src/figures/job/causes/figures.ts';
import type { JobEvent, JobFacts, JobFigures } from '../../src/figures/job/figures.ts';
import { findingsOf } from '../../src/figures/job/findings/find.ts';
import { verdictText } from '../../src/report/verdict-text.ts';
import { device, gauge, HOUR, job, level, SECOND, type JobChanges } from './made-facts.ts';

const MIN = 60 * SECOND;

type Hours = Readonly<Partial<Record<Cause, number>>>;

/** In GPU-hours. */
function causesOf(hours: Hours, changes: Partial<JobCauses> = {}): JobCauses {
  const all = Object.entries(hours) as [Cause, number][];
  return {
    ...{ origin: 'samples', isCut: false, isKept: false, waiting: undefined, devices: [], contexts: [] },
    causes: new Map(all.map(([cause, us]) => [cause, { us: us * HOUR, joules: undefined }])),
    ...changes,
  };
}

function verdictOf(facts: JobFacts, rulesKept: readonly string[] = []): string {
  const figures: JobFigures = {
    ...facts,
    findings: findingsOf(facts),
    rulesNotTold: [],
    rulesKept,
    bounds: undefined,
    costs: undefined,
    history: undefined,
  };
  return verdictText(figures).replaceAll(/\s/g, ' ');
}

const two = [device(0), device(1)];
const of = (hours: Hours, changes: JobChanges = {}): string =>
  verdictOf(job(two, { causes: causesOf(hours), ...changes }));

describe('the verdict', () => {
  test('of a healthy job', () => {
    expect(of({ effective: 1.9, gaps: 0.1 })).toBe('a healthy job: 95 % of 2 GPU-hours were effective');
    expect(of({ effective: 1.6, waiting: 0.4 })).toBe('a healthy job: 80 % of 2 GPU-hours were effective');
  });

  test('of one that writes checkpoints, too', () => {
    const dips = {
      ...{ count: 3, lengthUs: MIN, periodUs: 10 * MIN, timeRatio: 0.02 },
      floor: level(0, 'ratio'),
    };
    expect(of({ effective: 1.9, pause: 0.1 }, { dips })).toBe(
      'a healthy job: 95 % of 2 GPU-hours were effective',
    );
  });

  test('of one of which a rule that cannot look any more has found something', () => {
    const kept = job(two, { causes: causesOf({ effective: 1.9, gaps: 0.1 }) });
    expect(verdictOf(kept, ['dips'])).toMatch(/^a healthy job/);
    expect(verdictOf(kept, ['dips', 'hang'])).not.toMatch(/healthy/);
  });

  test('of one in which no rule finds anything, and which is not healthy', () => {
    expect(of({ effective: 1.5, gaps: 0.2, throttled: 0.03, waiting: 0.27 })).toBe(
      'nothing stands out: 75 % of 2 GPU-hours were effective; most lost: waiting for the slowest (0.27 GPU-hours), gaps between kernels (0.2 GPU-hours)',
    );
  });

  test('names what cost most, and for whom the others waited', () => {
    const slowest = {
      ...({ gpu: 'GPU-1', kind: 'computes_longest', deviceCount: 4, ratio: 0.9, othersRatio: 0.7 } as const),
      ...{ leads: 1, why: undefined, lostUsMax: HOUR, linkErrors: 0, pcieLanes: undefined },
    };
    const waiting = { leastUs: 0.3 * HOUR, mostUs: 0.5 * HOUR };
    const causes = causesOf({ effective: 1, waiting: 0.4, gaps: 0.35, pause: 0.25 }, { waiting });
    expect(verdictOf(job(two, { causes, analysis: { ...NO_ANALYSIS, slowest } }))).toBe(
      '50 % of 2 GPU-hours were effective; most lost: waiting for n1 gpu 1 (0.3 to 0.5 GPU-hours), gaps between kernels (0.35 GPU-hours)',
    );
  });

  test('says of what was not seen how much that is, and calls it nothing else', () => {
    const seen = { of: { coverage: level(0.5, 'ratio') } } as const;
    expect(of({ effective: 1, notSeen: 1 }, seen)).toBe(
      '100 % of the 1 GPU-hours that were seen were effective; 1 GPU-hours (50 %) were not seen',
    );
    // No rule speaks of so little, and still it is said.
    expect(of({ effective: 1.96, notSeen: 0.04 })).toBe(
      'a healthy job: 100 % of the 1.96 GPU-hours that were seen were effective; 0.04 GPU-hours (2 %) were not seen',
    );
    // Whatever the configuration calls low coverage.
    expect(of({ effective: 1.8, notSeen: 0.2 })).toMatch(/^nothing stands out: 100 % of the 1.8 /);
    expect(of({ effective: 1.5, untold: 0.5 })).toBe(
      'nothing stands out: 75 % of 2 GPU-hours were effective; for 0.5 GPU-hours of it the activity of the engine is not known',
    );
  });

  test('of a job of which nobody knows anything', () => {
    const nothing = { samples: 0, sampledUs: 0, attributedUs: 0, coverage: undefined };
    expect(verdictOf(job(two, { of: nothing }))).toBe('no data: none of its 2 GPU-hours was seen');
    // A first sample speaks for no time.
    const first = { samples: 2, sampledUs: 0, attributedUs: 0 };
    for (const causes of [undefined, causesOf({ notSeen: 2 })])
      expect(verdictOf(job(two, { of: first, causes }))).toBe('no data: none of its 2 GPU-hours was seen');
    expect(verdictOf(job([], { of: nothing }))).toBe('no data: it had no GPUs, or nobody recorded which');
  });

  test('without causes tells what SM activity made of the time, as far as it is known', () => {
    const used = (value: number, knownUs: number): string =>
      verdictOf(job(two, { of: { used: { value, unit: 'microseconds', knownUs } } }));
    expect(used(HOUR, 2 * HOUR)).toBe(
      'SM activity made use of 50 % of 2 GPU-hours, and where the rest went is not told',
    );
    expect(used(HOUR / 2, HOUR)).toBe(
      'SM activity made use of 50 % of the 1 GPU-hours in which it is known, and where the rest went is not told',
    );
    expect(verdictOf(job(two))).toBe('nothing tells what its GPUs did in 2 GPU-hours');
  });

  test('begins with what broke', () => {
    const xid = (code: number): JobEvent => ({
      ...{ tsUs: 0, node: 'n1', gpu: 'GPU-0', kind: 'xid', code, subject: '', text: '' },
    });
    const devices = [device(0, { events: [xid(79), xid(48)] }), device(1)];
    const causes = causesOf({ effective: 2 });
    expect(verdictOf(job(devices, { causes }))).toBe(
      'XID 79 on n1 gpu 0 (and 1 more); 100 % of 2 GPU-hours were effective',
    );
    expect(of({ effective: 2 }, { state: 'OUT_OF_MEMORY' })).toMatch(/^ended out of memory; 100 %/);
  });
});

describe('the verdict of a running job', () => {
  const running = (changes: JobChanges): string => of({ effective: 2 }, { isOpen: true, ...changes });

  test('says that it is at work', () => {
    expect(running({})).toBe('running, at work; a healthy job: 100 % of 2 GPU-hours so far were effective');
  });

  test('says since when it is idle, where that was seen', () => {
    const idle = { of: { lastActiveUs: 40 * MIN } };
    expect(running(idle)).toMatch(/^running, all GPUs idle since 00:40:00 \(20 min\); /);
    const unseen = new Map([['GPU-1', 10 * MIN]]);
    expect(running({ ...idle, tailUnseenUs: unseen })).toMatch(
      /^running, last active at 00:40:00 \(20 min ago\); /,
    );
    expect(running({ of: { lastActiveUs: 55 * MIN } })).toMatch(/^running, last active at 00:55:00/);
    expect(running({ of: { lastActiveUs: 59 * MIN } })).toMatch(/^running, at work/);
    const never = [0, 1].map((at) => device(at, { sm: gauge(0, 0.01), idleUs: HOUR }));
    const unused = job(never, { isOpen: true, of: { lastActiveUs: undefined } });
    expect(verdictOf(unused)).toMatch(/^running, all GPUs idle since 00:00:00 \(1 h\); /);
  });

  test('says since when it makes no progress, and when it was last seen', () => {
    const contexts = [{ context: 'hang' as const, fromUs: 50 * MIN, toUs: HOUR }];
    const causes = causesOf({ effective: 1.5, hang: 0.5 }, { contexts });
    expect(running({ causes })).toMatch(/^running, no progress since 00:50:00 \(10 min\); /);
    expect(running({ of: { lastSampleUs: 58 * MIN } })).toMatch(
      /^running, not seen since 00:58:00 \(2 min\); /,
    );
    expect(running({ of: { lastActiveUs: undefined } })).toMatch(/^running; /);
  });
});
