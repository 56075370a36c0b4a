/** Goal: the rules of "what stands out" speak exactly when they should. Method: figures made by hand around each limit. */
import { describe, expect, test } from 'vitest';
import { NO_ANALYSIS } from '../../src/figures/job/analysis/analyse.ts';
import type { Slowest } from '../../src/figures/job/analysis/figures.ts';
import type { IdleLimit } from '../../src/core/fields/idle-limits.ts';
import { findDips, type ActivityStep } from '../../src/figures/job/dips.ts';
import type { JobDevice, JobEvent, JobFacts, ThrottleEffect } from '../../src/figures/job/figures.ts';
import { findingsOf } from '../../src/figures/job/findings/find.ts';
import { findingText } from '../../src/report/finding-text.ts';
import {
  device,
  energy,
  gauge,
  GIB,
  HOUR,
  job,
  knownFor,
  level,
  SECOND,
  type JobChanges,
} from './made-facts.ts';

const rulesOf = (facts: JobFacts): string[] => findingsOf(facts).map(({ rule }) => rule);
const textOf = (facts: JobFacts): string => findingsOf(facts).map(findingText).join('\n');

const throttle: JobEvent = {
  tsUs: 0,
  endUs: HOUR / 2,
  node: 'n1',
  gpu: 'GPU-1',
  kind: 'throttle',
  code: 32,
  subject: 'sw_thermal_slowdown',
  text: 'hot',
};

const effectOf = (sm: number, othersSm: number): ThrottleEffect => ({
  event: throttle,
  gpu: 'GPU-1',
  sm: level(sm, 'ratio'),
  othersSm: level(othersSm, 'ratio'),
});

