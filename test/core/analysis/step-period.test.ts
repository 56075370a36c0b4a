import { describe, expect, test } from 'vitest';
import { combineWindows } from '../../../src/core/analysis/job-steps.ts';
import { findStepPeriod, type StepPeriod } from '../../../src/core/analysis/step-period.ts';
import { createRandom } from '../../../src/core/synthetic/random.ts';
import { gauss, makeBursts, makeSteps, meansOf, measured, type StepShape } from './made-activity.ts';

const WINDOWS = 6;

interface Case extends StepShape {
  readonly tickS: number;
}

function periodOf(values: Float64Array, tickS: number): StepPeriod {
  return findStepPeriod({ tickUs: tickS * 1e6, values });
}

/** A window of 1,200 ticks of steps, and their mean length. */
function windowOf(seed: number, { tickS, ...shape }: Case): { found: StepPeriod; meanUs: number } {
  const ticks = 1200 * Math.max(1, Math.round(shape.stepS / tickS / 30));
  const { levels, meanS } = makeSteps(seed, ticks * tickS, shape);
  return { found: periodOf(measured(seed, meansOf(levels, tickS, ticks)), tickS), meanUs: meanS * 1e6 };
}

function casesOf(
  lanes: readonly { tickS: number; steps: readonly number[] }[],
  jitters: readonly number[],
): Case[] {
  return lanes.flatMap(({ tickS, steps }) =>
    steps.flatMap((stepS) =>
      jitters.flatMap((jitter) => [1, 4].map((accumulation) => ({ tickS, stepS, jitter, accumulation }))),
    ),
  );
}

const LONG_ENOUGH = casesOf(
  [
    { tickS: 0.1, steps: [0.5, 0.73, 1.2, 3.1, 7] },
    { tickS: 1, steps: [5, 7, 12.3, 60] },
  ],
  [0, 0.02, 0.05],
);

describe('the period of steps', () => {
  test.each(LONG_ENOUGH)(
    'of $stepS s at $tickS s, jitter $jitter, $accumulation parts: within 1 %',
    (shape) => {
      for (let job = 0; job < 2; job += 1) {
        const windows = Array.from({ length: WINDOWS }, (_, window) => windowOf(job * 100 + window, shape));
        const combined = combineWindows(windows.map(({ found }) => found));
        expect(combined).toHaveProperty('periodUs');
        if ('none' in combined) continue;
        const meanUs = windows.reduce((sum, window) => sum + window.meanUs, 0) / windows.length;
        expect(Math.abs(combined.periodUs / meanUs - 1)).toBeLessThan(0.01);
        expect(combined.periodMinUs).toBeLessThanOrEqual(combined.periodUs);
        expect(combined.periodMaxUs).toBeGreaterThanOrEqual(combined.periodUs);
      }
    },
  );

  test.each(
    casesOf(
      [
        { tickS: 0.1, steps: [0.12, 0.18, 0.3, 0.4] },
        { tickS: 1, steps: [0.3, 0.4, 1.2, 1.8, 3] },
      ],
      [0, 0.05, 0.2],
    ),
  )('of $stepS s at $tickS s, jitter $jitter, $accumulation parts: right or none', (shape) => {
    for (let seed = 0; seed < 6; seed += 1) {
      const { found, meanUs } = windowOf(seed, shape);
      if ('periodUs' in found) expect(Math.abs(found.periodUs / meanUs - 1)).toBeLessThan(0.05);
    }
  });

  test.each(
    casesOf(
      [
        { tickS: 0.1, steps: [0.5, 1.2, 7] },
        { tickS: 1, steps: [7, 60] },
      ],
      [0.2],
    ),
  )('of $stepS s at $tickS s, jitter $jitter, $accumulation parts: within 5 % or none', (shape) => {
    for (let seed = 0; seed < 6; seed += 1) {
      const { found, meanUs } = windowOf(seed, shape);
      if ('periodUs' in found) expect(Math.abs(found.periodUs / meanUs - 1)).toBeLessThan(0.05);
    }
  });

  test.each([0.1, 1])('none of bursts, noise, wandering levels at %d s', (tickS) => {
    for (let seed = 0; seed < 20; seed += 1) {
      const random = createRandom(seed, 'none');
      const bursts = measured(seed, meansOf(makeBursts(seed, 1200 * tickS, 10 * tickS), tickS, 1200));
      const noise = new Float64Array(1200).map(() => 0.5 + 0.1 * gauss(random));
      let level = 0;
      const wandering = new Float64Array(1200).map(() => {
        level = 0.9 * level + 0.1 * gauss(random);
        return 0.5 + level;
      });
      for (const values of [bursts, noise, wandering]) expect(periodOf(values, tickS)).toHaveProperty('none');
    }
  });

  test('none, with the reason, of what does not move and of what is too short', () => {
    expect(periodOf(new Float64Array(600).fill(0.7), 1)).toEqual({ none: 'steady' });
    expect(periodOf(new Float64Array(600).fill(0), 1)).toEqual({ none: 'steady' });
    expect(
      periodOf(
        new Float64Array(39).map((_, at) => at % 5),
        1,
      ),
    ).toEqual({ none: 'too_short' });
    expect(periodOf(new Float64Array(600).fill(Number.NaN), 1)).toEqual({ none: 'too_short' });
  });

  test('is the same where some ticks are not known', () => {
    const { levels, meanS } = makeSteps(3, 120, { stepS: 1.2, jitter: 0.02, accumulation: 1 });
    const values = measured(3, meansOf(levels, 0.1, 1200));
    const random = createRandom(3, 'holes');
    const found = periodOf(
      values.map((value) => (random.next() < 0.1 ? Number.NaN : value)),
      0.1,
    );
    expect(found).toHaveProperty('periodUs');
    if ('periodUs' in found) expect(Math.abs(found.periodUs / 1e6 / meanS - 1)).toBeLessThan(0.02);
  });
});

describe('windows of a job', () => {
  const of = (...periods: number[]): StepPeriod[] =>
    periods.map((periodUs) => (periodUs === 0 ? { none: 'aperiodic' } : { periodUs, explained: 0.8 }));

  test('agree where two thirds of them, and three, are within 5 %', () => {
    expect(combineWindows(of(100, 101, 104))).toMatchObject({
      periodUs: 101,
      windowsAgreed: 3,
      windowsSeen: 3,
    });
    expect(combineWindows(of(100, 101, 104, 0))).toMatchObject({
      periodUs: 101,
      periodMinUs: 100,
      periodMaxUs: 104,
    });
    expect(combineWindows(of(100, 101, 104, 0, 0))).toEqual({ none: 'disagree' });
    expect(combineWindows(of(100, 101, 202))).toEqual({ none: 'disagree' });
    expect(combineWindows(of(100, 100, 106))).toEqual({ none: 'disagree' });
  });

  test('drift from the first third to the last, where six agree', () => {
    expect(combineWindows(of(100, 100, 102, 102, 103, 103))).toMatchObject({ driftRatio: 103 / 100 - 1 });
    expect(combineWindows(of(103, 103, 0, 102, 102, 101, 100))).toMatchObject({
      driftRatio: 100.5 / 103 - 1,
    });
    expect(combineWindows(of(100, 100, 102, 103, 103))).toMatchObject({ driftRatio: undefined });
  });

  test('say what most of them say where no three have a period', () => {
    expect(combineWindows(of(100, 101, 0))).toEqual({ none: 'aperiodic' });
    expect(combineWindows([{ none: 'steady' }, { none: 'too_fine' }, { none: 'too_fine' }])).toEqual({
      none: 'too_fine',
    });
  });
});
