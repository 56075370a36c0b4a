/**
 * Goal: amounts are those of a table made by hand, what has no rate or is not known is told and never 0, and rows add up. Method:
 * tables, and 300 drawn ones against sums of another order.
 */
import { describe, expect, test } from 'vitest';
import {
  addCosts,
  costsOf,
  timeAmount,
  type CostRates,
  type ModelTime,
} from '../../../src/core/costs/costs.ts';
import { gramsIn } from '../../../src/core/costs/hourly-grams.ts';
import { rateOf } from '../../../src/core/costs/model-rates.ts';
import { createRandom } from '../../../src/core/synthetic/random.ts';

const HOUR = 3600e6;
const KWH = 3.6e6;
const T0 = Date.UTC(2026, 10, 20, 9) * 1000;
const NO_RATES: CostRates = {
  currency: undefined,
  gpuHour: undefined,
  rgu: undefined,
  kwhPrice: undefined,
  pue: undefined,
  gramsPerKwh: undefined,
};
const PRICES = {
  models: new Map([
    ['NVIDIA H200', 3],
    ['NVIDIA L4', 0.5],
  ]),
  others: undefined,
};
const time = (model: string | undefined, hours: number): ModelTime => ({
  model,
  us: hours * HOUR,
  isSizeKnown: true,
});
const energy = (kwh: number | undefined, hours = 1) => ({
  joules: kwh === undefined ? undefined : kwh * KWH,
  knownUs: kwh === undefined ? 0 : hours * HOUR,
  hours: undefined,
});

describe('the rate of a model', () => {
  test.each([
    ['NVIDIA H200', 3],
    ['NVIDIA H200 MIG 3g.71gb', 3],
    ['NVIDIA L4', 0.5],
    // Another model, of whose name the price has only the beginning of a word.
    ['NVIDIA L40S', undefined],
    ['NVIDIA H2000', undefined],
    ['H200', undefined],
    ['__proto__', undefined],
    [undefined, undefined],
  ])('of %s is %s', (model, expected) => {
    expect(rateOf(PRICES, model)).toBe(expected);
  });

  test('is that of the longest beginning, else that of others, also of a model that nobody told', () => {
    const rates = {
      models: new Map([
        ['NVIDIA A100', 1],
        ['NVIDIA A100-SXM4-80GB', 2],
      ]),
      others: 0.25,
    };
    expect(
      ['NVIDIA A100-SXM4-80GB', 'NVIDIA A100-SXM4-40GB', 'Tesla T4', undefined].map((model) =>
        rateOf(rates, model),
      ),
    ).toEqual([2, 1, 0.25, 0.25]);
  });
});

describe('amounts', () => {
  test('are hours × price; what has none is told of, and is not 0', () => {
    const amount = timeAmount(PRICES, [
      time('NVIDIA H200', 2.5),
      time('NVIDIA L40S', 4),
      time('NVIDIA L4', 1),
    ]);
    expect(amount).toEqual({ value: 8, covered: 3.5 * HOUR, of: 7.5 * HOUR });
    expect(timeAmount(PRICES, [time('NVIDIA L40S', 4)])).toEqual({
      value: undefined,
      covered: 0,
      of: 4 * HOUR,
    });
  });

  test('of an instance of unknown size are not known, and a price of 0 is one', () => {
    expect(timeAmount(PRICES, [{ ...time('NVIDIA H200', 1), isSizeKnown: false }]).value).toBeUndefined();
    const free = { models: new Map([['NVIDIA H200', 0]]), others: undefined };
    expect(timeAmount(free, [time('NVIDIA H200', 1)])).toEqual({ value: 0, covered: HOUR, of: HOUR });
  });

  test('of energy are kWh × PUE × price, over the time for which it is known', () => {
    const rates = { ...NO_RATES, currency: 'EUR', kwhPrice: 0.2, pue: 1.5, gramsPerKwh: 100 };
    const costs = costsOf(rates, [time('NVIDIA H200', 4)], energy(10, 3));
    expect(costs.energy).toEqual({ value: expect.closeTo(3, 12) as number, covered: 3 * HOUR, of: 4 * HOUR });
    expect(costs.carbon).toEqual({
      value: expect.closeTo(1500, 9) as number,
      covered: 10 * KWH,
      of: 10 * KWH,
    });
    expect(costs).not.toHaveProperty('gpuHours');
  });

  test('of energy that is not known are not 0', () => {
    const rates = { ...NO_RATES, kwhPrice: 0.2, gramsPerKwh: 100 };
    const { energy: cost, carbon } = costsOf(rates, [time(undefined, 4)], energy(undefined));
    expect(cost).toEqual({ value: undefined, covered: 0, of: 4 * HOUR });
    expect(carbon).toEqual({ value: undefined, covered: 0, of: 0 });
  });

  test('without rates there are none', () => {
    expect(costsOf(NO_RATES, [time('NVIDIA H200', 4)], energy(10))).toEqual({});
  });
});