describe('what stands out', () => {
  test('nothing, in a job that uses what it has', () => {
    expect(findingsOf(job([device(0), device(1)]))).toEqual([]);
  });

  test('no data says why there could be none, and else asks for the collector', () => {
    const unseen = (change: Partial<JobDevice> = {}): JobDevice => ({ ...device(0), samples: 0, ...change });
    const without = (...devices: JobDevice[]): string =>
      textOf(job(devices, { of: { samples: 0, coverage: undefined } }));
    expect(without(unseen())).toBe(
      'no data: nothing was sampled while the job owned its GPUs. Was a collector running on its nodes?',
    );
    expect(without(unseen({ ownedUs: 0.4 * SECOND }), unseen({ ownedUs: 0.2 * SECOND }))).toBe(
      'no data: it had its GPUs for 0.4 s, less than the time between two samples (1 s).',
    );
    expect(without(unseen({ ownedUs: 0.4 * SECOND }), unseen())).toContain('Was a collector running');
    const unresolved = unseen({ gpu: 'unresolved:a/n1:9', index: undefined });
    expect(without(unresolved)).toBe(
      'no data: which GPUs it had is not known: none goes by the name that was told (a/n1:9). gpuledger devices lists those of a node.',
    );
    expect(without(...Array<JobDevice>(6).fill(unresolved))).toContain('a/n1:9, and 2 more)');
    expect(without(unresolved, unseen())).toContain('Was a collector running');
  });

  test('GPUs that were never used, with their number and what to ask for', () => {
    const never = { sm: gauge(0.001, 0.049), idleUs: HOUR };
    const figures = job([device(0), device(1), device(2, never), device(3, never)]);
    expect(rulesOf(figures)).toEqual(['unused']);
    expect(textOf(figures)).toContain('2 of 4 GPUs were never used (n1 gpu 2, 3;');
    expect(textOf(figures)).toContain('2 GPU-hours. Ask for 2.');
    expect(rulesOf(job([device(0), device(1, { sm: gauge(0.04, 0.05) })]))).not.toContain('unused');
  });

  test('a job that used none of them', () => {
    const figures = job([device(0, { sm: gauge(0, 0.01), idleUs: HOUR })]);
    expect(rulesOf(figures)).toEqual(['unused']);
    expect(textOf(figures)).toContain('never used its GPU');
  });

  test('idleness from half of the time on', () => {
    expect(rulesOf(job([device(0, { idleUs: 0.49 * HOUR })]))).toEqual([]);
    const figures = job([device(0, { idleUs: 0.5 * HOUR })]);
    expect(rulesOf(figures)).toEqual(['idle']);
    expect(textOf(figures)).toContain('below 5 % for 50 % of the time: 0.5 GPU-hours idle');
  });

  test('each GPU is idle below the limit of its own model', () => {
    const [strict, loose] = [{ idleSmRatio: 0.02 }, { idleSmRatio: 0.2 }] as const;
    const sm = gauge(0.05, 0.1);
    const unused = job([device(0, { ...strict, sm }), device(1, { ...loose, sm, idleUs: HOUR })]);
    expect(rulesOf(unused)).toEqual(['unused']);
    expect(textOf(unused)).toContain('(n1 gpu 1; SM activity below 20 % all the time)');
    const idleUs = HOUR / 2;
    const idle = job([device(0, { ...strict, idleUs }), device(1, { ...loose, idleUs })]);
    expect(textOf(idle)).toContain('SM activity was below 2 % or 20 % for 50 % of the time');
    // From twice the limit of the fastest on a load can be uneven.
    const uneven = (idleSmRatio: IdleLimit): JobFacts =>
      job([0.1, 0.3].map((mean, at) => device(at, { idleSmRatio, sm: gauge(mean, 0.5) })));
    expect(rulesOf(uneven(0.2))).toEqual([]);
    expect(rulesOf(uneven(0.1))).toEqual(['imbalance']);
  });

  test('an idle end from ten minutes and a tenth of the job on', () => {
    const idleFor = (seconds: number): JobFacts =>
      job([device(0)], { of: { lastActiveUs: HOUR - seconds * SECOND } });
    expect(rulesOf(idleFor(599))).toEqual([]);
    expect(rulesOf(idleFor(600))).toEqual(['idle-tail']);
    expect(rulesOf({ ...idleFor(600), startUs: -2 * HOUR })).toEqual([]);
  });

  test('a tail of which the end was not seen goes as far as the samples do', () => {
    const until = (lastSampleUs: number): JobFacts =>
      job([{ ...device(0), lastSampleUs }, device(1)], { of: { lastActiveUs: HOUR - 1200 * SECOND } });
    expect(textOf(until(HOUR - SECOND))).toContain('for the last 20');
    expect(textOf(until(HOUR - 500 * SECOND))).toContain('until their samples end (11');
    expect(rulesOf(until(HOUR - 700 * SECOND))).toEqual([]);
  });

  test('nobody is idle where it is not known what a device did', () => {
    const tail = { of: { lastActiveUs: HOUR - 1200 * SECOND } };
    const devices = [device(0), device(1)];
    const unseen = (seconds: number): JobFacts =>
      job(devices, { ...tail, tailUnseenUs: new Map([['GPU-1', seconds * SECOND]]) });
    expect(rulesOf(unseen(60))).toEqual(['idle-tail']);
    expect(rulesOf(unseen(61))).toEqual([]);
    // Blanks and gaps of before do not matter, where it is known what of the tail was seen.
    const gap = { gpu: 'GPU-1', fromUs: 0, toUs: HOUR / 2 };
    const unplacedGaps = { count: 1, us: 100 * SECOND };
    const blank = device(1, { sm: knownFor(0.9, gauge(0.8, 0.95)) });
    const before = { ...unseen(0), devices: [device(0), blank], gaps: [gap], unplacedGaps };
    expect(rulesOf(before)).toEqual(['idle-tail']);
    // Kept figures do not tell when.
    expect(rulesOf(job([device(0), blank], { ...tail, gaps: undefined }))).toEqual([]);
    expect(rulesOf(job(devices, { of: { ...tail.of, samples: 0 } }))).toEqual(['no-data']);
  });

  test('what was not seen is no idleness, no unevenness and no small memory', () => {
    const never = knownFor(0.94, gauge(0.001, 0.01));
    expect(rulesOf(job([device(0), device(1, { sm: never })]))).toEqual([]);
    expect(rulesOf(job([device(0), device(1, { sm: knownFor(0.96, never) })]))).toEqual(['unused']);
    const uneven = knownFor(0.5, gauge(0.3, 0.9));
    expect(rulesOf(job([device(0), device(1, { sm: uneven })]))).toEqual([]);
    const idle = (known: number, idleUs: number): JobDevice => ({
      ...device(0),
      idle: { value: idleUs, unit: 'microseconds', knownUs: known },
    });
    // Six tenths were seen, and all of them idle: more than half whatever the rest was.
    expect(textOf(job([idle(0.6 * HOUR, 0.6 * HOUR)]))).toContain('100 % of the time that was seen');
    expect(rulesOf(job([idle(0.4 * HOUR, 0.4 * HOUR)]))).toEqual([]);
    const memory = device(0, { memoryPeakBytes: 10 * GIB });
    const partly = {
      ...memory,
      gauges: { ...memory.gauges, memoryUsed: knownFor(0.9, memory.gauges.memoryUsed!) },
    };
    expect(rulesOf(job([memory]))).toEqual(['memory-half']);
    expect(rulesOf(job([partly]))).toEqual([]);
    expect(textOf(job([partly], { state: 'OUT_OF_MEMORY' }))).not.toContain("host's memory");
  });

  test('a throttled GPU that others wait for, not one that keeps up', () => {
    const effect = effectOf(0.464, 0.8);
    const devices = [device(0), device(1, { sm: gauge(0.5, 0.9), events: [throttle] })];
    expect(textOf(job(devices, { throttleEffects: [effect] }))).toContain(
      "n1 gpu 1 ran at 58 % of the others' SM activity while throttled",
    );
    expect(rulesOf(job(devices, { throttleEffects: [effectOf(0.79, 0.8)] }))).toEqual([]);
  });

  test('the GPU that the others wait for, once: neither its throttle nor what the others do less is told beside', () => {
    const slowest: Slowest = {
      gpu: 'GPU-1',
      kind: 'computes_longest',
      deviceCount: 4,
      ratio: 0.9,
      othersRatio: 0.6,
      leads: 1,
      why: 'device',
      lostUsMax: HOUR,
      linkErrors: 0,
      pcieLanes: undefined,
    };
    const devices = [
      device(0, { sm: gauge(0.5, 0.9) }),
      device(1, { sm: gauge(0.9, 0.9), events: [throttle] }),
    ];
    const effects = { throttleEffects: [effectOf(0.4, 0.8)] };
    const told = (changes: Partial<Slowest> | undefined, more: JobChanges = {}): string[] => {
      const found = changes === undefined ? undefined : { ...slowest, ...changes };
      return rulesOf(job(devices, { ...more, analysis: { ...NO_ANALYSIS, slowest: found } }));
    };
    expect(told(undefined)).toEqual(['imbalance']);
    expect(told({})).toEqual(['computes-longest']);
    expect(told({ kind: 'fed_late' })).toEqual(['fed-late']);
    expect(told({}, effects)).toEqual(['computes-longest']);
    // Another one's throttle is another story.
    expect(told({ gpu: 'GPU-0' }, effects)).toEqual(['throttle', 'computes-longest']);
  });

  test('an uneven load, unless a throttle explains it', () => {
    const devices = [device(0), device(1, { sm: gauge(0.55, 0.9) })];
    expect(textOf(job(devices))).toContain('n1 gpu 1 had 55 % SM activity, n1 gpu 0 80 %');
    const effect = effectOf(0.7, 0.75);
    expect(rulesOf(job(devices, { throttleEffects: [effect] }))).toEqual([]);
    expect(rulesOf(job([device(0), device(1, { sm: gauge(0.57, 0.9) })]))).toEqual([]);
  });

  test('a memory peak of at most half the device, in a job long enough to know', () => {
    expect(rulesOf(job([device(0, { memoryPeakBytes: 71 * GIB })]))).toEqual([]);
    const half = job([device(0, { memoryPeakBytes: 70 * GIB })]);
    expect(textOf(half)).toContain('peaked at 70 GiB (50 % of the device)');
    expect(rulesOf({ ...half, endUs: 599 * SECOND })).toEqual([]);
  });

  test('an end out of memory, of the GPU or of the host', () => {
    const full = [device(0, { memoryPeakBytes: 137 * GIB })];
    expect(textOf(job(full, { state: 'OUT_OF_MEMORY', exitCode: 125 }))).toContain(
      'reached 98 % on n1 gpu 0.',
    );
    expect(textOf(job([device(0)], { state: 'OUT_OF_MEMORY' }))).toContain("so it was the host's memory");
    expect(textOf(job(full, { state: 'FAILED', exitCode: 1 }))).toContain('failed with its GPU memory full');
    expect(rulesOf(job(full))).toEqual([]);
    expect(rulesOf(job([device(0)], { state: 'FAILED', exitCode: 1 }))).toEqual([]);
  });

  test('an XID with its number, GPU and time, and its text once', () => {
    const xid: JobEvent = {
      tsUs: 61 * SECOND,
      node: 'n1',
      gpu: 'GPU-0',
      kind: 'xid',
      code: 79,
      subject: '',
      text: 'XID 79: GPU has fallen off the bus.',
    };
    expect(textOf(job([device(0, { events: [xid] })]))).toBe(
      'XID 79 on n1 gpu 0 at 00:01:01: GPU has fallen off the bus.',
    );
  });

  test('low coverage, and sensors that contradict each other', () => {
    expect(rulesOf(job([device(0)], { of: { coverage: level(0.95, 'ratio') } }))).toEqual([]);
    expect(rulesOf(job([device(0)], { of: { coverage: level(0.949, 'ratio') } }))).toEqual(['coverage']);
    const measured = (power: number): JobFacts => job([device(0)], { of: { energy: energy(1e6, power) } });
    expect(rulesOf(measured(1.2e6))).toEqual(['energy-check']);
    expect(rulesOf(measured(1.05e6))).toEqual([]);
  });
});

