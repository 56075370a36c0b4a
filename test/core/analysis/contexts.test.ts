import { describe, expect, test } from 'vitest';
import { findContexts, type Moment } from '../../../src/core/analysis/contexts.ts';

const S = 1e6;

/** What a second of the job was like. */
const WORK = { engine: 1, sm: 0.8, tensor: 0.4, dram: 0.4, links: 1e9 };
const REST = { engine: 0.03, sm: 0.02, tensor: 0, dram: 0, links: 0 };
const SPINNING = { engine: 1, sm: 0.12, tensor: 0, dram: 0.01, links: 0 };
const LITTLE = { engine: 1, sm: 0.08, tensor: 0, dram: 0.03, links: 1e8 };
type Kind = typeof WORK;

/** One after the other, from second 0 on. @param parts how many seconds of what */
function course(...parts: readonly (readonly [seconds: number, Kind])[]): Moment[] {
  let second = 0;
  return parts.flatMap(([seconds, { engine, sm, tensor, dram, links }]) =>
    Array.from({ length: seconds }, (): Moment => {
      const fromUs = second * S;
      second += 1;
      return {
        fromUs,
        toUs: fromUs + S,
        ...{ engineMin: engine, engineMax: engine, engineMean: engine, engineTop: engine },
        ...{ smMax: sm, smTop: sm, smMean: sm, tensorMax: tensor, dramMax: dram, linksMax: links },
      };
    }),
  );
}

/** As `head 0-5`. */
function told(moments: readonly Moment[], tickUs = S): string[] {
  const toUs = moments.at(-1)!.toUs;
  return findContexts(moments, tickUs, { fromUs: 0, toUs }).map(
    (span) => `${span.context} ${span.fromUs / S}-${span.toUs / S}`,
  );
}

describe('contexts of a job', () => {
  test('head and tail are before the first and after the last activity', () => {
    expect(told(course([40, REST], [100, WORK], [30, REST]))).toEqual(['head 0-40', 'tail 140-170']);
    expect(told(course([100, WORK]))).toEqual([]);
  });

  test('a job that never runs is all head', () => {
    expect(told(course([100, REST]))).toEqual(['head 0-100']);
  });

  test('a pause is at least five seconds and three ticks long', () => {
    const of = (seconds: number): Moment[] => course([100, WORK], [seconds, REST], [100, WORK]);
    expect(told(of(4))).toEqual([]);
    expect(told(of(5))).toEqual(['pause 100-105']);
    expect(told(of(5), 2 * S)).toEqual([]);
    expect(told(of(6), 2 * S)).toEqual(['pause 100-106']);
  });

  test('one device that works is no pause', () => {
    const moments = course([100, WORK], [20, REST], [100, WORK]);
    const oneWorks = moments.map((moment, at) => (at === 110 ? { ...moment, engineMax: 0.9 } : moment));
    expect(told(oneWorks)).toEqual(['pause 100-110', 'pause 111-120']);
  });

  test('rests that are how the job works are none, but for one that is far longer', () => {
    const starved = Array.from(
      { length: 30 },
      () =>
        [
          [6, REST],
          [2, WORK],
        ] as const,
    ).flat();
    expect(told(course([2, WORK], ...starved))).toEqual([]);
    expect(told(course([2, WORK], ...starved, [600, REST], [2, WORK]))).toEqual(['pause 242-842']);
    // Nor is the last one a tail.
    expect(told(course([2, WORK], ...starved, [6, REST]))).toEqual([]);
    expect(told(course([2, WORK], ...starved, [9, REST]))).toEqual(['tail 242-251']);
  });

  test('a job whose samples are all mixtures of work and rest has neither head nor pause', () => {
    const mixed = { ...WORK, engine: 0.18, sm: 0.13 };
    expect(told(course([40, REST], [300, mixed]))).toEqual(['head 0-40']);
  });

  test('no progress takes five minutes of spinning, after some work', () => {
    expect(told(course([100, WORK], [299, SPINNING], [10, WORK]))).toEqual(['low 100-399']);
    expect(told(course([100, WORK], [300, SPINNING]))).toEqual(['hang 100-400']);
    expect(told(course([900, LITTLE]))).toEqual(['low 0-900']);
    // A little more than a kernel that waits is no progress yet.
    const alone = { ...LITTLE, links: 0 };
    expect(told(course([5, { ...alone, dram: 0.06 }], [900, alone]))).toEqual(['low 0-905']);
  });

  test('what moves over the links is progress', () => {
    const moving = { ...SPINNING, links: 1e8 };
    expect(told(course([100, WORK], [400, moving]))).toEqual(['low 100-500']);
  });

  test('without tensor or DRAM activity nobody knows of a hang', () => {
    const moments = course([100, WORK], [400, SPINNING]).map((one) => ({ ...one, dramMax: NaN }));
    expect(told(moments)).toEqual(['low 100-500']);
  });

  test('time without samples makes nothing longer', () => {
    const before = course([100, WORK], [3, REST]);
    const after = course([1000, WORK], [1, REST], [100, WORK]).slice(1000);
    expect(told([...before, ...after])).toEqual([]);
  });
});
