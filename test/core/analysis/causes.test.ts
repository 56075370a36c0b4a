import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { causesOf, type ContextSums, type DeviceContext } from '../../../src/core/analysis/causes.ts';

const CONTEXTS: readonly DeviceContext[] = [
  'head',
  'tail',
  'pause',
  'hang',
  'deviceIdle',
  'throttled',
  'low',
  'work',
];

const amount = (us: number): { us: number; joules: number } => ({ us, joules: us / 10 });

function sums(allUs: number, known = 1, busy = 1, low = 0, spin = 0): ContextSums {
  const knownUs = allUs * known;
  const busyUs = knownUs * busy;
  return {
    all: amount(allUs),
    known: amount(knownUs),
    busy: amount(busyUs),
    low: amount(busyUs * low),
    spin: amount(busyUs * low * spin),
    smUs: busyUs / 2,
  };
}

const ratio = fc.double({ min: 0, max: 1, noNaN: true });
const anySums = fc
  .tuple(fc.double({ min: 0, max: 1e11, noNaN: true }), ratio, ratio, ratio, ratio)
  .map((of) => sums(...of));

describe('the causes of a device', () => {
  test('are whole microseconds of at least one, add up to what it owned, and their energy to what is known', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e12 }),
        fc.uniqueArray(fc.tuple(fc.constantFrom(...CONTEXTS), anySums), { selector: ([context]) => context }),
        fc.option(ratio, { nil: undefined }),
        fc.double({ min: 0, max: 1e12, noNaN: true }),
        (ownedUs, told, waiting, seenUs) => {
          const contexts = new Map(told);
          const workUs = contexts.get('work')?.known.us ?? 0;
          const waitingUs = waiting === undefined ? undefined : waiting * workUs;
          const causes = causesOf({ ownedUs, seenUs, contexts, waitingUs });
          const parts = [...causes.values()];
          expect(parts.reduce((sum, { us }) => sum + us, 0)).toBe(ownedUs);
          expect(parts.every(({ us }) => Number.isSafeInteger(us) && us > 0)).toBe(true);
          const joules = [...contexts.values()].reduce((sum, { all }) => sum + all.joules, 0);
          expect(parts.reduce((sum, one) => sum + one.joules, 0)).toBeCloseTo(joules, -2);
          if (waiting === undefined) expect(causes.has('waiting')).toBe(false);
        },
      ),
    );
  });

  const of = (
    contexts: readonly (readonly [DeviceContext, ContextSums])[],
    more: { ownedUs?: number; seenUs?: number; waitingUs?: number } = {},
  ): Record<string, number> => {
    const { ownedUs = 1000, seenUs = 0, waitingUs } = more;
    const causes = causesOf({ ownedUs, seenUs, contexts: new Map(contexts), waitingUs });
    return Object.fromEntries([...causes].map(([cause, { us }]) => [cause, us]));
  };

  test('what rounding leaves between two sums of one energy is no energy', () => {
    for (const [all, known] of [
      [0.3, 0.1 + 0.2],
      [0.1 + 0.2, 0.3],
    ] as const) {
      const half = sums(1000, 0.5);
      const context = {
        ...half,
        all: { us: 1000, joules: all },
        known: { us: 500, joules: known },
        busy: { us: 500, joules: known },
      };
      const causes = causesOf({
        ownedUs: 1000,
        seenUs: 1000,
        contexts: new Map([['work', context]]),
        waitingUs: undefined,
      });
      expect(causes.get('untold')).toEqual({ us: 500, joules: 0 });
    }
  });

  test('what nobody saw is not seen, and nothing else', () => {
    expect(of([])).toEqual({ notSeen: 1000 });
    expect(of([['head', sums(400)]])).toEqual({ notSeen: 600, idleHead: 400 });
  });

  test('what was seen without the activity of its engine is told apart', () => {
    expect(of([['work', sums(800, 0.75)]])).toEqual({ notSeen: 200, untold: 200, effective: 600 });
    expect(of([['work', sums(500)]], { seenUs: 900 })).toEqual({ notSeen: 100, untold: 400, effective: 500 });
  });

  test('a sample is split: gaps, and what the engine did', () => {
    expect(of([['work', sums(1000, 1, 0.7, 0.2)]])).toEqual({ gaps: 300, low: 140, effective: 560 });
    expect(of([['throttled', sums(1000, 1, 0.7, 0.2)]])).toEqual({ gaps: 300, throttled: 700 });
    expect(of([['pause', sums(1000, 1, 0.3)]])).toEqual({ pause: 1000 });
  });

  test('waiting is taken from the time in which little was done first', () => {
    const work = sums(1000, 1, 1, 0.2, 0.5);
    expect(of([['work', work]])).toEqual({ low: 200, effective: 800 });
    expect(of([['work', work]], { waitingUs: 150 })).toEqual({ waiting: 150, low: 50, effective: 800 });
    expect(of([['work', work]], { waitingUs: 300 })).toEqual({ waiting: 300, effective: 700 });
    // What is seen to spin waits at the least.
    expect(of([['work', work]], { waitingUs: 0 })).toEqual({ waiting: 100, low: 100, effective: 800 });
  });

  test('samples that speak for more than was owned are made smaller alike', () => {
    expect(
      of([
        ['head', sums(500)],
        ['work', sums(1500)],
      ]),
    ).toEqual({ idleHead: 250, effective: 750 });
  });
});
