import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  activeSteps,
  chooseWindows,
  LONG_WINDOWS,
  sliceWindows,
  USUAL_WINDOWS,
  type CourseStep,
} from '../../../src/core/analysis/active-windows.ts';

const MINUTE = 60e6;

/** Minutes of these means, all known. */
const courseOf = (...ratios: number[]): CourseStep[] =>
  ratios.map((ratio, minute) => ({ fromUs: minute * MINUTE, ratio, knownUs: MINUTE }));
const minutesOf = (steps: readonly CourseStep[]): number[] => steps.map(({ fromUs }) => fromUs / MINUTE);
const steady = (minutes: number): CourseStep[] => courseOf(...new Array<number>(minutes).fill(0.8));

describe('active time', () => {
  test('is where a job does half of what it mostly does', () => {
    const course = courseOf(0, 0.1, 0.8, 0.8, 0.3, 0.8, 0.8, 0.5, 0.8, 0.8, 0.8, 0, 0);
    expect(minutesOf(activeSteps(course))).toEqual([2, 3, 5, 6, 7, 8, 9, 10]);
  });

  test('is nowhere in a job that does nothing, and where little is known', () => {
    expect(activeSteps(courseOf(0, 0.01, 0.005))).toEqual([]);
    expect(activeSteps([])).toEqual([]);
    const course = steady(4).map((step, at) => (at === 2 ? { ...step, knownUs: 0.4 * MINUTE } : step));
    expect(minutesOf(activeSteps(course))).toEqual([0, 1, 3]);
  });
});

describe('windows', () => {
  test('of a long job are ten minutes long, 24 at most, and spread over it', () => {
    const windows = chooseWindows(steady(1440), MINUTE, USUAL_WINDOWS);
    expect(windows).toHaveLength(24);
    expect(windows.every(({ fromUs, toUs }) => toUs - fromUs === 10 * MINUTE)).toBe(true);
    expect(windows[0]!.fromUs).toBeLessThan(60 * MINUTE);
    expect(windows.at(-1)!.toUs).toBeGreaterThan(1380 * MINUTE);
  });

  test('for long steps are eight of forty minutes', () => {
    const windows = chooseWindows(steady(1440), MINUTE, LONG_WINDOWS);
    expect(windows).toHaveLength(8);
    expect(windows.every(({ fromUs, toUs }) => toUs - fromUs === 40 * MINUTE)).toBe(true);
  });

  test('of a shorter one are shorter', () => {
    expect(
      chooseWindows(steady(20), MINUTE, USUAL_WINDOWS).map(({ toUs, fromUs }) => (toUs - fromUs) / MINUTE),
    ).toEqual([5, 5, 5, 5]);
    expect(chooseWindows(steady(1), MINUTE, USUAL_WINDOWS)).toEqual([]);
  });

  test('are within stretches, shorter where those are', () => {
    const course = courseOf(...Array.from({ length: 40 }, (_, minute) => (minute % 5 === 4 ? 0 : 0.8)));
    const windows = chooseWindows(activeSteps(course), MINUTE, USUAL_WINDOWS);
    expect(windows.length).toBeGreaterThanOrEqual(8);
    for (const { fromUs, toUs } of windows)
      for (let us = fromUs; us < toUs; us += MINUTE) expect((us / MINUTE) % 5).not.toBe(4);
  });

  test('lie in active time, do not overlap, and are 24 at most', () => {
    const minutes = fc.uniqueArray(fc.integer({ min: 0, max: 3000 }), { maxLength: 800 });
    fc.assert(
      fc.property(minutes, fc.integer({ min: 1, max: 3 }), (some, length) => {
        const stepUs = length * MINUTE;
        const active = some
          .sort((a, b) => a - b)
          .map((step) => ({ fromUs: step * stepUs, ratio: 1, knownUs: stepUs }));
        const starts = new Set(active.map(({ fromUs }) => fromUs));
        const windows = chooseWindows(active, stepUs, USUAL_WINDOWS);
        expect(windows.length).toBeLessThanOrEqual(24);
        for (const [at, { fromUs, toUs }] of windows.entries()) {
          expect(fromUs).toBeGreaterThanOrEqual(windows[at - 1]?.toUs ?? 0);
          for (let us = fromUs; us < toUs; us += MINUTE)
            expect(starts.has(Math.floor(us / stepUs) * stepUs)).toBe(true);
        }
      }),
    );
  });

  test('are cut into slices of whole minutes where they are few', () => {
    const slices = sliceWindows(chooseWindows(steady(20), MINUTE, USUAL_WINDOWS), 10);
    expect(slices.length).toBeGreaterThanOrEqual(10);
    expect(slices.every(({ fromUs, toUs }) => fromUs % MINUTE === 0 && toUs > fromUs)).toBe(true);
    const many = chooseWindows(steady(1440), MINUTE, USUAL_WINDOWS);
    expect(sliceWindows(many, 10)).toEqual(many);
    expect(sliceWindows([], 10)).toEqual([]);
  });
});
