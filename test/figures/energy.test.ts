/**
 * Goal: an energy that nobody measured is not 0, and one dead counter does not take the energy of other devices away.
 * Method: the rule itself, at its edges.
 */
import { describe, expect, test } from 'vitest';
import { bestOfDevice, energyOf, type EnergySums } from '../../src/figures/quantity.ts';

const HOUR = 3600e6;
const known = { counterJoules: 100, counterUs: HOUR, powerJoules: 110, powerUs: HOUR };
const nothing = { counterJoules: undefined, counterUs: 0, powerJoules: undefined, powerUs: 0 };

describe('the energy of a device is', () => {
  test.each<[string, Omit<EnergySums, 'bestJoules' | 'bestUs'>, number | undefined, number]>([
    ['the counter', known, 100, HOUR],
    ['the counter, however little time it knew', { ...known, counterUs: 1 }, 100, 1],
    ['the power integral without a counter', { ...known, counterJoules: undefined, counterUs: 0 }, 110, HOUR],
    ['the power integral beside a counter that stands still', { ...known, counterJoules: 0 }, 110, HOUR],
    ['0 where both say so', { ...known, counterJoules: 0, powerJoules: 0 }, 0, HOUR],
    ['0 by a counter alone', { ...nothing, counterJoules: 0, counterUs: HOUR }, 0, HOUR],
    ['unknown where neither says anything', nothing, undefined, 0],
    ['unknown over no time', { ...nothing, powerJoules: 0, powerUs: 0 }, undefined, 0],
  ])('%s', (_, sums, joules, us) => {
    expect(bestOfDevice(sums)).toEqual({ bestJoules: joules, bestUs: us });
  });
});

test('figures over no known time are absent', () => {
  const sums = { ...nothing, powerJoules: 0, bestJoules: undefined, bestUs: 0 };
  expect(energyOf(sums)).toEqual({ counter: undefined, power: undefined, best: undefined });
  expect(energyOf({ ...known, ...bestOfDevice(known) }).best).toEqual({
    value: 100,
    unit: 'joules',
    knownUs: HOUR,
  });
});