describe('dips', () => {
  const series = (length: number, isLow: (step: number) => boolean): ActivityStep[] =>
    Array.from({ length }, (_, step) => ({ step, ratio: isLow(step) ? 0.03 : 0.9, dtUs: SECOND }));

  test('are found with depth, length, period and part of the time', () => {
    const dips = findDips(
      series(1000, (step) => step % 200 >= 190),
      SECOND,
    );
    expect(dips).toMatchObject({ count: 4, lengthUs: 10 * SECOND, periodUs: 200 * SECOND });
    expect(dips!.floor).toMatchObject({ unit: 'ratio', knownUs: 40 * SECOND });
    expect(dips!.floor.value).toBeCloseTo(0.03, 12);
    expect(dips!.timeRatio).toBeCloseTo(0.04, 12);
  });

  test('two are a rhythm only if the first is as far from the start as from the second', () => {
    expect(
      findDips(
        series(500, (step) => [200, 400].includes(step)),
        SECOND,
      )?.periodUs,
    ).toBe(200 * SECOND);
    expect(
      findDips(
        series(500, (step) => [100, 400].includes(step)),
        SECOND,
      ),
    ).toBeUndefined();
  });

  test('three need only be even among themselves', () => {
    const late = series(1000, (step) => [100, 400, 700].includes(step));
    expect(findDips(late, SECOND)?.periodUs).toBe(300 * SECOND);
  });

  test('a stretch at 30 % of the usual activity is ordinary, one below is a dip', () => {
    const falling = (ratio: number): ActivityStep[] =>
      Array.from({ length: 500 }, (_, step) => ({
        step,
        ratio: [200, 400].includes(step) ? ratio : 1,
        dtUs: SECOND,
      }));
    expect(findDips(falling(0.3), SECOND)).toBeUndefined();
    expect(findDips(falling(0.299), SECOND)?.count).toBe(2);
  });

  test('uneven ones, ones that stop, start-up and a constantly low job are no rhythm', () => {
    expect(
      findDips(
        series(1000, (step) => [100, 150, 700, 900].includes(step)),
        SECOND,
      ),
    ).toBeUndefined();
    expect(
      findDips(
        series(3000, (step) => step < 300 && step % 30 > 25),
        SECOND,
      ),
    ).toBeUndefined();
    expect(
      findDips(
        series(1000, (step) => step < 50),
        SECOND,
      ),
    ).toBeUndefined();
    expect(
      findDips(
        series(1000, (step) => step % 4 !== 0),
        SECOND,
      ),
    ).toBeUndefined();
    expect(findDips([], SECOND)).toBeUndefined();
  });
});