describe('grams by the hour', () => {
  const grams = new Map([
    [T0, 100],
    [T0 + 2 * HOUR, 400],
  ]);
  const drawn = (fromUs: number, kwh: number, lengthUs = HOUR) => ({ fromUs, lengthUs, joules: kwh * KWH });

  test('count for the energy of their hour; a hole leaves out its own', () => {
    const hours = [drawn(T0, 2), drawn(T0 + HOUR, 5), drawn(T0 + 2 * HOUR, 1)];
    const { carbon } = costsOf({ ...NO_RATES, gramsPerKwh: grams, pue: 2 }, [], {
      ...energy(8),
      hours,
    });
    expect(carbon).toEqual({
      value: expect.closeTo(2 * (2 * 100 + 400), 9) as number,
      covered: 3 * KWH,
      of: 8 * KWH,
    });
  });

  test('of several hours are their mean, and not known where one of them is missing', () => {
    const whole = new Map([...grams, [T0 + HOUR, 100]]);
    expect(gramsIn(whole, { fromUs: T0, lengthUs: 3 * HOUR })).toBe(200);
    expect(gramsIn(grams, { fromUs: T0, lengthUs: 3 * HOUR })).toBeUndefined();
    expect(gramsIn(whole, { fromUs: T0, lengthUs: 24 * HOUR })).toBeUndefined();
  });

  test('are not known of energy of which nobody knows when it was drawn', () => {
    const { carbon } = costsOf({ ...NO_RATES, gramsPerKwh: grams }, [], energy(8));
    expect(carbon).toEqual({ value: undefined, covered: 0, of: 8 * KWH });
  });
});

test('rows add up to the whole, in whatever order and groups they are added', () => {
  const random = createRandom(16, 'costs');
  const models = ['NVIDIA H200', 'NVIDIA L4', 'NVIDIA L40S', undefined];
  const rates: CostRates = {
    currency: 'EUR',
    gpuHour: PRICES,
    rgu: { models: new Map([['NVIDIA H200', 12.2]]), others: 1 },
    kwhPrice: 0.183,
    pue: 1.27,
    gramsPerKwh: 87.3,
  };
  for (let round = 0; round < 300; round += 1) {
    const rows = Array.from({ length: 1 + Math.floor(random.next() * 40) }, () => ({
      time: time(models[Math.floor(random.next() * models.length)], random.next() * 1e4),
      energy: energy(random.next() < 0.2 ? undefined : random.next() * 1e3, random.next() * 1e4),
    }));
    const whole = addCosts(rows.map((row) => costsOf(rates, [row.time], row.energy)));
    const groups = [...Map.groupBy(rows, () => Math.floor(random.next() * 5)).values()].reverse();
    const summed = addCosts(
      groups.map((own) => addCosts(own.toReversed().map((row) => costsOf(rates, [row.time], row.energy)))),
    );
    const kwh = rows.reduce((sum, row) => sum + (row.energy.joules ?? 0) / KWH, 0);
    const priced = rows.reduce((sum, { time: { model, us } }) => {
      const price = model === 'NVIDIA H200' ? 3 : model === 'NVIDIA L4' ? 0.5 : 0;
      return sum + (us / HOUR) * price;
    }, 0);
    for (const key of ['gpuHours', 'rguHours', 'energy', 'carbon'] as const) {
      const [a, b] = [whole[key]!, summed[key]!];
      for (const part of ['value', 'covered', 'of'] as const)
        if (a[part] === undefined) expect(b[part]).toBeUndefined();
        else expect(Math.abs(b[part]! - a[part])).toBeLessThanOrEqual(1e-9 * a[part]);
    }
    expect(whole.gpuHours!.value ?? 0).toBeCloseTo(priced, 6);
    expect(whole.energy!.value ?? 0).toBeCloseTo(kwh * 1.27 * 0.183, 6);
  }
});
